"""How often Python looks for unreachable cycles in a process that runs the pipeline.

Put here: that setting and its reason, for every room that starts a process. Do not put here: limits of memory
(settings). This module imports no dagster: it is called before anything large is imported.
"""

from __future__ import annotations

import gc

#: Objects made and not freed before the youngest are looked at; Python's own figure is 700.
_YOUNG_OBJECTS = 20_000


def collect_rarely() -> None:
    """Look for cycles a thirtieth as often.

    A run imports thousands of modules and reads contracts and the dbt project: objects that live to its end, and
    looking through them every 700 new ones took an eighth of a start-up's CPU time. What is freed by reference
    counts is freed as before; whoever leaves much memory in cycles looks for them itself (`validation.batch`).
    """
    gc.set_threshold(_YOUNG_OBJECTS, 10, 10)
