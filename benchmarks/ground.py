"""The ground every measurement stands on: work folder, sample bureau, and the processes that are measured over it.

Put here: how a sample is made, found again or cut, and how pipeline and reference are started. Do not put here: what is
measured and how it is told (`run`, `history`, `backfill`, `files`, `bi`, `by_hand`).
"""

from __future__ import annotations

import argparse
import atexit
import hashlib
import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import psutil  # type: ignore[import-untyped]  # it ships no types

from benchmarks.measure import Cost, Measured, measure

ROOT = Path(__file__).resolve().parents[1]
XIAOBAO = (sys.executable, "-m", "pipelines.cli")
#: `xiaobao run` writes one line per finished stage, with this mark, where no terminal listens.
STAGE_MARK = "✓"
#: The master is needed whatever else a run reads.
MASTER = "R03"
#: The largest call-back file of a nation has 344 MB (a million rows); the reference reads it, so the pipeline must too.
_MAX_FILE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Volume:
    """Size of the sample bureau."""

    insurers: int
    months: int
    scale: float
    seed: int
    first_month: str = "2024-01"


@dataclass(frozen=True, slots=True)
class Target:
    """One target of the issue: what was asked, what was reached; `least` if the figure must not fall below it."""

    name: str
    asked: float
    reached: float
    unit: str
    least: bool = False

    @property
    def met(self) -> bool:
        """Whether the figure is within the target."""
        return self.reached >= self.asked if self.least else self.reached <= self.asked

    def line(self) -> str:
        """The figure beside its target, for people."""
        sign = "≥" if self.least else "≤"
        verdict = "met" if self.met else "missed"
        return f"{self.name}: {self.reached:,.3f} {self.unit} (asked {sign} {self.asked:g} {self.unit}), {verdict}"


#: What DuckDB may take in a reference when nothing is said; the pipeline then keeps to its own setting's default.
_REFERENCE_MEMORY = "3GiB"


class Ground:
    """A work folder with samples in it, and the settings that hold for both sides."""

    def __init__(self, work: Path) -> None:
        """Nothing is made yet."""
        self.work = work.resolve()
        self.memory = os.environ.get("XIAOBAO_MEMORY_LIMIT")
        self.threads = int(os.environ.get("XIAOBAO_THREADS", str(os.cpu_count() or 1)))

    def sample(self, volume: Volume) -> Path:
        """Inbox of the sample bureau; made again when its arguments, its generator or the contracts have changed."""
        digest = hashlib.sha256(repr(volume).encode())
        for source in ("pipelines/samples", "expectations"):
            for path in sorted((ROOT / source).rglob("*")):
                if path.suffix in (".py", ".yaml"):
                    digest.update(path.read_bytes())
        named = f"{volume.insurers}x{volume.months}x{volume.scale:g}-{volume.seed}-{volume.first_month}"
        folder = self.work / "samples" / f"{named}-{digest.hexdigest()[:8]}"
        if not (folder / "complete").exists():
            for old in (self.work / "samples").glob(f"{named}-*"):
                self.discard(old)
            folder.mkdir(parents=True)
            say(f"generating {volume} ...")
            arguments = {
                "insurers": volume.insurers,
                "months": volume.months,
                "scale": volume.scale,
                "seed": volume.seed,
                "first-month": volume.first_month,
            }
            options = [text for name, value in arguments.items() for text in (f"--{name}", str(value))]
            measure(
                [*XIAOBAO, "sample", "--out", str(folder), *options], self.environment(folder, folder), ROOT
            )
            (folder / "complete").touch()
        return folder / "inbox"

    def environment(self, home: Path, inbox: Path) -> dict[str, str]:
        """Environment of a measured process: ours without settings of another bureau."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("XIAOBAO_")}
        limit = {} if self.memory is None else {"XIAOBAO_MEMORY_LIMIT": self.memory}
        return (
            kept
            | limit
            | {
                "XIAOBAO_HOME": str(home),
                "XIAOBAO_INBOX": inbox.resolve().as_uri(),
                "XIAOBAO_THREADS": str(self.threads),
                "XIAOBAO_MAX_FILE_BYTES": str(_MAX_FILE_BYTES),
            }
        )

    def pipeline(self, home: Path, inbox: Path) -> Measured:
        """`xiaobao run` as a whole process."""
        command = [*XIAOBAO, "run", "--format", "json"]
        return measure(command, self.environment(home, inbox), ROOT, STAGE_MARK)

    def command(self, home: Path, inbox: Path, *words: str) -> Cost:
        """Any other command of the pipeline."""
        return measure([*XIAOBAO, *words], self.environment(home, inbox), ROOT).cost

    def script(self, module: str, inbox: Path, database: Path) -> Measured:
        """A reference as a whole process."""
        command = [sys.executable, "-m", f"benchmarks.{module}", str(inbox), str(database)]
        options = ["--threads", str(self.threads), "--memory", self.memory or _REFERENCE_MEMORY]
        return measure([*command, *options], self.environment(self.work, inbox), ROOT)

    def registered(self, inbox: Path, folder: Path) -> Path:
        """A second inbox that holds the institution master and nothing else: start-up is what a run over it costs."""
        return link([paths for paths, form, _ in filings(inbox) if form == MASTER], inbox, folder)

    def fresh(self, name: str) -> Path:
        """An empty folder under `runs/`."""
        folder = self.work / "runs" / name
        self.discard(folder)
        folder.mkdir(parents=True)
        return folder

    def discard(self, folder: Path) -> None:
        """Put a folder aside that is not needed any more; it is removed when everything has been measured.

        A file system may pass over the places of files removed in the last minutes one by one (ext4 without a journal
        does): after the removal of a home, each of the ten thousand files of the next took 0.7 ms instead of 0.03.
        """
        if folder.exists():
            aside = self.work / "discarded"
            aside.mkdir(parents=True, exist_ok=True)
            atexit.register(shutil.rmtree, aside, ignore_errors=True)
            folder.rename(aside / f"{time.time_ns()}")


def filings(inbox: Path) -> list[tuple[tuple[Path, ...], str, str]]:
    """(files, form, period) of everything received; form and period are '' where no envelope can be read."""
    from benchmarks.reference_files import list_inbox, open_filing, read_facts

    forms = read_facts()
    found = []
    for pair in list_inbox(inbox):
        fields = open_filing(pair, forms).envelope
        files = tuple(path for path in pair if path is not None)
        found.append((files, str(fields.get("form") or ""), str(fields.get("period") or "")))
    return found


def link(groups: Iterable[Iterable[Path]], inbox: Path, folder: Path) -> Path:
    """An inbox of hard links (copies where the disk is another), so that a sample stays as it was generated."""
    for files in groups:
        for path in files:
            target = folder / path.relative_to(inbox)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(path, target)
            except OSError:
                shutil.copy2(path, target)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def month_of(period: str) -> str:
    """The month a period ends with: 2025-03 of 2025-03 and of 2025Q1; '' of anything else."""
    if len(period) == len("2025Q1") and period[4] == "Q":
        return f"{period[:4]}-{int(period[5]) * 3:02d}"
    return period if len(period) == len("2025-03") and period[4] == "-" else ""


def by_month(inbox: Path, folder: Path) -> dict[str, Path]:
    """An inbox per month of what was filed for it, the institution master in each."""
    found = filings(inbox)
    months = sorted({month for _, form, period in found if form != MASTER and (month := month_of(period))})
    groups: dict[str, list[tuple[Path, ...]]] = {month: [] for month in months}
    for files, form, period in found:
        for month in months if form == MASTER else [month_of(period) or months[0]]:
            groups[month].append(files)
    return {month: link(group, inbox, folder / month) for month, group in groups.items()}


def machine() -> str:
    """The machine in one line, with its load: figures of a busy one are told as such."""
    memory = psutil.virtual_memory().total / (1 << 30)
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, DuckDB {duckdb.__version__}, load {load:.1f}"
    )


def say(text: str) -> None:
    """Progress, for whoever waits."""
    print(text, file=sys.stderr, flush=True)


def arguments(program: str, about: str, **defaults: float) -> argparse.ArgumentParser:
    """A parser with the sample's size, the work folder and the form of the answer."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks{program}", description=about)
    option = parser.add_argument
    option("--insurers", type=int, default=int(defaults.get("insurers", 60)))
    option("--months", type=int, default=int(defaults.get("months", 1)))
    option(
        "--scale",
        type=float,
        default=float(defaults.get("scale", 20.0)),
        help="of the sample bureau: 1 city, 20 province, 600 nation",
    )
    option("--seed", type=int, default=1)
    option(
        "--first-month",
        default="2024-01",
        help="of the sample bureau; its last month must have been signed by now",
    )
    option("--inbox", type=Path, help="what was filed, instead of a sample of this size")
    option("--work", type=Path, help="work folder; by default bench/ under XIAOBAO_HOME")
    option("--format", choices=("table", "json"), default="table")
    return parser


def ground_of(asked: argparse.Namespace) -> tuple[Ground, Path, Volume]:
    """The ground, the inbox and the size that arguments ask for."""
    if asked.work is None:
        from pipelines.settings import load_settings

        asked.work = load_settings().home / "bench"
    ground = Ground(asked.work)
    volume = Volume(asked.insurers, asked.months, asked.scale, asked.seed, asked.first_month)
    return ground, asked.inbox.resolve() if asked.inbox else ground.sample(volume), volume


def tell(title: str, costs: dict[str, Cost], targets: list[Target], form: str, **facts: object) -> None:
    """Costs and targets of one measurement, for people or as JSON."""
    if form == "json":
        plain = {name: {"wall": c.wall, "cpu": c.cpu, "peak_mib": c.peak_mib} for name, c in costs.items()}
        told = [
            {"name": t.name, "asked": t.asked, "reached": t.reached, "unit": t.unit, "met": t.met}
            for t in targets
        ]
        print(
            json.dumps(
                {"machine": machine(), "costs": plain, "targets": told, **facts}, ensure_ascii=False, indent=1
            )
        )
        return
    print(f"{title}\n{machine()}")
    for name, value in facts.items():
        print(f"  {name}: {value}")
    width = max((len(name) for name in costs), default=0)
    print(f"  {'':<{width}} {'wall s':>9} {'CPU s':>9} {'peak MiB':>9}")
    for name, cost in costs.items():
        print(f"  {name:<{width}} {cost.wall:9.1f} {cost.cpu:9.1f} {cost.peak_mib:9,.0f}")
    for target in targets:
        print(f"  {target.line()}")
