"""Persons: whoever is named in an envelope or a row is known outside the archive by a keyed hash only.

Belongs here: the key, the hash, and its use on filed text before anything of it is stored. The same name gives the
same key in every file, so "the reviewer is not the filer" can be judged and nobody can be read. Does not belong here:
hashes that insurers file themselves (columns of kind `hash`), screening of free text (GEN-I04).

The secret comes from the environment alone, is no setting and is never printed. Without it a key known to everybody
is used: names then stay out of sight but can be guessed, so a bureau sets its own before the first filing.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipelines.contracts.model import Form
from pipelines.settings import PERSON_KEY_VARIABLE

if TYPE_CHECKING:
    import duckdb
    import polars as pl

PUBLIC_KEY = "xiaobao: this key is public, set XIAOBAO_PERSON_KEY"
_SHORTEST_KEY = 16
_PROOF = "xiaobao person key"


class PersonKeyError(RuntimeError):
    """The secret is too short, or not the one this build database was made with: the operator's matter."""


def person_secret(environment: Mapping[str, str] | None = None) -> str:
    """The secret in force; the public one when none is set.

    Raises `PersonKeyError` when it is shorter than 16 characters.
    """
    secret = (os.environ if environment is None else environment).get(PERSON_KEY_VARIABLE, "").strip()
    if secret and len(secret) < _SHORTEST_KEY:
        raise PersonKeyError(
            f"{PERSON_KEY_VARIABLE} has {len(secret)} characters, at least {_SHORTEST_KEY} are needed: a short secret "
            "can be found by trying. Set a long random one, or unset it to use the public key."
        )
    return secret or PUBLIC_KEY


def is_public_key() -> bool:
    """True when no secret is set, so that the keys of persons can be guessed."""
    return person_secret() == PUBLIC_KEY


def person_key(name: str | None) -> str | None:
    """64 hexadecimal digits that stand for a person: HMAC-SHA256 of the name; None for an empty one.

    Width, case and blanks make no other person of somebody, or four eyes could be two.
    """
    plain = "".join(unicodedata.normalize("NFKC", name or "").split()).casefold()
    return hmac.digest(person_secret().encode(), plain.encode(), hashlib.sha256).hex() if plain else None


def person_columns(form: Form) -> tuple[str, ...]:
    """Columns of a form that name persons in clear: personal text (personal hashes are filed as hashes)."""
    return tuple(column.name for column in form.columns if column.personal and column.kind == "text")


def text_facts(column: str) -> dict[str, str]:
    """Staged columns that keep what checks must know of a person's text: its length, and if it is an identity."""
    return {"length": f"{column}__length", "identity": f"{column}__identity"}


def hide_persons(form: Form, frame: pl.DataFrame, identity: str) -> pl.DataFrame:
    """Filed text with every person replaced by their key, and `text_facts` beside each such column.

    `identity`: pattern of clear identity and phone numbers (GEN-I04), which a key would hide from its rule.
    """
    import polars as pl

    for name in person_columns(form):
        facts, text = text_facts(name), pl.col(name)
        frame = frame.with_columns(
            text.str.len_chars().cast(pl.Int32).alias(facts["length"]),
            text.str.contains(identity).fill_null(value=False).alias(facts["identity"]),
        ).with_columns(_keys(frame[name]))
    return frame


def hide_damages(form: Form, damages: pl.DataFrame) -> pl.DataFrame:
    """Changed cells (`normalise`) with the persons among them replaced by their keys."""
    import polars as pl

    columns = person_columns(form)
    if not columns or damages.is_empty():
        return damages
    persons = pl.col("column_name").is_in(columns)
    return damages.with_columns(
        pl.when(persons).then(_keys(damages[name])).otherwise(pl.col(name)).alias(name)
        for name in ("filed", "normalised")
    )


def require_same_key(con: duckdb.DuckDBPyConnection) -> None:
    """Remember the secret's proof in the build database; keys of two secrets cannot be compared.

    Raises `PersonKeyError` when the database holds keys of another secret.
    """
    proof = person_key(_PROOF)
    kept = con.execute("SELECT proof FROM reference.person_key").fetchone()
    if kept is None:
        con.execute("INSERT INTO reference.person_key VALUES (?)", [proof])
    elif kept[0] != proof:
        raise PersonKeyError(
            f"{PERSON_KEY_VARIABLE} is not the secret this build database was made with, so persons known before would "
            "no longer be recognised. Set it back; or, to change it on purpose, move the folder build/ away and run "
            "again: everything is read anew from the inbox."
        )


def _keys(names: pl.Series) -> pl.Series:
    """Keys of a column, each different name hashed once."""
    import polars as pl

    known = names.drop_nulls().unique().to_list()
    return names.replace_strict(known, [person_key(name) for name in known], return_dtype=pl.String)
