"""Many months in one run beside the same months one by one (targets 4 and 5).

Put here: the cut of a sample into months, and the sum of single runs. Do not put here: other costs of a run.
"""

from __future__ import annotations

from benchmarks.ground import Target, arguments, by_month, ground_of, say, tell
from benchmarks.measure import Cost

SUM_TARGET, PEAK_TARGET = 1.1, 3072.0


def main(words: list[str]) -> None:
    """Command line."""
    parser = arguments(" backfill", __doc__.splitlines()[0] if __doc__ else "", months=12)
    asked = parser.parse_args(words)
    ground, inbox, volume = ground_of(asked)
    folder = ground.fresh("backfill")
    months = by_month(inbox, folder / "months")
    singles: dict[str, Cost] = {}
    for month, own in months.items():
        say(f"{month} alone ...")
        singles[month] = ground.pipeline(folder / "home", own).cost
        ground.discard(folder / "home")
    # after other runs of this folder, which had dbt parse the project
    start = ground.pipeline(folder / "start", ground.registered(inbox, folder / "registered")).cost
    say(f"{len(months)} months in one run ...")
    whole = ground.pipeline(folder / "home", inbox).cost
    ground.discard(folder)
    wall = sum(one.wall - start.wall for one in singles.values())
    cpu = sum(one.cpu - start.cpu for one in singles.values())
    largest = max(one.peak_mib for one in singles.values())
    targets = [
        Target(
            "one run less start-up / single months less start-up, wall",
            SUM_TARGET,
            (whole.wall - start.wall) / wall,
            "×",
        ),
        Target(
            "one run less start-up / single months less start-up, CPU",
            SUM_TARGET,
            (whole.cpu - start.cpu) / cpu,
            "×",
        ),
        Target("peak memory of the backfill", PEAK_TARGET, whole.peak_mib, "MiB"),
        Target(
            "peak memory, backfill / largest month, per month",
            1.0,
            whole.peak_mib / largest / len(months),
            "×",
        ),
    ]
    costs = {"start-up": start} | {f"{month} alone": cost for month, cost in singles.items()}
    costs[f"{len(months)} months in one run"] = whole
    tell("Backfill", costs, targets, asked.format, volume=str(asked.inbox or volume))
