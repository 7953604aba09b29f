"""Persons: one key per person and secret, and no name in clear outside the archive."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.contracts.loader import load_catalogue
from pipelines.intake.persons import (
    PUBLIC_KEY,
    PersonKeyError,
    hide_persons,
    is_public_key,
    person_columns,
    person_key,
)
from pipelines.orchestration import steps
from pipelines.settings import PERSON_KEY_VARIABLE, Settings
from tests.support.desk import REPORTER, SUPERVISOR, Desk, row

SECRET = "a secret of the bureau, long and random"  # noqa: S105 (of this test alone)


def test_a_key_is_the_hmac_of_the_name_under_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_public_key()
    assert person_key("王小明") == hmac.digest(PUBLIC_KEY.encode(), "王小明".encode(), hashlib.sha256).hex()
    monkeypatch.setenv(PERSON_KEY_VARIABLE, SECRET)
    assert not is_public_key()
    assert person_key("王小明") == hmac.digest(SECRET.encode(), "王小明".encode(), hashlib.sha256).hex()


@pytest.mark.parametrize("spelling", [" 王小明", "王　小明", "王 小 明\t"])
def test_blanks_make_no_other_person(spelling: str) -> None:
    assert person_key(spelling) == person_key("王小明")


def test_width_and_case_make_no_other_person() -> None:
    assert person_key("ＷａｎｇX") == person_key("wangx")


@pytest.mark.parametrize("nobody", [None, "", "  ", "　"])
def test_nobody_has_no_key(nobody: str | None) -> None:
    assert person_key(nobody) is None


@given(st.text(min_size=1, max_size=60))
def test_a_key_never_shows_the_name(name: str) -> None:
    key = person_key(name)
    assert key is None or (len(key) == 64 and set(key) <= set("0123456789abcdef"))


def test_a_short_secret_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PERSON_KEY_VARIABLE, "geheim")
    with pytest.raises(PersonKeyError, match="6 characters, at least 16"):
        person_key("王小明")


def test_only_personal_text_is_a_person() -> None:
    forms = load_catalogue().forms
    assert {code: person_columns(form) for code, form in forms.items() if person_columns(form)} == {
        "R02": ("reviewer",),
        "R04": ("requested_by", "approved_by"),
    }


def test_persons_are_replaced_and_what_checks_need_of_them_is_kept() -> None:
    form = load_catalogue().forms["R02"]
    frame = pl.DataFrame({"reviewer": ["王小明", None, "13812345678", "王小明"]})
    hidden = hide_persons(form, frame, r"1[3-9][0-9]{9}")
    assert hidden["reviewer"].to_list() == [person_key(name) for name in frame["reviewer"].to_list()]
    assert hidden["reviewer__length"].to_list() == [3, None, 11, 3]
    assert hidden["reviewer__identity"].to_list() == [False, False, True, False]


@pytest.fixture
def desk(run_settings: Settings) -> Desk:
    desk = Desk(run_settings)
    desk.register()
    return desk


def decided(number: int, reviewer: str) -> dict[str, str]:
    return row("R02", number, org_code=REPORTER, decision="同意", decided_on="2024-03-20", reviewer=reviewer)


def test_no_name_is_stored_outside_the_archive(desk: Desk) -> None:
    """Row persons in every spelling that makes a finding, envelope persons, and receipts."""
    names = ["王小明", " 欧阳晓峰", "司马相如" * 11, "诸葛13812345678", "填报甲"]
    submission = desk.file(
        "R02",
        [decided(n, name) for n, name in enumerate(names)],
        reporter=SUPERVISOR,
        prepared_by="填报甲",
        reviewed_by="复核乙",
        approved_by="批准丙",
    )
    desk.run()
    assert {finding[:2] for finding in desk.findings(submission)} >= {
        ("GEN-I05", 3),  # the blank before the name
        ("GEN-I01", 4),  # too long
        ("GEN-I04", 5),  # a phone number
        ("R02-I01", 6),  # reviewed by the filer
    }
    clear = [name.strip() for name in names] + ["复核乙", "批准丙", "司马相如", "13812345678", "欧阳"]
    for table in desk.ask(
        "SELECT concat(table_schema, '.', table_name) AS name FROM information_schema.tables "
        "WHERE table_schema NOT IN ('information_schema', 'pg_catalog')"
    ):
        stored = json.dumps(desk.ask(f"FROM {table['name']}"), ensure_ascii=False, default=str)
        assert not [name for name in clear if name in stored], table
    written = [path for path in desk.settings.home.rglob("*") if path.is_file()]
    outside = [
        path
        for path in written
        if not path.is_relative_to(desk.settings.archive_dir) and not path.is_relative_to(desk.inbox)
    ]
    assert {path.parent.name for path in outside} >= {"build", SUPERVISOR, "evidence"}
    for path in outside:
        content = path.read_bytes()
        assert not [name for name in clear if name.encode() in content], path
    [parcel] = desk.ask("SELECT * FROM ledger.parcel WHERE submission_id = ?", submission)
    keys = [parcel[f"{role}_key"] for role in ("prepared_by", "reviewed_by", "approved_by")]
    assert keys == [person_key(name) for name in ("填报甲", "复核乙", "批准丙")]


def test_another_secret_is_noticed_before_anything_is_compared(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.run()
    monkeypatch.setenv(PERSON_KEY_VARIABLE, SECRET)
    with pytest.raises(PersonKeyError, match="Set it back"):
        steps.pull(desk.settings)
    (desk.settings.build_dir).rename(Path(desk.settings.home / "build.old"))
    steps.pull(desk.settings)


def test_one_person_in_three_spellings_is_not_three_persons(desk: Desk) -> None:
    submission = desk.file(
        "F05", [row("F05")], prepared_by="王小明", reviewed_by="王 小明", approved_by="王小明 "
    )
    desk.run()
    assert ("ENV-S07", None, None) in desk.findings(submission)
