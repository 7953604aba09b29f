"""The dictionary as Markdown pages: an index, one page a form and a subject, code lists, rules, measures, policies.

Put here: which pages there are, what each is given, how they are written to a folder and compared with one. Do not put
here: words (`wording`), the text of a page (``templates/``).

Pages carry no date and no version of the whole, so that they change only when what they say changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.dictionary import wording
from pipelines.dictionary.content import Dictionary

if TYPE_CHECKING:
    from jinja2 import Environment

#: First line of every page; a file without it is nobody's to overwrite or remove.
MARK = "<!-- Made by `xiaobao dictionary` from expectations/ and dbt_project/seeds/. Do not edit. -->"


def pages(dictionary: Dictionary) -> dict[str, bytes]:
    """Path below the dictionary's folder -> the page, UTF-8."""
    measures = dict(dictionary.measures)
    shared = {"d": dictionary, "measures": measures, "mark": MARK}
    found = {
        "README.md": _render("index", shared),
        "common-rules.md": _render("common_rules", shared),
        "rules.md": _render("rules", shared),
        "code-lists.md": _render("code_lists", shared),
        "kpis.md": _render("kpis", shared),
        "measures.md": _render("measures", shared),
    }
    if dictionary.edge_policies:
        found["edge-policies.md"] = _render("edge_policies", shared)
    for form in dictionary.forms:
        found[f"forms/{form.code}.md"] = _render("form", {**shared, "form": form})
    for subject in dictionary.subjects:
        kpis = [kpi for kpi in dictionary.kpis if kpi.subject == subject]
        found[f"kpis/{subject}.md"] = _render("subject", {**shared, "subject": subject, "kpis": kpis})
    return found


def differences(folder: Path, wanted: Mapping[str, bytes]) -> list[str]:
    """What a folder's pages have against the wanted ones, a line each; empty if they are the same."""
    lines = []
    for name, page in sorted(wanted.items()):
        path = folder / name
        if not path.is_file():
            lines.append(f"{name} is missing")
        elif path.read_bytes() != page:
            lines.append(f"{name} differs from the contracts and seeds")
    return [*lines, *(f"{path.relative_to(folder)} is no longer made" for path in _stale(folder, wanted))]


def write(folder: Path, wanted: Mapping[str, bytes]) -> int:
    """Make a folder hold the wanted pages; pages made earlier that are no longer wanted go. Returns files touched.

    Raises:
        FileExistsError: a file that this command has not made is in the way.
    """
    touched = 0
    for name, page in wanted.items():
        path = folder / name
        if path.is_file():
            if path.read_bytes() == page:
                continue
            if not _is_ours(path):
                raise FileExistsError(
                    f"{path} was not made by this command; move it away or choose another folder"
                )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(page)
        touched += 1
    for path in _stale(folder, wanted):
        path.unlink()
        touched += 1
    return touched


def _stale(folder: Path, wanted: Mapping[str, bytes]) -> list[Path]:
    return [
        path
        for path in sorted(folder.rglob("*.md"))
        if str(path.relative_to(folder)) not in wanted and _is_ours(path)
    ]


def _is_ours(path: Path) -> bool:
    return path.read_bytes().startswith(MARK.encode())


def _render(template: str, values: Mapping[str, object]) -> bytes:
    text = _environment().get_template(f"{template}.md.jinja").render(values)
    return (text.rstrip("\n") + "\n").encode()


def _cell(text: object) -> str:
    """Text for a cell of a Markdown table: one line, no cell border, no markup of its own."""
    return _prose(text).replace("|", "\\|")


def _prose(text: object) -> str:
    """Text for a line of Markdown: one line, taken literally."""
    line = " ".join(str("" if text is None else text).split())
    for char in "\\`*<>[]":
        line = line.replace(char, f"\\{char}")
    return line


def _code(text: object) -> str:
    """Text as code in a cell."""
    line = " ".join(str(text).split()).replace("|", "\\|")
    return f"`` {line} ``" if "`" in line else f"`{line}`" if line else ""


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=False,  # noqa: S701 (Markdown, escaped by the filters cell and prose)
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "cell": _cell,
        "prose": _prose,
        "code": _code,
        "word": wording.word,
        "words": wording.words,
        "type_of": wording.type_of,
        "marks_of": wording.marks_of,
        "deadline_of": wording.deadline_of,
    }
    environment.globals |= {
        "effective": wording.effective,
        "rule_periods": wording.rule_periods,
        "variant_formula": wording.variant_formula,
    }
    return environment
