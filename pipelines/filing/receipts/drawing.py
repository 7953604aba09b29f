"""Drawing: the three files of a receipt, whether they say something new, and their way into the outbox.

Belongs here: what a process that draws has to import, and no more, so that it starts quickly. Does not belong here:
which receipts are due, and what the ledger says of them (`writing`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from pipelines.filing.outbox import Outbox
from pipelines.filing.receipts.content import Dossier, FiledRows
from pipelines.filing.receipts.gathered import Gathered
from pipelines.filing.receipts.page import page
from pipelines.filing.receipts.workbook import workbook

Asked = tuple[Gathered, str, str | None]
"""What was gathered of a submission, `place` of the digest, and the digest that was told last."""


class Drawn(NamedTuple):
    """What a receipt says, and whether that was new, so that its files were written."""

    submission_id: str
    digest: str
    is_new: bool


def draw(outbox: Outbox, asked: Asked) -> Drawn:
    """Write the files of a receipt that says something new; none when its digest is the one that was told.

    Raises `OutboxUnavailableError`.
    """
    gathered, place, told = asked
    dossier = gathered.dossier()
    data = dossier.as_json()
    digest = _digest(data, dossier.rows, place)
    if is_new := digest != told:
        for suffix, body in ((".json", data), *_for_people(dossier)):
            outbox.put(dossier.receipt.submission.reporter_code, f"{gathered.submission_id}{suffix}", body)
    return Drawn(gathered.submission_id, digest, is_new)


def draw_all(outbox_url: str, asked: list[Asked]) -> list[Drawn]:
    """`draw` for a process of its own: several at once, since handing over costs as much as drawing a small one."""
    outbox = _outbox(outbox_url)
    return [draw(outbox, one) for one in asked]


@cache
def _outbox(url: str) -> Outbox:
    return Outbox(url)


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
