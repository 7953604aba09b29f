"""Receipts of real filings: every state, every part, unchanged bytes, no clear person, restart after a kill."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema
import openpyxl
import pytest
from openpyxl.workbook import Workbook

from pipelines.contracts.loader import load_catalogue
from pipelines.filing.outbox import Outbox, OutboxUnavailableError
from pipelines.filing.receipts import drawing, writing
from pipelines.filing.receipts.content import RULE_LIMIT, published_schema
from pipelines.filing.receipts.effects import note_effects
from pipelines.filing.receipts.gathering import dossiers
from pipelines.filing.receipts.page import PLACES
from pipelines.filing.states import STATES
from pipelines.orchestration import steps
from pipelines.settings import Settings
from pipelines.validation import read_ahead
from pipelines.warehouse.connection import open_warehouse
from tests.support.desk import BRANCH, OTHER, REPORTER, Desk, csv_text, row

SUFFIXES = (".html", ".json", ".xlsx")
FIXED = {"reporter_code": REPORTER, "org_code": BRANCH}
JANUARY = {
    "period": "2024-01", "updated_at": "2024-02-01 00:00:00", "found_date": "2024-01-10", "due_date": "2024-01-24",
    "handled_date": "2024-01-20",
}  # fmt: skip


def cases(count: int, first: int = 1, **changes: str) -> list[dict[str, str]]:
    return [row("F05", first + number, **{**FIXED, **changes}) for number in range(count)]


def outbox(desk: Desk) -> dict[str, bytes]:
    """Every file of the outbox by its place."""
    root = desk.settings.outbox_dir
    return {
        str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()
    }


def receipt(desk: Desk, submission: str, reporter: str = REPORTER) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(
        (desk.settings.outbox_dir / reporter / f"{submission}.json").read_bytes()
    )
    jsonschema.validate(told, json.loads(published_schema()), jsonschema.Draft202012Validator)
    return told


def book(desk: Desk, submission: str, reporter: str = REPORTER) -> Workbook:
    return openpyxl.load_workbook(desk.settings.outbox_dir / reporter / f"{submission}.xlsx")


def page(desk: Desk, submission: str, reporter: str = REPORTER) -> str:
    return (desk.settings.outbox_dir / reporter / f"{submission}.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def bureau(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A bureau with a filing in every judged state, run once."""
    desk = Desk(Settings(home=tmp_path_factory.mktemp("home"), threads=2, memory_limit="1GiB"))
    desk.register()
    partly = cases(41)
    partly[7]["handle_result"] = "不知"
    partly[9]["due_date"] = "2024/3/18"
    desk.file("F05", cases(40), submission_id="SUPERSEDED")
    desk.file("F05", partly, sequence=2, supersedes="SUPERSEDED", submission_id="PARTLY_ACCEPTED")
    refused = cases(40, 300, period="2024-02", updated_at="2024-03-01 09:00:00", handle_result="不知")
    desk.file("F05", refused, period="2024-02", submission_id="REJECTED")
    desk.file("F02", [], data=b"\x00\x01", kind="ORIGINAL", row_count=1, submission_id="MALFORMED")
    premium = [row("F06", **FIXED, premium="100.10", premium_ytd="100.10")]
    desk.file("F06", premium, control_totals={"premium": "100.11"}, submission_id="TOTALS")
    desk.file("F05", cases(3, 500, **JANUARY), period="2024-01", submission_id="WITHDRAWN",
              signed_at="2024-02-05T10:00:00")  # fmt: skip
    desk.file("F05", [], period="2024-01", sequence=2, kind="WITHDRAW", supersedes="WITHDRAWN",
              submission_id="WITHDRAWAL")  # fmt: skip
    desk.file("F03", [], submission_id="ACCEPTED")
    desk.file("F04", [], submission_id="QUARANTINED")
    desk.file("F05", cases(1, 900), submission_id="FORMLESS", declared={"form": "F99"})
    with pytest.MonkeyPatch.context() as patch:
        read = read_ahead.read_parcel

        def broken(form: Any, *arguments: Any, **options: Any) -> Any:
            if form.code == "F04":
                raise ZeroDivisionError("an invariant broke")
            return read(form, *arguments, **options)

        patch.setattr(read_ahead, "read_parcel", broken)
        desk.run()
    return desk


JUDGED = sorted(set(STATES) - {"received"})


@pytest.mark.parametrize("state", JUDGED)
def test_every_state_has_its_receipt_in_three_files(bureau: Desk, state: str) -> None:
    submission = state.upper()
    told = receipt(bureau, submission)
    words = STATES[state]
    assert told["state"] == {
        "code": state, "label_zh": words.label_zh, "sentence_zh": words.sentence_zh, "sentence_en": words.sentence_en,
        "actor": words.actor, "next_zh": words.next_zh, "next_en": words.next_en,
        "in_force": words.in_force,
    }  # fmt: skip
    assert told["rows"]["adds_up"] is True
    assert words.sentence_zh in page(bureau, submission)
    assert words.sentence_zh in str(book(bureau, submission)["摘要"]["A2"].value)


def test_findings_of_some_submissions_are_those_of_the_public_view(bureau: Desk) -> None:
    [every] = bureau.ask(
        "SELECT list(DISTINCT submission_id ORDER BY submission_id) AS ids FROM filing.findings"
    )
    some = every["ids"][::2]
    assert 1 < len(some) < len(every["ids"])
    public = "SELECT * FROM filing.findings WHERE submission_id IN (SELECT unnest(?)) ORDER BY ALL"
    assert bureau.ask("SELECT * FROM ledger.findings_of(?) ORDER BY ALL", some) == bureau.ask(public, some)


def test_a_filing_that_waits_has_its_words_but_no_file(bureau: Desk) -> None:
    con = open_warehouse(bureau.settings.build_database)
    try:
        waiting = con.execute(
            "SELECT min(submission_id) FROM filing.submissions WHERE state = 'received'"
        ).fetchone()
        assert waiting is not None
        [dossier] = dossiers(con, [waiting[0]], catalogue=load_catalogue())
    finally:
        con.close()
    assert dossier.receipt.state.code == "received"
    assert dossier.receipt.rows is None
    assert not [place for place in outbox(bureau) if place.split("/")[-1].startswith(waiting[0])]


def test_counts_and_places_agree_with_the_ledger(bureau: Desk) -> None:
    for facts in bureau.ask("SELECT * FROM filing.submissions WHERE state <> 'received' AND form <> 'R03'"):
        told = receipt(bureau, facts["submission_id"])
        assert told["totals"]["blocking"] == facts["error_count"]
        assert told["totals"]["advisory"] == facts["warning_count"]
        assert told["totals"]["waived"] == facts["waived_count"]
        assert told["totals"]["unexplained"] == facts["unexplained_count"]
        assert told["totals"]["listed"] == facts["error_count"] + facts["warning_count"]
        assert sum(line["verdict"] == "fail" for line in told["verdicts"]) == len(
            [group for group in told["findings"] if told["verdicts"]]
        )
    [group] = receipt(bureau, "PARTLY_ACCEPTED")["findings"][:1]
    [found] = group["findings"]
    assert (group["rule_code"], found["row_no"], found["header"], found["value"]) == (
        "GEN-I01",
        9,
        "处理结果",
        "不知",
    )


def test_the_rows_sheet_shows_the_filed_text_with_the_blamed_cell_marked(bureau: Desk) -> None:
    sheet = book(bureau, "PARTLY_ACCEPTED")["问题行"]
    columns = load_catalogue().forms["F05"].columns
    lead = ["行号 row", "问题与更正 what is wrong"]
    assert [cell.value for cell in sheet[2]] == [*lead, *(column.title_zh for column in columns)]
    assert [cell.value for cell in sheet["A"][2:]] == [9, 11]
    at = 3 + [column.name for column in columns].index("handle_result")
    blamed = sheet.cell(3, at)
    assert blamed.value == "不知"
    assert blamed.fill.start_color.rgb != sheet.cell(3, at - 1).fill.start_color.rgb
    assert sheet["B3"].value.startswith("GEN-I01 [处理结果]")
    filed = cases(41)[7] | {"handle_result": "不知"}
    assert [cell.value for cell in sheet[3]][2:] == [filed.get(column.name) or None for column in columns]
    # a row that is only told (W), not held back, is there too, as it was read
    told = cases(41)[9] | {"due_date": "2024-03-18"}
    assert [cell.value for cell in sheet[4]][2:] == [told.get(column.name) or None for column in columns]
    due = sheet.cell(4, 3 + [column.name for column in columns].index("due_date"))
    assert due.fill.start_color.rgb not in (blamed.fill.start_color.rgb, sheet["C4"].fill.start_color.rgb)
    assert sheet["B4"].value.startswith("GEN-I05 [")


def test_totals_are_answered_with_our_own(bureau: Desk) -> None:
    told = {line["column_name"]: line for line in receipt(bureau, "TOTALS")["control_totals"]}
    premium = told["premium"]
    assert (premium["declared"], premium["ours"], premium["agrees"]) == ("100.11", "100.1", False)
    unstated = [line for line in told.values() if line["declared"] is None]
    assert unstated
    assert all(line["agrees"] is None and line["ours"] is not None for line in unstated)


def test_what_did_not_run_says_why_in_both_languages(bureau: Desk) -> None:
    verdicts = {line["rule_code"]: line for line in receipt(bureau, "PARTLY_ACCEPTED")["verdicts"]}
    unrun = verdicts["F05-X01"]
    assert unrun["verdict"] == "not_run"
    assert "F01" in unrun["reason_en"]
    assert "F01" in unrun["reason_zh"]
    assert "尚未报送" in unrun["reason_zh"]
    assert unrun["reason_zh"] in page(bureau, "PARTLY_ACCEPTED")
    for submission in ("MALFORMED", "REJECTED"):
        for line in receipt(bureau, submission)["verdicts"]:
            assert (line["verdict"] == "not_run") == bool(line["reason_zh"]) == bool(line["reason_en"])


def test_a_form_nobody_knows_still_has_a_receipt(bureau: Desk) -> None:
    told = receipt(bureau, "FORMLESS")
    assert (told["submission"]["form_title_zh"], told["verdicts"]) == (None, [])
    [group] = told["findings"]
    assert group["rule_code"] == "ENV-S03"
    assert group["text_zh"]


def test_a_nil_report_tells_its_streak(bureau: Desk) -> None:
    assert receipt(bureau, "ACCEPTED")["submission"]["nil_streak"] == 1
    assert receipt(bureau, "PARTLY_ACCEPTED")["submission"]["nil_streak"] is None


def test_the_next_deadline_is_that_of_the_following_period(bureau: Desk) -> None:
    calendar = bureau.ask(
        "SELECT period, due_date FROM filing.obligations WHERE form = 'F05' AND reporter_code = ?", REPORTER
    )
    dated = {line["period"]: line["due_date"] for line in calendar}
    told = receipt(bureau, "WITHDRAWN")
    assert told["submission"]["due_date"] == str(dated["2024-01"])
    assert told["next_deadline"] == {"form": "F05", "period": "2024-02", "due_date": str(dated["2024-02"])}
    assert told["submission"]["late_days"] == 0


def test_settling_again_writes_nothing_and_from_scratch_the_same(bureau: Desk) -> None:
    before = outbox(bureau)
    root = bureau.settings.outbox_dir
    places = {place: (root / place).stat().st_ino for place in before}
    steps.settle(bureau.settings)
    assert {place: (root / place).stat().st_ino for place in before} == places
    bureau.ask("DELETE FROM ledger.receipt")
    for place in before:
        (root / place).unlink()
    steps.settle(bureau.settings)
    assert outbox(bureau) == before


def test_another_outbox_is_filled_whole(bureau: Desk, tmp_path: Path) -> None:
    moved = bureau.settings.model_copy(update={"outbox": (tmp_path / "elsewhere").as_uri()})
    steps.settle(moved)
    assert outbox(Desk(moved)) == outbox(bureau)
    steps.settle(bureau.settings)


def test_many_are_drawn_in_processes_of_their_own_with_the_same_bytes(
    bureau: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "_MANY", 1)
    # nothing may be drawn in this process: those of the pool import the module anew
    monkeypatch.setattr(drawing, "workbook", lambda _: pytest.fail("drawn in the run's own process"))
    moved = bureau.settings.model_copy(update={"outbox": (tmp_path / "elsewhere").as_uri(), "threads": 2})
    steps.settle(moved)
    assert outbox(Desk(moved)) == outbox(bureau)
    monkeypatch.undo()
    steps.settle(bureau.settings)


def test_only_what_a_new_filing_touches_is_written(desk: Desk) -> None:
    desk.file("F05", cases(3))
    other = [row("F02", reporter_code=OTHER, org_code=OTHER, complaint_id="", is_complaint="N")]
    desk.file("F02", other, reporter=OTHER)
    desk.run()
    root = desk.settings.outbox_dir
    before = {place: (root / place).stat().st_ino for place in outbox(desk)}
    second = desk.file("F05", cases(2), sequence=2)
    desk.run()
    after = {place: (root / place).stat().st_ino for place in outbox(desk)}
    changed = {place.split("/")[0] for place in after if after[place] != before.get(place)}
    assert changed == {REPORTER}
    assert {place for place in after if place not in before} == {
        f"{REPORTER}/{second}{end}" for end in SUFFIXES
    }


def test_the_same_bytes_again_are_counted_in_the_receipt(desk: Desk) -> None:
    submission = desk.file("F05", cases(3))
    desk.run()
    assert receipt(desk, submission)["submission"]["times_received"] == 1
    for suffix in (".csv", ".csv.json"):
        (desk.inbox / f"again{suffix}").write_bytes((desk.inbox / f"{submission}{suffix}").read_bytes())
    desk.run()
    assert receipt(desk, submission)["submission"]["times_received"] == 2


def test_a_run_killed_while_writing_finishes_later(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, period in enumerate(("2024-01", "2024-02", "2024-03")):
        desk.file("F03", [], period=period, signed_at=f"2024-04-0{number + 1}T10:00:00")
    before = outbox(desk)
    put, calls = Outbox.put, 0

    def dying(self: Outbox, *arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise OutboxUnavailableError("the disk is full")
        put(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "put", dying)
        with pytest.raises(OutboxUnavailableError):
            desk.run()
    assert len(outbox(desk)) == len(before) + 4
    steps.settle(desk.settings)
    told = outbox(desk)
    assert len(told) == len(before) + 3 * 3
    undisturbed = desk.settings.model_copy(update={"outbox": (desk.settings.home / "other").as_uri()})
    steps.settle(undisturbed)
    assert outbox(Desk(undisturbed)) == told


def test_a_correction_names_the_file_a_carried_row_was_filed_in(desk: Desk) -> None:
    rows = cases(40)
    rows[7]["handle_result"] = "不知"
    first = desk.file("F05", rows)
    second = desk.file(
        "F05", [row("F05", 3, **FIXED, record_action="U", agent_code="A-77")], sequence=2, kind="CORRECTION"
    )
    desk.run()
    told = receipt(desk, second)
    [found] = [
        one for group in told["findings"] if group["rule_code"] == "GEN-I01" for one in group["findings"]
    ]
    assert (found["filed_in"], found["row_no"]) == (first, 9)
    sheet = book(desk, second)["问题行"]
    assert [cell.value for cell in sheet[3]][:2] == [9, first]
    assert "不知" in [cell.value for cell in sheet[3]]
    assert told["submission"]["base_submission_id"] == first


def test_counts_are_true_when_details_are_capped(desk: Desk) -> None:
    count = RULE_LIMIT + 25
    submission = desk.file("F05", cases(count, handle_result="不知"))
    desk.run()
    told = receipt(desk, submission)
    [group] = [group for group in told["findings"] if group["rule_code"] == "GEN-I01"]
    assert (group["count"], group["listed"], group["is_truncated"]) == (count, RULE_LIMIT, True)
    assert [found["row_no"] for found in group["findings"]] == list(range(2, RULE_LIMIT + 2))
    assert (told["totals"]["blocking"], told["totals"]["is_truncated"]) == (count, True)
    assert f"本规则共 {count:,} 处,此页列出 {PLACES} 处,工作簿列出 {RULE_LIMIT:,} 处" in page(
        desk, submission
    )
    found = book(desk, submission)
    assert f"{RULE_LIMIT:,} of {count:,} listed" in found["问题"]["A1"].value
    assert found["问题"].max_row == RULE_LIMIT + 2
    assert found["问题行"].max_row == RULE_LIMIT + 2


def test_what_a_resubmission_changes_and_the_figures_it_moves(desk: Desk) -> None:
    rows = cases(4)
    first = desk.file("F05", rows)
    desk.run()
    second = desk.file("F05", [rows[0] | {"agent_code": "A-9"}, *rows[1:3], *cases(1, 90)], sequence=2)
    third = desk.file("F05", cases(2), sequence=3)
    desk.run()
    told = receipt(desk, second)
    difference = told["difference"]
    assert difference["against_submission_id"] == first
    counts = [difference[f"rows_{name}"] for name in ("added", "removed", "changed", "unchanged")]
    assert counts == [1, 1, 1, 2]
    [changed] = [line for line in difference["changes"] if line["change"] == "changed"]
    assert (changed["header"], changed["new_value"], changed["old_filed_in"]) == (
        "销售人员编码",
        "A-9",
        first,
    )
    assert "A-9" in [cell.value for line in book(desk, second)["差异"].iter_rows() for cell in line]
    assert [receipt(desk, one)["kpi_effects"] for one in (first, second, third)] == [None, None, None]
    moved = {
        "kpi_id": "CBK-05", "name_zh": "问题件率", "period": "2024-03", "grain": "insurer", "dimension": None,
        "old_value": "1.00", "new_value": "2.00", "unit": "%",
    }  # fmt: skip
    con = open_warehouse(desk.settings.build_database)
    try:
        note_effects(con, {second: [moved], third: []})
        note_effects(con, {second: []})  # a later release does not tell it otherwise
    finally:
        con.close()
    steps.settle(desk.settings)
    assert [receipt(desk, one)["kpi_effects"] for one in (first, second, third)] == [None, [moved], []]
    assert "CBK-05 问题件率" in page(desk, second)
    assert "没有已发布的指标因此变动" in page(desk, third)


PHONE, IDENTITY, NAME = "13987654321", "110101199003071239", "欧阳小明"
SIGNERS = {"prepared_by": "慕容甲子", "reviewed_by": "司徒乙丑", "approved_by": "诸葛丙寅"}


def texts(desk: Desk) -> Iterator[tuple[str, str]]:
    """Everything an insurer could read in the outbox, the parts of workbooks unpacked."""
    for place, data in outbox(desk).items():
        if place.endswith(".xlsx"):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                for name in archive.namelist():
                    yield f"{place}!{name}", archive.read(name).decode()
        else:
            yield place, data.decode()


@pytest.mark.parametrize("form", ["F01", "F05", "F06"])
def test_no_person_planted_in_any_column_reaches_a_receipt(desk: Desk, form: str) -> None:
    columns = load_catalogue().forms[form].columns
    planted = [column.name for column in columns if column.name not in ("reporter_code", "period")]
    # eleven digits in a longer code are read as a code that lost its leading zeros, and cannot be told from one
    padded = {
        column.name for column in columns if column.kind == "code" and (column.length or 0) > len(PHONE)
    }
    rows: list[dict[str, str]] = []
    for value in (PHONE, IDENTITY, f"{NAME}{PHONE}"):
        rows += [
            row(form, len(rows) + at, **FIXED) | {name: value}
            for at, name in enumerate(planted)
            if not (value == PHONE and name in padded)
        ]
    # a name alone can be told where the column is personal or never holds words
    nameable = [
        c.name for c in columns if c.name in planted and (c.personal or c.kind not in ("text", "enum"))
    ]
    rows += [row(form, len(rows) + at, **FIXED) | {name: NAME} for at, name in enumerate(nameable)]
    # the same key twice: rules over rows quote what they find
    rows += [rows[0], rows[0]]
    submission = desk.file(form, rows, declared=SIGNERS)
    desk.run()
    told = receipt(desk, submission)
    blamed = {found["column_name"] for group in told["findings"] for found in group["findings"]}
    assert blamed >= {column.name for column in columns if column.kind in ("code", "date", "timestamp", "enum")} - {
        "reporter_code", "period"
    }  # fmt: skip
    for place, text in texts(desk):
        for person in (PHONE, IDENTITY, NAME, *SIGNERS.values()):
            assert person not in text, place
    for found in desk.ask("SELECT * FROM filing.findings"):
        assert not [
            text for text in map(str, found.values()) if PHONE in text or IDENTITY in text or NAME in text
        ]


def test_no_person_in_headers_names_or_the_envelope_reaches_a_receipt(desk: Desk) -> None:
    header = [column.title_zh for column in load_catalogue().forms["F05"].columns]
    desk.file("F05", [], data=csv_text("F05", cases(2), [*header[:-1], f"电话{PHONE}"]).encode(), kind="ORIGINAL",
              row_count=2, name=f"{IDENTITY}.csv", submission_id="HEADER", declared=SIGNERS)  # fmt: skip
    desk.file("F05", cases(2), sequence=2, submission_id="ENVELOPE",
              declared=SIGNERS | {"reason_code": f"{NAME}{PHONE}", "supersedes": PHONE})  # fmt: skip
    desk.file("F05", cases(2), submission_id="REPORTER", name="third.csv",
              declared=SIGNERS | {"reporter": PHONE, "period": f"2024-{IDENTITY}"})  # fmt: skip
    desk.file(
        "F05",
        cases(2),
        submission_id="SIGNERS",
        name="fourth.csv",
        declared=dict.fromkeys(SIGNERS, "慕容甲子"),
    )
    (desk.inbox / "fifth.csv").write_text("姓名\n" + PHONE, encoding="utf-8")
    (desk.inbox / "fifth.csv.json").write_text(json.dumps({"电话": PHONE, "period": PHONE, "kind": PHONE}))
    desk.run()
    assert {path.name for path in desk.settings.outbox_dir.iterdir()} == {
        REPORTER, "unidentified", "00000000000001"
    }  # fmt: skip
    for place, text in texts(desk):
        for person in (PHONE, IDENTITY, *SIGNERS.values()):
            assert person not in text, place


def test_filed_formulas_stay_text_in_the_whole_way(desk: Desk) -> None:
    rows = cases(40)
    rows[3] |= {"handle_result": "=1+1", "agent_code": '=HYPERLINK("x")'}
    submission = desk.file("F05", rows)
    desk.run()
    found = book(desk, submission)
    formulas = [
        cell.coordinate
        for sheet in found
        for line in sheet.iter_rows()
        for cell in line
        if cell.data_type == "f"
    ]
    assert formulas == []
    assert "=1+1" in [cell.value for cell in found["问题行"][3]]


def test_csv_of_the_desk_is_what_the_receipt_quotes() -> None:
    """The harness writes the rows these tests compare with."""
    [line] = list(csv.DictReader(io.StringIO(csv_text("F05", cases(1)))))
    assert line["报告期"] == "2024-03"
    assert datetime.fromisoformat(cases(1)[0]["updated_at"])
