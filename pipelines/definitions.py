"""The project as Dagster loads it: `dagster dev -m pipelines.definitions`, `dg dev`, `xiaobao serve`.

Nothing is decided here; see `pipelines.orchestration.build`.
"""

from __future__ import annotations

from pipelines.garbage import collect_rarely
from pipelines.orchestration.build import build_defs

collect_rarely()
defs = build_defs()
