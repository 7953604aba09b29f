"""A release as a BI tool asks it: views filtered by period, and readers while the next release is published (target 7).

Put here: the questions and the readers. Do not put here: how a release is made.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import duckdb

from benchmarks.ground import ROOT, Target, arguments, ground_of, say, tell
from benchmarks.measure import Cost
from benchmarks.resending import middling, send_again

VIEW_TARGET, ERROR_TARGET = 100.0, 0.0
_ASKED_TIMES = 5
_GIVE_WAY = 10
_QUESTION = """
SELECT * FROM kpi.complaints
WHERE period_type = 'month' AND period = (SELECT max(period) FROM kpi.complaints WHERE period_type = 'month')"""


def main(words: list[str]) -> None:
    """Command line; as a reader (`--read`) one of the processes that ask during a publish."""
    parser = arguments(" bi", __doc__.splitlines()[0] if __doc__ else "", insurers=60, months=3)
    parser.add_argument("--home", type=Path, help="a home with a release, instead of a run over the sample")
    parser.add_argument("--readers", type=int, default=20)
    parser.add_argument(
        "--read", nargs=2, metavar=("RELEASE", "STOP"), help="be one reader, until the file STOP exists"
    )
    asked = parser.parse_args(words)
    if asked.read:
        print(json.dumps(read_on(Path(asked.read[0]), Path(asked.read[1]))))
        return
    ground, inbox, volume = ground_of(asked)
    folder = ground.fresh("bi")
    aside = folder / "inbox"
    shutil.copytree(inbox, aside, copy_function=os.link)
    home = asked.home or folder / "home"
    costs: dict[str, Cost] = {}
    if asked.home is None:
        say("a release ...")
        costs["whole job"] = ground.pipeline(home, aside).cost
    views = ask(home / "releases" / "current" / "warehouse.duckdb")
    slowest = max(value for name, value in views.items() if name.startswith("kpi."))
    envelope, sidecar = middling(home, aside, "F01")
    send_again(home, sidecar, envelope, 1)
    say(f"{asked.readers} readers during the next publish ...")
    stop = folder / "stop"
    command = [
        sys.executable,
        "-m",
        "benchmarks",
        "bi",
        "--read",
        str(home / "releases" / "current"),
        str(stop),
    ]
    readers = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own module
        for _ in range(asked.readers)
    ]
    costs["resubmission with readers beside it"] = ground.pipeline(home, aside).cost
    time.sleep(2.0)
    stop.touch()
    told = [json.loads(reader.communicate()[0]) for reader in readers]
    answers, errors = sum(one["answers"] for one in told), [text for one in told for text in one["errors"]]
    seen = sorted({release for one in told for release in one["releases"]})
    targets = [
        Target("slowest kpi view filtered by period", VIEW_TARGET, slowest, "ms"),
        Target(f"errors of {asked.readers} readers during a publish", ERROR_TARGET, float(len(errors)), ""),
    ]
    ground.discard(folder)
    ranked = dict(sorted(((name, round(value, 1)) for name, value in views.items()), key=lambda one: -one[1]))
    tell("BI", costs, targets, asked.format, volume=str(asked.inbox or volume), milliseconds_by_view=ranked,
         answers=answers, releases_seen=seen, errors=errors[:3])  # fmt: skip


def ask(database: Path) -> dict[str, float]:
    """Milliseconds of each table with a period, filtered by its latest: median of some, connection open as in BI."""
    con = duckdb.connect(str(database), read_only=True)
    names = con.execute(
        "SELECT table_schema || '.' || table_name FROM information_schema.columns "
        "WHERE column_name = 'period' AND table_schema IN ('kpi', 'filing', 'release') ORDER BY ALL"
    ).fetchall()
    found = {}
    for (name,) in names:
        period = con.execute(f"SELECT max(period) FROM {name} WHERE length(period) = 7").fetchone()
        if period is None or period[0] is None:
            continue
        times = []
        for _ in range(_ASKED_TIMES):
            started = time.perf_counter()
            con.execute(f"SELECT * FROM {name} WHERE period = ?", [period[0]]).to_arrow_table()
            times.append((time.perf_counter() - started) * 1000)
        found[name] = statistics.median(times)
    con.close()
    return found


def read_on(release: Path, stop: Path) -> dict[str, object]:
    """Open, ask, close, again and again, as a dashboard's connections do; what went wrong is kept as text.

    Readers give way to the run, as they would from machines of their own: on two cores twenty of them would leave it
    a tenth, and prove nothing more.
    """
    os.nice(_GIVE_WAY)
    answers, errors, releases = 0, [], set()
    while not stop.exists():
        try:
            with duckdb.connect(str(release / "warehouse.duckdb"), read_only=True) as con:
                row = con.execute("SELECT release_no FROM release.release").fetchone()
                con.execute(_QUESTION).fetchall()
                releases.add(row[0] if row else None)
                answers += 1
        except (duckdb.Error, OSError) as error:
            errors.append(str(error))
        time.sleep(0.2)
    return {"answers": answers, "errors": errors, "releases": sorted(str(one) for one in releases)}
