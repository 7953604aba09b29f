"""`xiaobao kpi`: indicators with numerator, denominator, value, change and status."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from typing import Annotated

import typer

from pipelines.cli.errors import OperatorError
from pipelines.cli.moment import AS_OF_HELP, RELEASE_HELP, open_stand, require_basis
from pipelines.cli.output import Column, FormatOption, OutputFormat, Table, emit
from pipelines.cli.release import Conditions, ReleaseReader, listed

_PERIOD_TYPES = ("month", "quarter", "half_year", "year", "ytd")
_GRAINS = ("bureau", "insurer_type", "peer_group", "insurer")
_BASES = ("current", "comparable", "published")

_COLUMNS = [
    Column("kpi_id", "指标\nKPI", wrap=False, pinned=True),
    Column("name_zh", "名称\nname", once=True),
    Column("name_en", "英文名称\nEnglish name", once=True, optional=True),
    Column("period_type", "周期 type", in_table=False),
    Column("period", "期间\nperiod", wrap=False, pinned=True),
    Column("grain", "口径 grain", in_table=False),
    Column("org_code", "机构 org", in_table=False),
    Column("org", "范围\nscope", wrap=False),
    Column("insurer_type", "类型\ntype", in_table=False),
    Column("peer_group", "同业组", in_table=False),
    Column("dimension", "维度", in_table=False),
    Column("dimension_value", "分项 item", in_table=False),
    Column("dimension_value_zh", "分项\nitem", pinned=True),
    Column("numerator", "分子\nnumerator", justify="right", wrap=False),
    Column("denominator", "分母\ndenominator", justify="right", wrap=False),
    Column("value", "值\nvalue", justify="right", wrap=False),
    Column("unit", "单位\nunit", wrap=False),
    Column("change", "较上期\nchange", justify="right", wrap=False, optional=True),
    Column("base_value", "基期值", in_table=False),
    Column("base_period", "基期", in_table=False),
    Column("basis", "基础", in_table=False),
    Column("status", "状态\nstatus"),
    Column("rank", "排名\nrank", justify="right", in_table=False),
    Column("n_institutions", "家数\nof", in_table=False),
    Column("release_id", "发布", in_table=False),
    Column("formula_zh", "公式", in_table=False),
    Column("formula_en", "formula", in_table=False),
    Column("as_of", "数据截止", in_table=False),
    Column("ruleset", "规则版本", in_table=False),
]

_FORMULAS_SHOWN = 6
"""A table of more definitions than this prints none: they stand in csv, json and the catalogue."""

_PARTS_IN_OVERVIEW = 4

_SCOPES = {"bureau": "全辖 bureau"}


def kpi(
    kpi_ids: Annotated[
        list[str] | None,
        typer.Option("--kpi", help="指标 KPI codes, CMP-01,FIR-04 or repeated; CMP for a family."),
    ] = None,
    period: Annotated[
        str | None,
        typer.Option(help="期间 2025-03, 2025Q1, 2025H1, 2025; by default the latest of each KPI."),
    ] = None,
    period_type: Annotated[
        str | None,
        typer.Option(help="周期 month, quarter, half_year, year or ytd; by default the shortest a KPI has."),
    ] = None,
    grain: Annotated[str, typer.Option(help="口径 bureau, insurer_type, peer_group or insurer.")] = "bureau",
    org: Annotated[str | None, typer.Option(help="机构 reporter code; implies --grain insurer.")] = None,
    insurer_type: Annotated[
        str | None, typer.Option("--type", help="公司类型 property, life, health, pension or mutual.")
    ] = None,
    dimension: Annotated[
        str | None,
        typer.Option(
            help="维度 line_code, sales_channel, ... or all; by default totals where there are any."
        ),
    ] = None,
    basis: Annotated[str, typer.Option(help="基础 current, comparable or published (growth).")] = "current",
    as_of: Annotated[str | None, typer.Option("--as-of", help=AS_OF_HELP)] = None,
    as_published: Annotated[str | None, typer.Option("--as-published", help=RELEASE_HELP)] = None,
    output: FormatOption = OutputFormat.TABLE,
) -> None:
    """指标: KPI values of the release in force, of an earlier one, or as known at any moment."""
    _check_choice("--grain", grain, _GRAINS)
    _check_choice("--period-type", period_type, _PERIOD_TYPES)
    _check_choice("--basis", basis, _BASES)
    conditions = Conditions()
    _family(conditions, listed(kpi_ids))
    conditions.equal("grain", "insurer" if org else grain)
    conditions.equal("org_code", org)
    conditions.equal("insurer_type", insurer_type)
    conditions.equal("period_type", period_type)
    conditions.equal("period", period)
    conditions.equal("basis", basis)
    if period and not period_type:
        conditions.text("period_type <> 'ytd'")
    if dimension not in (None, "all"):
        conditions.equal("dimension", dimension)
    with open_stand(as_of, as_published) as stand:
        require_basis(stand.reader, basis, listed(kpi_ids), stand)
        rows = _values(stand.reader, conditions, totals_only=dimension is None)
        based = "" if basis == "current" else f", basis {basis}"
        title = f"指标 KPIs, {org or _SCOPES.get(grain, grain)}{based}, {stand.title}"
        for row in rows:
            row |= {"release_id": stand.release_id, "as_of": stand.as_of, "ruleset": stand.ruleset}
    if not rows:
        raise OperatorError(
            "no KPI value fits these filters; `xiaobao kpi --format csv --dimension all` lists what is there; "
            "a period must be complete and lie inside the calendar of obligations"
        )
    caption = None
    if output is OutputFormat.TABLE and not kpi_ids and dimension is None:
        rows, caption = _without_long_compositions(rows)
    if output is OutputFormat.TABLE and kpi_ids:
        caption = _formulas(rows)
    emit(Table(title, _shown_columns(rows), rows, {"OK": "green", "MISSING": "red"}, caption), output)


def _without_long_compositions(rows: list[dict[str, object]]) -> tuple[list[dict[str, object]], str | None]:
    """An overview leaves out KPIs that are nothing but many parts, and says how to see them."""
    parts = Counter(
        (str(row["kpi_id"]), row["org_code"], row["insurer_type"], row["peer_group"])
        for row in rows
        if row["dimension"] != "total"
    )
    long = sorted({key[0] for key, count in parts.items() if count > _PARTS_IN_OVERVIEW})
    kept = [row for row in rows if row["kpi_id"] not in long]
    if not long or not kept:
        return rows, None
    return kept, f"只有分项 only in parts: {', '.join(long)} (xiaobao kpi --kpi {long[0]})"


def _formulas(rows: list[dict[str, object]]) -> str | None:
    """The formula of every definition in the table, so that no number stands without its own."""
    told: dict[str, str] = {}
    for row in rows:
        parts = "" if row["dimension"] == "total" else f" {row['dimension_value']}"
        told.setdefault(f"{row['formula_zh']} | {row['formula_en']}", f"{row['kpi_id']}{parts}")
    if len(told) > _FORMULAS_SHOWN:
        return None
    return "\n".join(f"{name}: {formula}" for formula, name in told.items())


def _check_choice(option: str, value: str | None, choices: tuple[str, ...]) -> None:
    if value is not None and value not in choices:
        raise typer.BadParameter(f"{value!r} is none of {', '.join(choices)}", param_hint=option)


def _family(conditions: Conditions, wanted: list[str]) -> None:
    """KPI codes in full, or a family by its prefix (CMP, FIR, MED, CBK, DQ)."""
    if wanted:
        parts = " OR ".join("kpi_id = ? OR starts_with(kpi_id, ? || '-')" for _ in wanted)
        conditions.text(parts, *(value for code in wanted for value in (code, code)))


def _values(release: ReleaseReader, conditions: Conditions, *, totals_only: bool) -> list[dict[str, object]]:
    """Rows of the shortest period type and latest period that each KPI has within the filters, with the
    change.

    The change is the difference of the value from the same key one period earlier (a year earlier for year to
    date), in the KPI's own unit; for a growth rate it is the difference of two rates.
    """
    rows = release.rows(
        f"""
        WITH fitting AS (
            SELECT *, list_position(['month', 'quarter', 'half_year', 'year', 'ytd'], period_type) AS length
            FROM kpi.kpi_values {conditions.where()}
        ),
        shortest AS (
            SELECT *, length = min(length) OVER (PARTITION BY kpi_id) AS is_shortest,
                bool_or(dimension = 'total') OVER (PARTITION BY kpi_id, period_type) AS has_total
            FROM fitting
        ),
        latest AS (
            SELECT * FROM shortest
            WHERE is_shortest
            QUALIFY period = max(period) OVER (PARTITION BY kpi_id)
        )
        SELECT l.* EXCLUDE (length, is_shortest, has_total), c.name_zh, c.name_en,
            coalesce(r.alias, l.org_code) AS alias,
            coalesce(v.name_zh, if(l.dimension = 'total', '总计', l.dimension_value)) AS dimension_value_zh,
            c.kind = 'count' AND l.unit <> '元' AS is_of_whole_things,
            coalesce(v.formula_zh, c.formula_zh) AS formula_zh, coalesce(v.formula_en, c.formula_en) AS formula_en
        FROM latest AS l
        LEFT JOIN kpi.kpi_catalogue AS c ON c.kpi_id = l.kpi_id
        LEFT JOIN kpi.kpi_variants AS v ON v.kpi_id = l.kpi_id AND v.dimension = l.dimension
            AND coalesce(v.dimension_value, l.dimension_value) = l.dimension_value
        LEFT JOIN registry.reporters AS r ON r.org_code = l.org_code
        WHERE {"l.dimension = 'total' OR NOT l.has_total" if totals_only else "true"}
        ORDER BY l.kpi_id, l.insurer_type NULLS FIRST, l.peer_group NULLS FIRST, l.rank NULLS LAST,
            l.org_code, l.dimension, l.dimension_value
        """,
        conditions.values,
    )
    earlier = _earlier_values(release, rows)
    for row in rows:
        row["org"] = _scope(row)
        before = earlier.get(_key(row, _previous_period(row)))
        now = row["value"]
        counted = bool(row["is_of_whole_things"])
        row["change"] = None
        if isinstance(now, Decimal) and before is not None:
            row["change"] = _signed(now - before, 0 if counted else 2)
        for name in (
            "numerator",
            "denominator",
            "base_value",
            *(("value",) if counted else ()),
        ):
            row[name] = _without_zeros(row[name])
    return rows


_KEY = (
    "kpi_id",
    "period_type",
    "grain",
    "org_code",
    "insurer_type",
    "peer_group",
    "dimension",
    "dimension_value",
)


def _key(row: dict[str, object], period: str) -> tuple[object, ...]:
    return (period, row["basis"], *(row[name] for name in _KEY))


def _previous_period(row: dict[str, object]) -> str:
    from pipelines.contracts.periods import Period

    return Period.parse(str(row["period"])).shift(-12 if row["period_type"] == "ytd" else -1).label


def _earlier_values(
    release: ReleaseReader, rows: list[dict[str, object]]
) -> dict[tuple[object, ...], Decimal]:
    """Values one period earlier, by key."""
    periods = sorted({_previous_period(row) for row in rows})
    if not periods:
        return {}
    conditions = Conditions()
    conditions.one_of("period", periods)
    conditions.one_of("kpi_id", sorted({str(row["kpi_id"]) for row in rows}))
    conditions.text("value IS NOT NULL")
    found = release.rows(
        f"SELECT period, basis, {', '.join(_KEY)}, value FROM kpi.kpi_values {conditions.where()}",
        conditions.values,
    )
    return {_key(row, str(row["period"])): row["value"] for row in found if isinstance(row["value"], Decimal)}


def _scope(row: dict[str, object]) -> str:
    if row["grain"] == "insurer":
        return str(row["alias"])
    if row["grain"] == "peer_group":
        return str(row["peer_group"])
    return _SCOPES.get(str(row["grain"]), str(row["insurer_type"]))


def _signed(difference: Decimal, decimals: int) -> str:
    return f"{difference:+,.{decimals}f}" if difference else "0"


def _without_zeros(value: object) -> object:
    """A decimal without the zeros that only its column's scale adds."""
    if not isinstance(value, Decimal):
        return value
    return value.quantize(Decimal(1)) if value == value.to_integral_value() else value.normalize()


def _shown_columns(rows: list[dict[str, object]]) -> list[Column]:
    """All columns for programs; people see those that differ between the rows."""
    grains = {row["grain"] for row in rows}
    hidden = set()
    if all(row["dimension"] == "total" for row in rows):
        hidden.add("dimension_value_zh")
    if grains == {"bureau"}:
        hidden.add("org")
    added = {"insurer_type", "rank", "n_institutions"} if grains == {"insurer"} else set()
    return [
        replace(column, in_table=(column.in_table or column.key in added) and column.key not in hidden)
        for column in _COLUMNS
    ]
