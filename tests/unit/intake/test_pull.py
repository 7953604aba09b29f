"""Pulling: any fsspec source, everything archived once, nothing opened twice, names never trusted."""

from __future__ import annotations

import json
from pathlib import Path

import fsspec
import pytest

from pipelines.intake.archive import Archive
from pipelines.intake.envelope import Envelope, from_sidecar
from pipelines.intake.sources import Source, SourceUnavailableError
from pipelines.orchestration import steps
from pipelines.settings import Settings
from tests.support.desk import REPORTER, Desk, row


@pytest.fixture
def desk(run_settings: Settings) -> Desk:
    return Desk(run_settings)


def test_a_parcel_is_archived_under_what_its_envelope_claims(desk: Desk) -> None:
    desk.file("F05", [row("F05")], name="乱七八糟 final(2).csv")
    summary = steps.pull(desk.settings)
    [kept] = [path for path in desk.settings.archive_dir.rglob("data.csv") if "F05" in path.parts]
    assert kept.relative_to(desk.settings.archive_dir).parts[:3] == ("F05", "2024-03", REPORTER)
    assert kept.read_bytes() == (desk.inbox / "乱七八糟 final(2).csv").read_bytes()
    again = steps.pull(desk.settings)
    assert (summary.new - again.new, again.new) == (summary.new, 0)
    assert again.seen == summary.total


def test_the_same_bytes_under_another_name_are_one_parcel(desk: Desk) -> None:
    desk.file("F05", [row("F05")], name="a.csv")
    first = steps.pull(desk.settings).new
    for suffix in ("", ".json"):
        (desk.inbox / f"b.csv{suffix}").write_bytes((desk.inbox / f"a.csv{suffix}").read_bytes())
    assert steps.pull(desk.settings).new == 0
    assert first >= 1


def test_any_protocol_fsspec_serves_is_a_source() -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe("/box/x.csv", b"1")
    memory.pipe("/box/x.csv.json", b"{}")
    memory.pipe("/box/~$x.csv", b"lock")
    [parcel] = Source("memory://box").parcels()
    assert (parcel.name, parcel.sidecar_path is not None) == ("x.csv", True)
    assert Source("memory://box").fetch(parcel.data_path) == b"1"


def test_a_missing_inbox_is_the_operators_matter(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailableError, match="XIAOBAO_INBOX"):
        list(Source((tmp_path / "none").as_uri()).parcels())


def test_an_address_cannot_leave_the_archive(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    evil = Envelope(form="../../etc", period="..", reporter="a/b", sequence_no=1)
    address = archive.keep(evil, "0" * 64, "x.csv", b"1", None)
    assert (tmp_path / "archive" / address).resolve().is_relative_to((tmp_path / "archive").resolve())
    assert archive.data(address) == b"1"


def test_one_submission_id_for_two_contents_is_told(desk: Desk) -> None:
    desk.register()
    desk.file("F05", [row("F05")], name="a.csv", submission_id="X")
    desk.file("F05", [row("F05", 2)], name="b.csv", submission_id="X")
    desk.run()
    states = desk.ask("SELECT submission_id, state FROM filing.submissions WHERE form = 'F05' ORDER BY 1")
    assert [line["submission_id"][:2] for line in states] == ["X", "X~"]
    assert states[1]["state"] in ("rejected", "malformed")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"not json", "JSON"),
        (b"[1]", "JSON 对象"),
        (json.dumps({"form": "F01"}).encode(), "缺少字段“报送编号”"),
        (json.dumps({"submission_id": "a b", "sequence_no": "x"}).encode(), "报送序号"),
    ],
)
def test_an_unreadable_envelope_says_why(raw: bytes, said: str) -> None:
    envelope = from_sidecar(raw)
    assert any(said in fault.detail for fault in envelope.faults)


def test_a_signature_in_the_future_is_refused(desk: Desk) -> None:
    desk.register()
    submission = desk.file("F05", [row("F05")], signed_at="2199-01-01T00:00:00")
    desk.run()
    assert desk.state(submission) == "malformed"
    [moment] = desk.ask("SELECT as_of FROM reference.run")
    assert moment["as_of"].year < 2100
