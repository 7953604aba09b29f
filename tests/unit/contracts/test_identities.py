"""Clear identities in text are hidden; what merely looks long is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.contracts import identities
from pipelines.contracts.identities import hide_identities


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("13812345678", "***(11)"),
        ("电话13812345678,13912345678。", "电话***(11),***(11)。"),
        ("tel13812345678", "tel***(11)"),
        ("138 1234 5678", "***(13)"),
        ("+86-13812345678", "***(15)"),
        ("１３８１２３４５６７８", "***(11)"),
        ("身份证11010119900307123x", "身份证***(18)"),
        ("110101 19900307 123X", "***(20)"),
    ],
)
def test_an_identity_is_hidden(text: str, shown: str) -> None:
    assert hide_identities(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "F05-2024-03-00012343090000-001",
        "13812345678.00",
        "2024-03-11 10:00:00",
        "123456789012345678901",
        "9f13812345678ab0",
        "12812345678",
        "",
    ],
)
def test_what_is_none_stays(text: str) -> None:
    assert hide_identities(text) == text


@given(st.from_regex(identities._IDENTITY))
def test_the_first_look_passes_over_no_identity(text: str) -> None:
    assert hide_identities(text) == identities._IDENTITY.sub(lambda found: f"***({len(found[0])})", text)
    assert "***(" in hide_identities(text)
