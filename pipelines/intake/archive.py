"""The archive: everything received is kept before it is read, unchanged, rejects included.

Belongs here: where bytes lie and how they get there (write, then rename). The address is
`<form>/<period>/<reporter>/<sequence>-<sha256[:16]>/` from what the envelope claims, or `unidentified/<sha256[:16]>/`.
Does not belong here: what is in a file.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pipelines.intake.envelope import Envelope

_BLOCK_BYTES = 1 << 20
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_SUFFIXES = (".csv", ".xlsx", ".xls", ".json", ".txt")


@dataclass(frozen=True, slots=True)
class Archive:
    """The folder of everything received; files in it are written once."""

    root: Path

    def keep(
        self, envelope: Envelope, content_key: str, name: str, data: bytes, sidecar: bytes | None
    ) -> str:
        """Store a parcel and return its address relative to the root; storing the same parcel again is a no-op."""
        address = self._address(envelope, content_key)
        folder = self.root / address
        folder.mkdir(parents=True, exist_ok=True)
        suffix = Path(name).suffix.lower()
        self._write_once(folder / f"data{suffix if suffix in _SUFFIXES else '.bin'}", data)
        if sidecar is not None:
            self._write_once(folder / "envelope.json", sidecar)
        return address

    def spool(self, stream: IO[bytes]) -> tuple[Path, str, int]:
        """Copy a stream of any size into the archive's waiting room; returns the file, its sha256 and its bytes."""
        room = self.root / ".spool"
        room.mkdir(parents=True, exist_ok=True)
        digest, size = hashlib.sha256(), 0
        with tempfile.NamedTemporaryFile(dir=room, delete=False) as copy:
            while block := stream.read(_BLOCK_BYTES):
                digest.update(block)
                size += len(block)
                copy.write(block)
        return Path(copy.name), digest.hexdigest(), size

    def keep_spooled(
        self, envelope: Envelope, content_key: str, name: str, spooled: Path, sidecar: bytes | None
    ) -> str:
        """Move a spooled file to its address, beside its envelope."""
        address = self.keep(envelope, content_key, name, b"", sidecar)
        suffix = Path(name).suffix.lower()
        target = self.root / address / f"data{suffix if suffix in _SUFFIXES else '.bin'}"
        os.replace(spooled, target)  # noqa: PTH105 - over the empty place holder
        target.chmod(0o440)
        return address

    def flush(self) -> None:
        """Settle written files to the disk, once for many files, before the ledger says they are kept."""
        os.sync()

    def data(self, address: str) -> bytes:
        """The data file of a stored parcel."""
        folder = self.root / address
        path = next(iter(sorted(folder.glob("data.*"))), None)
        if path is None:
            raise FileNotFoundError(
                f"the archive holds no data file under {folder}, though the ledger says so: "
                "restore the archive from backup, or empty the build folder and pull again"
            )
        return path.read_bytes()

    @staticmethod
    def _address(envelope: Envelope, content_key: str) -> str:
        if envelope.form and envelope.period and envelope.reporter:
            parts = [
                _UNSAFE.sub("_", part)[:40] for part in (envelope.form, envelope.period, envelope.reporter)
            ]
            if not any(set(part) <= {"."} for part in parts):
                return "/".join([*parts, f"{envelope.sequence_no or 0:03d}-{content_key[:16]}"])
        return f"unidentified/{content_key[:16]}"

    @staticmethod
    def _write_once(path: Path, data: bytes) -> None:
        if path.exists() and path.stat().st_size == len(data):
            return
        # a name of its own, for two threads may be given the same parcel twice; none that `data` would find
        part = path.with_name(f".{path.name}.{threading.current_thread().name}.part")
        with part.open("wb") as stream:
            stream.write(data)
        os.replace(part, path)  # noqa: PTH105 - atomic, also over an existing file
        path.chmod(0o440)
