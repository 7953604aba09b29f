"""Judging again only what a filing may bear on gives what judging everything again gives.

A small seeded bureau files in random portions, some files with a later one though signed earlier. After the last, every
filing is judged again over the same ground: no finding, verdict, state or difference may come out otherwise.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import duckdb
import pytest

from pipelines.contracts.loader import load_catalogue
from pipelines.orchestration import steps
from pipelines.settings import Settings
from tests.support.sample import small_bureau

pytestmark = pytest.mark.slow

#: What settling derives, for the submissions it judges.
JUDGED = (
    "standing", "finding", "verdict", "excuse", "quarantined_row", "base", "carried_row", "difference", "changed_cell",
    "difference_total", "obligation", "notice",
)  # fmt: skip


@pytest.fixture(scope="module")
def inbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reach")
    small_bureau(folder, months=3, seed=11)
    return folder / "inbox"


def is_master(path: Path) -> bool:
    sidecar = path.with_name(path.name + ".json")
    return sidecar.is_file() and '"R03"' in sidecar.read_text(encoding="utf-8")


def receive(work: Settings, source: Path, target: Path, files: list[Path]) -> None:
    """Put files, with their sidecars, into the inbox that is read, and judge them."""
    for file in files:
        for path in (file, file.with_name(file.name + ".json")):
            if path.is_file():
                place = target / path.relative_to(source)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, place)
    steps.pull(work)
    for form in load_catalogue().forms:
        steps.load_form(work, form, None)
    steps.settle(work)


def judged(database: Path) -> dict[str, list[tuple[object, ...]]]:
    with duckdb.connect(str(database), read_only=True) as con:
        return {
            table: con.execute(f"SELECT * FROM ledger.{table} ORDER BY ALL").fetchall() for table in JUDGED
        }


def test_judging_everything_again_changes_nothing(inbox: Path, tmp_path: Path) -> None:
    chance = random.Random(3)
    own = tmp_path / "inbox"
    own.mkdir()
    work = Settings(home=tmp_path / "home", inbox=own.as_uri(), threads=2, memory_limit="1GiB")
    files = sorted(path for path in inbox.rglob("*") if path.is_file() and not path.name.endswith(".json"))
    masters = [path for path in files if is_master(path)]
    others = [path for path in files if path not in masters]
    assert masters
    chance.shuffle(others)  # any order of arrival, so later periods come before earlier ones
    cut = len(others) * 4 // 5
    receive(work, inbox, own, masters + others[:cut])
    for portion in (others[cut + n :: 4] for n in range(4)):
        receive(work, inbox, own, portion)
    found = judged(work.build_database)
    with duckdb.connect(str(work.build_database)) as con:
        con.execute("UPDATE ledger.standing SET ruleset_version = 'another'")
    steps.settle(work)
    again = judged(work.build_database)
    assert len(found["standing"]) > 100
    for table in JUDGED:
        assert again[table] == found[table], table
