"""Contracts: report forms, code lists, rules, periods and the working-day calendar as typed objects.

Put here: what a form is (read from ``expectations/``), when it is in force, which period and deadline a
filing has, how a header is compared, and the vocabulary that row predicates may use. Do not put here:
reading of filed files (intake), the running of rules (validation), states and obligations of a submission
(filing).

Usual entry points: :func:`pipelines.contracts.loader.load_catalogue`,
:meth:`pipelines.contracts.periods.Period.parse`,
:func:`pipelines.contracts.working_days.load_working_days`. This module re-exports nothing, so that
importing one of them does not load the others.
"""

from __future__ import annotations
