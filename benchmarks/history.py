"""What one insurer's resubmission costs in a warehouse of 6, 12 and 36 months (target 3).

Put here: the same resubmission over more and more history, beside the full rebuild of each. Do not put here: how a
filing is sent again (`resending`).
"""

from __future__ import annotations

import os
import shutil

from benchmarks.ground import Ground, Target, Volume, arguments, ground_of, say, tell
from benchmarks.measure import Cost
from benchmarks.resending import middling, send_again

SHARE_TARGET, GROWTH_TARGET = 0.03, 1.0


def main(words: list[str]) -> None:
    """Command line."""
    parser = arguments(
        " history", __doc__.splitlines()[0] if __doc__ else "", insurers=60, scale=2.0, months=36
    )
    parser.add_argument("--lengths", default="6,12,36", help="months of history, each a bureau of its own")
    parser.add_argument("--forms", default="F01,F04", help="forms of which one filing is sent again")
    asked = parser.parse_args(words)
    lengths = [int(text) for text in asked.lengths.split(",")]
    asked.months = lengths[0]
    ground, _, volume = ground_of(asked)
    costs: dict[str, Cost] = {}
    targets: list[Target] = []
    seconds: dict[str, list[float]] = {}
    for months in lengths:
        own = Volume(volume.insurers, months, volume.scale, volume.seed)
        whole, again = one_length(ground, own, asked.forms.split(","))
        costs[f"{months} months, rebuild"] = whole
        for form, cost in again.items():
            costs[f"{months} months, one {form} again"] = cost
            seconds.setdefault(form, []).append(cost.wall)
            share = cost.wall / whole.wall
            targets.append(
                Target(f"{months} months, one {form} again, share of the rebuild", SHARE_TARGET, share, "×")
            )
    for form, walls in seconds.items():
        grown = walls[-1] / walls[0] / (lengths[-1] / lengths[0])
        name = f"{form}: {lengths[-1]} over {lengths[0]} months, share of the history's growth"
        targets.append(Target(name, GROWTH_TARGET, grown, "×"))
    tell("Resubmission by history", costs, targets, asked.format, volume=str(volume))


def one_length(ground: Ground, volume: Volume, forms: list[str]) -> tuple[Cost, dict[str, Cost]]:
    """Full rebuild of a bureau, and a run after one filing of each form of the first month came again."""
    inbox = ground.sample(volume)
    folder = ground.fresh(f"history-{volume.months}")
    home, aside = folder / "home", folder / "inbox"
    shutil.copytree(inbox, aside, copy_function=os.link)
    say(f"{volume.months} months: rebuild ...")
    whole = ground.pipeline(home, aside).cost
    again = {}
    for minutes, form in enumerate(forms, start=1):
        envelope, sidecar = middling(home, aside, form)
        send_again(home, sidecar, envelope, minutes)
        say(f"{volume.months} months: {form} again ...")
        again[form] = ground.pipeline(home, aside).cost
    shutil.rmtree(folder)
    return whole, again
