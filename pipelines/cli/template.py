"""`xiaobao template FORM`: a blank filing to fill in."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from pipelines.cli.output import stderr_console


def template(
    form: Annotated[str, typer.Argument(help="报表代码 form code, such as F01.")],
    out: Annotated[
        Path | None, typer.Option(help="文件 file to write; by default <form>_<title> in this folder.")
    ] = None,
    period: Annotated[str | None, typer.Option(help="报告期 prefilled period, 2025-03 or 2025Q1.")] = None,
    reporter: Annotated[str | None, typer.Option(help="报送机构编码 prefilled reporter code.")] = None,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="CSV 表头和信封 a CSV header with an envelope beside it.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="覆盖 overwrite a file that exists.")] = False,
) -> None:
    """模板: an Excel workbook (or CSV and envelope) for one report form, made from its contract."""
    from pipelines.contracts.errors import ContractError
    from pipelines.contracts.loader import load_catalogue
    from pipelines.contracts.periods import Period
    from pipelines.settings import TIMEZONE

    catalogue = load_catalogue()
    contract = catalogue.forms.get(form.upper())
    if contract is None:
        known = ", ".join(f"{code} {found.title_zh}" for code, found in catalogue.forms.items())
        raise typer.BadParameter(f"no form {form!r}; known: {known}", param_hint="FORM")
    if contract.is_as_published:
        raise typer.BadParameter(
            f"{contract.code} {contract.title_zh} is read as its publisher lays it out; there is nothing to fill in. "
            "Put the published file into the inbox with an envelope beside it (docs/add-a-form.md)",
            param_hint="FORM",
        )
    asked = None
    if period is not None:
        try:
            asked = Period.parse(period)
            catalogue.form_in_force(contract.code, contract.version, asked)
        except ContractError as error:
            raise typer.BadParameter(str(error), param_hint="--period") from error
    length = contract.column("reporter_code").length
    if reporter is not None and len(reporter) != length:
        raise typer.BadParameter(
            f"{reporter!r} has {len(reporter)} characters; needed: {length}", param_hint="--reporter"
        )
    target = out or Path(f"{contract.code}_{contract.title_zh}{'.csv' if as_csv else '.xlsx'}")
    if as_csv:
        from pipelines.intake.template import csv_template

        header, envelope = csv_template(contract, period=asked, reporter=reporter)
        files = {target: header, target.with_name(f"{target.name}.json"): envelope}
    else:
        from pipelines.intake.template_workbook import workbook_template

        today = datetime.now(tz=ZoneInfo(TIMEZONE)).date()
        files = {target: workbook_template(catalogue, contract, today=today, period=asked, reporter=reporter)}
    taken = [str(path) for path in files if path.exists()]
    if taken and not force:
        raise typer.BadParameter(
            f"{', '.join(taken)} exists and may be filled in; name another with --out, or overwrite with --force",
            param_hint="--out",
        )
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        stderr_console().print(f"模板 template: {path}", soft_wrap=True)
