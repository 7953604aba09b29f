"""Figures of the founding documents: each is computed by a KPI of the catalogue from filings, or says why it cannot be.

First the arithmetic of the printed numbers (many state no counts; there the test proves what counts they allow), then
every row of the table through the project's own models (`seed_stories` over `seed_bureau`).
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from itertools import count

import duckdb
import pytest

from pipelines.contracts.loader import load_catalogue
from pipelines.contracts.predicates import macro_sql
from pipelines.contracts.working_days import default_calendar_path
from tests.oracle.printed import decimals_of, growth, share
from tests.oracle.pub_harness import ORACLE, ROOT, read_csv
from tests.oracle.seed_bureau import CHINA_LIFE, CPIC_LIFE, build
from tests.oracle.seed_stories import NOT_THE_VALUE, SHARED, STORIES, Cell, Codes, Key, Limit, Not, Value
from tests.unit.models.conftest import Dbt

SEEDS = read_csv(ORACLE / "seed_figures.csv")


def figure(seed: str, indicator: str, subject: str | None = None) -> str:
    """The one value of an indicator in a founding document."""
    (value,) = {
        row["value"]
        for row in SEEDS
        if (row["seed"], row["indicator"]) == (seed, indicator) and subject in {None, row["subject"]}
    }
    return value


def first_base(change: str) -> tuple[int, int]:
    """Smallest (base, count) whose change in per cent prints as given."""
    places = decimals_of(change)
    return next(
        (base, value)
        for base in count(1)
        for value in range(base)
        if growth(str(value), str(base), places) == Decimal(change)
    )


def first_total(pct: str) -> tuple[int, int]:
    """Smallest (total, count) whose share prints as given."""
    places = decimals_of(pct)
    return next(
        (total, part)
        for total in count(1)
        for part in range(total + 1)
        if share(str(part), str(total), places) == Decimal(pct)
    )


@pytest.mark.parametrize(
    ("subject", "base", "value"), [("益阳全部保险机构", 119, 74), ("太平洋人寿", 4, 1), ("中国人寿", 8, 1)]
)
def test_a_drop_is_first_possible_at(subject: str, base: int, value: int) -> None:
    change = figure("S0", "投诉量同比", subject)
    assert growth(str(value), str(base), decimals_of(change)) == Decimal(change)
    assert first_base(change) == (base, value)


def test_the_survey_share_is_first_possible_at_43_of_54() -> None:
    assert first_total(figure("S0", "问卷:态度与速度最重要")) == (54, 43)


def test_shares_of_the_41_institutions() -> None:
    institutions = figure("S0", "辖内保险机构")
    assert share(figure("S0", "建立首问台账机构"), institutions, 2) == Decimal("31.71")
    assert share(figure("S0", "未成立党支部"), institutions, 2) == Decimal("53.66")
    assert share(figure("S0", "主要负责人非党员"), institutions, 2) == Decimal("36.59")
    # 70 % without rules of their own is rounded in print: no number of institutions gives it.
    assert all(
        share(str(n), institutions, 0) != Decimal(figure("S0", "未出台具体操作规则")) for n in range(42)
    )
    assert (share("28", institutions, 2), share("29", institutions, 2)) == (
        Decimal("68.29"),
        Decimal("70.73"),
    )


def test_loss_recovered_from_black_market_surrenders() -> None:
    assert share(figure("S0", "挽回损失"), figure("S0", "涉及退保金额"), 2) == Decimal("29.95")


def test_screened_policies_that_were_cleared() -> None:
    assert share(figure("S1", "排除潜在风险保单"), figure("S1", "排查保单"), 2) == Decimal("13.55")


@pytest.mark.parametrize(
    ("part", "pct", "low", "high"),
    [("协会调解案件", "调解占投诉比", 1009, 1055), ("通融处理", "通融占比", 1017, 1050)],
)
def test_complaint_totals_that_two_shares_allow(part: str, pct: str, low: int, high: int) -> None:
    published = Decimal(figure("S1", pct))
    fitting = [total for total in range(1, 5000) if share(figure("S1", part), str(total), 0) == published]
    assert (fitting[0], fitting[-1]) == (low, high)


def test_surrender_differentials_of_the_year_before() -> None:
    value, change = figure("S1", "协议解约差额"), figure("S1", "协议解约差额同比")
    assert growth(value, "1021.6", 0) == Decimal(change)


@pytest.mark.parametrize("indicator", ["应审/实审", "意见/采纳"])
def test_full_coverage_is_printed_with_its_counts(indicator: str) -> None:
    done, required = figure("S1", indicator).split("/")
    assert share(done, required, 0) == 100


def test_two_thirds_were_truncated_not_rounded() -> None:
    assert share("2", "3", 1) == Decimal("66.7")
    assert figure("S1", "外勤四课参与率") == "66.6"


# ------------------------------------------------------------------------------- the project's own models


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    """The project's models over the filings of the founding documents."""
    scratch = tmp_path_factory.mktemp("seeds")
    dbt = Dbt(warehouse=scratch / "warehouse.duckdb", scratch=scratch)
    with duckdb.connect(str(dbt.warehouse)) as con:
        build(con)
    result = dbt.invoke("build", "--exclude-resource-type", "unit_test", "--exclude-resource-type", "test")
    assert result.success, [f"{r.node.name}: {r.message}" for r in result.result if r.status != "success"]
    return dbt


def key(row: dict[str, str]) -> Key:
    return row["seed"], row["indicator"], row["subject"]


def catalogue_ids() -> set[str]:
    return {row["kpi_id"] for row in read_csv(ROOT / "dbt_project" / "seeds" / "kpi_catalogue.csv")}


def compute(models: Dbt, value: Value) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    """(value, numerator, denominator) of the story's cell, without trailing zeros; fails if there is none."""
    found = models.query(
        """
        SELECT value, numerator, denominator FROM kpi.kpi_values
        WHERE kpi_id = ? AND period_type = ? AND period = ? AND basis = 'current' AND dimension = ?
            AND dimension_value = ? AND coalesce(org_code, insurer_type, peer_group, grain) = ?
            AND grain IN ('insurer', 'insurer_type', 'bureau')""",
        [value.kpi, value.period_type, value.period, value.dimension, value.dimension_value, value.group],
    )
    assert len(found) == 1, (value, found)
    return found[0]


def test_every_figure_has_one_story() -> None:
    assert [key(row) for row in SEEDS if SEEDS.count(row) > 1] == []
    assert {key(row) for row in SEEDS} == set(STORIES)
    assert len(STORIES) == len(SEEDS)


def test_no_figure_waits_for_its_kpi() -> None:
    named = {value.kpi for story in STORIES.values() if isinstance(story, tuple) for value in story}
    assert sorted((named | {value.kpi for value in SHARED.values()}) - catalogue_ids()) == []


@pytest.mark.slow
@pytest.mark.parametrize("row", SEEDS, ids=lambda row: f"{row['seed']} {row['indicator']} {row['subject']}")
def test_a_figure_is_computed_from_filings_or_says_why_not(
    row: dict[str, str], request: pytest.FixtureRequest
) -> None:
    match STORIES[key(row)]:
        case Not(reason):
            assert len(reason) > 20
        case Codes(name):
            entries = load_catalogue().code_list(name).entries
            assert str(sum(entry.value != "99" for entry in entries)) == row["value"]
        case Cell(form, column):
            assert_filed(form, column, row["value"])
        case Limit() as limit:
            assert_limit(limit, int(row["value"]))
        case tuple() as values:
            assert_printed(
                request.getfixturevalue("models"), values, NOT_THE_VALUE.get(key(row), row["value"]), row
            )


def assert_printed(models: Dbt, values: tuple[Value, ...], text: str, row: dict[str, str]) -> None:
    """Each value is the computed one, and together they print as the document does."""
    prints = []
    for value in values:
        found = dict(zip(("value", "numerator", "denominator"), compute(models, value), strict=True))
        expected = {"value": value.value, "numerator": value.numerator, "denominator": value.denominator}
        for part, wanted in expected.items():
            assert wanted is None or found[part] == Decimal(wanted), (value.kpi, part, found)
        parts = ("numerator", "denominator") if value.of == "both" else (value.of,)
        prints.append("/".join(f"{value.printed(found[part] or Decimal(0)).normalize():f}" for part in parts))
        if value.bound == "less":
            assert text.startswith("<")
            assert Decimal(prints[-1]) < Decimal(text[1:])
            return
    if key(row) in NOT_THE_VALUE:
        return
    if values[0].kpi.startswith("MED-02"):
        assert set(prints) == {text}, "both readings of 应调率"
    else:
        assert "-".join(prints) == text


def assert_filed(form: str, column: str, text: str) -> None:
    """The column exists and can hold the fact: a number, or yes and no of as many institutions."""
    kind = load_catalogue().forms[form].column(column).kind
    assert kind in {"integer", "boolean"}
    assert int(text) >= 0


def assert_limit(limit: Limit, days: int) -> None:
    """The rule holds for the date that lies as many working days on, and for no other."""
    rule = load_catalogue().forms["F05"].rule(limit.rule)
    con = duckdb.connect()
    con.execute(f"CREATE TABLE cal AS FROM read_csv('{default_calendar_path()}')")
    for statement in macro_sql("cal"):
        con.execute(statement)
    found, due = limit.changes["found_date"], date.fromisoformat(limit.due)
    assert con.execute(
        "SELECT count(*) FROM cal WHERE day > ? AND day <= ? AND is_working_day", [found, due]
    ).fetchone() == (days,)
    for day, holds in ((due, True), (due + timedelta(days=1), False), (due - timedelta(days=1), False)):
        con.execute(
            "CREATE OR REPLACE TABLE typed AS "
            "SELECT ?::DATE AS found_date, ?::BOOLEAN AS customer_action, ?::DATE AS due_date",
            [found, limit.changes["customer_action"] == "Y", day],
        )
        assert con.execute(f"SELECT {rule.predicate} FROM typed").fetchone() == (holds,), day


@pytest.mark.slow
@pytest.mark.parametrize("value", SHARED.values(), ids=lambda value: value.kpi)
def test_a_kpi_over_several_figures(value: Value, request: pytest.FixtureRequest) -> None:
    found = compute(request.getfixturevalue("models"), value)
    assert [str(part.normalize()) for part in found if part is not None][1:] == [
        str(Decimal(text or 0).normalize()) for text in (value.numerator, value.denominator)
    ]


@pytest.mark.slow
def test_small_bases_are_marked(models: Dbt) -> None:
    """-75 % on 4 and -87.5 % on 8 are printed with their counts and never ranked (edge policy E3)."""
    found = models.query(
        "SELECT value, status, rank FROM kpi.kpi_values WHERE kpi_id = 'CMP-03' AND period = '2023' "
        "AND org_code IN (?, ?) AND dimension = 'total' AND basis = 'current' ORDER BY value",
        [CPIC_LIFE, CHINA_LIFE],
    )
    assert found == [(Decimal("-87.50"), "SMALL_BASE", None), (Decimal("-75.00"), "SMALL_BASE", None)]
