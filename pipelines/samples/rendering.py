"""How filings look: text of cells, encodings, workbooks, headers, preambles, spreadsheet damage, envelopes.

Put here: everything between typed rows and bytes, and each insurer's habits. Do not put here: which file is
wrong on purpose (incidents) or why a row is (defects); this module only lays out what it is given.

Layouts are lasting traits of an insurer with small variations from file to file. All output is reproducible:
the workbook's dates and the times in its container are fixed.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Literal

import polars as pl
import xlsxwriter

from pipelines.contracts.model import Column, Form
from pipelines.samples import incidents
from pipelines.samples.filings import Filing
from pipelines.samples.identities import AGENTS, HASH_COLUMNS, ID_LETTERS, agent_text, hash_text, id_text
from pipelines.samples.randomness import stream
from pipelines.samples.registry import SUPERVISOR, Registry

Container = Literal["csv", "xlsx"]
Encoding = Literal["utf-8", "utf-8-sig", "gb18030"]
HeaderStyle = Literal["titles", "aliases", "names", "spaced"]

_BOOK_DATE = datetime(2024, 1, 1)  # noqa: DTZ001  # spreadsheets know no zone
_WORKBOOK_EVERY = 10
_WORKBOOK_RANK = 7
_FEN = 100
_PEOPLE = ("经办人甲", "经办人乙", "经办人丙", "复核员丁", "复核员戊", "主管己", "主管庚", "主管辛")
_NAMES = (
    "报表",
    "导出",
    "上报数据",
    "final",
    "消保报送",
    "新建文件",
    "附件",
    "data",
    "明细",
    "Sheet1",
    "最终版",
    "1104",
)
_FOLDERS = ("", "", "上报", "2024补", "archive/旧")
_COVER = "封面"
_COVER_LABELS = {
    "submission_id": "报送编号",
    "form": "报表代码",
    "version": "报表版本",
    "reporter": "报送机构编码",
    "period": "报告期",
    "kind": "报送类型",
    "sequence_no": "报送序号",
    "supersedes": "被替代报送编号",
    "reason_code": "重报原因",
    "state": "状态",
    "row_count": "数据行数",
    "prepared_by": "填报人",
    "reviewed_by": "复核人",
    "approved_by": "批准人",
    "signed_at": "签发时间",
}
_FULL_WIDTH = {str(digit): chr(0xFF10 + digit) for digit in range(10)}


@dataclass(frozen=True, slots=True)
class Style:
    """Habits of an insurer for one file.

    Attributes:
        container: csv or xlsx.
        encoding: of a CSV file.
        declares_encoding: the envelope names the encoding.
        headers: Chinese titles, aliases, English names, or titles with blanks and full-width characters in
            them.
        order_seed: 0 keeps the contract's column order, else the seed of a lasting permutation.
        preamble: title and note lines above the header.
        trailing: blank rows at the end.
        blank_as_commas: CSV: a blank row holds the separators.
        t_separator: timestamps are written with a T.
        cover: xlsx: the envelope stands on a cover sheet instead of a sidecar.
        real_dates: xlsx: dates are date cells, else texts.
    """

    container: Container = "csv"
    encoding: Encoding = "utf-8"
    declares_encoding: bool = False
    headers: HeaderStyle = "titles"
    order_seed: int = 0
    preamble: int = 0
    trailing: int = 0
    blank_as_commas: bool = True
    t_separator: bool = False
    cover: bool = False
    real_dates: bool = True


def style_of(registry: Registry, seed: int, filing: Filing) -> Style:
    """The habits of the sender, varied a little for this file, and bent to what an incident needs."""
    if filing.reporter == SUPERVISOR:
        return Style()
    insurer = registry.insurers[filing.reporter]
    habits = stream(seed, f"habits {insurer.company}")
    mood = stream(seed, f"mood {filing.submission}")
    encodings: tuple[Encoding, ...] = ("utf-8", "utf-8-sig", "gb18030")
    headers: tuple[HeaderStyle, ...] = ("titles", "aliases", "names", "spaced")
    style = Style(
        container="xlsx" if insurer.size_rank % _WORKBOOK_EVERY == _WORKBOOK_RANK else "csv",
        encoding=encodings[int(habits.choice(3, p=(0.4, 0.25, 0.35)))],
        declares_encoding=bool(habits.random() < 0.4),  # noqa: PLR2004
        headers=headers[int(habits.choice(4, p=(0.5, 0.25, 0.1, 0.15)))],
        order_seed=int(habits.integers(1, 2**31)) if habits.random() < 0.35 else 0,  # noqa: PLR2004
        preamble=int(habits.choice(4, p=(0.5, 0.2, 0.2, 0.1))),
        blank_as_commas=bool(habits.random() < 0.5),  # noqa: PLR2004
        t_separator=bool(habits.random() < 0.15),  # noqa: PLR2004
        cover=bool(habits.random() < 0.7),  # noqa: PLR2004
        real_dates=bool(habits.random() < 0.75),  # noqa: PLR2004
    )
    other = encodings[int(mood.integers(0, 3))] if mood.random() < 0.06 else style.encoding  # noqa: PLR2004
    style = replace(style, encoding=other, trailing=int(mood.choice(4, p=(0.7, 0.1, 0.1, 0.1))))
    if style.container == "xlsx":
        style = replace(style, preamble=max(style.preamble, 1))
    if filing.incident in incidents.WORKBOOK_INCIDENTS:
        style = replace(style, container="xlsx", cover=False)
    elif filing.incident in incidents.CSV_INCIDENTS:
        style = replace(style, container="csv", trailing=0)
    if filing.incident in incidents.SIDECAR_INCIDENTS:
        style = replace(style, cover=False)
    return style


# ------------------------------------------------------------------------------------------------ cells


def cell_texts(form: Form, rows: pl.DataFrame) -> pl.DataFrame:
    """Canonical text of typed rows: one string column per contract column, null where a cell is empty."""
    texts = rows.select(_text(column, rows.schema[column.name]) for column in form.columns)
    hashes = [
        hash_text(texts[name].cast(pl.UInt64))
        for name in HASH_COLUMNS
        if name in texts.columns and texts.height
    ]
    return texts.with_columns(hashes).cast(pl.String)


def _text(column: Column, dtype: pl.DataType) -> pl.Expr:
    """How a typed cell is written; hash seeds pass through."""
    name, cell = column.name, pl.col(column.name)
    if dtype == pl.String or name in HASH_COLUMNS:
        return cell
    if name in _PACKED:
        return _PACKED[name]
    match column.kind:
        case "boolean":
            return pl.when(cell).then(pl.lit("Y")).when(~cell).then(pl.lit("N")).otherwise(None).alias(name)
        case "date":
            return cell.dt.to_string("%Y-%m-%d")
        case "timestamp":
            return cell.dt.to_string("%Y-%m-%d %H:%M:%S")
        case "decimal":
            return _money(cell).alias(name)
        case _:
            return cell.cast(pl.String)


_PACKED: Mapping[str, pl.Expr] = {
    **{name: id_text(name) for name in ID_LETTERS},
    "agent_code": agent_text("agent_code"),
    "product_code": pl.format(
        "CP{}-{}", pl.col("product_code") // AGENTS, pl.col("product_code") % AGENTS
    ).alias("product_code"),
}
"""Text of columns that are kept as packed numbers."""


def _money(hundredths: pl.Expr) -> pl.Expr:
    size = hundredths.abs()
    sign = pl.when(hundredths < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    return pl.format("{}{}.{}", sign, size // _FEN, (size % _FEN).cast(pl.String).str.zfill(2))


def damaged(form: Form, texts: pl.DataFrame, damage: str) -> pl.DataFrame:
    """Text cells as a spreadsheet left them; cells that the damage does not touch are unchanged.

    Raises:
        KeyError: no damage has the name.
    """
    kinds, columns, spoil = _DAMAGES[damage]
    touched = [
        column.name
        for column in form.columns
        if column.kind in kinds and (not columns or column.name in columns)
    ]
    return texts.with_columns(spoil(pl.col(name)).alias(name) for name in touched)


def _split_date(cell: pl.Expr, pattern: str) -> pl.Expr:
    """A canonical date in other words; month and day lose their leading zero where the pattern says so."""
    return cell.str.replace(r"^(\d{4})-0?(\d+)-0?(\d+)", pattern)


def _full_width(cell: pl.Expr) -> pl.Expr:
    return cell.str.replace_many(list(_FULL_WIDTH), list(_FULL_WIDTH.values()))


def _scientific(cell: pl.Expr) -> pl.Expr:
    """Whole yuan from 1,000 as a multiple of a thousand: 12500.00 becomes 12.5E+03."""
    yuan = cell.str.extract(r"^(\d{4,})\.00$", 1).cast(pl.Int64)
    fraction = (yuan % 1_000).cast(pl.String).str.zfill(3).str.strip_chars_end("0")
    mantissa = (
        pl.when(fraction == "")
        .then(pl.format("{}", yuan // 1_000))
        .otherwise(pl.format("{}.{}", yuan // 1_000, fraction))
    )
    return pl.when(yuan.is_not_null()).then(pl.format("{}E+03", mantissa)).otherwise(cell)


_DAMAGES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...], Callable[[pl.Expr], pl.Expr]]] = {
    "slash_dates": (("date",), (), lambda cell: _split_date(cell, "${1}/${2}/${3}")),
    "chinese_dates": (("date",), (), lambda cell: _split_date(cell, "${1}年${2}月${3}日")),
    "compact_dates": (("date",), (), lambda cell: cell.str.replace_all("-", "")),
    "slash_moments": (("timestamp",), (), lambda cell: _split_date(cell, "${1}/${2}/${3}")),
    "full_width_numbers": (("integer",), (), _full_width),
    "apostrophes": (("integer",), (), lambda cell: pl.format("'{}", cell)),
    "decimal_counts": (("integer",), (), lambda cell: pl.format("{}.0", cell)),
    "scientific": (("decimal",), (), _scientific),
    "trimmed_codes": (("code",), ("reporter_code", "org_code"), lambda cell: cell.str.strip_chars_start("0")),
}


# ----------------------------------------------------------------------------------------------- tables


def arrange(form: Form, style: Style, texts: pl.DataFrame, filing: Filing) -> tuple[pl.DataFrame, list[str]]:
    """Columns in the order the sender has them, and the header of each."""
    names = [column.name for column in form.columns]
    if style.order_seed:
        order = stream(style.order_seed, f"columns {form.code}").permutation(len(names))
        names = [names[position] for position in order]
    headers = [_header(form.column(name), style, position) for position, name in enumerate(names)]
    table = texts.select(names)
    if style.t_separator and style.container == "csv" and not filing.damage:
        moments = [column.name for column in form.columns if column.kind == "timestamp"]
        table = table.with_columns(pl.col(name).str.replace(" ", "T", literal=True) for name in moments)
    match filing.incident:
        case "unknown_column":
            table, headers = table.with_columns(pl.lit("无").alias("备注")), [*headers, "备注"]
        case "missing_column":
            gone = names.index(_missing_column(form))
            table, headers = table.drop(names[gone]), headers[:gone] + headers[gone + 1 :]
        case "doubled_column":
            twice = doubled_column(form)
            table = table.with_columns(pl.col(twice).alias("_again"))
            headers = [*headers, form.column(twice).title_zh]
        case _:
            pass
    return table, headers


def _header(column: Column, style: Style, position: int) -> str:
    match style.headers:
        case "aliases":
            return column.aliases[position % len(column.aliases)] if column.aliases else column.title_zh
        case "names":
            return column.name
        case "spaced":
            spaced = column.title_zh[:2] + ("\u3000" if position % 2 else " ") + column.title_zh[2:]
            return spaced.replace("(", "（").replace(")", "）") + (" " if position % 3 == 0 else "")
        case _:
            return column.title_zh


def _missing_column(form: Form) -> str:
    """The last column of the form; a file that loses one usually loses the last."""
    return form.columns[-1].name


def doubled_column(form: Form) -> str:
    """The form's own id, which somebody pasted a second time."""
    return form.key[-1]


def structure_place(form: Form, filing: Filing) -> tuple[int | None, str | None]:
    """Row and column that the finding about a file's incident names: the header's line, or the ragged one."""
    match filing.incident:
        case "unknown_column":
            return filing.header_row, None
        case "missing_column":
            return filing.header_row, _missing_column(form)
        case "doubled_column":
            return filing.header_row, doubled_column(form)
        case "ragged_row":
            return filing.header_row + 1 + _RAGGED_ROW, None
        case _:
            return None, None


_RAGGED_ROW = 2
"""Position of the data row that gets one cell too many."""


def preamble_lines(form: Form, style: Style, filing: Filing, sender: str) -> list[str]:
    """What people write above a table."""
    lines = [f"{form.title_zh}（{filing.period.label}）", f"填报单位：{sender}", "单位：元、件", ""]
    return lines[: style.preamble]


# ------------------------------------------------------------------------------------------------ bytes


def as_csv(
    table: pl.DataFrame, headers: Sequence[str], style: Style, preamble: Sequence[str], *, ragged: bool
) -> bytes:
    """A CSV file; an empty cell is null, a blank row is separators or nothing."""
    body = io.BytesIO()
    table.write_csv(body, include_header=False, line_terminator="\r\n")
    lines = [*preamble, ",".join(_quoted(header) for header in headers)]
    blank = "," * (len(headers) - 1) if style.blank_as_commas else ""
    text = (
        "".join(f"{line}\r\n" for line in lines) + body.getvalue().decode() + f"{blank}\r\n" * style.trailing
    )
    if ragged:
        rows = text.split("\r\n")
        rows[len(preamble) + 1 + _RAGGED_ROW] += ",多余"
        text = "\r\n".join(rows)
    return text.encode(style.encoding)


def _quoted(cell: str) -> str:
    return f'"{cell}"' if "," in cell or '"' in cell else cell


def as_workbook(
    form: Form,
    table: pl.DataFrame,
    headers: Sequence[str],
    style: Style,
    preamble: Sequence[str],
    cover: Mapping[str, object] | None,
    as_text: set[tuple[int, str]],
) -> bytes:
    """An XLSX file with a merged title above the header.

    Args:
        form: the contract, for the kinds of cells.
        table: text cells.
        headers: of the columns.
        style: of the file.
        preamble: lines above the header; the first is merged over the width.
        cover: envelope to put on a first sheet, or None.
        as_text: (row position, column) of cells that must stay text.
    """
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True, "strings_to_numbers": False})
    book.set_properties({"created": _BOOK_DATE})
    if cover is not None:
        _write_cover(book, cover)
    sheet = book.add_worksheet(form.title_zh)
    title = book.add_format({"bold": True, "align": "center"})
    for number, line in enumerate(preamble):
        if number == 0:
            sheet.merge_range(0, 0, 0, len(headers) - 1, line, title)
        else:
            sheet.write_string(number, 0, line)
    sheet.write_row(len(preamble), 0, headers)
    formats = {
        "date": book.add_format({"num_format": "yyyy-mm-dd"}),
        "timestamp": book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
    }
    below = len(preamble) + 1
    kinds = {column.name: column.kind for column in form.columns}
    for column, name in enumerate(table.columns):
        kind = kinds.get(name, "text")
        dated = formats.get(kind) if style.real_dates else None
        for row, cell in enumerate(table[name].to_list()):
            if cell is None:
                continue
            if (row, name) in as_text or kind not in ("integer", "decimal", *formats):
                sheet.write_string(below + row, column, cell)
            elif kind in formats:
                _write_date(sheet, below + row, column, cell, dated)
            else:
                sheet.write_number(below + row, column, float(cell))
    for row in range(style.trailing):
        sheet.write_blank(below + table.height + row, 0, None, formats["date"])
    book.close()
    return buffer.getvalue()


def _write_date(
    sheet: xlsxwriter.worksheet.Worksheet,
    row: int,
    column: int,
    cell: str,
    dated: xlsxwriter.format.Format | None,
) -> None:
    """A date as a date cell if there is a format for it, else as its text."""
    if dated is None:
        sheet.write_string(row, column, cell)
    else:
        sheet.write_datetime(row, column, datetime.fromisoformat(cell), dated)


def _write_cover(book: xlsxwriter.Workbook, envelope: Mapping[str, object]) -> None:
    sheet = book.add_worksheet(_COVER)
    sheet.write_row(0, 0, ("项目", "内容"))
    row = 1
    for name, label in _COVER_LABELS.items():
        sheet.write_string(row, 0, label)
        value = envelope.get(name)
        if isinstance(value, int):
            sheet.write_number(row, 1, value)
        elif value is not None:
            sheet.write_string(row, 1, str(value))
        row += 1
    totals = envelope.get("control_totals")
    for column, total in totals.items() if isinstance(totals, dict) else ():
        sheet.write_string(row, 0, f"合计:{column}")
        sheet.write_string(row, 1, str(total))
        row += 1


# --------------------------------------------------------------------------------------------- envelopes


def envelope_of(filing: Filing, form: Form, style: Style, totals: Mapping[str, str]) -> dict[str, object]:
    """The envelope as its sender fills it in, without the digest, before an incident spoils it."""
    people = stream(0, f"people {filing.reporter_code}").permutation(len(_PEOPLE))
    prepared, reviewed, approved = (_PEOPLE[int(position)] for position in people[:3])
    envelope: dict[str, object] = {
        "submission_id": filing.submission,
        "form": form.code,
        "version": form.version,
        "reporter": filing.reporter_code,
        "period": filing.period.label,
        "kind": filing.kind,
        "sequence_no": filing.sequence,
        "supersedes": filing.supersedes,
        "reason_code": filing.reason,
        "state": "SUBMITTED",
        "row_count": filing.rows,
        "control_totals": dict(totals),
        "prepared_by": prepared,
        "reviewed_by": reviewed,
        "approved_by": approved,
        "signed_at": filing.signed_at.isoformat(timespec="seconds"),
    }
    if style.container == "csv" and style.declares_encoding:
        envelope["encoding"] = "gb18030" if style.encoding == "gb18030" else "utf-8"
    incidents.misdeclare(filing, envelope)
    return envelope


def with_digest(envelope: Mapping[str, object], filing: Filing, data: bytes) -> bytes:
    """The sidecar: the envelope with the digest of the bytes (or the one an incident declares)."""
    digest = filing.declared.get("sha256", sha256(data).hexdigest())
    return json.dumps({**envelope, "sha256": digest}, ensure_ascii=False, indent=1).encode()


def file_name(seed: int, filing: Filing, number: int, container: Container) -> str:
    """Folder and name under the reporter's inbox: as people name files, with nothing to learn from it."""
    rng = stream(seed, f"file name {filing.number}")
    folder = _FOLDERS[int(rng.integers(0, len(_FOLDERS)))]
    stem = _NAMES[int(rng.integers(0, len(_NAMES)))]
    copies = f"({number})" if rng.random() < 0.5 else f"_{number:05d}"  # noqa: PLR2004
    return f"{folder}/{stem}{copies}.{container}".lstrip("/")


def control_totals(form: Form, rows: pl.DataFrame) -> pl.DataFrame:
    """Sums of the form's control columns by filing: ``filing`` and one text column each (empty sum: 0)."""
    sums = rows.group_by("filing").agg(pl.col(name).cast(pl.Int64).sum() for name in form.control_totals)
    return sums.select(
        "filing",
        *(
            _money(pl.col(name)).alias(name)
            if form.column(name).kind == "decimal"
            else pl.col(name).cast(pl.String)
            for name in form.control_totals
        ),
    )


def row_positions(rows: pl.DataFrame) -> pl.DataFrame:
    """Position of each row within its filing (frame sorted by filing), as ``position``."""
    return rows.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).over("filing").alias("position"))
