"""Every query rule, run over small filings: what it finds, what it must leave alone.

The relations a query is written over are stand-ins here, built straight from the contracts; the validation room builds
the real ones with the same columns.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.contracts.loader import load_catalogue
from pipelines.contracts.periods import Period

A, B = "00012343090000", "00022343090000"
A1, A2 = "00012343090100", "00012343090200"
SUPERVISOR = "00000000000001"
ROLLUP = [
    (A, A, "2015-01-01", None),
    (A1, A1, "2015-01-01", None),
    (A1, A, "2015-01-01", "2024-03-20"),
    (A1, B, "2024-03-20", None),
    (A2, A, "2015-01-01", None),
    (B, B, "2015-01-01", None),
]
Finding = tuple[int, int | None, str | None, str | None]


class Bureau:
    """Readable filings of any forms; rules are run over the submissions of one form and period."""

    def __init__(self) -> None:
        self.catalogue = load_catalogue()
        self.con = duckdb.connect()
        self.con.execute(
            "CREATE TABLE subs (submission_no INTEGER, form VARCHAR, filing_reporter VARCHAR, filing_period VARCHAR, "
            "period_start DATE, period_end DATE, rows_read BIGINT, signed_at TIMESTAMP, sequence_no INTEGER)"
        )
        self.con.execute(
            "CREATE TABLE rollup_pairs (org_code VARCHAR, ancestor_code VARCHAR, valid_from DATE, valid_to DATE)"
        )
        self.con.executemany("INSERT INTO rollup_pairs VALUES (?, ?, ?, ?)", ROLLUP)
        self.con.execute("CREATE TABLE releases (release_no INTEGER, as_of TIMESTAMP, period VARCHAR)")
        self.con.execute("CREATE TABLE reporters (org_code VARCHAR)")
        self.con.executemany("INSERT INTO reporters VALUES (?)", [[A], [B]])
        self.con.execute("CREATE TABLE forms (form VARCHAR, side VARCHAR, frequency VARCHAR)")
        self.con.execute(
            "CREATE TABLE rules (form VARCHAR, rule_code VARCHAR, severity VARCHAR, waivable BOOLEAN)"
        )
        for code, form in self.catalogue.forms.items():
            self.con.execute("INSERT INTO forms VALUES (?, ?, ?)", [code, form.side, form.frequency])
            self.con.executemany(
                "INSERT INTO rules VALUES (?, ?, ?, ?)",
                [[code, r.code, r.severity, r.waivable] for r in self.catalogue.rules_for(form)],
            )
            columns = ", ".join(f'"{column.name}" {column.duckdb_type}' for column in form.columns)
            self.con.execute(
                f"CREATE TABLE rows_{code} "
                f"({columns}, submission_no INTEGER, row_no BIGINT, sound BOOLEAN DEFAULT TRUE)"
            )

        repeated = " UNION ALL ".join(
            f"(SELECT submission_no, row_no FROM rows_{code} WHERE {form.key[-1]} IS NOT NULL "
            f"QUALIFY count(*) OVER (PARTITION BY submission_no, {form.key[-1]}) > 1)"
            for code, form in self.catalogue.forms.items()
        )
        self.con.execute(f"CREATE VIEW repeats AS {repeated}")

    def file(
        self,
        no: int,
        code: str,
        period: str,
        *rows: dict[str, Any],
        reporter: str = A,
        signed: str | None = None,
    ) -> None:
        """A filing signed on the tenth day after its period, or when told; a row with `sound` False is held back."""
        span = Period.parse(period)
        signed_at = signed or f"{span.end + timedelta(days=10)} 10:00:00"
        self.con.execute(
            "INSERT INTO subs VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)",
            [no, code, reporter, period, span.start, span.end, len(rows), signed_at],
        )
        for row_no, row in enumerate(rows, start=2):
            cells = {**row, "submission_no": no, "row_no": row_no}
            names = ", ".join(f'"{name}"' for name in cells)
            marks = ", ".join("?" for _ in cells)
            self.con.execute(f"INSERT INTO rows_{code} ({names}) VALUES ({marks})", list(cells.values()))

    def findings(self, rule_code: str, *under_check: int, form: str | None = None) -> list[Finding]:
        query = self.query(rule_code, *under_check, form=form)
        result = self.con.execute(
            f"SELECT submission_no, row_no, value, expected FROM ({query}) ORDER BY ALL NULLS FIRST"
        )
        return [tuple(row) for row in result.fetchall()]  # type: ignore[misc]  # duckdb says tuples of any length

    def query(self, rule_code: str, *under_check: int, form: str | None = None) -> str:
        """The rule's query over these filings."""
        code = form or rule_code.partition("-")[0]
        rule = self.catalogue.forms[code].rule(rule_code)
        assert rule.query is not None
        numbers = ", ".join(map(str, under_check))
        whole = (
            "(SELECT r.*, s.filing_reporter, s.filing_period, s.period_start AS filing_period_start, s.period_start, "
            "s.period_end, s.sequence_no, s.signed_at FROM rows_{0} r JOIN subs s USING (submission_no))"
        )

        def relation(match: re.Match[str]) -> str:
            name, _, part = match[1].partition(".")
            if name == "submissions":
                return f"(FROM subs WHERE submission_no IN ({numbers}))"
            if name in ("rollup", "repeats", "reporters", "forms", "rules", "releases"):
                return "rollup_pairs" if name == "rollup" else name
            form = code if name == "self" else name
            if part == "counterpart":
                owner = f"'{SUPERVISOR}'" if form.startswith("R") else "s.filing_reporter"
                return (
                    f"(SELECT r.*, s.submission_no AS for_submission_no FROM subs s JOIN subs c ON c.form = '{form}' "
                    f"AND c.filing_reporter = {owner} AND s.period_start BETWEEN c.period_start AND c.period_end "
                    f"JOIN {whole.format(form)} r ON r.submission_no = c.submission_no "
                    f"WHERE s.submission_no IN ({numbers}))"
                )
            if part in ("known", "accepted"):
                held_back = "WHERE r.sound" if part == "accepted" else ""
                return (
                    "(SELECT r.*, k.for_submission_no FROM ("
                    "SELECT s.submission_no AS for_submission_no, c.submission_no "
                    f"FROM subs s JOIN subs c ON c.form = '{form}' AND c.period_start <= s.signed_at "
                    f"WHERE s.submission_no IN ({numbers}) QUALIFY row_number() OVER ("
                    "PARTITION BY s.submission_no, c.filing_period ORDER BY c.signed_at <= s.signed_at DESC, "
                    "abs(epoch(s.signed_at) - epoch(c.signed_at))) = 1) AS k "
                    f"JOIN {whole.format(form)} r ON r.submission_no = k.submission_no {held_back})"
                )
            if part == "previous":
                return (
                    f"(SELECT r.*, s.submission_no AS for_submission_no FROM subs s JOIN {whole.format(form)} r "
                    f"ON r.filing_reporter = s.filing_reporter AND r.period_end = s.period_start - 1 "
                    f"WHERE s.form = '{form}' AND s.submission_no IN ({numbers}))"
                )
            if part == "others":
                return (
                    f"(SELECT r.*, s.submission_no AS for_submission_no FROM subs s JOIN {whole.format(form)} r "
                    "ON r.filing_reporter <> s.filing_reporter JOIN subs o ON o.submission_no = r.submission_no "
                    f"AND o.signed_at <= s.signed_at WHERE s.form = '{form}' AND s.submission_no IN ({numbers}))"
                )
            if name == "self" and not part:
                return f"(FROM {whole.format(form)} WHERE submission_no IN ({numbers}))"
            return whole.format(form)

        return re.sub(r"\{([a-zA-Z0-9.]+)\}", relation, rule.query)


@pytest.fixture
def bureau() -> Bureau:
    return Bureau()


def rows_of(found: list[Finding]) -> list[int | None]:
    return [row_no for _, row_no, _, _ in found]


def test_every_query_rule_is_tested_here() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    for form in load_catalogue().forms.values():
        if form.side == "official":
            continue
        for rule in form.rules:
            if rule.kind == "query":
                assert f'findings("{rule.code}"' in source, rule.code


def test_no_rule_compares_each_row_with_each(bureau: Bureau) -> None:
    """DuckDB does so where a condition of a join has no equality of its own, as under OR (docs/decisions/0030)."""

    def compares(query: str) -> bool:
        return "BLOCKWISE_NL" in str(bureau.con.execute(f"EXPLAIN (FORMAT JSON) {query}").fetchall())

    assert compares("FROM range(9) AS a(i) JOIN range(9) AS b(j) ON a.i = b.j OR a.i = b.j + 1")
    assert not compares("FROM range(9) AS a(i) JOIN range(9) AS b(j) ON a.i = b.j")
    found = {
        rule.code
        for code, form in bureau.catalogue.forms.items()
        if form.side != "official"  # some hundred figures a bulletin
        for rule in bureau.catalogue.rules_for(form)
        if rule.kind == "query" and compares(bureau.query(rule.code, 1, form=code))
    }
    # few rows on one side: complaints whose view differs from the regulator's; business that cannot be placed
    # (DuckDB 2.0 finds another way for both)
    assert found <= {"F01-X02", "F01-X06"}


def complaint(number: str, received: str = "2024-03-04 10:00:00", **more: Any) -> dict[str, Any]:
    return {"complaint_id": number, "received_at": received, "org_code": A1, "validity": "有效", **more}


def same_matter(number: str, received: str, **more: Any) -> dict[str, Any]:
    return complaint(
        number,
        received,
        **{"complainant_hash": "c" * 64, "policy_hash": "d" * 64, "reason_l1": "销售纠纷", **more},
    )


def test_repeat_within_90_days_tells_the_later_ones(bureau: Bureau) -> None:
    bureau.file(
        1,
        "F01",
        "2024-03",
        same_matter("c", "2024-03-30 09:00:00"),
        same_matter("a", "2023-12-01 09:00:00"),
        same_matter("b", "2024-02-29 23:00:00"),
        same_matter("other", "2024-03-01 00:00:00", policy_hash="e" * 64),
        same_matter("no policy 1", "2024-03-01 00:00:00", policy_hash=None),
        same_matter("no policy 2", "2024-03-02 00:00:00", policy_hash=None),
    )
    assert bureau.findings("F01-U01", 1) == [(1, 2, "c" * 64, "b"), (1, 4, "c" * 64, "a")]


@pytest.mark.parametrize(
    "second",
    [
        same_matter("b", "2024-03-01 00:00:00"),
        same_matter("b", "2024-02-01 00:00:00", validity="重复"),
        same_matter("b", "2024-02-01 00:00:00", reason_l1="保全纠纷"),
        # One complaint filed in two rows is GEN-U01's finding.
        same_matter("a", "2024-02-01 00:00:00"),
    ],
)
def test_what_is_no_repeat(bureau: Bureau, second: dict[str, Any]) -> None:
    bureau.file(1, "F01", "2024-03", same_matter("a", "2023-12-01 09:00:00"), second)
    assert bureau.findings("F01-U01", 1) == []


def test_repeats_of_another_reporter_do_not_count(bureau: Bureau) -> None:
    bureau.file(1, "F01", "2024-03", same_matter("a", "2024-03-01 09:00:00"))
    bureau.file(2, "F01", "2024-03", same_matter("b", "2024-03-02 09:00:00"), reporter=B)
    assert bureau.findings("F01-U01", 1, 2) == []


def test_first_complaint_is_an_earlier_one(bureau: Bureau) -> None:
    bureau.file(9, "F01", "2024-02", complaint("old", "2024-02-01 09:00:00"))
    bureau.file(8, "F01", "2024-03", complaint("foreign"), reporter=B)
    bureau.file(7, "F01", "2024-04", complaint("future", "2024-04-01 09:00:00"))
    bureau.file(
        1,
        "F01",
        "2024-03",
        complaint("first", "2024-03-01 09:00:00"),
        complaint("good 1", first_complaint_id="first"),
        complaint("good 2", first_complaint_id="old"),
        complaint("itself", first_complaint_id="itself"),
        complaint("too late", "2024-03-01 08:00:00", first_complaint_id="first"),
        complaint("nowhere", first_complaint_id="unknown"),
        complaint("not ours", first_complaint_id="foreign"),
        complaint("not yet", first_complaint_id="future"),
        complaint("same moment", "2024-03-01 09:00:00", first_complaint_id="first"),
    )
    found = bureau.findings("F01-U02", 1)
    assert rows_of(found) == [5, 6, 7, 8, 9]
    assert [value for _, _, value, _ in found] == ["itself", "first", "unknown", "foreign", "future"]


def test_cycles_of_one_moment_are_found_and_their_tails_are_not(bureau: Bureau) -> None:
    ring = [complaint(f"r{i}", first_complaint_id=f"r{(i + 1) % 7}") for i in range(7)]
    tail = [complaint("t0", first_complaint_id="r0"), complaint("t1", first_complaint_id="t0")]
    bureau.file(1, "F01", "2024-03", *ring, *tail)
    assert rows_of(bureau.findings("F01-U02", 1)) == [2, 3, 4, 5, 6, 7, 8]


def test_a_cycle_over_time_is_found_at_its_link_forward(bureau: Bureau) -> None:
    bureau.file(
        1,
        "F01",
        "2024-03",
        complaint("a", "2024-03-01 09:00:00", first_complaint_id="b"),
        complaint("b", "2024-03-02 09:00:00", first_complaint_id="a"),
    )
    assert rows_of(bureau.findings("F01-U02", 1)) == [2]


def test_a_long_chain_and_repeated_ids_stay_cheap(bureau: Bureau) -> None:
    bureau.file(
        1,
        "F01",
        "2024-03",
        *(complaint(f"x{i % 50}", first_complaint_id=f"x{(i * 7 + 1) % 50}") for i in range(400)),
        *(complaint(f"y{i}", first_complaint_id=f"y{i + 1}") for i in range(300)),
        complaint("y300"),
    )
    assert bureau.findings("F01-U02", 1)


def crowd(number: str, **more: Any) -> dict[str, Any]:
    return complaint(number, **{"reason_l1": "销售纠纷", "agent_code": "A7", **more})


def test_five_alike_need_a_group(bureau: Bureau) -> None:
    bureau.file(1, "F01", "2024-03", *(crowd(f"a{i}") for i in range(5)), crowd("else", agent_code="A8"))
    assert bureau.findings("F01-U03", 1) == [(1, row, None, None) for row in range(2, 7)]


@pytest.mark.parametrize(
    "fifth",
    [
        crowd("a5", group_id="G1"),
        crowd("a5", received_at="2024-03-05 00:00:00"),
        crowd("a5", org_code=A2),
        crowd("a5", agent_code=None),
        crowd("a0"),
    ],
)
def test_four_alike_need_none(bureau: Bureau, fifth: dict[str, Any]) -> None:
    bureau.file(1, "F01", "2024-03", *(crowd(f"a{i}") for i in range(4)), fifth)
    assert bureau.findings("F01-U03", 1) == []


def forwarded(number: str, on: str = "2024-03-05", org: str = A1) -> dict[str, Any]:
    return {"reg_ref_no": number, "forwarded_on": on, "org_code": org}


def test_ledger_and_register_hold_the_same_numbers(bureau: Bureau) -> None:
    bureau.file(
        9,
        "R01",
        "2024-03",
        forwarded("both"),
        forwarded("missing"),
        forwarded("before", on="2024-02-29"),
        forwarded("moved", on="2024-03-20"),
        forwarded("stranger", org=B),
        reporter=SUPERVISOR,
    )
    bureau.file(
        1,
        "F01",
        "2024-03",
        complaint("1", reg_ref_no="both", reg_forward_date="2024-03-05"),
        complaint("2", reg_ref_no="invented", reg_forward_date="2024-03-06"),
        complaint("3", reg_ref_no="earlier", reg_forward_date="2024-02-06"),
        complaint("4", reg_ref_no="stranger", reg_forward_date="2024-03-05"),
        complaint("5"),
    )
    bureau.file(2, "F01", "2024-03", reporter=B)
    assert bureau.findings("F01-X01", 1, 2) == [
        (1, None, "missing", None),
        (1, 3, "invented", None),
        (1, 5, "stranger", None),
        (2, None, "moved", None),
        (2, None, "stranger", None),
    ]


def viewed(number: str, validity: str, org: str = A1, on: str = "2024-03-05") -> dict[str, Any]:
    return {**forwarded(number, on=on, org=org), "reg_validity": validity}


def appeal(number: str, filed_on: str = "2024-03-20", **more: Any) -> dict[str, Any]:
    return {"appeal_id": f"SS-{number}", "reg_ref_no": number, "filed_on": filed_on, **more}


def contested(number: str, validity: str = "不纳入") -> dict[str, Any]:
    return complaint(f"c-{number}", reg_ref_no=number, validity=validity)


def test_another_view_than_the_regulators_needs_an_appeal(bureau: Bureau) -> None:
    numbers = ("open", "granted", "refused", "completed", "refused later", "filed later", "none", "moved")
    bureau.file(
        9,
        "R01",
        "2024-03",
        *(viewed(number, "有效") for number in numbers[:-1]),
        viewed("moved", "有效", on="2024-03-20"),
        viewed("agreed", "有效"),
        viewed("undecided", "待定"),
        viewed("no view yet", "有效"),
        viewed("foreign", "有效", org=B),
        reporter=SUPERVISOR,
    )
    bureau.file(
        8,
        "R02",
        "2024-03",
        appeal("open"),
        appeal("granted", decision="同意", decided_on="2024-03-28"),
        appeal("refused", decision="驳回", decided_on="2024-04-10"),
        appeal("completed", decision="补正", decided_on="2024-03-28"),
        appeal("refused later", decision="驳回", decided_on="2024-04-11"),
        appeal("filed later", filed_on="2024-04-11"),
        reporter=SUPERVISOR,
    )
    bureau.file(
        1,
        "F01",
        "2024-03",
        *(contested(number) for number in numbers),
        contested("agreed", "有效"),
        contested("undecided"),
        contested("no view yet", "待定"),
        contested("foreign"),
        complaint("own complaint", validity="无效"),
    )
    assert bureau.findings("F01-X02", 1) == [
        (1, 4, "不纳入", "有效"),  # refused on the day of the signature
        (1, 7, "不纳入", "有效"),  # appealed the day after
        (1, 8, "不纳入", "有效"),  # never appealed
    ]


def test_an_appeal_is_seen_as_it_was_known_at_the_signature(bureau: Bureau) -> None:
    """A register of the next month counts when it had been filed; a decision that came after the signature does not."""
    bureau.file(9, "R01", "2024-02", viewed("carried", "有效", on="2024-02-05"), reporter=SUPERVISOR)
    bureau.file(7, "R01", "2024-03", viewed("a", "有效"), viewed("b", "有效"), reporter=SUPERVISOR)
    bureau.file(6, "R02", "2024-03", reporter=SUPERVISOR)
    bureau.file(
        5, "R02", "2024-04", appeal("a", "2024-04-02"), reporter=SUPERVISOR, signed="2024-04-03 10:00:00"
    )
    bureau.file(
        4,
        "R02",
        "2024-04",
        appeal("a", "2024-04-02", decision="驳回", decided_on="2024-04-08"),
        appeal("b", "2024-04-02"),
        reporter=SUPERVISOR,
        signed="2024-05-10 10:00:00",
    )
    bureau.file(1, "F01", "2024-03", contested("a"), contested("b"), contested("carried"))
    assert bureau.findings("F01-X02", 1) == [(1, 3, "不纳入", "有效"), (1, 4, "不纳入", "有效")]


def test_the_newest_register_tells_the_regulators_view(bureau: Bureau) -> None:
    bureau.file(9, "R01", "2024-02", viewed("x", "有效", on="2024-02-05"), reporter=SUPERVISOR)
    bureau.file(8, "R01", "2024-03", viewed("x", "不纳入", on="2024-02-05"), reporter=SUPERVISOR)
    bureau.file(1, "F01", "2024-02", contested("x"))
    bureau.file(2, "F01", "2024-03", contested("x"))
    assert bureau.findings("F01-X02", 1, 2) == [(1, 2, "不纳入", "有效")]


def waiver(**more: Any) -> dict[str, Any]:
    return {"target_form": "F01", "target_period": "2024-03", "rule_code": "F01-I04", "org_code": A, **more}


def test_a_waiver_names_a_form_that_insurers_file_by_period(bureau: Bureau) -> None:
    forms = ("F01", "F11", "F99", "R01", "F14", "PUB", None)
    bureau.file(1, "R04", "2024-03", *(waiver(target_form=form) for form in forms), reporter=SUPERVISOR)
    by_period = ("monthly", "quarterly")
    filed = (f for f in bureau.catalogue.forms.values() if f.side == "insurer" and f.frequency in by_period)
    needed = " | ".join(sorted(form.code for form in filed))
    assert bureau.findings("R04-I03", 1) == [
        (1, n, value, needed) for n, value in ((4, "F99"), (5, "R01"), (6, "F14"), (7, "PUB"))
    ]


def test_a_waiver_names_a_rule_that_may_be_waived(bureau: Bureau) -> None:
    rules = (
        "F01-I04",
        "F01-X01",
        "GEN-U02",
        "GEN-P01",
        "F02-I01",
        "F01-I09",
        "GEN-I04",
        "GEN-U01",
        "ENV-S02",
        None,
    )
    unknown = waiver(target_form="F99")
    bureau.file(1, "R04", "2024-03", *(waiver(rule_code=r) for r in rules), unknown, reporter=SUPERVISOR)
    found = bureau.findings("R04-I04", 1)
    assert [value for _, _, value, _ in found] == ["F02-I01", "F01-I09", "GEN-I04", "GEN-U01", "ENV-S02"]
    assert [str(expected)[:4] for _, _, _, expected in found] == [
        "本报表的",
        "W 级问",
        "允许豁免",
        "允许豁免",
        "允许豁免",
    ]


@pytest.mark.parametrize("rule", ["R04-I05", "F14-I04"])
def test_a_target_period_fits_the_forms_frequency(bureau: Bureau, rule: str) -> None:
    targets = (
        ("F01", "2024-03"),
        ("F01", "2024Q1"),
        ("F01", "2024-13"),
        ("F11", "2024Q1"),
        ("F11", "2024-03"),
        ("F11", "2024Q5"),
        ("F01", "三月"),
        ("F99", "三月"),
        ("F01", None),
    )
    rows = [waiver(target_form=form, target_period=period) for form, period in targets]
    bureau.file(1, "R04", "2024-03", *rows, reporter=SUPERVISOR)
    bureau.file(2, "F14", "2024-03", *rows)
    found = {"R04-I05": bureau.findings("R04-I05", 1), "F14-I04": bureau.findings("F14-I04", 2)}[rule]
    assert [(1, *rest) for _, *rest in found] == [
        (1, 3, "2024Q1", "2025-03"),
        (1, 4, "2024-13", "2025-03"),
        (1, 6, "2024-03", "2025Q1"),
        (1, 7, "2024Q5", "2025Q1"),
        (1, 8, "三月", "2025-03"),
    ]


def test_a_waiver_is_for_a_reporting_insurer(bureau: Bureau) -> None:
    rows = [waiver(org_code=org) for org in (A, A1, SUPERVISOR, None)]
    bureau.file(1, "R04", "2024-03", *rows, reporter=SUPERVISOR)
    assert bureau.findings("R04-X01", 1) == [(1, 3, A1, None), (1, 4, SUPERVISOR, None)]


def evaluated(element: str | None, **more: Any) -> dict[str, Any]:
    return {"org_code": A, "evaluation_year": 2023, "element": element, **more}


ELEMENTS = ("体制建设", "机制与运行", "操作与服务", "教育宣传", "纠纷化解", "监督检查")


def test_an_evaluation_has_all_six_elements(bureau: Bureau) -> None:
    whole = [evaluated(element) for element in ELEMENTS]
    parts = [evaluated(element, evaluation_year=2024) for element in ELEMENTS[:5]]
    bureau.file(1, "R08", "2024-03", *whole, *parts, evaluated(None), reporter=SUPERVISOR)
    assert bureau.findings("R08-I02", 1) == [(1, 8, "5", "6")]


def test_an_evaluation_is_of_a_reporting_insurer(bureau: Bureau) -> None:
    rows = [evaluated(ELEMENTS[0], org_code=org) for org in (A, A1, SUPERVISOR, None)]
    bureau.file(1, "R08", "2024-03", *rows, reporter=SUPERVISOR)
    assert bureau.findings("R08-X01", 1) == [(1, 3, A1, None), (1, 4, SUPERVISOR, None)]


def test_an_explanation_names_a_warning_of_a_form(bureau: Bureau) -> None:
    rows = [
        waiver(rule_code="F01-I09"),
        waiver(rule_code="GEN-P02"),
        waiver(rule_code="F01-I04"),
        waiver(rule_code="F02-I04"),
        waiver(target_form="R01", rule_code="R01-I01"),
        waiver(target_form="F99", rule_code="F99-I01"),
    ]
    bureau.file(1, "F14", "2024-03", *rows)
    found = bureau.findings("F14-I03", 1)
    assert [(row, str(expected)[:4]) for _, row, _, expected in found] == [(4, "W 级规"), (5, "本报表的")]
    assert rows_of(bureau.findings("F14-I02", 1)) == [6, 7]


def inquiry(number: str, complaint_id: str | None, at: str = "2024-03-01 09:00:00") -> dict[str, Any]:
    return {"inquiry_id": number, "complaint_id": complaint_id, "inquiry_at": at}


def test_first_inquiry_exists_and_points_back(bureau: Bureau) -> None:
    bureau.file(9, "F02", "2024-03", inquiry("i1", "1"), inquiry("i2", "other"), inquiry("i3", None))
    bureau.file(8, "F02", "2024-02", inquiry("i5", "5"))
    bureau.file(7, "F02", "2024-04", inquiry("i6", "6"))
    bureau.file(6, "F02", "2024-03", inquiry("i7", "7"), reporter=B)
    bureau.file(
        1,
        "F01",
        "2024-03",
        *(complaint(str(i), first_inquiry_id=f"i{i}") for i in range(1, 8)),
        complaint("8"),
    )
    found = bureau.findings("F01-X03", 1)
    assert [value for _, _, value, _ in found] == ["i2", "i3", "i4", "i6", "i7"]
    assert rows_of(found) == [3, 4, 5, 7, 8]


def test_inquired_complaint_exists_and_is_not_older(bureau: Bureau) -> None:
    bureau.file(
        9,
        "F01",
        "2024-03",
        complaint("same", "2024-03-01 09:00:00"),
        complaint("older", "2024-03-01 08:59:59"),
        complaint("unreadable") | {"received_at": None},
    )
    bureau.file(8, "F01", "2024-02", complaint("before", "2024-03-01 10:00:00"))
    bureau.file(7, "F01", "2024-04", complaint("after", "2024-04-01 10:00:00"))
    names = ["same", "older", "unreadable", "before", "after", "nowhere"]
    bureau.file(1, "F02", "2024-03", *(inquiry(f"i{n}", n) for n in names), inquiry("free", None))
    found = bureau.findings("F02-X01", 1)
    assert [value for _, _, value, _ in found] == ["older", "after", "nowhere"]


def test_own_complaints_need_a_ledger_row(bureau: Bureau) -> None:
    own = {"source_channel": "OWN_HOTLINE"}
    bureau.file(
        9,
        "F01",
        "2024-03",
        complaint("here", **own),
        complaint("before", **own),
        complaint("missing", **own),
        complaint("missing", **own),
        complaint("regulator", source_channel="REG_12378"),
        complaint("old", "2024-02-28 10:00:00", **own),
    )
    bureau.file(8, "F02", "2024-02", inquiry("i0", "before"))
    bureau.file(1, "F02", "2024-03", inquiry("i1", "here"))
    bureau.file(7, "F01", "2024-03", complaint("nil", **own), reporter=B)
    bureau.file(2, "F02", "2024-03", reporter=B)
    assert bureau.findings("F02-X02", 1, 2) == [(1, None, "missing", None), (2, None, "nil", None)]


@pytest.mark.parametrize(
    ("ledger", "ledger_rows", "complaints", "value"),
    [
        (True, 1, 1, None),
        (False, 2, 0, "fi_ledger=N, F02=2"),
        (True, 0, 1, "fi_ledger=Y, F02=0"),
        (True, 0, 0, None),
        (False, 0, 1, None),
        (None, 1, 1, None),
    ],
)
def test_ledger_fits_governance(
    bureau: Bureau, ledger: bool | None, ledger_rows: int, complaints: int, value: str | None
) -> None:
    opposite = None if ledger is None else not ledger
    bureau.file(
        9,
        "F11",
        "2024Q1",
        {"org_code": A, "as_of_date": "2024-02-29", "fi_ledger": opposite},
        {"org_code": A, "as_of_date": "2024-03-31", "fi_ledger": ledger},
        {"org_code": A1, "as_of_date": "2024-03-31", "fi_ledger": opposite},
    )
    bureau.file(
        8, "F01", "2024-03", *(complaint(f"c{i}") for i in range(complaints)), complaint("o", "2024-02-01")
    )
    bureau.file(1, "F02", "2024-03", *(inquiry(f"i{i}", None) for i in range(ledger_rows)))
    found = bureau.findings("F02-X03", 1)
    assert [(row_no, text) for _, row_no, text, _ in found] == ([] if value is None else [(None, value)])


def mediation(number: str, complaint_id: str | None, end: str | None = None) -> dict[str, Any]:
    return {
        "mediation_id": number,
        "mediation_org": "43090000000001",
        "complaint_id": complaint_id,
        "end_date": end,
    }


def test_one_open_mediation_per_complaint(bureau: Bureau) -> None:
    bureau.file(
        1,
        "F03",
        "2024-03",
        mediation("m1", "a"),
        mediation("m2", "a"),
        mediation("m3", "a", "2024-03-01"),
        mediation("m4", "b"),
        mediation("m5", "b", "2024-03-01"),
        mediation("m6", "c"),
        mediation("m6", "c"),
        mediation("m7", None),
        mediation("m8", None),
    )
    assert bureau.findings("F03-U01", 1) == [(1, 2, "a", None), (1, 3, "a", None)]


def call(number: str, must_call: bool | None = True, **more: Any) -> dict[str, Any]:
    cells = {"callback_id": number, "org_code": A1, "sales_channel": "个人代理", "must_call": must_call}
    return {**cells, "callback_type": "新单", "issue_date": "2024-03-05", **more}


def issued(count: int | None, org: str | None = A1, channel: str | None = "个人代理") -> dict[str, Any]:
    return {"org_code": org, "sales_channel": channel, "long_term_new": count}


def test_calls_due_equal_new_policies(bureau: Bureau) -> None:
    bureau.file(9, "F06", "2024-03", issued(2), issued(1), issued(4, channel="经纪"), issued(0, org=A2))
    bureau.file(
        1,
        "F04",
        "2024-03",
        call("1"),
        call("2", must_call=False),
        call("3"),
        call("3"),
        call("old", issue_date="2024-02-29"),
        call("orphan", callback_type="孤儿保单"),
        call("4", sales_channel="经纪"),
        call("5", sales_channel="经纪", must_call=False),
        call("6", org_code=A2),
    )
    assert bureau.findings("F04-X01", 1) == [
        (1, None, f"{A1}/经纪", "3 (≠ 1)"),
        (1, None, f"{A2}/个人代理", "0 (≠ 1)"),
    ]


def test_a_nil_report_of_calls_is_compared_too(bureau: Bureau) -> None:
    bureau.file(9, "F06", "2024-03", issued(3))
    bureau.file(1, "F04", "2024-03")
    assert bureau.findings("F04-X01", 1) == [(1, None, f"{A1}/个人代理", "3 (≠ 0)")]


@pytest.mark.parametrize(
    ("volumes", "calls"),
    [
        # must_call unreadable: the policy counts on one side or the other, the sum is the same.
        ([issued(1)], [call("1", must_call=None)]),
        # One call cannot be placed; it may be the missing one.
        ([issued(1)], [call("1", org_code=None)]),
        ([issued(1)], [call("1", issue_date=None)]),
        ([issued(1)], [call("1", callback_type=None)]),
        # A volume that is unknown or cannot be placed may be the missing one.
        ([issued(1), issued(None)], [call("1"), call("2")]),
        ([issued(1), issued(1, channel=None)], [call("1"), call("2")]),
    ],
)
def test_unknown_operands_make_no_finding(
    bureau: Bureau, volumes: list[dict[str, Any]], calls: list[dict[str, Any]]
) -> None:
    bureau.file(9, "F06", "2024-03", *volumes)
    bureau.file(1, "F04", "2024-03", *calls)
    assert bureau.findings("F04-X01", 1) == []


def test_problem_case_exists(bureau: Bureau) -> None:
    bureau.file(9, "F05", "2024-03", {"problem_id": "here"})
    bureau.file(8, "F05", "2024-02", {"problem_id": "before"})
    bureau.file(7, "F05", "2024-04", {"problem_id": "after"})
    bureau.file(6, "F05", "2024-03", {"problem_id": "foreign"}, reporter=B)
    names = ["here", "before", "after", "foreign", None]
    bureau.file(1, "F04", "2024-03", *(call(f"c{i}", problem_id=name) for i, name in enumerate(names)))
    assert bureau.findings("F04-X02", 1) == [(1, 4, "after", None), (1, 5, "foreign", None)]


def test_problem_case_turned_complaint_exists(bureau: Bureau) -> None:
    bureau.file(9, "F01", "2024-03", complaint("here"))
    bureau.file(8, "F01", "2024-01", complaint("before"))
    names = ["here", "before", "nowhere", None]
    turned = [
        {"problem_id": f"p{i}", "handle_result": "转投诉", "complaint_id": n} for i, n in enumerate(names)
    ]
    bureau.file(1, "F05", "2024-03", *turned, {"problem_id": "px", "handle_result": "成功"})
    assert bureau.findings("F05-X01", 1) == [(1, 4, "nowhere", None), (1, 5, None, None)]


def test_complaint_handed_to_mediation_has_a_case(bureau: Bureau) -> None:
    bureau.file(9, "F03", "2024-03", mediation("here", None))
    bureau.file(8, "F03", "2024-01", mediation("before", None))
    bureau.file(7, "F03", "2024-04", mediation("after", None))
    bureau.file(6, "F03", "2024-03", mediation("foreign", None), reporter=B)
    names = ["here", "before", "after", "foreign", None]
    handed = [complaint(f"c{i}", outcome="转调解", mediation_id=name) for i, name in enumerate(names)]
    other = complaint("c9", outcome="协商一致", mediation_id="nowhere")
    bureau.file(1, "F01", "2024-03", *handed, other)
    assert bureau.findings("F01-X04", 1) == [
        (1, 4, "after", None),
        (1, 5, "foreign", None),
        (1, 6, None, None),
    ]


def volume(org: str | None, line: str | None, **more: Any) -> dict[str, Any]:
    zero = {"premium": "0.00", "policies_new": 0, "policies_in_force": 0}
    return {"org_code": org, "line_code": line, **zero, **more}


def test_complaints_about_a_line_need_business_in_it(bureau: Bureau) -> None:
    bureau.file(
        9,
        "F06",
        "2024-03",
        volume(A1, "分红", premium="-1.00"),
        volume(A1, "万能", policies_in_force=1),
        volume(A1, "年金"),
        volume(A2, "医疗", policies_new=1),
    )
    lines = ["分红", "万能", "年金", "年金", "医疗", None]
    bureau.file(
        1,
        "F01",
        "2024-03",
        *(complaint(f"c{i}", line_code=line) for i, line in enumerate(lines)),
        complaint("old", "2024-02-28 10:00:00", line_code="投连"),
    )
    assert bureau.findings("F01-X06", 1) == [
        (1, None, f"{A1}/医疗 (1)", "> 0"),
        (1, None, f"{A1}/年金 (2)", "> 0"),
    ]


@pytest.mark.parametrize(
    "unknown",
    [
        volume(None, "年金", policies_in_force=5),
        volume(A1, None, premium="5.00"),
        volume(A1, "年金", policies_in_force=None),
    ],
)
def test_a_volume_that_is_unknown_may_be_the_one(bureau: Bureau, unknown: dict[str, Any]) -> None:
    bureau.file(9, "F06", "2024-03", unknown)
    bureau.file(1, "F01", "2024-03", complaint("c", line_code="年金"))
    assert bureau.findings("F01-X06", 1) == []


def open_one(number: str | None, received: str = "2024-02-10 10:00:00", **more: Any) -> dict[str, Any]:
    return complaint(number, received, **{"status": "处理中", **more})  # type: ignore[arg-type]


def closed_one(number: str, received: str = "2024-02-10 10:00:00", **more: Any) -> dict[str, Any]:
    return complaint(number, received, **{"status": "已办结", "decision_date": "2024-03-05", **more})


def test_open_complaints_reappear(bureau: Bureau) -> None:
    bureau.file(
        9,
        "F01",
        "2024-02",
        open_one("open still"),
        open_one("closed now"),
        open_one("gone"),
        open_one("held back and gone", sound=False),
        closed_one("closed before", decision_date="2024-02-20"),
    )
    bureau.file(8, "F01", "2024-02", open_one("foreign"), reporter=B)
    bureau.file(7, "F01", "2024-01", open_one("long gone"))
    bureau.file(
        1, "F01", "2024-03", open_one("open still"), closed_one("closed now"), closed_one("new", "2024-03-01")
    )
    assert bureau.findings("F01-P01", 1) == [(1, None, "gone", "2024-02: 处理中")]


def test_an_unreadable_number_may_be_the_missing_one(bureau: Bureau) -> None:
    bureau.file(9, "F01", "2024-02", open_one("a"), open_one("b"))
    bureau.file(1, "F01", "2024-03", open_one("a"), open_one(None))
    assert bureau.findings("F01-P01", 1) == []
    bureau.file(2, "F01", "2024-03", open_one(None))
    assert rows_of(bureau.findings("F01-P01", 2)) == [None, None]


def test_a_complaint_received_earlier_was_filed_before(bureau: Bureau) -> None:
    bureau.file(9, "F01", "2024-02", open_one("known"))
    bureau.file(8, "F01", "2023-11", open_one("skipped", "2023-11-02"))
    bureau.file(
        1,
        "F01",
        "2024-03",
        open_one("known"),
        open_one("skipped", "2023-11-02"),
        open_one("late"),
        closed_one("late and closed"),
        open_one("withdrawn", status="撤回", withdrawn_date="2024-03-02"),
        closed_one("closed long ago", decision_date="2024-02-20"),
        open_one("of the period", "2024-03-01 00:00:00"),
        open_one("unknown", None) | {"received_at": None},  # type: ignore[arg-type]
    )
    found = bureau.findings("F01-P01", 1)
    assert [value for _, _, value, _ in found] == ["late", "late and closed", "withdrawn"]
    assert {expected for *_, expected in found} == {"received_at ≥ 2024-03-01"}


def test_an_unreadable_number_before_may_be_the_late_one(bureau: Bureau) -> None:
    bureau.file(9, "F01", "2024-02", open_one(None))
    bureau.file(1, "F01", "2024-03", open_one("late"))
    assert bureau.findings("F01-P01", 1) == []


def taken_over(closed: str) -> dict[str, Any]:
    return {"org_code": B, "successor_code": A, "closed_on": closed}


@pytest.mark.parametrize(("closed", "told"), [("2024-03-15", []), ("2024-02-10", [2]), ("2024-04-01", [2])])
def test_complaints_of_a_merged_institution_are_new_to_its_heir(
    bureau: Bureau, closed: str, told: list[int]
) -> None:
    bureau.file(8, "R03", "2024-01", taken_over(closed), reporter=SUPERVISOR)
    bureau.file(9, "F01", "2024-02")
    bureau.file(1, "F01", "2024-03", open_one("taken over"))
    assert rows_of(bureau.findings("F01-P01", 1)) == told


def test_closed_complaints_do_not_reopen(bureau: Bureau) -> None:
    bureau.file(7, "F01", "2023-12", open_one("gap"), open_one("gap open"))
    bureau.file(8, "F01", "2024-01", closed_one("gap"), closed_one("reopened and open again"))
    bureau.file(
        9,
        "F01",
        "2024-02",
        closed_one("reopened"),
        closed_one("linked anew"),
        closed_one("same link", first_complaint_id="first"),
        closed_one("held back", sound=False),
        closed_one("closed still"),
        open_one("reopened and open again"),
        open_one("withdrawn", status="撤回"),
    )
    bureau.file(
        1,
        "F01",
        "2024-03",
        open_one("reopened"),
        open_one("linked anew", first_complaint_id="first"),
        open_one("same link", first_complaint_id="first"),
        open_one("held back"),
        closed_one("closed still"),
        open_one("reopened and open again"),
        open_one("withdrawn"),
        open_one("gap"),
        open_one("gap open"),
        open_one("new"),
    )
    assert bureau.findings("F01-P02", 1) == [
        (1, 2, "处理中", "2024-02: 已办结"),
        (1, 4, "处理中", "2024-02: 已办结"),
        (1, 8, "处理中", "2024-02: 撤回"),
        (1, 9, "处理中", "2024-01: 已办结"),
    ]


def test_a_validity_that_was_published_changes_with_a_warning_only(bureau: Bureau) -> None:
    """F01-P03: what the latest release before the signature stated is compared; 待定 was no view."""

    def states(**validities: str) -> list[dict[str, Any]]:
        return [
            {"complaint_id": name, "validity": view, "received_at": "2024-01-15 09:00:00"}
            for name, view in validities.items()
        ]

    bureau.file(1, "F01", "2024-01", *states(a="有效", b="有效", c="待定", d="重复", e="无效", f="有效"))
    changed = states(a="不纳入", b="有效", c="不纳入", d="无效", e="无效", f="无效", new="无效")
    bureau.file(2, "F01", "2024-02", *changed)
    assert bureau.findings("F01-P03", 2) == []
    # January has been stated when 2 is signed (10 March); a release of the same moment or later is none before it
    bureau.con.execute("INSERT INTO releases VALUES (1, '2024-02-20 10:00:00', '2024-01')")
    bureau.con.execute("INSERT INTO releases VALUES (2, '2024-03-10 10:00:00', '2024-01')")
    wanted = [(2, 2, "不纳入", "v1: 有效"), (2, 5, "无效", "v1: 重复"), (2, 7, "无效", "v1: 有效")]
    assert bureau.findings("F01-P03", 2) == wanted
    # told once: the next release states the new view
    bureau.file(3, "F01", "2024-03", *changed)
    assert bureau.findings("F01-P03", 3) == []
    # a month that no release has stated is open to change
    bureau.con.execute("UPDATE releases SET period = '2023-12'")
    assert bureau.findings("F01-P03", 2) == []


@pytest.mark.parametrize(
    ("before", "now", "received", "told"),
    [
        (0, 0, "2024-03-04 10:00:00", [(1, None, "F02=0, F01=1", "F02>0")]),
        (1, 0, "2024-03-04 10:00:00", []),
        (0, 1, "2024-03-04 10:00:00", []),
        (0, 0, "2024-02-04 10:00:00", []),
    ],
)
def test_a_ledger_is_not_empty_twice(
    bureau: Bureau, before: int, now: int, received: str, told: list[Finding]
) -> None:
    bureau.file(9, "F02", "2024-02", *(inquiry(f"b{i}", None) for i in range(before)))
    bureau.file(8, "F01", "2024-03", complaint("c", received))
    bureau.file(1, "F02", "2024-03", *(inquiry(f"n{i}", None) for i in range(now)))
    assert bureau.findings("F02-P01", 1) == told


def decided(number: str, **more: Any) -> dict[str, Any]:
    cells = {"status": "已办结", "outcome": "不支持", "complexity": "复杂", "decision_date": "2024-03-10"}
    return complaint(number, **{**cells, **more})


def test_disputes_closed_without_agreement_are_mediated(bureau: Bureau) -> None:
    bureau.file(
        9,
        "F01",
        "2024-03",
        decided("mediated"),
        decided("mediated before"),
        decided("missing"),
        decided("in part", outcome="部分支持", complexity="特别复杂"),
        decided("simple", complexity="简单"),
        decided("agreed", outcome="协商一致"),
        decided("handed over", outcome="转调解"),
        decided("open", status="处理中"),
        decided("decided before", decision_date="2024-02-29"),
    )
    bureau.file(8, "F03", "2024-01", mediation("m0", "mediated before"))
    bureau.file(7, "F03", "2024-03", mediation("m9", "missing"), reporter=B)
    bureau.file(1, "F03", "2024-03", mediation("m1", "mediated"))
    assert bureau.findings("F03-X02", 1) == [
        (1, None, "in part", "特别复杂, 部分支持"),
        (1, None, "missing", "复杂, 不支持"),
    ]


@pytest.mark.parametrize(
    ("before", "now", "sound", "told"),
    [
        ("未到期", "已履行", True, False),
        ("未到期", "部分履行", True, False),
        ("未到期", "逾期", True, False),
        ("未到期", "不履行", True, False),
        ("未到期", "未到期", True, False),
        ("已履行", "已履行", True, False),
        ("已履行", "未到期", True, True),
        ("逾期", "未到期", True, True),
        ("逾期", "已履行", True, True),
        ("不履行", "部分履行", True, True),
        ("已履行", "未到期", False, False),
        (None, "已履行", True, False),
        ("已履行", None, True, False),
    ],
)
def test_fulfilment_moves_only_from_not_due(
    bureau: Bureau, before: str | None, now: str | None, sound: bool, told: bool
) -> None:
    bureau.file(9, "F03", "2024-02", mediation("m", None) | {"fulfil_status": before, "sound": sound})
    bureau.file(1, "F03", "2024-03", mediation("new", None), mediation("m", None) | {"fulfil_status": now})
    assert bureau.findings("F03-P01", 1) == ([(1, 3, now, before)] if told else [])


def waiting(number: str | None, **more: Any) -> dict[str, Any]:
    return call(number, **{"success": False, **more})  # type: ignore[arg-type]


def test_policies_due_stay_until_closed(bureau: Bureau) -> None:
    bureau.file(
        8,
        "F05",
        "2024-03",
        {"problem_id": "open", "handle_result": "处理中"},
        {"problem_id": "handled now", "handle_result": "成功", "handled_date": "2024-03-02"},
        {"problem_id": "handled before", "handle_result": "成功", "handled_date": "2024-02-28"},
    )
    bureau.file(
        9,
        "F04",
        "2024-02",
        waiting("stays"),
        waiting("gone"),
        waiting("gone with an open case", problem_id="open"),
        waiting("gone though handled in the period", problem_id="handled now"),
        waiting("handled before", problem_id="handled before"),
        waiting("case not filed", problem_id="nowhere"),
        waiting("exempt", must_call=False),
        waiting("called", success=True),
        waiting("held back", sound=False),
    )
    bureau.file(1, "F04", "2024-03", waiting("stays", success=True))
    assert bureau.findings("F04-P01", 1) == [
        (1, None, "gone", "2024-02: N"),
        (1, None, "gone though handled in the period", "2024-02: N"),
        (1, None, "gone with an open case", "2024-02: N"),
    ]


def test_an_unreadable_call_may_be_the_missing_one(bureau: Bureau) -> None:
    bureau.file(8, "F05", "2024-03")
    bureau.file(9, "F04", "2024-02", waiting("gone"))
    bureau.file(1, "F04", "2024-03", waiting(None))
    assert bureau.findings("F04-P01", 1) == []


def case(
    number: str | None, found: str = "2024-02-10", handled: str | None = None, **more: Any
) -> dict[str, Any]:
    result = "成功" if handled else "处理中"
    return {
        "problem_id": number,
        "found_date": found,
        "handled_date": handled,
        "handle_result": result,
        **more,
    }


def test_open_problem_cases_roll_forward(bureau: Bureau) -> None:
    bureau.file(
        8, "F05", "2024-01", case("closed in January", "2024-01-05", "2024-01-20"), case("gap", "2024-01-05")
    )
    bureau.file(
        9,
        "F05",
        "2024-02",
        case("open still"),
        case("handled now"),
        case("gone"),
        case("gone, held back", sound=False),
        case("handled before", handled="2024-02-20"),
        case("handled before, held back", handled="2024-02-20", sound=False),
    )
    bureau.file(
        1,
        "F05",
        "2024-03",
        case("open still"),
        case("handled now", handled="2024-03-05"),
        case("new", "2024-03-01"),
        case("handled before"),
        case("handled before, held back"),
        case("closed in January", "2024-01-05"),
        case("gap", "2024-01-05"),
        case("late"),
        case("repeated, handled long ago", handled="2024-02-20"),
    )
    assert bureau.findings("F05-P01", 1) == [
        (1, None, "gone", "2024-02: 处理中"),
        (1, 5, "handled before", "2024-02: 成功"),
        (1, 7, "closed in January", "2024-01: 成功"),
        (1, 9, "late", "found_date ≥ 2024-03-01"),
    ]


def test_unreadable_numbers_of_cases_may_be_the_ones(bureau: Bureau) -> None:
    bureau.file(9, "F05", "2024-02", case("gone"), case(None, sound=False))
    bureau.file(1, "F05", "2024-03", case(None), case("late"))
    assert bureau.findings("F05-P01", 1) == []


def test_cases_of_a_merged_institution_are_new_to_its_heir(bureau: Bureau) -> None:
    bureau.file(8, "R03", "2024-01", taken_over("2024-03-15"), reporter=SUPERVISOR)
    bureau.file(9, "F05", "2024-02")
    bureau.file(1, "F05", "2024-03", case("taken over"))
    assert bureau.findings("F05-P01", 1) == []


def premium(amount: str | None, total: str | None, **more: Any) -> dict[str, Any]:
    cells = {"org_code": A1, "line_code": "分红", "sales_channel": "个人代理"}
    return {**cells, "premium": amount, "premium_ytd": total, **more}


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (premium("60", "100.00"), premium("50.25", "150.25"), None),
        (premium("60", "100.00"), premium("50.25", "150.26"), None),
        (premium("60", "100.00"), premium("50.25", "150.27"), ("150.27", "150.25")),
        (premium("60", "100.00"), premium("-50.25", "49.75"), None),
        (premium("60", "100.00"), premium("50.25", "50.25"), ("50.25", "150.25")),
        (premium("60", "100.00", sound=False), premium("50.25", "50.25"), None),
        (premium("60", None), premium("50.25", "50.25"), None),
        (premium("60", "100.00"), premium(None, "50.25"), None),
        (premium("60", "100.00", org_code=A2), premium("50.25", "99.00"), None),
        (premium("60", "100.00", line_code="年金"), premium("50.25", "99.00"), None),
        (premium("60", "100.00", sales_channel="经纪"), premium("50.25", "99.00"), None),
    ],
)
def test_premium_adds_up(
    bureau: Bureau, before: dict[str, Any], now: dict[str, Any], told: tuple[str, str] | None
) -> None:
    bureau.file(9, "F06", "2024-02", before)
    bureau.file(1, "F06", "2024-03", now)
    assert bureau.findings("F06-P01", 1) == ([] if told is None else [(1, 2, *told)])


@pytest.mark.parametrize(("total", "told"), [("50.25", False), ("150.25", True)])
def test_premium_starts_anew_in_january(bureau: Bureau, total: str, told: bool) -> None:
    bureau.file(9, "F06", "2023-12", premium("60", "100.00"))
    bureau.file(1, "F06", "2024-01", premium("50.25", total))
    assert bureau.findings("F06-P01", 1) == ([(1, 2, total, "50.25")] if told else [])


@pytest.mark.parametrize(
    ("before", "now", "sound", "told"),
    [
        (100, 130, True, False),
        (100, 131, True, True),
        (100, 70, True, False),
        (100, 69, True, True),
        (100, 131, False, False),
        (0, 5, True, False),
        (None, 5, True, False),
        (100, None, True, False),
        (1, 9223372036854775807, True, True),
    ],
)
def test_policies_in_force_move_slowly(
    bureau: Bureau, before: int | None, now: int | None, sound: bool, told: bool
) -> None:
    bureau.file(9, "F06", "2024-02", premium("0", "0", policies_in_force=before, sound=sound))
    bureau.file(1, "F06", "2024-03", premium("0", "0", policies_in_force=now))
    assert bureau.findings("F06-P02", 1) == ([(1, 2, str(now), str(before))] if told else [])


def facts(day: str, **more: Any) -> dict[str, Any]:
    return {"org_code": A, "as_of_date": day, **more}


def test_a_fact_that_held_still_holds(bureau: Bureau) -> None:
    bureau.file(
        9,
        "F11",
        "2023Q4",
        facts("2023-11-30", fi_rules=True, fi_ledger=False, cp_committee=True, party_branch=True),
        facts("2023-12-31", fi_rules=False, fi_ledger=True, cp_committee=True, party_branch=None),
        facts("2023-12-31", org_code=A1, fi_rules=True, sound=False),
        facts("2023-12-31", org_code=A2, head_party_member=True),
    )
    bureau.file(
        1,
        "F11",
        "2024Q1",
        facts("2024-03-31", fi_rules=False, fi_ledger=False, cp_committee=True, party_branch=False),
        facts("2024-03-31", org_code=A1, fi_rules=False),
        facts("2024-03-31", org_code=A2, head_party_member=False, cp_committee=False),
        facts("2024-03-31", org_code=B, fi_rules=False),
    )
    assert bureau.findings("F11-P01", 1) == [(1, 2, "N", "2023Q4: Y"), (1, 4, "N", "2023Q4: Y")]


def institution(org: str, start: str, end: str | None = None, heir: str | None = None) -> dict[str, Any]:
    return {"org_code": org, "valid_from": start, "valid_to": end, "successor_code": heir}


def test_institution_intervals_join(bureau: Bureau) -> None:
    bureau.file(9, "R03", "2024-01", institution("known before", "2015-01-01"), reporter=SUPERVISOR)
    bureau.file(
        1,
        "R03",
        "2024-03",
        institution("good", "2020-01-01", None, "heir"),
        institution("good", "2015-01-01", "2020-01-01"),
        institution("heir", "2015-01-01", None, "known before"),
        institution("gap", "2015-01-01", "2019-12-31"),
        institution("gap", "2020-01-01"),
        institution("overlap", "2015-01-01", "2020-01-02"),
        institution("overlap", "2020-01-01"),
        institution("two open", "2015-01-01"),
        institution("two open", "2020-01-01"),
        institution("reversed", "2015-01-01", "2015-01-01"),
        institution("no heir", "2015-01-01", None, "unknown"),
        institution("twice", "2015-01-01"),
        institution("twice", "2015-01-01"),
        reporter=SUPERVISOR,
    )
    assert bureau.findings("R03-P01", 1) == [
        (1, 6, "2020-01-01", "2019-12-31"),
        (1, 8, "2020-01-01", "2020-01-02"),
        (1, 10, "2020-01-01", "valid_to(2015-01-01)"),
        (1, 11, "2015-01-01", "< 2015-01-01"),
        (1, 12, "unknown", "org_code (R03)"),
    ]


def course(number: str, expected: int | None, **more: Any) -> dict[str, Any]:
    return {"course_id": number, "audience": "内勤", "org_code": A1, "expected": expected, **more}


def test_rosters_of_one_audience_differ_by_three_per_cent_at_most(bureau: Bureau) -> None:
    bureau.file(
        1,
        "F08",
        "2024Q1",
        course("as in the seed", 1054),
        course("largest", 1088),
        course("within", 1056),  # 32 of 1,088 are 2.94 %
        course("other audience", 100, audience="外勤"),
        course("other branch", 100, org_code=A2),
        course("unknown", None),
    )
    bureau.file(2, "F08", "2024Q1", course("other insurer", 10), reporter=B)
    assert bureau.findings("F08-P01", 1, 2) == [(1, 2, "1054", "1088")]


def test_exactly_three_per_cent_is_within(bureau: Bureau) -> None:
    bureau.file(1, "F08", "2024Q1", course("a", 100), course("b", 97), course("c", 96))
    assert rows_of(bureau.findings("F08-P01", 1)) == [4]


def clue(number: str, party: str | None = "p" * 64, **more: Any) -> dict[str, Any]:
    return {"clue_id": number, "party_hash": party, "found_stage": "回访", "found_date": "2024-03-05", **more}


def test_one_party_at_two_insurers_is_told_to_the_later_one(bureau: Bureau) -> None:
    bureau.file(
        1, "F09", "2024-03", clue("a"), clue("alone", "q" * 64), clue("none", None), signed="2024-04-05"
    )
    bureau.file(2, "F09", "2024-03", clue("b"), clue("also", None), signed="2024-04-06", reporter=B)
    bureau.file(3, "F09", "2024-04", clue("c"), signed="2024-05-06")
    assert bureau.findings("F09-U01", 1, 2, 3) == [(2, 2, "p" * 64, "1"), (3, 2, "p" * 64, "1")]


def test_clues_of_a_merged_insurer_are_its_heirs(bureau: Bureau) -> None:
    bureau.file(9, "R03", "2024-01", {"org_code": B, "successor_code": A}, reporter=SUPERVISOR)
    bureau.file(1, "F09", "2024-02", clue("b"), reporter=B)
    bureau.file(2, "F09", "2024-03", clue("a"))
    assert bureau.findings("F09-U01", 2) == []


def action(number: str, kind: str, on: str, person: str | None = "h" * 64, **more: Any) -> dict[str, Any]:
    return {"action_id": number, "action_type": kind, "action_date": on, "person_hash": person, **more}


def test_removal_from_the_grey_list_follows_an_entry(bureau: Bureau) -> None:
    bureau.file(9, "F10", "2024-01", action("in", "列入灰名单", "2024-01-10"))
    bureau.file(8, "F10", "2024-04", action("too late", "列入灰名单", "2024-02-01", "l" * 64))
    bureau.file(7, "F10", "2024-02", action("elsewhere", "列入灰名单", "2024-02-01", "e" * 64), reporter=B)
    bureau.file(
        1,
        "F10",
        "2024-03",
        action("out", "移出灰名单", "2024-03-10"),
        action("same day in", "列入灰名单", "2024-03-11", "s" * 64),
        action("same day out", "移出灰名单", "2024-03-11", "s" * 64),
        action("before its entry", "移出灰名单", "2024-03-10", "s" * 64),
        action("never in", "移出灰名单", "2024-03-10", "n" * 64),
        action("filed later", "移出灰名单", "2024-03-10", "l" * 64),
        action("listed by another", "移出灰名单", "2024-03-10", "e" * 64),
        action("unreadable", "移出灰名单", "2024-03-10", None),
        action("punished only", "品质处罚", "2024-03-10", "n" * 64),
    )
    assert rows_of(bureau.findings("F10-U01", 1)) == [5, 6, 7, 8]


def test_an_heir_may_remove_whom_its_predecessor_listed(bureau: Bureau) -> None:
    bureau.file(9, "R03", "2024-01", {"org_code": B, "successor_code": A}, reporter=SUPERVISOR)
    bureau.file(8, "F10", "2024-02", action("in", "列入灰名单", "2024-02-01"), reporter=B)
    bureau.file(1, "F10", "2024-03", action("out", "移出灰名单", "2024-03-10"))
    assert bureau.findings("F10-U01", 1) == []


def blamed(number: str, decided: str, **more: Any) -> dict[str, Any]:
    return complaint(
        number,
        "2024-01-02 09:00:00",
        **{"status": "已办结", "responsible": "有责", "agent_code": "A7", "decision_date": decided, **more},
    )


def test_blamed_agents_are_dealt_with_in_sixty_days(bureau: Bureau) -> None:
    bureau.file(
        9,
        "F01",
        "2024-01",
        blamed("due", "2024-01-30"),  # 61 days on 31 March
        blamed("sixty", "2024-01-31"),
        blamed("told before", "2023-12-29"),  # 61 days on 28 February
        blamed("last of them", "2023-12-31"),  # 60 days on 29 February, so March's
        blamed("dealt with", "2024-01-20"),
        blamed("dealt with before", "2024-01-20"),
        blamed("removed only", "2024-01-20"),
        blamed("dealt with too late", "2024-01-20"),
        blamed("innocent", "2024-01-20", responsible="无责"),
        blamed("no agent", "2024-01-20", agent_code=None),
        blamed("cleared since", "2024-01-20"),
    )
    bureau.file(8, "F01", "2024-02", blamed("cleared since", "2024-01-20", responsible="无责"))
    bureau.file(7, "F10", "2024-02", action("b", "品质处罚", "2024-02-10", complaint_id="dealt with before"))
    bureau.file(
        6, "F10", "2024-04", action("l", "品质处罚", "2024-04-10", complaint_id="dealt with too late")
    )
    bureau.file(5, "F10", "2024-03", action("x", "品质处罚", "2024-03-10", complaint_id="due"), reporter=B)
    bureau.file(
        1,
        "F10",
        "2024-03",
        action("a", "管理责任", "2024-03-10", complaint_id="dealt with"),
        action("r", "移出灰名单", "2024-03-10", complaint_id="removed only"),
        action("n", "品质处罚", "2024-03-10", complaint_id=None),
    )
    found = bureau.findings("F10-X01", 1)
    assert [value for _, _, value, _ in found] == [
        "dealt with too late",
        "due",
        "last of them",
        "removed only",
    ]
    assert set(rows_of(found)) == {None}


def test_clues_and_complaints_name_each_other(bureau: Bureau) -> None:
    def named(number: str, clue_id: str | None) -> dict[str, Any]:
        return complaint(number, clue_id=clue_id)

    bureau.file(9, "F09", "2024-02", clue("old"))
    bureau.file(8, "F01", "2024-02", named("before", "seen before"))
    bureau.file(7, "F09", "2024-03", clue("here B"), reporter=B)
    bureau.file(
        6,
        "F09",
        "2024-03",
        clue("here"),
        clue("from a complaint", found_stage="投诉处理"),
        clue("of no complaint", found_stage="投诉处理"),
        clue("seen before", found_stage="投诉处理"),
        clue("found in February", found_stage="投诉处理", found_date="2024-02-28"),
        clue("from a call", found_stage="首问"),
    )
    bureau.file(
        1,
        "F01",
        "2024-03",
        named("a", "here"),
        named("b", "old"),
        named("c", "unknown"),
        named("d", "here B"),
        named("e", None),
        named("f", "from a complaint"),
    )
    assert bureau.findings("F01-X05", 1) == [
        (1, None, "of no complaint", "F01"),
        (1, 4, "unknown", "F09"),
        (1, 5, "here B", "F09"),
    ]


def test_a_call_is_transferred_to_an_insurer(bureau: Bureau) -> None:
    moved = {"transferred_at": "2024-03-04 09:15:00"}
    rows = [
        {"call_id": "branch", "org_code": A1, **moved},
        {"call_id": "reporter", "org_code": B, **moved},
        {"call_id": "nobody", "org_code": SUPERVISOR, **moved},
        {"call_id": "not transferred", "org_code": SUPERVISOR},
        {"call_id": "unreadable", "org_code": None, **moved},
    ]
    bureau.file(1, "R05", "2024-03", *rows, reporter=SUPERVISOR)
    assert bureau.findings("R05-X01", 1) == [(1, 4, SUPERVISOR, None)]


def choice(question: str, number: str, chosen: int | None, **more: Any) -> dict[str, Any]:
    given = {"survey_id": "DC", "question_type": "单选", "valid_answers": 54, "issued": 80}
    return {"question_id": question, "choice_id": number, "chosen": chosen, **given, **more}


def test_choices_of_a_question_share_one_number_of_answers(bureau: Bureau) -> None:
    bureau.file(
        1,
        "F16",
        "2024Q1",
        choice("same", "A", 43),
        choice("same", "B", 11),
        choice("other n", "A", 43),
        choice("other n", "B", 11, valid_answers=53),
        choice("other issue", "A", 43, issued=81),
        choice("other issue", "B", 11),
        choice("unknown", "A", 43, valid_answers=None),
        choice("unknown", "B", 11),
        choice("same", "A", 30, survey_id="another", valid_answers=40),
    )
    assert rows_of(bureau.findings("F16-U01", 1)) == [4, 5, 6, 7]


def test_choices_add_up_to_the_valid_answers(bureau: Bureau) -> None:
    bureau.file(
        1,
        "F16",
        "2024Q1",
        choice("whole", "A", 43),
        choice("whole", "B", 11),
        choice("short", "A", 43, question_type="满意度"),
        choice("short", "B", 10, question_type="满意度"),
        choice("several", "A", 43, question_type="多选"),
        choice("several", "B", 40, question_type="多选"),
        choice("unknown", "A", 43),
        choice("unknown", "B", None),
        choice("twice", "A", 43),
        choice("twice", "A", 43),
        choice("two n", "A", 43),
        choice("two n", "B", 10, valid_answers=53),
    )
    assert bureau.findings("F16-U02", 1) == [(1, None, "DC short", "53 ≠ 54")]


def orphan_call(
    number: str, agent: str = "A7", day: str | None = "2024-03-12", **more: Any
) -> dict[str, Any]:
    cells = {"callback_id": number, "agent_code": agent, "callback_type": "孤儿保单", "success": True}
    return {**cells, "completed_at": None if day is None else f"{day} 10:00:00", **more}


def departure(called_ok: int | None, **more: Any) -> dict[str, Any]:
    cells = {"departure_id": "L1", "agent_code": "A7", "apply_date": "2024-02-20", "orphan_policies": 5}
    return {**cells, "called_ok": called_ok, **more}


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (departure(3), None),
        (departure(2), ("2", "3")),
        (departure(4), ("4", "3")),
        (departure(None), None),
        (departure(2, agent_code=None), None),
        (departure(0, agent_code="A9"), None),
        (departure(1, agent_code="A9"), ("1", "0")),
        # Counted from the application on.
        (departure(2, apply_date="2024-02-22"), None),
        # A month without F04: nothing can be said of a departure that began in it.
        (departure(9, apply_date="2024-01-31"), None),
        # A call of unknown kind or success may count and may not.
        (departure(1, agent_code="A8"), None),
        (departure(3, agent_code="A8"), None),
        (departure(4, agent_code="A8"), ("4", "1")),
    ],
)
def test_departure_counts_the_calls_of_its_agent(
    bureau: Bureau, row: dict[str, Any], told: tuple[str, str] | None
) -> None:
    bureau.file(
        8, "F04", "2024-02",
        orphan_call("c1", day="2024-02-21"),
        orphan_call("c2", day=None, success=False),
        signed="2024-03-05 09:00:00",
    )  # fmt: skip
    bureau.file(
        9,
        "F04",
        "2024-03",
        orphan_call("c2"),
        orphan_call("c3"),
        orphan_call("c3"),
        orphan_call("c4", callback_type="新单"),
        orphan_call("c5", success=False),
        orphan_call("d1", "A8"),
        orphan_call("d2", "A8", callback_type=None),
        orphan_call("d3", "A8", success=None),
    )
    bureau.file(7, "F04", "2024-04", orphan_call("c6", day="2024-04-02"))
    bureau.file(1, "F12", "2024-03", row, signed="2024-04-09 10:00:00")
    assert bureau.findings("F12-X01", 1) == ([] if told is None else [(1, 2, *told)])


def departure_waiver(number: str, first: str = "2024-01", **more: Any) -> dict[str, Any]:
    cells = {"waiver_id": number, "org_code": A, "target_form": "F12", "rule_code": "F12-I02"}
    return {**cells, "target_period": first, **more}


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ({"called_ok": 5}, False),
        ({"called_ok": 4}, True),
        ({"called_ok": 4, "effective_date": None}, False),
        ({"called_ok": None}, False),
        ({"called_ok": 4, "waiver_code": "of this rule"}, False),
        ({"called_ok": 4, "waiver_code": "expired"}, True),
        ({"called_ok": 4, "waiver_code": "to come"}, True),
        ({"called_ok": 4, "waiver_code": "of another rule"}, True),
        ({"called_ok": 4, "waiver_code": "of another insurer"}, True),
        ({"called_ok": 4, "waiver_code": "held back"}, True),
        ({"called_ok": 4, "waiver_code": "invented"}, True),
    ],
)
def test_no_departure_before_every_orphan_policy_is_called(
    bureau: Bureau, cells: dict[str, Any], told: bool
) -> None:
    bureau.file(
        9,
        "R04",
        "2024-03",
        departure_waiver("of this rule"),
        departure_waiver("expired", "2023-12"),
        departure_waiver("to come", "2024-04"),
        departure_waiver("of another rule", rule_code="F12-X01"),
        departure_waiver("of another insurer", org_code=B),
        departure_waiver("held back", sound=False),
        reporter=SUPERVISOR,
        signed="2024-03-30 09:00:00",
    )
    bureau.file(1, "F12", "2024-03", {**departure(None), "effective_date": "2024-03-26", **cells})
    expected = f"called_ok {cells['called_ok']} / orphan_policies 5"
    assert bureau.findings("F12-I02", 1) == ([(1, 2, "2024-03-26", expected)] if told else [])


def due_call(number: str | None, **more: Any) -> dict[str, Any]:
    cells = {"callback_id": number, "org_code": A1, "sales_channel": "个人代理", "product_type": "分红"}
    done = {"must_call": True, "success": True, "completed_at": "2024-03-10 10:00:00"}
    return {**cells, **done, "callback_type": "新单", "cooling_off_end": "2024-03-20", **more}


def summed(*figures: int | None, **more: Any) -> dict[str, Any]:
    names = ("due_count", "done_count", "success_count", "success_in_cooling_off", "in_progress")
    names = (*names, "receipt_pending", "problem_open")
    cells = {"org_code": A1, "sales_channel": "个人代理", "product_type": "分红", "callback_type": "新单"}
    return {**cells, **dict(zip(names, figures, strict=True)), **more}


CALLS = (
    due_call("in time"),
    due_call("late", completed_at="2024-03-21 10:00:00"),
    due_call("bad answer", success=False, problem_id="W1"),
    due_call("not reached", success=False, completed_at=None, problem_id="W2"),
    due_call("not yet", success=False, completed_at=None),
    due_call("not yet", success=False, completed_at=None),
    due_call("letter out", success=False, completed_at=None),
    due_call("withdrawn", must_call=False),
)
RIGHT = (6, 3, 2, 1, 1, 1, 1)
CELL = f"{A1}/个人代理/分红/新单"


@pytest.mark.parametrize(
    ("figures", "apart"),
    [
        (RIGHT, {}),
        # F04 does not tell letters from other calls.
        ((6, 3, 2, 1, 0, 2, 1), {}),
        ((7, 3, 2, 1, 2, 1, 1), {"due_count": ("7", "6"), "in_progress": ("3", "2")}),
        ((6, 2, 2, 1, 1, 1, 2), {"done_count": ("2", "3"), "problem_open": ("2", "1")}),
        ((6, 3, 3, 2, 1, 1, 1), {"success_count": ("3", "2"), "success_in_cooling_off": ("2", "1")}),
        ((None, 3, 2, 1, None, 1, 1), {}),
    ],
)
def test_a_difference_between_summary_and_records_is_told_on_both(
    bureau: Bureau, figures: tuple[int | None, ...], apart: dict[str, tuple[str, str]]
) -> None:
    titles = {
        "due_count": "应访件数",
        "done_count": "回访完成件数",
        "success_count": "回访成功件数",
        "success_in_cooling_off": "犹豫期内成功件数",
        "in_progress": "回访中及回执待回收件数",
        "problem_open": "剩余问题件",
    }
    bureau.file(1, "F04", "2024-03", *CALLS)
    bureau.file(2, "F04S", "2024-03", summed(*figures))
    of_summary = bureau.findings("F04-X03", 2, form="F04S")
    assert sorted(of_summary) == sorted((2, 2, *told) for told in apart.values())
    of_records = bureau.findings("F04-X03", 1)
    wanted = [(1, None, f"{CELL} {titles[name]} {told[1]}", told[0]) for name, told in apart.items()]
    assert sorted(of_records) == sorted(wanted)


def test_cells_of_one_side_only_are_told_on_both(bureau: Bureau) -> None:
    bureau.file(1, "F04", "2024-03", *CALLS, due_call("other", sales_channel="经纪"))
    bureau.file(2, "F04S", "2024-03", summed(*RIGHT), summed(1, 0, 0, 0, 1, 0, 0, org_code=A2))
    bureau.file(3, "F04S", "2024-02")
    bureau.file(4, "F04", "2024-02", due_call("exempt", must_call=False))
    lonely = f"{A1}/经纪/分红/新单"
    assert sorted(bureau.findings("F04-X03", 2, 3, form="F04S"), key=str) == [
        (2, 3, "1", "0"),
        (2, 3, "1", "0"),
        (2, None, lonely, "1"),
    ]
    nowhere = f"{A2}/个人代理/分红/新单"
    assert sorted(bureau.findings("F04-X03", 1, 4)) == sorted(
        [
            (1, None, f"{lonely} 应访件数 1", "—"),
            (1, None, f"{nowhere} 应访件数 0", "1"),
            (1, None, f"{nowhere} 回访中及回执待回收件数 0", "1"),
        ]
    )


@pytest.mark.parametrize(
    ("call", "figures"),
    [
        (due_call("x", product_type=None), (7, 4, 3, 2, 1, 1, 1)),
        (due_call("x", product_type=None), RIGHT),
        (due_call("x", must_call=None), (7, 4, 3, 2, 1, 1, 1)),
        (due_call("x", must_call=None), RIGHT),
        (due_call("x", success=None), (7, 4, 3, 2, 1, 1, 1)),
        (due_call("x", success=None), (7, 4, 2, 1, 1, 1, 1)),
    ],
)
def test_what_is_unknown_in_the_records_may_agree(
    bureau: Bureau, call: dict[str, Any], figures: tuple[int, ...]
) -> None:
    bureau.file(1, "F04", "2024-03", *CALLS, call)
    bureau.file(2, "F04S", "2024-03", summed(*figures))
    assert bureau.findings("F04-X03", 2, form="F04S") == bureau.findings("F04-X03", 1) == []


def cell(amount: str | None, org: str | None = A1, line: str | None = "分红", **more: Any) -> dict[str, Any]:
    return {"org_code": org, "line_code": line, "premium": amount, "sales_channel": "个人代理", **more}


@pytest.mark.parametrize(
    ("filed", "known", "told"),
    [
        ([cell("100.50")], [cell("100.00")], []),
        ([cell("99.50")], [cell("100.00")], []),
        ([cell("100.51")], [cell("100.00")], [(f"{A1}/分红: 100.51", "100.00")]),
        ([cell("-100.51")], [cell("-100.00")], [(f"{A1}/分红: -100.51", "-100.00")]),
        # All channels together; a row sent twice counts once.
        ([cell("60.00"), cell("40.00", sales_channel="经纪"), cell("60.00")], [cell("100.00")], []),
        ([cell("1.00", line="年金")], [], [(f"{A1}/年金: 1.00", "—")]),
        ([], [cell("1.00", line="年金")], [(f"{A1}/年金: —", "1.00")]),
        ([cell("0.00")], [], []),
        ([], [cell("0.00")], []),
        # Of another insurer.
        ([], [cell("1.00", org=B)], []),
        # What cannot be read may agree.
        ([cell(None)], [cell("1.00")], []),
        ([cell("1.00")], [cell(None)], []),
        ([cell("1.00", line=None)], [cell("1.00")], []),
        ([cell("1.00", line=None)], [cell("1.00"), cell("2.00", line="年金")], 2),
    ],
)
def test_premium_fits_the_statistics_system(
    bureau: Bureau, filed: list[dict[str, Any]], known: list[dict[str, Any]], told: Any
) -> None:
    register = [{name: value for name, value in row.items() if name != "sales_channel"} for row in known]
    bureau.con.execute(
        "UPDATE rollup_pairs SET valid_to = NULL WHERE org_code = ? AND ancestor_code = ?", [A1, A]
    )
    bureau.file(9, "R06", "2024-03", *register, reporter=SUPERVISOR)
    bureau.file(1, "F06", "2024-03", *filed)
    found = bureau.findings("F06-X01", 1)
    if isinstance(told, int):
        assert len(found) == told
    else:
        assert found == [(1, None, *one) for one in told]


def body_case(number: str | None, **more: Any) -> dict[str, Any]:
    cells = {"mediation_org": "M1", "mediation_id": number, "org_code": A2, "apply_date": "2024-03-01"}
    return {**cells, "org_notified_date": "2024-03-02", "result": "成功", "end_date": "2024-03-20", **more}


def test_cases_are_the_same_in_file_and_register(bureau: Bureau) -> None:
    bureau.file(
        9,
        "R07",
        "2024-03",
        body_case("same"),
        body_case("result"),
        body_case("days"),
        body_case("still open", end_date=None, result=None),
        body_case("forgotten"),
        body_case("of another insurer", org_code=B),
        reporter=SUPERVISOR,
    )
    bureau.file(
        1,
        "F03",
        "2024-03",
        body_case("same"),
        body_case("result", result="部分成功"),
        body_case("days", apply_date="2024-02-29", end_date="2024-03-21", agreement_date="2024-03-20"),
        body_case("still open", end_date=None, result="终止"),
        body_case("invented"),
        body_case("of a body that files nothing", mediation_org="M2"),
    )
    assert sorted(bureau.findings("F03-X01", 1), key=str) == sorted(
        [
            (1, 3, "部分成功", "成功"),
            (1, 4, "2024-02-29", "2024-03-01"),
            (1, 4, "2024-03-21", "2024-03-20"),
            (1, 4, "2024-03-20", "—"),
            (1, 5, "终止", "—"),
            (1, 6, "M1/invented", "—"),
            (1, None, "M1/forgotten", "R07"),
        ],
        key=str,
    )


def test_a_case_whose_number_cannot_be_read_may_be_the_missing_one(bureau: Bureau) -> None:
    bureau.file(9, "R07", "2024-03", body_case("one"), reporter=SUPERVISOR)
    bureau.file(1, "F03", "2024-03", body_case(None))
    assert bureau.findings("F03-X01", 1) == []
