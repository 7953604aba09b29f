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
