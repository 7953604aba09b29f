"""Reading: one archived parcel to a grid of text, by what its bytes are, not by its name.

Belongs here: the choice of reader. Does not belong here: the readers themselves, or judging what was read.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.contracts.model import Form
from pipelines.intake.csv_reader import empty_file, first_records, read_csv
from pipelines.intake.encoding import decode
from pipelines.intake.faults import Fault
from pipelines.intake.grid import Grid
from pipelines.intake.xlsx_reader import XlsxLimits, first_data_rows, read_xlsx

_CONTAINER_MAGICS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


def is_container(data: bytes) -> bool:
    """True for what is to be opened as a workbook."""
    return data.startswith(_CONTAINER_MAGICS)


def first_rows(
    data: bytes, declared_encoding: str | None, limits: XlsxLimits
) -> Sequence[Sequence[str | None]] | Fault:
    """The rows in which a header may stand, whatever the form; or why the file cannot be opened."""
    if is_container(data):
        return first_data_rows(data, limits)
    if not data.strip():
        return empty_file(data)
    decoded = decode(data, declared_encoding)
    return decoded if isinstance(decoded, Fault) else [cells for cells, _ in first_records(decoded.data)]


def read_parcel(
    form: Form, data: bytes, *, declared_encoding: str | None, on_cover: bool, limits: XlsxLimits
) -> Grid:
    """Read a filing of `form` as text with addresses; everything wrong with it as a file is in `Grid.faults`."""
    if is_container(data):
        return read_xlsx(form, data, limits, has_cover=on_cover)
    return read_csv(form, data, declared_encoding)
