"""What insurers sent, as the reference reads it: facts of the contracts, envelopes, and files as columns of text.

Put here: the way from a folder to `Filing`s with Arrow tables, done by two threads, and the structure rules that need
no other row (ENV-S01, S02, S03, S05, S07, S09). Do not put here: casts and rules of rows (`reference`), anything of
`pipelines`.

What makes it fast: pyarrow reads, columns of few values as dictionaries; GB18030 is cut as bytes and only what is not
ASCII is decoded; a column in which nothing is wrong is found so by its dictionary or by the bytes that occur in it, and
typed at once.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import json
import re
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import yaml

ROOT = Path(__file__).resolve().parents[1]
FORMS = (
    "F04", "F06", "F02", "R05", "F05", "F04S", "F01", "R06", "F13", "F10", "R01", "F12", "F03", "R07", "F09", "F07",
    "F08", "F11", "F15", "F16", "F17", "R08", "R03",
)  # fmt: skip

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
    reject: str
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


def read_facts() -> dict[str, Form]:
    """Forms by code, from the contracts."""
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
        reject=str(own.get("rejectAbove", 1)),
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
    """One file with what its envelope declares and the structure rules it breaks.

    `table` has the rows as text, or in their types if `typed`; `sound` the typed columns of a file that has others.
    """

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
    typed: bool = False
    sound: dict[str, pa.Array] = field(default_factory=dict)


def list_inbox(folder: Path) -> Iterator[tuple[Path, Path | None]]:
    """Data files in order of name, each with its sidecar."""
    files = {path for path in folder.rglob("*") if path.is_file() and not path.name.startswith((".", "~$"))}
    sidecars = {p for p in files if p.suffix == ".json" and p.with_name(p.name[:-5]) in files}
    for path in sorted(files - sidecars):
        sidecar = path.with_name(path.name + ".json")
        yield path, sidecar if sidecar in sidecars else None


def open_filing(pair: tuple[Path, Path | None], forms: Mapping[str, Form]) -> Filing:
    """Digest and envelope of a file, and the structure rules that these break; its rows stay unread."""
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
    bounds = bounds_of(str(fields["period"]))
    monthly = len(str(fields["period"])) == len("2025-01")
    if (
        form is None
        or fields["version"] != form.version
        or bounds is None
        or str(bounds[1]) < form.first_day
        or (form.frequency == "monthly" and not monthly)
        or (form.frequency == "quarterly" and monthly)
    ):
        broken.add("ENV-S03")
    people = [fields.get(who) for who in ("prepared_by", "reviewed_by", "approved_by")]
    if not all(people) or len(set(people)) != len(people):
        broken.add("ENV-S07")
    if fields["state"] != "SUBMITTED":
        broken.add("ENV-S09")


def bounds_of(period: str) -> tuple[date, date] | None:
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


def read_filing(filing: Filing, form: Form) -> None:
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
    if (fields["kind"] in ("NIL", "WITHDRAW")) == (filing.rows > 0):
        filing.broken.add("ENV-S05")
    if filing.broken:
        filing.table, filing.sound = None, {}


def _read_text(filing: Filing, form: Form, data: bytes) -> None:
    if _blank(data) or b"\x00" in data or data.count(b'"') % 2:
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
    types = {name: arrow_type(columns[name]) for name in header}
    found = _split(memoryview(body)[end:], types, tolerant=encoding == "utf-8")
    if found is None and encoding == "gb18030":  # a row of another width cannot be shown as it is
        encoding = "utf-8"
        found = _split(memoryview(body[end:].decode("gb18030", "replace").encode()), types, tolerant=True)
    if found is None:
        return
    table, skipped = found
    count = table.num_rows + len(skipped)
    rows = pa.array(np.arange(above + 1, above + count + 1, dtype=np.uint32))
    if skipped:
        rows = rows.filter(pa.array([number not in skipped for number in range(1, count + 1)]))
    if encoding == "gb18030":
        table = _transcoded(table)
    if table is not None:
        _keep(filing, form, table, rows)


def _blank(data: bytes | memoryview) -> bool:
    """Whether there is nothing but white space; mostly told by the first bytes, without a copy."""
    return not bytes(data[:4096]).strip() and not bytes(data).strip()


def _split(
    rest: memoryview, types: Mapping[str, pa.DataType], *, tolerant: bool
) -> tuple[pa.Table, set[int]] | None:
    """Rows as columns of bytes, and the numbers of rows with nothing in them; None if some row has another width.

    Unless `tolerant`, an empty line is a row of another width too, except at the end.
    """
    while not tolerant and len(rest) and rest[-1] in b"\r\n":
        rest = rest[:-1]
    if _blank(rest):
        return pa.table({name: pa.array([], kind) for name, kind in types.items()}), set()
    skipped: set[int] = set()
    ragged: list[int] = []

    def note(row: pacsv.InvalidRow) -> str:
        if row.text.strip(', \t\r\n"'):
            ragged.append(row.number)
        else:
            skipped.add(row.number)
        return "skip"

    try:
        table = pacsv.read_csv(
            pa.BufferReader(pa.py_buffer(rest)),
            read_options=pacsv.ReadOptions(
                use_threads=False, column_names=list(types), block_size=max(len(rest), 1 << 16)
            ),
            parse_options=pacsv.ParseOptions(
                newlines_in_values=b'"' in bytes(rest.obj),
                ignore_empty_lines=False,
                invalid_row_handler=note if tolerant else None,
            ),
            convert_options=pacsv.ConvertOptions(
                column_types=types, null_values=[""], strings_can_be_null=True, check_utf8=False
            ),
        )
    except pa.ArrowInvalid:
        return None
    return None if ragged else (table, skipped)


def _encoding(data: bytes, declared: str | None) -> str | None:
    named = _ENCODINGS.get(declared.strip().lower().replace("_", "-")) if declared else ""
    if named != "utf-8" and declared:
        return named
    ends = pa.array([0, len(data)], pa.int32()).buffers()[1]
    try:  # Arrow's check of UTF-8 makes no text of it
        pa.Array.from_buffers(pa.binary(), 1, [None, ends, pa.py_buffer(data)]).cast(pa.string())
    except pa.ArrowInvalid:
        return None if named or data.startswith(codecs.BOM_UTF8) else "gb18030"
    return "utf-8"


def arrow_type(column: Column) -> pa.DataType:
    """How a column of text is held: with few values as a dictionary."""
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
    first = leading + above + 1
    rows = pa.array(np.arange(first, first + below.num_rows, dtype=np.uint32))
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
        "no", pa.array(np.full(table.num_rows, filing.number, np.uint32))
    )
    if not table.num_rows:
        return
    for position, column in enumerate(form.columns):
        typed = _sound(table.column(position).combine_chunks(), column)
        if typed is not None:
            filing.sound[column.name] = typed
    if len(filing.sound) == len(
        form.columns
    ):  # nothing is wrong in the whole file: its text is needed no more
        arrays = [*filing.sound.values(), filing.table["r"], filing.table["no"]]
        filing.table, filing.typed, filing.sound = pa.table(arrays, names=filing.table.column_names), True, {}


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


def identify(filings: Iterable[Filing]) -> list[Filing]:
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
