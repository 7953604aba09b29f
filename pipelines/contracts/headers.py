"""How two column headers are compared.

Put here: the one normalisation every reader and every contract uses. Do not put here: the header map of a
form (:meth:`pipelines.contracts.model.Form.header_map`) or the search for the header row in a file
(intake).
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

#: The headers of all contracts are fewer, and come again with every file; longer texts are no headers.
_REMEMBERED, _LONGEST_REMEMBERED = 4096, 100


def normalise_header(text: str) -> str:
    """Header as it is compared: Unicode NFKC (full-width becomes half-width), all whitespace removed.

    Letters keep their case. Zero-width characters and the byte order mark, which spreadsheets and web pages
    leave behind and nobody can see, count as whitespace.
    """
    return _remembered(text) if len(text) <= _LONGEST_REMEMBERED else _normalised(text)


def _normalised(text: str) -> str:
    composed = unicodedata.normalize("NFKC", text)
    return "".join(char for char in composed if not char.isspace() and unicodedata.category(char) != "Cf")


_remembered = lru_cache(_REMEMBERED)(_normalised)


def normalise_sheet_name(text: str) -> str:
    """Sheet name as it is compared: as a header, and letters of either case are one, as they are in Excel."""
    return normalise_header(text).casefold()
