"""What a form's files look like in a period: dated headers and sheets, columns some files lack, filled columns."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.contracts.errors import CatalogueError
from pipelines.contracts.loader import default_root, load_catalogue
from pipelines.contracts.model import Column, DatedName, Form, Span
from tests.support.foreign import EXAMPLE

UK04 = "uk04_consumer_credit.odcs.yaml"
UK03 = "uk03_upheld.odcs.yaml"
FIRST_HALF_2022, SECOND_HALF_2022 = date(2022, 6, 30), date(2022, 12, 31)
FIRST_HALF_2023, NEWEST = date(2023, 6, 30), date(2025, 6, 30)
DAYS = st.dates(date(2021, 1, 1), date(2026, 12, 31))


@pytest.fixture(scope="module")
def form(tmp_path_factory: pytest.TempPathFactory) -> Form:
    root = tmp_path_factory.mktemp("contracts") / "expectations"
    shutil.copytree(default_root(), root)
    shutil.copytree(EXAMPLE / "expectations", root, dirs_exist_ok=True)
    return load_catalogue(root).forms["UK04"]


@pytest.mark.parametrize(
    ("day", "upheld", "joint", "total"),
    [
        (FIRST_HALF_2022, {"upheld_count"}, "Joint Report", False),
        (SECOND_HALF_2022, {"upheld_count"}, "Joint Report", True),
        (FIRST_HALF_2023, {"upheld_share"}, "Joint Report", False),
        (NEWEST, {"upheld_share"}, "Joint Reporting", False),
    ],
)
def test_a_layout_has_the_columns_and_headers_of_its_period(
    form: Form, day: date, upheld: set[str], joint: str, total: bool
) -> None:
    layout = form.layout(day)
    names = {column.name for column in layout.columns}
    assert {name for name in names if name.startswith("upheld")} == upheld
    assert ("row_total" in names) == total
    assert not names & {"reporter_code", "period", "record_action"}  # filled, never in a file
    headers = layout.header_map()
    assert headers[joint.replace(" ", "")] == "joint_report"
    other = {"JointReport", "JointReporting"} - {joint.replace(" ", "")}
    assert not other & set(headers)


def test_a_form_that_never_changed_is_its_own_layout() -> None:
    form = load_catalogue().forms["F01"]
    assert form.layout(NEWEST) is form


def test_only_forms_in_a_layout_of_their_publishers_own_are_as_published(form: Form) -> None:
    assert form.is_as_published
    assert not any(own.is_as_published for own in load_catalogue().forms.values())


def test_a_header_tells_the_periods_it_is_limited_to(form: Form) -> None:
    assert form.spans_of_header("Complaints upheld (%)") == (Span(date(2024, 1, 1), date(2024, 6, 30)),)
    assert form.spans_of_header("Grand Total") == (Span(date(2022, 7, 1), date(2022, 12, 31)),)
    assert form.spans_of_header("Firm Name") == ()  # in every file
    assert form.spans_of_header("Konzern") == ()  # in none


@given(day=DAYS, first=DAYS, length=st.integers(0, 900))
def test_a_span_covers_both_its_ends_and_what_lies_between(day: date, first: date, length: int) -> None:
    last = date.fromordinal(first.toordinal() + length)
    assert Span(first, last).covers(day) == (first <= day <= last)
    assert Span(first).covers(day) == (first <= day)
    assert Span().covers(day)


@given(day=DAYS)
def test_a_column_is_filled_or_in_the_file_never_both(form: Form, day: date) -> None:
    layout = form.layout(day)
    for column in form.columns:
        in_file = column.name in {c.name for c in layout.columns}
        assert in_file == column.is_in_file(day)
        assert not (in_file and column.is_filled)


def test_a_column_knows_all_its_headers() -> None:
    dated = DatedName("New", Span(date(2024, 1, 1)))
    column = Column("a", "甲", "text", length=5, aliases=("A",), dated_headers=(dated,))
    assert column.headers() == (DatedName("a"), DatedName("A"), DatedName("甲"), dated)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "expectations"
    shutil.copytree(default_root(), folder)
    shutil.copytree(EXAMPLE / "expectations", folder, dirs_exist_ok=True)
    return folder


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (UK04, "filledFrom, value: reporter", "filledFrom, value: signer", "filledFrom is 'signer'"),
        (UK04, 'constant, value: "I"', "constant, value: 1", "the constant 1 is no text"),
        (UK04, 'constant, value: "I"', 'constant, value: "X"', "constant 'X' is none of its enum values"),
        (
            UK04,
            "- {property: filledFrom, value: period}",
            '- {property: filledFrom, value: period}\n          - {property: constant, value: "x"}',
            "has filledFrom and constant",
        ),
        (
            UK04,
            "- {property: filledFrom, value: period}",
            "- {property: filledFrom, value: period}\n          - {property: headers, value: [{header: Period}]}",
            "is filled, so no file has it",
        ),
        (UK04, "name: record_action", "name: action", "the column record_action is missing"),
        (UK04, "{header: Complaints upheld, from:", "{header: Complaints upheld, since:", "'since' is not known here"),
        (UK04, '{from: "2022-07-01", to: "2022-12-31"}', '{from: "2022-07-01", to: "2022-06-30"}', "lies after to"),
        (UK04, "{header: Complaints upheld,", "{caption: Complaints upheld,", "'header' is missing"),
        (
            UK04,
            '{header: Complaints upheld, from: "2023-01-01"',
            '{header: Complaints Closed, from: "2023-01-01"',
            "the header 'ComplaintsClosed' would name several columns: closed, upheld_share (periods from 2023-01-01)",
        ),
        (UK03, '{name: "upheld", from:', '{name: "% UPHELD", from:', "sheet '%upheld' stands twice"),
        (
            UK04,
            "logicalTypeOptions: {maxLength: 7}\n        synonyms:",
            "logicalTypeOptions: {maxLength: 7}\n        required: true\n        synonyms:",
            "column semester: is required, but filedIn says",
        ),
    ],
)  # fmt: skip
def test_each_defect_of_a_layout_is_named(root: Path, name: str, old: str, new: str, message: str) -> None:
    path = root / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(root)
    assert message in "\n".join(caught.value.problems)


def test_one_header_may_name_two_columns_in_different_periods(root: Path) -> None:
    path = root / UK04
    text = path.read_text(encoding="utf-8")
    changed = text.replace("{header: Complaints upheld, from:", "{header: Complaints upheld by firm, from:")
    assert changed != text
    path.write_text(changed, encoding="utf-8")
    form = load_catalogue(root).forms["UK04"]
    by_period = [
        form.layout(day).header_map()["Complaintsupheldbyfirm"] for day in (FIRST_HALF_2022, FIRST_HALF_2023)
    ]
    assert by_period == ["upheld_count", "upheld_share"]
