"""The command line `xiaobao`: one module per command, output in one place, Dagster only through
orchestration.

Put here: arguments, filters, tables, exit codes. Do not put here: anything a second caller would need
(orchestration runs, domain rooms compute). Commands that read, read the release in force and nothing else:
they never wait for a run.

Exit codes: 0 done (also when some filings were rejected: that is an ordinary day); 1 the operator can mend it
(settings, no release yet, another run at work); 2 wrong usage; 3 only with `run --strict`: the run is
finished and some filings are rejected or unreadable; 4 our failure. Of `check`, 1 means that something in the files
would block.
"""

from __future__ import annotations


def main() -> None:
    """Entry point of the `xiaobao` script."""
    from pipelines.cli.app import run_app

    run_app()
