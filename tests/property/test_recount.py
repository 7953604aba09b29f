"""Counting again only what changed gives what counting everything gives.

A small seeded bureau files in random portions: new filings, resubmissions, corrections, withdrawals, waivers, the
institution master; the moment moves on with them. Builds are killed half-way now and then, releases come between. After
every build that succeeds, each table of the models is compared, row by row, with a full build over the same filings.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from pipelines.contracts.loader import load_catalogue
from pipelines.orchestration import steps
from pipelines.orchestration.dbt_build import invoke_build, model_project, prepare_manifest, run_folder
from pipelines.orchestration.models import ModelState
from pipelines.orchestration.moments import build_models
from pipelines.settings import Settings
from tests.support.sample import small_bureau

pytestmark = pytest.mark.slow

SCHEMAS = ("intermediate", "measures", "kpi", "quality")
#: Models that stand early, in the middle and late in the project: a killed build ends after one of them.
BREAKS = (
    "int_call_back",
    "int_complaint",
    "monthly_measures",
    "window_measures",
    "kpi_operands",
    "kpi_ratio",
)


def home(folder: Path, inbox: Path) -> Settings:
    return Settings(home=folder, inbox=inbox.as_uri(), threads=2, memory_limit="1GiB")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("recount")
    small_bureau(folder, months=3, seed=7)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def signed(sample: Path) -> list[tuple[datetime | None, str]]:
    """Every file of the inbox with the moment it was signed, in that order; unsigned ones first."""
    work = home(sample / "all", sample / "inbox")
    steps.pull(work)
    with duckdb.connect(str(work.build_database), read_only=True) as con:
        found = con.execute(
            "SELECT p.signed_at, s.name FROM ledger.parcel AS p JOIN ledger.sighting AS s USING (content_key) "
            "WHERE s.source = ? ORDER BY p.signed_at NULLS FIRST, s.name",
            [work.inbox],
        ).fetchall()
    assert len(found) > 100
    return found


class Office:
    """A home that receives the bureau's files in portions and keeps its models up to date."""

    def __init__(self, folder: Path, source: Path) -> None:
        self.source, self.inbox = source, folder / "inbox"
        self.inbox.mkdir(parents=True)
        self.settings = home(folder / "home", self.inbox)
        self.project = model_project(self.settings)
        prepare_manifest(self.settings, self.project)
        self.builds = 0

    def receive(self, names: list[str]) -> None:
        for name in names:
            target = self.inbox / name
            target.parent.mkdir(parents=True, exist_ok=True)
            for suffix in ("", ".json"):
                if (self.source / (name + suffix)).is_file():
                    shutil.copyfile(self.source / (name + suffix), target.with_name(target.name + suffix))
        steps.pull(self.settings)
        for form in load_catalogue().forms:
            steps.load_form(self.settings, form, None)
        steps.settle(self.settings)

    def build(self, *, killed_after: str | None = None) -> bool:
        """One build of the models; True if it counted changed partitions only."""
        state = ModelState(self.settings, self.project)
        by_partition = state.begin(full=False)
        self.builds += 1
        chosen = ["--select", f"+{killed_after}"] if killed_after else []
        _, failure = invoke_build(
            self.settings, self.project, run_folder(self.project, str(self.builds)),
            [*chosen, "--exclude-resource-type", "test"], None, None, by_partition=by_partition,
        )  # fmt: skip
        assert failure is None
        if not killed_after:
            state.remember()
        return by_partition

    def counted_whole(self) -> Path:
        """A copy of the build database with every model counted from the beginning."""
        other = home(self.settings.home.parent / "whole", self.inbox)
        shutil.rmtree(other.home, ignore_errors=True)
        other.build_dir.mkdir(parents=True)
        shutil.copyfile(self.settings.build_database, other.build_database)
        with duckdb.connect(str(other.build_database)) as con:
            for schema in (*SCHEMAS, "staging", "build"):
                con.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        build_models(self.settings, other)
        return other.build_database


def differences(one: Path, other: Path) -> list[tuple[str, int, int]]:
    """Tables whose rows are not the same, with the rows that only one and only the other holds."""
    found = []
    with duckdb.connect() as con:
        con.execute(f"ATTACH '{one}' AS one (READ_ONLY); ATTACH '{other}' AS other (READ_ONLY)")
        tables = [
            set(
                con.execute(
                    "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE database_name = ? "
                    "AND list_contains(?, schema_name) AND table_name <> 'int_window_changed'",
                    [database, list(SCHEMAS)],
                ).fetchall()
            )
            for database in ("one", "other")
        ]
        assert tables[0] == tables[1]
        assert len(tables[0]) > 70
        for (table,) in sorted(tables[0]):
            more = [
                con.execute(
                    f"SELECT count(*) FROM (FROM {a}.{table} EXCEPT ALL FROM {b}.{table})"
                ).fetchall()[0][0]
                for a, b in (("one", "other"), ("other", "one"))
            ]
            if any(more):
                found.append((table, *more))
    return found


@settings(max_examples=1, phases=[Phase.generate], deadline=None)  # an example takes too long to shrink
@given(seed=st.integers(0, 1 << 30))
def test_counting_again_what_changed_is_counting_everything(
    sample: Path,
    signed: list[tuple[datetime | None, str]],
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
) -> None:
    chance = random.Random(seed)
    office = Office(tmp_path_factory.mktemp("office"), sample / "inbox")
    # The master stands from the first portion on; later ones are small and large, some of them of a single file.
    cuts = sorted({len(signed), *chance.sample(range(len(signed) // 2, len(signed)), 3)})
    start, by_partition = 0, []
    for cut in cuts:
        names = [name for _, name in signed[start:cut]]
        late = chance.sample(names, len(names) // 20)  # arrive with a later portion, though signed earlier
        office.receive([name for name in names if name not in late])
        start = cut
        signed = signed[:start] + [(None, name) for name in late] + signed[start:]
        if chance.random() < 0.4:
            office.build(killed_after=chance.choice(BREAKS))
        by_partition.append(office.build())
        assert differences(office.settings.build_database, office.counted_whole()) == []
        if chance.random() < 0.7:
            steps.publish(office.settings)
    assert not by_partition[0]
    assert any(by_partition[1:])
