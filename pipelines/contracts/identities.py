"""Clear identities in text: what an identity number or a mobile phone looks like, and the text without them.

Belongs here: the last gate of every text that leaves the archive by a way without columns (faults of a file, receipts).
Does not belong here: masking of cells by their column (`validation.screening`), telling the filer (rule GEN-I04).
"""

from __future__ import annotations

import re

# Wider than the rule: full-width digits, separators and country codes are hidden too. Hexadecimal neighbours are left
# alone (a digest holds runs of digits), and so is a number with decimals (an amount).
_D = "[0-9０-９]"
_IDENTITY = re.compile(
    rf"(?<![0-9０-９a-fA-F])(?:"
    rf"[1-9１-９]{_D}{{5}}[-\s]?(?:19|20|１９|２０){_D}{{2}}[-\s]?{_D}{{4}}[-\s]?{_D}{{3}}[0-9０-９XxＸｘ]"
    rf"|(?:\+?86[-\s]?)?[1１][3-9３-９]{_D}[-\s]?{_D}{{4}}[-\s]?{_D}{{4}}"
    rf")(?![0-9０-９a-fA-F]|\.[0-9])"
)
#: Digits of a mobile phone; no identity is shorter.
_SHORTEST = 11
#: Four digits and four, which every identity has (year, month and day; the end of a phone) and few other texts.
_POSSIBLE = re.compile(rf"{_D}{_D}{_D}{_D}[-\s]?{_D}{_D}{_D}{_D}")


def hide_identities(text: str) -> str:
    """The text with every identity number or mobile phone in it replaced by `***(n)`, n its length."""
    if len(text) < _SHORTEST or _POSSIBLE.search(text) is None:
        return text
    return _IDENTITY.sub(lambda found: f"***({len(found[0])})", text)
