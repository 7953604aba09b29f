"""What every test has: a folder of its own as XIAOBAO_HOME, no settings of the developer's, repeatable examples."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from pipelines.settings import Settings
from tests.support.desk import Desk

# The same examples on every machine and run; no deadline, because shared machines stall.
settings.register_profile(
    "repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("repeatable")

# Nothing may call home.
os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
os.environ["DO_NOT_TRACK"] = "1"


#: Files that take longest, longest first: started last, one of them would leave the other worker idle at the end.
#: Others follow in random order. A name that is no longer here does no harm.
LONGEST = (
    "fault/test_kill.py",
    "property/test_recount.py",
    "end_to_end/test_sample_bureau.py",
    "end_to_end/test_self_check.py",
    "end_to_end/test_register_entries.py",
    "end_to_end/test_simulated_year.py",
    "property/test_moments.py",
    "end_to_end/test_as_of_beside_a_run.py",
    "end_to_end/test_explained_figures.py",
    "end_to_end/test_two_times.py",
    "unit/models/test_project.py",
    "unit/orchestration/test_runs.py",
    "end_to_end/test_foreign_publications.py",
    "end_to_end/test_foreign_forms.py",
    "end_to_end/test_obligations.py",
    "end_to_end/test_one_among_many.py",
    "end_to_end/test_period_rules.py",
    "end_to_end/test_registers.py",
    "unit/publication/test_revisions.py",
    "oracle/test_seed_figures.py",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; a file's tests stay together in the order they have."""
    place = {Path(__file__).parent / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """XIAOBAO_HOME of the test; every other XIAOBAO_ variable is unset."""
    for name in list(os.environ):
        if name.startswith("XIAOBAO_"):
            monkeypatch.delenv(name)
    folder = tmp_path / "home"
    monkeypatch.setenv("XIAOBAO_HOME", str(folder))
    monkeypatch.setenv("DAGSTER_HOME", str(folder / "dagster"))
    return folder


@pytest.fixture(scope="session")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A desk whose institution master is in force, made once: tests live on in copies of it (`Desk.twin`)."""
    with pytest.MonkeyPatch.context() as environment:
        for name in list(os.environ):
            if name.startswith("XIAOBAO_"):
                environment.delenv(name)
        folder = tmp_path_factory.mktemp("registered")
        desk = Desk(Settings(home=folder / "home", lock_wait_seconds=1, threads=2, memory_limit="1GiB"))
        desk.register()
        desk.run()
    return desk


@pytest.fixture
def run_settings(home: Path) -> Settings:
    """Settings with XIAOBAO_HOME in a temporary folder and short waits."""
    return Settings(home=home, lock_wait_seconds=1, threads=2, memory_limit="1GiB")
