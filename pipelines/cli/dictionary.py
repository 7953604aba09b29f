"""`xiaobao dictionary`: the data dictionary as Markdown pages, written or compared."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.errors import OperatorError
from pipelines.cli.output import stderr_console


def dictionary(
    out: Annotated[Path, typer.Option(help="目录 folder of the pages.")] = Path("docs/dictionary"),
    check: Annotated[
        bool, typer.Option("--check", help="只比对 write nothing; fail if the pages are not up to date.")
    ] = False,
) -> None:
    """数据字典: forms, columns, codes, rules, measures and KPIs, from the contracts and the KPI catalogue."""
    from pipelines.dictionary.content import SeedError, read_dictionary
    from pipelines.dictionary.pages import differences, pages, write
    from pipelines.settings import project_root

    try:
        wanted = pages(read_dictionary(project_root()))
        if not check:
            touched = write(out, wanted)
            stderr_console().print(
                f"数据字典 dictionary: {len(wanted)} pages in {out}, {touched} changed", soft_wrap=True
            )
            return
    except (SeedError, FileExistsError) as error:
        raise OperatorError(str(error)) from error
    found = differences(out, wanted)
    if found:
        raise OperatorError(
            f"the dictionary in {out} is not what contracts and seeds say:\n  "
            + "\n  ".join(found)
            + f"\nRun `xiaobao dictionary --out {out}` (or `make dictionary`) and commit the result."
        )
    stderr_console().print(
        f"数据字典 dictionary: {len(wanted)} pages in {out} are up to date", soft_wrap=True
    )
