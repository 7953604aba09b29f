"""Files as they are handed in for a check: where they lie, whether an envelope came along, and what they are if not.

Belongs here: pairing of data files and sidecars outside an inbox, a source and an archive that read them where they
lie (nothing is copied, nothing is written), and recognising form, period and reporter from the cells of a file that
has no envelope. Does not belong here: judging any of it (`filing.self_check`).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import polars as pl

from pipelines.contracts.errors import PeriodError
from pipelines.contracts.model import Catalogue, Form
from pipelines.contracts.periods import Period
from pipelines.intake.archive import Archive
from pipelines.intake.envelope import Envelope, from_cover, from_sidecar
from pipelines.intake.faults import Fault
from pipelines.intake.grid import locate_header, map_headers
from pipelines.intake.normalise import normalise
from pipelines.intake.reading import first_rows, is_container, read_parcel
from pipelines.intake.sources import SIDECAR_SUFFIX, Listed, Source
from pipelines.intake.xlsx_reader import XlsxLimits

#: What is taken for a filing in a folder; a file named by itself is taken whatever its name.
DATA_SUFFIXES = (".csv", ".txt", ".xlsx", ".xlsm", ".xls")


class UnrecognisedError(Exception):
    """A file without envelope that does not say what it is; the message says what to tell."""


@dataclass(frozen=True, slots=True)
class Handed:
    """A data file and the sidecar beside it, if there is one."""

    path: Path
    sidecar: Path | None

    @property
    def name(self) -> str:
        """The file as it was named."""
        return str(self.path)


@dataclass(frozen=True, slots=True)
class Told:
    """What the person who asks says about files without an envelope."""

    form: str | None = None
    period: str | None = None
    reporter: str | None = None


def gather(paths: Iterable[Path]) -> list[Handed]:
    """Files and folders as data files with their sidecars, each once, in order; sidecars are no files of their own.

    A folder gives what an inbox would see in it, as far as the names are those of data files.
    """
    found: dict[Path, Handed] = {}
    for path in paths:
        for data, sidecar in _in_folder(path) if path.is_dir() else [_alone(path)]:
            found.setdefault(data.resolve(), Handed(data, sidecar))
    return list(found.values())


def _in_folder(folder: Path) -> Iterator[tuple[Path, Path | None]]:
    for parcel in Source(folder.resolve().as_uri()).parcels():
        path = folder / parcel.name
        if parcel.sidecar_path or path.suffix.lower() in DATA_SUFFIXES:
            yield path, _beside(path)


def _alone(path: Path) -> tuple[Path, Path | None]:
    data = path.with_suffix("")
    if path.suffix == SIDECAR_SUFFIX and data.is_file():
        return data, path
    return path, _beside(path)


def _beside(path: Path) -> Path | None:
    sidecar = path.with_name(path.name + SIDECAR_SUFFIX)
    return sidecar if sidecar.is_file() else None


class HandedSource:
    """Handed files as a source to pull from; `sidecars` stand in for, or in place of, those that lie beside them."""

    def __init__(self, files: Sequence[Handed], sidecars: Mapping[str, bytes]) -> None:
        """Nothing is read yet."""
        self.url = "handed:"
        self._files = files
        self._sidecars = {name + SIDECAR_SUFFIX: body for name, body in sidecars.items()}

    @property
    def is_local(self) -> bool:
        """They lie on a disk of this machine."""
        return True

    def parcels(self) -> Iterator[Listed]:
        """Each file as a parcel, in order."""
        for file in self._files:
            sidecar = file.name + SIDECAR_SUFFIX
            there = sidecar in self._sidecars or file.sidecar is not None
            size = file.path.stat().st_size
            yield Listed(file.name, file.name, sidecar if there else None, size, str(size))

    def open(self, path: str) -> IO[bytes]:
        """A file as a stream."""
        return Path(path).open("rb")

    def fetch(self, path: str) -> bytes:
        """The bytes of a file or of a sidecar."""
        return self._sidecars[path] if path in self._sidecars else Path(path).read_bytes()


class InPlace(Archive):
    """Stands for the archive where files are looked at as they lie: an address is the file's own path."""

    def __init__(self) -> None:
        """There is no folder."""
        super().__init__(Path())

    def keep(
        self,
        envelope: Envelope,  # noqa: ARG002 - as the archive has it
        content_key: str,  # noqa: ARG002
        name: str,
        data: bytes,  # noqa: ARG002
        sidecar: bytes | None,  # noqa: ARG002
    ) -> str:
        """The file stays where it is."""
        return name

    def spool(self, stream: IO[bytes]) -> tuple[Path, str, int]:
        """Digest and size of a stream of any size; nothing is copied."""
        digest = hashlib.file_digest(stream, "sha256")  # type: ignore[arg-type] # an open file
        return Path(), digest.hexdigest(), stream.tell()

    def keep_spooled(
        self,
        envelope: Envelope,  # noqa: ARG002
        content_key: str,  # noqa: ARG002
        name: str,
        spooled: Path,  # noqa: ARG002
        sidecar: bytes | None,  # noqa: ARG002
    ) -> str:
        """The file stays where it is."""
        return name

    def flush(self) -> None:
        """Nothing was written."""

    def data(self, address: str) -> bytes:
        """The bytes of a handed file."""
        return Path(address).read_bytes()


def declared(file: Handed, limits: XlsxLimits, max_bytes: int) -> Envelope | None:
    """The envelope that came with a file, from its sidecar or its cover; None if there is none."""
    if file.sidecar is not None:
        return from_sidecar(file.sidecar.read_bytes())
    if file.path.stat().st_size > max_bytes:
        return None
    data = file.path.read_bytes()
    return from_cover(data, limits) if is_container(data) else None


def stand_in(
    file: Handed,
    envelope: Envelope | None,
    told: Told,
    catalogue: Catalogue,
    limits: XlsxLimits,
    now: dt.datetime,
) -> Envelope | Fault:
    """An envelope in order for a file that has none, or whose own is not in order.

    Form, period and reporter are what the envelope says where it can be used, else what was told, else what header and
    rows say; the rows are counted; everything else is filled so that nothing but the file itself is judged. The fault
    is that of a file which cannot be read at all.

    Raises:
        UnrecognisedError: form, period or reporter remain unknown.
    """
    own = envelope or Envelope()
    data = file.path.read_bytes()
    top = first_rows(data, own.encoding, limits)
    if isinstance(top, Fault):
        if envelope is not None or not (told.form and told.period and told.reporter):
            return top
        top = []  # what it is has been told, so the reader may say what is wrong with it
    form = _form(file, top, own.form if own.form in catalogue.forms else told.form, catalogue)
    known = _usable(own.period) or _usable(told.period)
    grid = read_parcel(
        form,
        data,
        declared_encoding=own.encoding,
        on_cover=False,
        limits=limits,
        period_end=dt.date.max if known is None else Period.parse(known).end,
    )
    rows = grid.text(form)
    said = {} if rows is None else _said(form, pl.DataFrame(pl.from_arrow(rows)))
    period = known or said.get("period")
    reporter = own.reporter or told.reporter or said.get("reporter_code")
    if period is None or reporter is None:
        lacking = [
            option for option, value in (("--period", period), ("--reporter", reporter)) if value is None
        ]
        raise UnrecognisedError(
            f"{file.name} ({form.code} {form.title_zh}) has no envelope and its rows do not say what it is for; "
            f"needed: {' and '.join(lacking)}"
        )
    return Envelope(
        submission_id=own.submission_id or f"{form.code}-{period}-{reporter}-CHECK",
        form=form.code,
        version=form.version,
        reporter=reporter,
        period=period,
        kind=own.kind
        if grid.rows_read and own.kind not in ("NIL", "WITHDRAW", None)
        else _kind(grid.rows_read),
        sequence_no=own.sequence_no or 1,
        supersedes=own.supersedes,
        reason_code=own.reason_code,
        state="SUBMITTED",
        row_count=grid.rows_read,
        encoding=own.encoding,
        signers=("填报", "复核", "批准"),
        signed_at=own.signed_at if own.signed_at and own.signed_at <= now else now,
    )


def as_sidecar(envelope: Envelope) -> bytes:
    """An envelope as the JSON that `from_sidecar` reads."""
    prepared_by, reviewed_by, approved_by = envelope.signers
    fields = {
        "submission_id": envelope.submission_id,
        "form": envelope.form,
        "version": envelope.version,
        "reporter": envelope.reporter,
        "period": envelope.period,
        "kind": envelope.kind,
        "sequence_no": envelope.sequence_no,
        "supersedes": envelope.supersedes,
        "reason_code": envelope.reason_code,
        "state": envelope.state,
        "row_count": envelope.row_count,
        "sha256": envelope.sha256,
        "encoding": envelope.encoding,
        "prepared_by": prepared_by,
        "reviewed_by": reviewed_by,
        "approved_by": approved_by,
        "signed_at": envelope.signed_at.isoformat() if envelope.signed_at else None,
        "control_totals": dict(envelope.control_totals),
    }
    return json.dumps(fields, ensure_ascii=False).encode()


def _form(file: Handed, top: Sequence[Sequence[str | None]], code: str | None, catalogue: Catalogue) -> Form:
    """The form named, else the only one whose headers the file has, all of them and no other."""
    if code is not None:
        return catalogue.forms[code]
    fitting, near = [], []
    for form in catalogue.forms.values():
        index = locate_header(form, top)
        if index is None:
            continue
        headers, faults = map_headers(form, index + 1, top[index])
        near.append((len(faults), -len(headers), form.code, faults))
        if not faults:
            fitting.append(form)
    if len(fitting) == 1:
        return fitting[0]
    if near and not fitting:
        _, _, nearest, faults = min(near, key=lambda found: found[:3])
        raise UnrecognisedError(
            f"{file.name} has no envelope and its headers fit no form; nearest is {nearest}: {faults[0].detail}"
            f"{f' (and {len(faults) - 1} more)' if len(faults) > 1 else ''}. Needed: --form"
        )
    known = ", ".join(form.code for form in fitting or catalogue.forms.values())
    raise UnrecognisedError(
        f"{file.name} has no envelope and its headers do not tell the form; needed: --form, one of {known}"
    )


def _said(form: Form, frame: pl.DataFrame) -> dict[str, str]:
    """What most rows say of period and reporter, put right as every filing is."""
    repaired, _ = normalise(form, frame.with_columns(pl.lit(0, pl.UInt32).alias("submission_no")))
    said: dict[str, str] = {}
    for name in ("period", "reporter_code"):
        values = repaired[name].drop_nulls().value_counts(sort=True)
        texts = [text for text in values[name].to_list() if name != "period" or _usable(text)]
        if texts:
            said[name] = texts[0]
    return said


def _usable(period: str | None) -> str | None:
    try:
        return Period.parse(period or "").label
    except PeriodError:
        return None


def _kind(rows: int) -> str:
    return "ORIGINAL" if rows else "NIL"
