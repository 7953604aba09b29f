"""Pull: what a source holds that was not received before is archived, identified and entered in the ledger.

Belongs here: the order of those acts and their idempotence. The bytes are on disk before the ledger names them; each
chunk of parcels is one transaction, so a killed pull continues where it stopped. Does not belong here: reading rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import PurePosixPath
from zoneinfo import ZoneInfo

import duckdb

from pipelines.contracts.errors import PeriodError
from pipelines.contracts.periods import Period
from pipelines.intake.archive import Archive
from pipelines.intake.envelope import Envelope, from_cover, from_sidecar
from pipelines.intake.faults import Fault
from pipelines.intake.persons import person_key
from pipelines.intake.sources import Listed, ParcelSource
from pipelines.intake.xlsx_reader import XlsxLimits
from pipelines.warehouse.connection import transaction
from pipelines.warehouse.schema import insert_rows

#: Judges what an envelope declares; given by the caller because rules live in a later room.
JudgeEnvelope = Callable[[Envelope], Sequence[Fault]]
_CHUNK = 400
#: Columns of `ledger.parcel` in the order they are written; a database brought up to date has them in another.
_PARCEL = (
    "submission_no, content_key, submission_id, form, form_version, reporter_code, period, period_start, period_end, "
    "kind, sequence_no, supersedes, reason_code, declared_state, declared_rows, declared_encoding, declared_sha256, "
    "signed_at, on_cover, prepared_by_key, reviewed_by_key, approved_by_key, sha256, byte_size, source_name, "
    "archive_path"
)
_BUREAU_TIME = ZoneInfo("Asia/Shanghai")
#: A signature may run ahead of our clock by this much.
_CLOCK_TOLERANCE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class PullCounts:
    """Parcels the source shows (`total`), of which content was already known (`seen`) or is new (`new`)."""

    new: int
    seen: int
    total: int


def pull(
    con: duckdb.DuckDBPyConnection,
    source: ParcelSource,
    archive: Archive,
    *,
    judge: JudgeEnvelope,
    limits: XlsxLimits,
    max_file_bytes: int,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> PullCounts:
    """Enter every new parcel of `source` in the ledger; known files are recognised by name and stamp, unopened.

    So many `threads` copy and look at files, if the source bears it.
    """
    known = dict(
        con.execute("SELECT name, stamp FROM ledger.sighting WHERE source = ?", [source.url]).fetchall()
    )
    listed = list(source.parcels())
    fresh = [parcel for parcel in listed if known.get(parcel.name) != parcel.stamp]
    new = done = 0
    receive = partial(_receive, source, archive, limits=limits, max_file_bytes=max_file_bytes)
    with ThreadPoolExecutor(threads if source.is_local else 1) as pool:
        for chunk in _chunks(iter(fresh)):
            arrivals = list(pool.map(receive, chunk))
            archive.flush()
            with transaction(con):
                new += _enter(con, source.url, arrivals, judge)
            done += len(chunk)
            if progress:
                progress(done, len(fresh))
    return PullCounts(new=new, seen=len(listed) - new, total=len(listed))


@dataclass(frozen=True, slots=True)
class _Arrival:
    listed: Listed
    envelope: Envelope
    content_key: str
    sha256: str
    byte_size: int
    address: str
    faults: tuple[Fault, ...]


def _receive(
    source: ParcelSource, archive: Archive, parcel: Listed, *, limits: XlsxLimits, max_file_bytes: int
) -> _Arrival:
    sidecar = source.fetch(parcel.sidecar_path) if parcel.sidecar_path else None
    if parcel.byte_size > max_file_bytes:
        return _receive_oversized(source, archive, parcel, sidecar, max_file_bytes)
    data = source.fetch(parcel.data_path)
    sha256 = hashlib.sha256(data).hexdigest()
    content_key = _content_key(sha256, sidecar)
    envelope = _envelope(parcel, data, sidecar, limits)
    address = archive.keep(envelope, content_key, parcel.name, data, sidecar)
    return _Arrival(parcel, envelope, content_key, sha256, len(data), address, envelope.faults)


def _receive_oversized(
    source: ParcelSource, archive: Archive, parcel: Listed, sidecar: bytes | None, max_file_bytes: int
) -> _Arrival:
    """Keep a file that is too big to read, without holding it; only its sidecar is looked at."""
    with source.open(parcel.data_path) as stream:
        spooled, sha256, size = archive.spool(stream)
    envelope = from_sidecar(sidecar) if sidecar is not None else Envelope()
    fault = Fault(
        "ENV-S01",
        f"文件 {size} 字节,超过上限 {max_file_bytes} 字节,未读取;请拆分或改用 CSV",
        value=str(size),
        expected=f"<= {max_file_bytes}",
    )
    content_key = _content_key(sha256, sidecar)
    address = archive.keep_spooled(envelope, content_key, parcel.name, spooled, sidecar)
    return _Arrival(parcel, envelope, content_key, sha256, size, address, (fault, *envelope.faults))


def _content_key(sha256: str, sidecar: bytes | None) -> str:
    """Identity of a parcel: the data's digest with the envelope that came along."""
    return hashlib.sha256(sha256.encode() + b"|" + (sidecar or b"")).hexdigest()


def _envelope(parcel: Listed, data: bytes, sidecar: bytes | None, limits: XlsxLimits) -> Envelope:
    if sidecar is not None:
        return from_sidecar(sidecar)
    cover = None
    if PurePosixPath(parcel.name).suffix.lower() in (".xlsx", ".xlsm", ".xls") or data[:4] == b"PK\x03\x04":
        cover = from_cover(data, limits)
    if cover is not None:
        return cover
    return Envelope(
        faults=(
            Fault(
                "ENV-S01",
                "没有信封:既没有同名 .json 文件,第一个工作表也不是“封面”,无法识别报表、报告期和报送机构",
                value=PurePosixPath(parcel.name).name[:120],
            ),
        )
    )


def _enter(con: duckdb.DuckDBPyConnection, url: str, arrivals: list[_Arrival], judge: JudgeEnvelope) -> int:
    """Write a chunk to the ledger; returns how many parcels have content not received before."""
    known = _among(con, "content_key", [arrival.content_key for arrival in arrivals])
    fresh = []
    for arrival in arrivals:
        if arrival.content_key not in known:
            known.add(arrival.content_key)
            fresh.append(arrival)
    taken = _among(con, "submission_id", [_submission_id(arrival) for arrival in fresh])
    numbers = _numbers(con, "ledger.submission_no", len(fresh))
    event_numbers = _numbers(con, "ledger.event_no", len(fresh))
    parcels: list[tuple[object, ...]] = []
    totals: list[tuple[object, ...]] = []
    findings: list[tuple[object, ...]] = []
    events: list[tuple[object, ...]] = []
    now = datetime.now(tz=_BUREAU_TIME).replace(tzinfo=None)
    for arrival, number, event_no in zip(fresh, numbers, event_numbers, strict=True):
        envelope = arrival.envelope
        faults = list(arrival.faults)
        submission_id = _submission_id(arrival)
        if submission_id in taken:
            faults.append(
                Fault(
                    "ENV-S06",
                    f"报送编号 {submission_id} 已被另一份内容不同的文件使用,请换用新的报送编号和序号",
                    value=submission_id,
                )
            )
            submission_id = f"{submission_id}~{arrival.content_key[:8]}"
        taken.add(submission_id)
        start, end = _bounds(envelope.period)
        if envelope.signed_at is not None and envelope.signed_at > now + _CLOCK_TOLERANCE:
            faults.append(
                Fault(
                    "ENV-S01", "签发时间在将来", value=str(envelope.signed_at), expected=f"<= {now:%Y-%m-%d}"
                )
            )
        if not faults:
            faults.extend(judge(envelope))
        parcels.append(
            (
                number,
                arrival.content_key,
                submission_id,
                envelope.form,
                envelope.version,
                envelope.reporter,
                envelope.period,
                start,
                end,
                envelope.kind,
                envelope.sequence_no,
                envelope.supersedes,
                envelope.reason_code,
                envelope.state,
                envelope.row_count,
                envelope.encoding,
                envelope.sha256,
                envelope.signed_at,
                envelope.on_cover,
                *map(person_key, envelope.signers),
                arrival.sha256,
                arrival.byte_size,
                arrival.listed.name,
                arrival.address,
            )
        )
        totals.extend((number, name, declared, None) for name, declared in envelope.control_totals.items())
        events.append((event_no, number, "receive", envelope.signed_at, arrival.listed.name, None, now))
        findings.extend(
            (number, f.rule_code, "pull", f.row_no, f.column_name, f.value, f.expected, f.detail)
            for f in faults
        )
    insert_rows(con, f"ledger.parcel ({_PARCEL})", parcels)
    insert_rows(con, "ledger.control_total", totals)
    insert_rows(con, "ledger.event", events)
    insert_rows(con, "ledger.finding", findings)
    con.execute("CREATE OR REPLACE TEMP TABLE sighted AS SELECT * FROM ledger.sighting LIMIT 0")
    insert_rows(con, "sighted", [(url, a.listed.name, a.listed.stamp, a.content_key) for a in arrivals])
    con.execute("INSERT OR REPLACE INTO ledger.sighting SELECT * FROM sighted")
    con.execute("DROP TABLE sighted")
    return len(parcels)


def _submission_id(arrival: _Arrival) -> str:
    return arrival.envelope.submission_id or f"UNREAD-{arrival.sha256[:12]}"


def _among(con: duckdb.DuckDBPyConnection, column: str, values: list[str]) -> set[str]:
    """Those of some values that the ledger's parcels have."""
    rows = con.execute(
        f"SELECT {column} FROM ledger.parcel WHERE {column} IN (SELECT unnest(?::VARCHAR[]))", [values]
    ).fetchall()
    return {value for (value,) in rows}


def _numbers(con: duckdb.DuckDBPyConnection, sequence: str, count: int) -> list[int]:
    """The next numbers of a sequence, in order."""
    rows = con.execute(f"SELECT nextval('{sequence}') FROM range(?)", [count]).fetchall()
    return sorted(number for (number,) in rows)


def _bounds(label: str | None) -> tuple[object, object]:
    if label is None:
        return None, None
    try:
        period = Period.parse(label)
    except PeriodError:
        return None, None
    return period.start, period.end


def _chunks(parcels: Iterator[Listed]) -> Iterator[list[Listed]]:
    while chunk := list(islice(parcels, _CHUNK)):
        yield chunk
