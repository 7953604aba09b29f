"""Province volume through the pipeline and through the hand-written reference, in one run, as ratios.

Put here: which processes are run in which order, and what is said about their costs. Do not put here: how a process is
measured (`measure`), the reference itself, thresholds that could fail a build: a slow machine is no defect.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.agreement import Agreement, compare
from benchmarks.ground import Ground, Target, arguments, ground_of, link, machine, say
from benchmarks.measure import Cost, Measured
from benchmarks.resending import middling, send_again

#: Stages of the pipeline and of the reference that do about the same.
_BESIDE = {
    "received": ("envelopes",),
    "filed": ("read (waiting)", "cast, check, load"),
    "verdicts": ("cross rules and states",),
    "models": ("KPIs",),
    "release": ("checkpoint",),
}
WHOLE_TARGET, START_TARGET, ASK_TARGET, RESUBMIT_TARGET, PEAK_TARGET = 1.7, 15.0, 2.0, 0.03, 3072.0


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
    volume: str
    rows: int
    files: int
    size_mib: float
    rounds: int
    pipeline: Cost
    stages: dict[str, Cost]
    reference: Cost
    reference_name: str
    reference_stages: dict[str, float]
    start_fresh: Cost
    start_idle: Cost
    commands: dict[str, Cost]
    reference_start: Cost
    resubmissions: tuple[Resubmission, ...]
    agreement: Agreement
    targets: tuple[Target, ...]


def main(words: list[str]) -> None:
    """Command line."""
    parser = arguments("", "The pipeline beside hand-written references.", insurers=60, months=3)
    option = parser.add_argument
    option("--rounds", type=int, default=2, help="whole job of each, in turn; the fastest counts")
    option("--references", default="reference", help="modules of references, the faster counts")
    option("--whole-only", action="store_true", help="no resubmissions")
    asked = parser.parse_args(words)
    ground, inbox, volume = ground_of(asked)
    told = str(asked.inbox) if asked.inbox else str(volume)
    bench = Bench(ground, inbox, told, asked.rounds, asked.references.split(","))
    report = bench.run(resubmit=not asked.whole_only)
    if asked.format == "json":
        print(json.dumps(as_plain(report), ensure_ascii=False, indent=2))
    else:
        show(report)


class Bench:
    """One benchmark: an inbox, the references beside which the pipeline runs, and how often."""

    def __init__(
        self, ground: Ground, inbox: Path, volume: str, rounds: int, references: Sequence[str]
    ) -> None:
        """Nothing is run yet."""
        self._ground = ground
        self._inbox = inbox
        self._volume = volume
        self._rounds = max(1, rounds)
        self._references = references

    def run(self, *, resubmit: bool = True) -> Report:
        """Run all sides in turn, then start-up, commands and resubmissions; compare what came out."""
        ground, inbox = self._ground, self._inbox
        runs = ground.fresh("whole")
        home = runs / "home"
        references: list[tuple[str, Measured]] = []
        pipelines: list[Measured] = []
        for number in range(1, self._rounds + 1):
            say(f"round {number} of {self._rounds}: {', '.join(self._references)}, then pipeline ...")
            references += [
                (name, ground.script(name, inbox, runs / f"{name}.duckdb")) for name in self._references
            ]
            ground.discard(home)
            pipelines.append(ground.pipeline(home, inbox))
        faster, best_reference = min(references, key=lambda one: one[1].cost.wall)
        agreement = compare(home / "releases" / "current", runs / f"{faster}.duckdb")
        say("start-up: a bureau that has registered its institutions and received nothing ...")
        registered = ground.registered(inbox, runs / "registered")
        fresh = ground.pipeline(runs / "fresh", registered)
        reference_start = ground.script(faster, registered, runs / "fresh.duckdb")
        idle = ground.pipeline(home, inbox)
        commands = {name: ground.command(home, inbox, name) for name in ("status", "kpi")}
        resubmitted = tuple(self._resubmissions(home, runs / "sent_again")) if resubmit else ()
        best = min(pipelines, key=_wall)
        told = json.loads(best_reference.output)
        files = [path for path in inbox.rglob("*") if path.is_file()]
        return Report(
            machine=machine(),
            volume=self._volume,
            rows=sum(told["rows"].values()),
            files=sum(1 for path in files if path.suffix != ".json"),
            size_mib=round(sum(path.stat().st_size for path in files) / (1 << 20), 1),
            rounds=self._rounds,
            pipeline=best.cost,
            stages=_stages(best),
            reference=best_reference.cost,
            reference_name=faster,
            reference_stages=told["seconds"],
            start_fresh=fresh.cost,
            start_idle=idle.cost,
            commands=commands,
            reference_start=reference_start.cost,
            resubmissions=resubmitted,
            agreement=agreement,
            targets=_targets(
                best.cost, best_reference.cost, fresh.cost, reference_start.cost, resubmitted, commands
            ),
        )

    def _resubmissions(self, home: Path, aside: Path) -> Iterator[Resubmission]:
        """Send one middling file of F01 and one of F04 again, both of the first month, and run after each.

        The inbox of the runs is a copy by links, so that the sample stays as it was generated.
        """
        say("resubmissions ...")
        link(({path} for path in self._inbox.rglob("*") if path.is_file()), self._inbox, aside)
        self._ground.pipeline(home, aside)  # the new folder is another source: let it be read once
        for minutes, form in enumerate(("F01", "F04"), start=1):
            envelope, sidecar = middling(home, aside, form)
            send_again(home, sidecar, envelope, minutes)
            cost = self._ground.pipeline(home, aside).cost
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
    pipeline: Cost,
    reference: Cost,
    fresh: Cost,
    reference_start: Cost,
    resubmissions: Sequence[Resubmission],
    commands: dict[str, Cost],
) -> tuple[Target, ...]:
    wall = (pipeline.wall - fresh.wall) / (reference.wall - reference_start.wall)
    cpu = (pipeline.cpu - fresh.cpu) / (reference.cpu - reference_start.cpu)
    found = [
        Target("whole job beyond both start-ups, wall, × reference", WHOLE_TARGET, wall, "×"),
        Target("whole job beyond both start-ups, CPU, × reference", WHOLE_TARGET, cpu, "×"),
        Target("fixed start-up (fresh home, institutions only)", START_TARGET, fresh.wall, "s"),
    ]
    found += [Target(f"xiaobao {name}", ASK_TARGET, cost.wall, "s") for name, cost in commands.items()]
    for one in resubmissions:
        share = one.cost.wall / pipeline.wall
        found.append(Target(f"{one.form} file sent again, share of a rebuild", RESUBMIT_TARGET, share, "×"))
    found.append(Target("peak memory of the pipeline", PEAK_TARGET, pipeline.peak_mib, "MiB"))
    return tuple(found)


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
        report.reference_name: report.reference,
        "pipeline, start-up alone (fresh home)": report.start_fresh,
        "pipeline, nothing new": report.start_idle,
        "reference, start-up alone": report.reference_start,
    } | {f"xiaobao {name}": cost for name, cost in report.commands.items()}
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
