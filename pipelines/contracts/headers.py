"""How two column headers are compared.

Put here: the one normalisation every reader and every contract uses. Do not put here: the header map of a
form (:meth:`pipelines.contracts.model.Form.header_map`) or the search for the header row in a file
(intake).
"""

from __future__ import annotations

import unicodedata


def normalise_header(text: str) -> str:
    """Header as it is compared: Unicode NFKC (full-width becomes half-width), all whitespace removed.

    Letters keep their case. Zero-width characters and the byte order mark, which spreadsheets and web pages
    leave behind and nobody can see, count as whitespace.
    """
    composed = unicodedata.normalize("NFKC", text)
    return "".join(char for char in composed if not char.isspace() and unicodedata.category(char) != "Cf")


def normalise_sheet_name(text: str) -> str:
    """Sheet name as it is compared: as a header, and letters of either case are one, as they are in Excel."""
    return normalise_header(text).casefold()
