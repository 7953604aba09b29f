"""What is shipped: the wheel carries the inputs, the lock names hashes and no place, every module imports."""

from __future__ import annotations

import importlib
import pkgutil
import re
import tomllib
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement

import pipelines

ROOT = Path(__file__).parents[3]
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(pipelines.__path__, "pipelines.")
    if not module.name.endswith(
        (".__main__", ".definitions")
    )  # both act when imported; each has its own test
)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_imports_without_a_warning_and_says_what_it_is_for(name: str) -> None:
    assert importlib.import_module(name).__doc__


def test_the_wheel_carries_contracts_models_and_inputs(tmp_path: Path) -> None:
    wheel = next(iter(WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])))
    names = set(zipfile.ZipFile(wheel).namelist())
    for carried in (
        "pipelines/_project/expectations/f01_complaint.odcs.yaml",
        "pipelines/_project/dbt_project/dbt_project.yml",
        "pipelines/_project/data/calendar/working_days.csv",
        "pipelines/cli/app.py",
    ):
        assert carried in names
    assert not [name for name in names if name.startswith("tests/") or "/target/" in name]


def _locked(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([A-Za-z0-9_.-]+)(?:\[[a-z,]+\])?==([^ ;\\]+)", text, re.MULTILINE))


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-duckdb2.lock"])
def test_the_lock_has_a_hash_for_every_package_and_names_no_place(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    pinned = re.findall(r"^\S+==", text, re.MULTILINE)  # a package may be pinned once per Python version
    assert len(re.findall(r"^\S+==.*\\\n    --hash=sha256:", text, re.MULTILINE)) == len(pinned) > 0
    assert not re.search(r"://|--index|--find-links|^\s*#.*-c /", text, re.MULTILINE)


def test_the_lock_fits_the_declared_bounds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    locked = {
        name.lower().replace("_", "-"): version for name, version in _locked("requirements.lock").items()
    }
    for line in [*project["dependencies"], *project["optional-dependencies"]["dev"]]:
        requirement = Requirement(line)
        version = locked[requirement.name.lower().replace("_", "-")]
        assert requirement.specifier.contains(version), f"{line}: {version} is locked; run make lock"
    duckdb = next(Requirement(line) for line in project["dependencies"] if line.startswith("duckdb"))
    assert duckdb.specifier.contains(_locked("requirements-duckdb2.lock")["duckdb"])
