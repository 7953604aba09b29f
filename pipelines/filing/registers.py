"""Registers kept at the command line: waivers (R04), explanations (F14) and appeals (R02) become filings.

Belongs here: making a filing of one entry - its number and what it corrects, signed by three persons, whole on disk or
not there. It comes in with the next run like every other filing, is judged by its contract and leaves a receipt.
Does not belong here: whether an entry is right (the contracts' rules), what it changes (`excuses`, F01-X02).

One register is one form, period and reporter. The number that follows is read from the folder and from the release, so
entries made before the next run follow each other; of two made at one moment the second finds its place taken and
takes the next. The folder is a source like an inbox: names stand in it in clear, only its owner can read it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pipelines.contracts.model import Form
from pipelines.intake.persons import person_key
from pipelines.intake.sources import SIDECAR_SUFFIX

_REASON = "登记簿录入"
_DATA = "register.csv"
#: Entries made at the same moment that one may have to step behind.
_ATTEMPTS = 50


class RegisterEntryError(RuntimeError):
    """The entry cannot be made as asked; the message says what would do."""


@dataclass(frozen=True, slots=True)
class Signers:
    """Who signs a register filing: three different persons (ENV-S07).

    Raises `RegisterEntryError` when two of them are one.
    """

    prepared_by: str
    reviewed_by: str
    approved_by: str

    def __post_init__(self) -> None:
        """Compare by keys, so that another spelling makes no other person."""
        keys = {person_key(name) for name in (self.prepared_by, self.reviewed_by, self.approved_by)}
        if None in keys or len(keys) < 3:  # noqa: PLR2004 - prepared, reviewed, approved
            raise RegisterEntryError(
                "填报人、复核人、批准人须为三个不同的人: --prepared-by, --reviewed-by and --approved-by must "
                "name three different persons. Have the entry reviewed and approved by others, then make it again."
            )


@dataclass(frozen=True, slots=True)
class Version:
    """A filing of a register: its number, and whether it stands: it is in force, or waits to be judged."""

    submission_id: str
    sequence_no: int
    stands: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """A register filing in the folder: what its envelope says, and its rows as filed (column name -> text)."""

    version: Version
    form: str
    period: str
    reporter: str
    rows: tuple[Mapping[str, str], ...]


@dataclass(frozen=True, slots=True)
class Entered:
    """The filing an entry became."""

    submission_id: str
    kind: str
    entry_id: str | None
    path: Path


def enter(
    folder: Path,
    form: Form,
    row: Mapping[str, str],
    *,
    signers: Signers,
    signed_at: datetime,
    released: Sequence[Version],
    own_id: str | None = None,
) -> Entered:
    """File one row: as the register's first filing, or as a correction of the one in force.

    Args:
        folder: where register filings are kept; made if missing.
        form: the register's form.
        row: texts by column name; period and reporter_code name the register. An empty id (the last key column) is
            given the number of the filing. A row with nothing but period and reporter_code makes a nil report.
        signers: who signs.
        signed_at: the signature, the bureau's clock.
        released: filings of this register that the release knows.
        own_id: prefix of an id that is to be given, such as HM.

    Raises:
        RegisterEntryError: a nil report for a register that has filings.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    period, reporter = row["period"], row["reporter_code"]
    is_nil = set(row) == {"period", "reporter_code"}
    for _ in range(_ATTEMPTS):
        versions = _versions(folder, form, period, reporter, released)
        number = max((version.sequence_no for version in versions), default=0) + 1
        if is_nil and versions:
            raise RegisterEntryError(
                f"{form.code} of {period} has filings already ({versions[-1].submission_id}), so it is not nil."
            )
        submission_id = f"REG-{form.code}-{period}-{reporter}-{number:03d}"
        envelope: dict[str, object] = {
            "submission_id": submission_id,
            "form": form.code,
            "version": form.version,
            "reporter": reporter,
            "period": period,
            "sequence_no": number,
            **_place(versions, is_nil=is_nil),
            "state": "SUBMITTED",
            "row_count": 0 if is_nil else 1,
            "control_totals": {},
            "encoding": "utf-8",
            "prepared_by": signers.prepared_by,
            "reviewed_by": signers.reviewed_by,
            "approved_by": signers.approved_by,
            "signed_at": signed_at.isoformat(timespec="seconds"),
        }
        entry_id = f"{own_id}-{period}-{number:03d}" if own_id else row.get(form.key[-1])
        data = _csv(form, [] if is_nil else [{**row, form.key[-1]: entry_id or ""}])
        path = folder / submission_id
        if _put(path, data, envelope | {"sha256": hashlib.sha256(data).hexdigest()}):
            return Entered(submission_id, str(envelope["kind"]), entry_id, path)
    raise RegisterEntryError(
        f"{_ATTEMPTS} other entries of {form.code} {period} were made at the same moment; make this one again."
    )


def waiting(folder: Path, form: Form) -> Iterator[Waiting]:
    """Filings of a register form in the folder, in order of period and number."""
    found = []
    for path in sorted(folder.glob(f"REG-{form.code}-*/{_DATA}")):
        envelope = json.loads(path.with_name(_DATA + SIDECAR_SUFFIX).read_text(encoding="utf-8"))
        header, *lines = csv.reader(io.StringIO(path.read_bytes().decode(), newline=""))
        names = [form.header_map()[title] for title in header]
        found.append(
            Waiting(
                Version(envelope["submission_id"], envelope["sequence_no"], stands=True),
                form.code,
                envelope["period"],
                envelope["reporter"],
                tuple(dict(zip(names, line, strict=True)) for line in lines),
            )
        )
    yield from sorted(found, key=lambda filing: (filing.period, filing.reporter, filing.version.sequence_no))


def _versions(
    folder: Path, form: Form, period: str, reporter: str, released: Sequence[Version]
) -> list[Version]:
    """Filings of one register in order of number: those of the release, then those that wait for the next run."""
    known = {version.submission_id for version in released}
    return sorted(
        (
            *released,
            *(
                filing.version
                for filing in waiting(folder, form)
                if (filing.period, filing.reporter) == (period, reporter)
                and filing.version.submission_id not in known
            ),
        ),
        key=lambda version: version.sequence_no,
    )


def _place(versions: Sequence[Version], *, is_nil: bool) -> dict[str, str | None]:
    """Kind, supersedes and reason_code of what follows: a correction of what stands, else a filing in full."""
    if not versions:
        return {"kind": "NIL" if is_nil else "ORIGINAL", "supersedes": None, "reason_code": None}
    standing = [version for version in versions if version.stands]
    return {
        "kind": "CORRECTION" if standing else "RESUBMIT",
        "supersedes": (standing or versions)[-1].submission_id,
        "reason_code": _REASON,
    }


def _csv(form: Form, rows: Sequence[Mapping[str, str]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)  # a lone \r would not be quoted else
    writer.writerow(column.title_zh for column in form.columns)
    writer.writerows([row.get(column.name, "") for column in form.columns] for row in rows)
    return out.getvalue().encode()


def _put(path: Path, data: bytes, envelope: Mapping[str, object]) -> bool:
    """Let the filing appear as a whole under its name; False when another one has that name."""
    part = Path(tempfile.mkdtemp(prefix=".registers-", dir=path.parent.parent))
    try:
        sidecar = json.dumps(envelope, ensure_ascii=False, indent=1).encode()
        for name, content in ((_DATA, data), (_DATA + SIDECAR_SUFFIX, sidecar)):
            with (part / name).open("xb") as stream:
                stream.write(content)
                os.fsync(stream.fileno())
        try:
            os.rename(part, path)  # noqa: PTH104 - Path.replace may overwrite; a folder with files is never overwritten
        except OSError:
            if path.is_dir():
                return False
            raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return True
