"""The typed objects of a contract: form, column, rule, code list, catalogue.

Put here: what these things are and questions that need nothing but themselves. Do not put here: how they
are read from YAML (:mod:`pipelines.contracts.loader`) or what is done with them (validation, warehouse,
intake).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Literal

from pipelines.contracts.errors import FormNotInForceError, UnknownFormError, UnknownFormVersionError
from pipelines.contracts.headers import normalise_header
from pipelines.contracts.periods import Period, PeriodKind

ColumnKind = Literal["text", "code", "enum", "boolean", "date", "timestamp", "integer", "decimal", "hash"]
RuleClass = Literal["structure", "intra", "inter", "cross", "period", "aggregate"]
RuleKind = Literal["generic", "row", "query", "envelope", "not_evaluable"]
Severity = Literal["E", "W"]
Frequency = Literal["monthly", "quarterly", "event"]
Side = Literal["insurer", "supervisor", "official"]
EnvelopeFact = Literal["reporter", "period", "signed_at"]

_PLAIN_TYPES: dict[ColumnKind, str] = {
    "text": "VARCHAR",
    "code": "VARCHAR",
    "enum": "VARCHAR",
    "hash": "VARCHAR",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "integer": "BIGINT",
}

PREVIOUS = "previous"
"""What a rule needs, beside form codes: the same form's filing of the period before."""
RELEASE = "release"
"""What a rule needs, beside form codes: that something had been published before the filing was signed."""
SETTLED_FIRST = ("R03", "R04", "F14")
"""Registers that steer the judgement of all others (institutions, waivers, explanations) and are settled before
them, so that a rule may ask which of their rows were accepted."""

_PERIOD_KINDS: dict[Frequency, PeriodKind] = {"monthly": "month", "quarterly": "quarter"}
"""Event forms are missing here: they may be filed under any period."""


@dataclass(frozen=True, slots=True)
class Span:
    """Periods, by their last days, from ``first`` to ``last`` (None: still)."""

    first: date = date.min
    last: date | None = None

    def covers(self, day: date) -> bool:
        """True if a period that ends on the day is meant."""
        return _covers(self.first, self.last, day)

    def __str__(self) -> str:
        """As it is told to a filer: both ends, an open one left out."""
        first = "" if self.first == date.min else str(self.first)
        return f"{first} 至 {self.last or ''}".strip()


@dataclass(frozen=True, slots=True)
class DatedName:
    """A header or sheet name with the periods in which files use it."""

    text: str
    span: Span = Span()


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a form.

    Attributes:
        name: English snake_case name, the physical column.
        title_zh: Chinese header as printed in the form.
        kind: how the filed text is read. ``code`` is exactly ``length`` characters ``[0-9A-Z]``; ``hash``
            is 64 hexadecimal digits of either case; ``boolean`` is filed as Y or N; ``enum`` is closed, by
            ``values`` or by ``code_list``; ``text`` is free up to ``length`` characters.
        required: no row may leave it empty (GEN-I01).
        key: part of the form's key.
        length: characters, of ``text`` (at most) and ``code``, ``hash`` (exactly); else None.
        precision: digits of a ``decimal``, else None.
        scale: digits after the point of a ``decimal``, else None.
        minimum: least value of an integer or decimal (GEN-I01), else None.
        maximum: greatest value of an integer or decimal (GEN-I01), else None.
        unit: unit of a number (元, 件, 人次, ...), else None.
        code_list: name of the code list of an ``enum``; its entries may depend on the form's event date.
        values: values of an ``enum`` that stand in the form itself.
        labels: what each of ``values`` means, in Chinese, in the same order; the value itself if it needs no word.
        aliases: other headers under which the column is accepted.
        dated_headers: headers under which it is accepted in some periods only.
        filed_in: periods whose files have the column; empty if all have it. Elsewhere it is NULL, and its headers
            are unknown.
        filled_from: what of the envelope fills the column, which the file then does not have; None if the file
            has it.
        constant: the text that fills the column of every row, likewise.
        personal: concerns a natural person; its clear value must not leave the archive.
        immutable: may not change once its key has been filed (GEN-P01).
        non_negative: a number that may not be below zero (GEN-I03).
        may_be_future: a date that may lie after the signature, such as a limit or the end of a validity
            (GEN-I02).
        references: ``form.column`` that holds what the column names, for readers; None if it names nothing.
        description: meaning in one sentence, English.
        example: the column's cell in the form's example row, as it is filed; None if it is empty there.
    """

    name: str
    title_zh: str
    kind: ColumnKind
    required: bool = False
    key: bool = False
    length: int | None = None
    precision: int | None = None
    scale: int | None = None
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    unit: str | None = None
    code_list: str | None = None
    values: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    dated_headers: tuple[DatedName, ...] = ()
    filed_in: tuple[Span, ...] = ()
    filled_from: EnvelopeFact | None = None
    constant: str | None = None
    personal: bool = False
    immutable: bool = False
    non_negative: bool = False
    may_be_future: bool = False
    references: str | None = None
    description: str = ""
    example: str | None = None

    @property
    def duckdb_type(self) -> str:
        """SQL type of the typed column: VARCHAR, BOOLEAN, DATE, TIMESTAMP, BIGINT or DECIMAL(p,s)."""
        if self.kind == "decimal":
            return f"DECIMAL({self.precision},{self.scale})"
        return _PLAIN_TYPES[self.kind]

    @property
    def is_filled(self) -> bool:
        """True if the value comes from the envelope or the contract, never from the file."""
        return self.filled_from is not None or self.constant is not None

    def is_in_file(self, day: date) -> bool:
        """True if files of the period that ends on the day have the column."""
        return not self.is_filled and (not self.filed_in or any(span.covers(day) for span in self.filed_in))

    def headers(self) -> tuple[DatedName, ...]:
        """Every header the column may have, each with its periods."""
        return (*(DatedName(text) for text in (self.name, *self.aliases, self.title_zh)), *self.dated_headers)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the catalogue; its SQL stands here and nowhere else.

    Attributes:
        code: code of the rule catalogue, e.g. ``F01-I04``.
        rule_class: what the rule looks at: structure (the file), intra (one row), inter (rows of one file),
            cross (another form), period (other periods), aggregate (printed figures).
        severity: E blocks, W is told.
        kind: how it is run. ``row``: ``predicate``; ``query``: ``query``; ``generic``: from the facts of
            each column; ``envelope``: from the envelope and the file as a whole; ``not_evaluable``: never,
            for the reason given.
        fields: columns the rule reads; the first one is blamed. Empty for a rule that blames the file.
        text_zh: the rule as a sentence, Chinese.
        text_en: the rule as a sentence, English.
        message_zh: finding in Chinese; may hold the placeholders ``{value}``, ``{expected}``, ``{column}``
            (English name) and ``{header}`` (Chinese header).
        message_en: finding in English, same placeholders.
        fix_zh: what the filer should do, Chinese.
        fix_en: what the filer should do, English.
        dimension: quality dimension of the Open Data Contract Standard.
        predicate: DuckDB boolean expression over the form's typed columns, true when the rule holds; NULL
            counts as holding. Vocabulary: :mod:`pipelines.contracts.predicates`.
        expected: DuckDB expression of a row rule that gives the expected value as text, or None.
        query: SQL of a query rule with the columns submission_no, row_no, value, expected, one row per
            finding, and column_name if not all findings blame the first field; relations are written
            ``{self}``, ``{self.all}``, ``{self.others}``, ``{self.previous}``, ``{submissions}``, ``{F02}``,
            ``{F02.counterpart}``, ``{R01.known}``, ``{R04.accepted}``, ``{rollup}``, ``{repeats}``,
            ``{working_days}``, ``{reporters}``, ``{releases}``, ``{forms}``, ``{rules}``.
        needs: forms whose counterpart must exist (``previous``: the form itself, of the period before; ``release``: a
                release made before the signature), else
            the verdict is not_run for that submission.
        looks_back: a finding says that something stands neither in the period's files nor in any earlier
            filing; who does not have all earlier filings (the filer's own check) cannot be sure of it.
        mirrors: form in whose contract the rule of the same code stands, if this is its other side: one rule
            that compares two forms and tells each difference on both.
        sides: sides of the forms a common rule applies to.
        effective_from: first day of the periods it applies to.
        effective_to: last day of the periods it applies to, None while it is in force.
        not_evaluable_reason: why a ``not_evaluable`` rule cannot be run, English.
        not_evaluable_reason_zh: the same, Chinese.
        waivable: a supervisor may accept its findings for an insurer (form R04); never for rules on
            structure, readability, clear personal data and repeated keys.
    """

    code: str
    rule_class: RuleClass
    severity: Severity
    kind: RuleKind
    fields: tuple[str, ...]
    text_zh: str
    text_en: str
    message_zh: str
    message_en: str
    fix_zh: str
    fix_en: str
    dimension: str
    predicate: str | None = None
    expected: str | None = None
    query: str | None = None
    needs: tuple[str, ...] = ()
    looks_back: bool = False
    mirrors: str | None = None
    sides: tuple[Side, ...] = ("insurer", "supervisor", "official")
    effective_from: date = date.min
    effective_to: date | None = None
    not_evaluable_reason: str | None = None
    not_evaluable_reason_zh: str | None = None
    waivable: bool = False

    @property
    def blamed_column(self) -> str | None:
        """Column a finding points at; None if the rule blames the file."""
        return self.fields[0] if self.fields else None

    @property
    def compares_periods(self) -> bool:
        """True if the rule compares with the same form's filing of the period before."""
        return PREVIOUS in self.needs

    def in_force(self, period: Period) -> bool:
        """True if the rule applies to filings of the period (judged by the period's last day)."""
        return _covers(self.effective_from, self.effective_to, period.end)


@dataclass(frozen=True, slots=True)
class Form:
    """One report form in one version.

    Attributes:
        code: F01, R03, ...
        version: version of the contract, e.g. 1.0.0.
        title_zh: Chinese title.
        title_en: English title.
        table: physical table name, the code in lower case.
        description: what one row is.
        columns: all columns, common header first.
        key: names of the key columns in order; the last one is the form's own id.
        rules: the form's own rules (the common ones are the catalogue's).
        frequency: monthly, quarterly or event.
        deadline_days: natural days after the period's end; None for event forms.
        side: who files: insurer, supervisor; official for printed figures.
        obliged_classes: insurer classes that owe the form; empty if no insurer does.
        reject_above: share of quarantined rows above which the whole file is rejected.
        quarantine_rows: rows with an E finding are held back (else the file is refused).
        control_totals: numeric columns whose sums the envelope states.
        event_date: column that dates code lists and the roll-up of org_code; None means the period's end.
        effective_from: first day of the periods the version is in force for.
        effective_to: last day of them, None while in force.
        sheets: names of the sheet that holds the form in a workbook; empty if it is the first after a cover.
    """

    code: str
    version: str
    title_zh: str
    title_en: str
    table: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    rules: tuple[Rule, ...]
    frequency: Frequency
    deadline_days: int | None
    side: Side
    obliged_classes: tuple[str, ...]
    reject_above: Decimal
    quarantine_rows: bool
    control_totals: tuple[str, ...]
    event_date: str | None
    effective_from: date
    effective_to: date | None = None
    sheets: tuple[DatedName, ...] = ()

    def column(self, name: str) -> Column:
        """Column by its English name.

        Raises:
            KeyError: no such column; the message names the form.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.code} {self.version} has no column {name!r}")

    def rule(self, code: str) -> Rule:
        """The form's own rule by code.

        Raises:
            KeyError: no such rule; the message names the form.
        """
        for rule in self.rules:
            if rule.code == code:
                return rule
        raise KeyError(f"{self.code} {self.version} has no rule {code!r}")

    @property
    def is_as_published(self) -> bool:
        """True if files come in a layout of their publisher's own, so that nobody fills them in here."""
        return bool(self.sheets) or any(c.is_filled or c.dated_headers or c.filed_in for c in self.columns)

    def layout(self, day: date) -> Form:
        """The form as files of the period that ends on the day have it: their columns, headers and sheet only.

        Readers work on the layout and know nothing of dates. A form that never changed is its own layout.
        """
        columns = tuple(
            replace(
                column,
                aliases=(*column.aliases, *(h.text for h in column.dated_headers if h.span.covers(day))),
                dated_headers=(),
                filed_in=(),
            )
            if column.dated_headers or column.filed_in
            else column
            for column in self.columns
            if column.is_in_file(day)
        )
        sheets = tuple(sheet for sheet in self.sheets if sheet.span.covers(day))
        if columns == self.columns and sheets == self.sheets:
            return self
        return replace(self, columns=columns, sheets=sheets)

    def spans_of_header(self, text: str) -> tuple[Span, ...]:
        """Periods to which a header of the form is limited; empty if it is none, or not limited."""
        wanted = normalise_header(text)
        found = (
            span
            for column in self.columns
            if not column.is_filled
            for header in column.headers()
            if normalise_header(header.text) == wanted
            for span in ((header.span,) if header.span != Span() else column.filed_in)
        )
        return tuple(dict.fromkeys(found))

    def header_map(self) -> dict[str, str]:
        """Normalised header -> column name, for titles, aliases and English names."""
        return {
            normalise_header(text): column.name
            for column in self.columns
            for text in (column.name, *column.aliases, column.title_zh)
        }

    def in_force(self, period: Period) -> bool:
        """True if the version applies to filings of the period (judged by the period's last day)."""
        return _covers(self.effective_from, self.effective_to, period.end)


@dataclass(frozen=True, slots=True)
class CodeEntry:
    """One value of a code list, the days it may be used and the insurer classes it is for (empty: all)."""

    value: str
    label_zh: str
    label_en: str
    valid_from: date | None = None
    valid_to: date | None = None
    insurer_classes: tuple[str, ...] = ()

    def valid_on(self, day: date) -> bool:
        """True if the value may be used for an event of that day, both ends included."""
        return (self.valid_from is None or self.valid_from <= day) and (
            self.valid_to is None or day <= self.valid_to
        )


@dataclass(frozen=True, slots=True)
class CodeList:
    """A named, dated list of values."""

    name: str
    title_zh: str
    title_en: str
    entries: tuple[CodeEntry, ...]

    def values(self, insurer_class: str | None = None) -> tuple[str, ...]:
        """All values whatever their dates; of one insurer class only, if one is given."""
        return tuple(
            entry.value
            for entry in self.entries
            if insurer_class is None or not entry.insurer_classes or insurer_class in entry.insurer_classes
        )


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything under ``expectations/``, read and checked.

    Attributes:
        forms: code -> form (the newest version of each).
        code_lists: name -> list.
        common_rules: GEN and ENV rules, shared by all forms.
        supervisor_code: reporter code of the supervisor's own forms; it stands in no institution master.
        ruleset_version: first 12 hexadecimal digits of the sha256 over the content of all contracts; stored
            beside every verdict.
        absent: code of a form that rules read and no contract defines -> codes of these rules, which are not run.
    """

    forms: Mapping[str, Form]
    code_lists: Mapping[str, CodeList]
    common_rules: tuple[Rule, ...]
    supervisor_code: str
    ruleset_version: str
    absent: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def form_in_force(self, code: str, version: str, period: Period | str) -> Form:
        """The contract a filing is held to; never an empty rule set.

        Raises:
            UnknownFormError: no form has the code.
            UnknownFormVersionError: the form has no such version.
            FormNotInForceError: the version does not apply to the period, or the period is of another kind
                than the form's frequency.
            PeriodError: the period is a text that names none.
        """
        form = self.forms.get(code)
        if form is None:
            raise UnknownFormError(f"no report form {code!r}; known forms: {', '.join(sorted(self.forms))}")
        if form.version != version:
            raise UnknownFormVersionError(
                f"form {code} has no version {version!r}; the version in force is {form.version}"
            )
        asked = period if isinstance(period, Period) else Period.parse(period)
        kind = _PERIOD_KINDS.get(form.frequency)
        if kind is not None and asked.kind != kind:
            raise FormNotInForceError(
                f"form {code} is filed by {kind}; {asked.label} is a {asked.kind}. "
                f"Use a label such as {Period.containing(kind, asked.end).label}"
            )
        if not form.in_force(asked):
            until = form.effective_to or "today"
            raise FormNotInForceError(
                f"form {code} version {version} is in force for periods from {form.effective_from} to "
                f"{until}, not for {asked.label}"
            )
        return form

    def rules_for(self, form: Form, period: Period | None = None) -> tuple[Rule, ...]:
        """Common rules that apply to the form, then its own; only those in force if a period is given."""
        common = (rule for rule in self.common_rules if form.side in rule.sides)
        return tuple(rule for rule in (*common, *form.rules) if period is None or rule.in_force(period))

    def code_list(self, name: str) -> CodeList:
        """Code list by name.

        Raises:
            KeyError: no such list.
        """
        try:
            return self.code_lists[name]
        except KeyError:
            raise KeyError(f"no code list {name!r}; known: {', '.join(sorted(self.code_lists))}") from None


def _covers(first: date, last: date | None, day: date) -> bool:
    return first <= day and (last is None or day <= last)
