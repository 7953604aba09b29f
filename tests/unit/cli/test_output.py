"""Output: CSV that a spreadsheet opens runs nothing and loses nothing; text for people is never cut."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text
from typer.testing import CliRunner

from pipelines.cli.app import app
from pipelines.cli.output import Column, OutputFormat, Table, emit, wrap_by_cells


def written(value: object, output: OutputFormat, capsys: pytest.CaptureFixture[str]) -> str:
    emit(Table("", [Column("v", "v")], [{"v": value}]), output)
    text = capsys.readouterr().out
    return (
        json.loads(text)[0]["v"] if output is OutputFormat.JSON else list(csv.reader(io.StringIO(text)))[1][0]
    )


@pytest.mark.parametrize("text", ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3", "\t=1", "-", "+"])
def test_filed_text_is_no_formula_in_csv(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert written(text, OutputFormat.CSV, capsys) == "'" + text
    assert written(text, OutputFormat.JSON, capsys) == text


def test_a_line_break_does_not_break_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert written("a\r\nb\rc", OutputFormat.CSV, capsys) == "a\nb\nc"


@pytest.mark.parametrize("value", ["-12.50", "+3", "甲=乙", "", Decimal("-0.5"), -7])
def test_numbers_and_plain_text_stay_as_they_are(value: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert written(value, OutputFormat.CSV, capsys) == str(value)


@pytest.mark.parametrize("width", [80, 100, 132])
def test_help_that_holds_chinese_is_never_cut(width: int) -> None:
    wrap_by_cells()
    commands = [
        [command.name or command.callback.__name__] for command in app.registered_commands if command.callback
    ]
    groups = [
        [str(group.typer_instance.info.name)] for group in app.registered_groups if group.typer_instance
    ]
    assert commands
    assert groups
    for name in ([], *commands, *groups):
        shown = CliRunner().invoke(app, [*name, "--help"], env={"COLUMNS": str(width)})
        assert shown.exit_code == 0, shown.output
        assert "…" not in shown.output, shown.output
        assert max(cell_len(line) for line in shown.output.splitlines()) <= width


def test_a_wrapped_line_loses_its_blank_and_nothing_else() -> None:
    wrap_by_cells()
    text = Text("报送情况: who filed, is late, missing or rejected")
    lines = text.wrap(Console(width=29), 29, overflow="ellipsis")
    assert [line.plain for line in lines] == ["报送情况: who filed, is late,", "missing or rejected"]
