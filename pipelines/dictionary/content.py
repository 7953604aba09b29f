"""What the dictionary holds: the catalogue of contracts, and the seeds of KPIs and measures as typed rows.

Put here: reading the seeds, and questions that join them (which measures a KPI is made of, which KPIs read a form). Do
not put here: wording (`wording`), layout (`pages`), columns of the release's tables (`tables`).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.contracts.loader import load_catalogue
from pipelines.contracts.model import Catalogue, Form

SEED_FOLDER = Path("dbt_project") / "seeds"


class SeedError(Exception):
    """A seed that the dictionary is made from cannot be read; the message names the file and what is missing."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One row of ``measure_catalogue.csv``: what is counted, of which form, by which date.

    Attributes:
        measure_id: its name in the models.
        name_zh: Chinese name.
        name_en: English name.
        form: form whose records are counted; empty if it is the ledger of filings.
        date_column: column whose month it counts in.
        window_rule: ``flow`` (summed over a window's months) or ``stock`` (that of its last month).
        unit: unit of the count or sum.
        definition: which records, in words.
        also_decided_by: (form, date column or "", reason) of other forms' records that decide it.
    """

    measure_id: str
    name_zh: str
    name_en: str
    form: str
    date_column: str
    window_rule: str
    unit: str
    definition: str
    also_decided_by: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Variant:
    """One row of ``kpi_variants.csv``: another definition of a KPI; an empty cell took the KPI's entry.

    Attributes:
        dimension: what tells the variant from the others in ``kpi_values``.
        dimension_value: its value there; empty if it stands for every value.
        name_zh: Chinese name.
        name_en: English name.
        kind: how it is computed.
        numerator: measure, empty if it has none.
        denominator: measure, empty if it has none.
        formula_zh: the definition in Chinese if the variant states one, else empty.
        formula_en: the same in English.
        forms: forms it needs.
        grains: grains it is computed at.
        period_types: windows it is computed for.
    """

    dimension: str
    dimension_value: str
    name_zh: str
    name_en: str
    kind: str
    numerator: str
    denominator: str
    formula_zh: str
    formula_en: str
    forms: tuple[str, ...]
    grains: tuple[str, ...]
    period_types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Kpi:
    """One row of ``kpi_catalogue.csv`` with its variants; ``row`` has every cell as it stands there."""

    row: Mapping[str, str]
    variants: tuple[Variant, ...] = ()

    def __getitem__(self, column: str) -> str:
        """Cell of the catalogue; empty if the catalogue has no such column."""
        return self.row.get(column, "")

    @property
    def kpi_id(self) -> str:
        """Identifier, such as CMP-01."""
        return self.row["kpi_id"]

    @property
    def subject(self) -> str:
        """Subject; one wide table each."""
        return self.row["subject"]

    def entries(self, column: str) -> tuple[str, ...]:
        """A cell that is written a|b|c."""
        return tuple(filter(None, self[column].split("|")))


@dataclass(frozen=True, slots=True)
class Dictionary:
    """Everything that can be looked up.

    Attributes:
        catalogue: forms, code lists and rules.
        kpis: in the catalogue's order.
        measures: by id, in the catalogue's order.
        edge_policies: rows of ``edge_policies.csv`` as they stand there; empty if the project has none.
    """

    catalogue: Catalogue
    kpis: tuple[Kpi, ...]
    measures: Mapping[str, Measure]
    edge_policies: tuple[Mapping[str, str], ...]

    @property
    def forms(self) -> tuple[Form, ...]:
        """Forms in order of their codes."""
        return tuple(form for _, form in sorted(self.catalogue.forms.items()))

    @property
    def subjects(self) -> tuple[str, ...]:
        """Subjects in the order in which the catalogue names them first."""
        return tuple(dict.fromkeys(kpi.subject for kpi in self.kpis))

    def kpis_reading(self, form: str) -> tuple[Kpi, ...]:
        """KPIs that need filings of the form, themselves or in a variant."""
        return tuple(
            kpi
            for kpi in self.kpis
            if form in kpi.entries("forms") or any(form in variant.forms for variant in kpi.variants)
        )

    def kpis_made_of(self, measure_id: str) -> tuple[Kpi, ...]:
        """KPIs with the measure in numerator, denominator or what is left out, themselves or in a variant."""
        return tuple(
            kpi
            for kpi in self.kpis
            if measure_id
            in {
                *kpi.entries("numerator_measure"),
                *kpi.entries("denominator_measure"),
                *kpi.entries("left_out_measure"),
                *(name for variant in kpi.variants for name in (variant.numerator, variant.denominator)),
            }
        )

    def users_of(self, code_list: str) -> tuple[tuple[str, str], ...]:
        """(form, column) of every column that takes its values from the list."""
        return tuple(
            (form.code, column.name)
            for form in self.forms
            for column in form.columns
            if column.code_list == code_list
        )


def read_dictionary(project: Path, catalogue: Catalogue | None = None) -> Dictionary:
    """Read contracts and seeds of a project folder.

    Args:
        project: folder with ``expectations/`` and ``dbt_project/``.
        catalogue: its contracts, if they have been read already.

    Raises:
        SeedError: a seed is missing or lacks a column.
        ContractError: the contracts have defects (see :func:`pipelines.contracts.loader.load_catalogue`).
    """
    seeds = project / SEED_FOLDER
    links: dict[str, list[tuple[str, str, str]]] = {}
    for row in _read(seeds / "measure_links.csv", "measure_id", "form", "date_column", "reason"):
        links.setdefault(row["measure_id"], []).append((row["form"], row["date_column"], row["reason"]))
    measures = {
        row["measure_id"]: Measure(
            **{name: row[name] for name in _MEASURE}, also_decided_by=tuple(links.get(row["measure_id"], ()))
        )
        for row in _read(seeds / "measure_catalogue.csv", *_MEASURE)
    }
    variants: dict[str, list[Mapping[str, str]]] = {}
    for row in _read(seeds / "kpi_variants.csv", "kpi_id", "dimension", "dimension_value", "kind"):
        variants.setdefault(row["kpi_id"], []).append(row)
    kpis = tuple(
        Kpi(row, tuple(_variant(row, own) for own in variants.get(row["kpi_id"], ())))
        for row in _read(seeds / "kpi_catalogue.csv", "kpi_id", "subject", "kind", "formula_zh", "formula_en")
    )
    policies = seeds / "edge_policies.csv"
    return Dictionary(
        catalogue=catalogue or load_catalogue(project / "expectations"),
        kpis=kpis,
        measures=measures,
        edge_policies=tuple(_read(policies)) if policies.is_file() else (),
    )


_MEASURE = ("measure_id", "name_zh", "name_en", "form", "date_column", "window_rule", "unit", "definition")


def _variant(kpi: Mapping[str, str], own: Mapping[str, str]) -> Variant:
    """A variant with the KPI's entry where it has none of its own; names, formulas and parts are its own only."""

    def entries(column: str) -> tuple[str, ...]:
        return tuple(filter(None, (own.get(column) or kpi.get(column, "")).split("|")))

    return Variant(
        dimension=own["dimension"],
        dimension_value=own["dimension_value"],
        name_zh=own.get("name_zh", ""),
        name_en=own.get("name_en", ""),
        kind=own["kind"] or kpi["kind"],
        numerator=own.get("numerator_measure") or kpi.get("numerator_measure", ""),
        denominator=own.get("denominator_measure") or kpi.get("denominator_measure", ""),
        formula_zh=own.get("formula_zh", ""),
        formula_en=own.get("formula_en", ""),
        forms=entries("forms"),
        grains=entries("grains"),
        period_types=entries("period_types"),
    )


def _read(path: Path, *needed: str) -> Sequence[Mapping[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            reader = csv.DictReader(lines)
            missing = [name for name in needed if name not in (reader.fieldnames or ())]
            if missing:
                raise SeedError(
                    f"{path} has no column {', '.join(missing)}; its columns: {reader.fieldnames}"
                )
            return list(reader)
    except FileNotFoundError:
        raise SeedError(f"{path} does not exist; the dictionary is made from it") from None
