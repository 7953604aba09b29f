"""Commands that read the release in force: what they show, filter and say."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from click.testing import Result

from pipelines.cli.errors import OperatorError
from pipelines.filing.receipts.content import published_schema

Xiaobao = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("release")


def rows(result: Result) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(result.stdout)
    return found


def test_kpi_shows_the_latest_of_the_shortest_period_each_kpi_has(xiaobao: Xiaobao) -> None:
    found = rows(xiaobao("kpi", "--format", "json"))
    assert [(row["kpi_id"], row["period"], row["dimension_value"]) for row in found] == [
        ("CMP-01", "2025-03", "total"),
        ("CMP-06", "2025-03", "total"),
        ("CMP-07", "2025-03", "new"),  # has no total, so its parts are shown
        ("FIR-01", "2025Q1", "total"),
    ]
    assert found[0]["name_zh"] == "有效投诉件数"
    assert found[0]["name_en"] == "valid complaints"


def test_kpi_gives_exact_decimals_and_the_change_from_one_period_earlier(xiaobao: Xiaobao) -> None:
    complaints, per_premium, *_ = rows(xiaobao("kpi", "--format", "json"))
    assert (complaints["numerator"], complaints["value"], complaints["change"]) == ("1250", "1250", "+1,010")
    assert per_premium["denominator"] == "2000000000.5"
    assert (per_premium["value"], per_premium["change"]) == ("62.50", "+14.50")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--kpi", "CMP-01", "--period-type", "ytd"), [("CMP-01", "2025-03")]),
        (("--kpi", "cmp-01", "--period", "2025Q1"), [("CMP-01", "2025Q1")]),
        (("--kpi", "CMP-01", "--dimension", "line_code"), [("CMP-01", "2025-03")]),
        (("--kpi", "CMP-01", "--dimension", "all"), [("CMP-01", "2025-03")] * 2),
        (("--kpi", "FIR"), [("FIR-01", "2025Q1")]),
        (("--kpi", "CMP-01,CMP-06", "--period", "2025-02"), [("CMP-01", "2025-02"), ("CMP-06", "2025-02")]),
        (("--org", "00000000000012"), [("CMP-06", "2025-03")]),
        (("--grain", "insurer", "--type", "property"), [("CMP-06", "2025-03")]),
    ],
)
def test_kpi_filters(xiaobao: Xiaobao, arguments: tuple[str, ...], expected: list[tuple[str, str]]) -> None:
    found = rows(xiaobao("kpi", "--format", "json", *arguments))
    assert [(row["kpi_id"], row["period"]) for row in found] == expected


def test_kpi_never_shows_zero_for_what_is_missing(xiaobao: Xiaobao) -> None:
    (row,) = rows(xiaobao("kpi", "--org", "00000000000012", "--format", "json"))
    assert (row["numerator"], row["value"], row["status"]) == (None, None, "MISSING")
    table = xiaobao("kpi", "--org", "00000000000012").stdout
    assert "乙人寿" in table
    assert "MISSING" in table
    assert " 0 " not in table


def test_kpi_csv_has_the_keys_as_header_and_nothing_else(xiaobao: Xiaobao) -> None:
    result = xiaobao("kpi", "--format", "csv")
    lines = list(csv.DictReader(io.StringIO(result.stdout)))
    assert result.stderr == ""
    assert lines[0]["kpi_id"] == "CMP-01"
    assert lines[0]["denominator"] == ""


def test_kpi_prints_the_formula_of_each_definition(xiaobao: Xiaobao) -> None:
    table = xiaobao("kpi", "--kpi", "CMP-07").stdout
    assert "CMP-07 new: 件数/新增保单 | complaints / new policies" in table
    assert "CMP-06: 件数/保费 | complaints / premium" in xiaobao("kpi", "--kpi", "CMP-06").stdout
    (row,) = rows(xiaobao("kpi", "--kpi", "CMP-07", "--format", "json"))
    assert row["formula_en"] == "complaints / new policies"


def test_kpi_without_a_match_says_what_to_try(xiaobao: Xiaobao) -> None:
    error = xiaobao("kpi", "--period", "2031-01").exception
    assert isinstance(error, OperatorError)
    assert "no KPI value fits" in str(error)


def test_kpi_refuses_an_unknown_grain_as_wrong_usage(xiaobao: Xiaobao) -> None:
    result = xiaobao("kpi", "--grain", "county")
    assert result.exit_code == 2
    assert "insurer_type" in result.stderr


def test_status_is_a_board_of_the_last_month_due_with_its_quarter(xiaobao: Xiaobao) -> None:
    result = xiaobao("status")
    assert "2025-03" in result.stdout
    assert "迟 3天" in result.stdout
    for mark in ("✓ 已报 filed 2", "缺 缺报 missing 1", "退 退回 rejected 1", "共 total 5"):
        assert mark in result.stdout
    assert "2025Q1" in result.stdout


def test_status_shows_a_period_that_is_not_due_yet_when_asked(xiaobao: Xiaobao) -> None:
    shown = xiaobao("status", "--period", "2025-04").stdout
    assert "存 仅保存 draft 1" in shown
    assert "✓ 已报 filed 1" in shown


def test_status_tells_what_waits_for_somebody(xiaobao: Xiaobao, home: Path) -> None:
    shown = xiaobao("status").stdout
    for line in (
        "2 逾期未报 overdue, all periods",
        "2 应催报 notices due",
        "1 待说明的提示性问题 unexplained warnings",
        "1 有效豁免 waivers in force",
    ):
        assert line in shown
    assert "未送达" not in shown
    (home / "deliveries.json").write_text(
        json.dumps(
            {"problem": "", "undelivered": [{"message_id": "M1", "error": "the webhook answered 404"}]}
        )
    )
    assert "1 未送达 undelivered" in xiaobao("status").stdout
    (home / "deliveries.json").write_text(
        json.dumps({"problem": "recipients.csv line 3: [x]", "undelivered": []})
    )
    assert "recipients.csv line 3: [x]" in xiaobao("status").stdout


def test_notices_lists_the_newest_stage_of_what_is_unmet(xiaobao: Xiaobao) -> None:
    found = rows(xiaobao("notices", "--format", "json"))
    assert [(row["form"], row["period"], row["stage"]) for row in found] == [
        ("F01", "2025-04", "reminder"),
        ("F02", "2025-03", "escalation"),
    ]
    assert len(rows(xiaobao("notices", "--all", "--format", "json"))) == 4
    [one] = rows(xiaobao("notices", "--stage", "second", "--all", "--format", "json"))
    assert one["alias"] == "乙人寿"
    assert rows(xiaobao("notices", "--reporter", "00000000000011", "--format", "json")) == []
    assert xiaobao("notices", "--stage", "third").exit_code == 2


def test_notices_that_were_not_delivered_say_why(xiaobao: Xiaobao, home: Path) -> None:
    assert rows(xiaobao("notices", "--undelivered", "--format", "json")) == []
    (home / "deliveries.json").write_text(
        json.dumps(
            {"problem": "", "undelivered": [{"message_id": "M1", "error": "the webhook answered 404"}]}
        )
    )
    [one] = rows(xiaobao("notices", "--undelivered", "--format", "json"))
    assert (one["message_id"], one["error"]) == ("M1", "the webhook answered 404")


def test_status_lists_obligations_for_programs(xiaobao: Xiaobao) -> None:
    found = rows(xiaobao("status", "--period", "2025-03", "--format", "json"))
    assert {(row["form"], row["alias"], row["status"]) for row in found} >= {
        ("F01", "乙人寿", "late"),
        ("F02", "甲财险", "rejected"),
    }
    assert found[0]["due_date"]


def test_status_can_be_narrowed_to_those_who_miss_something(xiaobao: Xiaobao) -> None:
    found = rows(xiaobao("status", "--only", "missing", "--format", "json"))
    assert {row["alias"] for row in found} == {"乙人寿"}
    assert "nobody" in xiaobao("status", "--only", "pending").stderr
    assert isinstance(xiaobao("status", "--only", "lost").exception, OperatorError)


def test_findings_are_counted_filtered_and_cut_with_a_word(xiaobao: Xiaobao) -> None:
    assert "(3)" in xiaobao("findings").stdout
    assert len(rows(xiaobao("findings", "--severity", "w", "--format", "json"))) == 1
    assert len(rows(xiaobao("findings", "--rule", "F01-I04,GEN-I01", "--format", "json"))) == 2
    cut = xiaobao("findings", "--limit", "1").stdout
    assert "显示 1 / 3" in cut


def test_receipt_has_the_verdict_every_finding_its_place_and_the_fix(xiaobao: Xiaobao) -> None:
    shown = xiaobao("receipt", "F01-2025-03-00000000000011-001").stdout
    for text in (
        "部分接受",
        "partly_accepted",
        "F01-I04",
        "应办结日",
        "2025/4/1",
        "2025-04-30",
        "重算",
        "隔离行数",
    ):
        assert text in shown
    english = xiaobao("receipt", "F01-2025-03-00000000000011-001", "--lang", "en").stdout
    assert "wrong due date" in english
    assert "Sound rows are loaded" in english


def test_a_narrow_terminal_folds_sentences_and_loses_none(
    xiaobao: Xiaobao, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = xiaobao("receipt", "F01-2025-03-00000000000011-001").stdout
    findings = "".join(shown[shown.index("Findings") :].split())
    assert "…" not in shown
    for character in "应办结日与工作日历不符":
        assert findings.count(character) >= 3


def test_receipt_as_json_is_the_published_receipt(xiaobao: Xiaobao) -> None:
    document = json.loads(xiaobao("receipt", "F01-2025-03-00000000000011-001", "--format", "json").stdout)
    jsonschema.validate(document, json.loads(published_schema()))
    assert document["state"]["code"] == "partly_accepted"
    assert document["next_deadline"] == {"form": "F01", "period": "2025-04", "due_date": "2025-05-12"}
    rows_told = {
        group["rule_code"]: [finding["row_no"] for finding in group["findings"]]
        for group in document["findings"]
    }
    assert rows_told == {"F01-I04": [7, 12], "GEN-I05": [9]}


def test_receipt_shows_totals_changes_and_excuses(xiaobao: Xiaobao) -> None:
    shown = xiaobao("receipt", "F01-2025-03-00000000000011-001").stdout
    for text in ("100.1 ", "100.11", "EX-7", "系统导出格式", "2025-04-22", "-000: +0 -0 ~1 =99"):
        assert text in shown


def test_receipt_as_csv_is_its_findings(xiaobao: Xiaobao) -> None:
    lines = xiaobao("receipt", "F01-2025-03-00000000000011-001", "--format", "csv").stdout.splitlines()
    assert lines[0].startswith("submission_id,form,period,reporter_code,rule_code")
    assert len(lines) == 4


def test_receipt_files_are_those_the_insurer_has_or_drawn_from_the_release(
    xiaobao: Xiaobao, home: Path, tmp_path: Path
) -> None:
    name = "F01-2025-03-00000000000011-001"
    drawn = xiaobao("receipt", name, "--write", str(tmp_path / "drawn"))
    assert "without the filed" in " ".join(drawn.stderr.split())
    assert {path.suffix for path in (tmp_path / "drawn").iterdir()} == {".json", ".xlsx", ".html"}
    assert (
        json.loads((tmp_path / "drawn" / f"{name}.json").read_bytes())["state"]["code"] == "partly_accepted"
    )
    outbox = home / "outbox" / "00000000000011"
    outbox.mkdir(parents=True)
    for suffix in ("json", "xlsx", "html"):
        (outbox / f"{name}.{suffix}").write_bytes(suffix.encode())
    xiaobao("receipt", name, "--write", str(tmp_path / "had"))
    assert (tmp_path / "had" / f"{name}.xlsx").read_bytes() == b"xlsx"


def test_receipt_of_an_unknown_submission_names_near_ones(xiaobao: Xiaobao) -> None:
    error = xiaobao("receipt", "F01-2025-03-00000000000011-002").exception
    assert isinstance(error, OperatorError)
    assert "near it: F01-2025-03-00000000000011-001" in str(error)


def test_a_release_of_another_version_is_told(xiaobao: Xiaobao, release: Path) -> None:
    import duckdb

    with duckdb.connect(str(release / "warehouse.duckdb")) as con:
        con.execute("ALTER TABLE filing.findings DROP COLUMN fix_zh")
    error = xiaobao("findings").exception
    assert isinstance(error, OperatorError)
    assert "xiaobao run --full" in str(error)


def test_version_names_the_release_in_force(xiaobao: Xiaobao) -> None:
    versions = {row["component"]: row["version"] for row in rows(xiaobao("version", "--format", "json"))}
    assert versions["release"] == "v1"
    assert versions["dagster"] == "1.13.27"
