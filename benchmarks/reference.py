"""The same job by hand: one DuckDB script that reads what insurers sent, checks it, loads it and computes the KPIs.

Put here: the shortest honest way from the files of one inbox to findings, typed tables and KPI values, as one process
that starts from nothing. It is what `make bench` holds the pipeline against. Do not put here: orchestration, Great
Expectations, archive, receipts, releases, restarts; anything of `pipelines` (a reference that shares code with what it
measures measures nothing).

From the contracts it takes the facts of columns (type, length, values, headers); every rule is written out below and in
`rules.sql`, every KPI in `kpis.sql`. Official figures (form PUB) are left out: they are the pipeline's fixed cost.

What makes it fast: files are read by two threads with pyarrow, columns of few values as dictionaries; GB18030 is split
as bytes and only its dictionaries are decoded; a form is cast and checked in one pass, a rule being a bit; cells that a
spreadsheet damaged are found by the cast that fails, and only their rows are repaired and checked again; keys are
compared by hash.
"""

from __future__ import annotations

import argparse
import codecs
import csv
import hashlib
import io
import json
import re
import resource
import time
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import yaml

ROOT = Path(__file__).resolve().parents[1]
HERE = Path(__file__).resolve().parent
FORMS = ("F04", "F06", "F02", "F05", "F01", "F03", "F11", "R01", "R03")
SUPERVISOR = "00000000000001"
WORD = 60
MASTERS = ("R03",)

_PREAMBLE = 20
_DICTIONARY_KINDS = ("code", "enum", "boolean", "date", "integer")
_REQUIRED = (
    "submission_id", "form", "version", "reporter", "period", "kind", "sequence_no", "state", "row_count", "signed_at",
)  # fmt: skip
_LABELS = {
    "报送编号": "submission_id", "报表代码": "form", "报表版本": "version", "报送机构编码": "reporter",
    "报告期": "period", "报送类型": "kind", "报送序号": "sequence_no", "被替代报送编号": "supersedes",
    "重报原因": "reason_code", "状态": "state", "数据行数": "row_count", "文件摘要": "sha256", "编码": "encoding",
    "填报人": "prepared_by", "复核人": "reviewed_by", "批准人": "approved_by", "签发时间": "signed_at",
}  # fmt: skip
_KINDS = ("ORIGINAL", "RESUBMIT", "CORRECTION", "NIL", "WITHDRAW")
_ENCODINGS = {"utf-8": "utf-8", "utf8": "utf-8", "utf-8-sig": "utf-8", "gb18030": "gb18030", "gbk": "gb18030",
              "gb2312": "gb18030"}  # fmt: skip


# --------------------------------------------------------------------------------------------------- facts


@dataclass(frozen=True, slots=True)
class Column:
    """Facts of one column, as the contract states them."""

    name: str
    kind: str
    required: bool
    length: int
    precision: int
    scale: int
    low: str | None
    high: str | None
    values: tuple[str, ...]
    dated: tuple[tuple[str, str | None, str | None], ...]
    immutable: bool
    non_negative: bool
    future: bool

    @property
    def sql_type(self) -> str:
        """Type in the typed table: enums and codes that repeat are kept as DuckDB stores them best."""
        return {
            "date": "DATE", "timestamp": "TIMESTAMP", "integer": "BIGINT", "boolean": "BOOLEAN",
            "decimal": f"DECIMAL({self.precision}, {self.scale})",
        }.get(self.kind, "VARCHAR")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Form:
    """Facts of one report form."""

    code: str
    version: str
    frequency: str
    days: int | None
    side: str
    classes: tuple[str, ...]
    event: str | None
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    headers: Mapping[str, str]
    first_day: str

    @property
    def table(self) -> str:
        """Name of the typed table."""
        return self.code.lower()


def _folded(text: str) -> str:
    return "".join(
        c for c in unicodedata.normalize("NFKC", text) if not c.isspace() and c not in "\ufeff\u200b"
    )


def _facts() -> dict[str, Form]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    lists = {}
    for path in (ROOT / "expectations" / "code_lists").glob("*.yaml"):
        document = yaml.load(path.read_bytes(), Loader=loader)  # noqa: S506 - a safe loader
        lists[document["name"]] = document["entries"]
    forms = {}
    for path in (ROOT / "expectations").glob("*.odcs.yaml"):
        document = yaml.load(path.read_bytes(), Loader=loader)  # noqa: S506 - a safe loader
        own = {item["property"]: item["value"] for item in document["customProperties"]}
        if own.get("formCode") in FORMS:
            form = _form(document, own, lists)
            forms[form.code] = form
    return forms


def _form(document: Mapping[str, Any], own: Mapping[str, Any], lists: Mapping[str, Any]) -> Form:
    properties = document["schema"][0]["properties"]
    service = {item["property"]: item["value"] for item in document["slaProperties"]}
    columns = tuple(_column(item, lists) for item in properties)
    headers: dict[str, str] = {}
    for item in properties:
        for text in (item["name"], item["businessName"], *(s["synonym"] for s in item.get("synonyms") or ())):
            headers.setdefault(_folded(text), item["name"])
        headers[_folded(item["businessName"])] = item["name"]
    keys = sorted((item["primaryKeyPosition"], item["name"]) for item in properties if item.get("primaryKey"))
    return Form(
        code=own["formCode"],
        version=document["version"],
        frequency=service["frequency"],
        days=service.get("latency"),
        side=own["side"],
        classes=tuple(own.get("obligedClasses") or ()),
        event=own.get("eventDate"),
        key=tuple(name for _, name in keys),
        columns=columns,
        headers=headers,
        first_day=str(own["effectiveFrom"]),
    )


def _column(item: Mapping[str, Any], lists: Mapping[str, Any]) -> Column:
    own = {fact["property"]: fact["value"] for fact in item.get("customProperties") or ()}
    options = item.get("logicalTypeOptions") or {}
    low, high = options.get("minimum"), options.get("maximum")
    kind = {"timestamp": "timestamp", "date": "date", "boolean": "boolean", "integer": "integer"}.get(
        item["logicalType"], ""
    )
    entries = lists[own["codeList"]] if own.get("codeList") else item.get("enum") or ()
    if item["logicalType"] == "number":
        kind = "decimal"
    if not kind:
        kind = "enum" if entries else own.get("kind", "text")
    sizes = re.findall(r"\d+", item["physicalType"]) if kind == "decimal" else [0, 0]
    dated = [(e["value"], e.get("valid_from"), e.get("valid_to")) for e in entries]
    return Column(
        name=item["name"],
        kind=kind,
        required=bool(item.get("required")),
        length=int(options.get("maxLength") or 0),
        precision=int(sizes[0]),
        scale=int(sizes[1]),
        low=None if low is None or (low == 0 and high is None) else str(low),
        high=None if high is None else str(high),
        values=tuple(dict.fromkeys(e["value"] for e in entries)),
        dated=tuple((v, a and str(a), z and str(z)) for v, a, z in dated if a or z),
        immutable=bool(own.get("immutable")),
        non_negative=low == 0 and high is None,
        future=bool(own.get("mayBeFuture")),
    )


# ----------------------------------------------------------------------------------------- files to text


@dataclass(slots=True)
class Filing:
    """One file with what its envelope declares and the structure rules it breaks."""

    path: Path
    sha256: str
    content: str
    envelope: dict[str, Any]
    broken: set[str]
    on_cover: bool
    number: int = 0
    name: str = ""
    rows: int = 0
    read: bool = False
    refused: bool = False
    totals: dict[str, str] = field(default_factory=dict)
    table: pa.Table | None = None
    sound: dict[str, pa.Array] = field(default_factory=dict)


def _inbox(folder: Path) -> Iterator[tuple[Path, Path | None]]:
    files = {path for path in folder.rglob("*") if path.is_file() and not path.name.startswith((".", "~$"))}
    sidecars = {p for p in files if p.suffix == ".json" and p.with_name(p.name[:-5]) in files}
    for path in sorted(files - sidecars):
        sidecar = path.with_name(path.name + ".json")
        yield path, sidecar if sidecar in sidecars else None


def _open(pair: tuple[Path, Path | None], forms: Mapping[str, Form]) -> Filing:
    path, beside = pair
    data = path.read_bytes()
    sidecar = beside.read_bytes() if beside else None
    sha256 = hashlib.sha256(data).hexdigest()
    filing = Filing(path, sha256, f"{sha256}|{sidecar!r}", {}, set(), on_cover=False)
    if sidecar is not None:
        try:
            filing.envelope = json.loads(sidecar.decode("utf-8-sig"))
        except ValueError:
            filing.broken.add("ENV-S01")
    elif data[:4] == b"PK\x03\x04":
        filing.envelope = _cover(data)
        filing.on_cover = bool(filing.envelope)
    if not filing.envelope:
        filing.broken.add("ENV-S01")
        return filing
    filing.totals = {str(k): str(v) for k, v in (filing.envelope.pop("control_totals", None) or {}).items()}
    _judge_envelope(filing, forms)
    return filing


def _cover(data: bytes) -> dict[str, Any]:
    import fastexcel

    try:
        book = fastexcel.read_excel(data)
        if book.sheet_names[0] not in ("封面", "cover"):
            return {}
        sheet = book.load_sheet(0, header_row=None, dtypes="string").to_arrow()
    except (fastexcel.FastExcelError, OSError):
        return {}
    found: dict[str, Any] = {"control_totals": {}}
    for label, value in zip(sheet.column(0).to_pylist(), sheet.column(1).to_pylist(), strict=True):
        if label and label.startswith(("合计:", "合计：")):
            found["control_totals"][label[3:]] = value
        elif label in _LABELS:
            found[_LABELS[label]] = value
    return found


def _judge_envelope(filing: Filing, forms: Mapping[str, Form]) -> None:
    fields, broken = filing.envelope, filing.broken
    if any(fields.get(name) in (None, "") for name in _REQUIRED) or fields["kind"] not in _KINDS:
        broken.add("ENV-S01")
        return
    filing.name = str(fields["submission_id"])
    try:
        fields["sequence_no"], fields["row_count"] = int(fields["sequence_no"]), int(fields["row_count"])
        fields["signed_at"] = datetime.fromisoformat(str(fields["signed_at"])).replace(
            tzinfo=None, microsecond=0
        )
    except ValueError:
        broken.add("ENV-S01")
        return
    form = forms.get(fields["form"])
    bounds = _bounds(str(fields["period"]))
    monthly = len(str(fields["period"])) == len("2025-01")
    if (
        form is None
        or fields["version"] != form.version
        or bounds is None
        or (form.frequency == "monthly" and not monthly)
        or (form.frequency == "quarterly" and monthly)
    ):
        broken.add("ENV-S03")
    people = [fields.get(who) for who in ("prepared_by", "reviewed_by", "approved_by")]
    if not all(people) or len(set(people)) != len(people):
        broken.add("ENV-S07")
    if fields["state"] != "SUBMITTED":
        broken.add("ENV-S09")
    if fields["kind"] in ("CORRECTION", "WITHDRAW"):
        broken.add("ENV-S06")


def _bounds(period: str) -> tuple[date, date] | None:
    """First and last day of 2025-03 or 2025Q1."""
    match = re.fullmatch(r"(\d{4})(?:-(\d{2})|Q([1-4]))", period)
    if not match:
        return None
    year = int(match[1])
    last = int(match[2]) if match[2] else int(match[3]) * 3
    first = last if match[2] else last - 2
    if not 1 <= last <= 12:  # noqa: PLR2004 - months
        return None
    following = date(year + last // 12, last % 12 + 1, 1)
    return date(year, first, 1), date.fromordinal(following.toordinal() - 1)


def _read(filing: Filing, form: Form) -> None:
    """Put the file's rows as text into `filing.table`, columns in the contract's order, with row numbers."""
    data = filing.path.read_bytes()
    declared, fields = filing.envelope.get("sha256"), filing.envelope
    if declared and declared.lower() != filing.sha256:
        filing.broken.add("ENV-S02")
    if data[:4] in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
        _read_workbook(filing, form, data)
    else:
        _read_text(filing, form, data)
    if filing.table is None:
        filing.broken.add("ENV-S01")
        return
    filing.read = True
    if fields["row_count"] != filing.rows:
        filing.broken.add("ENV-S02")
    if (fields["kind"] == "NIL") == (filing.rows > 0) and fields["kind"] in ("NIL", "ORIGINAL", "RESUBMIT"):
        filing.broken.add("ENV-S05")
    if filing.broken:
        filing.table, filing.sound = None, {}


def _read_text(filing: Filing, form: Form, data: bytes) -> None:
    if not data.strip() or b"\x00" in data or data.count(b'"') % 2:
        return
    encoding = _encoding(data, filing.envelope.get("encoding"))
    if encoding is None:
        return
    body = data[3:] if data.startswith(codecs.BOM_UTF8) else data
    try:
        header, end, above = _header(body, encoding, form)
    except (UnicodeDecodeError, LookupError):
        return
    columns = {column.name: column for column in form.columns}
    if set(header) != set(columns) or len(header) != len(columns):
        return
    rest = body[end:]
    types = {name: _arrow_type(columns[name]) for name in header}
    skipped: list[int] = []
    ragged: list[int] = []

    def note(row: pacsv.InvalidRow) -> str:
        (ragged if row.text.strip(', \t\r\n"') else skipped).append(row.number)
        return "skip"

    if rest.strip():
        table = pacsv.read_csv(
            pa.BufferReader(rest),
            read_options=pacsv.ReadOptions(
                use_threads=False, column_names=header, block_size=max(len(rest), 1 << 16)
            ),
            parse_options=pacsv.ParseOptions(
                newlines_in_values=b'"' in rest, ignore_empty_lines=False, invalid_row_handler=note
            ),
            convert_options=pacsv.ConvertOptions(
                column_types=types, null_values=[""], strings_can_be_null=True, check_utf8=False
            ),
        )
    else:
        table = pa.table({name: pa.array([], kind) for name, kind in types.items()})
    if ragged:
        return
    count = table.num_rows + len(skipped)
    rows = pa.array(range(above + 1, above + count + 1), pa.uint32())
    if skipped:
        gone = set(skipped)
        rows = rows.filter(pa.array([number not in gone for number in range(1, count + 1)]))
    if encoding == "gb18030":
        table = _transcoded(table)
        if table is None:
            return
    _keep(filing, form, table, rows)


def _encoding(data: bytes, declared: str | None) -> str | None:
    named = _ENCODINGS.get(declared.strip().lower().replace("_", "-")) if declared else ""
    if named != "utf-8" and declared:
        return named
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return None if named or data.startswith(codecs.BOM_UTF8) else "gb18030"
    return "utf-8"


def _arrow_type(column: Column) -> pa.DataType:
    return pa.dictionary(pa.int32(), pa.string()) if _is_dictionary(column) else pa.string()


def _is_dictionary(column: Column) -> bool:
    return column.kind in _DICTIONARY_KINDS or column.name == "period"


def _header(body: bytes, encoding: str, form: Form) -> tuple[list[str], int, int]:
    """Column names of the header row, the offset behind it, and how many rows stand above the data."""
    lines = io.BytesIO(body)
    reader = csv.reader(iter(lambda: lines.readline(1 << 20).decode(encoding), ""))
    for above, cells in zip(range(1, _PREAMBLE + 2), reader, strict=False):
        names = [form.headers.get(_folded(cell), "") for cell in cells]
        if sum(map(bool, names)) * 2 >= len(form.columns):
            return names, lines.tell(), above
    raise LookupError(form.code)


def _transcoded(table: pa.Table) -> pa.Table | None:
    """GB18030 cells as UTF-8: no byte of its characters is a comma, quote or line end, so cells were cut rightly."""
    arrays = []
    try:
        for column in table.columns:
            array = column.combine_chunks()
            if isinstance(array, pa.ChunkedArray):
                array = array.chunk(0) if array.num_chunks else pa.array([], column.type)
            if pa.types.is_dictionary(array.type):
                texts = [raw.decode("gb18030") for raw in array.dictionary.cast(pa.binary()).to_pylist()]
                array = pa.DictionaryArray.from_arrays(array.indices, pa.array(texts, pa.string()))
            elif not pc.all(pc.string_is_ascii(array), min_count=0).as_py():
                raws = array.cast(pa.binary()).to_pylist()
                array = pa.array(
                    [None if raw is None else raw.decode("gb18030") for raw in raws], pa.string()
                )
            arrays.append(array)
    except UnicodeDecodeError:
        return None
    return pa.table(arrays, names=table.column_names)


def _read_workbook(filing: Filing, form: Form, data: bytes) -> None:
    import fastexcel

    if data[:4] != b"PK\x03\x04":  # a password or the old format; calamine would find the workbook behind it
        return
    index = int(filing.on_cover)
    try:
        sheet = fastexcel.read_excel(data).load_sheet(index, header_row=None, dtypes="string").to_arrow()
        with zipfile.ZipFile(io.BytesIO(data)) as container:
            part = container.open(f"xl/worksheets/sheet{index + 1}.xml")
            match = re.search(rb'<dimension ref="[A-Z]+(\d+)', part.read(2000))
    except (fastexcel.FastExcelError, zipfile.BadZipFile, OSError, KeyError):
        return
    leading = int(match[1]) - 1 if match else 0
    above, names = _workbook_header(sheet, form)
    columns = {column.name: column for column in form.columns}
    named = [name for name in names if name is not None]
    if set(named) != set(columns) or len(named) != len(columns):
        return
    below = sheet.slice(above)
    arrays = {
        name: _cell_text(below.column(position), columns[name]) for position, name in enumerate(names) if name
    }
    rows = pa.array(range(leading + above + 1, leading + above + 1 + below.num_rows), pa.uint32())
    _keep(filing, form, pa.table(arrays), rows)


def _workbook_header(sheet: pa.RecordBatch, form: Form) -> tuple[int, list[str | None]]:
    """Rows down to the header, and the column of each of its cells: empty if unknown, None where nothing stands."""
    for above, record in enumerate(sheet.slice(0, _PREAMBLE + 1).to_pylist(), start=1):
        names = [form.headers.get(_folded(cell), "") if cell else None for cell in record.values()]
        if sum(map(bool, names)) * 2 >= len(form.columns):
            return above, names
    return 0, []


def _cell_text(array: pa.Array, column: Column) -> pa.Array:
    """What a workbook's cell shows, where calamine spells it otherwise: midnights, flags, fractions."""
    if column.kind in ("date", "timestamp"):
        array = pc.replace_substring_regex(array, r"^(\d{4}-\d\d-\d\d) 00:00:00$", r"\1")
    elif column.kind == "boolean":
        array = pc.replace_substring(pc.replace_substring(array, "true", "Y"), "false", "N")
    elif column.kind in ("decimal", "integer"):
        long = pc.fill_null(pc.match_substring_regex(array, r"^-?\d+\.\d{5,}$"), fill_value=False)
        if pc.any(long).as_py():
            spelled = (
                pc.if_else(long, array, pa.scalar(None, pa.string())).cast(pa.float64()).cast(pa.string())
            )
            array = pc.if_else(long, spelled, array)
    array = pc.if_else(pc.equal(pc.utf8_trim_whitespace(array), ""), pa.scalar(None, pa.string()), array)
    return array.dictionary_encode() if _is_dictionary(column) else array


def _keep(filing: Filing, form: Form, table: pa.Table, rows: pa.Array) -> None:
    if table.column("reporter_code").null_count:  # a blank row has no reporter
        filled = None
        for column in table.columns:
            filled = pc.is_valid(column) if filled is None else pc.or_(filled, pc.is_valid(column))
        mask = filled.combine_chunks() if isinstance(filled, pa.ChunkedArray) else filled
        table, rows = table.filter(mask), rows.filter(mask)
    filing.rows = table.num_rows
    table = table.select([column.name for column in form.columns])
    filing.table = table.append_column("r", rows).append_column(
        "no", pa.array([filing.number] * table.num_rows, pa.uint16())
    )
    if table.num_rows:
        for position, column in enumerate(form.columns):
            typed = _sound(table.column(position).combine_chunks(), column)
            if typed is not None:
                filing.sound[column.name] = typed


# ------------------------------------------------------------------------- columns in which nothing is wrong

_HEX = b"0123456789abcdefABCDEF"
#: Bytes that no damage of a text begins or ends with: printable ASCII without blank and apostrophe.
_PLAIN = bytes(byte for byte in range(0x21, 0x7F) if byte != ord("'"))


def _sound(cells: pa.Array, column: Column) -> pa.Array | None:
    """The column of one file in its type if every cell is canonical, else None: then SQL looks at each cell.

    Columns of few values are judged by their dictionary, text and hashes by the bytes that occur in them.
    """
    if isinstance(cells, pa.ChunkedArray):
        cells = cells.chunk(0)
    try:
        if pa.types.is_dictionary(cells.type):
            typed = _sound_values(cells.dictionary, column)
            return None if typed is None else pa.DictionaryArray.from_arrays(cells.indices, typed)
        if column.kind == "timestamp":
            return cells.cast(pa.timestamp("us")) if _all_long(cells, (10, 16, 19)) else None
        if column.kind == "decimal":
            fits = f"^-?[0-9]{{1,{column.precision - column.scale}}}(\\.[0-9]{{1,{column.scale}}})?$"
            fitting = pc.all(pc.match_substring_regex(cells, fits), min_count=0).as_py()
            return cells.cast(pa.decimal128(column.precision, column.scale)) if fitting else None
    except pa.ArrowInvalid:
        return None
    if column.kind == "hash":
        return (
            cells if _all_long(cells, (column.length,)) and not _bytes(cells).translate(None, _HEX) else None
        )
    return None if _may_be_damaged(cells) else cells


def _may_be_damaged(cells: pa.Array) -> bool:
    """Whether some text begins or ends with a blank or begins with an apostrophe; mostly told by the bytes alone."""
    if not _bytes(cells).translate(None, _PLAIN):
        return False
    edged = pc.match_substring_regex(cells, r"^['\s\x{3000}\x{a0}]|[\s\x{3000}\x{a0}]$")
    return bool(pc.any(edged, min_count=0).as_py())


def _sound_values(values: pa.Array, column: Column) -> pa.Array | None:
    """Distinct values in the column's type, None if one of them is not canonical."""
    if column.kind in ("enum", "boolean"):
        allowed = set(column.values) if column.kind == "enum" else {"Y", "N"}
        if not set(values.to_pylist()) <= allowed:
            return None
        return values if column.kind == "enum" else pc.equal(values, "Y")
    if column.kind == "text":
        return None if _may_be_damaged(values) else values
    pattern = {"date": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "integer": "^-?[0-9]{1,18}$"}.get(
        column.kind, f"^[0-9A-Z]{{{column.length}}}$"
    )
    if not pc.all(pc.match_substring_regex(values, pattern), min_count=0).as_py():
        return None
    target = {"date": pa.date32(), "integer": pa.int64()}.get(column.kind)
    return values.cast(target) if target else values


def _all_long(cells: pa.Array, lengths: tuple[int, ...]) -> bool:
    found = pc.value_counts(pc.binary_length(cells)).field("values").to_pylist()
    return all(length is None or length in lengths for length in found)


def _bytes(cells: pa.Array) -> bytes:
    """All text of an array in one piece."""
    offsets = cells.buffers()[1]
    if offsets is None or cells.buffers()[2] is None or not len(cells):
        return b""
    ends = memoryview(offsets).cast("i")
    text: bytes = cells.buffers()[2][ends[cells.offset] : ends[cells.offset + len(cells)]].to_pybytes()
    return text


# ------------------------------------------------------------------------------------- one pass over a form

#: Row rules by form: (rule, blamed column, severity, SQL that is true where it is broken). `x` is the typed column,
#: `x_` the same as filed; unknown breaks nothing. Working days come from the calendar joined as w (`_CALENDARS`).
ROW_RULES: dict[str, tuple[tuple[str, str, str, str], ...]] = {
    "F01": (
        ("F01-I01", "reg_ref_no", "E", """source_channel IS NOT NULL AND CASE WHEN starts_with(source_channel_, 'REG_')
            THEN reg_ref_no_ IS NULL OR reg_forward_date_ IS NULL
            ELSE reg_ref_no_ IS NOT NULL OR reg_forward_date_ IS NOT NULL END"""),
        ("F01-I02", "decision_date", "E", """received_at::DATE > least(decision_date, notify_date, withdrawn_date)
            OR decision_date > notify_date"""),
        ("F01-I03", "status", "E", """CASE status_ WHEN '已办结' THEN decision_date_ IS NULL OR outcome_ IS NULL
                OR (notify_date_ IS NULL AND coalesce(root_cause <> '无法联系', true))
            WHEN '处理中' THEN decision_date_ IS NOT NULL OR notify_date_ IS NOT NULL OR outcome_ IS NOT NULL END"""),
        ("F01-I04", "due_date", "E", """due_date - received_at::DATE - clock_stop_days <>
            CASE complexity_ WHEN '简单' THEN 15 WHEN '复杂' THEN 30 WHEN '特别复杂' THEN 60 END"""),
        ("F01-I05", "extension_approved_on", "E", """complexity_ = '特别复杂' AND (extension_approved_on_ IS NULL
            OR extension_approved_on - received_at::DATE NOT BETWEEN 0 AND 30)"""),
        ("F01-I06", "validity", "E", """CASE validity_ WHEN '不纳入' THEN exclusion_code_ IS NULL
            WHEN '重复' THEN first_complaint_id_ IS NULL
            ELSE validity IS NOT NULL AND (exclusion_code_ IS NOT NULL OR first_complaint_id_ IS NOT NULL) END"""),
        ("F01-I07", "settlement_type", "E", """CASE settlement_type_ WHEN '无' THEN settlement_amount <> 0
            WHEN '协议解约' THEN settlement_amount_ IS NULL OR settlement_amount = 0 OR surrender_diff_amount_ IS NULL
                OR surrender_diff_amount > settlement_amount
            ELSE settlement_type IS NOT NULL AND (settlement_amount_ IS NULL OR settlement_amount = 0) END"""),
        ("F01-I08", "line_code", "E", """line_code IS NOT NULL AND CASE
            WHEN insurer_class_ = 'P' THEN line_code_ NOT IN ('机动车辆', '保证', '责任', '企财', '家财', '农业',
                '意外', '短期健康', '退货运费', '财产险其他')
            WHEN insurer_class_ IN ('L', 'H', 'A') THEN line_code_ NOT IN ('意外', '普通寿险', '分红', '万能',
                '投连', '疾病', '医疗', '护理失能', '年金') END"""),
        ("F01-I09", "due_date", "W", "status_ = '处理中' AND due_date < pe"),
        ("F01-I10", "settlement_amount", "W",
            "outcome_ = '协商一致' AND decision_date = received_at::DATE AND settlement_amount > 0"),
    ),
    "F02": (
        ("F02-I01", "complaint_id", "E", "is_complaint <> (complaint_id_ IS NOT NULL)"),
        ("F02-I02", "first_contact_at", "E", """inquiry_at > first_contact_at
            OR greatest(inquiry_at, first_contact_at)::DATE > least(resolved_date, informed_date)
            OR resolved_date > informed_date"""),
        ("F02-I03", "resolved_at_first", "E",
            "resolved_at_first AND (transfer_count > 1 OR escalated_to_regulator_on_ IS NOT NULL)"),
        ("F02-I04", "first_contact_at", "W", "first_contact_at::DATE > w.d1"),
    ),
    "F03": (
        ("F03-I01", "refuse_reason", "E",
            """(org_accepts = false AND refuse_reason_ IS NULL)
            OR (accept_status_ = '不予受理' AND result_ IS NOT NULL)"""),
        ("F03-I02", "org_notified_date", "E", """apply_date > least(org_notified_date, end_date)
            OR org_notified_date > end_date OR agreement_date > least(end_date, fulfil_due_date)"""),
        ("F03-I03", "result", "E", """CASE WHEN result_ IN ('成功', '部分成功')
            THEN agreement_date_ IS NULL OR fulfil_status_ IS NULL
            WHEN result IS NOT NULL OR result_ IS NULL
            THEN agreement_date_ IS NOT NULL OR fulfil_status_ IS NOT NULL END"""),
        ("F03-I04", "fulfil_status", "E", """CASE WHEN fulfil_status_ = '已履行' THEN fulfil_date_ IS NULL
            WHEN fulfil_status IS NOT NULL OR fulfil_status_ IS NULL THEN fulfil_date_ IS NOT NULL END
            OR (fulfil_status_ = '逾期' AND fulfil_due_date >= pe)"""),
        ("F03-I05", "agreement_amount", "W", "agreement_amount > demand_amount"),
    ),
    "F04": (
        ("F04-I01", "cooling_off_end", "E",
            """delivery_date_ IS NOT NULL
            AND (cooling_off_end_ IS NULL OR cooling_off_end - delivery_date <> cooling_off_days)"""),
        ("F04-I02", "exempt_reason", "E", "must_call = (exempt_reason_ IS NOT NULL)"),
        # What is not asked counts against success; what cannot be read is unknown.
        ("F04-I03", "success", "E", """success <> (completed_at_ IS NOT NULL AND problem_id_ IS NULL
            AND q1_is_holder_ IS NOT NULL AND q1_is_holder = 'Y' AND q2_bought_signed_ IS NOT NULL
            AND q2_bought_signed = 'Y' AND q3_read_docs_ IS NOT NULL AND q3_read_docs = 'Y'
            AND q4_liability_ IS NOT NULL AND q4_liability = 'Y' AND q5_surrender_loss_ IS NOT NULL
            AND q5_surrender_loss = 'Y' AND q6_cooling_off_ IS NOT NULL AND q6_cooling_off = 'Y'
            AND (pay_mode <> '期缴' OR (q7_pay_term_ IS NOT NULL AND q7_pay_term = 'Y')))"""),
        ("F04-I04", "method", "E", """CASE WHEN method_ IN ('信函', '会见') THEN receipt_signed_on_ IS NULL
            WHEN method_ = '电话' THEN recording_ref_ IS NULL END"""),
        ("F04-I05", "first_attempt_at", "E", "first_attempt_at > completed_at OR issue_date > first_attempt_at::DATE"),
        ("F04-I06", "first_attempt_at", "W", "first_attempt_at::DATE > cooling_off_end"),
        ("F04-I07", "problem_id", "E", """problem_id_ IS NULL AND completed_at_ IS NOT NULL
            AND (q1_is_holder_ IN ('N', 'U') OR q2_bought_signed_ IN ('N', 'U') OR q3_read_docs_ IN ('N', 'U')
                OR q4_liability_ IN ('N', 'U') OR q5_surrender_loss_ IN ('N', 'U') OR q6_cooling_off_ IN ('N', 'U')
                OR q7_pay_term_ IN ('N', 'U'))"""),
    ),
    "F05": (
        ("F05-I01", "due_date", "E", "due_date <> CASE customer_action WHEN true THEN w.d20 WHEN false THEN w.d10 END"),
        ("F05-I02", "handle_result", "E", "(handle_result <> '处理中') <> (handled_date_ IS NOT NULL)"),
    ),
    "F06": (
        ("F06-I01", "policies_new", "E", "least(policies_new, policies_in_force, person_times) < 0"),
        ("F06-I02", "premium", "W", "premium < 0"),
    ),
    "F11": (
        ("F11-I01", "fi_rules", "E", "fi_rules AND (fi_rules_date_ IS NULL OR evidence_ref_ IS NULL)"),
        ("F11-I02", "fi_weight_pct", "W", "fi_weight_pct NOT BETWEEN 5 AND 60"),
    ),
    "R01": (("R01-I01", "forwarded_on", "W", "forwarded_on > w.d7"),),
    "R03": (),
}  # fmt: skip

#: Date whose working-day limits a form's rules need.
_CALENDARS = {"F02": "inquiry_at::DATE", "F05": "found_date", "R01": "received_on"}

_PERSON = (
    r"(^|[^0-9])([1-9][0-9]{5}(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9Xx]"
    r"|1[3-9][0-9]{9})([^0-9]|$)"
)


@dataclass(frozen=True, slots=True)
class Check:
    """One bit: which rule on which column, and where it is broken."""

    rule: str
    column: str | None
    severity: str
    broken: str


def _quoted(values: Iterable[str]) -> str:
    return ", ".join("'" + value.replace("'", "''") + "'" for value in values)


def _typed(column: Column, clean: set[str]) -> str:
    """Text as the column's type, NULL where it is not exactly that; enums stay text until they are stored."""
    text = f"s.{column.name}"
    if column.name in clean:
        return text
    if column.kind == "boolean":
        return f"CASE {text} WHEN 'Y' THEN true WHEN 'N' THEN false END"
    fits = {
        "date": f"strlen({text}) = 10",
        "timestamp": f"strlen({text}) IN (10, 16, 19)",
        "decimal": f"regexp_full_match({text}, '-?[0-9]{{1,{column.precision - column.scale}}}"
        f"(\\.[0-9]{{1,{column.scale}}})?')",
        "integer": f"regexp_full_match({text}, '-?[0-9]{{1,18}}')",
        "hash": f"regexp_full_match({text}, '[0-9a-fA-F]{{64}}')",
        "code": f"regexp_full_match({text}, '[0-9A-Z]{{{column.length}}}')",
        "enum": f"{text} IN ({_quoted(column.values)})",
    }.get(column.kind)
    value = text if column.sql_type == "VARCHAR" else f"try_cast({text} AS {column.sql_type})"
    return f"CASE WHEN {fits} THEN {value} END" if fits else value


def _stored(form: Form, column: Column) -> str:
    return f"t.{column.name}::e_{form.table}_{column.name}" if column.kind == "enum" else f"t.{column.name}"


def _suspect(column: Column) -> str:
    """Where a cell is not plainly canonical, so that its row must be looked at for a spreadsheet's damage."""
    text, value = f"{column.name}_", column.name
    if column.kind == "text":
        return f"coalesce(regexp_matches({text}, '^[''\\s\\x{{3000}}\\x{{a0}}]|[\\s\\x{{3000}}\\x{{a0}}]$'), false)"
    if column.kind in ("date", "timestamp"):
        return f"({text} IS NOT NULL AND ({value} IS NULL OR {text} NOT LIKE '____-__-__%'))"
    return f"({text} IS NOT NULL AND {value} IS NULL)"


def _checks(form: Form, clean: set[str]) -> list[Check]:
    """Every check of a form, in the order of their bits; columns in `clean` hold no cell that cannot be read."""
    checks = [Check("GEN-I01", c.name, "E", _gen_i01(form, c, clean)) for c in form.columns]
    for c in form.columns:
        if c.kind in ("date", "timestamp"):
            late = "" if c.future else f" OR {c.name}::DATE > signed_on"
            unreal = "" if c.name in clean else f" OR ({c.name} IS NULL AND {_day_shaped(c)})"
            checks.append(Check("GEN-I02", c.name, "E", f"{c.name} < DATE '1990-01-01'{late}{unreal}"))
        if c.kind == "integer" and c.non_negative:
            checks.append(Check("GEN-I03", c.name, "E", f"{c.name} < 0"))
        if c.kind == "decimal":
            too_large = f"abs({c.name}) >= 1000000000000" + (f" OR {c.name} < 0" if c.non_negative else "")
            too_fine = (
                f"{c.name}_ IS NOT NULL AND regexp_full_match({c.name}_, '-?[0-9]+\\.[0-9]+|-?[0-9]{{13,}}')"
            )
            unread = "" if c.name in clean else f" OR ({c.name} IS NULL AND {too_fine})"
            checks.append(Check("GEN-I03", c.name, "E", f"{too_large}{unread}"))
        if c.kind == "text" and c.name != "period":
            checks.append(Check("GEN-I04", c.name, "E", f"regexp_matches({c.name}_, '{_PERSON}')"))
    checks += [Check(rule, column, severity, sql) for rule, column, severity, sql in ROW_RULES[form.code]]
    return checks


def _gen_i01(form: Form, column: Column, clean: set[str]) -> str:
    """Filled where required; of its type, length, range and list."""
    text, value = f"{column.name}_", column.name
    unfit = f"{value} IS NULL"
    if column.kind == "text":
        unfit = f"length({text}) > {column.length}"
    elif column.name in clean:
        unfit = "false"
    elif column.kind in ("date", "timestamp"):
        unfit = f"{value} IS NULL AND NOT {_day_shaped(column)}"
    elif column.kind == "decimal":
        unfit = f"{value} IS NULL AND NOT regexp_full_match({text}, '-?[0-9]+(\\.[0-9]+)?')"
    for bound, operator in ((column.low, "<"), (column.high, ">")):
        if bound is not None:
            unfit += f" OR {value} {operator} {bound}"
    event = f"coalesce({form.event}::DATE, pe)" if form.event else "pe"
    for entry, first, last in column.dated:
        outside = " OR ".join(
            [f"{event} < DATE '{first}'"] * bool(first) + [f"{event} > DATE '{last}'"] * bool(last)
        )
        unfit += f" OR ({text} = '{entry}' AND ({outside}))"
    return f"{text} IS NULL OR {unfit}" if column.required else f"{text} IS NOT NULL AND ({unfit})"


def _day_shaped(column: Column) -> str:
    """Looks like a date, so if it is none the day does not exist (GEN-I02) and its spelling is right (GEN-I01)."""
    return f"regexp_matches({column.name}_, '^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}')"


def _words(checks: Sequence[Check]) -> int:
    return (len(checks) + WORD - 1) // WORD


def _marking(form: Form, clean: set[str], *, suspects: bool) -> str:
    """SELECT over `raw`: typed columns, hash of the key, bits; the top bit of w0 marks rows to be repaired."""
    checks = _checks(form, clean)
    typed = ",\n".join(
        f"{_typed(column, clean)} AS {column.name}, s.{column.name} AS {column.name}_"
        for column in form.columns
    )
    words = []
    for word in range(_words(checks)):
        own = checks[word * WORD : (word + 1) * WORD]
        terms = [f"CASE WHEN {c.broken} THEN {1 << bit}::UBIGINT ELSE 0 END" for bit, c in enumerate(own)]
        if word == 0:
            terms.append("CASE WHEN period_ <> per THEN 1152921504606846976::UBIGINT ELSE 0 END")
            terms.append("CASE WHEN reporter_code_ <> rep THEN 2305843009213693952::UBIGINT ELSE 0 END")
            if suspects:
                odd = (
                    " OR ".join(_suspect(column) for column in form.columns if column.name not in clean)
                    or "false"
                )
                terms.append(f"CASE WHEN {odd} THEN 9223372036854775808::UBIGINT ELSE 0 END")
        words.append(f"{' | '.join(terms)} AS w{word}")
    day = _CALENDARS.get(form.code)
    calendar = f"LEFT JOIN limits AS w ON w.day = t.{day}" if day else ""
    key = ", ".join(name for name in form.key if name != "reporter_code")
    return f"""
        SELECT t.no, r, {", ".join(f"{_stored(form, column)} AS {column.name}" for column in form.columns)},
            hash(rep, {key}) AS kh,
            {", ".join(words)}
        FROM (
            SELECT s.no, s.r, {typed}, b.pe, b.per, b.rep, b.signed_on
            FROM raw AS s JOIN b USING (no)) AS t {calendar}"""


# Repairs of spreadsheet damage, for the few cells that the casts refused.
_REPAIRS = r"""
CREATE MACRO bare(x) AS regexp_replace(trim(x, ' ' || chr(9) || chr(12288) || chr(160)), '^''', '');
CREATE MACRO narrow(x) AS trim(translate(bare(x), '{wide}', '{slim}'));
CREATE MACRO plain(x) AS CASE WHEN regexp_full_match(x, '-?[0-9]{{1,3}}(,[0-9]{{3}})+(\.[0-9]+)?')
    THEN replace(x, ',', '') ELSE x END;
CREATE MACRO spelled(x) AS CASE WHEN regexp_full_match(x, '-?[0-9]+(\.[0-9]+)?[eE]\+?[0-9]{{1,2}}')
    THEN coalesce(rtrim(rtrim(try_cast(x AS DECIMAL(38, 6))::VARCHAR, '0'), '.'), x) ELSE x END;
CREATE MACRO repaired_number(x) AS regexp_replace(spelled(plain(narrow(x))), '^(-?[0-9]+)\.0+$', '\1');
CREATE MACRO repaired_code(x, n) AS CASE WHEN regexp_full_match(narrow(x), '[0-9]+') AND length(narrow(x)) < n
    THEN lpad(narrow(x), n, '0') ELSE narrow(x) END;
CREATE MACRO moment(x) AS regexp_extract(x,
    '^([0-9]{{4}})\s*[-/.年]\s*([0-9]{{1,2}})\s*[-/.月]\s*([0-9]{{1,2}})\s*日?'
    '(?:[\sT]+([0-9]{{1,2}})[:时]([0-9]{{1,2}})(?:[:分]([0-9]{{1,2}})秒?)?(?:\.0+)?)?$',
    ['y', 'm', 'd', 'h', 'i', 's']);
CREATE MACRO two(x) AS lpad(x, 2, '0');
CREATE MACRO day_of(p) AS p.y || '-' || two(p.m) || '-' || two(p.d);
CREATE MACRO clock_of(p) AS two(p.h) || ':' || two(p.i) || ':' || two(p.s);
CREATE MACRO packed(x) AS regexp_replace(x, '^([0-9]{{4}})([0-9]{{2}})([0-9]{{2}})$', '\1-\2-\3');
CREATE MACRO dated(x, p) AS CASE WHEN p.y = '' OR (p.h <> '' AND clock_of(p) <> '00:00:00') THEN packed(x)
    ELSE day_of(p) END;
CREATE MACRO timed(x, p) AS CASE WHEN p.y = '' THEN packed(x) WHEN p.h = '' THEN day_of(p)
    ELSE day_of(p) || ' ' || clock_of(p) END;
CREATE MACRO repaired_date(x) AS dated(narrow(x), moment(narrow(x)));
CREATE MACRO repaired_timestamp(x) AS timed(narrow(x), moment(narrow(x)));
"""


def _repairs() -> str:
    wide = "".join(chr(0xFF01 + i) for i in range(94)) + "\u3000"
    slim = "".join(chr(0x21 + i) for i in range(94)) + " "
    return _REPAIRS.format(wide=wide.replace("'", "''"), slim=slim.replace("'", "''"))


def _repair(column: Column) -> str:
    """The cell put right; a cell that is canonical stays as it is."""
    x = column.name
    edge = f"regexp_matches({x}, '^[''\\s\\x{{3000}}\\x{{a0}}]|[\\s\\x{{3000}}\\x{{a0}}]$')"
    odd, repair = {
        "date": (f"NOT regexp_full_match({x}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}')", f"repaired_date({x})"),
        "timestamp": (
            f"NOT regexp_full_match({x}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}([ T][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}})?)?')",
            f"repaired_timestamp({x})",
        ),
        "integer": (f"NOT regexp_full_match({x}, '-?[0-9]+')", f"repaired_number({x})"),
        "decimal": (f"NOT regexp_full_match({x}, '-?[0-9]+(\\.[0-9]+)?')", f"repaired_number({x})"),
        "code": (f"length({x}) <> {column.length} OR {edge}", f"repaired_code({x}, {column.length})"),
        "boolean": (f"strlen({x}) <> 1", f"narrow({x})"),
        "hash": (f"strlen({x}) <> 64", f"narrow({x})"),
    }.get(column.kind, (edge, f"bare({x})"))
    return f"CASE WHEN {odd} THEN {repair} ELSE {x} END"


def _load(con: duckdb.DuckDBPyConnection, form: Form, filings: Sequence[Filing]) -> int:
    """Cast, check and load one form; repairs the rows that need it. Returns the rows read."""
    checks = _checks(form, set())
    rows = [(form.code, i // WORD, 1 << i % WORD, c.rule, c.column, c.severity) for i, c in enumerate(checks)]
    places = ", ".join(["(?, ?, ?, ?, ?, ?)"] * len(rows))
    con.execute(f"INSERT INTO checks VALUES {places}", [value for row in rows for value in row])
    for column in form.columns:
        if column.kind == "enum":
            con.execute(f"CREATE TYPE e_{form.table}_{column.name} AS ENUM ({_quoted(column.values)})")
    filled = [filing for filing in filings if filing.table is not None and filing.rows]
    names = {column.name for column in form.columns}
    sound = [filing for filing in filled if filing.sound.keys() == names]
    rest = [filing for filing in filled if filing.sound.keys() != names]
    clean = set.intersection(*(set(filing.sound) for filing in rest)) if rest else names
    made = f"CREATE TABLE {form.table} AS"
    for files, own in ((sound, names), (rest, clean)) if filled else (([], set[str]()),):
        if files or not filled:
            con.register("raw", _joined(files, form, own))
            con.execute(f"{made} {_marking(form, own, suspects=True)}")
            con.unregister("raw")
            made = f"INSERT INTO {form.table}"
    odd = con.execute(f"SELECT no, r FROM {form.table} WHERE w0 >= 9223372036854775808").to_arrow_table()
    if odd.num_rows:
        _repair_rows(con, form, _joined(rest, form, set()), odd)
    count = sum(filing.rows for filing in filled)
    for filing in filings:
        filing.table, filing.sound = None, {}
    any_bit = " OR ".join(f"w{word} & 1152921504606846975 <> 0" for word in range(_words(checks)))
    picked = " WHEN ".join(f"{word} THEN w{word}" for word in range(_words(checks)))
    con.execute(
        f"""INSERT INTO hit SELECT t.no, c.rule, t.r, c.col FROM (SELECT * FROM {form.table} WHERE {any_bit}) AS t
        JOIN checks AS c ON c.form = '{form.code}' AND CASE c.word WHEN {picked} END & c.mask <> 0"""
    )
    return count


def _joined(filings: Sequence[Filing], form: Form, clean: set[str]) -> pa.Table:
    """Rows of some files in one table: columns in `clean` in their type, the others as text."""
    tables = []
    for filing in filings:
        assert filing.table is not None  # noqa: S101 - the caller picked files that were read
        arrays = [filing.sound[c.name] if c.name in clean else filing.table[c.name] for c in form.columns]
        tables.append(
            pa.table([*arrays, filing.table["r"], filing.table["no"]], names=filing.table.column_names)
        )
    if not tables:
        schema = [(c.name, _arrow_type(c)) for c in form.columns] + [("r", pa.uint32()), ("no", pa.uint16())]
        return pa.schema(schema).empty_table()
    return pa.concat_tables(tables)


def _repair_rows(con: duckdb.DuckDBPyConnection, form: Form, text: pa.Table, odd: pa.Table) -> None:
    """Put damaged cells right, tell each (GEN-I05), and check their rows again."""
    con.register("raw", text.filter(pc.is_in(_place(text), _place(odd))))
    con.execute("CREATE OR REPLACE TEMP TABLE filed AS SELECT * FROM raw")
    con.unregister("raw")
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE raw AS SELECT no, r, "
        f"{', '.join(f'{_repair(c)} AS {c.name}' for c in form.columns)} FROM filed"
    )
    con.execute(f"DELETE FROM {form.table} WHERE w0 >= 9223372036854775808")
    con.execute(f"INSERT INTO {form.table} {_marking(form, set(), suspects=False)}")
    changed = ", ".join(f"CASE WHEN a.{c.name} <> z.{c.name} THEN '{c.name}' END" for c in form.columns)
    con.execute(
        f"""INSERT INTO hit SELECT no, 'GEN-I05', r, unnest(list_filter([{changed}], lambda c: c IS NOT NULL))
        FROM filed AS a JOIN raw AS z USING (no, r)"""
    )
    con.execute("DROP TABLE raw")


def _place(rows: pa.Table) -> pa.ChunkedArray:
    """Filing and row as one number."""
    high = pc.multiply(rows["no"].cast(pa.uint64()), pa.scalar(1 << 32, pa.uint64()))
    return pc.add(high, rows["r"].cast(pa.uint64()))


# ------------------------------------------------------------------------------------------------- the job


class Clock:
    """Seconds per stage."""

    def __init__(self) -> None:
        """Start."""
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block."""
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


def _identify(filings: Iterable[Filing]) -> list[Filing]:
    """One filing per content, numbered; a second content under the same id is told apart and breaks S06."""
    known: set[str] = set()
    names: set[str] = set()
    kept: list[Filing] = []
    for filing in filings:
        if filing.content in known:
            continue
        known.add(filing.content)
        filing.name = filing.name or f"UNREAD-{filing.sha256[:12]}"
        if filing.name in names:
            filing.broken.add("ENV-S06")
            key = hashlib.sha256(filing.content.encode()).hexdigest()
            filing.name = f"{filing.name}~{key[:8]}"
        names.add(filing.name)
        filing.refused = bool(filing.broken & {"ENV-S01", "ENV-S03"})
        filing.number = len(kept) + 1
        kept.append(filing)
    return kept


def _enter(con: duckdb.DuckDBPyConnection, filings: Sequence[Filing], forms: Mapping[str, Form]) -> None:
    """Table b: one row per filing."""
    names = ("no", "id", "form", "rep", "per", "ps", "pe", "kind", "seq", "prior", "reason", "signed_at")
    rows: dict[str, list[Any]] = {name: [] for name in names}
    for filing in filings:
        fields = filing.envelope
        usable = "ENV-S01" not in filing.broken
        bounds = _bounds(str(fields.get("period"))) if usable else None
        values = (
            filing.number,
            filing.name,
            fields.get("form") if usable else None,
            fields.get("reporter") if usable else None,
            fields.get("period") if usable else None,
            bounds and bounds[0],
            bounds and bounds[1],
            fields.get("kind"),
            fields.get("sequence_no") if usable else None,
            fields.get("supersedes"),
            fields.get("reason_code"),
            fields.get("signed_at") if usable else None,
        )
        for column, value in zip(rows.values(), values, strict=True):
            column.append(value)
    frame = pa.table(
        {
            **{name: pa.array(values) for name, values in rows.items()},
            "no": pa.array(rows["no"], pa.uint16()),
            "signed_at": pa.array(rows["signed_at"], pa.timestamp("us")),
            "ps": pa.array(rows["ps"], pa.date32()),
            "pe": pa.array(rows["pe"], pa.date32()),
        }
    )
    con.register("frame", frame)
    con.execute("CREATE TABLE b AS SELECT *, signed_at::DATE AS signed_on FROM frame")
    con.unregister("frame")
    facts = [(f.code, f.frequency, f.days, f.side) for f in forms.values()]
    con.execute("CREATE TABLE forms (form VARCHAR, frequency VARCHAR, days INTEGER, side VARCHAR)")
    con.executemany("INSERT INTO forms VALUES (?, ?, ?, ?)", facts)
    con.execute("CREATE TABLE classes (form VARCHAR, class VARCHAR)")
    con.executemany(
        "INSERT INTO classes VALUES (?, ?)", [(f.code, c) for f in forms.values() for c in f.classes]
    )


_SETUP = """
CREATE TABLE checks (form VARCHAR, word INTEGER, mask UBIGINT, rule VARCHAR, col VARCHAR, severity VARCHAR);
CREATE TABLE hit (no USMALLINT, rule VARCHAR, r UINTEGER, col VARCHAR);
CREATE TABLE calendar AS
SELECT day, is_working_day, count(*) FILTER (is_working_day) OVER (ORDER BY day) AS n
FROM read_csv('{calendar}', header = true, columns = {{'day': 'DATE', 'is_working_day': 'BOOLEAN', 'note': 'VARCHAR'}});
CREATE TABLE limits AS
SELECT c.day, {limits} FROM calendar AS c {joins};
"""


def _set_up(con: duckdb.DuckDBPyConnection) -> None:
    steps = (1, 7, 10, 20)
    joins = " ".join(
        f"LEFT JOIN calendar AS c{n} ON c{n}.is_working_day AND c{n}.n = c.n + {n}" for n in steps
    )
    con.execute(
        _SETUP.format(
            calendar=ROOT / "data" / "calendar" / "working_days.csv",
            limits=", ".join(f"c{n}.day AS d{n}" for n in steps),
            joins=joins,
        )
    )
    con.execute(_repairs())


def _totals(con: duckdb.DuckDBPyConnection, form: Form, filings: Sequence[Filing]) -> set[int]:
    """Filings whose declared control totals differ from their rows' sums."""
    declared = {f.number: f.totals for f in filings if f.totals and f.read and not f.broken}
    names = sorted({name for totals in declared.values() for name in totals})
    known = {column.name for column in form.columns if column.kind in ("integer", "decimal")}
    wrong = {number for number, totals in declared.items() if not set(totals) <= known}
    summed = [name for name in names if name in known]
    if not summed:
        return wrong
    sums = {
        row[0]: dict(zip(summed, row[1:], strict=True))
        for row in con.execute(
            f"SELECT no, {', '.join(f'coalesce(sum({name}), 0)' for name in summed)} FROM {form.table} GROUP BY no"
        ).fetchall()
    }
    for number, totals in declared.items():
        found = sums.get(number, {})
        if any(
            _decimal(text) != _decimal(str(found.get(name, 0)))
            for name, text in totals.items()
            if name in known
        ):
            wrong.add(number)
    return wrong


def _decimal(text: str) -> str:
    whole, _, fraction = text.strip().partition(".")
    return f"{whole}.{fraction.rstrip('0')}"


def _structure(
    con: duckdb.DuckDBPyConnection, forms: Mapping[str, Form], by_form: Mapping[str, Sequence[Filing]]
) -> None:
    """Structure findings that need the rows, then all of them into `hit`; unread filings keep no rows."""
    for code, filings in by_form.items():
        table = forms[code].table
        clashes = con.execute(
            f"""SELECT no, bool_or(w0 & 1152921504606846976 <> 0), bool_or(w0 & 2305843009213693952 <> 0)
            FROM {table} WHERE w0 & 3458764513820540928 <> 0 GROUP BY no"""
        ).fetchall()
        numbered = {filing.number: filing for filing in filings}
        for number, period, reporter in clashes:
            numbered[number].broken |= {"ENV-S03"} if period else set()
            numbered[number].broken |= {"ENV-S04"} if reporter else set()
        for number in _totals(con, forms[code], filings):
            numbered[number].broken.add("ENV-S02")


def _states(con: duckdb.DuckDBPyConnection, filings: Sequence[Filing]) -> None:
    rows = [(f.number, rule) for f in filings for rule in sorted(f.broken)]
    if rows:
        con.execute(
            "INSERT INTO hit SELECT unnest(?::USMALLINT[]), unnest(?::VARCHAR[]), NULL, NULL",
            [[row[0] for row in rows], [row[1] for row in rows]],
        )
    con.execute("CREATE TABLE reading (no USMALLINT, n BIGINT, refused BOOLEAN)")
    con.execute(
        "INSERT INTO reading SELECT unnest(?::USMALLINT[]), unnest(?::BIGINT[]), unnest(?::BOOLEAN[])",
        [
            [f.number for f in filings],
            [f.rows if f.read else 0 for f in filings],
            [f.refused for f in filings],
        ],
    )


def _script(name: str) -> list[str]:
    """Statements of a SQL file beside this one."""
    return [part for part in (HERE / name).read_text(encoding="utf-8").split(";\n") if part.strip()]


def _expanded(statement: str, forms: Mapping[str, Form]) -> Iterator[str]:
    """A statement with {form}, {key}, {event}, {sound}, {immutable} is run once per form (and immutable column)."""
    if "{" not in statement:
        yield statement
        return
    for form in forms.values():
        if form.side != "insurer" and "{insurer}" in statement:
            continue
        if "{immutable}" in statement:
            for column in form.columns:
                if column.immutable and column.name not in form.key:
                    yield _filled(statement, form, column.name)
        else:
            yield _filled(statement, form, "")


def _filled(statement: str, form: Form, column: str) -> str:
    own = form.key[-1]
    return (
        statement.replace("{insurer}", "")
        .replace("{form}", form.code)
        .replace("{table}", form.table)
        .replace("{own}", own)
        .replace("{key}", ", ".join(name for name in form.key if name != "reporter_code"))
        .replace("{event}", f"coalesce(t.{form.event}::DATE, b.pe)" if form.event else "b.pe")
        .replace("{immutable}", column)
        .replace("{compared}", ", ".join(c.name for c in form.columns if c.name != "updated_at"))
    )


def run(inbox: Path, database: Path, threads: int, memory: str) -> dict[str, Any]:
    """Do the whole job over the files under `inbox` into a new database; returns counts and seconds per stage."""
    clock = Clock()
    database.unlink(missing_ok=True)
    with clock.stage("facts"):
        forms = _facts()
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory,
            "threads": threads,
            "preserve_insertion_order": "false",
            "wal_autocheckpoint": "1GB",  # one checkpoint, at the end
        }
        con = duckdb.connect(str(database), config=config)
        _set_up(con)
    counts: dict[str, int] = {}
    with ThreadPoolExecutor(threads) as pool:
        with clock.stage("envelopes"):
            filings = _identify(pool.map(lambda pair: _open(pair, forms), list(_inbox(inbox))))
            _enter(con, filings, forms)
            by_form = {
                code: [f for f in filings if f.envelope.get("form") == code and not f.refused]
                for code in FORMS
            }
        reading: dict[str, list[Future[None]]] = {
            code: [pool.submit(_read, filing, forms[code]) for filing in by_form[code]] for code in FORMS
        }
        for code in FORMS:
            with clock.stage("read (waiting)"):
                for future in reading.pop(code):
                    future.result()
            with clock.stage("cast, check, load"):
                counts[code] = _load(con, forms[code], by_form[code])
    with clock.stage("cross rules and states"):
        con.execute("BEGIN")
        _structure(con, forms, by_form)
        _states(con, filings)
        _all(con, "rules.sql", forms)
    with clock.stage("KPIs"):
        _all(con, "kpis.sql", forms)
    with clock.stage("checkpoint"):
        con.execute("COMMIT")
        con.execute("CHECKPOINT")
    found = _report(con, counts, clock)
    con.close()
    return found


def _all(con: duckdb.DuckDBPyConnection, name: str, forms: Mapping[str, Form]) -> None:
    for statement in _script(name):
        for sql in _expanded(statement.replace("{root}", str(ROOT)), forms):
            con.execute(sql)


def _report(con: duckdb.DuckDBPyConnection, counts: Mapping[str, int], clock: Clock) -> dict[str, Any]:
    ask: Callable[[str], list[Any]] = lambda sql: con.execute(sql).fetchall()  # noqa: E731
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "rows": dict(counts),
        "states": dict(ask("SELECT state, count(*) FROM standing GROUP BY ALL ORDER BY ALL")),
        "findings": dict(ask("SELECT rule, count(*) FROM finding GROUP BY ALL ORDER BY ALL")),
        "kpis": dict(ask("SELECT kpi_id, count(*) FROM kpi_values GROUP BY ALL ORDER BY ALL")),
        "valid_complaints": {
            period: str(n)
            for period, n in ask(
                "SELECT period, numerator FROM kpi_values WHERE kpi_id = 'CMP-01' AND grain = 'bureau' "
                "AND dimension = 'total' AND period_type = 'month' ORDER BY ALL"
            )
        },
        "seconds": {name: round(value, 3) for name, value in clock.seconds.items()},
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mib": usage.ru_maxrss // 1024,
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("inbox", type=Path, help="folder of what insurers sent")
    parser.add_argument("database", type=Path, help="DuckDB file to write (replaced)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", default="3GiB")
    asked = parser.parse_args()
    print(
        json.dumps(
            run(asked.inbox, asked.database, asked.threads, asked.memory), ensure_ascii=False, indent=1
        )
    )


if __name__ == "__main__":
    main()
