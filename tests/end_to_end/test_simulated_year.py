"""A year of insurers, all kinds of submissions, in two orders of arrival, one of them with kills: one outcome.

The files come from the sample bureau. Each run gets them in its own shuffle, over several pulls, some of them without
news and some showing files again. In the second run the process dies at arbitrary moments. What differs between the
runs may differ in the log of events, and nowhere else. Ten insurers do in every run: every kind of submission, state
and form takes part (which is itself tested); sixty live the same year in `make test-city`.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.contracts.loader import load_catalogue
from pipelines.filing.states import INITIAL_STATE, TRANSITIONS
from pipelines.samples.bureau import generate
from pipelines.settings import Settings
from tests.support import post
from tests.support.desk import Desk

pytestmark = [pytest.mark.slow, pytest.mark.end_to_end]

ROOT = Path(__file__).parents[2]
DELIVERIES = 3
#: Marks of a walk after which the second run is killed in each delivery, with a moment's delay (seconds); then it is
#: started again. `settled` lies between the verdicts and the receipts.
KILLS = (
    (("received 400", 0.05), ("F06", 0.2)),
    (("settle", 0.6),),
    (("settled 1", 0.0),),
)
WALK = """
from pipelines.contracts.loader import load_catalogue
from pipelines.orchestration import steps
from pipelines.settings import load_settings

def told(name, done, total):
    print(name, done, flush=True)

settings = load_settings()
steps.pull(settings, told)
for form in load_catalogue().forms:
    print(form, flush=True)
    steps.load_form(settings, form, None)
print("settle", flush=True)
steps.settle(settings, told)
"""


@dataclass
class Run:
    """One bureau that receives the year."""

    home: Path
    inbox: Path
    logs: list[set[tuple[object, ...]]] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        return Settings(home=self.home, inbox=self.inbox.as_uri(), threads=2, lock_wait_seconds=20)

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"XIAOBAO_HOME": str(self.home), "XIAOBAO_INBOX": self.inbox.as_uri(),
                             "XIAOBAO_THREADS": "2", "XIAOBAO_LOCK_WAIT_SECONDS": "20"}  # fmt: skip

    def walk(self) -> None:
        """Pull, read, settle; note the log of events."""
        Desk(self.settings).run()
        self.note()

    def walk_and_die(self, mark: str, delay: float) -> None:
        """The same in a process of its own that is killed a moment after it says a mark."""
        victim = subprocess.Popen(
            [sys.executable, "-c", WALK], env=self.environment, cwd=ROOT, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert victim.stdout is not None
        assert any(line.strip() == mark for line in victim.stdout), f"the walk ended without {mark}"
        time.sleep(delay)
        os.killpg(victim.pid, signal.SIGKILL)
        victim.communicate()

    def note(self) -> None:
        found = Desk(self.settings).ask("SELECT * FROM filing.events")
        self.logs.append({tuple(line.values()) for line in found})

    def publish(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "pipelines.cli", "run"], env=self.environment, cwd=ROOT,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip


@pytest.fixture(scope="module", params=[10, pytest.param(60, marks=pytest.mark.city)])
def year(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """Two bureaus that received the same year and published it."""
    folder = tmp_path_factory.mktemp("year")
    generate(folder / "sample", insurers=request.param, months=12, scale=0.05, seed=3)
    source = folder / "sample" / "inbox"
    everything = post.parcels(source)
    register = post.first_register(source, everything)
    runs = (Run(folder / "calm", folder / "calm-inbox"), Run(folder / "killed", folder / "killed-inbox"))
    for seed, run in enumerate(runs):
        shuffler = random.Random(seed)
        rest = [one for one in everything if one is not register]
        shuffler.shuffle(rest)
        run.inbox.mkdir()
        post.deliver(source, run.inbox, [register])
        arrived = [register]
        for number in range(DELIVERIES):
            sent = rest[number::DELIVERIES]
            post.touch_some(run.inbox, arrived, 5, shuffler)
            post.deliver(source, run.inbox, sent)
            arrived = [*arrived, *sent]
            for mark, delay in KILLS[number] if run is runs[1] else ():
                run.walk_and_die(mark, delay)
            run.walk()
        run.walk()
    published = [run.publish() for run in runs]
    for process in published:
        said, _ = process.communicate(timeout=1800)
        assert process.returncode == 0, said.decode()
    return runs


#: What depends on the order of arrival by its nature: numbers of our own. The log of events is looked at by itself.
ARRIVAL = dict.fromkeys(("submissions", "submissions_current", "submissions_history"), ("submission_no",))


def shown(run: Run, relation: str, left_out: tuple[str, ...], target: Path) -> Path:
    """A relation of a run's build database as a sorted Parquet file."""
    con = duckdb.connect(str(run.settings.build_database), read_only=True)
    exclude = f"EXCLUDE ({', '.join(left_out)})" if left_out else ""
    con.execute(f"COPY (SELECT * {exclude} FROM {relation} ORDER BY ALL) TO '{target}' (FORMAT parquet)")
    con.close()
    return target


def differences(one: Path, other: Path) -> list[tuple[Any, ...]]:
    """Rows that only one of two Parquet files holds, up to ten."""
    return duckdb.sql(
        f"(SELECT 1 AS side, * FROM (FROM '{one}' EXCEPT ALL FROM '{other}') LIMIT 5) UNION ALL "
        f"(SELECT 2 AS side, * FROM (FROM '{other}' EXCEPT ALL FROM '{one}') LIMIT 5)"
    ).fetchall()


def test_all_public_tables_are_equal(year: tuple[Run, Run], tmp_path: Path) -> None:
    """Every view of schema `filing`, also those that later rooms add."""
    views = [
        line["view_name"]
        for line in Desk(year[0].settings).ask(
            "SELECT view_name FROM duckdb_views() WHERE schema_name = 'filing' AND view_name <> 'events'"
        )
    ]
    assert {"submissions", "findings", "verdicts", "obligations", "control_totals", "carried_rows"} <= set(
        views
    )
    apart = {}
    for view in views:
        files = [
            shown(run, f"filing.{view}", ARRIVAL.get(view, ()), tmp_path / f"{n}.parquet")
            for n, run in enumerate(year)
        ]
        if found := differences(*files):
            apart[view] = found
    assert apart == {}


@pytest.mark.parametrize("form", [code for code in load_catalogue().forms if code != "PUB"])
@pytest.mark.parametrize("schema", ["filed", "quarantine"])
def test_filed_and_held_back_rows_are_equal(
    year: tuple[Run, Run], schema: str, form: str, tmp_path: Path
) -> None:
    relation = f"{schema}.{form.lower()}"
    if schema == "quarantine":
        relation = f"(SELECT p.submission_id, q.* FROM {relation} AS q JOIN ledger.parcel AS p USING (submission_no))"
    files = [
        shown(run, relation, ("submission_no",), tmp_path / f"{n}.parquet") for n, run in enumerate(year)
    ]
    assert differences(*files) == []


def test_releases_are_equal(year: tuple[Run, Run]) -> None:
    def digests(run: Run) -> dict[str, str]:
        folder = (run.home / "releases" / "current").resolve() / "parquet"
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}

    one, other = map(digests, year)
    assert "kpi_values.parquet" in " ".join(one)
    assert one == other


def test_outboxes_are_equal(year: tuple[Run, Run]) -> None:
    def files(run: Run) -> dict[str, bytes]:
        return {
            str(path.relative_to(run.home / "outbox")): path.read_bytes()
            for path in sorted((run.home / "outbox").rglob("*")) if path.is_file()
        }  # fmt: skip

    one, other = map(files, year)
    assert sorted(one) == sorted(other)
    assert [name for name in one if one[name] != other[name]] == []


def test_events_are_only_ever_added_and_fold_to_the_states(year: tuple[Run, Run]) -> None:
    for run in year:
        run.note()
        for before, after in pairwise(run.logs):
            assert before <= after
        folded: dict[str, str] = {}
        for line in Desk(run.settings).ask("SELECT * FROM filing.events ORDER BY submission_id, event_no"):
            before = folded.get(line["submission_id"])
            state = INITIAL_STATE if before is None else TRANSITIONS[before, line["event"]]
            assert (before is None) == (line["event"] == "receive")
            assert state == line["state"], line
            folded[line["submission_id"]] = state
        states = {
            line["submission_id"]: line["state"]
            for line in Desk(run.settings).ask("SELECT submission_id, state FROM filing.submissions")
        }
        assert folded == states


def test_every_kind_and_state_took_part(year: tuple[Run, Run]) -> None:
    con = duckdb.connect(str(year[0].settings.build_database), read_only=True)
    kinds = {row[0] for row in con.execute("SELECT DISTINCT kind FROM filing.submissions").fetchall()}
    states = {row[0] for row in con.execute("SELECT DISTINCT state FROM filing.submissions").fetchall()}
    again = con.execute("SELECT max(times_received) FROM filing.submissions").fetchone()
    con.close()
    assert kinds >= {"ORIGINAL", "RESUBMIT", "CORRECTION", "NIL", "WITHDRAW"}
    assert states >= {"accepted", "partly_accepted", "rejected", "malformed", "superseded", "withdrawn"}
    assert again == (2,)
