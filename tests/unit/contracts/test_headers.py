"""Headers: how they are compared."""

from __future__ import annotations

import pytest

from pipelines.contracts.headers import normalise_header


@pytest.mark.parametrize(
    ("filed", "compared"),
    [
        ("投诉编号", "投诉编号"),
        (" 投诉 编号\u3000", "投诉编号"),
        ("投诉\n编号\t", "投诉编号"),
        ("投诉事由（一级）", "投诉事由(一级)"),
        ("ｒｅｐｏｒｔｅｒ＿ｃｏｄｅ", "reporter_code"),
        ("\ufeff报送机构编码", "报送机构编码"),
        ("报送\u200b机构编码", "报送机构编码"),
        ("Period", "Period"),
        ("", ""),
    ],
)
def test_width_and_blanks_do_not_matter(filed: str, compared: str) -> None:
    assert normalise_header(filed) == compared
