"""The institution master in force: R03 filings as the registry every other room reads.

Belongs here: the views `registry.institutions` (rows of the newest R03 in force), `registry.reporters` (who files, as
now), `registry.licences` (as what, in which group, from when until when) and `registry.insurer_types` (the words of the
classes). Does not belong here: checks of R03 itself (its contract),
which form is owed (`obligations`).
"""

from __future__ import annotations

import hashlib

import duckdb

#: Letters of an insurer class and the word used in KPI tables.
INSURER_TYPES = {"P": "property", "L": "life", "H": "health", "A": "pension", "M": "mutual"}


class NoRegistryError(RuntimeError):
    """There is no accepted institution master, so nobody's obligations are known."""


def prepare_registry(con: duckdb.DuckDBPyConnection) -> None:
    """Create or replace the registry views over the filed R03 rows, unless they stand as they should.

    A view of `filed` that was made anew asks for new views over it, so what `prepare` last left is part of the mark.
    Without the mark every step of a run would write four views, and writing makes closing the database dear.
    """
    words = ", ".join(f"('{letter}', '{word}')" for letter, word in INSURER_TYPES.items())
    types = " ".join(f"WHEN '{letter}' THEN '{word}'" for letter, word in INSURER_TYPES.items())
    views = f"""
        CREATE OR REPLACE VIEW registry.insurer_types AS
        SELECT * FROM (VALUES {words}) AS t(insurer_class, insurer_type);
        CREATE OR REPLACE VIEW registry.institutions AS
        SELECT r.org_code, r.parent_code, r.legal_code, r.name, r.alias, r.insurer_class, r.region_code, r.peer_group,
            r.opened_on, r.closed_on, r.successor_code, r.valid_from, r.valid_to
        FROM filed.r03 AS r
        WHERE r.sys_to IS NULL AND r.filing_period = (SELECT max(filing_period) FROM filed.r03 WHERE sys_to IS NULL);
        CREATE OR REPLACE VIEW registry.reporters AS
        SELECT org_code, name, alias, insurer_class, CASE insurer_class {types} END AS insurer_type, peer_group,
            opened_on, closed_on, successor_code
        FROM registry.institutions AS i
        WHERE NOT EXISTS (SELECT 1 FROM registry.institutions AS p WHERE p.org_code = i.parent_code)
        QUALIFY row_number() OVER (PARTITION BY org_code ORDER BY valid_from DESC) = 1;
        -- A reporter through time: the first line also holds before its day, each until the next begins.
        CREATE OR REPLACE VIEW registry.licences AS
        SELECT r.org_code, i.name, i.alias, i.insurer_class, CASE i.insurer_class {types} END AS insurer_type,
            i.peer_group, r.opened_on, r.closed_on, r.successor_code,
            CASE WHEN lag(i.valid_from) OVER w IS NOT NULL THEN i.valid_from END AS since,
            lead(i.valid_from) OVER w AS until
        FROM registry.institutions AS i JOIN registry.reporters AS r USING (org_code)
        WINDOW w AS (PARTITION BY i.org_code ORDER BY i.valid_from);
        """
    below = con.execute("SELECT max(stamp) FROM reference.prepared").fetchone()
    mark = hashlib.sha256(f"{views}{below}".encode()).hexdigest()
    standing = con.execute(
        "SELECT comment FROM duckdb_views() WHERE database_name = current_database() "
        "AND schema_name = 'registry' AND view_name = 'licences'"
    ).fetchone()
    if standing != (mark,):
        con.execute(views)
        con.execute(f"COMMENT ON VIEW registry.licences IS '{mark}'")


def require_registry(con: duckdb.DuckDBPyConnection) -> None:
    """Raise `NoRegistryError` when no R03 is in force: an operator's matter, nobody's filing is judged for it."""
    row = con.execute("SELECT count(*) FROM registry.reporters").fetchone()
    if not row or not row[0]:
        raise NoRegistryError(
            "no institution master (form R03) is in force, so it is not known who must file. Put the supervisor's R03 "
            "file with its envelope into the inbox and run again; filings already received wait in the archive."
        )
