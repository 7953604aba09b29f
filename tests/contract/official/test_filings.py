"""The committed filings of form PUB hold to their contract and their envelopes to their files."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from pipelines.contracts.loader import load_catalogue
from pipelines.contracts.model import Column
from pipelines.contracts.periods import Period

ROOT = Path(__file__).resolve().parents[3]
OFFICIAL = ROOT / "data" / "official_figures"
FILES = sorted((OFFICIAL / "filings").glob("*.csv"))
ALIASES = ROOT / "dbt_project" / "seeds" / "official" / "official_company_aliases.csv"
PUBLISHER = "00000000000002"
PERIOD_TYPES = {
    "month": {"month", "ytd"},
    "quarter": {"quarter"},
    "half_year": {"half_year"},
    "year": {"year"},
}
UNDATED_SOURCE = "M-SH16"


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def filed(path: Path) -> list[dict[str, str]]:
    names = load_catalogue().forms["PUB"].header_map()
    return [{names[header]: cell for header, cell in row.items()} for row in read(path)]


def envelope(path: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(path.with_name(f"{path.name}.json").read_text(encoding="utf-8"))
    return found


def sources() -> dict[str, str]:
    """Source id -> publication date as stated, from the list in README.md."""
    lines = (OFFICIAL / "README.md").read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return {row[0]: row[3] for row in cells if row[0] != "id"}


def last_day(stated: str) -> date:
    """A publication date; of a month or year its last day."""
    if len(stated) == 4:
        return date(int(stated), 12, 31)
    if len(stated) == 7:
        return Period.parse(stated).end
    return date.fromisoformat(stated)


def fits(column: Column, text: str) -> bool:
    """A filed text is of the column's type, length, range and values; the empty one if it is not required."""
    if not text:
        return not column.required
    match column.kind:
        case "integer" | "decimal":
            number = Decimal(text)
            places = len(text.partition(".")[2])
            floor = column.minimum if column.minimum is not None else 0 if column.non_negative else number
            ceiling = column.maximum if column.maximum is not None else number
            return places <= (column.scale or 0) and floor <= number <= ceiling
        case "timestamp":
            return datetime.strptime(text, "%Y-%m-%d %H:%M:%S") is not None
        case "enum":
            return text in column.values
        case "code":
            return re.fullmatch(f"[0-9A-Z]{{{column.length}}}", text) is not None
        case _:
            return len(text) <= (column.length or 0)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_envelope_states_its_file(path: Path) -> None:
    stated, rows = envelope(path), filed(path)
    period = Period.parse(str(stated["period"]))
    assert stated["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert stated["row_count"] == len(rows)
    total = sum((Decimal(row["value"]) for row in rows if row["value"]), Decimal(0))
    assert stated["control_totals"] == {"value": str(total)}
    assert (stated["form"], stated["version"], stated["reporter"]) == ("PUB", "1.0.0", PUBLISHER)
    assert (stated["kind"], stated["sequence_no"], stated["supersedes"]) == ("ORIGINAL", 1, None)
    assert stated["submission_id"] == f"PUB-{period.label}-{PUBLISHER}-001"
    assert stated["state"] == "SUBMITTED"
    assert len({stated["prepared_by"], stated["reviewed_by"], stated["approved_by"]}) == 3
    assert path.name == f"pub_{period.label}.csv"
    assert load_catalogue().form_in_force("PUB", "1.0.0", period).code == "PUB"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_rows_fit_the_contract(path: Path) -> None:
    form = load_catalogue().forms["PUB"]
    header = path.read_text(encoding="utf-8").splitlines()[0]
    assert header.split(",") == [column.title_zh for column in form.columns]
    rows, stated = filed(path), envelope(path)
    for row in rows:
        for column in form.columns:
            assert fits(column, row[column.name]), (row["figure_id"], column.name, row[column.name])
        assert row["reporter_code"] == row["org_code"] == PUBLISHER
        assert row["period"] == stated["period"]
        assert row["period_type"] in PERIOD_TYPES[Period.parse(row["period"]).kind]
        assert row["updated_at"] == str(stated["signed_at"]).replace("T", " ")
    assert len({row["figure_id"] for row in rows}) == len(rows)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_printed_number_comes_with_its_decimals_and_meaning(path: Path) -> None:
    for row in filed(path):
        for number, decimals in (
            ("value", "value_decimals"),
            ("share_pct", "share_decimals"),
            ("growth_pct", "growth_decimals"),
        ):
            assert bool(row[number]) == bool(row[decimals]), row["figure_id"]
            assert not row[number] or len(row[number].partition(".")[2]) == int(row[decimals]), row[
                "figure_id"
            ]
        assert row["value"] or row["share_pct"] or row["growth_pct"], row["figure_id"]
        assert bool(row["share_pct"]) == bool(row["share_base"]), row["figure_id"]
        assert bool(row["growth_pct"]) == bool(row["growth_kind"]), row["figure_id"]
        assert bool(row["company"]) == bool(row["institution"]), row["figure_id"]
        assert bool(row["company"]) == (
            row["table_code"] in {"count", "rate", "reason", "line", "denominator"}
        )
        # A selection is no ranking.
        assert not (row["rank"] and row["list_rule"] == "selected"), row["figure_id"]
        assert bool(row["list_limit"]) == (row["list_rule"] == "top_n"), row["figure_id"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_known_since_the_last_of_its_sources(path: Path) -> None:
    dates = sources()
    cited = {source for row in filed(path) for source in row["source_id"].split(";")}
    assert cited <= set(dates)
    published = max(last_day(dates[source]) for source in cited if source != UNDATED_SOURCE)
    assert envelope(path)["signed_at"] == f"{published}T10:00:00"


def test_the_list_of_sources_is_the_one_that_rows_cite() -> None:
    assert set(sources()) == {
        source for path in FILES for row in filed(path) for source in row["source_id"].split(";")
    }
    assert "文章来源：国家金融监督管理总局网站" in (OFFICIAL / "README.md").read_text(encoding="utf-8")


def test_nothing_but_filings_lies_among_the_filings() -> None:
    """Whatever lies there is pulled, and a stray file would be a malformed submission."""
    names = {path.name for path in (OFFICIAL / "filings").iterdir()}
    assert names == {path.name for path in FILES} | {f"{path.name}.json" for path in FILES}


def test_a_printed_name_means_one_institution_at_a_time() -> None:
    aliases = read(ALIASES)
    assert [row for row in aliases if row["alias"] == row["institution"]] == []
    assert len({row["alias"] for row in aliases}) == len(aliases)
    spans = {
        row["alias"]: (
            row["institution"],
            date.fromisoformat(row["valid_from"]),
            date.fromisoformat(row["valid_to"]),
        )
        for row in aliases
    }
    own_names = set()
    for path in FILES:
        for row in filed(path):
            if row["company"] == row["institution"]:
                own_names.add(row["company"])
                continue
            institution, first, last = spans[row["company"]]
            period = Period.parse(row["period"])
            assert row["institution"] == institution
            start = period.start if row["period_type"] != "ytd" else period.within("year").start
            assert first <= start <= period.end <= last, (row["figure_id"], row["company"])
    assert own_names.isdisjoint(spans)
