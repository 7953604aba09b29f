"""Two times over real releases: what was published stays, what is current moves, and every movement has its cause.

One insurer files complaints of three months. Release 1 states March and April; then March is filed again with fewer
complaints, and release 2 follows; then again, and release 3.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from pipelines.cli.app import app
from pipelines.orchestration import steps
from pipelines.orchestration.moments import build_models
from pipelines.settings import Settings
from tests.support.desk import OTHER, REPORTER, Desk, row

pytestmark = [pytest.mark.slow, pytest.mark.end_to_end]

RESUBMITTED = f"F01-2024-03-{REPORTER}-002"


def complaints(count: int, month: int, reporter: str = REPORTER) -> list[dict[str, str]]:
    """Valid complaints received and decided in a month; the numbers begin with the month."""
    received, due = {3: ("10", "25"), 4: ("10", "25"), 5: ("08", "23")}[month]
    dates = {
        "received_at": f"2024-0{month}-{received} 09:00:00",
        "decision_date": f"2024-0{month}-12",
        "notify_date": f"2024-0{month}-12",
        "due_date": f"2024-0{month}-{due}",
        "updated_at": f"2024-0{month}-19 09:00:00",
    }
    fixed = {
        "org_code": reporter,
        "reporter_code": reporter,
        "period": f"2024-0{month}",
        "first_inquiry_id": "",
    }
    return [row("F01", month * 100 + number, **fixed, **dates) for number in range(count)]


class Bureau:
    """A desk whose runs end with a release."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(home=folder / "home", inbox=(folder / "inbox").as_uri(), threads=2)
        self.desk = Desk(self.settings)

    def complaints(
        self, month: int, count: int, signed: str, sequence: int = 1, reporter: str = REPORTER
    ) -> None:
        self.desk.file("F01", complaints(count, month, reporter), period=f"2024-0{month}", reporter=reporter,
                       sequence=sequence, signed_at=signed)  # fmt: skip

    def publish(self) -> str:
        self.desk.run()
        build_models(self.settings, self.settings)
        return steps.publish(self.settings).path.name

    def ask(self, *arguments: str) -> Result:
        env = {
            "XIAOBAO_HOME": str(self.settings.home),
            "XIAOBAO_INBOX": self.settings.inbox,
            "COLUMNS": "160",
        }
        return CliRunner().invoke(app, list(arguments), env=env)

    def growth(self, *arguments: str, period: str = "2024-04") -> dict[str, Any]:
        """CMP-04 (on the period before) of the insurer."""
        result = self.ask(
            "kpi", "--kpi", "CMP-04", "--org", REPORTER, "--period", period, "-f", "json", *arguments
        )
        assert result.exit_code == 0, result.output
        [found] = json.loads(result.stdout)
        return dict(found)

    def explained(self, *arguments: str) -> dict[str, Any]:
        result = self.ask("explain", *arguments, "-f", "json")
        assert result.exit_code == 0, f"{result.output}{result.exception!r}"
        return dict(json.loads(result.stdout))


@pytest.fixture(scope="module")
def bureau(tmp_path_factory: pytest.TempPathFactory) -> Bureau:
    made = Bureau(tmp_path_factory.mktemp("two-times"))
    made.desk.register()
    made.complaints(3, 10, "2024-04-03T10:00:00")
    made.complaints(4, 12, "2024-05-06T10:00:00")
    for month in (3, 4):
        made.complaints(month, 2, f"2024-0{month + 1}-05T09:00:00", reporter=OTHER)
    made.desk.file(
        "F03", [], period="2024-04", signed_at="2024-05-20T10:00:00"
    )  # moves the moment past the deadline
    assert made.publish() == "v1"
    made.complaints(3, 8, "2024-06-02T10:00:00", sequence=2)
    made.complaints(5, 9, "2024-06-05T10:00:00")
    made.desk.file("F03", [], period="2024-05", signed_at="2024-06-20T10:00:00")
    assert made.publish() == "v2"
    made.complaints(3, 6, "2024-06-25T10:00:00", sequence=3)
    assert made.publish() == "v3"
    return made


def shown(found: dict[str, Any]) -> tuple[Any, ...]:
    return found["numerator"], found["base_value"], found["value"]


def test_what_was_published_never_moves(bureau: Bureau) -> None:
    printed = bureau.growth("--as-published", "v1")
    assert shown(printed) == ("12", "10", "20.00")
    assert (printed["release_id"], printed["basis"]) == ("v1", "current")
    assert bureau.growth("--as-published", "v2")["value"] == "50.00"
    assert bureau.growth()["value"] == "100.00"


def test_a_published_growth_rate_never_moves_when_its_base_is_restated(bureau: Bureau) -> None:
    for release in ("v2", "v3"):
        found = bureau.growth("--as-published", release, "--basis", "published")
        assert shown(found) == ("12", "10", "20.00"), release
    current = bureau.growth()
    assert shown(current) == ("12", "6", "100.00")
    assert "RESTATED" in current["status"].split("|")


def test_a_moment_is_asked_like_a_release(bureau: Bureau) -> None:
    then = bureau.growth("--as-of", "2024-05-20")
    assert shown(then) == ("12", "10", "20.00")
    assert (then["release_id"], then["as_of"]) == (None, "2024-05-20T23:59:59.999999")
    assert shown(bureau.growth("--as-of", "2024-06-20T10:00")) == ("12", "8", "50.00")
    published = bureau.growth("--as-of", "2024-06-20T10:00", "--basis", "published")
    assert shown(published) == ("12", "10", "20.00")


def test_an_as_of_read_leaves_the_build_and_releases_as_they_are(bureau: Bureau) -> None:
    build = bureau.settings.build_database
    before = build.read_bytes()
    names = sorted(path.name for path in bureau.settings.releases_dir.iterdir())
    bureau.growth("--as-of", "2024-06-04")
    assert build.read_bytes() == before
    assert sorted(path.name for path in bureau.settings.releases_dir.iterdir()) == names


def test_combinations_that_say_nothing_tell_what_to_ask(bureau: Bureau) -> None:
    def told(*arguments: str) -> str:
        result = bureau.ask("kpi", *arguments)
        assert result.exit_code != 0
        return " ".join(f"{result.output} {result.exception}".split())

    assert "a release is frozen" in told("--as-of", "2024-06-01", "--as-published", "v1")
    assert "is no growth rate" in told("--kpi", "CMP-01", "--basis", "published")
    assert "nothing had been published before it" in told(
        "--kpi", "CMP-04", "--basis", "published", "--as-published", "v1"
    )
    assert "there are: v3, v2, v1" in told("--as-published", "v9")
    assert "no institution master (R03) was known" in told("--as-of", "2023-12-31")
    assert "is no date" in told("--as-of", "yesterday")


def test_explain_names_the_resubmission(bureau: Bureau) -> None:
    told = bureau.explained("CMP-04", "2024-04", "--org", REPORTER, "--release", "v2")
    parts = {part["role"]: part for part in told["parts"]}
    assert (parts["numerator"]["amount"], parts["numerator"]["agrees"]) == ("12", True)
    base = parts["base_numerator"]
    assert (base["amount"], base["agrees"], base["period"]) == ("8", True, "2024-03")
    assert [filing["submission_id"] for filing in base["filings"]] == [RESUBMITTED]
    assert base["filings"][0]["replaces"] == f"F01-2024-03-{REPORTER}-001"
    assert told["base"]["value"] == "8"
    first, second = told["history"]
    assert (first["release_id"], first["cell"]["value"]) == ("v1", "20.00".rstrip("0").rstrip("."))
    assert second["cell"]["value"] == "50"
    assert RESUBMITTED in {cause["submission_id"] for cause in second["causes"]}
    assert [flag["flag"] for flag in told["status"]][-1] == "RESTATED"


def test_explain_of_a_restatement_names_what_was_printed_and_what_came_since(bureau: Bureau) -> None:
    told = bureau.explained("DQ-04", "2024-03", "kpi=CMP-01", "--release", "v2")
    assert told["cell"]["value"] == "16.67"  # |10 - 12| / 12
    assert (told["base"]["release"], told["base"]["value"]) == ("v1", "12")
    assert told["figure"]["cell"]["value"] == "10"
    assert [part["agrees"] for part in told["parts"]] == [True]
    resubmitted = told["later"][0]
    assert (resubmitted["submission_id"], resubmitted["counts"]) == (RESUBMITTED, True)
    assert resubmitted["replaces"] == f"F01-2024-03-{REPORTER}-001"
    # Release 3 is compared with release 2, never with itself.
    again = bureau.explained("DQ-04", "2024-03", "kpi=CMP-01")
    assert (again["base"]["release"], again["base"]["value"]) == ("v2", "10")
    shown = bureau.ask("explain", "DQ-04", "2024-03", "kpi=CMP-01", "--release", "v2").output
    assert RESUBMITTED in shown
    assert "现值 now" in shown


def test_explain_names_the_vintage_of_a_published_base(bureau: Bureau) -> None:
    told = bureau.explained("CMP-04", "2024-04", "--org", REPORTER, "--basis", "published")
    assert (told["base"]["release"], told["base"]["value"]) == ("v1", "10")
    assert told["base"]["as_of"] == "2024-05-20T10:00:00"


def test_explain_goes_down_to_the_filed_rows(bureau: Bureau) -> None:
    told = bureau.explained("CMP-01", "2024-04", "--rows")
    [part] = told["parts"]
    assert (part["amount"], part["agrees"], part["n_rows"]) == ("14", True, 14)
    assert sum(filing["n_rows"] for filing in part["filings"]) == 14
    rows = part["rows"]
    assert {line["submission_id"] for line in rows} == {
        f"F01-2024-04-{REPORTER}-001",
        f"F01-2024-04-{OTHER}-001",
    }
    assert sorted(line["row_no"] for line in rows if REPORTER in line["submission_id"]) == list(range(2, 14))
    assert all(line["key"].split()[-1].startswith("F01-4") for line in rows)


def test_an_explanation_reads_well(bureau: Bureau) -> None:
    result = bureau.ask("explain", "CMP-04", "2024-04", "--org", REPORTER, "--rows")
    assert result.exit_code == 0, result.output
    for words in (
        "有效投诉环比增减",
        "公式 formula",
        "基期 base",
        "RESTATED",
        "历次发布",
        RESUBMITTED,
        "(本期−上期)",
    ):
        assert words in result.output
    assert max(len(line) for line in result.output.splitlines()) <= 160


def test_an_unknown_cell_tells_what_there_is(bureau: Bureau) -> None:
    def told(*arguments: str) -> str:
        result = bureau.ask("explain", *arguments)
        assert result.exit_code != 0
        return str(result.exception)

    assert "there is no KPI CMP-99" in told("CMP-99", "2024-04")
    assert "has no figure for 2031-01" in told("CMP-01", "2031-01")
    assert "has no line_code=火星; there are:" in told("CMP-01", "2024-04", "line_code=火星")
    assert "has no basis 'published'" in told("CMP-01", "2024-04", "--basis", "published")
