"""Reads ``expectations/`` into the typed catalogue and refuses it if anything in it is wrong.

The files are Open Data Contract Standard 3.2 (one per form, ``common.odcs.yaml`` for the shared header and
rules) and code lists of our own shape. Put here: the mapping from YAML to :mod:`pipelines.contracts.model`
and the checks that need more than one file. Do not put here: what forms and rules mean.

What the standard has no word for stands in ``customProperties`` (documented in ``expectations/README.md``).
The documents are read with the C parser of PyYAML and mapped here, not through the standard's own pydantic
model: its ``from_file`` parses in pure Python and would dominate the start of every command. That every
file *is* a valid document of the standard is proved by a test, with the standard's model and its JSON
schema.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

import yaml

from pipelines.contracts.errors import CatalogueError
from pipelines.contracts.headers import normalise_header, normalise_sheet_name
from pipelines.contracts.model import (
    PREVIOUS,
    RELEASE,
    SETTLED_FIRST,
    Catalogue,
    CodeEntry,
    CodeList,
    Column,
    ColumnKind,
    DatedName,
    EnvelopeFact,
    Form,
    Frequency,
    Rule,
    RuleClass,
    RuleKind,
    Side,
    Span,
)
from pipelines.contracts.predicates import given_columns

COMMON_FILE = "common.odcs.yaml"
FORM_SUFFIX = ".odcs.yaml"
CODE_LIST_FOLDER = "code_lists"

_SEVERITIES = {"error": "E", "warning": "W"}
_SIDES: tuple[Side, ...] = get_args(Side)
_LOGICAL_KINDS: dict[str, ColumnKind] = {
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamp",
    "integer": "integer",
    "number": "decimal",
}
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")
_CODES = re.compile(r"\{codes:([A-Z0-9_]+)(?::([A-Z]))?\}")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_MESSAGE_PLACEHOLDERS = {"value", "expected", "column", "header"}
_RELATION = re.compile(
    r"\{(?:self|self\.all|self\.others|self\.previous|submissions|rollup|repeats|working_days|reporters|forms|rules|releases|"
    r"([A-Z][A-Z0-9]*)(?:\.counterpart|\.known|\.accepted)?)\}"
)
_ACCEPTED = re.compile(r"\{([A-Z][A-Z0-9]*)\.accepted\}")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_STRING = re.compile(r"'(?:[^']|'')*'")
_NEVER_WAIVED = {"GEN-I01", "GEN-I02", "GEN-I03", "GEN-I04", "GEN-I05", "GEN-U01"}
"""A waiver must not let in what cannot be read, clear personal data, or one key twice; nor anything that
makes a file no filing (class structure)."""
#: What the pipeline itself reads of every row; a file that lacks them has them filled (filledFrom, constant).
_INDISPENSABLE = ("reporter_code", "period", "record_action")


def load_catalogue(root: Path | None = None) -> Catalogue:
    """Read and check every contract; done once per folder and process.

    Args:
        root: folder with the contracts; by default ``expectations/`` of the checkout or the installed
            package.

    Raises:
        CatalogueError: any defect; all of them are listed at once.
    """
    return _load((root or default_root()).resolve())


def default_root() -> Path:
    """``expectations/`` of the checkout or of the installed package."""
    from pipelines.settings import project_root

    return project_root() / "expectations"


@lru_cache(maxsize=8)
def _load(root: Path) -> Catalogue:
    problems: list[str] = []
    documents = _read_documents(root, problems)
    if not documents:
        problems.append(f"{root}: no contract found; needed: {COMMON_FILE} and one *{FORM_SUFFIX} per form")
    lists = _read_code_lists(documents, problems)
    common_columns, common_rules, supervisor_code = _read_common(documents, lists, problems)
    forms: dict[str, Form] = {}
    for name, document in documents.items():
        if name == COMMON_FILE or not name.endswith(FORM_SUFFIX):
            continue
        reader = _FormReader(name, document, lists, problems)
        form = reader.form()
        if form is None:
            continue
        if form.code in forms:
            problems.append(f"{name}: form {form.code} is defined twice")
        forms[form.code] = form
        _check_header(name, form, common_columns, problems)
    _check_whole(forms, common_rules, problems)
    if problems:
        raise CatalogueError(problems)
    absent = _absent_forms(forms)
    forms = {code: _without_absent(form, set(absent)) for code, form in forms.items()}
    return Catalogue(
        forms=MappingProxyType(dict(sorted(forms.items()))),
        code_lists=MappingProxyType(dict(sorted(lists.items()))),
        common_rules=common_rules,
        supervisor_code=supervisor_code,
        ruleset_version=_fingerprint(documents),
        absent=MappingProxyType(absent),
    )


# --------------------------------------------------------------------------------------------- documents


class _StrictLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Safe loader that refuses a key written twice: YAML would silently keep the second."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        """Mapping of a node; raises ConstructorError on a repeated key."""
        names = Counter(key.value for key, _ in node.value)
        twice = [name for name, count in names.items() if count > 1]
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {twice[0]!r} stands twice in one mapping", node.start_mark
            )
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return mapping


def _read_documents(root: Path, problems: list[str]) -> dict[str, dict[str, Any]]:
    documents: dict[str, dict[str, Any]] = {}
    paths = [*root.glob(f"*{FORM_SUFFIX}"), *(root / CODE_LIST_FOLDER).glob("*.yaml")]
    for path in sorted(paths, key=lambda found: found.relative_to(root).as_posix()):
        name = path.relative_to(root).as_posix()
        try:
            content = yaml.load(path.read_text(encoding="utf-8"), Loader=_StrictLoader)  # noqa: S506 (a safe loader)
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            problems.append(f"{name}: cannot be read as YAML in UTF-8: {error}")
            continue
        if not isinstance(content, dict):
            problems.append(f"{name}: holds no mapping at its top")
            continue
        documents[name] = content
    return documents


def _fingerprint(documents: Mapping[str, Any]) -> str:
    """Hash of the meaning, not of the bytes: comments, order of keys and line breaks do not change it."""
    canonical = json.dumps(documents, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode("utf-8")).hexdigest()[:12]


def _custom(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {item["property"]: item.get("value") for item in entry.get("customProperties") or ()}


def _as_date(value: Any) -> date | None:
    if value is None or isinstance(value, date):
        return value
    return date.fromisoformat(str(value))


# -------------------------------------------------------------------------------------------- code lists


def _read_code_lists(documents: Mapping[str, dict[str, Any]], problems: list[str]) -> dict[str, CodeList]:
    lists: dict[str, CodeList] = {}
    for name, document in documents.items():
        if not name.startswith(f"{CODE_LIST_FOLDER}/"):
            continue
        try:
            entries = tuple(_code_entry(item) for item in document["entries"])
            found = CodeList(document["name"], document["title_zh"], document["title_en"], entries)
        except (KeyError, TypeError, ValueError) as error:
            problems.append(
                f"{name}: {_cause(error)}; needed: name, title_zh, title_en, entries (see README.md)"
            )
            continue
        if name != f"{CODE_LIST_FOLDER}/{found.name}.yaml":
            problems.append(f"{name}: the list calls itself {found.name}; file name and name must agree")
        if not entries:
            problems.append(f"{name}: the list has no entry")
        problems.extend(_twice(name, "value", (entry.value for entry in entries)))
        lists[found.name] = found
    return lists


def _code_entry(item: Mapping[str, Any]) -> CodeEntry:
    if not isinstance(item["value"], str):
        raise TypeError(f"the value {item['value']!r} is no text; write it in quotes")
    return CodeEntry(
        value=item["value"],
        label_zh=item["label_zh"],
        label_en=item["label_en"],
        valid_from=_as_date(item.get("valid_from")),
        valid_to=_as_date(item.get("valid_to")),
        insurer_classes=tuple(item.get("insurer_classes") or ()),
    )


def _cause(error: Exception) -> str:
    return f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)


def _twice(name: str, what: str, values: Iterable[str]) -> list[str]:
    return [f"{name}: {what} {value!r} stands twice" for value, count in Counter(values).items() if count > 1]


# -------------------------------------------------------------------------------------------------- forms


class _FormReader:
    """Maps one ODCS document to a form and notes what is wrong with it."""

    def __init__(
        self, name: str, document: Mapping[str, Any], lists: Mapping[str, CodeList], problems: list[str]
    ) -> None:
        self._name = name
        self._document = document
        self._lists = lists
        self._problems = problems

    def form(self) -> Form | None:
        """The form, or None if its head is unusable (the reason is noted)."""
        facts = _custom(self._document)
        sla = {item["property"]: item.get("value") for item in self._document.get("slaProperties") or ()}
        try:
            schema = self._schema()
            columns = self.columns(schema)
            key = self._key(schema)
            form = Form(
                code=facts["formCode"],
                version=str(self._document["version"]),
                title_zh=self._document["name"],
                title_en=facts["titleEn"],
                table=schema["physicalName"],
                description=schema["description"],
                columns=tuple(replace(column, key=column.name in key) for column in columns),
                key=key,
                rules=self.rules(schema),
                frequency=self._one_of("frequency", sla["frequency"], get_args(Frequency)),
                deadline_days=None if sla.get("latency") is None else int(sla["latency"]),
                side=self._one_of("side", facts["side"], _SIDES),
                obliged_classes=tuple(facts.get("obligedClasses") or ()),
                reject_above=Decimal(str(facts.get("rejectAbove", "0.05"))),
                quarantine_rows=bool(facts.get("quarantineRows", True)),
                control_totals=tuple(facts.get("controlTotals") or ()),
                event_date=facts.get("eventDate"),
                effective_from=_as_date(facts["effectiveFrom"]) or date.min,
                effective_to=_as_date(facts.get("effectiveTo")),
                sheets=tuple(DatedName(str(item["name"]), _span(item)) for item in facts.get("sheets") or ()),
            )
        except (KeyError, TypeError, ValueError, InvalidOperation) as error:
            self._note(f"{_cause(error)} (head of the contract)")
            return None
        self._check(form)
        return form

    def _note(self, problem: str) -> None:
        self._problems.append(f"{self._name}: {problem}")

    def _schema(self) -> Mapping[str, Any]:
        schemas = self._document["schema"]
        if len(schemas) != 1:
            raise ValueError(f"{len(schemas)} schema objects; needed: exactly one")
        schema: Mapping[str, Any] = schemas[0]
        return schema

    def _one_of(self, what: str, value: Any, allowed: tuple[Any, ...]) -> Any:
        if value not in allowed:
            raise ValueError(f"{what} is {value!r}; needed: one of {', '.join(map(str, allowed))}")
        return value

    def _key(self, schema: Mapping[str, Any]) -> tuple[str, ...]:
        positions = {
            int(item["primaryKeyPosition"]): item["name"]
            for item in schema["properties"]
            if item.get("primaryKey")
        }
        if sorted(positions) != list(range(1, len(positions) + 1)):
            self._note(f"primaryKeyPosition must run from 1 without gaps; found {sorted(positions)}")
        return tuple(positions[position] for position in sorted(positions))

    def columns(self, schema: Mapping[str, Any]) -> tuple[Column, ...]:
        """Columns of a schema object, in order."""
        found: list[Column] = []
        for item in schema["properties"]:
            try:
                found.append(self._column(item))
            except (KeyError, TypeError, ValueError, InvalidOperation) as error:
                self._note(f"column {item.get('name')}: {_cause(error)}")
        return tuple(found)

    def _column(self, item: Mapping[str, Any]) -> Column:
        facts = _custom(item)
        options = item.get("logicalTypeOptions") or {}
        kind = self._kind(item, facts)
        least, most = _bound(options, "minimum"), _bound(options, "maximum")
        # "Not below zero" alone is the common case and a finding of its own (GEN-I03); any other bound is a
        # range.
        non_negative = least == 0 and most is None
        precision = scale = None
        if kind == "decimal":
            match = _DECIMAL.fullmatch(item["physicalType"])
            if match is None:
                raise ValueError(f"physicalType {item['physicalType']!r}; needed: DECIMAL(precision,scale)")
            precision, scale = int(match[1]), int(match[2])
        column = Column(
            name=item["name"],
            title_zh=item["businessName"],
            kind=kind,
            required=bool(item.get("required", False)),
            key=bool(item.get("primaryKey", False)),
            length=options.get("maxLength"),
            precision=precision,
            scale=scale,
            minimum=None if non_negative else least,
            maximum=most,
            unit=facts.get("unit"),
            code_list=facts.get("codeList"),
            values=tuple(entry["value"] for entry in item.get("enum") or ()),
            labels=tuple(entry.get("label", entry["value"]) for entry in item.get("enum") or ()),
            aliases=tuple(entry["synonym"] for entry in item.get("synonyms") or ()),
            dated_headers=tuple(
                DatedName(str(entry["header"]), _span(entry)) for entry in facts.get("headers") or ()
            ),
            filed_in=tuple(_span(entry) for entry in facts.get("filedIn") or ()),
            filled_from=self._one_of("filledFrom", facts.get("filledFrom"), (None, *get_args(EnvelopeFact))),
            constant=_text(facts.get("constant")),
            personal=item.get("classification") == "personal",
            immutable=bool(facts.get("immutable", False)),
            may_be_future=bool(facts.get("mayBeFuture", False)),
            non_negative=non_negative,
            references=facts.get("references"),
            description=item["description"],
            example=next(iter(item.get("examples") or ()), None),
        )
        self._check_column(column, item, options)
        return column

    def _kind(self, item: Mapping[str, Any], facts: Mapping[str, Any]) -> ColumnKind:
        logical = item["logicalType"]
        if logical in _LOGICAL_KINDS:
            return _LOGICAL_KINDS[logical]
        if logical != "string":
            raise ValueError(f"logicalType {logical!r} is not used here")
        if item.get("enum") or facts.get("codeList"):
            return "enum"
        kind: ColumnKind = self._one_of("kind", facts.get("kind", "text"), ("text", "code", "hash"))
        return kind

    def _check_column(self, column: Column, item: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        where = f"column {column.name}"
        if column.duckdb_type != item["physicalType"].replace(" ", ""):
            self._note(
                f"{where}: physicalType {item['physicalType']} does not fit its kind, {column.duckdb_type}"
            )
        if column.kind in {"text", "code", "hash"} and not column.length:
            self._note(f"{where}: a {column.kind} column needs logicalTypeOptions.maxLength")
        if column.kind in {"code", "hash"} and options.get("minLength") != column.length:
            self._note(f"{where}: minLength and maxLength of a {column.kind} column must be equal")
        if column.code_list and column.values:
            self._note(f"{where}: has a code list and an enum of its own; one of them must go")
        if column.code_list and column.code_list not in self._lists:
            self._note(f"{where}: code list {column.code_list} does not exist in {CODE_LIST_FOLDER}/")
        if not all(isinstance(value, str) for value in column.values):
            self._note(f"{where}: enum values must be texts; write them in quotes")
        if not all(isinstance(text, str) for text in item.get("examples") or ()):
            self._note(f"{where}: an example is the text as it is filed; write it in quotes")
        self._problems.extend(_twice(self._name, f"{where}: enum value", column.values))
        self._check_presence(column)

    def _check_presence(self, column: Column) -> None:
        """Where the value comes from must be said once, and a column that not all files have may be empty."""
        where = f"column {column.name}"
        if column.filled_from is not None and column.constant is not None:
            self._note(f"{where}: has filledFrom and constant; one of them must go")
        if column.is_filled and (column.aliases or column.dated_headers or column.filed_in):
            self._note(f"{where}: is filled, so no file has it; synonyms, headers and filedIn must go")
        if column.constant is not None and column.values and column.constant not in column.values:
            self._note(f"{where}: constant {column.constant!r} is none of its enum values")
        if column.required and column.filed_in:
            self._note(f"{where}: is required, but filedIn says that not every file has it")

    def rules(self, schema: Mapping[str, Any]) -> tuple[Rule, ...]:
        """Rules of a schema object, in order."""
        found: list[Rule] = []
        for item in schema.get("quality") or ():
            try:
                found.append(self._rule(item))
            except (KeyError, TypeError, ValueError) as error:
                self._note(f"rule {item.get('name')}: {_cause(error)}")
        return tuple(found)

    def _rule(self, item: Mapping[str, Any]) -> Rule:
        facts = _custom(item)
        implementation = item.get("implementation") or {}
        terms = implementation.get("kwargs") or {}
        if item["type"] == "custom" and terms.get("rule") != item["name"]:
            raise ValueError(
                f"implementation.kwargs.rule is {terms.get('rule')!r}; needed: the rule's own name"
            )
        kind: RuleKind = self._one_of("ruleKind", facts["ruleKind"], get_args(RuleKind))
        return Rule(
            code=item["name"],
            rule_class=self._one_of("ruleClass", facts["ruleClass"], get_args(RuleClass)),
            severity=_SEVERITIES[self._one_of("severity", item["severity"], tuple(_SEVERITIES))],  # type: ignore[arg-type]
            kind=kind,
            fields=tuple(facts["fields"]),
            text_zh=facts["textZh"],
            text_en=item["description"],
            message_zh=facts["messageZh"],
            message_en=facts["messageEn"],
            fix_zh=facts["fixZh"],
            fix_en=facts["fixEn"],
            dimension=item["dimension"],
            predicate=self._sql(terms.get("predicate")),
            expected=self._sql(terms.get("expected")),
            query=self._sql(terms.get("query")),
            needs=tuple(terms.get("needs") or ()),
            looks_back=bool(facts.get("looksBack", False)),
            mirrors=facts.get("mirrors"),
            sides=tuple(self._one_of("sides", side, _SIDES) for side in facts.get("sides") or _SIDES),
            effective_from=_as_date(facts.get("effectiveFrom")) or date.min,
            effective_to=_as_date(facts.get("effectiveTo")),
            not_evaluable_reason=facts.get("notEvaluableReason"),
            not_evaluable_reason_zh=facts.get("notEvaluableReasonZh"),
            waivable=self._one_of("waivable", facts.get("waivable", kind in {"row", "query"}), (True, False)),
        )

    def _sql(self, text: str | None) -> str | None:
        """SQL with ``{codes:LIST}`` and ``{codes:LIST:P}`` replaced by the quoted values of the list."""
        if text is None:
            return None

        def values(match: re.Match[str]) -> str:
            found = self._lists.get(match[1])
            if found is None:
                raise ValueError(f"code list {match[1]} does not exist in {CODE_LIST_FOLDER}/")
            chosen = found.values(match[2])
            if not chosen:
                raise ValueError(f"code list {match[1]} has no value for insurer class {match[2]}")
            return ", ".join("'" + value.replace("'", "''") + "'" for value in chosen)

        return _CODES.sub(values, text.strip())

    def _check(self, form: Form) -> None:
        names = {column.name for column in form.columns}
        self._problems.extend(_twice(self._name, "column", (column.name for column in form.columns)))
        for what, wanted in (("key", form.key), ("controlTotals", form.control_totals)):
            for name in wanted:
                if name not in names:
                    self._note(f"{what} names {name!r}, which is no column")
        if not form.key:
            self._note("no key; mark its columns with primaryKey and primaryKeyPosition")
        if form.event_date is not None and form.event_date not in names:
            self._note(f"eventDate names {form.event_date!r}, which is no column")
        for name in form.control_totals:
            if name in names and form.column(name).kind not in {"integer", "decimal"}:
                self._note(f"controlTotals names {name}, which is no number")
        if form.table != form.code.lower():
            self._note(f"physicalName is {form.table!r}; needed: {form.code.lower()}")
        if not 0 <= form.reject_above <= 1:
            self._note(f"rejectAbove is {form.reject_above}; needed: a share between 0 and 1")
        self._check_files(form, names)
        self._check_headers(form)
        for rule in form.rules:
            _check_rule(self._note, rule, names)

    def _check_files(self, form: Form, names: set[str]) -> None:
        for name in _INDISPENSABLE:
            if name not in names:
                self._note(
                    f"the column {name} is missing; where the files have none, declare it with filledFrom "
                    "(reporter, period) or constant"
                )
        sheets = (normalise_sheet_name(sheet.text) for sheet in form.sheets)
        self._problems.extend(_twice(self._name, "sheet", sheets))

    def _check_headers(self, form: Form) -> None:
        """No header may name two columns in any period; what a period knows changes only on first days of spans."""
        dated = [header.span for column in form.columns for header in column.dated_headers]
        spans = [*dated, *(span for column in form.columns for span in column.filed_in)]
        told: set[str] = set()
        for day in sorted({date.min, *(span.first for span in spans)}):
            owners: dict[str, set[str]] = {}
            for column in form.layout(day).columns:
                for text in (column.name, column.title_zh, *column.aliases):
                    owners.setdefault(normalise_header(text), set()).add(column.name)
            for text, columns in owners.items():
                if len(columns) > 1 and text not in told:
                    told.add(text)
                    since = "" if day == date.min else f" (periods from {day})"
                    self._note(
                        f"the header {text!r} would name several columns: {', '.join(sorted(columns))}{since}"
                    )


def _span(entry: Mapping[str, Any]) -> Span:
    """Periods between the days `from` and `to`, either of which may be left open."""
    unknown = set(entry) - {"name", "header", "from", "to"}
    if unknown:
        raise ValueError(f"{min(unknown)!r} is not known here; needed: from and to")
    span = Span(_as_date(entry.get("from")) or date.min, _as_date(entry.get("to")))
    if span.last is not None and span.last < span.first:
        raise ValueError(f"from {span.first} lies after to {span.last}")
    return span


def _text(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ValueError(f"the constant {value!r} is no text; write it in quotes")
    return value


def _bound(options: Mapping[str, Any], name: str) -> Decimal | None:
    return None if options.get(name) is None else Decimal(str(options[name]))


# ------------------------------------------------------------------------------------------- whole catalogue


def _read_common(
    documents: Mapping[str, dict[str, Any]], lists: Mapping[str, CodeList], problems: list[str]
) -> tuple[tuple[Column, ...], tuple[Rule, ...], str]:
    document = documents.get(COMMON_FILE)
    if document is None:
        problems.append(f"{COMMON_FILE} is missing; it holds the common header, the GEN and ENV rules")
        return (), (), ""
    try:
        schema = document["schema"][0]
        reader = _FormReader(COMMON_FILE, document, lists, problems)
        columns, rules = reader.columns(schema), reader.rules(schema)
        supervisor_code = _custom(document)["supervisorCode"]
    except (KeyError, TypeError, IndexError) as error:
        problems.append(f"{COMMON_FILE}: {_cause(error)}; needed: one schema object and supervisorCode")
        return (), (), ""
    names = {column.name for column in columns}
    for rule in rules:
        _check_rule(lambda problem: problems.append(f"{COMMON_FILE}: {problem}"), rule, names)
    return columns, rules, str(supervisor_code)


def _check_header(name: str, form: Form, common: tuple[Column, ...], problems: list[str]) -> None:
    """Filed forms carry the common header; titles, aliases, keys, meaning, references and example may be its own."""
    if form.side == "official":
        return
    for shared in common:
        own = next((column for column in form.columns if column.name == shared.name), None)
        if own is None:
            problems.append(f"{name}: the common header column {shared.name} is missing")
            continue
        aligned = replace(
            own,
            title_zh=shared.title_zh,
            aliases=shared.aliases,
            key=shared.key,
            references=shared.references,
            description=shared.description,
            example=shared.example,
        )
        if aligned != shared:
            problems.append(f"{name}: column {shared.name} differs from the common header in type or facts")


def _check_rule(note: Callable[[str], None], rule: Rule, names: set[str]) -> None:
    where = f"rule {rule.code}"
    for field in rule.fields:
        if field not in names:
            note(f"{where}: names {field!r}, which is no column")
    _check_texts(note, rule)
    has = {"row": rule.predicate, "query": rule.query}
    for kind, sql in has.items():
        if (rule.kind == kind) != bool(sql):
            note(f"{where}: kind {rule.kind} and its SQL do not fit (row needs predicate, query needs query)")
    if rule.kind == "row":
        _check_predicate(note, rule, names)
    if rule.kind == "query" and rule.query:
        for placeholder in _PLACEHOLDER.findall(rule.query):
            if not _RELATION.fullmatch("{" + placeholder + "}"):
                note(f"{where}: the query uses the unknown relation {{{placeholder}}}")
        for name in sorted(set(_ACCEPTED.findall(rule.query)) - set(SETTLED_FIRST)):
            note(
                f"{where}: {{{name}.accepted}}: what is accepted is known in time of {', '.join(SETTLED_FIRST)} only"
            )
    if rule.waivable and (rule.rule_class == "structure" or rule.code in _NEVER_WAIVED):
        note(f"{where}: waivable, but rules on structure, readability, personal data and keys never are")
    _check_needs(note, where, rule)
    if (rule.kind == "not_evaluable") != bool(rule.not_evaluable_reason and rule.not_evaluable_reason_zh):
        note(f"{where}: not_evaluable rules, and no others, have notEvaluableReason and notEvaluableReasonZh")


def _check_needs(note: Callable[[str], None], where: str, rule: Rule) -> None:
    """What a query compares with beside forms is said in `needs`, so that its absence is told."""
    if rule.compares_periods != ("{self.previous}" in (rule.query or "")):
        note(f"{where}: a query that reads {{self.previous}}, and no other, needs {PREVIOUS}")
    if (RELEASE in rule.needs) != ("{releases}" in (rule.query or "")):
        note(f"{where}: a query that reads {{releases}}, and no other, needs {RELEASE}")


def _check_texts(note: Callable[[str], None], rule: Rule) -> None:
    texts = {
        "description": rule.text_en,
        "textZh": rule.text_zh,
        "messageZh": rule.message_zh,
        "messageEn": rule.message_en,
        "fixZh": rule.fix_zh,
        "fixEn": rule.fix_en,
    }
    for label, text in texts.items():
        if not str(text or "").strip():
            note(f"rule {rule.code}: {label} is empty")
        elif unknown := set(_PLACEHOLDER.findall(str(text))) - _MESSAGE_PLACEHOLDERS:
            note(f"rule {rule.code}: {label} uses the unknown placeholder {min(unknown)!r}")


def _check_predicate(note: Callable[[str], None], rule: Rule, names: set[str]) -> None:
    """Every column a predicate reads must stand in fields, which is what the filer is shown, and no other."""
    sql = " ".join(filter(None, (rule.predicate, rule.expected)))
    used = {word for word in _WORD.findall(_STRING.sub("''", sql)) if word in names} | set(given_columns(sql))
    for name in sorted(used - set(rule.fields)):
        note(f"rule {rule.code}: the predicate reads {name}, which is missing in fields")
    for name in sorted(set(rule.fields) - used):
        note(f"rule {rule.code}: fields names {name}, which the predicate does not read")


def _unmirrored(forms: Mapping[str, Form], form: Form, rule: Rule) -> Iterator[str]:
    """A mirrored rule is the other side of one rule: the other form has it, with the same class and severity.

    A bureau that does not have the other form does not run the rule (`_absent_forms`), which is no defect.
    """
    if rule.mirrors is None or (rule.mirrors not in forms and rule.mirrors in _forms_read(rule)):
        return
    other = forms.get(rule.mirrors)
    same = next((one for one in other.rules if one.code == rule.code), None) if other else None
    if same is None or same.mirrors is not None or other is form:
        yield f"rule {rule.code} of {form.code} mirrors {rule.mirrors}, whose contract has no such rule"
    elif (same.rule_class, same.severity) != (rule.rule_class, rule.severity):
        yield f"rule {rule.code} differs in class or severity between {form.code} and {rule.mirrors}"


def _check_whole(forms: Mapping[str, Form], common_rules: tuple[Rule, ...], problems: list[str]) -> None:
    codes = [rule.code for rule in common_rules]
    for form in forms.values():
        codes.extend(rule.code for rule in form.rules if rule.mirrors is None)
        for rule in form.rules:
            if not rule.code.startswith((f"{rule.mirrors or form.code}-", "AGG-")):
                problems.append(f"rule {rule.code} stands in the contract of {form.code}")
            problems.extend(_unmirrored(forms, form, rule))
            problems.extend(
                f"rule {rule.code}: needs form {name}, which no contract defines and its query does not read"
                for name in sorted(_forms_read(rule) - set(_RELATION.findall(rule.query or "")) - set(forms))
            )
    problems.extend(_twice("expectations", "rule", codes))


def _forms_read(rule: Rule) -> set[str]:
    """Codes of the other forms that a rule reads or needs."""
    read = {name for name in _RELATION.findall(rule.query or "") if name}
    return (set(rule.needs) - {PREVIOUS, RELEASE}) | read


def _absent_forms(forms: Mapping[str, Form]) -> dict[str, tuple[str, ...]]:
    """Forms that rules read and no contract defines, with these rules: a bureau need not have every form."""
    found: dict[str, list[str]] = {}
    for form in forms.values():
        for rule in form.rules:
            for code in _forms_read(rule) - set(forms):
                found.setdefault(code, []).append(rule.code)
    return {code: tuple(sorted(rules)) for code, rules in sorted(found.items())}


def _without_absent(form: Form, absent: set[str]) -> Form:
    """The form with every rule that reads an absent form as one that is never run, and says why."""
    rules = []
    for rule in form.rules:
        missing = sorted(_forms_read(rule) & absent)
        if missing:
            rules.append(
                replace(
                    rule,
                    kind="not_evaluable",
                    query=None,
                    needs=(),
                    looks_back=False,
                    not_evaluable_reason=f"no contract defines form {', '.join(missing)}",
                    not_evaluable_reason_zh=f"报表 {'、'.join(missing)} 没有合同",
                )
            )
        else:
            rules.append(rule)
    return replace(form, rules=tuple(rules))
