"""Reading: one archived parcel to a grid of text, by what its bytes are, not by its name.

Belongs here: the choice of reader, and the step from the form's layout in the filing's period (which the readers see)
to all columns of the contract. Does not belong here: the readers themselves, or judging what was read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

import pyarrow as pa

from pipelines.contracts.model import EnvelopeFact, Form
from pipelines.intake.canonical import Cells
from pipelines.intake.csv_reader import empty_file, first_records, read_csv
from pipelines.intake.encoding import decode
from pipelines.intake.faults import Fault
from pipelines.intake.grid import Grid, Keep, as_filed, complete
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
    if not data or data.isspace():
        return empty_file(data)
    decoded = decode(data, declared_encoding)
    return decoded if isinstance(decoded, Fault) else [cells for cells, _ in first_records(decoded.data)]


def read_parcel(
    form: Form,
    data: bytes,
    *,
    declared_encoding: str | None,
    on_cover: bool,
    limits: XlsxLimits,
    period_end: date = date.max,
    stated: Mapping[EnvelopeFact, str | None] | None = None,
    keep: Keep = as_filed,
) -> Grid:
    """Read a filing of `form` as text with addresses; everything wrong with it as a file is in `Grid.faults`.

    `period_end` decides which headers and sheets are in force (by default the newest), `stated` is what the envelope
    says where the contract fills columns from it. `keep` is given every piece of rows, with all columns of the
    contract.
    """

    def completed(rows: pa.Table) -> Cells:
        return keep(complete(form, rows, stated or {}))

    layout = form.layout(period_end)
    if is_container(data) and form.sheets and not layout.sheets:
        detail = f"报表 {form.code} 的合同没有该报告期的工作表名,请核对报告期"
        return Grid(encoding="xlsx", faults=[Fault("ENV-S01", detail, value=str(period_end))])
    if is_container(data):
        grid = read_xlsx(layout, data, limits, has_cover=on_cover, keep=completed)
    else:
        grid = read_csv(layout, data, declared_encoding, completed)
    grid.faults = [_of_another_period(form, fault) for fault in grid.faults]
    return grid


def _of_another_period(form: Form, fault: Fault) -> Fault:
    """A header that is unknown in this period but not in others says so: the period, or the contract, is wrong."""
    if fault.column_name is not None or fault.value is None:
        return fault
    spans = form.spans_of_header(fault.value)
    if not spans:
        return fault
    return replace(fault, detail=f"{fault.detail};该表头只用于报告期 {'、'.join(map(str, spans))}")
