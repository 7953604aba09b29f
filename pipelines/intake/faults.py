"""What is wrong with a file as a file: a fault names the structure rule, the place, and what was found.

Belongs here: the value that readers and envelopes hand on. Does not belong here: wording (contracts) or verdicts.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.contracts.identities import hide_identities


@dataclass(frozen=True, slots=True)
class Fault:
    """One structure finding before it has a submission: ENV rule, optional row and column, evidence.

    `value` is what was found, `expected` what was needed, `detail` a sentence for the filer (Chinese); clear
    identities in them are masked.
    """

    rule_code: str
    detail: str
    row_no: int | None = None
    column_name: str | None = None
    value: str | None = None
    expected: str | None = None

    def __post_init__(self) -> None:
        """Let no clear identity of a filer's text on: a header, a file name and an envelope may hold one."""
        for name in ("detail", "value", "expected"):
            text = getattr(self, name)
            if text is not None:
                object.__setattr__(self, name, hide_identities(text))
