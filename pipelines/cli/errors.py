"""Errors an operator can mend, and the exit codes. Texts say what was found, what was needed, what to do
next.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the shell gets; see the package's docstring."""

    OK = 0
    OPERATOR = 1
    USAGE = 2
    STRICT = 3
    FAILURE = 4


class OperatorError(Exception):
    """The message tells the operator what to do; no traceback is shown."""
