"""The desk of an analyst who onboards another authority's publication: an overlaid project and its parcels.

Put here: how the files of `examples/foreign` are laid over the project's own, as docs/add-a-form.md tells it, and how a
published file gets its envelope. Do not put here: what the figures say (the test modules).
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "foreign"
#: Publications of other authorities as they are; test input only, never committed.
REAL_DATA = ROOT.parent / "shared" / "realdata"


def overlaid_project(folder: Path) -> Path:
    """The project's three input folders with the example's files added; nothing is changed or left out."""
    for name in ("expectations", "dbt_project", "data"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("target", "logs"))
    for path in EXAMPLE.rglob("*"):
        target = folder / path.relative_to(EXAMPLE)
        assert path.is_dir() or not target.exists(), f"{path} would replace a file of the project"
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True)
    return folder


def real_file(*parts: str) -> Path:
    """A published file at hand; the test is skipped where it is not."""
    path = REAL_DATA.joinpath(*parts)
    if not path.is_file():
        pytest.skip(f"the published file {'/'.join(parts)} is not at hand (../shared/realdata)")
    return path


def parcel(
    inbox: Path,
    data: bytes,
    *,
    form: str,
    reporter: str,
    period: str,
    rows: int,
    signed_at: str,
    suffix: str,
    sequence: int = 1,
    **fields: Any,
) -> str:
    """Write a data file as it was published and the envelope beside it; returns the submission id."""
    submission_id = f"{form}-{period}-{sequence:03d}"
    envelope = {
        "submission_id": submission_id,
        "form": form,
        "version": "1.0.0",
        "reporter": reporter,
        "period": period,
        "kind": "RESUBMIT" if sequence > 1 else "ORIGINAL",
        "sequence_no": sequence,
        "supersedes": f"{form}-{period}-{sequence - 1:03d}" if sequence > 1 else None,
        "reason_code": "新版本" if sequence > 1 else None,
        "state": "SUBMITTED",
        "row_count": rows,
        "control_totals": {},
        "sha256": hashlib.sha256(data).hexdigest(),
        "prepared_by": "填报01",
        "reviewed_by": "复核02",
        "approved_by": "批准03",
        "signed_at": signed_at,
    } | fields
    path = inbox / f"{submission_id}.{suffix}"
    path.write_bytes(data)
    path.with_name(path.name + ".json").write_text(json.dumps(envelope, ensure_ascii=False), encoding="utf-8")
    return submission_id
