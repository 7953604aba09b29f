"""The pipeline beside what a user would do instead, at a tenth of the national volume (target 6).

Put here: the two whole jobs and their start-ups. Do not put here: the job by hand itself (`by_hand_pandas`).
"""

from __future__ import annotations

import json

from benchmarks.ground import Target, arguments, ground_of, say, tell

FASTER_TARGET, MEMORY_TARGET = 4.0, 0.5


def main(words: list[str]) -> None:
    """Command line."""
    parser = arguments(
        " by-hand", __doc__.splitlines()[0] if __doc__ else "", insurers=170, months=1, scale=60.0
    )
    asked = parser.parse_args(words)
    ground, inbox, volume = ground_of(asked)
    folder = ground.fresh("by-hand")
    registered = ground.registered(inbox, folder / "registered")
    say("pandas and Great Expectations' pandas engine ...")
    hand = ground.script("by_hand_pandas", inbox, folder / "hand")
    hand_start = ground.script("by_hand_pandas", registered, folder / "hand-start").cost
    say("pipeline ...")
    ran = ground.pipeline(folder / "home", inbox)
    own = ran.cost
    own_start = ground.pipeline(folder / "start", registered).cost
    told = json.loads(hand.output)
    stages = {
        fact["name"].removeprefix("seconds_"): float(fact["value"])
        for fact in json.loads(ran.output)
        if fact["name"].startswith("seconds_")
    }
    ground.discard(folder)
    wall = (hand.cost.wall - hand_start.wall) / (own.wall - own_start.wall)
    cpu = (hand.cost.cpu - hand_start.cpu) / (own.cpu - own_start.cpu)
    targets = [
        Target("by hand / pipeline beyond both start-ups, wall", FASTER_TARGET, wall, "×", least=True),
        Target("by hand / pipeline beyond both start-ups, CPU", FASTER_TARGET, cpu, "×", least=True),
        Target("memory of the pipeline / by hand", MEMORY_TARGET, own.peak_mib / hand.cost.peak_mib, "×"),
    ]
    costs = {
        "by hand (pandas, GX pandas engine)": hand.cost,
        "by hand, start-up alone": hand_start,
        "pipeline": own,
        "pipeline, start-up alone": own_start,
    }
    tell("By hand", costs, targets, asked.format, volume=str(asked.inbox or volume), rows=sum(told["rows"].values()),
         seconds_by_hand=told["seconds"], seconds_of_pipeline=stages)  # fmt: skip
