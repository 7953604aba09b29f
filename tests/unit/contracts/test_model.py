"""Questions to the typed catalogue."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from pipelines.contracts.errors import (
    ContractError,
    FormNotInForceError,
    PeriodError,
    UnknownFormError,
    UnknownFormVersionError,
)
from pipelines.contracts.loader import load_catalogue
from pipelines.contracts.model import CodeEntry, Column
from pipelines.contracts.periods import Period

CATALOGUE = load_catalogue()


def test_a_form_is_found_for_its_period() -> None:
    form = CATALOGUE.form_in_force("F01", "1.0.0", "2024-03")
    assert form is CATALOGUE.forms["F01"]
    assert CATALOGUE.form_in_force("F11", "1.0.0", Period.parse("2024Q1")).frequency == "quarterly"
    assert CATALOGUE.form_in_force("R03", "1.0.0", "2024-03").deadline_days is None


@pytest.mark.parametrize(
    ("code", "version", "period", "error", "message"),
    [
        ("F99", "1.0.0", "2024-03", UnknownFormError, "known forms: .*F01"),
        ("F01", "9.0.0", "2024-03", UnknownFormVersionError, "in force is 1.0.0"),
        ("F01", "1.0.0", "2024Q1", FormNotInForceError, "such as 2024-03"),
        ("F11", "1.0.0", "2024-03", FormNotInForceError, "such as 2024Q1"),
        ("F01", "1.0.0", "2014-12", FormNotInForceError, "from 2015-01-01"),
        ("F01", "1.0.0", "March", PeriodError, "names no reporting period"),
    ],
)
def test_an_unknown_form_version_or_period_is_an_error(
    code: str, version: str, period: str, error: type[ContractError], message: str
) -> None:
    with pytest.raises(error, match=message):
        CATALOGUE.form_in_force(code, version, period)


def test_common_rules_come_first_and_fit_the_side() -> None:
    insurer = [rule.code for rule in CATALOGUE.rules_for(CATALOGUE.forms["F01"])]
    assert insurer[0] == "GEN-I01"
    assert "GEN-U02" in insurer
    assert insurer[-1] == "F01-P03"
    supervisor = [rule.code for rule in CATALOGUE.rules_for(CATALOGUE.forms["R03"], Period.parse("2024-03"))]
    assert "GEN-U02" not in supervisor
    assert supervisor[-1] == "R03-P01"


def test_a_waiver_never_lets_in_what_cannot_be_read_or_told_apart() -> None:
    catalogue = load_catalogue()
    closed = {rule.code for rule in catalogue.common_rules if not rule.waivable}
    assert {"GEN-U02", "GEN-P01"} == {rule.code for rule in catalogue.common_rules if rule.waivable}
    assert closed >= {"GEN-I01", "GEN-I02", "GEN-I03", "GEN-I04", "GEN-I05", "GEN-U01", "ENV-S01", "ENV-S09"}
    own = [rule for form in catalogue.forms.values() for rule in form.rules]
    assert {rule.kind for rule in own if rule.waivable} == {"row", "query"}
    assert {rule.kind for rule in own if not rule.waivable} == {"not_evaluable"}


def test_headers_lead_to_columns() -> None:
    headers = CATALOGUE.forms["F01"].header_map()
    assert headers["投诉编号"] == headers["投诉件编号"] == headers["complaint_id"] == "complaint_id"
    assert headers["投诉事由(一级)"] == "reason_l1"
    register = CATALOGUE.forms["R01"].header_map()
    assert register["被投诉机构"] == register["经办机构编码"] == "org_code"


def test_types() -> None:
    columns = {c.name: c.duckdb_type for c in CATALOGUE.forms["F01"].columns}
    assert columns["received_at"] == "TIMESTAMP"
    assert columns["settlement_amount"] == "DECIMAL(16,2)"
    assert columns["verify_requested"] == "BOOLEAN"
    assert columns["matter_count"] == "BIGINT"
    assert columns["due_date"] == "DATE"
    assert columns["policy_hash"] == columns["status"] == "VARCHAR"
    assert Column("x", "x", "decimal", precision=5, scale=1).duckdb_type == "DECIMAL(5,1)"


def test_thresholds_and_obligations() -> None:
    form = CATALOGUE.forms["F04"]
    assert form.reject_above == Decimal("0.05")
    assert form.obliged_classes == ("L", "H", "A")
    assert form.quarantine_rows
    assert form.rule("F04-X01").needs == ("F06",)
    assert form.rule("F04-I01").blamed_column == "cooling_off_end"
    assert CATALOGUE.forms["F02"].rule("F02-X03").blamed_column is None
    assert CATALOGUE.supervisor_code == "00000000000001"


def test_missing_names_say_where() -> None:
    with pytest.raises(KeyError, match=r"F01 1\.0\.0 has no column 'nope'"):
        CATALOGUE.forms["F01"].column("nope")
    with pytest.raises(KeyError, match="has no rule"):
        CATALOGUE.forms["F01"].rule("F01-I99")
    with pytest.raises(KeyError, match="no code list"):
        CATALOGUE.code_list("CL_NONE")


def test_code_entries_have_dates() -> None:
    entry = CodeEntry("x", "x", "x", valid_from=date(2022, 1, 1), valid_to=date(2023, 12, 31))
    assert not entry.valid_on(date(2021, 12, 31))
    assert entry.valid_on(date(2022, 1, 1))
    assert entry.valid_on(date(2023, 12, 31))
    assert not entry.valid_on(date(2024, 1, 1))


def test_the_catalogue_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        CATALOGUE.forms["F01"] = CATALOGUE.forms["F02"]  # type: ignore[index]
