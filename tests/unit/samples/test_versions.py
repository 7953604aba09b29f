"""Later files of an obligation: what they hold, and what the answer key says becomes of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping

import polars as pl
import pytest

from pipelines.contracts.loader import load_catalogue
from pipelines.samples.bureau import generate
from tests.unit.samples.conftest import Bureau, Parcel

ACCEPTED = ("accepted", "partly_accepted", "superseded", "withdrawn")


@pytest.fixture(scope="module")
def eventful(tmp_path_factory: pytest.TempPathFactory) -> Bureau:
    """Half a year in which every incident finds somebody."""
    return Bureau(generate(tmp_path_factory.mktemp("eventful"), insurers=12, months=6, scale=1.0))


@pytest.fixture(scope="module")
def parcels(eventful: Bureau) -> Mapping[str, Parcel]:
    """Files by the id their envelope states."""
    return {str(one.envelope["submission_id"]): one for one in eventful.parcels if one.envelope}


@pytest.fixture(scope="module")
def facts(eventful: Bureau) -> Mapping[str, dict[str, object]]:
    return {line["submission"]: line for line in eventful.submissions.iter_rows(named=True)}


def version(parcels: Mapping[str, Parcel], submission: str) -> dict[tuple[str, ...], dict[str, str]]:
    """The full file a submission stands for, put together from files by hand."""
    envelope = parcels[submission].envelope or {}
    form = str(envelope["form"])
    own = parcels[submission].table(form) if envelope["row_count"] else []
    if envelope["kind"] != "CORRECTION":
        assert {line["record_action"] for line in own} <= {"I"}
        return {key_of(form, line): line for line in own}
    full = version(parcels, str(envelope["supersedes"]))
    for line in own:
        assert (key_of(form, line) in full) == (line["record_action"] != "I"), submission
        if line["record_action"] == "D":
            del full[key_of(form, line)]
        else:
            full[key_of(form, line)] = line
    return full


def key_of(form: str, line: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(line[name] for name in load_catalogue().forms[form].key)


def accepted(facts: Mapping[str, dict[str, object]], kind: str) -> list[str]:
    return [name for name, line in facts.items() if line["kind"] == kind and line["state"] in ACCEPTED]


def test_every_kind_is_filed_and_every_state_occurs(facts: Mapping[str, dict[str, object]]) -> None:
    kinds = {"ORIGINAL", "RESUBMIT", "CORRECTION", "NIL", "WITHDRAW"}
    assert {line["kind"] for line in facts.values()} == kinds
    states = {line["state"] for line in facts.values()}
    assert states == {"accepted", "partly_accepted", "rejected", "malformed", "superseded", "withdrawn"}


def test_corrections_put_together_are_the_versions_that_count(
    parcels: Mapping[str, Parcel], facts: Mapping[str, dict[str, object]], eventful: Bureau
) -> None:
    """Against an original, a resubmission, a correction and a nil report, with all three actions."""
    bases: Counter[str] = Counter()
    actions: set[str] = set()
    misfits = eventful.findings.filter(pl.col("rule_code") == "GEN-U01")["submission"].to_list()
    for submission in accepted(facts, "CORRECTION"):
        if submission in misfits:
            continue
        envelope = parcels[submission].envelope or {}
        base = facts[str(envelope["supersedes"])]
        bases[str(base["kind"])] += 1
        form = str(envelope["form"])
        actions |= {line["record_action"] for line in parcels[submission].table(form)}
        bad = eventful.findings.filter(
            (pl.col("submission") == submission) & (pl.col("rule_code") == "GEN-I01")
        ).height
        assert len(version(parcels, submission)) - bad == facts[submission]["rows_in_force"], submission
    assert set(bases) == {"ORIGINAL", "RESUBMIT", "CORRECTION", "NIL"}
    assert actions == {"I", "U", "D"}


def test_corrections_that_do_not_fit_are_told(
    facts: Mapping[str, dict[str, object]], eventful: Bureau
) -> None:
    """One names a version that is not in force and is refused; rows that do not fit their base are held back."""
    corrections = [name for name, line in facts.items() if line["kind"] == "CORRECTION"]
    told = eventful.findings.filter(pl.col("submission").is_in(corrections))
    stale = told.filter(pl.col("rule_code") == "ENV-S06")["submission"].to_list()
    assert stale
    assert {(facts[name]["state"], facts[name]["rows_in_force"]) for name in stale} == {("rejected", 0)}
    misfits = told.filter(pl.col("rule_code") == "GEN-U01")
    assert misfits.height == 2
    assert {facts[name]["state"] for name in misfits["submission"]} <= {"partly_accepted", "rejected"}


def test_a_withdrawal_holds_nothing_and_leaves_the_obligation_open(
    parcels: Mapping[str, Parcel], facts: Mapping[str, dict[str, object]], eventful: Bureau
) -> None:
    withdrawals = [name for name, line in facts.items() if line["kind"] == "WITHDRAW"]
    assert withdrawals
    board = pl.read_csv(
        eventful.summary.answers / "obligations.csv", schema_overrides={"reporter": pl.String}
    )
    statuses = set()
    for name in withdrawals:
        envelope = parcels[name].envelope or {}
        assert envelope["row_count"] == 0
        assert facts[str(envelope["supersedes"])]["state"] == "withdrawn"
        owed = board.filter(
            (pl.col("form") == envelope["form"])
            & (pl.col("period") == envelope["period"])
            & (pl.col("reporter") == envelope["reporter"])
        )
        statuses |= set(owed["status"])
    assert "withdrawn" in statuses
    assert statuses & {"filed", "late"}, "one of them is filed anew"
    assert "draft" in set(board["status"])
    open_ones = board.filter(~pl.col("status").is_in(["filed", "late"]))
    assert open_ones["submission"].null_count() == open_ones.height


def test_one_file_overtakes_another_and_one_comes_twice(
    eventful: Bureau, facts: Mapping[str, dict[str, object]]
) -> None:
    chains = eventful.submissions.sort("sequence_no").group_by(
        "form", "period", "reporter", maintain_order=True
    )
    overtaken = [
        key for key, chain in chains
        if chain.height > 2 and not chain["signed_at"].is_sorted()
    ]  # fmt: skip
    assert overtaken
    twice = [name for name, line in facts.items() if line["times_received"] == 2]
    digests = Counter(hashlib.sha256(one.data).hexdigest() for one in eventful.parcels if one.envelope
                      and one.envelope["submission_id"] in twice)  # fmt: skip
    assert set(digests.values()) == {2}


def test_a_resubmission_that_changes_nothing_is_refused(
    parcels: Mapping[str, Parcel], facts: Mapping[str, dict[str, object]], eventful: Bureau
) -> None:
    refused = eventful.findings.filter(pl.col("rule_code") == "ENV-S06")["submission"].to_list()
    unchanged = []
    for name in refused:
        envelope = parcels[name].envelope or {}
        if envelope["kind"] != "RESUBMIT" or str(envelope["supersedes"]) not in parcels:
            continue
        form = str(envelope["form"])
        mine, before = parcels[name].table(form), parcels[str(envelope["supersedes"])].table(form)
        if mine == before and envelope["reason_code"]:
            unchanged.append(name)
    assert unchanged
    assert {facts[name]["state"] for name in unchanged} == {"rejected"}


def test_nil_reports_in_a_row_are_counted(facts: Mapping[str, dict[str, object]]) -> None:
    streaks = [line["nil_streak"] for line in facts.values() if line["nil_streak"] is not None]
    assert max(streaks) > 1
    assert all(line["kind"] == "NIL" for line in facts.values() if line["nil_streak"] is not None)
