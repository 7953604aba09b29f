"""Reach: which filings a new one may bear on, as the rules of the contracts tell.

Belongs here: reading from each form's rules which forms they look at, and how far from their own period. Does not
belong here: what is judged again (`settlement`), the relations themselves (`validation.references`).

A rule looks at another form in one of two ways. `{F09.counterpart}`, and `needs: [F09]`, ask for the filing of the
same period (a month's quarter for quarterly forms): a new F09 bears on filings whose period lies in its own. `{F09}`
asks for everything that was filed: a new F09 bears on its own and all later periods. What a rule asks of its own form
(`{self.all}`, `{self.previous}`) may reach any later period, so its own form's later periods are always judged again.
Other ways to look (`known`, `accepted`, `others`, registers) are followed by `settlement` itself.
"""

from __future__ import annotations

import re

import duckdb

from pipelines.contracts.model import PREVIOUS, RELEASE, Catalogue, Form
from pipelines.warehouse.schema import insert_rows

_READ = re.compile(r"\{([A-Z][A-Z0-9]*)(\.counterpart)?\}")


def note_reach(con: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
    """Fill the temp table `reach` (form, read_form, is_same_period): a new `read_form` bears on filings of `form`.

    `is_same_period`: on those whose period lies in its own; otherwise on all that end in or after it.
    """
    found = [
        (form.code, read, same_period)
        for form in catalogue.forms.values()
        for read, same_period in sorted({(form.code, False), *_reads(form, catalogue)})
    ]
    con.execute(
        "CREATE OR REPLACE TEMP TABLE reach (form VARCHAR, read_form VARCHAR, is_same_period BOOLEAN)"
    )
    insert_rows(con, "reach", found)


def _reads(form: Form, catalogue: Catalogue) -> set[tuple[str, bool]]:
    """Forms that a form's rules look at, each with whether of the same period only."""
    reads = {
        (name, bool(counterpart))
        for rule in catalogue.rules_for(form)
        for name, counterpart in _READ.findall(rule.query or "")
    }
    reads |= {
        (needed, True)
        for rule in catalogue.rules_for(form)
        for needed in rule.needs
        if needed not in (PREVIOUS, RELEASE)
    }
    return {(name, same_period) for name, same_period in reads if name in catalogue.forms}
