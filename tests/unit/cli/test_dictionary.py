"""`xiaobao dictionary`: writes, compares, and says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.cli.dictionary import dictionary
from pipelines.cli.errors import OperatorError


def test_what_was_written_is_up_to_date(tmp_path: Path) -> None:
    dictionary(out=tmp_path / "dictionary", check=False)
    dictionary(out=tmp_path / "dictionary", check=True)


def test_a_page_that_drifted_is_named_with_the_command(tmp_path: Path) -> None:
    folder = tmp_path / "dictionary"
    dictionary(out=folder, check=False)
    page = folder / "rules.md"
    page.write_bytes(page.read_bytes() + b"more\n")
    with pytest.raises(OperatorError, match=r"rules\.md differs[\s\S]*make dictionary"):
        dictionary(out=folder, check=True)


def test_a_page_of_somebody_else_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# Mine\n", encoding="utf-8")
    with pytest.raises(OperatorError, match="move it away or choose another folder"):
        dictionary(out=tmp_path, check=False)
