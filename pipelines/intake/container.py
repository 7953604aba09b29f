"""The container of a workbook, made safe before any cell is read: bounded, whole, and with its errors as text.

Belongs here: what calamine does not look after itself. It lays a sheet out as one rectangle, so a single cell at
XFD1048576 would ask for 17 thousand million places; it believes the sizes a zip declares; and it gives an error cell
as an empty one. So every part is unpacked once in pieces, and the addresses of its cells are counted, before calamine
sees it. Does not belong here: cells and their text (`xlsx_reader`).

Sheets are looked at as the bytes that spreadsheet programs write (`<c r="A1" ...>`). A sheet spelled otherwise (other
quotes, prefixes, encodings, cells without address) or with formatted empty cells far out is written anew in that form.
"""

from __future__ import annotations

import io
import re
import struct
import time
import xml.sax
import xml.sax.handler
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from pipelines.intake.faults import Fault
from pipelines.intake.sheet_bytes import Numbers, tags

_OLE_MAGIC = bytes.fromhex("d0cf11e0a1b11ae1")
_ZIP_MAGIC = b"PK\x03\x04"
_MAX_PARTS = 10_000
#: Packed bytes unpacked at once, and the most that one step may give.
_PACKED_STEP, _PIECE = 1 << 16, 1 << 20
#: Places of a sheet's rectangle allowed for each cell that the limits allow: tables have gaps, but not for ever.
_GAPS = 4
_LOCAL_HEADER = struct.Struct("<26xHH")
#: An entry of the directory (sizes of its name and of what follows, place of the part) and the directory's end.
_DIRECTORY_MAGIC, _DIRECTORY_END_MAGIC = b"PK\x01\x02", b"PK\x05\x06"
_DIRECTORY_ENTRY, _DIRECTORY_END = struct.Struct("<28xHHH8xL"), struct.Struct("<4s4H2LH")

_ERROR_CELL = re.compile(rb'(<c r="[A-Z]{1,3}[0-9]{1,7}"[^<>]*) t="e"')
_PREFIXED_CELL = re.compile(rb"<[\w.-]+:c[\s/>]")
_DAMAGED_SHEET = "工作表结构已损坏,无法读取"
#: It declares entities, which may unfold without end and which calamine drops; no spreadsheet program writes one.
_DOCTYPE = "document type declaration"
#: Byte order marks and blanks, also in UTF-16: what may stand before the first tag.
_BEFORE_MARKUP = b"\xef\xbb\xbf\xfe\xff\x00 \t\r\n"


@dataclass(frozen=True, slots=True)
class XlsxLimits:
    """Bounds of one workbook: unzipped bytes, non-empty cells over all sheets, seconds of reading."""

    unzipped_bytes: int = 1 << 30
    cells: int = 5_000_000
    seconds: float = 120.0


class WorkbookRefusedError(Exception):
    """A workbook that cannot or must not be read; `fault` says why, for the filer."""

    def __init__(self, fault: Fault) -> None:
        """Carry the fault beside its sentence."""
        super().__init__(fault.detail)
        self.fault = fault


@dataclass(slots=True)
class Clock:
    """The time a workbook may take."""

    seconds: float
    started: float = field(default_factory=time.monotonic)

    def check(self, where: str) -> None:
        """Refuse the workbook when its time is over."""
        if time.monotonic() - self.started > self.seconds:
            raise WorkbookRefusedError(
                Fault(
                    "ENV-S01",
                    f"读取工作簿超过 {self.seconds:.0f} 秒(读到{where}):请删除多余的空白单元格",
                    value=where,
                )
            )


def damaged(detail: str, error: Exception | str) -> WorkbookRefusedError:
    """The refusal of a workbook that is not what its format says."""
    said = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    return WorkbookRefusedError(Fault("ENV-S01", detail, value=said[:160]))


def check_container(data: bytes, limits: XlsxLimits) -> list[zipfile.ZipInfo]:
    """The parts of a readable, bounded zip; refuses what is encrypted, an old .xls, truncated, or a zip bomb."""
    if data.startswith(_OLE_MAGIC):
        raise WorkbookRefusedError(
            Fault(
                "ENV-S01", "工作簿有密码保护或为旧版 .xls 格式,请另存为不加密的 .xlsx", value="OLE container"
            )
        )
    if not data.startswith(_ZIP_MAGIC):
        raise WorkbookRefusedError(Fault("ENV-S01", "文件不是 .xlsx 工作簿", value=data[:8].hex(" ")))
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as container:
            members = container.infolist()
    # what zipfile raises of a directory that is damaged, is of a later version of the format, or has impossible names
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise WorkbookRefusedError(
            Fault("ENV-S01", "工作簿被截断或已损坏,无法打开", value=str(error)[:120])
        ) from error
    total = sum(member.file_size for member in members)
    if total > limits.unzipped_bytes or len(members) > _MAX_PARTS:
        raise WorkbookRefusedError(
            Fault(
                "ENV-S01",
                f"工作簿解压后 {total} 字节、{len(members)} 个部件,超过上限 {limits.unzipped_bytes} 字节",
                value=str(total),
                expected=f"<= {limits.unzipped_bytes}",
            )
        )
    return members


@dataclass(frozen=True, slots=True)
class Safe:
    """A workbook that calamine may read, and by the names of its parts what was seen of the numbers in its sheets.

    A sheet that is missing there was not understood in its bytes.
    """

    data: bytes
    numbers: Mapping[str, Numbers]


def made_safe(data: bytes, limits: XlsxLimits, clock: Clock, largest_sheet_bytes: int | None = None) -> Safe:
    """The workbook for calamine: the same bytes, or with sheets written anew where they need it.

    Sheets above `largest_sheet_bytes` (unpacked) are neither looked at nor in what is returned.

    Raises `WorkbookRefusedError` when it is no workbook, is damaged, or exceeds the limits.
    """
    parts = check_container(data, limits)
    if largest_sheet_bytes is not None:
        wanted = [p for p in parts if p.file_size <= largest_sheet_bytes or not _is_sheet(data, p, clock)]
        if len(wanted) < len(parts):
            return made_safe(_without_others(data, parts, wanted), limits, clock)
    anew: dict[int, bytes] = {}
    numbers: dict[str, Numbers] = {}
    doubled = {name for name, times in Counter(part.filename for part in parts).items() if times > 1}
    cells = 0
    for index, part in enumerate(parts):
        extent = _extent(_unpacked(data, part, clock))
        if extent.is_sheet and (not extent.is_plain or extent.exceeds(limits, cells)):
            anew[index] = _written_plainly(_unpacked(data, part, clock), clock)
            extent = _extent(_cut([anew[index]]))
        elif extent.has_errors:
            pieces = _cut(_unpacked(data, part, clock))
            anew[index] = b"".join(_ERROR_CELL.sub(rb'\1 t="str"', piece) for piece in pieces)
        elif extent.is_sheet and extent.numbers.understood and part.filename not in doubled:
            numbers[part.filename] = extent.numbers
        extent.refuse_beyond(limits, cells)
        cells += extent.cells
    return Safe(_packed(data, parts, anew) if anew else data, numbers)


def _is_sheet(data: bytes, part: zipfile.ZipInfo, clock: Clock) -> bool:
    """Whether a part begins as a sheet's does."""
    return b"sheetData" in next(_unpacked(data, part, clock), b"")


def _unpacked(data: bytes, part: zipfile.ZipInfo, clock: Clock) -> Iterator[bytes]:
    """The bytes of a part in pieces, never more than the container declares."""
    start = part.header_offset
    detail = f"工作簿的部件 {part.filename[:80]} 已损坏,无法打开"
    if data[start : start + 4] != _ZIP_MAGIC or part.flag_bits & 1:
        raise damaged(detail, "no local header, or encrypted")
    start += 30 + sum(_LOCAL_HEADER.unpack_from(data, start))
    packed = memoryview(data)[start : start + part.compress_size]
    left, check = part.file_size, 0
    for piece in _inflated(packed, part.compress_type, detail):
        clock.check(part.filename[:80])
        left, check = left - len(piece), zlib.crc32(piece, check)
        if left < 0:
            raise damaged(detail, "larger than declared")
        yield piece
    if left or check != part.CRC:
        raise damaged(detail, "other content than declared")


def _inflated(packed: memoryview, method: int, detail: str) -> Iterator[bytes]:
    steps = (bytes(packed[at : at + _PACKED_STEP]) for at in range(0, len(packed), _PACKED_STEP))
    if method == zipfile.ZIP_STORED:
        yield from steps
        return
    if method != zipfile.ZIP_DEFLATED:
        raise damaged(detail, f"compression method {method}")
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for step in steps:
            while step:
                yield unpacker.decompress(step, _PIECE)
                step = unpacker.unconsumed_tail  # noqa: PLW2901 - what one step left over
    except zlib.error as error:
        raise damaged(detail, error) from error


def _cut(pieces: Iterator[bytes] | list[bytes]) -> Iterator[bytes]:
    """The same bytes cut before a tag, so that none lies across two pieces: before a cell's where there is one."""
    carried = b""
    for piece in pieces:
        whole = carried + piece
        at = whole.rfind(b"<c ")
        if at <= 0:
            at = whole.rfind(b"<")
        if at > 0:
            yield whole[:at]
            whole = whole[at:]
        carried = whole
    yield carried


@dataclass(slots=True)
class _Extent:
    """How far a part's cells reach (formatted empty ones included), and how it spells them."""

    is_sheet: bool = False
    is_plain: bool = True
    has_errors: bool = False
    cells: int = 0
    last_row: int = 0
    last_column: int = 0
    numbers: Numbers = field(default_factory=Numbers)

    def add(self, piece: bytes) -> None:
        """Look at a piece of XML that no tag crosses."""
        found = tags(piece)
        if found.declares and b"<!DOCTYPE" in piece:
            raise damaged(_DAMAGED_SHEET, _DOCTYPE)
        cells = len(found.rows)
        self.is_plain &= found.begun in (cells, cells + found.longer)
        self.is_plain &= not (found.may_be_prefixed and _PREFIXED_CELL.search(piece))
        if cells:
            self.cells += cells
            self.last_row = max(self.last_row, int(found.rows.max()))
            self.last_column = max(self.last_column, int(found.columns.max()))
        if self.is_sheet and self.is_plain:
            self.numbers.add(piece, found)
        if not (self.is_sheet and self.numbers.understood):  # what is understood has none
            self.has_errors |= b' t="e"' in piece

    def exceeds(self, limits: XlsxLimits, before: int) -> bool:
        """Whether these cells, with those of the parts before, are too many or too far apart."""
        return before + self.cells > limits.cells or self.last_row * self.last_column > _GAPS * limits.cells

    def refuse_beyond(self, limits: XlsxLimits, before: int) -> None:
        """Refuse a workbook whose cells are too many or too far apart."""
        if before + self.cells > limits.cells:
            raise WorkbookRefusedError(
                Fault(
                    "ENV-S01",
                    f"工作簿单元格超过上限 {limits.cells}",
                    value=str(before + self.cells),
                    expected=f"<= {limits.cells}",
                )
            )
        if self.exceeds(limits, before):
            raise WorkbookRefusedError(
                Fault(
                    "ENV-S01",
                    f"工作表的内容延伸到第 {self.last_row} 行第 {self.last_column} 列,远在表格之外:请删除多余的单元格",
                    value=f"{self.last_row} x {self.last_column}",
                    expected=f"<= {_GAPS * limits.cells}",
                )
            )


def _extent(pieces: Iterator[bytes]) -> _Extent:
    extent = _Extent()
    begun = is_markup = False
    for piece in _cut(pieces):
        if not begun:
            # what a printer set or a picture holds has NUL bytes too, but does not begin with a tag
            begun, is_markup = True, piece.lstrip(_BEFORE_MARKUP).startswith(b"<")
        if not extent.is_sheet:
            # text in UTF-16 has NUL bytes, and may hide the words looked for here
            has_nul = is_markup and b"\x00" in piece
            extent.is_sheet = b"sheetData" in piece or has_nul
            extent.is_plain &= not has_nul
        extent.add(piece)
    extent.numbers.finish()
    return extent


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _without_others(data: bytes, parts: list[zipfile.ZipInfo], wanted: list[zipfile.ZipInfo]) -> bytes:
    """The container with a directory of the wanted parts only; the others' bytes stay, and nothing leads to them."""
    end = data.rfind(_DIRECTORY_END_MAGIC)
    if end != len(data) - _DIRECTORY_END.size:
        return _packed(data, wanted, {})
    *_, count, _, start, _ = _DIRECTORY_END.unpack_from(data, end)
    entries: dict[int, bytes] = {}
    at = start
    for part in parts:
        if at + _DIRECTORY_ENTRY.size > end or not data.startswith(_DIRECTORY_MAGIC, at):
            break
        *lengths, place = _DIRECTORY_ENTRY.unpack_from(data, at)
        length = _DIRECTORY_ENTRY.size + sum(lengths)
        if place == part.header_offset:
            entries[id(part)] = data[at : at + length]
        at += length
    if at != end or not count == len(parts) == len(entries):  # of a later format, or behind something else
        return _packed(data, wanted, {})
    directory = b"".join(entries[id(part)] for part in wanted)
    told = (0, 0, len(wanted), len(wanted), len(directory), start, 0)
    return b"".join((memoryview(data)[:start], directory, _DIRECTORY_END.pack(_DIRECTORY_END_MAGIC, *told)))


def _packed(data: bytes, parts: list[zipfile.ZipInfo], anew: dict[int, bytes]) -> bytes:
    """The container with some parts exchanged."""
    out = io.BytesIO()
    try:
        with (
            zipfile.ZipFile(io.BytesIO(data)) as old,
            zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new,
        ):
            for index, part in enumerate(parts):
                body = anew[index] if index in anew else old.read(part)
                new.writestr(part.filename, body)
    except zipfile.BadZipFile as error:  # every part was unpacked before: only its headers can still disagree
        raise damaged("工作簿被截断或已损坏,无法打开", error) from error
    return out.getvalue()


def _written_plainly(pieces: Iterator[bytes], clock: Clock) -> bytes:
    """A sheet's filled cells in the spelling that is looked at here; everything else of the sheet is left out."""
    handler = _FilledCells(clock)
    parser = xml.sax.make_parser()  # noqa: S317 - expat, and no document type comes through
    parser.setContentHandler(handler)
    parser.setProperty(xml.sax.handler.property_lexical_handler, _NoDoctype())
    try:
        for piece in pieces:
            parser.feed(piece)  # type: ignore[attr-defined] # expat's is an incremental parser
        parser.close()  # type: ignore[attr-defined]
    except (xml.sax.SAXException, ValueError, LookupError) as error:
        raise damaged(_DAMAGED_SHEET, error) from error
    body = "".join(handler.written)
    return f"<worksheet><sheetData>{body}</sheetData></worksheet>".encode()


class _NoDoctype(xml.sax.handler.LexicalHandler):
    """Refuse a document type in a spelling in which it is not seen before."""

    def startDTD(self, name: str, public_id: str | None, system_id: str | None) -> None:  # noqa: N802, ARG002
        raise ValueError(_DOCTYPE)


class _FilledCells(xml.sax.handler.ContentHandler):
    """Collect cells with a content, by local names, each with its address, errors as text."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.written: list[str] = []
        self._clock = clock
        self._row = self._column = self._skipped = 0
        self._kind = self._style = ""
        self._text: dict[str, list[str]] = {"v": [], "t": []}
        self._open: list[str] | None = None

    def startElement(self, name: str, attrs: xml.sax.xmlreader.AttributesImpl) -> None:  # noqa: N802
        local = name.rpartition(":")[2]
        facts = {key: attrs.getValue(key) for key in attrs.getNames()}
        if local == "row":
            self._row, self._column = int(facts.get("r", self._row + 1)), 0
            self._clock.check(f"第 {self._row} 行")
            self.written.append(f'<row r="{self._row}">')
        elif local == "c":
            self._place(facts.get("r"))
            self._kind, self._style = facts.get("t", "n"), facts.get("s", "")
            self._text = {"v": [], "t": []}
        elif local == "rPh":  # how a name is read aloud, no content
            self._skipped += 1
        elif local in self._text and not self._skipped:
            self._open = self._text[local]

    def characters(self, content: str) -> None:
        if self._open is not None:
            self._open.append(content)

    def endElement(self, name: str) -> None:  # noqa: N802
        local = name.rpartition(":")[2]
        if local == "row":
            self.written.append("</row>")
        elif local == "rPh":
            self._skipped -= 1
        elif local == "c":
            self._write()
        self._open = None

    def _place(self, address: str | None) -> None:
        if address is None:
            self._column += 1
            return
        if not re.fullmatch(r"[A-Z]{1,3}[0-9]{1,7}", address):
            raise ValueError(f"cell address {address[:20]}")
        letters = address.rstrip("0123456789")
        self._column, self._row = _column_number(letters.encode()), int(address[len(letters) :])

    def _write(self) -> None:
        inline = self._kind == "inlineStr"
        text = escape("".join(self._text["t" if inline else "v"]))
        if not text:
            return
        kind = "str" if self._kind == "e" else self._kind
        style = f' s="{int(self._style)}"' if self._style else ""
        content = f'<is><t xml:space="preserve">{text}</t></is>' if inline else f"<v>{text}</v>"
        address = f"{_column_letters(self._column)}{self._row}"
        self.written.append(f'<c r="{address}"{style} t="{escape(kind)}">{content}</c>')


def _column_letters(number: int) -> str:
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
