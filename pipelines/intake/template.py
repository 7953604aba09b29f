"""The blank filing of a form, as its contract has it: what each column may hold, in words and as lists, and the CSV.

Belongs here: what an insurer needs to fill in so that this room's readers accept it (they are the other side of it):
types in words, the values a drop-down offers, the example row, the CSV header with its envelope skeleton. Does not
belong here: the look of the Excel workbook (`template_workbook`), reading (`xlsx_reader`, `envelope`), checking what
was filled in.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from dataclasses import dataclass
from typing import Any

from pipelines.contracts.model import Catalogue, CodeEntry, Column, Form
from pipelines.contracts.periods import Period
from pipelines.intake.envelope import LABELS


@dataclass(frozen=True, slots=True)
class Choices:
    """What a drop-down offers: name of the list, values with their meaning, and whether others are possible.

    A dated list does not stop other values: which of them holds depends on the day of each row's event.
    """

    name: str
    entries: tuple[CodeEntry, ...]
    dated: bool

    @property
    def values(self) -> tuple[str, ...]:
        """The values in the list's order."""
        return tuple(entry.value for entry in self.entries)


def choices(catalogue: Catalogue, column: Column, period: Period | None, today: dt.date) -> Choices | None:
    """Values that a column may take in the period (today, if none is given), or None if it is not closed."""
    if column.kind == "boolean":
        return Choices("Y/N", (CodeEntry("Y", "是", "yes"), CodeEntry("N", "否", "no")), dated=False)
    if column.kind != "enum":
        return None
    if column.code_list is None:
        pairs = zip(column.values, column.labels or column.values, strict=True)
        return Choices(column.name, tuple(CodeEntry(v, label, "") for v, label in pairs), dated=False)
    first, last = (period.start, period.end) if period else (today, today)
    code_list = catalogue.code_list(column.code_list)
    valid = tuple(
        entry
        for entry in code_list.entries
        if (entry.valid_from is None or entry.valid_from <= last)
        and (entry.valid_to is None or first <= entry.valid_to)
    )
    dated = any(entry.valid_from or entry.valid_to for entry in code_list.entries)
    return Choices(code_list.name, valid, dated=dated)


def type_zh(column: Column) -> str:
    """The column's type, length and range in words."""
    words = {
        "text": f"文本,至多 {column.length} 字",
        "code": f"{column.length} 位代码(数字或大写字母)",
        "hash": "64 位十六进制散列",
        "enum": "代码(下拉选择)",
        "boolean": "Y 或 N",
        "date": "日期 YYYY-MM-DD",
        "timestamp": "时间 YYYY-MM-DD HH:MM:SS",
        "integer": "整数",
        "decimal": f"数字,整数至多 {(column.precision or 0) - (column.scale or 0)} 位、小数至多 {column.scale} 位",
    }[column.kind]
    if column.minimum is not None or column.maximum is not None:
        least = "" if column.minimum is None else f"不小于 {column.minimum}"
        most = "" if column.maximum is None else f"不大于 {column.maximum}"
        words += f",{','.join(bound for bound in (least, most) if bound)}"
    elif column.non_negative:
        words += ",不得为负"
    return words


def example_row(form: Form) -> dict[str, str]:
    """The form's example row as filed text, by column; columns that are empty in it are left out."""
    return {column.name: column.example for column in form.columns if column.example}


def csv_template(
    form: Form, *, period: Period | None = None, reporter: str | None = None
) -> tuple[bytes, bytes]:
    """The header line of a CSV filing (UTF-8 with byte-order mark, which Excel needs) and its envelope skeleton.

    The skeleton holds every envelope field in order; null is to be filled in, or left when it does not apply.
    """
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(column.title_zh for column in form.columns)
    fields: dict[str, Any] = dict.fromkeys(LABELS) | prefilled(form, period, reporter)
    fields["control_totals"] = dict.fromkeys(form.control_totals)
    skeleton = json.dumps(fields, ensure_ascii=False, indent=2) + "\n"
    return line.getvalue().encode("utf-8-sig"), skeleton.encode()


def prefilled(form: Form, period: Period | None, reporter: str | None) -> dict[str, str]:
    """Envelope fields that are known before anything is filled in; not yet signed, so merely SAVED."""
    known = {
        "form": form.code,
        "version": form.version,
        "period": period.label if period else None,
        "reporter": reporter,
        "state": "SAVED",
    }
    return {name: value for name, value in known.items() if value}
