"""What `waiver`, `explanation` and `appeal` share: options of an entry, the register it goes to, what is said of it.

An entry is a filing of the register's form, signed by three persons; it takes effect with the next run.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from pipelines.cli.errors import OperatorError
from pipelines.cli.output import Column, OutputFormat, Table, emit, stderr_console
from pipelines.cli.release import ReleaseReader, open_release

if TYPE_CHECKING:
    from pipelines.contracts.model import Form
    from pipelines.filing.registers import Entered, Version
    from pipelines.settings import Settings

InsurerOption = Annotated[str, typer.Option("--insurer", help="报送机构编码 code of the reporting insurer.")]
TargetFormOption = Annotated[str, typer.Option("--form", help="目标报表 code of the form, F01.")]
TargetPeriodOption = Annotated[
    str, typer.Option("--period", help="起始报告期 first period, 2025-03 or 2025Q1; it holds for three.")
]
PreparedOption = Annotated[str, typer.Option(help="填报人 who enters it.")]
ReviewedOption = Annotated[str, typer.Option(help="复核人 who reviews it, another person.")]
ApprovedOption = Annotated[str, typer.Option(help="批准人 who approves it, a third person.")]
RegionOption = Annotated[
    str | None, typer.Option(help="行政区划代码 region; unset: the insurer's, as the release has it.")
]
SignedOption = Annotated[
    datetime | None,
    typer.Option(
        "--signed-at",
        help="签发时间 signature, bureau's clock; unset: XIAOBAO_AS_OF, else now. A run's moment is the latest "
        "signature unless XIAOBAO_AS_OF says otherwise.",
    ),
]


def signature(settings: Settings, given: datetime | None) -> datetime:
    """The moment an entry is signed."""
    from pipelines.settings import TIMEZONE

    moment = given or settings.as_of or datetime.now(tz=ZoneInfo(TIMEZONE))
    return moment.replace(tzinfo=None, microsecond=0)


def register_form(code: str) -> Form:
    """Contract of a register."""
    from pipelines.contracts.loader import load_catalogue

    return load_catalogue().forms[code]


def supervisor_code() -> str:
    """Reporter code of the supervisor's own registers."""
    from pipelines.contracts.loader import load_catalogue

    return load_catalogue().supervisor_code


def header(
    settings: Settings,
    *,
    reporter: str,
    org: str,
    region: str | None,
    period: str,
    signed_at: datetime,
    action: str = "I",
) -> dict[str, str]:
    """The common header of an entry's row.

    Raises:
        OperatorError: no region was given and the release does not know the institution.
    """
    return {
        "reporter_code": reporter,
        "org_code": org,
        "region_code": region or _region(settings, org),
        "period": period,
        "record_action": action,
        "updated_at": f"{signed_at:%Y-%m-%d %H:%M:%S}",
    }


def released_versions(settings: Settings, form: str, period: str, reporter: str) -> list[Version]:
    """Filings of one register that the release knows; none before the first release."""
    from pipelines.filing.registers import Version

    if not settings.current_release.exists():
        return []
    with open_release(settings) as release:
        rows = release.rows(
            "SELECT submission_id, sequence_no, in_force OR state = 'received' AS stands FROM filing.submissions "
            "WHERE form = ? AND period = ? AND reporter_code = ? AND sequence_no IS NOT NULL",
            [form, period, reporter],
        )
    return [
        Version(str(row["submission_id"]), int(str(row["sequence_no"])), bool(row["stands"])) for row in rows
    ]


def tell(entered: Entered, output: OutputFormat) -> None:
    """What an entry became, and what comes next."""
    row: dict[str, object] = {
        "entry_id": entered.entry_id,
        "submission_id": entered.submission_id,
        "kind": entered.kind,
        "path": str(entered.path),
    }
    columns = [
        Column("entry_id", "编号 id"),
        Column("submission_id", "报送编号 submission"),
        Column("kind", "报送类型 kind"),
        Column("path", "位置 place"),
    ]
    emit(Table("已登记 Entered", columns, [row]), output)
    stderr_console().print(
        f"自查 `xiaobao check {entered.path.parent}` tells at once what its contract says. 下次运行时生效 It takes "
        f"effect with the next `xiaobao run`; then `xiaobao receipt {entered.submission_id}` tells what became of it.",
        soft_wrap=True,
    )


def waiting_note(settings: Settings, release: ReleaseReader, form: Form) -> str | None:
    """How many entries the next run will take in."""
    from pipelines.filing.registers import waiting

    known = {
        str(row["submission_id"]) for row in release.rows("SELECT submission_id FROM filing.submissions")
    }
    count = sum(entry.version.submission_id not in known for entry in waiting(settings.registers_dir, form))
    return f"另有 {count} 份登记待下次运行 {count} more wait for the next run" if count else None


def _region(settings: Settings, org: str) -> str:
    if settings.current_release.exists():
        with open_release(settings) as release:
            found = release.rows(
                "SELECT region_code FROM registry.institutions WHERE org_code = ? ORDER BY valid_from DESC LIMIT 1",
                [org],
            )
        if found:
            return str(found[0]["region_code"])
        where = f"release {release.name} knows no institution {org}"
    else:
        where = "there is no release yet that knows the institutions"
    raise OperatorError(
        f"{where}, so its region is not known. Check --insurer, or give the region with --region 430900."
    )
