"""`xiaobao explain`: why one figure says what it says, down to the filed rows."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.errors import OperatorError
from pipelines.cli.moment import AS_OF_HELP, RELEASE_HELP, parse_moment
from pipelines.cli.output import (
    Column,
    FormatOption,
    OutputFormat,
    Table,
    emit,
    emit_json,
    shown,
    stderr_console,
    stdout_console,
)
from pipelines.cli.release import release_names
from pipelines.settings import load_settings

if TYPE_CHECKING:
    import duckdb
    from rich.console import Console

    from pipelines.publication.cell_history import CellVersion
    from pipelines.publication.explanation import CellKey, Explanation, Part
    from pipelines.publication.observations import Statistic
    from pipelines.settings import Settings

_BASES = ("current", "comparable", "published")
_MOST_ROWS, _MOST_FILINGS = 40, 12
_ROLES = {
    "numerator": "分子 numerator",
    "denominator": "分母 denominator",
    "left_out": "未计入 left out",
    "base_numerator": "基期分子 base numerator",
    "base_denominator": "基期分母 base denominator",
    "base_left_out": "基期未计入 base left out",
    "whole_numerator": "全辖分子 bureau's numerator",
    "whole_denominator": "全辖分母 bureau's denominator",
    "observed": "逐件之值 values of the cases",
}
_STATISTICS = {"median": "中位数 median", "min": "最小值 minimum", "max": "最大值 maximum"}
#: Values of a division, and institutions that have not filed, that a message names before it counts the rest.
_VALUES_NAMED, _MEMBERS_NAMED = 30, 8
_FILINGS = [
    Column("submission_id", "报送编号\nsubmission", wrap=False, pinned=True),
    Column("reporter_code", "机构\nreporter", wrap=False, optional=True),
    Column("kind", "类型\nkind", wrap=False),
    Column("reason_code", "原因\nreason", optional=True),
    Column("signed_at", "签发\nsigned", wrap=False),
    Column("state", "状态\nstate", wrap=False),
    Column("n_rows", "行\nrows", justify="right", wrap=False),
    Column("amount", "计入\nadds", justify="right", wrap=False),
]
_ROWS = [
    Column("submission_id", "报送编号\nsubmission", wrap=False, pinned=True),
    Column("row_no", "行号\nrow", justify="right", wrap=False),
    Column("key", "键\nkey"),
    Column("month", "计入月\nmonth", wrap=False),
    Column("amount", "计入\nadds", justify="right", wrap=False),
]
_OBLIGATIONS = [
    Column("key", "应报\nowed", wrap=False, pinned=True),
    Column("amount", "计入\nadds", justify="right", wrap=False),
    Column("note", "报送经过\nwhat became of it"),
]
_OBSERVATIONS = [
    Column("org_code", "机构\ninstitution", wrap=False, pinned=True),
    Column("value", "值\nvalue", justify="right", wrap=False),
    Column("numerator", "分子\nnumerator", justify="right", wrap=False),
    Column("denominator", "分母/件数\ndenominator, cases", justify="right", wrap=False),
    Column("why_not", "不计入的原因\nleft out because"),
]
_COMPARISONS = [
    Column("reporter_code", "机构\nreporter", wrap=False),
    Column("kpi_id", "指标\nKPI", wrap=False, pinned=True),
    Column("dimension_value", "分项\nof"),
    Column("period", "期间\nperiod", wrap=False),
    Column("printed", "披露\nprinted", justify="right", wrap=False),
    Column("filed", "报送\nfiled", justify="right", wrap=False),
    Column("verdict", "结论\nverdict", wrap=False),
    Column("reason", "未比原因\nnot compared", optional=True),
    Column("submission_id", "报送编号\nsubmission", wrap=False, optional=True),
    Column("row_no", "行号\nrow", justify="right", wrap=False, optional=True),
]
_LATER = [
    Column("submission_id", "报送编号\nsubmission", wrap=False, pinned=True),
    Column("kind", "类型\nkind", wrap=False),
    Column("replaces", "替代\nreplaces", wrap=False, optional=True),
    Column("reason_code", "原因\nreason", optional=True),
    Column("signed_at", "签发\nsigned", wrap=False),
    Column("state", "状态\nstate", wrap=False),
    Column("counts", "计入\ncounts", wrap=False),
]
_ERRORS = [
    Column("submission_id", "报送编号\nsubmission", wrap=False, pinned=True),
    Column("rule_code", "规则\nrule", wrap=False),
    Column("row_no", "行号\nrow", justify="right", wrap=False),
    Column("column_name", "列\ncolumn"),
    Column("message_zh", "问题\nfinding", optional=True),
]
_HISTORY = [
    Column("release_id", "发布\nrelease", wrap=False, pinned=True),
    Column("as_of", "数据截止\nas of", wrap=False),
    Column("value", "值\nvalue", justify="right", wrap=False),
    Column("numerator", "分子\nnumerator", justify="right", wrap=False),
    Column("denominator", "分母/基期\ndenominator", justify="right", wrap=False),
    Column("status", "状态\nstatus"),
    Column("change", "变化\nchange", wrap=False),
    Column("why", "原因\nbecause of"),
]


def explain(
    kpi_id: Annotated[str, typer.Argument(metavar="KPI", help="指标 such as CMP-03.")],
    period: Annotated[str, typer.Argument(help="期间 2024-06, 2024Q2, 2024H1, 2024.")],
    part: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DIMENSION=VALUE]", help="分项 such as line_code=机动车辆; by default the total."
        ),
    ] = None,
    org: Annotated[str | None, typer.Option(help="机构 reporter code.")] = None,
    insurer_type: Annotated[str | None, typer.Option("--type", help="公司类型 property, life, ...")] = None,
    peer_group: Annotated[str | None, typer.Option("--group", help="同业组 peer group.")] = None,
    ytd: Annotated[bool, typer.Option("--ytd", help="本年累计 year to date, up to the month given.")] = False,
    basis: Annotated[str, typer.Option(help="基础 current, comparable or published (growth).")] = "current",
    release: Annotated[str | None, typer.Option("--release", "--as-published", help=RELEASE_HELP)] = None,
    as_of: Annotated[str | None, typer.Option("--as-of", help=AS_OF_HELP)] = None,
    rows: Annotated[bool, typer.Option("--rows", help="明细 also the filed rows.")] = False,
    output: FormatOption = OutputFormat.TABLE,
) -> None:
    """解释: why a figure says what it says: definition, operands, base, filings, changes, filed rows."""
    from pipelines.contracts.loader import load_catalogue
    from pipelines.publication.cell_history import cell_history
    from pipelines.publication.explanation import Explainer, NoSuchCellError

    if output is OutputFormat.CSV:
        raise typer.BadParameter("an explanation is no table: use table or json", param_hint="--format")
    if basis not in _BASES:
        raise typer.BadParameter(f"{basis!r} is none of {', '.join(_BASES)}", param_hint="--basis")
    if as_of is not None and release is not None:
        raise typer.BadParameter(
            "a release is frozen: give --release or --as-of, not both", param_hint="--as-of"
        )
    settings = load_settings()
    with ExitStack() as stack:
        con, stand, remark, upto = _open(settings, release, as_of, stack)
        key = _key(con, kpi_id.upper(), period, part or [], org, insurer_type, peer_group, basis, is_ytd=ytd)
        try:
            number = int(upto[-1].name[1:]) if upto and as_of is None else None
            explainer = Explainer(con, load_catalogue(), settings.project_dir / "dbt_project", number)
            told = explainer.explain(key, rows=rows)
        except NoSuchCellError as error:
            raise OperatorError(str(error)) from error
    history = cell_history(upto, key)
    restated = _printed(upto, told) if as_of is None else None
    if output is OutputFormat.JSON:
        emit_json(_document(key, stand, told, history, restated, remark))
        return
    _show(stdout_console(), key, stand, told, history, restated, remark, rows=rows)


# ---------------------------------------------------------------------- which cell, of which database


def _open(
    settings: Settings, release: str | None, as_of: str | None, stack: ExitStack
) -> tuple[duckdb.DuckDBPyConnection, str, str | None, list[Path]]:
    """The database to ask, what it stands for, a remark, and the releases up to it."""
    from pipelines.orchestration.moments import as_known_at, as_released

    # The one in force is named first: a release that a run publishes meanwhile is then among those there are.
    name = settings.current_release.resolve().name if release in (None, "current") else str(release)
    folders = [settings.releases_dir / found for found in reversed(release_names(settings))]
    with stderr_console().status("查询 asking ...") as status:
        if as_of is not None:
            moment = parse_moment(as_of)
            found = as_known_at(settings, moment, status.update)
            stand = f"当时已知 as known at {moment:%Y-%m-%d %H:%M:%S}"
            upto = folders
        else:
            chosen = [folder for folder in folders if folder.name == name]
            if not chosen:
                there = ", ".join(folder.name for folder in folders) or "none; publish one with `xiaobao run`"
                raise OperatorError(f"there is no release {name!r}; there are: {there}")
            found = as_released(settings, chosen[0], status.update)
            stand = f"release {name}, 数据截止 as of {shown(found.moment)}"
            upto = folders[: folders.index(chosen[0]) + 1]
    con = found.open()
    stack.callback(con.close)
    return con, stand, found.remark, upto


def _key(
    con: duckdb.DuckDBPyConnection,
    kpi_id: str,
    period: str,
    parts: list[str],
    org: str | None,
    insurer_type: str | None,
    peer_group: str | None,
    basis: str,
    *,
    is_ytd: bool,
) -> CellKey:
    """The one cell that was named; anything else is told with what there is."""
    from pipelines.publication.explanation import GROUP_COLUMNS, CellKey

    groups = {"insurer": org, "insurer_type": insurer_type, "peer_group": peer_group}
    given = {grain: name for grain, name in groups.items() if name is not None}
    if len(given) > 1:
        raise typer.BadParameter("a cell has one group: give --org, --type or --group", param_hint="--org")
    grain, group = next(iter(given.items()), ("bureau", None))
    if len(parts) > 1 or any("=" not in text for text in parts):
        raise typer.BadParameter(
            f"{' '.join(parts)!r} is not one DIMENSION=VALUE", param_hint="DIMENSION=VALUE"
        )
    dimension, value = parts[0].split("=", 1) if parts else ("total", "total")
    if not con.execute("SELECT 1 FROM kpi.kpi_catalogue WHERE kpi_id = ?", [kpi_id]).fetchone():
        known = con.execute(
            "SELECT string_agg(kpi_id, ', ' ORDER BY kpi_id) FROM kpi.kpi_catalogue"
        ).fetchone()
        raise OperatorError(f"there is no KPI {kpi_id}; there are: {known[0] if known else 'none'}")
    column = GROUP_COLUMNS.get(grain)
    found = con.execute(
        f"""
        SELECT period_type, basis, dimension, dimension_value FROM kpi.kpi_values
        WHERE kpi_id = ? AND period = ? AND grain = ? AND (period_type = 'ytd') = ?
            {f"AND {column} = ?" if column else ""} ORDER BY ALL""",
        [kpi_id, period, grain, is_ytd, *([group] if column else [])],
    ).fetchall()
    if not found:
        raise OperatorError(
            f"{kpi_id} has no figure for {period} and {group or 'the bureau'}"
            f"{' (year to date)' if is_ytd else ''}; `xiaobao kpi --kpi {kpi_id} --dimension all --format csv` lists "
            "what there is; a period must be complete and lie inside the calendar of obligations"
        )
    if (basis,) not in {(row[1],) for row in found}:
        bases = sorted({row[1] for row in found})
        raise OperatorError(
            f"{kpi_id} {period} has no basis {basis!r}, only {', '.join(bases)}: comparable and published are bases of "
            "growth rates, and published needs a release that held the base"
        )
    of_basis = [row for row in found if row[1] == basis]
    exact = [row for row in of_basis if row[2:] == (dimension, value)]
    if not exact:
        there = [f"{row[2]}={row[3]}" for row in of_basis]
        raise OperatorError(
            f"{kpi_id} {period} has no {dimension}={value}; there are: {', '.join(there[:_VALUES_NAMED])}"
            + (f" and {len(there) - _VALUES_NAMED} more" if len(there) > _VALUES_NAMED else "")
        )
    return CellKey(kpi_id, exact[0][0], period, grain, group, dimension, value, basis)


def _printed(releases: list[Path], told: Explanation) -> str | None:
    """A remark if the release printed other numbers than its filings give under today's definitions."""
    from pipelines.publication.cell_history import printed_cell

    cell = printed_cell(releases[-1], told.cell) if releases else None
    if cell is None:
        return None
    names = ("numerator", "denominator", "value", "status")
    differing = [name for name in names if cell[name] != told.cell.get(name)]
    if not differing:
        return None
    was = ", ".join(f"{name} {shown(cell[name])}" for name in differing)
    return (
        f"{releases[-1].name} 当时发布 printed {was}: 此后口径或程序有变 definitions or program have changed "
        "since; below is what its filings give today"
    )


# ---------------------------------------------------------------------- how it is told


def _why(version: CellVersion) -> str:
    named = []
    for cause in version.causes:
        if cause["submission_id"]:
            words = [cause["submission_id"], cause["kind"], cause["reason_code"]]
            named.append(" ".join(str(word) for word in words if word))
        else:
            named.append(
                " ".join(str(word) for word in (cause["cause"], cause["form"], cause["period"]) if word)
            )
    more = len(named) - 4
    return "; ".join(named[:4]) + (f" … +{more}" if more > 0 else "")


def _flags(status: str) -> list[dict[str, str]]:
    from pipelines.publication.statuses import FLAGS

    return [
        {"flag": flag, "zh": FLAGS.get(flag, ("", ""))[0], "en": FLAGS.get(flag, ("", ""))[1]}
        for flag in status.split("|")
    ]


def _document(
    key: CellKey,
    stand: str,
    told: Explanation,
    history: list[CellVersion],
    restated: str | None,
    remark: str | None,
) -> dict[str, object]:
    """The explanation for programs; decimals as text, rows only where asked for."""
    return {
        "cell": {**asdict(key), **{name: _text(value) for name, value in told.cell.items()}},
        "stand": stand,
        "remarks": [text for text in (remark, restated) if text],
        "definition": told.definition,
        "status": _flags(str(told.cell["status"])),
        "members": told.members,
        **_behind(told),
        "history": [_plain(asdict(version)) for version in history],
    }


def _behind(told: Explanation) -> dict[str, object]:
    """What stands behind a cell, and behind the figure that it is about if it is about one."""
    figure = told.figure
    return {
        "parts": [_plain(asdict(part)) for part in told.parts],
        "base": _plain(told.base) if told.base else None,
        "statistic": _plain(asdict(told.statistic)) if told.statistic else None,
        "figure": {"cell": _plain(figure.cell), "definition": figure.definition, **_behind(figure)}
        if figure
        else None,
        "later": [_plain(asdict(one)) for one in told.later],
        "comparisons": [_plain(asdict(one)) for one in told.comparisons],
        "errors": [_plain(asdict(one)) for one in told.errors],
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return _text(value)


def _text(value: Any) -> Any:
    if isinstance(value, Decimal):
        return _number(value)
    return value.isoformat() if hasattr(value, "isoformat") else value


def _number(value: object) -> str:
    """An amount without the zeros that only its column's scale adds."""
    text = shown(value)
    if not isinstance(value, Decimal):
        return text
    return text.rstrip("0").rstrip(".") if "." in text else text


def _show(
    console: Console,
    key: CellKey,
    stand: str,
    told: Explanation,
    history: list[CellVersion],
    restated: str | None,
    remark: str | None,
    *,
    rows: bool,
) -> None:
    from rich.text import Text

    definition, cell = told.definition, told.cell
    scope = key.group or "全辖 bureau"
    where = "" if key.dimension == "total" else f", {key.dimension}={key.dimension_value}"
    console.print(Text(f"{key.kpi_id} {definition['name_zh']} {definition['name_en']}", style="bold"))
    _line(console, "单元格 cell", f"{key.period} ({key.period_type}), {scope}{where}, basis {key.basis}")
    _line(console, "来自 from", stand)
    for text in (remark, restated):
        if text:
            _line(console, "注意 mind", text)
    _line(
        console,
        "值 value",
        f"{shown(cell['value'])} {cell['unit'] or ''}" if cell["value"] is not None else shown(None),
    )
    for flag in _flags(str(cell["status"])):
        _line(console, "状态 status", f"{flag['flag']} {flag['zh']} {flag['en']}")
    console.print()
    _show_definition(console, told)
    _show_base(console, told)
    _show_behind(console, told, rows=rows)
    _show_history(history)


def _line(console: Console, name: str, text: str) -> None:
    """Name and text in two columns; Chinese takes two cells a character."""
    from rich.cells import cell_len
    from rich.padding import Padding
    from rich.text import Text

    width = 17
    if cell_len(name) >= width:  # a name as long as the column stands above its text
        console.print(Text(name, style="cyan"))
        name = ""
    label = name + " " * (width - cell_len(name))
    lines = Text(text).wrap(console, max(20, console.width - width), overflow="fold")
    for number, line in enumerate(lines):
        console.print(Text(label if number == 0 else " " * width, style="cyan") + line)
    if not lines:
        console.print(Padding(label, 0))


def _policies(console: Console, codes: list[str]) -> None:
    from pipelines.publication.statuses import POLICIES

    for number, code in enumerate(codes):
        zh, en = POLICIES.get(code, ("", ""))
        _line(console, "边界 policies" if number == 0 else "", f"{code} {zh} {en}")


def _members(console: Console, told: Explanation) -> None:
    complete = [one for one in told.members if one["is_complete"]]
    missing = [one["org_code"] for one in told.members if not one["is_complete"]]
    _line(console, "机构 members", f"{len(complete)} of {len(told.members)} 已报齐 complete")
    if missing:
        more = f" … +{len(missing) - _MEMBERS_NAMED}" if len(missing) > _MEMBERS_NAMED else ""
        listed = ", ".join(missing[:_MEMBERS_NAMED]) + more
        _line(console, "", f"缺报 missing: {listed}")
    for one in told.members:
        if one["reporters"] != [one["org_code"]]:
            _line(console, "", f"{one['org_code']} 含承继 carries {', '.join(one['reporters'])}")


def _show_part(console: Console, part: Part, *, rows: bool) -> None:
    console.print()
    agreed = {True: "= 所列数 the printed", False: f"≠ 所列数 the printed {_number(part.printed)}", None: ""}[
        part.agrees
    ]
    _line(
        console,
        _ROLES.get(part.role, part.role),
        f"{_number(part.amount)} {agreed} · {part.name_zh} {part.name_en} · {part.period} · "
        f"{'.'.join(filter(None, (part.form or '报送 filings', part.date_column)))} · {part.n_rows:,} 行 rows of "
        f"{part.n_filings:,} 份 filings",
    )
    if part.definition:
        _line(console, "", part.definition)
    for link in part.links:
        _line(console, "", f"另看 also looks at {link['form']}: {link['reason']}")
    listed = [_cells(asdict(one)) for one in part.filings[:_MOST_FILINGS]]
    if listed:
        more = part.n_filings - len(listed)
        caption = f"另有 {more:,} 份 more: --format json" if more > 0 else None
        emit(Table("", _FILINGS, listed, caption=caption), OutputFormat.TABLE)
    if rows and part.rows:
        more = len(part.rows) - _MOST_ROWS
        caption = f"另有 {more:,} 行 more: --format json" if more > 0 else None
        columns = _OBLIGATIONS if any(one.note for one in part.rows) else _ROWS
        emit(
            Table("", columns, [_cells(asdict(one)) for one in part.rows[:_MOST_ROWS]], caption=caption),
            OutputFormat.TABLE,
        )


def _show_definition(console: Console, told: Explanation) -> None:
    definition = told.definition
    _line(console, "公式 formula", str(definition["formula_zh"]))
    _line(console, "", str(definition["formula_en"]))
    if definition["variant"]:
        variant = definition["variant"]
        _line(
            console, "变体 variant", f"{variant['dimension_value']} {variant['name_zh']} {variant['name_en']}"
        )
        for name in ("formula_zh", "formula_en"):
            if variant.get(name):
                _line(console, "", str(variant[name]))
    _line(console, "依据 source", str(definition["source_clause"] or "–"))
    _policies(console, definition["edge_policies"])
    _members(console, told)


def _show_base(console: Console, told: Explanation) -> None:
    """What a growth rate or a restatement compares with, and the figure that moved as it stands now."""
    if told.base and told.base["release"] is None and told.base["basis"] == "published":
        _line(console, "基期 base", "此前发布中无此数 no earlier release printed it")
    elif told.base:
        base = told.base
        vintage = f"{base['release']} 所发布 as printed in it" if base["release"] else "现行数 as known now"
        if base["basis"] == "comparable":
            vintage += ", 按承继机构 mapped to the institutions in force"
        _line(
            console,
            "基期 base",
            f"{base['kpi_id']} {base['period']}: {_number(base['value'])} "
            f"({vintage}, 数据截止 as of {shown(base['as_of'])}, basis {base['basis']})",
        )
    if told.figure:
        figure = told.figure.cell
        name = f"{told.figure.definition['name_zh']} {told.figure.definition['name_en']}"
        _line(
            console, "现值 now", f"{figure['kpi_id']} {name}: {_number(figure['value'])} ({figure['status']})"
        )


def _show_behind(console: Console, told: Explanation, *, rows: bool) -> None:
    if told.later:
        _listed("此后签发 Signed since", _LATER, told.later, _MOST_FILINGS)
    for one in (told, told.figure):
        if one and one.statistic:
            _show_statistic(console, one.statistic)
    if told.comparisons:
        _listed("逐项比较 Compared one by one", _COMPARISONS, told.comparisons, _MOST_ROWS)
    for part in told.parts:
        _show_part(console, part, rows=rows)
    for one in (told, told.figure):
        if one and one.errors:
            _listed("有关报送的错误 Errors of these filings", _ERRORS, one.errors, _MOST_ROWS)


def _show_statistic(console: Console, statistic: Statistic) -> None:
    """A median, minimum or maximum, and the values it is read off."""
    console.print()
    agreed = "= 所列数 the printed" if statistic.agrees else "≠ 所列数 the printed"
    _line(
        console,
        _STATISTICS[statistic.name],
        f"{_number(statistic.value)} {agreed} · {statistic.n_values:,} 个值 values",
    )
    _listed("各机构之值 Values of institutions", _OBSERVATIONS, statistic.observations, _MOST_ROWS)


def _listed(title: str, columns: list[Column], entries: Sequence[Any], most: int) -> None:
    """Entries as a table; of more than `most` the rest is counted."""
    more = len(entries) - most
    caption = f"另有 {more:,} 项 more: --format json" if more > 0 else None
    emit(
        Table(title, columns, [_cells(asdict(one)) for one in entries[:most]], caption=caption),
        OutputFormat.TABLE,
    )


def _cells(row: dict[str, Any]) -> dict[str, object]:
    """Values keep their two decimals, so that they stand under one another; amounts lose zeros of their scale."""
    return {
        name: _number(value) if isinstance(value, Decimal) and name != "value" else value
        for name, value in row.items()
    }


def _show_history(history: list[CellVersion]) -> None:
    if not history:
        return
    lines = []
    for version in history:
        cell = version.cell or {}
        lines.append(
            {
                "release_id": version.release_id,
                "as_of": version.as_of,
                "value": cell.get("value"),
                "numerator": _number(cell.get("numerator")),
                "denominator": _number(cell.get("denominator")),
                "status": cell.get("status"),
                "change": version.change,
                "why": _why(version),
            }
        )
    emit(Table("历次发布 From release to release", _HISTORY, lines), OutputFormat.TABLE)
