"""The bureau as a whole: reproducible, complete, and what its answer keys promise."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from pipelines.contracts.loader import load_catalogue
from pipelines.contracts.model import RELEASE
from pipelines.contracts.periods import Period, filing_deadline
from pipelines.contracts.working_days import load_working_days
from pipelines.samples import expected
from pipelines.samples.bureau import MONTHLY, QUARTERLY, SampleError, generate
from tests.unit.samples.conftest import Bureau


def tree_digest(folder: Path) -> str:
    """Digest of every path and byte below a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        digest.update(str(path.relative_to(folder)).encode())
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    arguments = {"insurers": 8, "months": 2, "scale": 0.1, "seed": 5}
    for name in ("one", "two"):
        generate(tmp_path / name, **arguments)
    assert tree_digest(tmp_path / "one") == tree_digest(tmp_path / "two")


def test_another_seed_gives_another_bureau(tmp_path: Path) -> None:
    for seed in (1, 2):
        generate(tmp_path / str(seed), insurers=6, months=1, scale=0.05, seed=seed)
    assert tree_digest(tmp_path / "1" / "inbox") != tree_digest(tmp_path / "2" / "inbox")


@pytest.mark.slow
def test_every_rule_is_broken_somewhere(tmp_path: Path) -> None:
    """Every rule of the forms that the bureau files, but for those that read a register it does not keep or an earlier
    release: a new bureau has none."""
    catalogue = load_catalogue()
    filed = {*MONTHLY, *QUARTERLY, "F17", "R03", "R08"}
    rules = {
        rule.code
        for form in catalogue.forms.values()
        if form.code in filed
        for rule in catalogue.rules_for(form)
        if rule.kind != "not_evaluable" and not set(rule.needs) & ({RELEASE} | set(catalogue.forms) - filed)
    }
    made = generate(tmp_path, insurers=10, months=6, scale=1.0)
    assert set(made.findings) == rules
    assert made.unplanted == ()


@pytest.mark.slow
def test_a_small_bureau_over_five_quarters_has_every_defect(tmp_path: Path) -> None:
    assert generate(tmp_path, insurers=12, months=15, scale=0.4).unplanted == ()


def test_somebody_refuses_mediation_without_a_reason(small: Bureau) -> None:
    refused = small.kpi_values.filter((pl.col("kpi_id") == "MED-06") & (pl.col("value") != ""))
    numerators = refused["numerator"].cast(pl.Decimal(38, 6))
    assert 0 < (numerators > 0).sum() < refused.height


def test_the_keys_list_of_warnings_is_the_contracts() -> None:
    catalogue = load_catalogue()
    warnings = {
        rule.code
        for form in catalogue.forms.values()
        if form.side != "official"
        for rule in catalogue.rules_for(form)
        if rule.severity == "W" and rule.kind != "not_evaluable"
    }
    assert set(expected.WARNINGS) == warnings


def test_findings_name_submissions_and_rows_that_exist(small: Bureau) -> None:
    known = small.submissions.select("submission", "rows")
    placed = small.findings.join(known, on="submission", how="left")
    assert placed["rows"].null_count() == 0
    # Nothing lies beyond the rows, a preamble of a few lines and the header.
    assert placed.filter(pl.col("row") > pl.col("rows") + 6).is_empty()
    assert small.findings.columns == ["submission", "row", "column", "rule_code"]
    assert small.findings.height == sum(small.summary.findings.values())


def test_a_file_with_too_many_bad_rows_is_rejected_and_others_are_not(small: Bureau) -> None:
    # A correction is weighed with all the rows it stands for, not with those in its file.
    # F17 holds single statements: no share of wrong ones refuses the others.
    filled = small.submissions.filter(
        (pl.col("rows") > 0) & (pl.col("kind") != "CORRECTION") & (pl.col("form") != "F17")
    )
    judged = filled.with_columns(share=pl.col("rows_quarantined") / pl.col("rows"))
    accepted = judged.filter(pl.col("state").is_in(["accepted", "partly_accepted", "superseded"]))
    assert accepted.filter(pl.col("share") > 0.05).is_empty()
    assert not judged.filter((pl.col("state") == "rejected") & (pl.col("share") > 0.05)).is_empty()
    assert accepted.filter((pl.col("state") == "accepted") & (pl.col("rows_quarantined") > 0)).is_empty()


def test_the_only_institution_master_is_never_refused(tmp_path: Path) -> None:
    """Six to eight insurers and one month: two broken lines would be more than a file may have."""
    for insurers in (6, 8):
        folder = tmp_path / str(insurers)
        generate(folder, insurers=insurers, months=1, scale=0.05)
        filed = pl.read_csv(folder / "answers" / "submissions.csv", infer_schema=False)
        assert filed.filter(pl.col("form") == "R03")["state"].to_list() == ["accepted"]


def test_a_submission_is_sent_under_one_id(small: Bureau) -> None:
    assert small.submissions["submission"].is_unique().all()


def test_a_sound_bureau_gets_warnings_only_and_is_on_time(sound: Bureau) -> None:
    assert set(sound.summary.findings) <= set(expected.WARNINGS) - {"ENV-S08", "GEN-I05"}
    assert set(sound.submissions["state"]) <= {"accepted", "superseded"}
    on_time = sound.kpi_values.filter((pl.col("kpi_id") == "DQ-01") & (pl.col("grain") == "bureau"))
    assert set(on_time["value"]) == {"100.00"}


@pytest.mark.parametrize("bureau", ["small", "sound"])
def test_the_last_deadline_is_reached(bureau: str, request: pytest.FixtureRequest) -> None:
    found: Bureau = request.getfixturevalue(bureau)
    last = max(Period.parse(label) for label in found.submissions["period"].unique() if "Q" not in label)
    deadline = filing_deadline(last, 10, load_working_days().is_working_day)
    signed = max(datetime.fromisoformat(text) for text in found.submissions["signed_at"])
    assert signed == found.summary.as_of
    assert deadline <= signed.date() <= deadline + timedelta(days=6)


def test_kpi_keys_are_unique_and_money_is_exact(small: Bureau) -> None:
    values = small.kpi_values
    keys = values.columns[:10]
    assert not values.select(keys).is_duplicated().any()
    premium = values.filter((pl.col("kpi_id") == "CMP-06") & (pl.col("grain") == "insurer"))
    assert premium["denominator"].drop_nulls().str.contains(r"^-?\d+(\.\d{1,2})?$").all()
    assert values["value"].drop_nulls().str.contains(r"^-?\d+\.\d\d$").all()


def test_valid_complaints_of_the_key_are_those_in_the_files(sound: Bureau) -> None:
    """CMP-01 of the last month, counted from the files themselves: nothing later can have changed it."""
    month = max(label for label in sound.submissions["period"].unique() if "Q" not in label)
    counted: dict[str, int] = {}
    for parcel in sound.parcels:
        envelope = parcel.envelope
        if envelope and envelope["form"] == "F01" and envelope["period"] == month:
            rows = parcel.table("F01")
            counted[envelope["reporter"]] = sum(
                row["validity"] == "有效" and row["received_at"].startswith(month) for row in rows
            )
    key = sound.kpi_values.filter(
        (pl.col("kpi_id") == "CMP-01")
        & (pl.col("period_type") == "month")
        & (pl.col("period") == month)
        & (pl.col("grain") == "insurer")
        & (pl.col("dimension") == "total")
    )
    assert dict(key.select("org_code", pl.col("numerator").cast(pl.Int64)).iter_rows()) == counted


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"months": 0}, "months is 0; needed: 1 to 120"),
        ({"insurers": 3}, "insurers is 3; needed: 6 to"),
        ({"scale": 0.0}, "scale is 0.0; needed: a positive number"),
        ({"seed": -1}, "seed is -1; needed: a whole number"),
        ({"first_month": "2024Q1"}, "is a quarter; needed: a month"),
        ({"first_month": "2021-12", "months": 1}, "needed: from 2022-01"),
        ({"first_month": "2027-12", "months": 1}, "working days are known up to"),
    ],
)
def test_impossible_arguments_are_told(arguments: dict[str, object], said: str, tmp_path: Path) -> None:
    with pytest.raises(SampleError, match=said):
        generate(tmp_path, **arguments)
    assert not any(tmp_path.iterdir())


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "mine.csv").write_text("kept", encoding="utf-8")
    with pytest.raises(SampleError, match="is not empty"):
        generate(tmp_path, insurers=6, months=1, scale=0.05)
    assert (tmp_path / "inbox" / "mine.csv").read_text(encoding="utf-8") == "kept"
