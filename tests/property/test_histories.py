"""Any history of an obligation: one version in force at most, deltas equal full files, nothing accepted is lost.

Put here: a model of the life cycle in plain dictionaries that shares nothing with the pipeline, and what must hold of
every history. Do not put here: single cases with a story (end_to_end/test_versions.py).

A version is a mapping of problem case -> sales channel: one column is enough to tell versions apart. Several insurers
live through a history each at the same time, and each has a twin that files full files where it files corrections.
"""

from __future__ import annotations

import datetime as dt
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.settings import Settings
from tests.support.desk import Desk, row

Version = Mapping[int, str]

CHANNELS = ("个人代理", "银邮代理", "电销")
KEYS = tuple(range(1, 6))
INSURERS = tuple(f"000{n}343090000" for n in range(10, 14))
TWINS = {insurer: f"9{insurer[1:]}" for insurer in INSURERS}
FIRST_SIGNATURE = dt.datetime(2024, 4, 3, 9)


@dataclass(frozen=True)
class Act:
    """What an insurer does next: a full file, a correction, a nil report or a withdrawal.

    `content`: the rows of a full file, or the changes of a correction (a channel inserts or updates, None deletes);
    `fault` spoils the act so that it must be refused.
    """

    kind: str
    content: Mapping[int, str | None] = field(default_factory=dict)
    fault: str = ""


FULL = st.builds(
    Act,
    st.just("FULL"),
    st.dictionaries(st.sampled_from(KEYS), st.sampled_from(CHANNELS), min_size=1, max_size=4),
    st.sampled_from(("", "", "", "broken")),
)
CORRECTION = st.builds(
    Act,
    st.just("CORRECTION"),
    st.dictionaries(st.sampled_from(KEYS), st.sampled_from((*CHANNELS, None)), min_size=1, max_size=3),
    st.sampled_from(("", "", "", "", "stale", "unknown key", "known key")),
)
HISTORIES = st.lists(
    st.one_of(FULL, CORRECTION, CORRECTION, st.just(Act("WITHDRAW")), st.just(Act("NIL"))),
    min_size=1,
    max_size=7,
)


@dataclass(frozen=True)
class Filing:
    """What one act becomes for the obligation as it stands: the file, and the version it would make (None: none)."""

    kind: str
    supersedes: str | None
    rows: list[dict[str, str]]
    version: Version | None
    sound: bool = True


@dataclass
class Life:
    """The life of one obligation as the rules tell it.

    `spans`: since when which version (None: nothing) was in force, in order. `states`: what becomes of each file.
    """

    reporter: str
    sent: list[str] = field(default_factory=list)
    last_accepted: str | None = None
    versions: dict[str, Version] = field(default_factory=dict)
    spans: list[tuple[dt.datetime, Version | None]] = field(default_factory=list)
    states: dict[str, str] = field(default_factory=dict)

    @property
    def standing(self) -> str | None:
        """The version in force."""
        return self.last_accepted if self.last_accepted in self.versions else None

    @property
    def in_force(self) -> Version | None:
        return self.versions[self.standing] if self.standing else None

    def submit(self, desk: Desk, filing: Filing) -> None:
        """File it and say what must become of it."""
        signed = FIRST_SIGNATURE + dt.timedelta(hours=len(self.sent))
        submission = desk.file(
            "F05", filing.rows, reporter=self.reporter, sequence=len(self.sent) + 1, kind=filing.kind,
            supersedes=filing.supersedes, reason_code="更正" if self.sent else None, signed_at=signed.isoformat(),
        )  # fmt: skip
        self.sent.append(submission)
        if not filing.sound or filing.version == self.in_force:
            self.states[submission] = "rejected"
            return
        if self.last_accepted:
            self.states[self.last_accepted] = "withdrawn" if filing.version is None else "superseded"
        self.states[submission], self.last_accepted = "accepted", submission
        if filing.version is not None:
            self.versions[submission] = filing.version
        self.spans.append((signed, filing.version))

    def line(self, key: int, channel: str, action: str = "I", **changes: str) -> dict[str, str]:
        return row("F05", key, reporter_code=self.reporter, org_code=self.reporter, sales_channel=channel,
                   record_action=action, **changes)  # fmt: skip

    def full(self, version: Version, **changes: str) -> list[dict[str, str]]:
        return [self.line(key, channel, **changes) for key, channel in sorted(version.items())]


def prepared(life: Life, act: Act) -> Filing:
    """The file that an insurer makes of an act."""
    previous = life.sent[-1] if life.sent else None
    if act.kind == "FULL":
        version = {key: str(channel) for key, channel in act.content.items()}
        spoilt = {"handle_result": "不知"} if act.fault else {}
        kind = "RESUBMIT" if previous else "ORIGINAL"
        return Filing(kind, previous, life.full(version, **spoilt), version, sound=not act.fault)
    if act.kind == "NIL":
        return Filing("NIL", previous, [], {})
    if act.kind == "WITHDRAW":
        return Filing(
            "WITHDRAW", life.standing or previous or "nobody", [], None, sound=life.standing is not None
        )
    return corrected(life, act)


def corrected(life: Life, act: Act) -> Filing:
    """The delta of a correction, and the version it must make of the one in force."""
    known = dict(life.in_force or {})
    supersedes = life.standing or (life.sent[-1] if life.sent else "nobody")
    sound = life.standing is not None
    rows: dict[int, dict[str, str]] = {}
    for key, channel in act.content.items():
        action = "D" if channel is None else "U" if key in known else "I"
        rows[key] = life.line(key, channel or known.get(key, CHANNELS[0]), action)
        sound = sound and (action != "D" or key in known)
    if act.fault == "stale":
        older = [one for one in life.versions if one != life.standing]
        supersedes, sound = (older[-1] if older else "nobody"), False
    elif act.fault == "unknown key":
        rows[99], sound = life.line(99, CHANNELS[0], "U"), False
    elif act.fault == "known key" and known:
        rows[min(known)], sound = life.line(min(known), CHANNELS[0], "I"), False
    version = {key: value for key, value in {**known, **act.content}.items() if value is not None}
    return Filing("CORRECTION", supersedes, list(rows.values()), version, sound=sound)


def as_full_file(life: Life, filing: Filing) -> Filing:
    """What a correction that must be accepted says, as a full file."""
    if filing.kind != "CORRECTION" or not filing.sound or filing.version in (None, life.in_force):
        return filing
    version = filing.version or {}
    return Filing("RESUBMIT" if version else "NIL", life.sent[-1], life.full(version), version)


def deliver(desk: Desk, shuffler: random.Random) -> None:
    """Let the files arrive in any order, over one to three pulls."""
    parcels = sorted(path for path in desk.inbox.iterdir() if path.suffix != ".json")
    waiting = desk.inbox.with_name("waiting")
    desk.inbox.rename(waiting)
    desk.inbox.mkdir()
    shuffler.shuffle(parcels)
    pulls = shuffler.randint(1, 3)
    for number in range(pulls):
        for path in parcels[number::pulls]:
            for name in (path.name, path.name + ".json"):
                (waiting / name).rename(desk.inbox / name)
        desk.run()


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the institution master is in force."""
    folder = tmp_path_factory.mktemp("registered")
    desk = desk_in(folder)
    desk.register(*((code, "L") for code in (*INSURERS, *TWINS.values())))
    desk.run()
    return folder


@pytest.fixture
def new_desk(registered: Path) -> Iterator[Callable[[], Desk]]:
    """Makes a desk for every example, each with a copy of the registered home."""
    made: list[Path] = []

    def make() -> Desk:
        made.append(Path(tempfile.mkdtemp(dir=registered.parent)))
        shutil.copytree(registered / "home", made[-1] / "home")
        return desk_in(made[-1])

    yield make
    for folder in made:
        shutil.rmtree(folder)


def desk_in(folder: Path) -> Desk:
    return Desk(
        Settings(home=folder / "home", inbox=(folder / "inbox").as_uri(), threads=2, lock_wait_seconds=1)
    )


@settings(max_examples=5)
@given(histories=st.lists(HISTORIES, min_size=2, max_size=len(INSURERS)), seed=st.integers(0, 99))
def test_any_history_ends_as_the_rules_tell(
    new_desk: Callable[[], Desk], histories: list[list[Act]], seed: int
) -> None:
    desk = new_desk()
    lives = {code: Life(code) for pair in TWINS.items() for code in pair}
    for insurer, history in zip(INSURERS, histories, strict=False):
        for act in history:
            filing = prepared(lives[insurer], act)
            twin = as_full_file(lives[TWINS[insurer]], prepared(lives[TWINS[insurer]], act))
            lives[insurer].submit(desk, filing)
            lives[TWINS[insurer]].submit(desk, twin)
    deliver(desk, random.Random(seed))
    found = desk.ask("SELECT submission_id, state, in_force FROM filing.submissions WHERE form = 'F05'")
    rows = desk.ask("SELECT * FROM filed.f05")
    for life in lives.values():
        states_are_told(life, found)
        nothing_is_lost(life, rows)
    for insurer, twin_code in TWINS.items():
        assert inputs(rows, insurer) == inputs(rows, twin_code)


def states_are_told(life: Life, found: list[dict[str, Any]]) -> None:
    mine = [line for line in found if line["submission_id"] in life.states]
    assert {line["submission_id"]: line["state"] for line in mine} == life.states
    in_force = [line["submission_id"] for line in mine if line["in_force"]]
    assert in_force == ([life.standing] if life.standing else [])


def nothing_is_lost(life: Life, rows: list[dict[str, Any]]) -> None:
    """Every version keeps its rows, and any moment shows the version that was in force at it."""
    mine = [line for line in rows if line["filing_reporter"] == life.reporter]
    for submission, version in life.versions.items():
        assert content(line for line in mine if line["submission_id"] == submission) == sorted(
            version.items()
        )
    before = FIRST_SIGNATURE - dt.timedelta(hours=1)
    for since, version in [(before, None), *life.spans]:
        for moment in (since, since + dt.timedelta(minutes=30)):
            seen = [
                line
                for line in mine
                if line["sys_from"] <= moment and (line["sys_to"] is None or moment < line["sys_to"])
            ]
            assert content(seen) == sorted((version or {}).items())


def content(rows: Any) -> list[tuple[int, str]]:
    return sorted((int(line["problem_id"].removeprefix("F05-")), line["sales_channel"]) for line in rows)


def inputs(rows: list[dict[str, Any]], reporter: str) -> list[list[tuple[str, Any]]]:
    """What the models read of a reporter, without what names the insurer, the file and the act."""
    named = {"submission_id", "submission_no", "row_no", "reporter_code", "org_code", "filing_reporter",
             "record_action", "updated_at"}  # fmt: skip
    mine = [line for line in rows if line["filing_reporter"] == reporter]
    mine.sort(key=lambda line: (line["sys_from"], line["problem_id"]))
    return [[item for item in line.items() if item[0] not in named] for line in mine]
