"""Bureaux for the tests of the generator, each generated once per session.

Put here: bureaux that several modules look at, and how their files are read by a reader of our own (the pipeline's
would prove nothing about the generator). Do not put here: expectations.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest

from pipelines.contracts.headers import normalise_header
from pipelines.contracts.loader import load_catalogue
from pipelines.samples.bureau import SampleSummary, generate

COVER_FIELDS = {
    "报送编号": "submission_id",
    "报表代码": "form",
    "报表版本": "version",
    "报送机构编码": "reporter",
    "报告期": "period",
    "报送类型": "kind",
    "报送序号": "sequence_no",
    "被替代报送编号": "supersedes",
    "重报原因": "reason_code",
    "状态": "state",
    "数据行数": "row_count",
    "填报人": "prepared_by",
    "复核人": "reviewed_by",
    "批准人": "approved_by",
    "签发时间": "signed_at",
}


@dataclass(frozen=True)
class Parcel:
    """A data file with what its sidecar or cover says (None without either)."""

    path: Path
    data: bytes
    sidecar: dict[str, Any] | None
    cover: dict[str, Any] | None

    @property
    def envelope(self) -> dict[str, Any] | None:
        return self.sidecar or self.cover

    def cells(self) -> list[list[str]]:
        """The table as text, preamble and all, as a person sees it."""
        if self.data.startswith(b"PK"):
            sheet = openpyxl.load_workbook(io.BytesIO(self.data))[
                openpyxl.load_workbook(io.BytesIO(self.data)).sheetnames[-1]
            ]
            return [
                ["" if cell is None else str(cell) for cell in row]
                for row in sheet.iter_rows(values_only=True)
            ]
        return list(csv.reader(io.StringIO(decoded(self.data))))

    def table(self, form: str) -> list[dict[str, str]]:
        """Filled rows below the header, by column name."""
        known = load_catalogue().forms[form].header_map()
        rows = self.cells()
        top = next(
            number for number, row in enumerate(rows) if sum(normalise_header(c) in known for c in row) > 3
        )
        names = [known[normalise_header(cell)] for cell in rows[top]]
        return [dict(zip(names, row, strict=True)) for row in rows[top + 1 :] if any(row)]


def decoded(data: bytes) -> str:
    """Text of a CSV file: UTF-8 (with or without mark), else GB18030; strict in both."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("gb18030")


@dataclass(frozen=True)
class Bureau:
    """A generated bureau."""

    summary: SampleSummary

    @cached_property
    def findings(self) -> pl.DataFrame:
        return pl.read_csv(self.summary.answers / "findings.csv", schema_overrides={"row": pl.Int64})

    @cached_property
    def submissions(self) -> pl.DataFrame:
        return pl.read_csv(self.summary.answers / "submissions.csv", schema_overrides={"reporter": pl.String})

    @cached_property
    def kpi_values(self) -> pl.DataFrame:
        return pl.read_csv(self.summary.answers / "kpi_values.csv", infer_schema=False)

    @cached_property
    def parcels(self) -> list[Parcel]:
        return list(self._parcels())

    def _parcels(self) -> Iterator[Parcel]:
        for path in sorted(self.summary.inbox.rglob("*")):
            if path.is_dir() or path.suffix == ".json":
                continue
            beside = path.with_name(path.name + ".json")
            data = path.read_bytes()
            sidecar = json.loads(beside.read_text(encoding="utf-8")) if beside.exists() else None
            yield Parcel(path, data, sidecar, None if sidecar else _cover(data))


def _cover(data: bytes) -> dict[str, Any] | None:
    if not data.startswith(b"PK"):
        return None
    book = openpyxl.load_workbook(io.BytesIO(data), read_only=True)
    if book.sheetnames[0] != "封面":
        return None
    found: dict[str, Any] = {"control_totals": {}}
    for label, content, *_ in book["封面"].iter_rows(min_row=2, values_only=True):
        if str(label).startswith("合计:"):
            found["control_totals"][str(label)[3:]] = content
        else:
            found[COVER_FIELDS[label]] = content
    return found


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Bureau:
    """A quarter of a small bureau with everything that goes wrong."""
    return Bureau(generate(tmp_path_factory.mktemp("small"), insurers=8, months=3, scale=0.3))


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Bureau:
    """A small bureau in which nobody makes a mistake."""
    return Bureau(generate(tmp_path_factory.mktemp("sound"), insurers=8, months=4, scale=0.2, defects=False))
