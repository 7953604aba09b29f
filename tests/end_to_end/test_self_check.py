"""An insurer's own check says what the regulator would say, as far as it can be known, and keeps nothing."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from pipelines.contracts.identities import hide_identities
from pipelines.contracts.loader import load_catalogue
from pipelines.contracts.model import Column
from pipelines.contracts.periods import Period
from pipelines.contracts.working_days import default_calendar_path
from pipelines.filing.self_check.check import Report, self_check
from pipelines.filing.self_check.desk import Bounds
from pipelines.intake.envelope import LABELS
from pipelines.intake.handed import Told, UnrecognisedError, gather
from pipelines.intake.template import csv_template, example_row
from pipelines.intake.template_workbook import COVER_SHEET, DATA_SHEET, workbook_template
from pipelines.intake.xlsx_reader import XlsxLimits
from pipelines.settings import Settings
from tests.support.desk import BRANCH, OTHER, REPORTER, SUPERVISOR, Desk, csv_text, example, row

CATALOGUE = load_catalogue()
NOW = dt.datetime(2024, 4, 8, 10, 0)
BOUNDS = Bounds(1 << 24, XlsxLimits(unzipped_bytes=1 << 24), "1GiB", 2)
FILED = sorted(code for code, form in CATALOGUE.forms.items() if form.side != "official")
FIXED = {"reporter_code": REPORTER, "org_code": BRANCH}
#: What only the institution master can tell.
MASTER = {"ENV-S04", "GEN-U02"}


def check(*paths: Path, told: Told = Told(), bounds: Bounds = BOUNDS) -> list[Report]:  # noqa: B008 - frozen
    return self_check(gather(paths), CATALOGUE, bounds, told=told, now=NOW, calendar=default_calendar_path())


def found(findings: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    keys = ("rule_code", "row_no", "column_name", "value", "expected", "message_zh")
    # the check masks identities in its findings as receipts do; the view they come from holds them as filed
    return sorted(tuple(hide_identities(str(finding[key])) for key in keys) for finding in findings)


def unrun(report: Report) -> dict[str, str | None]:
    return {v.rule_code: v.reason_zh for v in report.verdicts if v.verdict == "not_run"}


# ------------------------------------------------------------------------------------------ the filled template


def as_typed(column: Column, text: str) -> object:
    """The cell as a person's typing makes it."""
    if column.kind in ("date", "timestamp"):
        return dt.datetime.fromisoformat(text)
    if column.kind in ("integer", "decimal"):
        return float(text)
    return text


def filled(
    code: str, rows: Sequence[Mapping[str, str]], path: Path, *, native: bool = True, **cover: object
) -> Path:
    """A template filled in with openpyxl, as any program would."""
    form = CATALOGUE.forms[code]
    period = Period.parse(rows[0]["period"])
    book = openpyxl.load_workbook(
        io.BytesIO(workbook_template(CATALOGUE, form, today=NOW.date(), period=period))
    )
    sheet = book[DATA_SHEET]
    for line, filed in enumerate(rows, start=2):
        for position, column in enumerate(form.columns, start=1):
            text = filed.get(column.name)
            if text:
                sheet.cell(line, position, as_typed(column, text) if native else text)
    fields: dict[str, object] = {
        "submission_id": f"{code}-{period}-001",
        "reporter": rows[0]["reporter_code"],
        "kind": "ORIGINAL",
        "sequence_no": 1,
        "state": "SUBMITTED",
        "row_count": len(rows),
        "prepared_by": "填报01",
        "reviewed_by": "复核02",
        "approved_by": "批准03",
        "signed_at": dt.datetime(2024, 4, 5, 10, 15),
    } | cover
    for line in book[COVER_SHEET].iter_rows(min_row=4):
        for name, value in fields.items():
            if line[0].value == LABELS.get(name, name):
                line[1].value = value
    book.save(path)
    return path


def valid_rows(code: str) -> list[dict[str, str]]:
    """The valid row of a form's examples; of an evaluation all six elements, which stand together only (R08-I02)."""
    if code != "R08":
        return [row(code)]
    *scored, last = CATALOGUE.forms[code].column("element").values
    return [*(row(code, element=name) for name in scored), row(code, element=last, score="", deduction="2")]


@pytest.mark.parametrize("code", FILED)
def test_a_template_filled_with_a_valid_row_passes(code: str, tmp_path: Path) -> None:
    rows = valid_rows(code)
    [report] = check(filled(code, rows, tmp_path / "a.xlsx", native=True))
    assert (report.envelope, found(report.findings)) == ("cover", [])
    assert report.receipt is not None
    assert report.receipt["verdict"]["state"] == "accepted"
    assert report.receipt["receipt"]["rows_read"] == len(rows)


def test_a_template_filled_with_text_alone_passes(tmp_path: Path) -> None:
    [report] = check(filled("F01", [row("F01")], tmp_path / "a.xlsx", native=False))
    assert found(report.findings) == []


@pytest.mark.parametrize("code", sorted(CATALOGUE.forms))
def test_the_example_row_of_each_form_passes(code: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(csv_text(code, [example_row(CATALOGUE.forms[code])]), encoding="utf-8")
    [report] = check(path)
    assert report.is_clean, found(report.findings)
    assert (report.receipt or {})["receipt"]["form"] == code


def test_totals_on_the_cover_are_held_against_the_rows(tmp_path: Path) -> None:
    rows = [row("F06", premium="100.25"), row("F06", premium="200.50", sales_channel="银邮代理")]
    right = filled("F06", rows, tmp_path / "right.xlsx", **{"合计:premium": 300.75})
    assert check(right)[0].is_clean
    wrong = filled("F06", rows, tmp_path / "wrong.xlsx", **{"合计:premium": 300.76})
    [report] = check(wrong)
    assert [finding["rule_code"] for finding in report.findings] == ["ENV-S02"]


def test_the_csv_skeleton_filled_in_passes(tmp_path: Path) -> None:
    import json

    header, skeleton = csv_template(CATALOGUE.forms["F05"], period=Period.parse("2024-03"), reporter=REPORTER)
    body = csv_text("F05", [row("F05")]).split("\r\n", 1)[1]
    (tmp_path / "F05.csv").write_bytes(header + body.encode())
    envelope = json.loads(skeleton) | {
        "submission_id": "F05-2024-03-001", "kind": "ORIGINAL", "sequence_no": 1, "state": "SUBMITTED", "row_count": 1,
        "prepared_by": "甲", "reviewed_by": "乙", "approved_by": "丙", "signed_at": "2024-04-05T10:00:00",
    }  # fmt: skip
    (tmp_path / "F05.csv.json").write_text(json.dumps(envelope), encoding="utf-8")
    [report] = check(tmp_path)
    assert (report.envelope, report.findings) == ("sidecar", [])


# -------------------------------------------------------------------------- the same findings as the pipeline


def compare(desk: Desk, *submissions: str) -> None:
    """Pipeline and check say the same of the same files: all of it with the institution master, else all but that."""
    desk.run()
    whole = {(report.receipt or {})["receipt"]["submission_id"]: report for report in check(desk.inbox)}
    alone = {
        (report.receipt or {})["receipt"]["submission_id"]: report
        for report in check(*(desk.inbox / f"{submission}.csv" for submission in submissions))
    }
    for submission in submissions:
        told = desk.ask("SELECT * FROM filing.findings WHERE submission_id = ?", submission)
        assert found([*whole[submission].receipt["findings"], *whole[submission].pending]) == found(told)  # type: ignore[index]
        assert found([*alone[submission].receipt["findings"], *alone[submission].pending]) == found(  # type: ignore[index]
            [
                finding
                for finding in told
                if finding["rule_code"] not in MASTER or "与信封不符" in finding["message_zh"]
            ]
        )
        if not whole[submission].pending:
            assert whole[submission].receipt["verdict"]["state"] == desk.state(submission)  # type: ignore[index]


@pytest.fixture
def desk(run_settings: Settings, registered: Desk) -> Desk:
    return registered.twin(run_settings)


def test_broken_examples_are_found_as_the_pipeline_finds_them(desk: Desk) -> None:
    """Every row rule of every form, and the general rules, in one month's files of one insurer."""
    submissions = []
    for code in (code for code in FILED if CATALOGUE.forms[code].side == "insurer"):
        form = CATALOGUE.forms[code]
        fixed = FIXED | {"period": "2024Q1" if form.frequency == "quarterly" else "2024-03"}
        fails = [example(code)["rules"][rule.code]["fail"] for rule in form.rules if rule.kind == "row"]
        fails += [{column.name: "?"} for column in form.columns if column.name not in fixed]
        rows = [row(code, n, **{**fail, **fixed}) for n, fail in enumerate([{}, *fails], start=1)]
        submissions.append(desk.file(code, rows, period=fixed["period"]))
    compare(desk, *submissions)


def test_forms_handed_in_together_are_held_against_each_other(desk: Desk) -> None:
    complaints = [row("F01", n, **FIXED, first_inquiry_id=f"F02-{n}") for n in range(1, 4)]
    complaints[2] |= {"org_code": OTHER}
    inquiries = [row("F02", n, **FIXED, complaint_id=f"F01-{n}") for n in range(1, 3)]
    earlier = [row("F01", 1, **FIXED, period="2024-02", received_at="2024-02-20 10:15:00", due_date="2024-03-06",
                   decision_date="2024-02-27", notify_date="2024-02-28", updated_at="2024-03-01 09:00:00")]  # fmt: skip
    compare(
        desk,
        desk.file("F01", earlier, period="2024-02", signed_at="2024-03-05T10:00:00"),
        desk.file("F01", complaints),
        desk.file("F02", inquiries),
        desk.file("F05", [row("F05", **FIXED)]),
    )


def test_envelopes_that_are_not_in_order(desk: Desk) -> None:
    defects: list[dict[str, Any]] = [
        {},
        {"row_count": 5},
        {"state": "SAVED"},
        {"approved_by": "复核02"},
        {"version": "0.9.0"},
        {"declared": {"period": "2024Q1"}},
        {"declared": {"form": "F99"}},
        {"signed_at": None},
        {"control_totals": {"nonsense": "1"}},
        {"kind": "NIL"},
        {"sequence": 3, "supersedes": None},
        {"sha256": "0" * 64},
    ]
    submissions = []
    for month, envelope in enumerate(defects, start=1):
        label = f"2023-{month:02d}"
        rows = [row("F05", n, **FIXED, period=label, problem_type="未知") for n in (1, 2)]
        submissions.append(desk.file("F05", rows, period=label, **envelope))
    compare(desk, *submissions)


@pytest.mark.slow
@settings(max_examples=5, phases=[Phase.generate])  # shrinking would run the pipeline for minutes
@given(data=st.data())
def test_whatever_is_written_into_cells_both_say_the_same(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("desk")
    desk = Desk(Settings(home=home, inbox=str(home / "inbox"), threads=2, memory_limit="1GiB"))
    desk.register()
    # rows that name another period or reporter refuse the whole file; that is another test's matter
    names = [c.name for c in CATALOGUE.forms["F05"].columns if c.name not in ("period", "reporter_code")]
    texts = st.sampled_from(
        ["", "-1", "=1+1", "2024-02-31", "１", "'5", "无", "13812345678", "N", "2024/3/4", "\x7f"]
    )
    rows = [
        row("F05", number, **FIXED) | data.draw(st.dictionaries(st.sampled_from(names), texts, max_size=3))
        for number in range(1, 25)
    ]
    compare(desk, desk.file("F05", rows))


# --------------------------------------------------------------------------------------- what cannot be known


def test_without_the_regulators_data_rules_are_not_run_and_say_why(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(csv_text("F01", [row("F01")]), encoding="utf-8")
    [report] = check(path)
    reasons = unrun(report)
    assert {"ENV-S04", "GEN-U02", "ENV-S06", "ENV-S07", "GEN-P01", "GEN-P02", "F01-X01", "F01-X03"} <= set(
        reasons
    )
    assert "R03" in (reasons["GEN-U02"] or "")
    assert "R01" in (reasons["F01-X01"] or "")
    assert "F02" in (reasons["F01-X03"] or "")
    assert "信封" in (reasons["ENV-S07"] or "")
    assert all(reasons.values())
    codes = [verdict.rule_code for verdict in report.verdicts]
    assert sorted(codes) == sorted(rule.code for rule in CATALOGUE.rules_for(CATALOGUE.forms["F01"]))
    assert report.due == dt.date(2024, 4, 10)


def test_a_reference_that_an_earlier_filing_may_answer_is_pending_and_blocks_nothing(tmp_path: Path) -> None:
    complaints, inquiries = tmp_path / "f01.csv", tmp_path / "f02.csv"
    complaints.write_text(csv_text("F01", [row("F01", 1, first_inquiry_id="SW-OLD")]), encoding="utf-8")
    inquiries.write_text(
        csv_text("F02", [row("F02", 1, is_complaint="N", complaint_id="")]), encoding="utf-8"
    )
    first, _ = check(complaints, inquiries)
    assert [(f["rule_code"], f["value"]) for f in first.pending] == [("F01-X03", "SW-OLD")]
    assert first.pending[0]["message_zh"]
    assert "F01-X03" in unrun(first)
    assert first.is_clean
    assert (first.receipt or {})["verdict"]["state"] == "accepted"


def test_the_period_before_lets_period_rules_run(tmp_path: Path) -> None:
    before = row("F01", 1, **FIXED, period="2024-02", received_at="2024-02-20 10:15:00", due_date="2024-03-06",
                 decision_date="2024-02-27", notify_date="2024-02-28", updated_at="2024-03-01 09:00:00")  # fmt: skip
    now = before | {"period": "2024-03", "policy_hash": "3" * 64}
    for name, line in (("before", before), ("now", now)):
        (tmp_path / f"{name}.csv").write_text(csv_text("F01", [line]), encoding="utf-8")
    alone = check(tmp_path / "now.csv")[0]
    assert "GEN-P01" in unrun(alone)
    together = check(tmp_path / "before.csv", tmp_path / "now.csv")[1]
    assert ("GEN-P01", "policy_hash") in {(f["rule_code"], f["column_name"]) for f in together.findings}
    assert "GEN-P01" not in unrun(together)


def test_a_resubmission_is_judged_without_its_predecessor(desk: Desk) -> None:
    submission = desk.file("F05", [row("F05", **FIXED)], sequence=4)
    [report] = check(desk.inbox / f"{submission}.csv")
    assert report.findings == []
    shown = (report.receipt or {})["receipt"]
    assert (shown["kind"], shown["sequence_no"], shown["supersedes"]) == (
        "RESUBMIT", 4, f"F05-2024-03-{REPORTER}-003",
    )  # fmt: skip
    assert {"ENV-S06", "GEN-P03"} <= set(unrun(report))


def test_a_correction_needs_what_it_corrects(desk: Desk) -> None:
    original = desk.file("F05", [row("F05", n, **FIXED) for n in (1, 2)])
    correction = desk.file(
        "F05", [row("F05", 2, **FIXED, record_action="U", agent_code="A-9")], sequence=2, kind="CORRECTION"
    )
    with pytest.raises(UnrecognisedError, match=original):
        check(desk.inbox / f"{correction}.csv")
    reports = check(desk.inbox / f"{original}.csv", desk.inbox / f"{correction}.csv")
    assert [found(report.findings) for report in reports] == [[], found(reports[1].findings)]
    assert all(report.is_clean for report in reports)


def test_rows_are_checked_before_the_envelope_is_signed(tmp_path: Path) -> None:
    rows = [row("F05", 1), row("F05", 2, problem_type="未知")]
    draft = filled("F05", rows, tmp_path / "draft.xlsx", state="SAVED", approved_by=None)
    [report] = check(draft)
    assert {f["rule_code"] for f in (report.receipt or {})["findings"]} == {"ENV-S09", "ENV-S07"}
    assert [(f["rule_code"], f["row_no"], f["cell"]) for f in report.beyond] == [
        ("GEN-I01", 3, report.beyond[0]["cell"])
    ]
    unsigned = filled("F05", rows, tmp_path / "unsigned.xlsx", signed_at=None, row_count=None)
    [report] = check(unsigned)
    assert (report.receipt or {})["verdict"]["state"] == "malformed"
    assert [(f["rule_code"], f["row_no"]) for f in report.beyond] == [("GEN-I01", 3)]
    assert {v.rule_code: v.verdict for v in report.verdicts}["GEN-I01"] == "fail" or report.verdicts == []


def test_insurers_are_checked_apart(tmp_path: Path) -> None:
    for name, reporter in (("a", REPORTER), ("b", OTHER)):
        lines = [row("F05", reporter_code=reporter, org_code=BRANCH)]
        (tmp_path / f"{name}.csv").write_text(csv_text("F05", lines), encoding="utf-8")
    assert [report.findings for report in check(tmp_path)] == [[], []]


def test_lateness_is_told_from_the_signature(desk: Desk) -> None:
    submission = desk.file("F05", [row("F05", **FIXED)], signed_at="2024-04-15T10:00:00")
    [report] = check(desk.inbox / f"{submission}.csv")
    assert [(f["rule_code"], f["expected"]) for f in report.findings] == [("ENV-S08", "2024-04-10")]
    assert report.is_clean


# --------------------------------------------------------------------------------------- files without envelope


def test_what_a_file_is_comes_from_its_headers_and_rows(tmp_path: Path) -> None:
    path = tmp_path / "whatever.csv"
    path.write_bytes(csv_text("F05", [row("F05", n, **FIXED) for n in range(3)]).encode("gb18030"))
    [report] = check(path)
    shown = (report.receipt or {})["receipt"]
    assert (shown["form"], shown["period"], shown["reporter_code"]) == ("F05", "2024-03", REPORTER)
    assert report.envelope == "none"


def test_a_row_of_another_period_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    lines = [row("F05", n, **FIXED) for n in range(3)] + [row("F05", 9, **FIXED, period="2024-02")]
    path.write_text(csv_text("F05", lines), encoding="utf-8")
    [report] = check(path)
    assert [(f["rule_code"], f["value"]) for f in report.findings] == [("ENV-S03", "2024-02")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("甲,乙\n1,2\n", "--form"),
        (csv_text("F05", [row("F05")]).replace("发现日期", "发现日期甲"), "nearest is F05"),
        (csv_text("F05", []), "--period and --reporter"),
    ],
)
def test_a_file_that_does_not_say_what_it_is_asks(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UnrecognisedError, match=said):
        check(path)


def test_what_was_told_is_used(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(csv_text("F05", [row("F05")]).replace("发现日期", "发现日期甲"), encoding="utf-8")
    [report] = check(path, told=Told("F05", "2024-03", REPORTER))
    assert {f["rule_code"] for f in report.findings} == {"ENV-S01"}
    assert any("发现日期甲" in f["message_zh"] for f in report.findings)


def test_two_files_without_envelope_for_one_obligation_cannot_both_be_meant(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(
            csv_text("F05", [row("F05", agent_code=name)]), encoding="utf-8"
        )
    with pytest.raises(UnrecognisedError, match="which comes first"):
        check(tmp_path)


def test_a_copy_is_told_as_a_copy(desk: Desk) -> None:
    submission = desk.file("F05", [row("F05", **FIXED)])
    for suffix in (".csv", ".csv.json"):
        (desk.inbox / f"copy{suffix}").write_bytes((desk.inbox / f"{submission}{suffix}").read_bytes())
    first, second = check(desk.inbox / f"{submission}.csv", desk.inbox / "copy.csv")
    assert first.same_as is None
    assert second.same_as == first.file


# ------------------------------------------------------------------------------------------- hostile and kept


def zip_bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as container:
        container.writestr("xl/workbook.xml", b"0" * (40 << 20))
    return out.getvalue()


@pytest.mark.parametrize("told", [Told(), Told("F05", "2024-03", REPORTER)], ids=["untold", "told"])
@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("bomb.xlsx", zip_bomb(), "超过上限"),
        ("old.xls", bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 600, "密码"),
        ("cut.xlsx", b"PK\x03\x04garbage", "损坏"),
        ("bytes.csv", csv_text("F05", [row("F05")]).encode() + b"\xff\xfe\x80", "解码"),
        ("nul.csv", b"a,b\n\x00\n", "NUL"),
        ("empty.csv", b"", "为空"),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value else "",
)
def test_hostile_files_are_findings(tmp_path: Path, name: str, data: bytes, said: str, told: Told) -> None:
    (tmp_path / name).write_bytes(data)
    [report] = check(tmp_path / name, told=told)
    assert not report.is_clean
    assert any(said in finding["message_zh"] for finding in report.findings), found(report.findings)
    assert all(finding["fix_zh"] for finding in report.findings)


def test_a_file_too_big_is_a_finding(tmp_path: Path) -> None:
    path = tmp_path / "big.csv"
    path.write_bytes(csv_text("F05", [row("F05")]).encode())
    [report] = check(path, bounds=Bounds(100, XlsxLimits(), "1GiB", 2))
    assert any("超过上限" in finding["message_zh"] for finding in report.findings)


def test_formula_cells_are_what_they_show_or_a_finding(tmp_path: Path) -> None:
    path = filled("F05", [row("F05")], tmp_path / "a.xlsx")
    book = openpyxl.load_workbook(path)
    names = [column.name for column in CATALOGUE.forms["F05"].columns]
    book[DATA_SHEET].cell(2, names.index("problem_id") + 1, '=HYPERLINK("http://x")')
    book.save(path)  # a formula without a computed value is an empty cell
    [report] = check(path)
    assert [(f["rule_code"], f["column_name"]) for f in report.findings] == [("GEN-I01", "problem_id")]


def test_personal_data_is_never_shown(tmp_path: Path) -> None:
    lines = [
        row("F01", 1, product_code="电话13812345678"),
        row("F01", 2, complainant_hash="430902199001011234"),
    ]
    path = tmp_path / "a.csv"
    path.write_text(csv_text("F01", lines), encoding="utf-8")
    [report] = check(path)
    assert {"GEN-I04", "GEN-I01"} <= {finding["rule_code"] for finding in report.findings}
    shown = str(report)
    assert "13812345678" not in shown
    assert "430902199001011234" not in shown


def test_an_identity_in_the_wrong_column_is_not_shown_either(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    lines = [row("F05", 1), row("F05", 2), row("F05", 3, period="13812345678")]
    path.write_text(csv_text("F05", lines), encoding="utf-8")
    [report] = check(path)
    assert [finding["rule_code"] for finding in report.findings if finding["severity"] == "E"] == ["ENV-S03"]
    assert "13812345678" not in str(report)


def test_nothing_is_kept_and_the_supervisors_own_forms_are_checked_too(
    desk: Desk, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submission = desk.file("R01", [row("R01", org_code=BRANCH)], reporter=SUPERVISOR)
    room = tmp_path / "temporary"
    room.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(room))
    monkeypatch.chdir(room)
    before = sorted((path, path.stat().st_mtime_ns) for path in home.rglob("*"))
    [report] = check(desk.inbox / f"{submission}.csv")
    assert report.is_clean, found(report.findings)
    assert sorted((path, path.stat().st_mtime_ns) for path in home.rglob("*")) == before
    assert list(room.iterdir()) == []
