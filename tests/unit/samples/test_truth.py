"""Clean facts: volumes, links and stories before anybody makes a mistake."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from pipelines.contracts.loader import load_catalogue
from pipelines.contracts.periods import Period
from pipelines.samples import registry, vocabulary
from pipelines.samples.days import WorkingDays, day_number
from pipelines.samples.randomness import enum_series, pick_by, stream
from pipelines.samples.truth import Lapses, Truth, whole_quarters
from pipelines.samples.volumes import CITY, NATION, PROVINCE, rows_per_month

MONTHS = tuple(Period.parse("2024-01").shift(step) for step in range(9))


@pytest.fixture(scope="module")
def institutions() -> registry.Registry:
    return registry.build(1, 41, MONTHS, WorkingDays(), rows_per_month("F06", CITY))


@pytest.fixture(scope="module")
def months(institutions: registry.Registry) -> list[dict[str, pl.DataFrame]]:
    truth = Truth(
        load_catalogue(), institutions, MONTHS, scale=CITY, seed=1, days=WorkingDays(), lapses=Lapses()
    )
    return [truth.month(position) for position in range(len(MONTHS))]


def rows(months: list[dict[str, pl.DataFrame]], form: str) -> Iterator[pl.DataFrame]:
    return (month[form] for month in months)


@pytest.mark.parametrize("form", ["F01", "F02", "F03", "F04", "F05", "F06", "F12", "F13", "R01"])
def test_a_city_files_what_the_domain_book_says(form: str, months: list[dict[str, pl.DataFrame]]) -> None:
    """The first months hold no carried records yet, so the later ones are measured."""
    settled = [frame.height for frame in list(rows(months, form))[3:]]
    assert 0.7 < sum(settled) / len(settled) / rows_per_month(form, CITY) < 1.35


def test_volumes_pass_through_the_three_measured_points() -> None:
    assert [round(rows_per_month("F04", size)) for size in (CITY, PROVINCE, NATION)] == [
        9_000,
        120_000,
        3_000_000,
    ]
    assert rows_per_month("F01", 0.1) == pytest.approx(25)
    with pytest.raises(ValueError, match="needed: a positive number"):
        rows_per_month("F01", 0)


def test_an_open_complaint_is_filed_again_and_a_closed_one_is_not(
    months: list[dict[str, pl.DataFrame]],
) -> None:
    for before, after in zip(rows(months, "F01"), list(rows(months, "F01"))[1:], strict=False):
        closed = before.filter(pl.col("status") != "处理中")["complaint_id"]
        still_open = before.filter(pl.col("status") == "处理中")["complaint_id"]
        assert set(closed).isdisjoint(after["complaint_id"])
        assert set(still_open) <= set(after["complaint_id"])


def test_open_cases_and_waiting_calls_are_filed_again(months: list[dict[str, pl.DataFrame]]) -> None:
    for before, after in pairwise(months):
        opened = before["F05"].filter(pl.col("handle_result") == "处理中")["problem_id"]
        handled = before["F05"].filter(pl.col("handle_result") != "处理中")["problem_id"]
        assert set(opened) <= set(after["F05"]["problem_id"])
        assert set(handled).isdisjoint(after["F05"]["problem_id"])
        waits = pl.col("must_call") & ~pl.col("success")
        unhandled = pl.col("problem_id").is_null() | pl.col("problem_id").is_in(
            after["F05"]["problem_id"].to_list()
        )
        waiting = before["F04"].filter(waits & unhandled)["callback_id"]
        assert set(waiting) <= set(after["F04"]["callback_id"])


def test_what_is_told_of_an_agreement_stays(months: list[dict[str, pl.DataFrame]]) -> None:
    told: dict[int, str] = {}
    for month in rows(months, "F03"):
        known = dict(month.select("mediation_id", "fulfil_status").drop_nulls().iter_rows())
        assert all(told.get(key, "未到期") in ("未到期", status) for key, status in known.items())
        told |= known
    assert {"已履行", "逾期", "不履行", "未到期"} <= set(told.values())


def test_complaints_and_ledger_point_at_each_other(months: list[dict[str, pl.DataFrame]]) -> None:
    for month in months:
        linked = month["F01"].filter(pl.col("first_inquiry_id").is_not_null() & ~pl.col("_carried"))
        entries = month["F02"].filter(pl.col("complaint_id").is_not_null())
        both = linked.join(entries, left_on="first_inquiry_id", right_on="inquiry_id", suffix="_entry")
        assert both.height == linked.height == entries.height
        assert (both["complaint_id"] == both["complaint_id_entry"]).all()
        assert (both["inquiry_at"] <= both["received_at"]).all()


def test_the_register_and_the_files_hold_the_same_numbers(months: list[dict[str, pl.DataFrame]]) -> None:
    for month in months:
        forwarded = month["F01"].filter(pl.col("reg_ref_no").is_not_null() & ~pl.col("_carried"))
        assert set(forwarded["reg_ref_no"]) == set(month["R01"]["reg_ref_no"])


def test_call_backs_are_the_long_term_policies_sold(months: list[dict[str, pl.DataFrame]]) -> None:
    for month in months:
        called = month["F04"].filter((pl.col("callback_type") == "新单") & ~pl.col("_carried"))
        cell = ["org_code", "sales_channel"]
        left = called.group_by(cell).len().sort(cell)
        sold = (
            month["F06"].group_by(cell).agg(pl.col("long_term_new").sum()).filter(pl.col("long_term_new") > 0)
        )
        assert left["len"].to_list() == sold.sort(cell)["long_term_new"].to_list()


def test_problem_cases_exist_and_some_become_complaints(months: list[dict[str, pl.DataFrame]]) -> None:
    known: set[int] = set()
    became = 0
    for month in months:
        known |= set(month["F05"]["problem_id"])
        assert set(month["F04"]["problem_id"].drop_nulls()) <= known
        handed = month["F05"].filter(pl.col("handle_result") == "转投诉")
        assert set(handed["complaint_id"]) <= set(month["F01"]["complaint_id"])
        became += handed.height
    assert became


def test_premium_runs_through_the_year(months: list[dict[str, pl.DataFrame]]) -> None:
    cell = ["org_code", "line_code", "sales_channel"]
    for before, after in zip(rows(months, "F06"), list(rows(months, "F06"))[1:], strict=False):
        both = after.join(before, on=cell, suffix="_before")
        assert (both["premium_ytd"] == both["premium_ytd_before"] + both["premium"]).all()


def test_one_insurer_opens_and_one_merges_into_another_of_its_class() -> None:
    months = tuple(Period.parse("2024-01").shift(step) for step in range(24))
    found = registry.build(20240101, 41, months, WorkingDays(), rows_per_month("F06", CITY))
    gone, newcomer = found.merged(), found.newcomer()
    assert gone is not None
    assert newcomer is not None
    assert gone.successor is not None
    heir = found.insurers[gone.successor]
    assert gone.insurer_class == heir.insurer_class
    assert gone.closed_on is not None
    assert months[11].end < gone.closed_on <= months[12].end
    assert months[6].start <= newcomer.opened_on <= months[6].end
    assert gone.owes(months[11])
    assert not gone.owes(months[12])
    assert not newcomer.owes(months[5])
    known = registry.master(found, gone.closed_on).filter(pl.col("org_code") == gone.code)
    assert known["successor_code"].to_list() == [heir.code]


def test_a_ledger_stands_in_13_of_41_at_the_start(institutions: registry.Registry) -> None:
    assert sum(one.ledger_from == 0 for one in institutions.insurers) == 13


@pytest.mark.parametrize("insurers", [6, 8, 41, 60, 170])
def test_codes_and_names_are_unique(insurers: int) -> None:
    found = registry.build(3, insurers, MONTHS, WorkingDays(), rows_per_month("F06", CITY))
    assert len(found.insurers) == insurers
    assert {one.insurer_class for one in found.insurers} >= {"P", "L", "H", "A"}
    assert len({one.alias for one in found.insurers}) == insurers
    codes = [branch.code for branch in found.branches]
    assert len(set(codes)) == len(codes)
    assert all(len(code) == 14 and code.isdigit() for code in codes)


def test_whole_quarters_only() -> None:
    labels = [quarter.label for quarter in whole_quarters(MONTHS[1:])]
    assert labels == ["2024Q2", "2024Q3"]


def test_working_days_agree_with_the_calendar() -> None:
    days = WorkingDays()
    for count in (1, 10, 20):
        for start in MONTHS[1].months()[0].start, MONTHS[0].end:
            moved = days.add(np.asarray([day_number(start)]), count)[0]
            assert moved == day_number(days.calendar.add_working_days(start, count))


def test_choices_follow_their_weights() -> None:
    weights = np.asarray([[1.0, 0.0, 3.0], [0.0, 1.0, 0.0]])
    drawn = pick_by(stream(1, "test"), weights, np.asarray([0] * 4_000 + [1] * 10))
    assert set(drawn[4_000:]) == {1}
    assert 1 not in drawn[:4_000]
    assert 0.7 < (drawn[:4_000] == 2).mean() < 0.8


def test_negative_positions_are_null() -> None:
    assert enum_series(("a", "b"), np.asarray([1, -1, 0])).to_list() == ["b", None, "a"]


def test_words_unknown_to_the_contracts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vocabulary.COLUMN_LABELS, ("F01", "status"), ("处理中", "搁置"))  # type: ignore[misc]
    with pytest.raises(vocabulary.VocabularyError, match="status: 搁置"):
        vocabulary.check(load_catalogue())


def test_a_departure_counts_the_calls_of_its_agent_s_orphaned_policies(
    months: list[dict[str, pl.DataFrame]],
) -> None:
    """Each orphaned policy with an agent belongs to one departure, applied for before the first call."""
    calls: set[tuple[int, int]] = set()
    for month in months:
        made = month["F04"].filter(
            (pl.col("callback_type") == "孤儿保单") & pl.col("success") & pl.col("agent_code").is_not_null()
        )
        calls |= set(made.select("agent_code", "callback_id").iter_rows())
        done = {agent: [a for a, _ in calls].count(agent) for agent in month["F12"]["agent_code"]}
        for row in month["F12"].iter_rows(named=True):
            assert row["called_ok"] == done[row["agent_code"]]
            assert row["called_ok"] <= row["called"] <= row["orphan_policies"]
            assert row["effective_date"] is None or row["called_ok"] == row["orphan_policies"]
    told = months[-1]["F12"]
    assert told["departure_id"].n_unique() == told["agent_code"].n_unique() == told.height


def test_a_summary_adds_up_the_month_s_call_backs(months: list[dict[str, pl.DataFrame]]) -> None:
    for month in months:
        due, cells = month["F04"].filter("must_call"), month["F04S"]
        waiting = due["completed_at"].is_null() & due["problem_id"].is_null()
        assert cells["due_count"].sum() == due.height
        assert cells["success_count"].sum() == due["success"].sum()
        assert (cells["in_progress"] + cells["receipt_pending"]).sum() == waiting.sum()
        parts = ("done_count", "in_progress", "receipt_pending", "problem_open")
        assert (cells["due_count"] == cells.select(pl.sum_horizontal(parts)).to_series()).all()
