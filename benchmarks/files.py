"""What a filing costs beyond its rows (target 6): a bureau of many small files.

Put here: two bureaus with the same files and different rows, and the line through both. Do not put here: other costs.
"""

from __future__ import annotations

import json
from dataclasses import replace

from benchmarks.ground import Ground, Target, Volume, arguments, filings, ground_of, say, tell
from benchmarks.measure import Cost

FILING_TARGET = 10.0


def main(words: list[str]) -> None:
    """Command line."""
    parser = arguments(
        " files", __doc__.splitlines()[0] if __doc__ else "", insurers=170, months=3, scale=2.0
    )
    parser.add_argument("--few", type=float, default=0.05, help="scale of the bureau of small files")
    asked = parser.parse_args(words)
    ground, _, volume = ground_of(asked)
    start, small, files, rows = one_size(ground, replace(volume, scale=asked.few))
    _, large, more_files, more_rows = one_size(ground, volume)
    # cost = start + a x files + b x rows, by the two bureaus
    per = {}
    for name in ("wall", "cpu"):
        few, many = getattr(small, name) - getattr(start, name), getattr(large, name) - getattr(start, name)
        a, _b = solve((files, rows, few), (more_files, more_rows, many))
        per[name] = a * 1000
    targets = [
        Target("a filing beyond its rows, wall", FILING_TARGET, per["wall"], "ms"),
        Target("a filing beyond its rows, CPU", FILING_TARGET, per["cpu"], "ms"),
    ]
    costs = {
        "start-up": start,
        f"{files:,} files, {rows:,} rows": small,
        f"{more_files:,} files, {more_rows:,} rows": large,
    }
    tell("Small files", costs, targets, asked.format)


def one_size(ground: Ground, volume: Volume) -> tuple[Cost, Cost, int, int]:
    """Start-up, whole job, files and rows of a bureau."""
    inbox = ground.sample(volume)
    folder = ground.fresh("files")
    say(f"{volume} ...")
    start = ground.pipeline(folder / "start", ground.registered(inbox, folder / "registered")).cost
    done = ground.pipeline(folder / "home", inbox)
    facts = {item["name"]: item["value"] for item in json.loads(done.output)}
    found = len(filings(inbox))
    rows = int(str(facts.get("rows_read", facts.get("rows", 0))).replace(",", ""))
    return start, done.cost, found, rows


def solve(one: tuple[float, float, float], two: tuple[float, float, float]) -> tuple[float, float]:
    """a and b of a x files + b x rows = cost, for two bureaus."""
    (f1, r1, c1), (f2, r2, c2) = one, two
    determinant = f1 * r2 - f2 * r1
    return (c1 * r2 - c2 * r1) / determinant, (f1 * c2 - f2 * c1) / determinant
