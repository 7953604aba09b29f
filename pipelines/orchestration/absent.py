"""Forms that models and rules know and no contract defines: what falls away with them, and nothing else.

Put here: which forms are absent, what depends on each (rules, KPIs, models), and the empty relations that stand in for
their filed rows, so that the models of all other forms go on. Do not put here: how rules of an absent form are left out
(the loader does, `Catalogue.absent`).
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb
import yaml

from pipelines.contracts.model import Catalogue
from pipelines.filing.settlement import REGISTRY_FORM

_FILED = re.compile(r"source\(\s*'filed'\s*,\s*'([a-z0-9_]+)'")


@dataclass(frozen=True, slots=True)
class AbsentForm:
    """A form without a contract, and what needs it.

    Attributes:
        form: its code.
        rules: rules of other forms that read it; they are not run.
        kpis: KPIs that need its filings; they have no figures.
        models: models that read its rows directly; they are empty.
    """

    form: str
    rules: tuple[str, ...]
    kpis: tuple[str, ...]
    models: tuple[str, ...]

    @property
    def is_indispensable(self) -> bool:
        """The institution master: without it nobody's obligations are known."""
        return self.form == REGISTRY_FORM

    @property
    def message(self) -> str:
        """One sentence in both languages: what is missing, what falls away, what to do."""
        parts = [
            f"{zh} {en} {', '.join(names)}"
            for zh, en, names in (
                ("规则不执行", "rules not run:", self.rules),
                ("指标无数", "KPIs without figures:", self.kpis),
                ("模型为空", "empty models:", self.models),
            )
            if names
        ]
        rest = (
            "机构主数据不可缺 it is the institution master: nobody's obligations are known without it. Put the "
            "contract back."
            if self.is_indispensable
            else "其余照常 everything else goes on; put the contract back to have them again."
        )
        return (
            f"报表 {self.form} 没有合同 no contract defines form {self.form} "
            f"(expectations/{self.form.lower()}_*.odcs.yaml); "
            f"{'; '.join(parts) or '无其他依赖 nothing else depends on it'}. {rest}"
        )


def absent_forms(project_dir: Path, catalogue: Catalogue) -> list[AbsentForm]:
    """Forms that dbt's sources or other forms' rules name and no contract defines, with what depends on each."""
    dbt_project = project_dir / "dbt_project"
    wanted = {table.upper() for table in _source_columns(dbt_project)} | set(catalogue.absent)
    absent = sorted(wanted - set(catalogue.forms))
    if not absent:
        return []
    kpis, models = _kpi_forms(dbt_project / "seeds"), _models(dbt_project / "models")
    return [
        AbsentForm(
            form,
            catalogue.absent.get(form, ()),
            tuple(sorted(kpi for kpi, forms in kpis.items() if form in forms)),
            tuple(sorted(name for name, tables in models.items() if form.lower() in tables)),
        )
        for form in absent
    ]


def stand_in(con: duckdb.DuckDBPyConnection, project_dir: Path, catalogue: Catalogue) -> None:
    """Give models an empty `filed.<form>` for every form of dbt's sources that has no contract."""
    for table, columns in _source_columns(project_dir / "dbt_project").items():
        if table.upper() in catalogue.forms:
            continue
        empty = ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in columns.items())
        con.execute(f"CREATE OR REPLACE VIEW filed.{table} AS SELECT {empty} WHERE false")


def _source_columns(dbt_project: Path) -> dict[str, dict[str, str]]:
    """Table -> column -> SQL type of the dbt source `filed`."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted((dbt_project / "models").rglob("*sources.yml")):
        found.update(_described(path.read_text(encoding="utf-8")))
    return found


@lru_cache(maxsize=64)
def _described(text: str) -> dict[str, dict[str, str]]:
    """The same of one description, parsed once a process: every step of a run asks again."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document: dict[str, Any] = yaml.load(text, Loader=loader) or {}  # noqa: S506 - safe
    return {
        table["name"]: {column["name"]: column["data_type"] for column in table["columns"]}
        for source in document.get("sources", ())
        if source.get("schema", source["name"]) == "filed"
        for table in source["tables"]
    }


def _kpi_forms(seeds: Path) -> dict[str, set[str]]:
    """KPI -> forms it needs. KPIs about filing itself (coverage_rule owed) go on over the forms there are."""
    forms: dict[str, set[str]] = {}
    with (seeds / "kpi_catalogue.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["coverage_rule"] != "owed":
                forms[row["kpi_id"]] = set(filter(None, row["forms"].split("|")))
    return forms


def _models(folder: Path) -> dict[str, set[str]]:
    """Model -> tables of `filed` that its SQL reads directly."""
    return {
        path.stem: set(_FILED.findall(path.read_text(encoding="utf-8"))) for path in folder.rglob("*.sql")
    }
