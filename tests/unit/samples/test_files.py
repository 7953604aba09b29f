"""Files as insurers send them: envelopes, encodings, workbooks, and what incidents do to them."""

from __future__ import annotations

import hashlib
import io
import zipfile
from datetime import datetime
from typing import get_args

import polars as pl
import pytest

from pipelines.contracts.headers import normalise_header
from pipelines.contracts.loader import load_catalogue
from pipelines.contracts.model import Form
from pipelines.contracts.periods import Period
from pipelines.samples import rendering
from pipelines.samples.filings import Filing
from pipelines.samples.incidents import RULE_OF
from tests.unit.samples.conftest import Bureau, decoded

FIELDS = {
    "submission_id",
    "form",
    "version",
    "reporter",
    "period",
    "kind",
    "sequence_no",
    "supersedes",
    "reason_code",
    "state",
    "row_count",
    "control_totals",
    "prepared_by",
    "reviewed_by",
    "approved_by",
    "signed_at",
}


@pytest.fixture(scope="module")
def f05() -> Form:
    return load_catalogue().forms["F05"]


def test_every_file_but_one_has_a_complete_envelope(small: Bureau) -> None:
    bare = [parcel for parcel in small.parcels if parcel.envelope is None]
    assert len(bare) == 1
    unread = f"UNREAD-{hashlib.sha256(bare[0].data).hexdigest()[:12]}"
    assert unread in set(small.submissions["submission"])
    for parcel in small.parcels:
        envelope = parcel.envelope
        if envelope is None:
            continue
        assert set(envelope) >= FIELDS, parcel.path
        assert parcel.path.relative_to(small.summary.inbox).parts[0] == envelope["reporter"]
        datetime.fromisoformat(str(envelope["signed_at"]))


def test_digests_are_true_but_for_the_planted_one(sound: Bureau, small: Bureau) -> None:
    wrong = {
        name: sum(
            hashlib.sha256(parcel.data).hexdigest() != parcel.sidecar["sha256"]
            for parcel in bureau.parcels
            if parcel.sidecar
        )
        for name, bureau in (("sound", sound), ("small", small))
    }
    assert wrong["sound"] == 0
    assert wrong["small"] == sum(name == "wrong_digest" for name in RULE_OF) + 1


def test_row_counts_and_totals_are_those_of_the_file(sound: Bureau) -> None:
    forms = load_catalogue().forms
    for parcel in sound.parcels:
        envelope = parcel.envelope
        assert envelope is not None
        rows = parcel.table(envelope["form"])
        assert len(rows) == envelope["row_count"], parcel.path
        assert (envelope["kind"] == "NIL") == (not rows)
        form = forms[envelope["form"]]
        for name in form.control_totals:
            if rows:
                total = sum(round(float(row[name] or 0) * 100) for row in rows)
                assert total == round(float(envelope["control_totals"][name]) * 100), (parcel.path, name)


def test_file_names_tell_nothing(small: Bureau) -> None:
    for parcel in small.parcels:
        envelope = parcel.envelope or {}
        for told in ("form", "period", "submission_id"):
            assert str(envelope.get(told, "?")) not in parcel.path.name


def test_all_encodings_occur_and_rare_characters_survive(small: Bureau) -> None:
    texts = [parcel for parcel in small.parcels if parcel.path.suffix == ".csv" and parcel.envelope]
    gb18030 = []
    for parcel in texts:
        try:
            parcel.data.decode("utf-8-sig")
        except UnicodeDecodeError:
            gb18030.append(parcel)
    marked = [parcel for parcel in texts if parcel.data.startswith(b"\xef\xbb\xbf")]
    assert gb18030
    assert marked
    assert len(gb18030) + len(marked) < len(texts)
    readable = [parcel for parcel in gb18030 if b"\xff\xfe\xff" not in parcel.data]
    rare = [parcel for parcel in readable if {"㐂", "𠮷"} & set(decoded(parcel.data))]
    assert rare
    for parcel in rare:
        assert parcel.envelope is not None
        assert decoded(parcel.data).encode("gb18030") == parcel.data
        notes = {row["basis_note"] for row in parcel.table("F06")}
        assert notes & {"口径说明见㐂号文", "𠮷庆网点并入本机构统计"}


def test_workbooks_are_few_and_reproducible(small: Bureau) -> None:
    books = [parcel for parcel in small.parcels if parcel.data.startswith(b"PK")]
    assert 0 < len(books) < len(small.parcels) / 4
    whole = [parcel for parcel in books if zipfile.is_zipfile(io.BytesIO(parcel.data))]
    assert len(whole) == len(books) - 1, "one is truncated"
    for parcel in whole:
        with zipfile.ZipFile(io.BytesIO(parcel.data)) as book:
            assert {member.date_time[0] for member in book.infolist()} == {1980}
            assert b"2024-01-01T00:00:00Z" in book.read("docProps/core.xml")


def test_headers_come_in_titles_and_aliases(small: Bureau) -> None:
    form = load_catalogue().forms["F06"]
    known = form.header_map()
    seen = {
        cell
        for parcel in small.parcels
        if parcel.path.suffix == ".csv" and parcel.envelope and parcel.envelope["form"] == "F06"
        for row in parcel.cells()[:6]
        for cell in row
        if normalise_header(cell) in known
    }
    assert seen & {column.title_zh for column in form.columns}
    assert seen & {alias for column in form.columns for alias in column.aliases}


@pytest.mark.parametrize("headers", get_args(rendering.HeaderStyle))
def test_every_way_of_heading_a_table_is_understood(headers: rendering.HeaderStyle, small: Bureau) -> None:
    form = load_catalogue().forms["F01"]
    texts = pl.DataFrame({column.name: ["x"] for column in form.columns})
    filing = Filing(0, "F01", Period.parse("2024-01"), 0, "A", 1, datetime(2024, 2, 1), "ORIGINAL", "S")
    style = rendering.Style(headers=headers, order_seed=7)
    table, written = rendering.arrange(form, style, texts, filing)
    known = form.header_map()
    assert [known[normalise_header(header)] for header in written] == table.columns
    assert sorted(table.columns) == sorted(texts.columns)
    assert table.columns != texts.columns


def test_damage_changes_spelling_and_nothing_else(f05: Form) -> None:
    clean = pl.DataFrame(
        {column.name: ["2024-03-05", "2024-11-30", None] for column in f05.columns}, schema_overrides={}
    )
    spelled = rendering.damaged(f05, clean, "slash_dates")
    assert spelled["found_date"].to_list() == ["2024/3/5", "2024/11/30", None]
    assert rendering.damaged(f05, clean, "chinese_dates")["due_date"].to_list()[0] == "2024年3月5日"
    assert rendering.damaged(f05, clean, "compact_dates")["due_date"].to_list()[1] == "20241130"
    assert spelled["problem_id"].to_list() == clean["problem_id"].to_list()


@pytest.mark.parametrize(
    ("yuan", "written"),
    [
        ("12500.00", "12.5E+03"),
        ("1000.00", "1E+03"),
        ("1234567.00", "1234.567E+03"),
        ("999.00", "999.00"),
        ("1500.50", "1500.50"),
    ],
)
def test_scientific_notation_keeps_every_digit(yuan: str, written: str) -> None:
    form = load_catalogue().forms["F01"]
    clean = pl.DataFrame({column.name: [yuan] for column in form.columns})
    spelled = rendering.damaged(form, clean, "scientific")["demand_amount"].item()
    assert spelled == written
    assert float(spelled) == float(yuan)
