"""Output for programs: CSV that a spreadsheet opens runs nothing, and loses nothing."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal

import pytest

from pipelines.cli.output import Column, OutputFormat, Table, emit


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
