"""The dictionary for programs: tables that a release carries, and the same as one JSON document.

Put here: which tables there are, their columns and rows. Do not put here: writing them into a database (`publication`),
pages for people (`pages`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.dictionary.content import Dictionary
from pipelines.dictionary.wording import variant_formula

Value = str | bool | int | None


@dataclass(frozen=True, slots=True)
class Table:
    """One table: names with DuckDB types, and rows in an order that only its content decides.

    Lists are written a|b|c as in the catalogue; dates are ISO text in rows.
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    rows: Sequence[tuple[Value, ...]]


def tables(dictionary: Dictionary) -> tuple[Table, ...]:
    """Forms, columns, code values, rules, measures, KPIs, their variants, and edge policies if the project has them."""
    found = [
        _forms(dictionary),
        _columns(dictionary),
        _code_values(dictionary),
        _rules(dictionary),
        _measures(dictionary),
        _kpis(dictionary),
        _variants(dictionary),
    ]
    if dictionary.edge_policies:
        names = list(dictionary.edge_policies[0])
        rows = [tuple(row[name] or None for name in names) for row in dictionary.edge_policies]
        found.append(Table("edge_policies", tuple((name, "VARCHAR") for name in names), rows))
    return tuple(found)


def document(dictionary: Dictionary) -> bytes:
    """The tables as JSON: table name -> rows as objects, beside the version of the contracts."""
    content: dict[str, object] = {"ruleset_version": dictionary.catalogue.ruleset_version}
    for table in tables(dictionary):
        names = [name for name, _ in table.columns]
        content[table.name] = [dict(zip(names, row, strict=True)) for row in table.rows]
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()


def _forms(dictionary: Dictionary) -> Table:
    columns = _typed(
        "form version title_zh title_en description frequency deadline_days:INTEGER side obliged_classes key_columns "
        "control_totals event_date effective_from:DATE effective_to:DATE"
    )
    rows: list[tuple[Value, ...]] = [
        (
            form.code,
            form.version,
            form.title_zh,
            form.title_en,
            form.description,
            form.frequency,
            form.deadline_days,
            form.side,
            "|".join(form.obliged_classes),
            "|".join(form.key),
            "|".join(form.control_totals),
            form.event_date,
            form.effective_from.isoformat(),
            form.effective_to.isoformat() if form.effective_to else None,
        )
        for form in dictionary.forms
    ]
    return Table("forms", columns, rows)


def _columns(dictionary: Dictionary) -> Table:
    columns = _typed(
        "form position:INTEGER column_name title_zh aliases kind data_type unit required:BOOLEAN is_key:BOOLEAN "
        "code_list allowed_values is_personal:BOOLEAN is_immutable:BOOLEAN non_negative:BOOLEAN minimum maximum "
        "refers_to description example"
    )
    rows: list[tuple[Value, ...]] = [
        (
            form.code,
            position,
            column.name,
            column.title_zh,
            "|".join((*column.aliases, *(name.text for name in column.dated_headers))),
            column.kind,
            column.duckdb_type,
            column.unit,
            column.required,
            column.key,
            column.code_list,
            "|".join(column.values),
            column.personal,
            column.immutable,
            column.non_negative,
            None if column.minimum is None else str(column.minimum),
            None if column.maximum is None else str(column.maximum),
            column.references,
            column.description,
            column.example,
        )
        for form in dictionary.forms
        for position, column in enumerate(form.columns, start=1)
    ]
    return Table("columns", columns, rows)


def _code_values(dictionary: Dictionary) -> Table:
    columns = _typed(
        "code_list list_zh list_en position:INTEGER value label_zh label_en insurer_classes valid_from:DATE "
        "valid_to:DATE"
    )
    rows: list[tuple[Value, ...]] = [
        (
            name,
            code_list.title_zh,
            code_list.title_en,
            position,
            entry.value,
            entry.label_zh,
            entry.label_en,
            "|".join(entry.insurer_classes),
            entry.valid_from.isoformat() if entry.valid_from else None,
            entry.valid_to.isoformat() if entry.valid_to else None,
        )
        for name, code_list in sorted(dictionary.catalogue.code_lists.items())
        for position, entry in enumerate(code_list.entries, start=1)
    ]
    return Table("code_values", columns, rows)


def _rules(dictionary: Dictionary) -> Table:
    """Every rule once; the common ones under the form ``*``."""
    columns = _typed(
        "rule_code form severity rule_class kind fields needs text_zh text_en message_zh message_en fix_zh fix_en "
        "waivable:BOOLEAN effective_from:DATE effective_to:DATE not_evaluable_reason"
    )
    found = [
        *(("*", rule) for rule in dictionary.catalogue.common_rules),
        *((form.code, rule) for form in dictionary.forms for rule in form.rules),
    ]
    rows: list[tuple[Value, ...]] = [
        (
            rule.code,
            form,
            rule.severity,
            rule.rule_class,
            rule.kind,
            "|".join(rule.fields),
            "|".join(rule.needs),
            rule.text_zh,
            rule.text_en,
            rule.message_zh,
            rule.message_en,
            rule.fix_zh,
            rule.fix_en,
            rule.waivable,
            rule.effective_from.isoformat() if rule.effective_from.year > 1 else None,
            rule.effective_to.isoformat() if rule.effective_to else None,
            rule.not_evaluable_reason,
        )
        for form, rule in found
    ]
    return Table("rules", columns, rows)


def _measures(dictionary: Dictionary) -> Table:
    names = ("measure_id", "name_zh", "name_en", "form", "date_column", "window_rule", "unit", "definition")
    rows: list[tuple[Value, ...]] = [
        tuple(getattr(measure, name) for name in names) for measure in dictionary.measures.values()
    ]
    return Table("measures", tuple((name, "VARCHAR") for name in names), rows)


def _kpis(dictionary: Dictionary) -> Table:
    """The catalogue as it stands, all columns, as text."""
    names = list(dictionary.kpis[0].row) if dictionary.kpis else ["kpi_id"]
    rows: list[tuple[Value, ...]] = [tuple(kpi[name] or None for name in names) for kpi in dictionary.kpis]
    return Table("kpis", tuple((name, "VARCHAR") for name in names), rows)


def _variants(dictionary: Dictionary) -> Table:
    """Variants with what they take from their KPI filled in, formulas included."""
    columns = _typed(
        "kpi_id dimension dimension_value name_zh name_en kind numerator_measure denominator_measure formula_zh "
        "formula_en forms grains period_types"
    )
    measures = dict(dictionary.measures)
    rows: list[tuple[Value, ...]] = [
        (
            kpi.kpi_id,
            variant.dimension,
            variant.dimension_value or None,
            variant.name_zh,
            variant.name_en,
            variant.kind,
            variant.numerator or None,
            variant.denominator or None,
            *variant_formula(kpi, variant, measures),
            "|".join(variant.forms),
            "|".join(variant.grains),
            "|".join(variant.period_types),
        )
        for kpi in dictionary.kpis
        for variant in kpi.variants
    ]
    return Table("kpi_variants", columns, rows)


def _typed(text: str) -> tuple[tuple[str, str], ...]:
    """Names with types from `name name:TYPE ...`; text where no type is said."""
    parts = (entry.partition(":") for entry in text.split())
    return tuple((name, kind or "VARCHAR") for name, _, kind in parts)
