"""The desk of an analyst who onboards another authority's publication: an overlaid project and its parcels.

Put here: how the files of `docs/examples/foreign` are laid over the project's own, as docs/add-a-form.md tells it, and
how a published file gets its envelope. Do not put here: what the figures say (the test modules).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.settings import Settings
from tests.support.desk import Desk

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "foreign"
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
    path = inbox / f"{envelope['submission_id']}.{suffix}"
    path.write_bytes(data)
    path.with_name(path.name + ".json").write_text(json.dumps(envelope, ensure_ascii=False), encoding="utf-8")
    return str(envelope["submission_id"])


class Analyst(Desk):
    """A desk whose project holds the example's forms; its bureau has an institution master and nothing else."""

    def __init__(self, folder: Path) -> None:
        self.project = overlaid_project(folder / "project")
        super().__init__(
            Settings(
                home=folder / "home", lock_wait_seconds=1, threads=2, memory_limit="1GiB",
                as_of=datetime(2026, 6, 1), project=self.project,
            )
        )  # fmt: skip
        self.register()

    def publish(self, data: bytes, rows: int, form: str, **fields: Any) -> str:
        """Put a publication into the inbox with its envelope."""
        reporter = "USNYDFS0000000" if form.startswith("NY") else "UKFCA000000000"
        suffix = "xlsx" if data.startswith(b"PK") else "csv"
        return parcel(self.inbox, data, form=form, reporter=reporter, rows=rows, suffix=suffix, **fields)

    def told(self, submission_id: str) -> list[tuple[str, int | None, str | None, str | None]]:
        """Findings of the forms' own rules and of GEN-I01, GEN-U01: rule, row, column, value."""
        found = self.ask(
            "SELECT rule_code, row_no, column_name, value FROM filing.findings "
            "WHERE submission_id = ? AND rule_code NOT IN ('GEN-I05', 'GEN-P03') ORDER BY ALL",
            submission_id,
        )
        return [tuple(line.values()) for line in found]  # type: ignore[misc]

    def build_models(self) -> None:
        """`dbt build` of the example's models on what was accepted."""
        work = self.settings.home / "models"
        done = subprocess.run(
            [
                sys.executable, "-m", "dbt.cli.main", "--no-use-colors", "build", "--select", "path:models/foreign",
                "--project-dir", ".", "--profiles-dir", ".",
                "--target-path", str(work / "target"), "--log-path", str(work / "logs"),
            ],
            cwd=self.project / "dbt_project", capture_output=True, text=True, check=False,
            env={**os.environ, "XIAOBAO_WAREHOUSE": str(self.settings.build_database)},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


@contextmanager
def analyst(folder: Path) -> Iterator[Analyst]:
    """An analyst's desk while the environment names its project, as an operator's shell would."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("XIAOBAO_PROJECT", str(folder / "project"))
        environment.setenv("XIAOBAO_HOME", str(folder / "home"))
        yield Analyst(folder)
