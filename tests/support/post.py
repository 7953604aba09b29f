"""The post between insurers and the bureau: files of a finished inbox arrive late, out of order and again.

Put here: how parcels (a data file with its sidecar) are taken from one folder and delivered into another. Do not put
here: what the files hold (samples) or what the pipeline makes of them.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Parcel:
    """A data file and its sidecar, if it has one; both paths relative to the inbox."""

    data: Path
    sidecar: Path | None


def parcels(inbox: Path) -> list[Parcel]:
    """All parcels of an inbox, by name."""
    found = []
    for path in sorted(inbox.rglob("*")):
        if path.is_dir() or (path.suffix == ".json" and path.with_suffix("").exists()):
            continue
        beside = path.with_name(path.name + ".json")
        found.append(Parcel(path.relative_to(inbox), beside.relative_to(inbox) if beside.exists() else None))
    return found


def first_register(inbox: Path, found: Sequence[Parcel]) -> Parcel:
    """The institution master's first filing, without which nobody can be judged."""
    for parcel in found:
        if parcel.sidecar is not None:
            envelope = json.loads((inbox / parcel.sidecar).read_text(encoding="utf-8"))
            if (envelope.get("form"), envelope.get("sequence_no")) == ("R03", 1):
                return parcel
    raise LookupError(f"{inbox} holds no first filing of the institution master (R03)")


def deliver(source: Path, target: Path, sent: Sequence[Parcel]) -> None:
    """Let parcels appear in the target: each file whole, the sidecar first."""
    for parcel in sent:
        for path in (parcel.sidecar, parcel.data):
            if path is not None:
                (target / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / path, target / path)


def touch_some(target: Path, arrived: Sequence[Parcel], count: int, shuffler: random.Random) -> None:
    """Make some delivered files look new although their bytes are the same."""
    for parcel in shuffler.sample(list(arrived), min(count, len(arrived))):
        path = target / parcel.data
        then = path.stat().st_mtime + 60
        os.utime(path, (then, then))
