"""Province volume through the pipeline and through the hand-written reference, in one run, as ratios.

Put here: which processes are run in which order, and what is said about their costs. Do not put here: how a process is
measured (`measure`), the reference itself, thresholds that could fail a build: a slow machine is no defect.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb
import psutil  # type: ignore[import-untyped]  # it ships no types

from benchmarks.agreement import Agreement, compare
from benchmarks.measure import Cost, Measured, measure
from benchmarks.resending import middling, send_again

ROOT = Path(__file__).resolve().parents[1]
#: `xiaobao run` writes one line per finished stage, with this mark, where no terminal listens.
_STAGE_MARK = "✓"
_XIAOBAO = (sys.executable, "-m", "pipelines.cli")
#: Stages of the pipeline and of the reference that do about the same.
_BESIDE = {
    "received": ("envelopes",),
    "filed": ("read (waiting)", "cast, check, load"),
    "verdicts": ("cross rules and states",),
    "models": ("KPIs",),
    "release": ("checkpoint",),
}
WHOLE_TARGET, START_TARGET, RESUBMIT_TARGET, PEAK_TARGET = 3.0, 25.0, 0.2, 4096.0


@dataclass(frozen=True, slots=True)
class Volume:
    """Size of the sample bureau."""

    insurers: int
    months: int
    scale: float
    seed: int


@dataclass(frozen=True, slots=True)
class Target:
    """One target of the issue: what was asked, what was reached."""

    name: str
    asked: float
    reached: float
    unit: str

    @property
    def met(self) -> bool:
        """Whether the figure is within the target."""
        return self.reached <= self.asked


@dataclass(frozen=True, slots=True)
class Resubmission:
    """One insurer's file of one form and month, sent again with one cell changed."""

    form: str
    rows: int
    cost: Cost


@dataclass(frozen=True, slots=True)
class Report:
    """Everything measured in one run; costs are those of the fastest round."""

    machine: str
    volume: Volume
    rows: int
    files: int
    size_mib: float
    rounds: int
    pipeline: Cost
    stages: dict[str, Cost]
    reference: Cost
    reference_stages: dict[str, float]
    start_fresh: Cost
    start_idle: Cost
    reference_start: Cost
    resubmissions: tuple[Resubmission, ...]
    agreement: Agreement
    targets: tuple[Target, ...]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="The pipeline beside a reference."
    )
    option = parser.add_argument
    option("--insurers", type=int, default=60)
    option("--months", type=int, default=3, help="3 is a whole quarter: quarterly figures are computed too")
    option("--scale", type=float, default=20.0, help="of the sample bureau: 1 city, 20 province, 600 nation")
    option("--seed", type=int, default=1)
    option("--rounds", type=int, default=2, help="whole job of both, in turn; the fastest counts")
    option("--work", type=Path, help="work folder; by default bench/ under XIAOBAO_HOME")
    option("--format", choices=("table", "json"), default="table")
    asked = parser.parse_args()
    work = asked.work or _default_work()
    bench = Bench(work.resolve(), Volume(asked.insurers, asked.months, asked.scale, asked.seed), asked.rounds)
    report = bench.run()
    if asked.format == "json":
        print(json.dumps(as_plain(report), ensure_ascii=False, indent=2))
    else:
        show(report)


def _default_work() -> Path:
    from pipelines.settings import load_settings

    return load_settings().home / "bench"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Bench:
    """One benchmark: a work folder, a volume, and the runs over it."""

    def __init__(self, work: Path, volume: Volume, rounds: int) -> None:
        """Nothing is run yet."""
        self._work = work
        self._volume = volume
        self._rounds = max(1, rounds)
        self._memory = os.environ.get("XIAOBAO_MEMORY_LIMIT", "3GiB")
        self._threads = int(os.environ.get("XIAOBAO_THREADS", str(os.cpu_count() or 1)))

    def run(self) -> Report:
        """Generate once, run both sides in turn, then start-up and resubmissions; compare what came out."""
        sample = self._sample()
        inbox = sample / "inbox"
        runs = self._work / "runs"
        shutil.rmtree(runs, ignore_errors=True)
        runs.mkdir(parents=True)
        home, database = runs / "home", runs / "reference.duckdb"
        references: list[Measured] = []
        pipelines: list[Measured] = []
        for number in range(1, self._rounds + 1):
            _say(f"round {number} of {self._rounds}: reference, then pipeline ...")
            references.append(self._reference(inbox, database))
            shutil.rmtree(home, ignore_errors=True)
            pipelines.append(self._pipeline(home, inbox))
        agreement = compare(home / "releases" / "current", database)
        _say("start-up: a bureau that has registered its institutions and received nothing ...")
        registered = self._registered(inbox, runs / "registered")
        fresh = self._pipeline(runs / "fresh", registered)
        reference_start = self._reference(registered, runs / "fresh.duckdb")
        idle = self._pipeline(home, inbox)
        _say("resubmissions ...")
        resubmitted = tuple(self._resubmissions(home, inbox, runs / "sent_again"))
        best, best_reference = min(pipelines, key=_wall), min(references, key=_wall)
        told = json.loads(best_reference.output)
        return Report(
            machine=_machine(),
            volume=self._volume,
            rows=sum(told["rows"].values()),
            files=sum(1 for path in inbox.rglob("*") if path.is_file() and path.suffix != ".json"),
            size_mib=round(
                sum(path.stat().st_size for path in inbox.rglob("*") if path.is_file()) / (1 << 20), 1
            ),
            rounds=self._rounds,
            pipeline=best.cost,
            stages=_stages(best),
            reference=best_reference.cost,
            reference_stages=told["seconds"],
            start_fresh=fresh.cost,
            start_idle=idle.cost,
            reference_start=reference_start.cost,
            resubmissions=resubmitted,
            agreement=agreement,
            targets=_targets(best.cost, best_reference.cost, fresh.cost, reference_start.cost, resubmitted),
        )

    def _sample(self) -> Path:
        """Folder of the sample bureau; made again when its arguments, its generator or the contracts have changed."""
        digest = hashlib.sha256(repr(self._volume).encode())
        for source in ("pipelines/samples", "expectations"):
            for path in sorted((ROOT / source).rglob("*")):
                if path.suffix in (".py", ".yaml"):
                    digest.update(path.read_bytes())
        samples = self._work / "samples"
        folder = samples / digest.hexdigest()[:12]
        if (folder / "complete").exists():
            return folder
        shutil.rmtree(samples, ignore_errors=True)
        folder.mkdir(parents=True)
        _say(f"generating {self._volume} ...")
        volume = self._volume
        arguments = {
            "insurers": volume.insurers,
            "months": volume.months,
            "scale": volume.scale,
            "seed": volume.seed,
        }
        options = [text for name, value in arguments.items() for text in (f"--{name}", str(value))]
        measure(
            [*_XIAOBAO, "sample", "--out", str(folder), *options], self._environment(folder, folder), ROOT
        )
        (folder / "complete").touch()
        return folder

    def _environment(self, home: Path, inbox: Path) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("XIAOBAO_")}
        return kept | {
            "XIAOBAO_HOME": str(home),
            "XIAOBAO_INBOX": inbox.as_uri(),
            "XIAOBAO_MEMORY_LIMIT": self._memory,
            "XIAOBAO_THREADS": str(self._threads),
        }

    def _pipeline(self, home: Path, inbox: Path) -> Measured:
        command = [*_XIAOBAO, "run", "--format", "json"]
        return measure(command, self._environment(home, inbox), ROOT, _STAGE_MARK)

    def _reference(self, inbox: Path, database: Path) -> Measured:
        script = [sys.executable, "-m", "benchmarks.reference", str(inbox), str(database)]
        options = ["--threads", str(self._threads), "--memory", self._memory]
        return measure([*script, *options], self._environment(self._work, inbox), ROOT)

    def _registered(self, inbox: Path, folder: Path) -> Path:
        """A second inbox that holds the institution master and nothing else."""
        folder.mkdir()
        for sidecar in inbox.rglob("*.json"):
            if json.loads(sidecar.read_text(encoding="utf-8"))["form"] == "R03":
                data = sidecar.with_suffix("")
                shutil.copy2(data, folder / data.name)
                shutil.copy2(sidecar, folder / sidecar.name)
        return folder

    def _resubmissions(self, home: Path, inbox: Path, aside: Path) -> Iterator[Resubmission]:
        """Send one middling file of F01 and one of F04 again, both of the first month, and run after each.

        The inbox of the runs is a copy by links, so that the sample stays as it was generated.
        """
        shutil.copytree(inbox, aside, copy_function=os.link)
        self._pipeline(home, aside)  # the new folder is another source: let it be read once
        for minutes, form in enumerate(("F01", "F04"), start=1):
            envelope, sidecar = middling(home, aside, form)
            send_again(home, sidecar, envelope, minutes)
            cost = self._pipeline(home, aside).cost
            yield Resubmission(form, int(envelope["row_count"]), cost)


def _wall(measured: Measured) -> float:
    return measured.cost.wall


def _stages(measured: Measured) -> dict[str, Cost]:
    """Costs by stage of `xiaobao run`: its own seconds, CPU and memory as seen from outside.

    Where the first stage begins cannot be seen from outside: its CPU stands with that of the start.
    """
    facts = {item["name"]: item["value"] for item in json.loads(measured.output)}
    names = [name.removeprefix("seconds_") for name in facts if name.startswith("seconds_")]
    costs: dict[str, Cost] = {}
    for name, seen in zip(names, measured.stages, strict=True):
        costs[name] = Cost(float(facts[f"seconds_{name}"]), seen.cpu if costs else 0.0, seen.peak_mib)
    wall = measured.cost.wall - sum(cost.wall for cost in costs.values())
    cpu = measured.cost.cpu - sum(cost.cpu for cost in costs.values())
    return costs | {"start, hand-overs, end (CPU: with received)": Cost(wall, cpu, 0.0)}


def _targets(
    pipeline: Cost, reference: Cost, fresh: Cost, reference_start: Cost, resubmissions: Sequence[Resubmission]
) -> tuple[Target, ...]:
    wall = (pipeline.wall - fresh.wall) / (reference.wall - reference_start.wall)
    cpu = (pipeline.cpu - fresh.cpu) / (reference.cpu - reference_start.cpu)
    found = [
        Target("whole job beyond both start-ups, wall, × reference", WHOLE_TARGET, wall, "×"),
        Target("whole job beyond both start-ups, CPU, × reference", WHOLE_TARGET, cpu, "×"),
        Target("fixed start-up (fresh home, institutions only)", START_TARGET, fresh.wall, "s"),
    ]
    for one in resubmissions:
        share = one.cost.wall / pipeline.wall
        found.append(Target(f"{one.form} file sent again, share of a rebuild", RESUBMIT_TARGET, share, "×"))
    found.append(Target("peak memory of the pipeline", PEAK_TARGET, pipeline.peak_mib, "MiB"))
    return tuple(found)


def _machine() -> str:
    memory = psutil.virtual_memory().total / (1 << 30)
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, DuckDB {duckdb.__version__}, load {load:.1f}"
    )


def as_plain(report: Report) -> dict[str, Any]:
    """The report as numbers and texts for programs; targets carry whether they were met."""
    plain = asdict(report)
    for target, shown in zip(report.targets, plain["targets"], strict=True):
        shown["met"] = target.met
    return plain


def show(report: Report) -> None:
    """The report as tables for people."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)

    def table(title: str, *headers: str) -> Table:
        made = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
        for position, header in enumerate(headers):
            made.add_column(header, justify="right" if position else "left", no_wrap=position == 0)
        return made

    console.print(f"\n{report.machine}")
    console.print(
        f"{report.rows:,} rows in {report.files:,} files, {report.size_mib:,.0f} MiB; {report.volume}; "
        f"fastest of {report.rounds} rounds"
    )
    whole = table("Whole job, files to published KPIs", "", "wall s", "CPU s", "peak MiB")
    lines = {
        "pipeline": report.pipeline,
        "reference": report.reference,
        "pipeline, start-up alone (fresh home)": report.start_fresh,
        "pipeline, nothing new": report.start_idle,
        "reference, start-up alone": report.reference_start,
    }
    for resubmitted in report.resubmissions:
        lines[f"pipeline, one {resubmitted.form} file again ({resubmitted.rows:,} rows)"] = resubmitted.cost
    for name, cost in lines.items():
        whole.add_row(name, f"{cost.wall:.1f}", f"{cost.cpu:.1f}", f"{cost.peak_mib:,.0f}")
    console.print(whole)
    console.print(
        _stage_table(report, table("By stage", "stage", "wall s", "CPU s", "peak MiB", "reference s"))
    )
    met = table("Targets", "", "asked", "reached", "")
    for target in report.targets:
        asked, reached = f"≤ {target.asked:g} {target.unit}", f"{target.reached:,.2f} {target.unit}"
        met.add_row(target.name, asked, reached, "met" if target.met else "missed")
    console.print(met)
    same = report.agreement
    console.print(
        f"Agreement: {same.findings:,} findings ({same.findings_different} differ {same.by_rule or ''}), states "
        f"({same.states_different} differ), {same.kpi_values:,} KPI values ({same.kpi_values_different} differ "
        f"{same.by_kpi or ''})"
    )


def _stage_table(report: Report, made: Any) -> Any:
    beside = dict(_BESIDE)
    for name, cost in report.stages.items():
        parts = beside.pop(name.split("/", maxsplit=1)[0], ())
        by_hand = f"{sum(report.reference_stages.get(part, 0.0) for part in parts):.1f}" if parts else ""
        timed = "" if not cost.cpu else f"{cost.cpu:.1f}"
        made.add_row(
            name, f"{cost.wall:.1f}", timed, f"{cost.peak_mib:,.0f}" if cost.peak_mib else "", by_hand
        )
    return made
