"""Errors of the contracts room: each says what was found, what was needed and what to do next.

Put here: exception types that other rooms catch to tell a filer's mistake (unknown form, version, period)
from a defect of our own contracts. Do not put here: findings about filed rows; those are data, not
exceptions.
"""

from __future__ import annotations

from collections.abc import Sequence


class ContractError(Exception):
    """Base of everything this room raises."""


class CatalogueError(ContractError):
    """The files under ``expectations/`` are unusable; ``problems`` lists every defect, one sentence each."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Take the defects, at least one."""
        self.problems = tuple(problems)
        lines = "\n".join(f"  - {problem}" for problem in self.problems)
        super().__init__(
            f"the contracts under expectations/ have {len(self.problems)} defect(s):\n{lines}\n"
            "Correct the named files; nothing is checked with a catalogue that is only partly readable."
        )


class UnknownFormError(ContractError):
    """A form code that no contract defines."""


class UnknownFormVersionError(ContractError):
    """A form that exists, in a version that no contract defines."""


class FormNotInForceError(ContractError):
    """A form and version that exist, asked for a period outside their validity or of the wrong kind."""


class PeriodError(ContractError, ValueError):
    """A text that names no reporting period."""


class CalendarRangeError(ContractError):
    """A date outside the working-day calendar, or a count of working days that leaves it."""


class CalendarFileError(ContractError):
    """The working-day calendar's file is missing, damaged or has gaps."""
