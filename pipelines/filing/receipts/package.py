"""The package around a receipt's sheets: formats, theme, relationships, properties, and the zip.

What is equal in all receipts is made by xlsxwriter once a process and lies deflated from then on; only sheets, texts,
the title and the names of areas are a receipt's own. `zipfile` cannot write what is deflated already, so the few
records of a zip are spelled here (PKWARE's APPNOTE 4.3.7, 4.3.12 and 4.3.16), dated 1980-01-01 like xlsxwriter's.

Belongs here: the parts of the package and their bytes. Does not belong here: what stands on a sheet (`workbook`), how
a sheet is spelled (`sheets`).
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

import xlsxwriter
from xlsxwriter.format import Format

from pipelines.filing.receipts.sheets import Cells, Sheet, escaped

_CREATED = datetime(2000, 1, 1)  # noqa: DTZ001 - a fixed property of the file, not a moment
_FONT = "Microsoft YaHei"
#: Where a receipt's title stands in what is made once.
_TITLE = "title of a receipt"
_WORKBOOK, _STRINGS, _PROPERTIES = "xl/workbook.xml", "xl/sharedStrings.xml", "docProps/core.xml"

_MADE_BY, _NEEDS, _DEFLATED, _DATE, _MODE = 3 << 8 | 20, 20, 8, 1 << 5 | 1, 0o600 << 16
_LOCAL, _CENTRAL, _END = struct.Struct("<4s5H3L2H"), struct.Struct("<4s6H3L5H2L"), struct.Struct("<4s4H2LH")
#: A quarter less work than zlib's own level (6), for one byte in a hundred.
_LEVEL = 5
#: Parts up to so many bytes are often equal in many receipts (a sheet that says there is nothing to say).
_SMALL = 4_096


class _Part(NamedTuple):
    """A part of the package, deflated."""

    data: bytes
    crc: int
    size: int


class Formats:
    """Formats of cells, made by xlsxwriter and named as the cells of `sheets` name them."""

    def __init__(self, sheets: Sequence[str]) -> None:
        """None yet; `sheets`: names of the workbook's sheets."""
        self._out = io.BytesIO()
        default = {"font_name": _FONT, "font_size": 10, "valign": "top"}
        self._book = xlsxwriter.Workbook(self._out, {"in_memory": True, "default_format_properties": default})
        self._book.set_properties({"title": _TITLE, "author": "消保数仓 Xiaobao", "created": _CREATED})
        self._sheets = tuple(sheets)

    def add(self, **properties: object) -> str:
        """A format: what stands in a cell's element after the number of its row."""
        look: Format = self._book.add_format(properties)
        return f'" s="{look._get_xf_index()}"'

    def package(self) -> Package:
        """What surrounds sheets with these formats."""
        for name in self._sheets:
            self._book.add_worksheet(name).write_string(
                0, 0, name
            )  # a text, so that there is a table of texts
        self._book.close()
        with zipfile.ZipFile(self._out) as made:
            texts = {name: made.read(name).decode() for name in made.namelist()}
        own = {_WORKBOOK, _STRINGS, _PROPERTIES, *map(_sheet_part, range(len(self._sheets)))}
        return Package(
            parts=tuple(
                (name.encode(), _deflated(text.encode())) for name, text in texts.items() if name not in own
            ),
            workbook=texts[_WORKBOOK],
            properties=texts[_PROPERTIES],
        )


@dataclass(frozen=True, slots=True)
class Package:
    """What all receipts have in common: finished parts by name, and texts of those that are completed."""

    parts: tuple[tuple[bytes, _Part], ...]
    workbook: str
    properties: str

    def bytes_of(self, title: str, sheets: Sequence[Sheet], cells: Cells) -> bytes:
        """The workbook's bytes; the first sheet is shown first."""
        names = "".join(sheet.names(number) for number, sheet in enumerate(sheets))
        own = {
            _PROPERTIES: self.properties.replace(_TITLE, escaped(title)),
            _WORKBOOK: self.workbook.replace("</sheets>", f"</sheets><definedNames>{names}</definedNames>"),
            _STRINGS: cells.strings(),
        }
        for number, sheet in enumerate(sheets):
            own[_sheet_part(number)] = sheet.xml(selected=not number)
        return _zipped((*self.parts, *((name.encode(), _part(text.encode())) for name, text in own.items())))


def _sheet_part(number: int) -> str:
    return f"xl/worksheets/sheet{number + 1}.xml"


def _part(data: bytes) -> _Part:
    return _deflated_once(data) if len(data) <= _SMALL else _deflated(data)


def _deflated(data: bytes) -> _Part:
    return _Part(zlib.compress(data, _LEVEL, -zlib.MAX_WBITS), zlib.crc32(data), len(data))


@lru_cache(maxsize=512)
def _deflated_once(data: bytes) -> _Part:
    return _deflated(data)


def _zipped(parts: Iterable[tuple[bytes, _Part]]) -> bytes:
    """A zip of the parts, in their order."""
    entries: list[bytes] = []
    directory: list[bytes] = []
    at = 0
    for name, part in parts:
        facts = (_DEFLATED, 0, _DATE, part.crc, len(part.data), part.size, len(name), 0)
        entry = _LOCAL.pack(b"PK\x03\x04", _NEEDS, 0, *facts) + name + part.data
        directory.append(_CENTRAL.pack(b"PK\x01\x02", _MADE_BY, _NEEDS, 0, *facts, 0, 0, 0, _MODE, at) + name)
        entries.append(entry)
        at += len(entry)
    count, size = len(directory), sum(map(len, directory))
    return b"".join((*entries, *directory, _END.pack(b"PK\x05\x06", 0, 0, count, count, size, at, 0)))
