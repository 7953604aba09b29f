"""Reading: one archived parcel to a grid of text, by what its bytes are, not by its name.

Belongs here: the choice of reader. Does not belong here: the readers themselves, or judging what was read.
"""

from __future__ import annotations

from pipelines.contracts.model import Form
from pipelines.intake.csv_reader import read_csv
from pipelines.intake.grid import Grid
from pipelines.intake.xlsx_reader import XlsxLimits, read_xlsx

_CONTAINER_MAGICS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


def read_parcel(
    form: Form, data: bytes, *, declared_encoding: str | None, on_cover: bool, limits: XlsxLimits
) -> Grid:
    """Read a filing of `form` as text with addresses; everything wrong with it as a file is in `Grid.faults`."""
    if data.startswith(_CONTAINER_MAGICS):
        return read_xlsx(form, data, limits, has_cover=on_cover)
    return read_csv(form, data, declared_encoding)
