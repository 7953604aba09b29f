"""The typer application: the commands by name, and what happens to an error."""

from __future__ import annotations

import os
import sys
import traceback

import typer

from pipelines.cli.appeal import appeal
from pipelines.cli.check import check
from pipelines.cli.dictionary import dictionary
from pipelines.cli.difference import difference
from pipelines.cli.errors import ExitCode, OperatorError
from pipelines.cli.explain import explain
from pipelines.cli.explanation import explanation
from pipelines.cli.findings import findings
from pipelines.cli.history import history, retry
from pipelines.cli.kpi import kpi
from pipelines.cli.notices import notices
from pipelines.cli.output import stderr_console, wrap_by_cells
from pipelines.cli.receipt import receipt
from pipelines.cli.revisions import revisions
from pipelines.cli.run import run
from pipelines.cli.sample import sample
from pipelines.cli.serve import serve
from pipelines.cli.status import status
from pipelines.cli.system import config, version
from pipelines.cli.template import template
from pipelines.cli.waiver import waiver

app = typer.Typer(
    name="xiaobao",
    help="消保数仓 Xiaobao: filings of a bureau's insurers in, regulator KPIs out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 the operator can mend it, 2 usage, 3 rejections (--strict), 4 failure.",
)
for command in (
    run,
    status,
    notices,
    kpi,
    explain,
    findings,
    receipt,
    difference,
    revisions,
    history,
    retry,
    template,
    check,
    dictionary,
    sample,
    serve,
    version,
    config,
):
    app.command()(command)
for group in (waiver, explanation, appeal):
    app.add_typer(group)


@app.callback()
def _check_environment() -> None:
    """消保数仓 Xiaobao: filings of a bureau's insurers in, regulator KPIs out."""
    from pipelines.settings import unknown_variables

    for name in unknown_variables(os.environ):
        stderr_console().print(
            f"[yellow]{name} is set but names no setting[/]; `xiaobao config` lists those that exist."
        )


def run_app() -> None:
    """Run the command given on the command line and exit with a documented code."""
    wrap_by_cells()
    try:
        app()
    except OperatorError as error:
        _complain(str(error))
        sys.exit(ExitCode.OPERATOR)
    except Exception as error:  # noqa: BLE001 (the one place where everything ends)
        if _is_operators(error):
            _complain(str(error))
            sys.exit(ExitCode.OPERATOR)
        sys.stderr.write(traceback.format_exc())
        _complain(
            f"{type(error).__name__}: {error}\nThis is a failure of xiaobao, not of a filing: nothing half-done "
            "was kept, and running again is safe. The trace above belongs in the report."
        )
        sys.exit(ExitCode.FAILURE)


def _is_operators(error: Exception) -> bool:
    """True for other rooms' errors that the operator can mend; by name, so that nothing is imported."""
    return type(error).__name__ in {
        "SettingsError",
        "NoRegistryError",
        "SourceUnavailableError",
        "OutboxUnavailableError",
        "WarehouseBusyError",
        "RunBusyError",
        "UnknownScopeError",
        "PeriodError",
        "PortInUseError",
        "CalendarRangeError",
        "PersonKeyError",
        "RegisterEntryError",
        "UnknownMomentError",
    }


def _complain(message: str) -> None:
    from rich.markup import escape

    stderr_console().print(f"[bold red]xiaobao:[/] {escape(message)}", soft_wrap=True)
