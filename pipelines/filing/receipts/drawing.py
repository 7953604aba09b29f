"""Drawing: the three files of a receipt, and whether they say something new.

Belongs here: what a process that draws has to import, and no more, so that it starts quickly. Does not belong here:
which receipts are due and where their files go (`writing`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

from pipelines.filing.receipts.content import Dossier, FiledRows
from pipelines.filing.receipts.gathered import Gathered
from pipelines.filing.receipts.page import page
from pipelines.filing.receipts.workbook import workbook

Asked = tuple[Gathered, str, str | None]
"""What was gathered of a submission, `place` of the digest, and the digest that was told last."""


class Drawn(NamedTuple):
    """What a receipt says and, when that is new, its files: suffix and bytes."""

    submission_id: str
    reporter_code: str | None
    digest: str
    files: list[tuple[str, bytes]]


def draw(asked: Asked) -> Drawn:
    """The files of a receipt that says something new; none when its digest is the one that was told."""
    gathered, place, told = asked
    dossier = gathered.dossier()
    data = dossier.as_json()
    digest = _digest(data, dossier.rows, place)
    files = [] if digest == told else [(".json", data), *_for_people(dossier)]
    return Drawn(gathered.submission_id, dossier.receipt.submission.reporter_code, digest, files)


def render(dossier: Dossier) -> Iterator[tuple[str, bytes]]:
    """The three files of a receipt: suffix and bytes; equal content gives equal bytes."""
    yield ".json", dossier.as_json()
    yield from _for_people(dossier)


def digest_of(dossier: Dossier, place: str) -> str:
    """Digest of what a receipt's files say, of the program that draws them and of where they lie (`place`)."""
    return _digest(dossier.as_json(), dossier.rows, place)


def _digest(data: bytes, rows: FiledRows | None, place: str) -> str:
    digest = hashlib.sha256(place.encode() + data)
    if rows is not None:
        digest.update(repr(rows).encode())
    return digest.hexdigest()


def _for_people(dossier: Dossier) -> Iterator[tuple[str, bytes]]:
    yield ".xlsx", workbook(dossier)
    yield ".html", page(dossier.receipt)
