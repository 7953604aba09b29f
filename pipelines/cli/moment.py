"""Which of the two times is asked: the release in force, an earlier one, or everything as known at a moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import typer

from pipelines.cli.errors import OperatorError
from pipelines.cli.output import shown, stderr_console
from pipelines.cli.release import ReleaseReader, open_release
from pipelines.settings import TIMEZONE, Settings, load_settings

AS_OF_HELP = "当时已知 as known at: 2025-07-01 (to the end of that day) or 2025-07-01T09:30, bureau's clock."
RELEASE_HELP = "按已发布 as published in a release: v3, or current."


@dataclass(frozen=True, slots=True)
class Stand:
    """What an answer speaks of, for its title and for programs.

    Attributes:
        reader: where to ask.
        release_id: the release, None for a moment.
        as_of: knowledge time of the data.
        ruleset: version of the contracts that judged them.
    """

    reader: ReleaseReader
    release_id: str | None
    as_of: datetime | None
    ruleset: str | None

    @property
    def title(self) -> str:
        """One line in both languages."""
        known = f"数据截止 as of {shown(self.as_of)}" if self.as_of else "no as-of moment"
        rules = f", ruleset {self.ruleset}" if self.ruleset else ""
        if self.release_id:
            return f"release {self.release_id}, {known}{rules}"
        return f"当时已知 as known at {self.as_of:%Y-%m-%d %H:%M:%S}{rules}"


def parse_moment(text: str) -> datetime:
    """A date is meant to its end: what was signed that day was known that day.

    Raises:
        typer.BadParameter: neither a date nor a moment.
    """
    try:
        if len(text) == len("2025-07-01"):
            return datetime.combine(date.fromisoformat(text), time(23, 59, 59, 999999))
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no date (2025-07-01) and no moment (2025-07-01T09:30)", param_hint="--as-of"
        ) from None
    if moment.tzinfo is not None:
        return moment.astimezone(ZoneInfo(TIMEZONE)).replace(tzinfo=None)
    return moment


@contextmanager
def open_stand(as_of: str | None, release: str | None, settings: Settings | None = None) -> Iterator[Stand]:
    """Open what is asked for: a moment, a release, or the release in force.

    Raises:
        typer.BadParameter: both, or an unreadable moment.
        OperatorError: there is no such release.
    """
    settings = settings or load_settings()
    if as_of is not None and release is not None:
        raise typer.BadParameter(
            f"a release is frozen: it says what was known at its own moment. Ask --as-published {release} alone for "
            f"what was printed, or --as-of {as_of} alone for what was known then",
            param_hint="--as-of / --as-published",
        )
    if as_of is not None:
        with _open_moment(settings, parse_moment(as_of)) as stand:
            yield stand
        return
    with open_release(settings, name=None if release in (None, "current") else release) as reader:
        facts = reader.rows("SELECT * FROM release.release") if reader.holds("release.release") else [{}]
        found = facts[0].get("as_of")
        yield Stand(
            reader,
            reader.name,
            found if isinstance(found, datetime) else None,
            str(facts[0]["ruleset_version"]) if facts[0].get("ruleset_version") else None,
        )


@contextmanager
def _open_moment(settings: Settings, moment: datetime) -> Iterator[Stand]:
    from pipelines.orchestration.moments import as_known_at

    console = stderr_console()
    with console.status("查询 asking ...") as status:
        found = as_known_at(settings, moment, status.update)
    if found.remark:
        console.print(f"[yellow]{found.remark}[/]")
    con = found.open()
    try:
        reader = ReleaseReader(con, found.folder)
        [facts] = reader.rows("SELECT max(stamp) AS stamp FROM reference.prepared")
        yield Stand(reader, None, moment, str(facts["stamp"]).split("/", 1)[0])
    finally:
        con.close()


def require_basis(reader: ReleaseReader, basis: str, kpi_ids: list[str], stand: Stand) -> None:
    """Refuse a basis that the KPIs asked for do not have, and tell which do.

    Raises:
        OperatorError: none of them is a growth rate, or nothing had been published to compare with.
    """
    if basis == "current":
        return
    growth = [str(row["kpi_id"]) for row in reader.rows(
        "SELECT kpi_id FROM kpi.kpi_catalogue WHERE kind = 'growth' ORDER BY 1")]  # fmt: skip
    asked = [
        code for code in growth if not kpi_ids or any(code == k or code.startswith(f"{k}-") for k in kpi_ids)
    ]
    if not asked:
        raise OperatorError(
            f"{', '.join(kpi_ids)} is no growth rate, so it has no basis {basis!r}: only a comparison does "
            f"({', '.join(growth)}). What a release printed for it is `--as-published vN`."
        )
    if basis == "published" and not reader.rows(
        "SELECT 1 FROM kpi.kpi_values WHERE basis = 'published' LIMIT 1"
    ):
        raise OperatorError(
            f"{stand.title}: nothing had been published before it, so no growth stands on a published base. Ask "
            "--basis current or comparable, or a later release."
        )
