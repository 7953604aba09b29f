"""The outbox: files appear whole in their reporter's folder, on any file system."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipelines.filing.outbox import UNIDENTIFIED, Outbox, OutboxUnavailableError, folder_of
from pipelines.filing.receipts.writing import Drawing


@pytest.mark.parametrize(
    ("code", "folder"),
    [
        ("00012343090000", "00012343090000"),
        (" 00012343090000 ", "00012343090000"),
        (None, UNIDENTIFIED),
        ("", UNIDENTIFIED),
        ("../../etc", UNIDENTIFIED),
        ("甲人寿", UNIDENTIFIED),
        ("13812345678", UNIDENTIFIED),
        ("11010119900307123X", UNIDENTIFIED),
    ],
)
def test_a_folder_is_a_code_or_nobodys(code: str | None, folder: str) -> None:
    assert folder_of(code) == folder


def test_a_local_file_replaces_the_earlier_one_and_leaves_no_part(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path.as_uri())
    outbox.put("A1", "x.json", b"1")
    before = (tmp_path / "A1" / "x.json").stat().st_ino
    outbox.put("A1", "x.json", b"2")
    outbox.settle()
    assert [path.name for path in (tmp_path / "A1").iterdir()] == ["x.json"]
    assert outbox.fetch("A1", "x.json") == b"2"
    assert (tmp_path / "A1" / "x.json").stat().st_ino != before  # a new file was renamed over it


def test_other_file_systems_work_the_same() -> None:
    outbox = Outbox("memory://bureau/outbox")
    outbox.put(None, "x.json", b"1")
    outbox.settle()
    assert outbox.fetch(None, "x.json") == b"1"
    assert outbox.fetch("A1", "x.json") is None


def test_an_outbox_that_cannot_be_written_is_the_operators_matter(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("a file where the folder should be")
    with pytest.raises(OutboxUnavailableError, match="XIAOBAO_OUTBOX"):
        Outbox((tmp_path / "outbox").as_uri()).put("A1", "x.json", b"1")


@pytest.mark.skipif(os.name != "posix", reason="renames over open files")
def test_a_reader_of_the_earlier_file_is_not_disturbed(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path.as_uri())
    outbox.put("A1", "x.json", b"whole")
    with (tmp_path / "A1" / "x.json").open("rb") as reader:
        outbox.put("A1", "x.json", b"new")
        assert reader.read() == b"whole"


def test_only_an_outbox_that_other_processes_reach_is_drawn_into_by_them(tmp_path: Path) -> None:
    with Drawing("memory://bureau/drawn", 2) as drawing:
        drawing.expect(1_000_000)
        assert drawing._pool is None
    with Drawing(tmp_path.as_uri(), 1) as drawing:
        drawing.expect(1_000_000)
        assert drawing._pool is None
    with Drawing(tmp_path.as_uri(), 2) as drawing:
        drawing.expect(1)
        assert drawing._pool is None
        drawing.expect(1_000_000)
        assert drawing._pool is not None
