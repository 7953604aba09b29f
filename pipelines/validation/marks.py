"""Compile a form's contract into one pass: text in, typed columns and a bit per broken check out.

Belongs here: the SQL of types, GEN-I01..I04 and row rules. Columns that are canonical in all files of a batch come in
their type (`intake.canonical`): what that says of them is not asked again of each cell. One check = one rule on one
column (GEN rules) or one rule (row rules); each has a bit in `broken_0..n`. A predicate that cannot be known (an
operand is empty or unreadable) counts as holding: GEN-I01 reports the unreadable operand itself.
Does not belong here: rules that need other rows (references, crossform), or wording of findings.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from pipelines.contracts.model import Catalogue, CodeList, Column, Form, Rule
from pipelines.contracts.predicates import expand_given, not_empty
from pipelines.intake.canonical import text_sql
from pipelines.intake.persons import person_columns, text_facts
from pipelines.warehouse.schema import MARK_WORDS

BITS_PER_WORD = 60
EARLIEST_DATE = "1990-01-01"
#: What a row's predicates know of its filing: the constants of the batch.
BATCH_CONSTANTS = (
    "period_start",
    "period_end",
    "signed_at",
    "signed_on",
    "prepared_by_key",
    "reviewed_by_key",
    "approved_by_key",
)
#: A row that deletes a record (record_action D) says no more than its key; the rest of it is not judged.
_DELETES = "record_action__filed = 'D'"
_ALL = (1 << BITS_PER_WORD) - 1
_NUMBER_LIMIT = "1000000000000"
#: Text that looks like an identity number or a mobile phone (GEN-I04).
CLEAR_TEXT_PERSON = (
    r"(^|[^0-9])([1-9][0-9]{5}(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9Xx]|1[3-9][0-9]{9})"
    r"([^0-9]|$)"
)
_SHORTEST_IDENTITY = 11


@dataclass(frozen=True, slots=True)
class Check:
    """One bit of a row's marks: the rule, the column it blames, TRUE-when-broken SQL, and what was expected."""

    bit: int
    rule_code: str
    severity: str
    column: str | None
    broken: str
    expected: str

    @property
    def word(self) -> int:
        """Index of the `broken_N` column that holds this check's bit."""
        return self.bit // BITS_PER_WORD

    @property
    def mask(self) -> int:
        """The bit within its word."""
        return 1 << (self.bit % BITS_PER_WORD)

    @property
    def fired(self) -> str:
        """SQL that is TRUE for a stored row which broke this check."""
        return f"(broken_{self.word} & {self.mask}) <> 0"


@dataclass(frozen=True, slots=True)
class MarkPlan:
    """The compiled pass of one form: its checks and the SELECT that types and marks staged cells."""

    form: Form
    checks: tuple[Check, ...]
    typed_columns: tuple[tuple[str, str], ...]
    canonical: frozenset[str]

    def filed_columns(self, staged: str) -> str:
        """SELECT list of every column's filed text, as `<column>__filed`; `staged` is the alias of the staged rows."""
        return ", ".join(
            f"{self._filed_text(column, f'{staged}.{column.name}')} AS {_filed(column.name)}"
            for column in self.form.columns
        )

    def _filed_text(self, column: Column, staged: str) -> str:
        return text_sql(column, staged) if column.name in self.canonical else staged

    def rule_fired(self, rule_code: str) -> str:
        """SQL that is TRUE for a stored row which broke any check of a rule."""
        words: dict[int, int] = {}
        for check in self.checks:
            if check.rule_code == rule_code:
                words[check.word] = words.get(check.word, 0) | check.mask
        return " OR ".join(f"(broken_{w} & {m}) <> 0" for w, m in sorted(words.items())) or "false"

    def severity_fired(self, severity: str) -> str:
        """SQL that is TRUE for a stored row which broke any check of a severity."""
        words: dict[int, int] = {}
        for check in self.checks:
            if check.severity == severity:
                words[check.word] = words.get(check.word, 0) | check.mask
        return " OR ".join(f"(broken_{w} & {m}) <> 0" for w, m in sorted(words.items())) or "false"

    def _key_mask(self, word: int) -> int:
        """Bits that count for a deletion: whether its action and its key can be read."""
        told = {*self.form.key, "record_action"}
        return sum(
            c.mask for c in self.checks if c.word == word and c.rule_code == "GEN-I01" and c.column in told
        )

    def select(self, staged: str, batch: str) -> str:
        """SELECT giving `store.<form>` columns from staged cells and the batch's per-submission constants.

        `staged`: canonical columns in their type, the others as VARCHAR, persons among them as keys with their
        `text_facts`, submission_no, row_no. `batch`: submission_no and `BATCH_CONSTANTS`.
        """
        facts = [fact for name in person_columns(self.form) for fact in text_facts(name).values()]
        constants = ", ".join([*(f"b.{name}" for name in BATCH_CONSTANTS), *(f"s.{fact}" for fact in facts)])
        typed = ",\n        ".join(f"{sql} AS {name}" for name, sql in self.typed_columns)
        words = []
        for word in range(MARK_WORDS):
            terms = [
                f"CASE WHEN {check.broken} THEN {check.mask}::UBIGINT ELSE 0::UBIGINT END"
                for check in self.checks
                if check.word == word
            ]
            marks = f"({' | '.join(terms) if terms else '0::UBIGINT'})"
            words.append(
                f"{marks} & CASE WHEN {_DELETES} THEN {self._key_mask(word)} ELSE {_ALL} END AS broken_{word}"
            )
        names = ", ".join(name for name, _ in self.typed_columns)
        return f"""
    SELECT {names}, submission_no, row_no,
        {(f",{chr(10)}        ").join(words)}
    FROM (
        SELECT
        {typed},
        {self.filed_columns("s")}, s.submission_no, s.row_no, {constants}
        FROM {staged} AS s JOIN {batch} AS b USING (submission_no)
    )"""


@lru_cache(maxsize=64)
def _compile(
    form: Form, rules: tuple[Rule, ...], lists: tuple[CodeList, ...], canonical: frozenset[str]
) -> MarkPlan:
    code_lists = {code_list.name: code_list for code_list in lists}
    by_code = {rule.code: rule for rule in rules}
    found: list[tuple[str, str, str | None, str, str]] = []

    def given(name: str) -> str:
        """Whether a cell is filled; a canonical one need not be spelled for that."""
        return f"{name} IS NOT NULL" if name in canonical else not_empty(_filed(name))

    if "GEN-I01" in by_code:
        found.extend(
            _gen_i01(form, column, code_lists, by_code["GEN-I01"], is_canonical=column.name in canonical)
            for column in form.columns
        )
    for code, build in (("GEN-I02", _gen_i02), ("GEN-I03", _gen_i03)):
        if code in by_code:
            for column in form.columns:
                broken = build(column, is_canonical=column.name in canonical)
                if broken is not None:
                    found.append((code, by_code[code].severity, column.name, broken[0], broken[1]))
    if "GEN-I04" in by_code:
        texts = [column for column in form.columns if column.kind == "text"]
        found.extend(
            (
                "GEN-I04",
                by_code["GEN-I04"].severity,
                column.name,
                _identity(column),
                "NULL",
            )
            for column in texts
        )
    for rule in rules:
        if rule.kind == "row" and rule.predicate:
            predicate = expand_given(rule.predicate, given)
            found.append(
                (
                    rule.code,
                    rule.severity,
                    rule.fields[0] if rule.fields else None,
                    f"NOT coalesce(({predicate}), true)",
                    expand_given(rule.expected, lambda name: not_empty(_filed(name)))
                    if rule.expected
                    else "NULL",
                )
            )
    if len(found) > MARK_WORDS * BITS_PER_WORD:
        raise ValueError(
            f"form {form.code} compiles to {len(found)} checks; marks hold {MARK_WORDS * BITS_PER_WORD}. "
            "Raise warehouse.schema.MARK_WORDS and rebuild the build database."
        )
    checks = tuple(Check(bit, *parts) for bit, parts in enumerate(found))
    typed = tuple(
        (
            column.name,
            f"s.{column.name}"
            if column.name in canonical
            else typed_sql(column, f"s.{column.name}", _values(column, code_lists)),
        )
        for column in form.columns
    )
    return MarkPlan(form, checks, typed, canonical)


def compile_marks(catalogue: Catalogue, form: Form, canonical: frozenset[str] = frozenset()) -> MarkPlan:
    """The compiled pass for a form under the catalogue's rules, for a batch in which some columns are canonical.

    Checks, their bits and what they say are the same for any `canonical`.
    """
    rules = tuple(catalogue.rules_for(form))
    names = {column.code_list for column in form.columns if column.code_list}
    return _compile(form, rules, tuple(catalogue.code_lists[name] for name in sorted(names)), canonical)


def values_at_any_time(catalogue: Catalogue, form: Form) -> dict[str, frozenset[str]]:
    """What each enum column of a form may hold at some time."""
    return {
        column.name: frozenset(_values(column, dict(catalogue.code_lists)))
        for column in form.columns
        if column.kind == "enum"
    }


def typed_sql(column: Column, text: str, values: tuple[str, ...] = ()) -> str:
    """SQL that reads filed text as the column's type, NULL when it is not exactly of that type (never rounded).

    `values`: what an enum column may hold at any time; a value outside is unknown to every other rule.
    """
    if column.kind == "boolean":
        return f"CASE {text} WHEN 'Y' THEN true WHEN 'N' THEN false END"
    precision, scale = column.precision or 18, column.scale or 0
    readable, value = {
        "date": (f"length({text}) = 10", f"try_cast({text} AS DATE)"),
        "timestamp": (f"length({text}) IN (10, 16, 19)", f"try_cast({text} AS TIMESTAMP)"),
        "integer": (f"regexp_full_match({text}, '-?[0-9]{{1,18}}')", f"try_cast({text} AS BIGINT)"),
        "decimal": (
            f"regexp_full_match({text}, '-?[0-9]{{1,{precision - scale}}}(\\.[0-9]{{1,{scale}}})?')",
            f"try_cast({text} AS DECIMAL({precision}, {scale}))",
        ),
        "hash": (f"regexp_full_match({text}, '[0-9a-fA-F]{{64}}')", text),
        "code": (f"regexp_full_match({text}, '[0-9A-Z]{{{column.length}}}')", text),
        "enum": (f"{text} IN ({', '.join(_quote(value) for value in values)})", text),
    }.get(column.kind, ("", text))
    return f"CASE WHEN {readable} THEN {value} END" if readable else value


def _gen_i01(
    form: Form, column: Column, code_lists: dict[str, CodeList], rule: Rule, *, is_canonical: bool
) -> tuple[str, str, str | None, str, str]:
    """Filled when required; of its type, length, range and code list (valid on the event date)."""
    filed, name = f"{column.name}__filed", column.name
    expected = f"'{column.duckdb_type}'"
    match column.kind:
        case "text":
            fits = f"{_length(column)} <= {column.length}" if column.length else "true"
            expected = f"'至多 {column.length} 个字符'"
        case "code":
            fits = f"{name} IS NOT NULL"
            expected = f"'{column.length} 位代码(数字或大写字母)'"
        case "hash":
            fits = f"{name} IS NOT NULL"
            expected = "'64 位十六进制散列'"
        case "enum":
            fits, expected = _membership(form, column, code_lists)
        case "decimal":
            # more decimals than allowed is GEN-I03's finding, so any plain number passes here
            fits = f"regexp_full_match({filed}, '-?[0-9]+(\\.[0-9]+)?')"
            expected = "'数字'"
        case "date" | "timestamp":
            # a date that looks like one but is not in the calendar is GEN-I02's finding
            fits = f"{name} IS NOT NULL OR {_date_shaped(filed)}"
            expected = f"'{_FORMATS[column.kind]}'"
        case _:
            fits = f"{name} IS NOT NULL"
            expected = f"'{_FORMATS[column.kind]}'"
    if is_canonical:
        filed = name
        fits = _still_to_ask(column, code_lists, fits)
    if column.minimum is not None:
        fits += f" AND coalesce({name} >= {column.minimum}, true)"
    if column.maximum is not None:
        fits += f" AND coalesce({name} <= {column.maximum}, true)"
    broken = f"({filed} IS NOT NULL AND NOT ({fits}))"
    if column.required:
        broken = f"({filed} IS NULL OR NOT ({fits}))"
    if column.minimum is not None or column.maximum is not None:
        expected = f"'{column.minimum if column.minimum is not None else ''} 至 {column.maximum or ''}'"
    return (
        rule.code,
        rule.severity,
        column.name,
        broken,
        f"CASE WHEN {filed} IS NULL THEN '必填' ELSE {expected} END",
    )


def _still_to_ask(column: Column, code_lists: dict[str, CodeList], fits: str) -> str:
    """What of GEN-I01 a canonical column may still break: its length, and a code that is not valid on every day."""
    if column.kind == "text":
        return fits
    if column.kind == "enum" and column.code_list is not None:
        entries = code_lists[column.code_list].entries
        if any(entry.valid_from or entry.valid_to for entry in entries):
            return fits
    return "true"


_FORMATS = {
    "date": "日期 YYYY-MM-DD",
    "timestamp": "时间 YYYY-MM-DD HH:MM:SS",
    "integer": "整数",
    "boolean": "Y | N",
}


def _values(column: Column, code_lists: dict[str, CodeList]) -> tuple[str, ...]:
    if column.kind != "enum":
        return ()
    if column.code_list is None:
        return column.values
    return tuple(dict.fromkeys(entry.value for entry in code_lists[column.code_list].entries))


def _membership(form: Form, column: Column, code_lists: dict[str, CodeList]) -> tuple[str, str]:
    filed = f"{column.name}__filed"
    if column.code_list is None:
        values = ", ".join(_quote(value) for value in column.values)
        return f"{filed} IN ({values})", _quote(" | ".join(column.values))
    entries = code_lists[column.code_list].entries
    event = f"coalesce({form.event_date}::DATE, period_end)" if form.event_date else "period_end"
    always = [e.value for e in entries if e.valid_from is None and e.valid_to is None]
    terms = [f"{filed} IN ({', '.join(_quote(v) for v in sorted(set(always)))})"] if always else []
    for entry in entries:
        if entry.valid_from is None and entry.valid_to is None:
            continue
        bounds = [f"{filed} = {_quote(entry.value)}"]
        if entry.valid_from is not None:
            bounds.append(f"{event} >= DATE '{entry.valid_from}'")
        if entry.valid_to is not None:
            bounds.append(f"{event} <= DATE '{entry.valid_to}'")
        terms.append(f"({' AND '.join(bounds)})")
    shown = " | ".join(dict.fromkeys(entry.value for entry in entries))
    return f"({' OR '.join(terms)})", _quote(f"{column.code_list}: {shown}")


def _gen_i02(column: Column, *, is_canonical: bool) -> tuple[str, str] | None:
    """A real day, not before 1990, and not after the signature unless it may come (a limit, the end of a validity)."""
    if column.kind not in ("date", "timestamp"):
        return None
    name, filed = column.name, _filed(column.name)
    unreal = "false" if is_canonical else f"({name} IS NULL AND {_date_shaped(filed)})"
    if column.may_be_future:
        return f"coalesce({unreal} OR {name} < DATE '{EARLIEST_DATE}', false)", f"'>= {EARLIEST_DATE}'"
    return (
        f"coalesce({unreal} OR {name} < DATE '{EARLIEST_DATE}' OR {name}::DATE > signed_on, false)",
        f"concat('{EARLIEST_DATE} - ', signed_on)",
    )


def _date_shaped(filed: str) -> str:
    return f"regexp_matches({filed}, '^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}')"


def _gen_i03(column: Column, *, is_canonical: bool) -> tuple[str, str] | None:  # noqa: ARG001 - no amount is
    """Amounts: at most the declared decimals and below 10^12; counts and amounts not negative unless they may be."""
    filed, name = f"{column.name}__filed", column.name
    if column.kind == "integer" and column.non_negative:
        return f"coalesce({name} < 0, false)", "'>= 0'"
    if column.kind != "decimal":
        return None
    too_fine = f"(regexp_full_match({filed}, '-?[0-9]+\\.[0-9]+') AND {name} IS NULL)"
    too_big = f"(regexp_full_match({filed}, '-?[0-9]{{13,}}(\\.[0-9]+)?') OR abs({name}) >= {_NUMBER_LIMIT})"
    negative = f" OR {name} < 0" if column.non_negative else ""
    sign = "非负" if column.non_negative else ""
    return (
        f"coalesce({too_fine} OR {too_big}{negative}, false)",
        f"'{sign}金额,至多 {column.scale} 位小数,绝对值小于 1e12'",
    )


def _length(column: Column) -> str:
    """Characters of a text as filed; of a person's the ones noted before the key took its place."""
    return text_facts(column.name)["length"] if column.personal else f"length({_filed(column.name)})"


def _identity(column: Column) -> str:
    """Whether a text as filed holds an identity or phone number; of a person's as noted before."""
    if column.personal:
        return text_facts(column.name)["identity"]
    text = _filed(column.name)
    long = f"length({text}) >= {_SHORTEST_IDENTITY}"  # spares the pattern where most texts are short
    return f"CASE WHEN {long} THEN regexp_matches({text}, '{CLEAR_TEXT_PERSON}') ELSE false END"


def _filed(column_name: str) -> str:
    """The filed text of a column inside the pass."""
    return f"{column_name}__filed"


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
