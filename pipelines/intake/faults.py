"""What is wrong with a file as a file: a fault names the structure rule, the place, and what was found.

Belongs here: the value that readers and envelopes hand on. Does not belong here: wording (contracts) or verdicts.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One structure finding before it has a submission: ENV rule, optional row and column, evidence.

    `value` is what was found, `expected` what was needed, `detail` a sentence for the filer (Chinese).
    """

    rule_code: str
    detail: str
    row_no: int | None = None
    column_name: str | None = None
    value: str | None = None
    expected: str | None = None
