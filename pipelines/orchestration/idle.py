"""Idle: whether a refresh would find exactly what the last complete one found.

Dagster, dbt and the contracts take seconds to load; a refresh with nothing to do should not. After a refresh
that ended well, a digest over everything it depended on is kept: the inbox (names and stamps), the settings
that change results, the project's inputs and the program. Put here: that comparison. Do not put here:
deciding what is new among the files (intake does, by content) or whether a release differs (publication
does). This module imports no dagster.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from pipelines.orchestration.summaries import ReleaseSummary
from pipelines.settings import Settings

_PROGRAM = Path(__file__).resolve().parents[1]
_INPUTS = ("expectations", "dbt_project", "data")
_DROPPINGS = {"target", "logs", "dbt_packages", "__pycache__", "_project"}
_DECIDING_SETTINGS = (
    "inbox",
    "outbox",
    "as_of",
    "small_base",
    "max_file_bytes",
    "max_unzipped_bytes",
    "max_cells",
    "delivery",
    "recipients",
    "smtp_host",
    "smtp_port",
    "smtp_tls",
    "mail_from",
)


def inbox_digest(url: str) -> tuple[str, int]:
    """Digest over the inbox's files (name and stamp of each), and their number.

    Raises:
        SourceUnavailableError: the inbox cannot be listed.
    """
    from pipelines.intake.sources import Source

    digest, count = hashlib.sha256(), 0
    for parcel in Source(url).parcels():
        digest.update(f"{parcel.name}\0{parcel.stamp}\n".encode())
        count += 1
    return digest.hexdigest(), count


def waiting_digest(settings: Settings) -> tuple[str, int]:
    """Digest over the inbox and the register filings made on the command line, and the number of files.

    Raises:
        SourceUnavailableError: the inbox cannot be listed.
    """
    digest, count = inbox_digest(settings.inbox)
    if not settings.registers_dir.is_dir():
        return digest, count
    registers, more = inbox_digest(settings.registers_dir.as_uri())
    return hashlib.sha256(f"{digest} {registers}".encode()).hexdigest(), count + more


def present_state(settings: Settings) -> str:
    """Digest of everything a refresh depends on, as it is now; take it before the refresh begins."""
    digest = hashlib.sha256(waiting_digest(settings)[0].encode())
    digest.update(repr([(name, getattr(settings, name)) for name in _DECIDING_SETTINGS]).encode())
    if settings.recipients and settings.recipients.is_file():
        digest.update(hashlib.sha256(settings.recipients.read_bytes()).digest())
    digest.update(definition_state(settings).encode())
    return digest.hexdigest()


def definition_state(settings: Settings) -> str:
    """Digest of what defines figures beside the filings: program, models, contracts, committed inputs."""
    digest = hashlib.sha256(str(settings.small_base).encode())
    for folder in (_PROGRAM, *(settings.project_dir / name for name in _INPUTS)):
        for path in sorted(folder.rglob("*")):
            parts = path.relative_to(folder).parts
            if path.is_file() and not _DROPPINGS.intersection(parts):
                digest.update("/".join(parts).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def release_if_idle(settings: Settings, state: str) -> ReleaseSummary | None:
    """The release in force if the last complete refresh saw this state, else None."""
    marker = _marker(settings)
    folder = settings.current_release.resolve()
    if not (marker.is_file() and settings.build_database.is_file() and folder.name.startswith("v")):
        return None
    if marker.read_text(encoding="utf-8").strip() != f"{state} {folder.name}":
        return None
    return ReleaseSummary(int(folder.name[1:]), folder, created=False, reason="nothing has changed since")


def remember(settings: Settings, state: str) -> None:
    """A refresh that began in this state is complete."""
    marker = _marker(settings)
    part = marker.with_name(f".{marker.name}.{os.getpid()}")
    part.write_text(f"{state} {settings.current_release.resolve().name}\n", encoding="utf-8")
    part.replace(marker)


def forget(settings: Settings) -> None:
    """A refresh begins: until it is complete nothing is certain."""
    _marker(settings).unlink(missing_ok=True)


def _marker(settings: Settings) -> Path:
    return settings.home / "refreshed"
