"""The institutions of the sample bureau: insurers, their branches, how large they are, and what becomes of
them.

Put here: who exists, from when to when, under which code and name, and the lasting traits of an insurer
(class, size, peer group, when it set up a first-inquiry ledger). Do not put here: what they sell (market) or
file (filings).

All names are invented; the places are districts and counties under region code 4309. One property insurer
merges into another of its class, one life insurer opens during the first year, and one branch is renamed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import polars as pl

from pipelines.contracts.periods import Period
from pipelines.samples.days import WorkingDays, as_date, day_number
from pipelines.samples.randomness import Floats, Ints, stream

SUPERVISOR = -1
"""Reporter index of the supervisor, who files R01 and R03."""

CLASSES = ("P", "L", "H", "A", "M")
INSURER_TYPES = {"P": "property", "L": "life", "H": "health", "A": "pension", "M": "mutual"}
LEDGER_SHARES = (13 / 41, 0.78)
"""Share of insurers with a first-inquiry ledger in the first and in the last quarter (13 of 41: seed 000)."""

_CLASS_SHARES = {"P": 20, "L": 15, "H": 3, "A": 2, "M": 1}
_PREMIUM_SHARES = {"P": 0.36, "L": 0.53, "H": 0.05, "A": 0.05, "M": 0.01}
_COMPLAINT_SHARES = {"P": 0.44, "L": 0.47, "H": 0.05, "A": 0.025, "M": 0.015}
_SIZE_FALL = 1.12
_WORDS = {
    "P": ("财产保险股份有限公司", "财险"),
    "L": ("人寿保险股份有限公司", "人寿"),
    "H": ("健康保险股份有限公司", "健康"),
    "A": ("养老保险股份有限公司", "养老"),
    "M": ("相互保险社", "互助"),
}
_FIRST_CHARS = "砚澄栖岚漱芷桐霁枕沐槐棠汀苇萤墨柏蒹皓听问抱"
_SECOND_CHARS = "溪禾樾石兰川野序梨洲杭池舟月澜渠朴岫"
_CITY = ("430900", "益阳")
_COUNTIES = (
    ("430902", "资阳"),
    ("430903", "赫山"),
    ("430921", "南县"),
    ("430922", "桃江"),
    ("430923", "安化"),
    ("430981", "沅江"),
)
_FIRST_COMPANY = 201
_MAX_BRANCHES = 4
_SIZE_NAMES = ("large", "medium", "small")
MIN_INSURERS = 6
MAX_INSURERS = len(_FIRST_CHARS) * len(_SECOND_CHARS)


@dataclass(frozen=True, slots=True)
class Insurer:
    """One insurer, represented by the city branch that signs its files.

    Attributes:
        index: position in the registry; frames refer to it.
        company: three-digit number used in ids and codes.
        code: org_code of the city branch, which is the reporter.
        legal_code: code of the legal person.
        name: full name of the city branch.
        alias: short name used in bulletins.
        insurer_class: P, L, H, A or M.
        peer_group: group of comparable insurers.
        premium_share: share of the market's premium when everyone is active.
        complaint_share: share of its complaints.
        opened_on: first day of business.
        closed_on: day of closure, or None.
        successor: index of the insurer it merged into, or None.
        last_day: day number of the last day whose facts it files itself; None while it is open.
        internet_only: sells through the internet and nothing else.
        ledger_from: index of the quarter in which it set up a first-inquiry ledger (beyond the last: never).
        rules_from: the same for its own first-inquiry rules.
        size_rank: place by premium among all insurers, from 0.
    """

    index: int
    company: int
    code: str
    legal_code: str
    name: str
    alias: str
    insurer_class: str
    peer_group: str
    premium_share: float
    complaint_share: float
    opened_on: date
    closed_on: date | None = None
    successor: int | None = None
    last_day: int | None = None
    internet_only: bool = False
    ledger_from: int = 0
    rules_from: int = 0
    size_rank: int = 0

    def owes(self, period: Period) -> bool:
        """True if it was open in the period and not closed by its end."""
        return self.opened_on <= period.end and (self.closed_on is None or self.closed_on > period.end)


@dataclass(frozen=True, slots=True)
class Branch:
    """An office facts happen in: the city branch itself or a county branch below it."""

    insurer: int
    code: str
    region: str
    name: str
    share: float


@dataclass(frozen=True, slots=True)
class Regrouped:
    """An insurer that grows out of its peer group: it stands in its own from a month on, in an earlier one before."""

    insurer: int
    month: int
    day: date
    earlier_group: str


@dataclass(frozen=True, slots=True)
class Registry:
    """All institutions of one bureau.

    Attributes:
        insurers: by index.
        branches: all offices; the first of each insurer is the city branch. Frames refer to positions here.
        opening_month: index of the month in which an insurer opens, or None.
        merger_month: index of the first month whose facts the successor files, or None.
        renamed_branch: position of the county branch that changes its name, and the day.
        regrouped: who moves into another peer group, if anybody does.
    """

    insurers: tuple[Insurer, ...]
    branches: tuple[Branch, ...]
    opening_month: int | None
    merger_month: int | None
    renamed_branch: tuple[int, date]
    regrouped: Regrouped | None = None

    @property
    def branch_insurer(self) -> Ints:
        """Index of the insurer of each branch."""
        return np.asarray([branch.insurer for branch in self.branches], dtype=np.int64)

    @property
    def branch_share(self) -> Floats:
        """Share of the insurer's business that a branch does."""
        return np.asarray([branch.share for branch in self.branches])

    @property
    def opened_days(self) -> Ints:
        """Day number of each insurer's opening."""
        return np.asarray([day_number(insurer.opened_on) for insurer in self.insurers], dtype=np.int64)

    @property
    def companies(self) -> Ints:
        """Company number of each insurer."""
        return np.asarray([insurer.company for insurer in self.insurers], dtype=np.int64)

    def owing(self, period: Period, classes: tuple[str, ...]) -> list[Insurer]:
        """Insurers of the classes that owe a filing for the period."""
        return [one for one in self.insurers if one.insurer_class in classes and one.owes(period)]

    def merged(self) -> Insurer | None:
        """The insurer that merges into another, if any."""
        return next((one for one in self.insurers if one.successor is not None), None)

    def newcomer(self) -> Insurer | None:
        """The insurer that opens during the period covered, if any."""
        return self.insurers[-1] if self.opening_month is not None else None

    def frame(self) -> pl.DataFrame:
        """Per insurer: reporter (index), org_code, insurer_class, insurer_type, peer_group, successor; of one that
        changes its peer group, regrouped_in (index of the month from which peer_group holds) and earlier_group.
        """
        moved = self.regrouped
        return pl.DataFrame(
            {
                "reporter": pl.Series([one.index for one in self.insurers], dtype=pl.Int64),
                "org_code": [one.code for one in self.insurers],
                "insurer_class": [one.insurer_class for one in self.insurers],
                "insurer_type": [INSURER_TYPES[one.insurer_class] for one in self.insurers],
                "peer_group": [one.peer_group for one in self.insurers],
                "successor": pl.Series([one.successor for one in self.insurers], dtype=pl.Int64),
                "regrouped_in": pl.Series(
                    [moved.month if moved and one.index == moved.insurer else None for one in self.insurers],
                    dtype=pl.Int64,
                ),
                "earlier_group": pl.Series(
                    [
                        moved.earlier_group if moved and one.index == moved.insurer else None
                        for one in self.insurers
                    ],
                    dtype=pl.String,
                ),
            }
        )


def build(
    seed: int, insurers: int, months: tuple[Period, ...], days: WorkingDays, rows_f06: float
) -> Registry:
    """The institutions of a bureau.

    Args:
        seed: of the whole bureau.
        insurers: how many, newcomer and merged one included.
        months: the months covered.
        days: working-day arithmetic; openings and mergers fall on working days.
        rows_f06: F06 rows a month; large markets need more branches to hold them.

    Raises:
        ValueError: fewer insurers than the stories need, or more than there are names.
    """
    if not MIN_INSURERS <= insurers <= MAX_INSURERS:
        raise ValueError(f"insurers is {insurers}; needed: {MIN_INSURERS} to {MAX_INSURERS}")
    rng = stream(seed, "registry")
    opening = _story_month(len(months), preferred=6, share=1 / 3, least=1)
    merger = _story_month(len(months), preferred=12, share=2 / 3, least=2)
    drafts = _drafts(rng, insurers)
    drafts = _with_stories(drafts, months, days, opening, merger)
    drafts = _with_size_ranks(_with_peer_groups(drafts))
    drafts = _with_governance(rng, drafts, len({_quarter(month) for month in months}))
    branches = _branches(rng, drafts, rows_f06)
    renamed = next(
        position
        for position, branch in enumerate(branches)
        if branch.insurer != 0 and branch.code != drafts[branch.insurer].code
    )
    rename_day = months[min(3, len(months) - 1)].start
    return Registry(
        insurers=tuple(drafts),
        branches=tuple(branches),
        opening_month=opening,
        merger_month=merger,
        renamed_branch=(renamed, rename_day),
        regrouped=_regrouped(drafts, months, opening),
    )


def _regrouped(drafts: list[Insurer], months: tuple[Period, ...], opening: int | None) -> Regrouped | None:
    """The first middle-sized insurer without another story was a small one until the newcomer's month.

    The change comes with the institution master that the newcomer calls for.
    """
    busy = {one.index for one in drafts if one.successor is not None}
    busy |= {one.successor for one in drafts if one.successor is not None}
    for one in drafts[1:-1]:
        if opening is not None and one.peer_group.endswith("-medium") and one.index not in busy:
            earlier = one.peer_group.replace("-medium", "-small")
            return Regrouped(one.index, opening, months[opening].start, earlier)
    return None


def _story_month(months: int, preferred: int, share: float, least: int) -> int | None:
    """Index of a story's month: the preferred one, an earlier one in a short history, else None."""
    if months > preferred + 2:
        return preferred
    return max(least, int(months * share)) if months > least else None


def _quarter(month: Period) -> str:
    return month.within("quarter").label


def quarter_index(months: tuple[Period, ...], month: Period) -> int:
    """Index of a month's quarter among the quarters that the months touch."""
    quarters = list(dict.fromkeys(_quarter(each) for each in months))
    return quarters.index(_quarter(month))


def _drafts(rng: np.random.Generator, insurers: int) -> list[Insurer]:
    counts = _class_counts(insurers)
    drafts: list[Insurer] = []
    # The newcomer is a life insurer and stands last, so the order of classes puts life at the end.
    for insurer_class in ("P", "H", "A", "M", "L"):
        count = counts[insurer_class]
        sizes = 1.0 / np.arange(1, count + 1) ** _SIZE_FALL * rng.uniform(0.85, 1.15, count)
        sizes = np.sort(sizes)[::-1] / sizes.sum()
        tilt = rng.uniform(0.85, 1.2, count)
        complaints = sizes * tilt / (sizes * tilt).sum()
        for size, share in zip(sizes, complaints, strict=True):
            index = len(drafts)
            company = _FIRST_COMPANY + index
            brand = _brand(index)
            long_word, short_word = _WORDS[insurer_class]
            drafts.append(
                Insurer(
                    index=index,
                    company=company,
                    code=_code(company, 0),
                    legal_code=f"000{company:03d}00000000",
                    name=f"{brand}{long_word}{_CITY[1]}中心支公司",
                    alias=f"{brand}{short_word}",
                    insurer_class=insurer_class,
                    peer_group="",
                    premium_share=float(size) * _PREMIUM_SHARES[insurer_class],
                    complaint_share=float(share) * _COMPLAINT_SHARES[insurer_class],
                    opened_on=date(
                        int(rng.integers(1996, 2015)), int(rng.integers(1, 13)), int(rng.integers(1, 28))
                    ),
                )
            )
    return drafts


def _class_counts(insurers: int) -> dict[str, int]:
    total = sum(_CLASS_SHARES.values())
    exact = {name: insurers * share / total for name, share in _CLASS_SHARES.items()}
    # Two property insurers merge and one of two life insurers opens late; the other classes need one each, if
    # they fit.
    floors = {"P": 2, "L": 2, "H": 1, "A": 1, "M": int(insurers > MIN_INSURERS)}
    counts = {name: max(floors[name], int(share)) for name, share in exact.items()}
    while sum(counts.values()) < insurers:
        name = max(exact, key=lambda one: exact[one] - counts[one])
        counts[name] += 1
    while sum(counts.values()) > insurers:
        name = max(
            (one for one in counts if counts[one] > floors[one]), key=lambda one: counts[one] - exact[one]
        )
        counts[name] -= 1
    return counts


def _brand(index: int) -> str:
    row, column = divmod(index, len(_FIRST_CHARS))
    return _FIRST_CHARS[column] + _SECOND_CHARS[(index + row) % len(_SECOND_CHARS)]


def _code(company: int, branch: int) -> str:
    return f"000{company:03d}4309{branch:04d}"


def _with_stories(
    drafts: list[Insurer],
    months: tuple[Period, ...],
    days: WorkingDays,
    opening: int | None,
    merger: int | None,
) -> list[Insurer]:
    changed = list(drafts)
    if opening is not None:
        start = day_number(months[opening].start) + 7
        opened = int(days.forward(np.asarray([start]))[0])
        changed[-1] = replace(drafts[-1], opened_on=as_date(opened))
    if merger is not None:
        property_insurers = [one for one in drafts if one.insurer_class == "P"]
        gone = property_insurers[-1]
        heir = property_insurers[len(property_insurers) // 2 - 1]
        # After the last filing it makes itself (due on the 10th) and before the first one of its successor.
        closing = int(days.forward(np.asarray([day_number(months[merger].start) + 14]))[0])
        changed[gone.index] = replace(
            gone,
            closed_on=as_date(closing),
            successor=heir.index,
            last_day=day_number(months[merger].start) - 1,
        )
    return changed


def _with_peer_groups(drafts: list[Insurer]) -> list[Insurer]:
    changed: list[Insurer] = []
    for one in drafts:
        same = [other for other in drafts if other.insurer_class == one.insurer_class]
        rank = same.index(one)
        # The internet insurer has a low average premium, which would break a per-premium rate of its size
        # group.
        internet = one.insurer_class == "P" and len(same) > len(_SIZE_NAMES) and rank == len(same) - 2
        if internet:
            group = "internet"
        elif one.insurer_class == "M":
            group = "mutual"
        elif one.insurer_class in ("H", "A"):
            group = INSURER_TYPES[one.insurer_class]
        else:
            third = rank * len(_SIZE_NAMES) // len(same)
            group = f"{one.insurer_class}-{_SIZE_NAMES[third]}"
        changed.append(replace(one, peer_group=group, internet_only=internet))
    return changed


def _with_size_ranks(drafts: list[Insurer]) -> list[Insurer]:
    by_size = sorted(drafts, key=lambda one: (-one.premium_share, one.index))
    ranks = {one.index: rank for rank, one in enumerate(by_size)}
    return [replace(one, size_rank=ranks[one.index]) for one in drafts]


def _with_governance(rng: np.random.Generator, drafts: list[Insurer], quarters: int) -> list[Insurer]:
    """Ledgers and rules spread from large insurers to small ones, quarter by quarter, and never vanish."""
    first, last = LEDGER_SHARES
    shares = np.linspace(first, last, quarters)
    changed = list(drafts)
    for field, noise in (("ledger_from", 0.5), ("rules_from", 0.9)):
        size = np.asarray([one.premium_share for one in drafts])
        order = np.argsort(-(np.log(size) + rng.normal(0, noise, len(drafts))), kind="stable")
        for position, index in enumerate(order):
            reached = np.flatnonzero(shares * len(drafts) > position)
            quarter = int(reached[0]) if reached.size else quarters
            changed[index] = replace(changed[index], **{field: quarter})
    return changed


def _branches(rng: np.random.Generator, insurers: list[Insurer], rows_f06: float) -> list[Branch]:
    """One to four county branches each; more only where the market needs them to hold its cells."""
    needed = int(np.ceil(rows_f06 / len(insurers) / 60))
    branches: list[Branch] = []
    for one in insurers:
        count = int(rng.integers(1, _MAX_BRANCHES + 1))
        count = max(count, needed)
        shares = rng.dirichlet(np.full(count + 1, 4.0))
        shares = np.sort(shares)[::-1]
        branches.append(Branch(one.index, one.code, _CITY[0], one.name, float(shares[0])))
        start = int(rng.integers(0, len(_COUNTIES)))
        for number in range(1, count + 1):
            region, place = _COUNTIES[(start + number) % len(_COUNTIES)]
            suffix = "支公司" if number <= len(_COUNTIES) else f"第{number}营业部"
            branches.append(
                Branch(
                    one.index,
                    _code(one.company, number),
                    region,
                    f"{one.alias}{place}{suffix}",
                    float(shares[number]),
                )
            )
    return branches


DEFUNCT_BRANCHES = 2
"""Old offices without business, kept in the master for the record; defects of R03 are planted on them."""


def master(registry: Registry, known_on: date) -> pl.DataFrame:
    """The institution master (R03) as the supervisor knows it on a day.

    Returns:
        One row per institution and validity interval with the R03 columns of its own (texts and dates); the
        common header is added by the filing. ``valid_to`` is the first day no longer valid.
    """
    rows: list[dict[str, object]] = []
    renamed, rename_day = registry.renamed_branch
    for position, branch in enumerate(registry.branches):
        insurer = registry.insurers[branch.insurer]
        if insurer.opened_on > known_on:
            continue
        is_city = branch.code == insurer.code
        closed = (
            insurer.closed_on if insurer.closed_on is not None and insurer.closed_on <= known_on else None
        )
        heir = registry.insurers[insurer.successor].code if closed and insurer.successor is not None else None
        row: dict[str, object] = {
            "org_code": branch.code,
            "region_code": branch.region,
            "parent_code": None if is_city else insurer.code,
            "legal_code": insurer.legal_code,
            "name": branch.name,
            "alias": insurer.alias if is_city else None,
            "insurer_class": insurer.insurer_class,
            "peer_group": insurer.peer_group,
            "opened_on": insurer.opened_on,
            "closed_on": closed,
            "successor_code": heir,
            "valid_from": insurer.opened_on,
            "valid_to": None,
        }
        moved = (
            registry.regrouped if registry.regrouped and registry.regrouped.insurer == insurer.index else None
        )
        if moved and moved.day > known_on:
            row["peer_group"] = moved.earlier_group
        elif moved and is_city:
            rows.append({**row, "peer_group": moved.earlier_group, "valid_to": moved.day})
            row["valid_from"] = moved.day
        if position == renamed and rename_day <= known_on:
            rows.append({**row, "valid_to": rename_day})
            rows.append(
                {**row, "name": branch.name.replace("支公司", "新区支公司"), "valid_from": rename_day}
            )
        else:
            rows.append(row)
    rows.extend(_defunct(registry))
    return pl.DataFrame(rows, schema=MASTER_SCHEMA, orient="row").sort("org_code", "valid_from")


def _defunct(registry: Registry) -> list[dict[str, object]]:
    """Offices closed long before the period covered, the first with two intervals that follow each other."""
    insurer = registry.insurers[0]
    count = sum(branch.insurer == 0 for branch in registry.branches)
    rows: list[dict[str, object]] = []
    for number in range(DEFUNCT_BRANCHES):
        start, end = date(2001 + number, 3, 1), date(2012 + number, 6, 30)
        base: dict[str, object] = {
            "org_code": _code(insurer.company, count + 900 + number),
            "region_code": _COUNTIES[number][0],
            "parent_code": insurer.code,
            "legal_code": insurer.legal_code,
            "name": f"{insurer.alias}{_COUNTIES[number][1]}老城营业部",
            "alias": None,
            "insurer_class": insurer.insurer_class,
            "peer_group": insurer.peer_group,
            "opened_on": start,
            "closed_on": end,
            "successor_code": insurer.code,
            "valid_from": start,
            "valid_to": end,
        }
        if number == 0:
            middle = start + timedelta(days=1500)
            rows.extend(({**base, "valid_to": middle}, {**base, "valid_from": middle}))
        else:
            rows.append(base)
    return rows


MASTER_SCHEMA: dict[str, pl.DataType] = {
    "org_code": pl.String(),
    "region_code": pl.String(),
    "parent_code": pl.String(),
    "legal_code": pl.String(),
    "name": pl.String(),
    "alias": pl.String(),
    "insurer_class": pl.String(),
    "peer_group": pl.String(),
    "opened_on": pl.Date(),
    "closed_on": pl.Date(),
    "successor_code": pl.String(),
    "valid_from": pl.Date(),
    "valid_to": pl.Date(),
}
