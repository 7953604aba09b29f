"""Ten thousand submissions on file: the board's answer, and what one new filing among them costs.

Put here: the life cycle at volume, as times and ratios. Do not put here: thresholds that could fail a build (that one
file alone is opened is proved in tests/end_to_end/test_one_among_many.py), or figures of rows and KPIs (`run`).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import duckdb

from benchmarks.measure import measure
from benchmarks.resending import middling, send_again

ROOT = Path(__file__).resolve().parents[1]
_XIAOBAO = (sys.executable, "-m", "pipelines.cli")
STATUS_TARGET = 2.0


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.lifecycle", description="Many submissions on file."
    )
    option = parser.add_argument
    option("--insurers", type=int, default=60)
    option("--months", type=int, default=33, help="33 months of 60 insurers are over 10,000 submissions")
    option(
        "--scale",
        type=float,
        default=0.05,
        help="of the sample bureau; small, so that files count and not rows",
    )
    option("--seed", type=int, default=1)
    option("--rounds", type=int, default=3, help="the fastest round of `xiaobao status` counts")
    option("--work", type=Path, default=None, help="work folder; by default bench/ under XIAOBAO_HOME")
    option("--format", choices=("table", "json"), default="table")
    chosen = parser.parse_args()
    work: Path = chosen.work or Path(os.environ.get("XIAOBAO_HOME", ROOT / "var")) / "bench"
    sample = {name: getattr(chosen, name) for name in ("insurers", "months", "scale", "seed")}
    figures = run(work.absolute() / "lifecycle", sample, chosen.rounds)
    if chosen.format == "json":
        print(json.dumps(figures, indent=1))
        return
    width = max(len(name) for name in figures)
    for name, value in figures.items():
        print(
            f"{name:<{width}}  {value:>12,.3f}"
            if isinstance(value, float)
            else f"{name:<{width}}  {value:>12,}"
        )


def run(work: Path, sample: Mapping[str, float], rounds: int) -> dict[str, float | int]:
    """Generate, run everything once, then measure the board and one new filing; seconds unless named otherwise."""
    shutil.rmtree(work, ignore_errors=True)
    home, inbox = work / "home", work / "inbox"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("XIAOBAO_")}
    environment = kept | {"XIAOBAO_HOME": str(home), "XIAOBAO_INBOX": inbox.as_uri()}
    options = [text for name, value in sample.items() for text in (f"--{name}", str(value))]
    measure([*_XIAOBAO, "sample", "--out", str(work), *options], environment, ROOT)
    whole = measure([*_XIAOBAO, "run", "--format", "json"], environment, ROOT)
    con = duckdb.connect(str(home / "releases" / "current" / "warehouse.duckdb"), read_only=True)
    submissions = con.execute("SELECT count(*) FROM filing.submissions").fetchall()[0][0]
    con.close()

    def fastest(*command: str) -> float:
        return min(measure([*_XIAOBAO, *command], environment, ROOT).cost.wall for _ in range(rounds))

    board, started = fastest("status"), fastest("--help")
    steps_of_one = _one_new_filing(home, inbox)
    again = sum(steps_of_one.values())
    return {
        "submissions on file": submissions,
        "whole run": whole.cost.wall,
        "xiaobao status": board,
        "xiaobao status, asked": STATUS_TARGET,
        "xiaobao --help (start of a process)": started,
        "xiaobao status / start of a process, ×": board / started,
        **{f"one new filing: {name}": seconds for name, seconds in steps_of_one.items()},
        "one new filing / whole run, ×": again / whole.cost.wall,
    }


def _one_new_filing(home: Path, inbox: Path) -> dict[str, float]:
    """Seconds of each step in this process over the inbox with one filing more, and once more with nothing new."""
    import great_expectations  # noqa: F401  # its import is a start-up cost, not the filing's

    from pipelines.orchestration import steps
    from pipelines.settings import Settings

    envelope, sidecar = middling(home, inbox, "F01")
    send_again(home, sidecar, envelope, minutes=1)
    settings = Settings(home=home, inbox=inbox.as_uri())
    walked: tuple[tuple[str, Callable[[], object]], ...] = (
        ("pull", lambda: steps.pull(settings)),
        ("read and check", lambda: steps.load_form(settings, "F01", None)),
        ("settle", lambda: steps.settle(settings)),
        ("pull, nothing new", lambda: steps.pull(settings)),
        ("settle, nothing new", lambda: steps.settle(settings)),
    )
    return {name: _timed(step) for name, step in walked}


def _timed(step: Callable[[], object]) -> float:
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
