"""A pull that finds one new filing among many opens that filing and nothing else, and settles what it bears on.

The source is a real fsspec file system that notes what is opened in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from pipelines.orchestration import steps
from pipelines.settings import Settings
from tests.support.desk import BRANCH, REPORTER, Desk, csv_text, row


class NotingFileSystem(MemoryFileSystem):  # type: ignore[misc] # fsspec is untyped
    """A memory file system that lists what was opened."""

    protocol = ("noting",)
    store: ClassVar[dict[str, object]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    opened: ClassVar[list[str]] = []

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(MemoryFileSystem._strip_protocol(path.removeprefix("noting://")))

    def _open(self, path: str, mode: str = "rb", **options: object) -> object:
        if "r" in mode:
            self.opened.append(path)
        return super()._open(path, mode, **options)

    def cat_file(self, path: str, **options: object) -> bytes:
        self.opened.append(self._strip_protocol(path))
        return bytes(super().cat_file(path, **options))


@pytest.fixture
def source() -> Iterator[NotingFileSystem]:
    fsspec.register_implementation("noting", NotingFileSystem, clobber=True)
    NotingFileSystem.store.clear()
    NotingFileSystem.opened.clear()
    yield NotingFileSystem(skip_instance_cache=True)
    NotingFileSystem.store.clear()


def put(source: NotingFileSystem, number: int, *, sequence: int = 1) -> str:
    """A nil report of month `number` after 2014-01 for F05, or a filing with a row if it is a resubmission."""
    year, month = 2015 + number // 12, number % 12 + 1
    period = f"{year}-{month:02d}"
    rows = (
        [row("F05", number, period=period, reporter_code=REPORTER, org_code=BRANCH)] if sequence > 1 else []
    )
    fields = {
        "submission_id": f"F05-{number}-{sequence}", "form": "F05", "version": "1.0.0", "reporter": REPORTER,
        "period": period, "kind": "RESUBMIT" if rows else "NIL", "sequence_no": sequence,
        "supersedes": f"F05-{number}-1" if rows else None, "reason_code": "补报" if rows else None,
        "state": "SUBMITTED", "row_count": len(rows), "control_totals": {}, "prepared_by": "填报01",
        "reviewed_by": "复核02", "approved_by": "批准03", "signed_at": "2024-04-05T10:00:00",
    }  # fmt: skip
    path = f"/box/{number // 100}/{number}-{sequence}.csv"
    source.pipe_file(path, csv_text("F05", rows).encode())
    source.pipe_file(path + ".json", json.dumps(fields, ensure_ascii=False).encode())
    return path


@pytest.mark.parametrize("many", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_a_pull_opens_the_one_new_filing_only(
    source: NotingFileSystem, run_settings: Settings, many: int
) -> None:
    settings = run_settings.model_copy(update={"inbox": "noting://box"})
    for number in range(many):
        put(source, number)
    first = steps.pull(settings)
    assert len(source.opened) == 2 * many
    source.opened.clear()
    assert steps.pull(settings).new == 0
    assert source.opened == []
    path = put(source, 7, sequence=2)
    again = steps.pull(settings)
    assert (again.new, again.total - first.total) == (1, 1)
    assert sorted(source.opened) == [path, path + ".json"]


def test_reading_and_settling_look_at_the_new_filing_only(desk: Desk) -> None:
    for number in range(1, 13):
        period = f"2023-{number:02d}"
        desk.file("F05", [], period=period, signed_at=f"2024-01-{number:02d}T10:00:00")
    desk.run()
    assert steps.load_form(desk.settings, "F05", None).submissions == 0
    desk.file("F05", [row("F05", 1, period="2023-12", reporter_code=REPORTER, org_code=BRANCH)], period="2023-12",
              sequence=2, signed_at="2024-01-20T10:00:00")  # fmt: skip
    steps.pull(desk.settings)
    assert steps.load_form(desk.settings, "F05", None).submissions == 1
