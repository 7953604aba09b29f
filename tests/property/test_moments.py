"""Two times: what is asked as of a moment is what a pipeline would say that never received anything later.

The bureau is small and seeded, the moments are random. For each, one home holds all filings and is asked as of the
moment; another pulls the files signed until then, and nothing else.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from pipelines.contracts.loader import load_catalogue
from pipelines.orchestration import steps
from pipelines.orchestration.moments import as_known_at, build_models
from pipelines.settings import Settings
from pipelines.warehouse.connection import open_readonly
from tests.support.sample import small_bureau

pytestmark = pytest.mark.slow

#: From the first month's deadlines (holidays move them to 18 February), before which nothing is counted, to the last
#: resubmissions.
FIRST, LAST = datetime(2024, 2, 20), datetime(2024, 5, 10)


class Bureau:
    """A home that has received every filing, and the folder it pulled from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = home(folder / "all", folder / "inbox")

    def sources(self, until: datetime) -> list[str]:
        """File names of the submissions signed until a moment, names they came under later included."""
        with duckdb.connect(str(self.settings.build_database), read_only=True) as con:
            found = con.execute(
                "SELECT s.name FROM ledger.parcel AS p JOIN ledger.sighting AS s USING (content_key) "
                "WHERE p.signed_at <= ? AND s.source = ? ORDER BY p.signed_at, s.name",
                [until, self.settings.inbox],
            ).fetchall()
        return [name for (name,) in found]


def home(folder: Path, inbox: Path, as_of: datetime | None = None) -> Settings:
    return Settings(home=folder, inbox=inbox.as_uri(), threads=2, memory_limit="1GiB", as_of=as_of)


def receive(work: Settings) -> None:
    """The pipeline up to the states of submissions and obligations."""
    steps.pull(work)
    for form in load_catalogue().forms:
        steps.load_form(work, form, None)
    steps.settle(work)


@pytest.fixture(scope="module")
def bureau(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bureau]:
    folder = tmp_path_factory.mktemp("moments")
    small_bureau(folder, months=3, seed=11)
    made = Bureau(folder)
    receive(made.settings)
    yield made
    shutil.rmtree(folder)


def figures(database: Path) -> list[tuple[str | None, ...]]:
    """Every KPI value, as text."""
    con = open_readonly(database)
    try:
        return con.execute("SELECT COLUMNS(*)::VARCHAR FROM kpi.kpi_values ORDER BY ALL").fetchall()
    finally:
        con.close()


@settings(max_examples=3, phases=[Phase.generate])  # an example takes too long to shrink
@given(minutes=st.integers(0, int((LAST - FIRST) / timedelta(minutes=1))))
def test_an_as_of_read_is_a_build_from_what_was_known_then(bureau: Bureau, minutes: int) -> None:
    moment = FIRST + timedelta(minutes=minutes)
    fresh = home(bureau.folder / f"fresh-{minutes}", bureau.folder / f"inbox-{minutes}", as_of=moment)
    copied = bureau.folder / f"inbox-{minutes}"
    for name in bureau.sources(moment):
        target = copied / name
        target.parent.mkdir(parents=True, exist_ok=True)
        for suffix in ("", ".json"):
            source = bureau.folder / "inbox" / (name + suffix)
            if source.is_file():
                shutil.copyfile(source, target.with_name(target.name + suffix))
    receive(fresh)
    build_models(bureau.settings, fresh)
    asked = as_known_at(bureau.settings, moment)
    known, built = figures(asked.database), figures(fresh.build_database)
    assert len(built) > 100
    only_known, only_built = set(known) - set(built), set(built) - set(known)
    assert (sorted(only_known, key=str)[:5], sorted(only_built, key=str)[:5], len(known)) == (
        [],
        [],
        len(built),
    )
