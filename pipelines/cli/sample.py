"""`xiaobao sample`: a made-up bureau's filings, for a first look, training, tests and benchmarks."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.errors import OperatorError
from pipelines.cli.output import Column, FormatOption, OutputFormat, Table, emit, stderr_console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pipelines.samples.bureau import SampleSummary

_PARTS = ("inbox", "answers")


def sample(
    out: Annotated[
        Path | None, typer.Option(help="目录 folder that gets inbox/ and answers/; by default XIAOBAO_HOME.")
    ] = None,
    insurers: Annotated[int, typer.Option(min=6, help="公司数 number of insurers.")] = 41,
    months: Annotated[int, typer.Option(min=1, help="月数 number of months.")] = 24,
    scale: Annotated[
        float, typer.Option(min=0.0001, help="规模 volume: 1 a city, 20 a province, 600 the nation.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="种子 same seed, same bytes.")] = 20240101,
    first_month: Annotated[str, typer.Option(help="首月 first month, YYYY-MM.")] = "2024-01",
    if_empty: Annotated[
        bool, typer.Option("--if-empty", help="仅当收件箱为空 do nothing if the inbox holds files already.")
    ] = False,
    output: FormatOption = OutputFormat.TABLE,
) -> None:
    """样例: write a made-up bureau's filings and the answer key of what is wrong in them."""
    from pipelines.settings import load_settings

    settings = load_settings()
    console = stderr_console()
    target = (out or settings.home).absolute()
    inbox = target / "inbox"
    if if_empty:
        if out is None and settings.inbox != inbox.as_uri():
            console.print(
                f"样例 sample: the inbox is {settings.inbox}, so no sample is made.", soft_wrap=True
            )
            return
        if inbox.is_dir() and any(inbox.iterdir()):
            console.print(f"样例 sample: {inbox} holds filings already; nothing to do.", soft_wrap=True)
            return
    console.print(f"样例 sample: {insurers} insurers × {months} months into {target}", soft_wrap=True)
    with _months_bar() as progress:
        made = _generate(
            target,
            progress,
            insurers=insurers,
            months=months,
            scale=scale,
            seed=seed,
            first_month=first_month,
        )
    _tell(made, target, output)


def _generate(target: Path, progress: Callable[[int, int], None], **arguments: object) -> SampleSummary:
    """Generate aside and move into place, so that a killed sample never looks like a finished one.

    Raises:
        OperatorError: an argument is out of range, or a folder is taken.
    """
    from pipelines.samples.bureau import SampleError, generate

    for part in _PARTS:
        folder = target / part
        if folder.exists() and any(folder.iterdir()):
            raise OperatorError(
                f"{folder} is not empty; give another folder with --out or remove it, so that two bureaus never mix"
            )
    aside = target / f".sample-{os.getpid()}"
    for unfinished in target.glob(".sample-*"):
        shutil.rmtree(unfinished)
    try:
        made = generate(aside, progress=progress, **arguments)  # type: ignore[arg-type] # named as the options
        for part in reversed(_PARTS):  # the inbox last: when it is there, everything is
            if (target / part).exists():
                (target / part).rmdir()
            (aside / part).rename(target / part)
    except SampleError as error:
        raise OperatorError(str(error)) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return made


@contextmanager
def _months_bar() -> Iterator[Callable[[int, int], None]]:
    from rich.progress import Progress

    console = stderr_console()
    with Progress(console=console, disable=not console.is_terminal) as bars:
        task = bars.add_task("月 months", total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _tell(made: SampleSummary, target: Path, output: OutputFormat) -> None:
    facts: dict[str, object] = {
        "inbox": str(target / "inbox"),
        "answers": str(target / "answers"),
        "files": made.files,
        "bytes": made.size,
        "submissions": made.submissions,
        "rows": sum(made.rows.values()),
        "expected_findings": sum(made.findings.values()),
        "expected_kpi_values": made.kpi_values,
        "as_of": made.as_of,
        "unplanted": ", ".join(made.unplanted),
    }
    lines: list[dict[str, object]] = [{"name": name, "value": value} for name, value in facts.items()]
    emit(Table("样例 Sample", [Column("name", "name"), Column("value", "value")], lines), output)
