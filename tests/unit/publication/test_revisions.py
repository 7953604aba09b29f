"""The revision report: every changed cell is listed with its cause, and a change nothing explains is not published."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from jsonschema import validate

from pipelines.contracts.loader import load_catalogue
from pipelines.publication.effects import own_effects
from pipelines.publication.release import PUBLIC_TABLES, Release
from pipelines.publication.revision_report import REPORT_JSON, REPORT_PAGE, RevisionReport
from pipelines.publication.revisions import RevisionReportError
from pipelines.settings import Settings
from pipelines.warehouse.connection import open_readonly, open_warehouse
from tests.support.desk import BRANCH, OTHER, REPORTER, Desk, row
from tests.support.publishing import SEEDS, publish_figures

SCHEMA = Path(__file__).parents[3] / "docs" / "revision_report.schema.json"
OWN = {"reporter_code": REPORTER, "org_code": BRANCH}

Cell = tuple[str, str, str, str | None, str | None]


@pytest.fixture
def desk(run_settings: Settings) -> Desk:
    """Two insurers with complaints of March, one of them received in February."""
    desk = Desk(run_settings)
    desk.register((REPORTER, "L"), (OTHER, "L"))
    desk.file("F01", march())
    desk.file("F01", [row("F01", 9, reporter_code=OTHER, org_code=OTHER)], reporter=OTHER)
    desk.run()
    return desk


def march(**third: str) -> list[dict[str, str]]:
    early = {"received_at": "2024-02-26 10:00:00", "decision_date": "2024-03-05", "due_date": "2024-03-12",
             "notify_date": "2024-03-06"}  # fmt: skip
    return [row("F01", 1, **OWN), row("F01", 2, **OWN), row("F01", 3, **OWN, **early | third)]


def figures(*cells: Cell) -> str:
    """KPI values as a SELECT: (kpi, period, grain, insurer, value)."""
    rows = ", ".join(
        f"('{kpi}', '{period}', '{grain}', {_text(org)}, {value or 'NULL'}::DECIMAL(18, 2))"
        for kpi, period, grain, org, value in cells
    )
    return f"""
    SELECT kpi_id, 'month' AS period_type, period, grain, org_code, NULL::VARCHAR AS peer_group,
        CASE WHEN org_code IS NOT NULL THEN 'life' END AS insurer_type, 'total' AS dimension,
        'total' AS dimension_value, value::DECIMAL(38, 6) AS numerator, NULL::DECIMAL(38, 6) AS denominator, value,
        '件' AS unit, NULL::DECIMAL(38, 6) AS base_value, NULL::VARCHAR AS base_period, 'current' AS basis,
        CASE WHEN value IS NULL THEN 'MISSING' ELSE 'OK' END AS status, NULL::INTEGER AS rank,
        NULL::INTEGER AS n_institutions
    FROM (VALUES {rows}) AS v(kpi_id, period, grain, org_code, value)"""


def _text(value: str | None) -> str:
    return f"'{value}'" if value else "NULL::VARCHAR"


def ask(release: Release, sql: str) -> list[tuple[Any, ...]]:
    con = open_readonly(release.path / "warehouse.duckdb")
    try:
        return con.execute(sql).fetchall()
    finally:
        con.close()


def causes(release: Release) -> list[tuple[Any, ...]]:
    return ask(
        release,
        "SELECT period, grain, org_code, r.change, c.cause, c.relation, c.submission_id "
        "FROM release.revisions AS r JOIN (SELECT revision_no, cause, relation, submission_id "
        "FROM release.revision_causes) AS c USING (revision_no) ORDER BY ALL",
    )


def report(release: Release) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((release.path / REPORT_JSON).read_text(encoding="utf-8"))
    validate(loaded, json.loads(SCHEMA.read_text(encoding="utf-8")))
    return loaded


BEFORE: tuple[Cell, ...] = (
    ("CMP-01", "2024-02", "insurer", REPORTER, "1"),
    ("CMP-01", "2024-03", "insurer", REPORTER, "2"),
    ("CMP-01", "2024-03", "insurer", OTHER, "1"),
    ("CMP-01", "2024-02", "bureau", None, "1"),
    ("CMP-01", "2024-03", "bureau", None, "3"),
)
FIRST, SECOND = (f"F01-2024-03-{REPORTER}-00{number}" for number in (1, 2))


def resubmitted(desk: Desk) -> None:
    """The complaint of February is no longer valid."""
    desk.file("F01", march(validity="无效"), sequence=2)
    desk.run()


AFTER: tuple[Cell, ...] = (
    ("CMP-01", "2024-02", "insurer", REPORTER, "0"),
    *BEFORE[1:3],
    ("CMP-01", "2024-02", "bureau", None, "0"),
    BEFORE[4],
)


def test_a_restated_figure_names_the_resubmission_that_moved_it(desk: Desk) -> None:
    publish_figures(desk.settings, figures(*BEFORE))
    resubmitted(desk)
    made = publish_figures(desk.settings, figures(*AFTER))
    assert causes(made) == [
        ("2024-02", "bureau", None, "changed", "submission", "record", FIRST),
        ("2024-02", "bureau", None, "changed", "submission", "record", SECOND),
        ("2024-02", "insurer", REPORTER, "changed", "submission", "record", FIRST),
        ("2024-02", "insurer", REPORTER, "changed", "submission", "record", SECOND),
    ]
    told = report(made)["comparison"]
    assert told["cells"] == {"appeared": 0, "disappeared": 0, "changed": 2, "status_changed": 0}
    assert [
        (one["submission_id"], one["change"], one["old_state"], one["cells"]) for one in told["submissions"]
    ] == [
        (FIRST, "superseded", "accepted", 2),
        (SECOND, "entered", None, 2),
    ]
    page = (made.path / REPORT_PAGE).read_text(encoding="utf-8")
    assert SECOND in page
    assert "| CMP-01 | 有效投诉件数 | month | 2024-02 | 全辖 bureau | current | 1.00 | 0.00 |" in page
    # The insurer's receipt may tell its own figures, and only those.
    assert own_effects(made.path) == {
        SECOND: [
            {"kpi_id": "CMP-01", "name_zh": "有效投诉件数", "period": "2024-02", "grain": "insurer",
             "dimension": None, "old_value": "1.00", "new_value": "0.00", "unit": "件"}
        ]
    }  # fmt: skip


def test_a_change_that_nothing_explains_is_not_published(desk: Desk) -> None:
    publish_figures(desk.settings, figures(*BEFORE))
    resubmitted(desk)
    wrong = [*AFTER[:2], ("CMP-01", "2024-03", "insurer", OTHER, "7"), *AFTER[3:]]
    with pytest.raises(
        RevisionReportError, match=r"1 published cells differ from release v1.*defect of the program"
    ):
        publish_figures(desk.settings, figures(*wrong))
    assert desk.settings.current_release.resolve().name == "v1"
    assert [path.name for path in desk.settings.releases_dir.glob("v*")] == ["v1"]
    assert publish_figures(desk.settings, figures(*AFTER)).release_no == 2


def test_a_change_of_definition_is_named_as_such(desk: Desk) -> None:
    publish_figures(desk.settings, figures(*BEFORE))
    made = publish_figures(desk.settings, figures(*AFTER), definition="another")
    assert {line[4:] for line in causes(made)} == {("definition", None, None)}
    assert report(made)["comparison"]["definition_changes"] == [
        {"part": "definition", "old": "d", "new": "another"}
    ]


def test_both_causes_are_told_and_filed_text_cannot_break_the_page(desk: Desk) -> None:
    publish_figures(desk.settings, figures(*BEFORE))
    desk.file("F01", march(validity="无效"), sequence=2, reason_code="a|b\n# <script>")
    desk.run()
    made = publish_figures(desk.settings, figures(*AFTER), definition="another")
    assert {line[4] for line in causes(made)} == {"definition", "submission"}
    assert r"a\|b \# \<script\>" in (made.path / REPORT_PAGE).read_text(encoding="utf-8")


def test_the_size_of_restatements_moves_with_what_was_published_before(desk: Desk) -> None:
    def size(value: str, release: str) -> str:
        cell = figures(("DQ-04", "2024-03", "bureau", None, value))
        return cell.replace("NULL::VARCHAR AS base_period", f"'{release}' AS base_period")

    publish_figures(desk.settings, size("0", "v0"))
    desk.file("F01", march(validity="无效"), sequence=2)
    desk.run()
    made = publish_figures(desk.settings, size("5", "v1"))
    assert {line[4] for line in causes(made)} >= {"published_base"}


def test_a_withdrawn_report_makes_its_figures_missing_and_says_why(desk: Desk) -> None:
    publish_figures(desk.settings, figures(*BEFORE))
    withdrawal = desk.file("F01", [], sequence=2, kind="WITHDRAW", reason_code="误报")
    desk.run()
    gone = [
        ("CMP-01", "2024-03", "insurer", REPORTER, None),
        BEFORE[2],
        ("CMP-01", "2024-03", "bureau", None, "1"),
    ]
    made = publish_figures(desk.settings, figures(*gone))
    told = ask(
        made,
        "SELECT grain, period, change, old_value::INTEGER, new_value FROM release.revisions ORDER BY ALL",
    )
    assert told == [
        ("bureau", "2024-02", "disappeared", 1, None),
        ("bureau", "2024-03", "changed", 3, told[1][4]),
        ("insurer", "2024-02", "disappeared", 1, None),
        ("insurer", "2024-03", "changed", 2, None),
    ]
    assert {line[6] for line in causes(made) if line[0] == "2024-03"} == {FIRST, withdrawal}


def test_the_first_release_says_that_there_is_nothing_to_compare_with(desk: Desk) -> None:
    made = publish_figures(desk.settings, figures(*BEFORE))
    assert report(made)["comparison"] == {"status": "skipped", "reason": "first_release"}
    assert ask(made, "SELECT count(*) FROM release.revisions") == [(0,)]


def test_the_same_release_has_the_same_report_byte_for_byte(desk: Desk) -> None:
    publish_figures(desk.settings, figures(*BEFORE))
    resubmitted(desk)

    def content() -> dict[str, bytes]:
        made = publish_figures(desk.settings, figures(*AFTER))
        files = [made.path / REPORT_JSON, made.path / REPORT_PAGE, *(made.path / "parquet").iterdir()]
        return {path.name: path.read_bytes() for path in files}

    before = content()
    for path in (desk.settings.releases_dir / "v2").rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    shutil.rmtree(desk.settings.releases_dir / "v2")
    con = open_warehouse(desk.settings.build_database)
    con.execute("DELETE FROM published.kpi_values WHERE release_no = 2")
    con.close()
    assert content() == before


def test_a_release_begun_as_a_copy_is_the_one_written_from_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_figures(desk.settings, figures(*BEFORE))
    resubmitted(desk)
    told = [
        *PUBLIC_TABLES,
        "kpi.kpi_values",
        "kpi.kpi_catalogue",
        "release.revisions",
        "release.revision_causes",
    ]

    def content() -> tuple[dict[str, list[Any]], dict[str, bytes]]:
        made = publish_figures(desk.settings, figures(*AFTER))
        assert made.release_no == 2
        return (
            {name: ask(made, f"SELECT * FROM {name} ORDER BY ALL") for name in told},
            {path.name: path.read_bytes() for path in (made.path / "parquet").iterdir()},
        )

    copied = content()
    assert [row[-1] for row in copied[0]["kpi.kpi_values"]] == ["v2"] * len(AFTER)
    for path in (desk.settings.releases_dir / "v2").rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    shutil.rmtree(desk.settings.releases_dir / "v2")
    monkeypatch.setattr("pipelines.publication.release.take_over", lambda *_: False)
    assert content() == copied


def test_a_figure_is_remembered_once_as_long_as_it_is_printed_unchanged(desk: Desk) -> None:
    publish_figures(desk.settings, figures(*BEFORE))
    resubmitted(desk)
    publish_figures(desk.settings, figures(*AFTER))
    told = desk.ask(
        "SELECT period, coalesce(org_code, '') AS org_code, value::INTEGER AS value, release_no AS first, "
        "last_release_no AS last FROM published.kpi_values ORDER BY ALL"
    )
    since = 2147483647
    assert [tuple(line.values()) for line in told] == [
        ("2024-02", "", 0, 2, since),
        ("2024-02", "", 1, 1, 1),
        *[("2024-02", REPORTER, value, *span) for value, span in ((0, (2, since)), (1, (1, 1)))],
        ("2024-03", "", 3, 1, since),
        *sorted([("2024-03", REPORTER, 2, 1, since), ("2024-03", OTHER, 1, 1, since)]),
    ]


def test_measures_are_dated_by_columns_of_their_forms() -> None:
    forms = load_catalogue().forms
    for name in ("measure_catalogue", "measure_links"):
        with (SEEDS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file):
                if line["form"] and line["date_column"] not in ("", "period"):
                    assert forms[line["form"]].column(line["date_column"]).kind in ("date", "timestamp"), line


def test_the_published_schema_is_that_of_the_report() -> None:
    wanted = json.dumps(RevisionReport.model_json_schema(), ensure_ascii=False, indent=1) + "\n"
    assert SCHEMA.read_text(encoding="utf-8") == wanted, (
        f"write RevisionReport.model_json_schema() to {SCHEMA.name}"
    )
