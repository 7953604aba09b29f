"""Databases of a moment: the whole bureau as known then, or as a release knew it, models and all.

Put here: where these databases lie, when an existing one still answers, and the building of a new one. Do not put here:
what is known at a moment (`filing.moments`), what the models mean. Such a database is a copy of its own under
`moments/`: neither the build database nor a release is written, and all of them may be deleted at any time.

This module imports no dagster until a database has to be built, so that a second question is quick.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from pipelines.filing.moments import Known, attached, copy_known, open_moment
from pipelines.orchestration.idle import definition_state
from pipelines.settings import Settings
from pipelines.warehouse.connection import OFFLINE, WarehouseBusyError, open_readonly, open_warehouse

#: Databases kept; the ones asked for longest ago go first.
KEPT = 12
_DATABASE = "warehouse.duckdb"
_LABEL = "%Y%m%dT%H%M%S"


class UnknownMomentError(Exception):
    """Nothing can be said of the moment; the message tells from when on something was known."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A database of a moment: its folder, the moment, and a remark when it is not of the present build database."""

    folder: Path
    moment: datetime
    remark: str | None = None

    @property
    def database(self) -> Path:
        """The DuckDB file."""
        return self.folder / _DATABASE

    def open(self) -> duckdb.DuckDBPyConnection:
        """Open it for reading.

        Raises:
            WarehouseBusyError: it is the build database, and a run has begun to write it.
        """
        try:
            return open_moment(self.database)
        except duckdb.IOException as error:
            if "lock" not in str(error).lower():
                raise
            raise WarehouseBusyError(
                f"a run has begun to write {self.database}; ask again when it has ended. DuckDB said: {error}"
            ) from error


def as_known_at(settings: Settings, moment: datetime, tell: Callable[[str], None] | None = None) -> Moment:
    """The database of everything signed until a moment; found, or built now.

    It is named by what was known: filings that came later do not make it stale. While a run is at work it is waited
    for, `lock_wait_seconds` in all; then a database of the moment that was built before is used, with a remark.
    Filings that are received and not judged (a run that is between its steps, one that was stopped) are not in the
    figures; the remark counts them.

    Args:
        settings: where and with what.
        moment: knowledge time, bureau's clock.
        tell: hears what is being done when it takes long.

    Raises:
        UnknownMomentError: no institution master was known then.
        WarehouseBusyError: a run is writing, and no database of the moment is there.
        ModelsError: a model failed.
    """
    label = f"{moment:{_LABEL}}"
    patience = _Patience(settings.lock_wait_seconds)
    try:
        _wait_for_run(settings, patience)
        digest = _digest_of(settings, Known(moment), patience)
        found = _found_or_built(settings, f"{label}-{digest}", Known(moment), tell, patience)
    except WarehouseBusyError:
        earlier = _newest(settings, label)
        if earlier is None:
            raise
        return Moment(
            earlier,
            moment,
            "a run is writing; this is the answer from before it began 运行正在写入，此为其开始前的答案",
        )
    return Moment(found.folder, moment, _unjudged(found))


def as_released(settings: Settings, release: Path, tell: Callable[[str], None] | None = None) -> Moment:
    """The database of exactly the filings that a release stated, as of its moment; found, or built now.

    While the build database still is what the release was made of, it is that database itself, and no run can write it
    as long as it is open. Otherwise figures are those of today's models and contracts: where a definition has changed
    since, they differ from the release's, which alone says what was published.

    Raises:
        UnknownMomentError, WarehouseBusyError, ModelsError: as `as_known_at`.
    """
    with open_readonly(release / _DATABASE) as con:
        row = con.execute("SELECT release_no, as_of FROM release.release").fetchone()
        ids = con.execute(
            "SELECT submission_id FROM filing.submissions WHERE state <> 'received' ORDER BY 1"
        ).fetchall()
    if row is None or row[1] is None:
        raise UnknownMomentError(f"release {release.name} does not say as of which moment it was made")
    if _is_what_the_build_holds(settings, release):
        return Moment(settings.build_dir, row[1])
    patience = _Patience(settings.lock_wait_seconds)
    known = Known(moment=row[1], submissions=[name for (name,) in ids], release_no=row[0])
    state = f"{(release / 'FINGERPRINT').read_text()} {definition_state(settings)}"
    digest = hashlib.sha256(state.encode()).hexdigest()[:16]
    return _found_or_built(settings, f"{release.name}-{digest}", known, tell, patience)


def _is_what_the_build_holds(settings: Settings, release: Path) -> bool:
    """The build database's judgement, moment and models are those the release was made of; False while a run writes."""
    with duckdb.connect(config=dict(OFFLINE)) as con:
        con.execute(
            f"ATTACH '{str(release / _DATABASE).replace(chr(39), chr(39) * 2)}' AS released (READ_ONLY)"
        )
        judged = """
            SELECT p.submission_id, s.state, s.sys_from, s.sys_to
            FROM received.ledger.standing AS s JOIN received.ledger.parcel AS p USING (submission_no)"""
        stated = """
            SELECT submission_id, state, sys_from, sys_to FROM released.filing.submissions WHERE state <> 'received'"""
        printed = "SELECT kpi_id, period, period_type, grain, org_code, basis, value FROM {}.kpi.kpi_values"
        try:
            with attached(con, settings.build_database, 0):
                row = con.execute(
                    f"""
                    SELECT (SELECT as_of FROM received.reference.run) = (SELECT as_of FROM released.release.release)
                        AND (SELECT max(release_no) FROM received.published.releases)
                            = (SELECT release_no FROM released.release.release)
                        AND NOT EXISTS ((({judged}) EXCEPT ({stated})) UNION ALL (({stated}) EXCEPT ({judged})))
                        AND NOT EXISTS (
                            ({printed.format("received")}) EXCEPT ({printed.format("released")}))"""
                ).fetchone()
        except (WarehouseBusyError, duckdb.CatalogException, duckdb.BinderException):
            return False
    return bool(row and row[0])


class _Patience:
    """What is left of the time that one question may wait for a run."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        return max(0.0, self._end - time.monotonic())


def _wait_for_run(settings: Settings, patience: _Patience) -> None:
    """Wait while a command-line run holds its lock: between its steps what it received is not judged yet.

    Raises:
        WarehouseBusyError: it did not end in time.
    """
    path = settings.home / "run.lock"
    if not path.is_file():
        return
    with path.open("r", encoding="utf-8") as file:
        # Let go at once: from here on the database's own lock keeps the two apart.
        while _is_locked(file.fileno()):
            if not patience.left:
                raise WarehouseBusyError(
                    f"a run is at work on {settings.home}: waited {patience.seconds:.0f} s for it to end. Ask "
                    "again when it has ended (`xiaobao run` tells), or ask a release, which a run never disturbs: "
                    "`xiaobao kpi --as-published vN`."
                )
            time.sleep(0.25)


def _is_locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _unjudged(found: Moment) -> str | None:
    """A remark if filings known at the moment are received and not judged."""
    with closing(found.open()) as con:
        row = con.execute("SELECT count(*) FROM filing.submissions WHERE state = 'received'").fetchone()
    if not row or not row[0]:
        return None
    return (
        f"{row[0]} 份已收到的报送尚未认定，未计入 filings known then are received and not judged yet, and are not "
        "in these figures: a run is at work, or one ended before it got to them (`xiaobao history`)"
    )


def _found_or_built(
    settings: Settings, name: str, known: Known, tell: Callable[[str], None] | None, patience: _Patience
) -> Moment:
    folder = settings.moments_dir / name
    if not (folder / _DATABASE).is_file():
        _build(settings, folder, known, tell or (lambda _: None), patience)
        _forget_oldest(settings, folder)
    os.utime(folder)
    return Moment(folder, known.moment)


def _digest_of(settings: Settings, known: Known, patience: _Patience) -> str:
    """Names what is known at a moment and how it is judged and counted."""
    digest = hashlib.sha256(definition_state(settings).encode())
    if not settings.build_database.is_file():
        raise UnknownMomentError(
            f"there is no build database under {settings.build_dir}: nothing has been received yet. "
            "Receive filings with `xiaobao run` (`make run` makes a sample bureau first)."
        )
    with (
        duckdb.connect(config=dict(OFFLINE)) as con,
        attached(con, settings.build_database, patience.left),
    ):
        facts = con.execute(
            """
            SELECT p.submission_id, p.content_key, r.ruleset_version, f.step
            FROM received.ledger.parcel AS p
            LEFT JOIN received.ledger.reading AS r USING (submission_no)
            LEFT JOIN (SELECT submission_no, step FROM received.ledger.failure WHERE is_open) AS f USING (submission_no)
            WHERE p.signed_at <= $moment
            UNION ALL
            SELECT 'release', release_no::VARCHAR, as_of::VARCHAR, NULL FROM received.published.releases
            WHERE as_of <= $moment
            ORDER BY ALL""",
            {"moment": known.moment},
        )
        while chunk := facts.fetchmany(10_000):
            digest.update(repr(chunk).encode())
    return digest.hexdigest()[:16]


def _build(
    settings: Settings, folder: Path, known: Known, tell: Callable[[str], None], patience: _Patience
) -> None:
    """Build a database beside its place and move it there whole; what a killed process left is cleared away.

    Who finds that another process has built the same in the meantime takes that one.
    """
    from pipelines.contracts.loader import load_catalogue
    from pipelines.filing.registry import NoRegistryError
    from pipelines.orchestration.absent import stand_in

    building = settings.moments_dir / f".building-{os.getpid()}"
    shutil.rmtree(building, ignore_errors=True)
    work = settings.model_copy(update={"home": building})
    try:
        tell("重新认定当时已知的报送 judging what was known then ...")
        con = open_warehouse(
            work.build_database, memory_limit=settings.memory_limit, threads=settings.threads
        )
        try:
            copy_known(
                con,
                settings.build_database,
                load_catalogue(),
                known,
                working_days_csv=settings.project_dir / "data" / "calendar" / "working_days.csv",
                wait_seconds=patience.left,
            )
            stand_in(con, settings.project_dir, load_catalogue())
        except NoRegistryError as error:
            raise UnknownMomentError(
                f"at {known.moment:%Y-%m-%d %H:%M} no institution master (R03) was known, so nobody's figures were; "
                "`xiaobao status` shows from when on filings were signed. Ask for a later moment."
            ) from error
        finally:
            con.close()
        tell("计算指标 building the models as of then ...")
        build_models(settings, work)
        folder.parent.mkdir(parents=True, exist_ok=True)
        done = building / "done"
        done.mkdir()
        work.build_database.rename(done / _DATABASE)
        if not (folder / _DATABASE).is_file():
            shutil.rmtree(folder, ignore_errors=True)
        try:
            done.rename(folder)
        except OSError:
            if not (folder / _DATABASE).is_file():
                raise
    finally:
        shutil.rmtree(building, ignore_errors=True)


def build_models(settings: Settings, work: Settings) -> None:
    """Run every model and seed over the build database of `work`, a home of its own; tests are not run again.

    The parsed form of the project is that of `settings`, made once for all moments.
    """
    from pipelines.orchestration.dbt_build import (
        ModelProject,
        ModelsError,
        invoke_build,
        model_project,
        prepare_manifest,
    )

    project = model_project(settings)
    prepare_manifest(settings, project)
    target = work.dbt_dir / "target"
    target.mkdir(parents=True, exist_ok=True)
    own = ModelProject(project.project_dir, work.dbt_dir, project.variables)
    _, failure = invoke_build(work, own, target, ["--exclude-resource-type", "test"], None, None)
    if failure:
        raise ModelsError(f"the models cannot be built as of then. {failure}")


def _newest(settings: Settings, label: str) -> Path | None:
    found = [path for path in settings.moments_dir.glob(f"{label}-*") if (path / _DATABASE).is_file()]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def _forget_oldest(settings: Settings, keep: Path) -> None:
    """Readers of a folder that goes hold its file open and are not disturbed."""
    folders = [
        path for path in settings.moments_dir.iterdir() if not path.name.startswith(".") and path != keep
    ]
    for path in sorted(folders, key=lambda path: -path.stat().st_mtime)[KEPT - 1 :]:
        shutil.rmtree(path, ignore_errors=True)
