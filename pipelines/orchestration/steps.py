"""The way of a filing as plain functions: pull, load a form, settle, publish.

Put here: how the rooms are called one after the other, each step opening and closing the build database
itself. Do not put here: Dagster (assets call these), rules, SQL of any room. Every step is idempotent; killed
anywhere, the next call finishes the work with the same result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby
from pathlib import Path

import duckdb

from pipelines.contracts.loader import load_catalogue
from pipelines.contracts.model import Catalogue, Form
from pipelines.contracts.predicates import macro_sql
from pipelines.dictionary.content import read_dictionary
from pipelines.filing import delivery, notices
from pipelines.filing.events import prepare_events
from pipelines.filing.outbox import Outbox
from pipelines.filing.receipts.effects import note_effects
from pipelines.filing.receipts.writing import Drawing, count_untold, write_receipts
from pipelines.filing.registry import prepare_registry
from pipelines.filing.settlement import settle as settle_filings
from pipelines.filing.states import OBLIGATION_STATES, UNMET
from pipelines.intake.archive import Archive
from pipelines.intake.persons import require_same_key
from pipelines.intake.pull import pull as pull_source
from pipelines.intake.sources import Source
from pipelines.intake.xlsx_reader import XlsxLimits
from pipelines.orchestration.absent import stand_in
from pipelines.orchestration.summaries import (
    FormSummary,
    NoticesSummary,
    ObligationsSummary,
    PeriodBoard,
    PeriodCounts,
    PullSummary,
    ReleaseSummary,
    RuleTally,
    SettleSummary,
    UnmetObligation,
)
from pipelines.publication.effects import own_effects
from pipelines.publication.release import MadeOf, fingerprint
from pipelines.publication.release import publish as publish_release
from pipelines.settings import Settings
from pipelines.validation.batch import close_failures, load_batches
from pipelines.validation.read_ahead import Reader, Unread, forms_unread, unread
from pipelines.validation.structure import judge_envelope
from pipelines.warehouse.connection import open_warehouse, transaction
from pipelines.warehouse.schema import prepare

ProgressCallback = Callable[[str, int, int], None]
#: Two threads would each leave a part of a row group, and every checkpoint would put the parts together again: the same
#: rows are then compressed twice or thrice (docs/decisions/0026).
_STORING_THREADS = 1
#: Committed official figures (form PUB) come in beside what the inbox holds.
_OFFICIAL_FIGURES = "data/official_figures/filings"


def pull(settings: Settings, progress: ProgressCallback | None = None) -> PullSummary:
    """Archive and identify what the inbox, the committed official figures and the bureau's own register
    filings hold that was not received before.

    Raises `SourceUnavailableError` when the inbox cannot be listed.
    """
    catalogue = load_catalogue()
    archive = Archive(settings.archive_dir)
    urls = [settings.inbox]
    official = settings.project_dir / _OFFICIAL_FIGURES
    if official.is_dir() and "PUB" in catalogue.forms:
        urls.append(official.as_uri())
    if settings.registers_dir.is_dir():
        urls.append(settings.registers_dir.as_uri())
    if (left := _readers.pop(settings.build_database, None)) is not None:
        left.close()  # of a run that died between two forms
    new = seen = total = 0
    with _warehouse(settings, catalogue, notes_unread=True) as con:
        for url in urls:
            counts = pull_source(
                con,
                Source(url),
                archive,
                judge=partial(judge_envelope, catalogue=catalogue),
                limits=_limits(settings),
                max_file_bytes=settings.max_file_bytes,
                threads=settings.threads,
                progress=partial(progress, "received") if progress else None,
            )
            new, seen, total = new + counts.new, seen + counts.seen, total + counts.total
    return PullSummary(new=new, seen=seen, total=total)


def load_form(
    settings: Settings,
    form: str,
    periods: Sequence[str] | None,
    progress: ProgressCallback | None = None,
    then: Sequence[str] = (),
) -> FormSummary:
    """Read and check the received but unread files of a form (of some periods, or all), batch by batch.

    While DuckDB stores a batch on one thread (`_STORING_THREADS`), the readers read the next two; after a form's last
    one those of the next form in `then`, the forms that the same run loads afterwards. Each batch commits on its own.
    Raises `ValidationEngineError` when the engine, not the data, is at fault.
    """
    catalogue = load_catalogue()
    contract = catalogue.forms[form]
    rows = 0
    nothing = FormSummary(form=form, submissions=0, rows_read=0, by_period={})
    program = _reader_version(catalogue)
    with _reader(settings, catalogue, goes_on=bool(then)) as reader:
        if _is_read(settings, form, program):
            return nothing
        with _warehouse(settings, catalogue, threads=_STORING_THREADS, notes_unread=True) as con:
            waiting = unread(con, contract, periods, program)
            if not waiting:
                return nothing
            for statement in macro_sql("reference.working_days"):
                con.execute(statement)

            def following() -> tuple[Form, Sequence[Unread]] | None:
                have_files = forms_unread(con, program)
                for later in (catalogue.forms[code] for code in then if code in have_files):
                    if files := unread(con, later, periods, program):
                        return later, files
                return None

            done = 0
            loading = load_batches(
                con,
                catalogue,
                contract,
                waiting,
                reader,
                following=following,
                program_version=program,
                evidence=partial(_keep_evidence, settings.home / "evidence", form),
            )
            for files, read in loading:
                done, rows = done + files, rows + read
                if progress:
                    progress(form, done, len(waiting))
            by_period = _by_period(con, [parcel.submission_no for parcel in waiting])
    return FormSummary(form=form, submissions=len(waiting), rows_read=rows, by_period=by_period)


def settle(settings: Settings, progress: ProgressCallback | None = None) -> SettleSummary:
    """Check across forms and periods, give every submission its state, renew obligations, write receipts.

    Raises `NoRegistryError` when no institution master is in force.
    """
    catalogue = load_catalogue()
    with _warehouse(settings, catalogue) as con, Drawing(settings.outbox, settings.threads) as drawing:
        drawing.expect(count_untold(con))
        settle_filings(con, catalogue, as_of=settings.as_of)
        if progress:
            progress("settled", 1, 2)
        write_receipts(con, catalogue, drawing)
        if progress:
            progress("receipts", 2, 2)
        return _settle_summary(con)


def retry(settings: Settings, submission_ids: Sequence[str]) -> int:
    """Let submissions be read again that our own program failed on; returns how many were waiting for that."""
    with _warehouse(settings, load_catalogue()) as con:
        numbers = con.execute(
            "SELECT submission_no FROM ledger.parcel WHERE submission_id IN (SELECT unnest(?::VARCHAR[]))",
            [list(submission_ids)],
        ).fetchall()
        with transaction(con):
            return close_failures(con, [number for (number,) in numbers])


def obligations(settings: Settings) -> ObligationsSummary:
    """The board of obligations as the last settlement left it."""
    catalogue = load_catalogue()
    with _warehouse(settings, catalogue) as con:
        return _board(con)


def notify(settings: Settings, at: datetime | None = None) -> NoticesSummary:
    """Send the notices that are due and were not sent; what fails is recorded and tried again by the next call.

    Args:
        settings: channels, recipients, outbox.
        at: the day to chase by; the moment of the last settlement when that is later or nothing is given.
    """
    catalogue = load_catalogue()
    with _warehouse(settings, catalogue) as con:
        row = con.execute("SELECT as_of FROM reference.run").fetchone()
        if row is None or row[0] is None:
            return NoticesSummary(0, 0, 0, 0)
        with ExitStack() as stack:
            if at is not None and at > row[0]:
                stack.enter_context(notices.as_of(con, at))
            messages = notices.unsent(con)
        channels, recipients, problem = _channels(settings)
        done = delivery.deliver(
            con, messages, channels, recipients, problem=problem, seconds=settings.delivery_seconds
        )
        delivery.write_report(con, settings.delivery_report, problem)
    return NoticesSummary(len(messages), done.delivered, done.waiting, done.refused, problem)


def publish(settings: Settings) -> ReleaseSummary:
    """Freeze a release if anything differs from the one in force; tell insurers which figures their follow-ups moved.

    Raises `RevisionReportError` when a figure changed and nothing explains it.
    """
    catalogue = load_catalogue()
    made_of = MadeOf(
        definition=_definition(settings),
        program=_program(),
        code_version=code_version(),
        ruleset_version=catalogue.ruleset_version,
    )
    with _warehouse(settings, catalogue) as con:
        release = publish_release(
            con,
            read_dictionary(settings.project_dir, catalogue),
            settings.releases_dir,
            print_=fingerprint(con, made_of.definition),
            made_of=made_of,
        )
        note_effects(con, own_effects(release.path))
        with Drawing(settings.outbox, settings.threads) as drawing:
            write_receipts(con, catalogue, drawing)
    return ReleaseSummary(
        release_no=release.release_no, path=release.path, created=release.created, reason=release.reason
    )


def _channels(
    settings: Settings,
) -> tuple[dict[str, delivery.Channel], dict[str, delivery.Recipient], str]:
    """Channels in use, recipients by reporter, and what is wrong with the recipients file (then nobody has a line)."""
    secret = delivery.credentials()
    channels: dict[str, delivery.Channel] = {
        "directory": delivery.DirectoryChannel(Outbox(settings.outbox)),
        "email": delivery.EmailChannel(
            settings.smtp_host,
            settings.smtp_port,
            settings.mail_from,
            settings.smtp_tls,
            secret["user"],
            secret["password"],
            settings.delivery_timeout,
        ),
        "webhook": delivery.WebhookChannel(settings.delivery_timeout, secret["token"]),
    }
    if settings.recipients is None:
        return channels, {}, ""
    try:
        return channels, delivery.read_recipients(settings.recipients, settings.channels), ""
    except delivery.RecipientsError as error:
        return channels, {}, str(error)


def code_version() -> str:
    """Version of the installed distribution, `0+unknown` when it is not installed."""
    try:
        return version("xiaobao")
    except PackageNotFoundError:
        return "0+unknown"


#: Build database -> what reads for a run that goes on to other forms.
_readers: dict[Path, Reader] = {}


@contextmanager
def _reader(settings: Settings, catalogue: Catalogue, *, goes_on: bool) -> Iterator[Reader]:
    """What reads for this form, and has perhaps begun to; afterwards kept for the next if the run `goes_on`."""
    database = settings.build_database
    reader = _readers.pop(database, None) or Reader(
        catalogue,
        Archive(settings.archive_dir),
        _limits(settings),
        batch_bytes=settings.batch_bytes,
        threads=settings.threads,
    )
    with ExitStack() as stack:
        stack.enter_context(reader)
        yield reader
        if goes_on:
            stack.pop_all()
            _readers[database] = reader


#: Build database -> its file as this process left it, and the forms that this version still had to read then.
_left_unread: dict[Path, tuple[object, str, frozenset[str]]] = {}


@contextmanager
def _warehouse(
    settings: Settings, catalogue: Catalogue, threads: int | None = None, *, notes_unread: bool = False
) -> Iterator[duckdb.DuckDBPyConnection]:
    con = open_warehouse(
        settings.build_database,
        memory_limit=settings.memory_limit,
        threads=threads or settings.threads,
        wait_seconds=settings.lock_wait_seconds,
    )
    try:
        prepare(con, catalogue, settings.project_dir / "data" / "calendar" / "working_days.csv")
        prepare_events(con)
        stand_in(con, settings.project_dir, catalogue)
        prepare_registry(con)
        require_same_key(con)
        yield con
        program = _reader_version(catalogue)
        left = forms_unread(con, program) if notes_unread else None
    finally:
        con.close()
    if left is not None:
        _left_unread[settings.build_database] = (_stamp(settings.build_database), program, left)


def _is_read(settings: Settings, form: str, program: str) -> bool:
    """Whether this process knows, without opening the build database, that nothing of a form is to be read.

    A run asks for some twenty forms of which nothing came; opening the database for each would cost it a second.
    """
    stamp, noted_by, left = _left_unread.get(settings.build_database, (None, "", frozenset()))
    return (
        stamp is not None
        and (stamp, noted_by) == (_stamp(settings.build_database), program)
        and form not in left
    )


def _stamp(database: Path) -> object:
    """What changes when anybody writes to a database; None while it is not closed, or not there."""
    if database.with_name(f"{database.name}.wal").exists() or not database.exists():
        return None
    told = database.stat()
    return told.st_ino, told.st_mtime_ns, told.st_size


def _reader_version(catalogue: Catalogue) -> str:
    """The version that reads: what it fails on, another may read."""
    return f"{code_version()}/{catalogue.ruleset_version}"


def _limits(settings: Settings) -> XlsxLimits:
    return XlsxLimits(
        unzipped_bytes=settings.max_unzipped_bytes, cells=settings.max_cells, seconds=settings.read_seconds
    )


def _keep_evidence(folder: Path, form: str, first_submission_no: int, result: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{form}-{first_submission_no:08d}.json").write_text(result, encoding="utf-8")


def _by_period(con: duckdb.DuckDBPyConnection, numbers: list[int]) -> dict[str, PeriodCounts]:
    rows = con.execute(
        """
        SELECT p.period, count(*), coalesce(sum(r.rows_read), 0), count(*) FILTER (NOT r.stored),
            count(*) FILTER (r.stored)
        FROM ledger.parcel AS p JOIN ledger.reading AS r USING (submission_no)
        WHERE p.submission_no IN (SELECT unnest(?)) GROUP BY p.period ORDER BY p.period""",
        [numbers],
    ).fetchall()
    return {
        period: PeriodCounts(submissions=n, rows_read=int(rows_read), malformed=refused, readable=readable)
        for period, n, rows_read, refused, readable in rows
    }


def _settle_summary(con: duckdb.DuckDBPyConnection) -> SettleSummary:
    states = dict(con.execute("SELECT state, count(*) FROM ledger.standing GROUP BY state").fetchall())
    found = con.execute(
        "SELECT coalesce(sum(error_count), 0), coalesce(sum(warning_count), 0) FROM ledger.standing"
    )
    errors, warnings = found.fetchone() or (0, 0)
    tallies = con.execute(
        """
        SELECT r.form, r.rule_code, r.rule_class, r.severity, count(*) FILTER (v.verdict = 'pass'),
            count(*) FILTER (v.verdict = 'fail'), count(*) FILTER (v.verdict = 'not_run'),
            coalesce(sum(v.findings), 0)::BIGINT
        FROM reference.rules AS r
        LEFT JOIN ledger.parcel AS p ON p.form = r.form
        LEFT JOIN ledger.verdict AS v ON v.submission_no = p.submission_no AND v.rule_code = r.rule_code
        WHERE r.form <> '' GROUP BY ALL ORDER BY r.form, r.rule_code"""
    ).fetchall()
    return SettleSummary(
        accepted=states.get("accepted", 0),
        partly_accepted=states.get("partly_accepted", 0),
        rejected=states.get("rejected", 0),
        malformed=states.get("malformed", 0),
        superseded=states.get("superseded", 0),
        findings_e=int(errors),
        findings_w=int(warnings),
        rules=[RuleTally(*row) for row in tallies],
    )


def _board(con: duckdb.DuckDBPyConnection) -> ObligationsSummary:
    """Counts by period, newest deadline first; everybody behind, late ones of the newest deadline only."""
    counted = con.execute(
        """
        SELECT period, due_date, status, count(*)::INTEGER FROM filing.obligations GROUP BY ALL
        ORDER BY due_date DESC, period, status"""
    ).fetchall()
    periods = [
        PeriodBoard(period, due, {status: n for _, _, status, n in group})
        for (period, due), group in groupby(counted, key=lambda row: row[:2])
    ]
    behind = con.execute(
        """
        SELECT o.form, o.period, o.reporter_code, coalesce(r.alias, r.name, o.reporter_code), o.due_date, o.status,
            o.days_late
        FROM filing.obligations AS o
        LEFT JOIN registry.reporters AS r ON r.org_code = o.reporter_code
        CROSS JOIN reference.run AS n
        WHERE o.due_date < n.as_of::DATE AND (o.status IN (SELECT unnest(?)) OR (o.status = 'late' AND o.due_date = (
            SELECT max(due_date) FROM filing.obligations WHERE due_date < n.as_of::DATE)))
        ORDER BY o.due_date DESC, o.form, o.reporter_code""",
        [list(UNMET)],
    ).fetchall()
    found = [UnmetObligation(*row) for row in behind]
    as_of = con.execute("SELECT as_of FROM reference.run").fetchone()
    return ObligationsSummary(
        as_of[0] if as_of else None,
        periods,
        [one for one in found if not OBLIGATION_STATES[one.status].in_force],
        [one for one in found if OBLIGATION_STATES[one.status].in_force],
    )


def _definition(settings: Settings) -> str:
    """Hash of what defines the figures: models, seeds, contracts, committed inputs, the count taken as a small base."""
    project_dir = settings.project_dir
    digest = hashlib.sha256(f"{code_version()}|{settings.small_base}".encode())
    for folder in ("dbt_project", "expectations", "data"):
        for path in sorted((project_dir / folder).rglob("*")):
            parts = path.relative_to(project_dir).parts
            if path.is_file() and not {"target", "logs", "dbt_packages"} & set(parts):
                digest.update("/".join(parts).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _program() -> str:
    """Hash of the program's source: another program may judge or count differently under the same version."""
    digest = hashlib.sha256()
    root = Path(__file__).resolve().parents[1]
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
