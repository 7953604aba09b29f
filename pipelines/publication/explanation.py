"""Why a KPI cell says what it says: operands, base, the filings behind each, down to the filed rows.

Everything is derived from the catalogue (`kpi_series`, `kpi_series_measures`, `measure_links`) and from the facts that
the measures are counted in (`measure_sources`); no KPI is known by name. A part of a value (numerator, denominator,
cases left out) is summed again from rows, and the sum must be the printed one: `agrees` says whether it is.

A median, minimum or maximum has besides the values it is read off (`observations`); a restatement (DQ-04) the figure it
is about, explained itself; an agreement (DQ-05) every figure that was made public beside the filed one.

Belongs here: the answer about one database (a moment's, or the build database while it is what a release states). Does
not belong here: which database is asked (`orchestration.moments`), how a cell changed from release to release
(`cell_history`), what a KPI about filing stands on (`filing_facts`), how it looks (`cli.explain`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import duckdb

from pipelines.contracts.model import Catalogue
from pipelines.publication import filing_facts, observations
from pipelines.publication.filing_facts import Comparison, FoundError, LaterFiling
from pipelines.publication.measure_sources import MeasureSource, measure_sources
from pipelines.warehouse.schema import CARRIED_FROM

#: Kinds of KPI whose parts are sums of rows; of a spread (minimum, median, maximum) the rows are the observations.
_SUMMED = ("count", "ratio", "index", "spread")
#: Decimals of the count an index expects.
_MILLIONTH = Decimal("0.000001")
GRAINS = ("bureau", "insurer_type", "peer_group", "insurer")
#: Facts about an obligation; of their amounts, those that count first versions speak of the version numbered 1.
_OBLIGATIONS = "int_obligation"
_OF_FIRST_VERSIONS = ("n_first_submissions", "n_first_passed")
#: Column of `kpi_values` that names the group of a grain; the bureau has none.
GROUP_COLUMNS = {"insurer": "org_code", "insurer_type": "insurer_type", "peer_group": "peer_group"}


class NoSuchCellError(LookupError):
    """No figure, or several, fit what was asked; the message lists what there is."""


@dataclass(frozen=True, slots=True)
class CellKey:
    """Address of a cell: KPI, window, group (None: the bureau), part, basis."""

    kpi_id: str
    period_type: str
    period: str
    grain: str
    group: str | None
    dimension: str
    dimension_value: str
    basis: str


@dataclass(slots=True)
class Filing:
    """A submission behind a part of a value: its identity and standing, the rows that count and what they add."""

    submission_id: str | None
    form: str | None
    period: str | None
    reporter_code: str | None
    kind: str | None
    sequence_no: int | None
    signed_at: Any
    state: str | None
    replaces: str | None
    reason_code: str | None
    n_rows: int
    amount: Decimal


@dataclass(slots=True)
class FiledRow:
    """A filed row that counts: where it was filed, its key, its month and what it adds.

    An obligation that counts (DQ-01 to DQ-03) has a filing and no row of it; `note` then tells its due date and what
    became of every version.
    """

    submission_id: str | None
    row_no: int | None
    key: str
    month: Any
    amount: Decimal
    note: str | None = None


@dataclass(slots=True)
class Part:
    """One part of a value: the printed amount, the measure behind it and the filings that make it up.

    Attributes:
        role: numerator, denominator, left_out; base_numerator and so on for the base of a growth rate; whole_numerator
            and so on for the whole bureau that an index compares with; observed for cases whose median is taken.
        period: window it is summed over.
        agrees: the rows' sum is the printed amount, or the rate made of the sums the printed one (None: nothing is
            printed to compare with).
        links: other forms whose records the measure looks at, and why.
        n_filings: how many filings there are; `filings` may hold the largest only.
    """

    role: str
    measure_id: str
    name_zh: str
    name_en: str
    definition: str
    form: str | None
    date_column: str | None
    period: str
    amount: Decimal
    printed: Decimal | None
    agrees: bool | None
    n_rows: int
    links: list[dict[str, Any]]
    filings: list[Filing]
    n_filings: int
    rows: list[FiledRow] = field(default_factory=list)


@dataclass(slots=True)
class Explanation:
    """A cell with everything behind it.

    Attributes:
        base: base count, window, vintage and basis of a growth rate; of a restatement what was published.
        statistic: of a median, minimum or maximum the values it is read off.
        figure: of a restatement the figure that moved, as it stands now.
        later: of a restatement the filings signed since it was published.
        comparisons: of an agreement every figure that was made public, beside the filed one.
        errors: of a KPI about filing the errors found in the versions of its obligations; with rows only.
    """

    cell: dict[str, Any]
    definition: dict[str, Any]
    members: list[dict[str, Any]]
    parts: list[Part]
    base: dict[str, Any] | None
    statistic: observations.Statistic | None = None
    figure: Explanation | None = None
    later: list[LaterFiling] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    errors: list[FoundError] = field(default_factory=list)


class Explainer:
    """Questions about the cells of one database that holds facts, measures and KPI values."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        catalogue: Catalogue,
        dbt_project: Path,
        release_no: int | None = None,
    ) -> None:
        """Ask one database; the connection is used for selects and temporary tables only.

        Args:
            con: the database.
            catalogue: the contracts.
            dbt_project: folder of the models.
            release_no: the release the database states, if it is one: its own figures are no base of it.
        """
        self._con = con
        self._release_no = release_no
        self._catalogue = catalogue
        self._sources = measure_sources(dbt_project)
        self._relations = {
            name: f"{schema}.{name}"
            for schema, name in self._tuples(
                "SELECT table_schema, table_name FROM information_schema.tables "
                "WHERE table_schema IN ('intermediate', 'staging', 'measures')"
            )
        }

    def explain(self, key: CellKey, *, rows: bool = False, most: int = 50) -> Explanation:
        """Everything behind a cell.

        Args:
            key: the cell.
            rows: also the filed rows of every part.
            most: filings listed of a part, those that add most first.

        Raises:
            NoSuchCellError: there is no such cell.
        """
        cell = self._cell(key)
        series = self._series(key)
        definition = self._definition(key, series)
        told = Explanation(cell, definition, self._members(key), [], None)
        kind = str(series["kind"])
        if kind == "growth":
            self._explain_growth(told, key, series, rows=rows, most=most)
        elif kind in _SUMMED:
            told.parts = self._parts(
                key, cell.get("numerator"), cell.get("denominator"), "", rows=rows, most=most,
                own_denominator=kind != "index",
            )  # fmt: skip
            if kind == "index":
                self._explain_index(told, key, rows=rows, most=most)
            if kind == "spread":
                values = observations.own_values(self._con, series, self._window(key), told.members)
                told.statistic = observations.of_institutions(key.dimension_value, values, cell["value"])
        elif kind == "rate_median":
            self._explain_rate_median(told, key, rows=rows, most=most)
        elif kind == "case_median":
            self._explain_case_median(told, key, series, rows=rows, most=most)
        elif kind == "restatement":
            self._explain_restatement(told, key, rows=rows, most=most)
        elif kind == "agreement":
            self._explain_agreement(told, key, rows=rows, most=most)
        if rows and str(series["coverage_rule"]) == "owed":
            told.errors = self._errors(told.parts)
        return told

    # ------------------------------------------------------------------ what is no plain sum

    def _explain_growth(
        self, told: Explanation, key: CellKey, series: dict[str, Any], *, rows: bool, most: int
    ) -> None:
        operand = CellKey(
            str(series["of_kpi"]), key.period_type, key.period, key.grain, key.group, key.dimension,
            key.dimension_value, "comparable" if key.basis == "comparable" else "current",
        )  # fmt: skip
        told.parts = self._parts(operand, told.cell.get("numerator"), None, "", rows=rows, most=most)
        told.base = self._base(key, told.cell, operand)
        if key.basis != "published" and told.base["period"]:
            earlier = CellKey(
                operand.kpi_id, operand.period_type, str(told.base["period"]), operand.grain, operand.group,
                operand.dimension, operand.dimension_value, operand.basis,
            )  # fmt: skip
            told.parts += self._parts(
                earlier, told.cell.get("base_value"), None, "base_", rows=rows, most=most
            )

    def _explain_index(self, told: Explanation, key: CellKey, *, rows: bool, most: int) -> None:
        """An index has the whole bureau beside the institution: expected = cases x own exposure / exposure."""
        whole = CellKey(
            key.kpi_id,
            key.period_type,
            key.period,
            "bureau",
            None,
            key.dimension,
            key.dimension_value,
            key.basis,
        )
        told.parts += self._parts(whole, None, None, "whole_", rows=rows, most=most)
        sides = {part.role: part for part in told.parts}
        own, expected = sides["denominator"], told.cell.get("denominator")
        if expected is not None and sides["whole_denominator"].amount:
            made = sides["whole_numerator"].amount * own.amount / sides["whole_denominator"].amount
            own.agrees = made.quantize(_MILLIONTH, ROUND_HALF_UP) == expected

    def _explain_rate_median(self, told: Explanation, key: CellKey, *, rows: bool, most: int) -> None:
        name, population = key.dimension_value.rsplit(".", 1)
        kpi_id, dimension, value = self._figure(name)
        values = observations.rates(
            self._con, (kpi_id, dimension, value), (key.period_type, key.period),
            key.group if key.grain == "insurer_type" else None, with_zero=observations.POPULATIONS[population],
        )  # fmt: skip
        told.statistic = observations.of_institutions("median", values, told.cell["value"])
        rate = CellKey(kpi_id, key.period_type, key.period, key.grain, key.group, dimension, value, "current")
        told.members = self._members(rate)
        used = [one for one in values if one.is_used]
        told.parts = self._parts(
            rate, sum((one.numerator or Decimal() for one in used), Decimal()),
            sum((one.denominator or Decimal() for one in used), Decimal()), "", rows=rows, most=most,
            only=[one.org_code for one in used],
        )  # fmt: skip

    def _explain_case_median(
        self, told: Explanation, key: CellKey, series: dict[str, Any], *, rows: bool, most: int
    ) -> None:
        """Every case is a value: also one of 0 days counts."""
        reporters = _counted(told.members, key)
        for role, measure in (("observed", "numerator_measure"), ("denominator", "denominator_measure")):
            if series[measure] is None:  # models built before the catalogue named what the median is of
                continue
            need = {"measure_id": series[measure], "measure_dimension": "total"}
            printed = told.cell["denominator"] if role == "denominator" else None
            part = self._part(
                key, need, role, reporters, printed, rows=rows, most=most, keep_zero=role == "observed"
            )
            if role == "observed":
                missing = [str(one["org_code"]) for one in told.members if not one["is_complete"]]
                told.statistic = observations.of_cases(self._con, missing, told.cell["value"])
            told.parts.append(part)

    def _explain_restatement(self, told: Explanation, key: CellKey, *, rows: bool, most: int) -> None:
        kpi_id, dimension, value = self._figure(key.dimension_value)
        figure = CellKey(
            kpi_id, key.period_type, key.period, key.grain, key.group, dimension, value, "current"
        )
        told.figure = self.explain(figure, rows=rows, most=most)
        told.parts = told.figure.parts
        told.members = told.figure.members
        told.base = filing_facts.published_value(self._con, figure, self._release_no)
        counted = {one.submission_id for part in told.parts for one in part.filings}
        told.later = filing_facts.signed_since(
            self._con, told.base["as_of"], told.figure.definition["forms"], self._window(key), counted
        )

    def _explain_agreement(self, told: Explanation, key: CellKey, *, rows: bool, most: int) -> None:
        told.comparisons = filing_facts.comparisons(self._con, self._window(key), key.grain, key.group)
        for role, verdicts, printed in (
            ("numerator", ("EQUAL",), told.cell["numerator"]),
            ("denominator", ("EQUAL", "UNEQUAL"), told.cell["denominator"]),
            ("left_out", ("NOT_COMPARED",), None),
        ):
            chosen = [one for one in told.comparisons if one.verdict in verdicts]
            self._empty_rows()
            if chosen:
                self._con.executemany(
                    "INSERT INTO counted_row VALUES (?, ?, NULL, NULL, 1, ?)",
                    [(one.submission_id, one.row_no, one.reporter_code) for one in chosen],
                )
            words = filing_facts.COMPARED[role]
            measure = {
                "measure_id": "disclosed_indicator", "form": "F17", "date_column": None,
                "name_zh": words[0], "name_en": words[1], "definition": words[2],
            }  # fmt: skip
            told.parts.append(self._part_of_rows(key, measure, role, [], printed, rows=rows, most=most))

    def _figure(self, name: str) -> tuple[str, str, str]:
        """KPI, dimension and value of a figure's name, such as CMP-01 or CMP-07.new."""
        kpi_id, _, value = name.partition(".")
        found = self._tuples(
            "SELECT dimension, dimension_value FROM intermediate.kpi_series "
            "WHERE kpi_id = ? AND is_dense AND dimension_value = ?",
            [kpi_id, value or "total"],
        )
        if not found:
            raise NoSuchCellError(f"there is no figure {name}")
        return kpi_id, str(found[0][0]), str(found[0][1])

    def _errors(self, parts: Sequence[Part]) -> list[FoundError]:
        keys = {row.key for part in parts for row in part.rows if row.note is not None}
        return filing_facts.errors_of(self._con, sorted(keys))

    # ------------------------------------------------------------------ the cell and its definition

    def _cell(self, key: CellKey) -> dict[str, Any]:
        column = GROUP_COLUMNS.get(key.grain)
        group = f"AND {column} = $group" if column else ""
        given: dict[str, Any] = {
            "kpi": key.kpi_id, "period_type": key.period_type, "period": key.period, "grain": key.grain,
            "dimension": key.dimension, "value": key.dimension_value, "basis": key.basis,
        }  # fmt: skip
        if column:
            given["group"] = key.group
        found = self._dicts(
            f"""
            SELECT * FROM kpi.kpi_values
            WHERE kpi_id = $kpi AND period_type = $period_type AND period = $period AND grain = $grain {group}
                AND dimension = $dimension AND dimension_value = $value AND basis = $basis""",
            given,
        )
        if not found:
            raise NoSuchCellError(
                f"there is no cell {key.kpi_id} {key.period} ({key.grain}) on basis {key.basis}"
            )
        return found[0]

    def _series(self, key: CellKey) -> dict[str, Any]:
        found = self._dicts(
            "SELECT * FROM intermediate.kpi_series WHERE kpi_id = ? AND dimension = ? "
            "AND coalesce(dimension_value, ?) = ?",
            [key.kpi_id, key.dimension, key.dimension_value, key.dimension_value],
        )
        if not found:
            raise NoSuchCellError(f"{key.kpi_id} has no series by {key.dimension} = {key.dimension_value}")
        return found[0]

    def _definition(self, key: CellKey, series: dict[str, Any]) -> dict[str, Any]:
        [kpi] = self._dicts("SELECT * FROM kpi.kpi_catalogue WHERE kpi_id = ?", [key.kpi_id])
        variants = self._dicts(
            "SELECT * FROM kpi.kpi_variants WHERE kpi_id = ? AND dimension = ? AND dimension_value = ?",
            [key.kpi_id, key.dimension, key.dimension_value],
        )
        told = {
            name: kpi.get(name)
            for name in (
                "kpi_id", "name_zh", "name_en", "formula_zh", "formula_en", "source_clause", "scale", "unit",
                "direction", "coverage_rule", "of_kpi", "base_window",
            )
        }  # fmt: skip
        told["kind"] = series["kind"]
        told["forms"] = str(series["forms"] or "").split("|")
        told["edge_policies"] = [code for code in str(kpi.get("edge_policies") or "").split("|") if code]
        told["variant"] = (
            {name: text for name, text in variants[0].items() if text not in (None, "")} if variants else None
        )
        return told

    def _window(self, key: CellKey) -> int | None:
        found = self._tuples(
            "SELECT window_id FROM intermediate.int_window WHERE period_type = ? AND period = ?",
            [key.period_type, key.period],
        )
        return int(found[0][0]) if found else None

    # ------------------------------------------------------------------ whose filings

    def _members(self, key: CellKey) -> list[dict[str, Any]]:
        """Institutions of the group in the window, whose filings they are made of, and whether they count.

        Grains above the insurer sum complete institutions only (E7); on the comparable basis an institution stands for
        those it succeeded (E5). The bureau's own figures have one member, the bureau, which is in no group.
        """
        basis = "comparable" if key.basis == "comparable" else "current"
        column = {"insurer": "reporter_code", **{name: name for name in ("insurer_type", "peer_group")}}.get(
            key.grain
        )
        series = self._series(key)
        given = [basis, series["scope_no"], self._window(key)]
        group = ""
        if column:
            group = f"AND g.{column} = ?"
            given.append(key.group)
        return self._dicts(
            f"""
            SELECT s.group_key AS org_code, any_value(g.insurer_type) AS insurer_type,
                any_value(g.peer_group) AS peer_group, bool_or(s.n_complete = 1) AS is_complete,
                list(DISTINCT coalesce(b.reporter_code, s.group_key) ORDER BY coalesce(b.reporter_code, s.group_key))
                    AS reporters
            FROM intermediate.kpi_scope AS s
            LEFT JOIN intermediate.int_group AS g
                ON g.basis = s.basis AND g.window_id = s.window_id AND g.reporter_code = s.group_key
            LEFT JOIN intermediate.int_basis AS b ON b.basis = s.basis AND b.org_code = s.group_key
            WHERE s.basis = ? AND s.scope_no = ? AND s.window_id = ? AND s.grain = 'insurer' {group}
            GROUP BY s.group_key ORDER BY 1""",
            given,
        )

    # ------------------------------------------------------------------ operands

    def _parts(
        self,
        key: CellKey,
        numerator: Any,
        denominator: Any,
        prefix: str,
        *,
        rows: bool,
        most: int,
        own_denominator: bool = True,
        only: Sequence[str] | None = None,
    ) -> list[Part]:
        """Parts of a count, ratio or index; what is printed is compared with the sum of the rows.

        The operand of a growth rate may be a rate itself: its printed amount is the rate, not its numerator, and what
        is compared with it is the rate of the sums. `only`: institutions that count, of the members.
        """
        series = self._series(key)
        needed = self._dicts(
            "SELECT * FROM intermediate.kpi_series_measures WHERE series_no = ? "
            "ORDER BY list_position(['numerator', 'denominator', 'left_out'], role)",
            [series["series_no"]],
        )
        members = self._members(key)
        if only is not None:
            members = [one for one in members if one["org_code"] in only]
        counted = _counted(members, key)
        parts = []
        for need in needed:
            role = str(need["role"])
            printed = {"numerator": numerator, "denominator": denominator if own_denominator else None}.get(
                role
            )
            if prefix or series["kind"] not in _SUMMED:
                printed = numerator if role == "numerator" else None
            if series["kind"] == "ratio" and denominator is None:
                printed = None
            parts.append(self._part(key, need, prefix + role, counted, printed, rows=rows, most=most))
        if series["kind"] == "ratio" and denominator is None and numerator is not None:
            _compare_rate(parts, prefix, Decimal(series["scale"]), numerator)
        return parts

    def _part(
        self,
        key: CellKey,
        need: dict[str, Any],
        role: str,
        reporters: Sequence[str],
        printed: Any,
        *,
        rows: bool,
        most: int,
        keep_zero: bool = False,
    ) -> Part:
        measure_id = str(need["measure_id"])
        [measure] = self._dicts("SELECT * FROM measures.measure_catalogue WHERE measure_id = ?", [measure_id])
        links = self._dicts(
            "SELECT form, date_column, reason FROM measures.measure_links WHERE measure_id = ? ORDER BY ALL",
            [measure_id],
        )
        self._select_rows(key, need, measure, reporters, keep_zero=keep_zero)
        return self._part_of_rows(key, measure, role, links, printed, rows=rows, most=most)

    def _part_of_rows(
        self,
        key: CellKey,
        measure: dict[str, Any],
        role: str,
        links: list[dict[str, Any]],
        printed: Any,
        *,
        rows: bool,
        most: int,
    ) -> Part:
        """The part whose rows stand in `counted_row`."""
        [(amount, n_rows)] = self._tuples("SELECT coalesce(sum(amount), 0), count(*) FROM counted_row")
        filings = self._filings()
        return Part(
            role=role,
            measure_id=str(measure["measure_id"]),
            name_zh=str(measure["name_zh"]),
            name_en=str(measure["name_en"]),
            definition=str(measure["definition"] or ""),
            form=measure["form"],
            date_column=measure["date_column"],
            period=key.period,
            amount=amount,
            printed=printed,
            agrees=None if printed is None else amount == printed,
            n_rows=int(n_rows),
            links=links,
            filings=filings[:most],
            n_filings=len(filings),
            rows=self._rows(str(measure["form"] or "")) if rows else [],
        )

    def _select_rows(
        self,
        key: CellKey,
        need: dict[str, Any],
        measure: dict[str, Any],
        reporters: Sequence[str],
        *,
        keep_zero: bool,
    ) -> None:
        """Temp table `counted_row`: the rows of the facts that add something to a measure in the cell."""
        self._empty_rows()
        months = [
            month
            for (month,) in self._tuples(
                "SELECT month FROM intermediate.int_window_month WHERE window_id = ? AND (? = 'flow' OR is_last_month)",
                [self._window(key), measure["window_rule"]],
            )
        ]
        dimension = str(need["measure_dimension"])
        for source in self._sources:
            if source.measure_id != need["measure_id"]:
                continue
            if dimension != "total" and dimension not in source.dimensions:
                continue
            relation = self._relations.get(source.fact)
            if relation is None:
                continue
            by = f"AND CAST({dimension} AS VARCHAR) = $value" if dimension != "total" else ""
            given: dict[str, Any] = {
                "months": months,
                "reporters": list(reporters),
                "period_type": key.period_type,
            }
            if by:
                given["value"] = key.dimension_value
            self._con.execute(
                f"""
                INSERT INTO counted_row
                SELECT {self._address(source)}, {source.month}, CAST({source.amount} AS DECIMAL(38, 6)) AS amount,
                    reporter_code
                FROM {relation}
                WHERE list_contains($months, {source.month}) AND list_contains($reporters, reporter_code)
                    AND ({source.frequency} = 'month' OR $period_type <> 'month') {by}""",
                given,
            )
        self._con.execute(
            "DELETE FROM counted_row WHERE amount IS NULL" + ("" if keep_zero else " OR amount = 0")
        )

    def _empty_rows(self) -> None:
        self._con.execute(
            "CREATE OR REPLACE TEMP TABLE counted_row (submission_id VARCHAR, row_no BIGINT, fact_key VARCHAR, "
            "month DATE, amount DECIMAL(38, 6), reporter_code VARCHAR)"
        )

    def _address(self, source: MeasureSource) -> str:
        """SQL of submission, row and own key of a fact's row.

        A fact that is about an obligation (form, period, reporter) and no filed row has the version that was looked at:
        the newest, or the first where first versions are counted.
        """
        columns = {
            name
            for (name,) in self._tuples(
                "SELECT column_name FROM information_schema.columns WHERE table_name = ?", [source.fact]
            )
        }
        if {"submission_id", "row_no"} <= columns:
            return "submission_id, row_no, NULL"
        if {"submission_no", "row_no"} <= columns:
            named = f"SELECT submission_id FROM ledger.parcel AS p WHERE p.submission_no = {source.fact}.submission_no"
            return f"({named}), row_no, NULL"
        if {"form", "period"} <= columns:
            of_first = source.fact == _OBLIGATIONS and source.amount in _OF_FIRST_VERSIONS
            version = "min_by" if of_first else "max_by"
            return (
                f"(SELECT {version}(s.submission_id, s.sequence_no) FROM filing.submissions AS s "
                f"WHERE s.form = {source.fact}.form AND s.period = {source.fact}.period "
                f"AND s.reporter_code = {source.fact}.reporter_code), NULL, concat_ws(' ', form, period, reporter_code)"
            )
        return "NULL, NULL, reporter_code"

    def _filings(self) -> list[Filing]:
        found = self._con.execute(
            """
            SELECT c.submission_id, s.form, s.period, s.reporter_code, s.kind, s.sequence_no, s.signed_at, s.state,
                s.supersedes, s.reason_code, c.n_rows, c.amount
            FROM (SELECT submission_id, count(*) AS n_rows, sum(amount) AS amount FROM counted_row GROUP BY ALL) AS c
            LEFT JOIN filing.submissions AS s USING (submission_id)
            ORDER BY abs(c.amount) DESC, c.submission_id"""
        )
        return [Filing(*row) for row in found.fetchall()]

    def _rows(self, form: str) -> list[FiledRow]:
        """The counted rows with the key of the record; a row that a correction carries is named where it was filed.

        Keys are the form's own ids; columns of persons hold hashes everywhere behind the archive.
        """
        contract = self._catalogue.forms.get(form)
        forms = [contract] if contract else []
        # rows of a measure that reads two forms are looked up in the form of their submission
        forms += [
            self._catalogue.forms[name]
            for (name,) in self._tuples(
                "SELECT DISTINCT s.form FROM counted_row JOIN filing.submissions AS s USING (submission_id)"
            )
            if name in self._catalogue.forms and name != form
        ]
        rows: list[FiledRow] = []
        for one in forms:
            key = " || ' ' || ".join(f"coalesce(CAST(f.{column} AS VARCHAR), '–')" for column in one.key)
            found = self._con.execute(
                f"""
                SELECT coalesce(c.filed_in, r.submission_id), coalesce(c.filed_row_no, r.row_no), {key}, r.month,
                    r.amount
                FROM counted_row AS r
                JOIN filed.{one.table} AS f ON f.submission_id = r.submission_id AND f.row_no = r.row_no
                LEFT JOIN filing.carried_rows AS c
                    ON r.row_no >= {CARRIED_FROM} AND c.submission_id = r.submission_id AND c.row_no = r.row_no
                ORDER BY ALL"""
            )
            rows += [FiledRow(*row) for row in found.fetchall()]
        found = self._con.execute(
            f"""
            SELECT r.submission_id, r.row_no, r.fact_key, r.month, r.amount, n.note
            FROM counted_row AS r LEFT JOIN ({filing_facts.NOTES}) AS n ON n.fact_key = r.fact_key
            WHERE r.fact_key IS NOT NULL ORDER BY ALL"""
        )
        return rows + [FiledRow(*row) for row in found.fetchall()]

    # ------------------------------------------------------------------ the base of growth

    def _base(self, key: CellKey, cell: dict[str, Any], operand: CellKey) -> dict[str, Any]:
        """Base count, window, vintage and basis of a growth rate (E4)."""
        period = cell.get("base_period")
        [(as_of,)] = self._tuples("SELECT as_of FROM intermediate.int_run")
        told: dict[str, Any] = {
            "kpi_id": operand.kpi_id, "period": period, "value": cell.get("base_value"), "basis": key.basis,
            "release": None, "as_of": as_of,
        }  # fmt: skip
        if key.basis == "published":
            found = self._tuples(
                "SELECT release_no, as_of FROM kpi.kpi_base_vintage "
                "WHERE period_type = ? AND period = ? AND base_period = ?",
                [key.period_type, key.period, period],
            )
            if found:
                told |= {"release": f"v{found[0][0]}", "as_of": found[0][1]}
        return told

    # ------------------------------------------------------------------ asking

    def _tuples(self, sql: str, given: Any = None) -> list[tuple[Any, ...]]:
        return self._con.execute(sql, given if given is not None else []).fetchall()

    def _dicts(self, sql: str, given: Any = None) -> list[dict[str, Any]]:
        cursor = self._con.execute(sql, given if given is not None else [])
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _counted(members: Sequence[dict[str, Any]], key: CellKey) -> list[str]:
    """Reporters whose filings count: of the complete institutions (E7), or of the one that was asked for."""
    return [
        reporter
        for one in members
        if one["is_complete"] or key.grain == "insurer"
        for reporter in one["reporters"]
    ]


def _compare_rate(parts: Sequence[Part], prefix: str, scale: Decimal, printed: Decimal) -> None:
    """Say of numerator and denominator of a growing rate whether they make the printed rate."""
    sides = {part.role: part for part in parts}
    above, below = sides.get(f"{prefix}numerator"), sides.get(f"{prefix}denominator")
    if above is None or below is None or not below.amount:
        return
    agrees = observations.rounded(above.amount * scale, below.amount) == printed
    above.agrees = below.agrees = agrees
