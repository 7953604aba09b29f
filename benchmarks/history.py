"""What one insurer's resubmission costs in a warehouse of 6, 12 and 36 months (target 3).

Put here: the same resubmission over more and more history, beside the full rebuild of each. Do not put here: how a
filing is sent again (`resending`).

A sample is smaller than a nation, and so is its rebuild, while start-up is the same; so the share is told twice, of the
whole run and of what either takes beyond start-up. Growth is told of seconds of CPU too: a busy machine bends the wall.

The release after the first is the first with a base as published, so every window is counted again for it, whatever
was filed. A warehouse of 36 months has released before: that once is told on a line of its own and is no
resubmission's cost.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

from benchmarks.ground import Ground, Target, Volume, arguments, ground_of, say, tell
from benchmarks.measure import Cost
from benchmarks.resending import middling, send_again

SHARE_TARGET = 0.03
#: "Not growing", with what repeats of a run differ by.
GROWTH_TARGET = 1.1


def main(words: list[str]) -> None:
    """Command line."""
    parser = arguments(
        " history", __doc__.splitlines()[0] if __doc__ else "", insurers=60, scale=2.0, months=36
    )
    parser.set_defaults(first_month="2023-01")
    parser.add_argument("--lengths", default="6,12,36", help="months of history, each a bureau of its own")
    parser.add_argument("--forms", default="F01,F04", help="forms of which one filing is sent again")
    asked = parser.parse_args(words)
    lengths = sorted(int(text) for text in asked.lengths.split(","))
    asked.months = lengths[0]
    ground, inbox, volume = ground_of(asked)
    say("start-up ...")
    folder = ground.fresh("history-start")
    registered = ground.registered(inbox, folder / "inbox")
    # the first run of a folder has dbt parse the project, which later ones find parsed
    start = [ground.pipeline(folder / name, registered).cost for name in ("first", "home")][-1]
    ground.discard(folder)
    costs: dict[str, Cost] = {"start-up (fresh home)": start}
    targets: list[Target] = []
    costs_of: dict[str, list[Cost]] = {}
    for months in lengths:
        whole, once, again = one_length(ground, replace(volume, months=months), asked.forms.split(","))
        costs[f"{months} months, rebuild"] = whole
        costs[f"{months} months, second release"] = once
        for form, cost in again.items():
            name = f"{months} months, one {form} again"
            costs[name] = cost
            costs_of.setdefault(form, []).append(cost)
            beyond = (cost.wall - start.wall) / (whole.wall - start.wall)
            targets.append(Target(f"{name}, share of the rebuild", SHARE_TARGET, cost.wall / whole.wall, "×"))
            targets.append(Target(f"{name}, share beyond start-up", SHARE_TARGET, beyond, "×"))
    for form, grown in costs_of.items():
        first, last = grown[0], grown[-1]
        name = f"{form}: {lengths[-1]} over {lengths[0]} months"
        targets.append(Target(f"{name}, wall", GROWTH_TARGET, last.wall / first.wall, "×"))
        targets.append(Target(f"{name}, CPU", GROWTH_TARGET, last.cpu / first.cpu, "×"))
    tell("Resubmission by history", costs, targets, asked.format, volume=str(volume))


def one_length(ground: Ground, volume: Volume, forms: list[str]) -> tuple[Cost, Cost, dict[str, Cost]]:
    """Full rebuild of a bureau, its second release, and a run after one filing of each form of the first month came."""
    inbox = ground.sample(volume)
    folder = ground.fresh(f"history-{volume.months}")
    home, aside = folder / "home", folder / "inbox"
    shutil.copytree(inbox, aside, copy_function=os.link)
    say(f"{volume.months} months: rebuild ...")
    whole = ground.pipeline(home, aside).cost
    runs = []
    for form in (forms[0], *forms):
        envelope, sidecar = middling(home, aside, form)
        send_again(home, sidecar, envelope, minutes=1)
        say(f"{volume.months} months: {form} again ...")
        runs.append(ground.pipeline(home, aside).cost)
    ground.discard(folder)
    return whole, runs[0], dict(zip(forms, runs[1:], strict=True))
