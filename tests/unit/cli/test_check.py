"""`xiaobao template` and `xiaobao check` as the shell sees them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
from click.testing import Result

from tests.support.desk import csv_text, row


@pytest.fixture(autouse=True)
def signed_in_april(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XIAOBAO_AS_OF", "2024-04-08T10:00:00")


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "sound.csv"
    path.write_text(csv_text("F05", [row("F05")]), encoding="utf-8")
    return path


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.csv"
    path.write_text(csv_text("F05", [row("F05", problem_type="未知")]), encoding="utf-8")
    return path


def test_what_nothing_blocks_is_zero_and_leaves_no_home(
    xiaobao: Callable[..., Result], sound: Path, home: Path
) -> None:
    done = xiaobao("check", str(sound))
    assert done.exit_code == 0, done.output
    assert "没有阻断性问题" in done.stdout
    assert "若现在报送" in done.stdout
    assert "GEN-U02" in done.stdout
    assert not home.exists()


def test_what_would_block_is_one_and_is_written(
    xiaobao: Callable[..., Result], broken: Path, tmp_path: Path
) -> None:
    done = xiaobao("check", str(broken), "--write", str(tmp_path / "out"), "--format", "json")
    assert done.exit_code == 1
    [told] = json.loads(done.stdout)
    assert [finding["rule_code"] for finding in told["findings"]] == ["GEN-I01"]
    assert told["self_check"]["envelope"] == "none"
    assert {rule["verdict"] for rule in told["self_check"]["rules"]} == {"pass", "fail", "not_run"}
    written = {path.suffix: path for path in (tmp_path / "out").iterdir()}
    assert set(written) == {".json", ".xlsx", ".html"}
    assert json.loads(written[".json"].read_text(encoding="utf-8")) == told
    page = written[".html"].read_text(encoding="utf-8")
    assert "自查 F05-2024-03" in page  # nobody takes it for a receipt
    assert "需要机构主数据" in page
    book = openpyxl.load_workbook(written[".xlsx"])
    cells = {str(cell.value) for sheet in book for row in sheet.iter_rows() for cell in row}
    assert any("自查 F05-2024-03" in text for text in cells)


def test_findings_as_csv(xiaobao: Callable[..., Result], broken: Path) -> None:
    done = xiaobao("check", str(broken), "--format", "csv")
    [line] = csv.DictReader(io.StringIO(done.stdout))
    assert (line["status"], line["rule_code"], line["row_no"]) == ("finding", "GEN-I01", "2")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "absent.csv"], "does not exist"),
        (["check", "."], "no data file"),
        (["check", "what.csv", "--form", "F99"], "no form"),
        (["check", "what.csv"], "--form"),
        (["template", "F99"], "no form"),
        (["template", "F11", "--period", "2024-03"], "quarter"),
        (["template", "F01", "--period", "March"], "period"),
        (["template", "F01", "--reporter", "1"], "14"),
    ],
)
def test_wrong_usage_is_two_and_says_what_is_needed(
    xiaobao: Callable[..., Result],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    if "what.csv" in arguments:
        (tmp_path / "what.csv").write_text("甲,乙\n1,2\n", encoding="utf-8")
    done = xiaobao(*arguments)
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())


def test_a_template_is_never_written_over_a_file_by_itself(
    xiaobao: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert xiaobao("template", "f01", "--period", "2024-03").exit_code == 0
    path = tmp_path / "F01_投诉明细.xlsx"
    path.write_bytes(b"filled in")
    assert xiaobao("template", "F01").exit_code == 2
    assert path.read_bytes() == b"filled in"
    assert xiaobao("template", "F01", "--force").exit_code == 0
    assert path.read_bytes()[:2] == b"PK"


def test_a_csv_template_comes_with_its_envelope(xiaobao: Callable[..., Result], tmp_path: Path) -> None:
    target = tmp_path / "folder" / "f05.csv"
    done = xiaobao("template", "F05", "--csv", "--period", "2024-03", "--out", str(target))
    assert done.exit_code == 0
    assert (
        json.loads((tmp_path / "folder" / "f05.csv.json").read_text(encoding="utf-8"))["period"] == "2024-03"
    )
    assert target.read_text(encoding="utf-8-sig").startswith("报送机构编码,")
