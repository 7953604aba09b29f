"""Sensors: new or changed files of the inbox become a refresh.

What was listed decides, not the clock: the cursor is a digest over every name with its stamp. A file that is
still being copied changes between two looks, so a refresh is asked for only when two looks in a row agree.
"""

# No `from __future__ import annotations`: dagster reads the annotations of assets and sensors as objects.

import json
from dataclasses import asdict, dataclass

import dagster as dg

from pipelines.orchestration.idle import waiting_digest
from pipelines.orchestration.jobs import REFRESH
from pipelines.settings import Settings

LOOK_EVERY_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Look:
    """The sensor's memory: the digest it saw last, and the one it last asked a refresh for."""

    seen: str = ""
    requested: str = ""

    @classmethod
    def parse(cls, cursor: str | None) -> "Look":
        """From a cursor; an empty one, or one of another shape, is a fresh start (a refresh too many is
        harmless).
        """
        try:
            stored = json.loads(cursor or "{}")
            return cls(seen=str(stored.get("seen", "")), requested=str(stored.get("requested", "")))
        except (ValueError, AttributeError):
            return cls()

    def dump(self) -> str:
        """As a cursor."""
        return json.dumps(asdict(self))


def inbox_sensor() -> dg.SensorDefinition:
    """The sensor `new_filings`; off until someone turns it on."""

    @dg.sensor(
        name="new_filings",
        job_name=REFRESH,
        minimum_interval_seconds=LOOK_EVERY_SECONDS,
        description="新报送: asks for a refresh when the inbox holds something new and has come to rest.",
    )
    def new_filings(
        context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]
    ) -> dg.SensorResult:
        last = Look.parse(context.cursor)
        digest, count = waiting_digest(settings)
        requested, reason, requests = last.requested, None, []
        if not count:
            reason = f"{settings.inbox} is empty"
        elif digest == last.requested:
            reason = f"nothing new among {count} files"
        elif digest != last.seen:
            reason = f"{count} files, still changing; looking again in {LOOK_EVERY_SECONDS} s"
        else:
            requested = digest
            requests = [dg.RunRequest(run_key=digest, tags={"xiaobao/cause": "new filings"})]
        return dg.SensorResult(
            run_requests=requests, skip_reason=reason, cursor=Look(seen=digest, requested=requested).dump()
        )

    return new_filings
