"""Settings of one run: where things lie, how much a run may take, which clock it uses.

Put here: every value an operator may set from the environment (prefix ``XIAOBAO_``), the folders derived from
it, and the place of the project's own inputs. Do not put here: thresholds and rules of a report form (they
are its contract's), definitions of KPIs (they are the catalogue's), anything secret (a secret must never be
printable by ``xiaobao config``).

This is the lowest room: it imports nothing of the package.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from urllib.request import url2pathname
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

ENV_PREFIX = "XIAOBAO_"

PERSON_KEY_VARIABLE = f"{ENV_PREFIX}PERSON_KEY"
"""Secret of the keyed hash of persons. No setting: `xiaobao config` must not be able to print it
(:mod:`pipelines.intake.persons` reads it).
"""

TIMEZONE = "Asia/Shanghai"
"""Deadlines, signatures and schedules are local time of the bureau; timestamps are stored without a zone."""

SECRETS = (PERSON_KEY_VARIABLE, "XIAOBAO_SMTP_USER", "XIAOBAO_SMTP_PASSWORD", "XIAOBAO_WEBHOOK_TOKEN")
"""Read from the environment where they are used, and by nothing else: they are no settings and never printed."""

_CHANNELS = ("directory", "email", "webhook")

_PACKAGE = Path(__file__).resolve().parent
_MiB = 1024 * 1024
#: Batches of files that would fill the memory limit as they lie on disk.
_BATCHES = 16
_INPUTS = ("expectations", "dbt_project", "data")


class SettingsError(Exception):
    """The environment holds a value that cannot be used; the message says which, why, and what would do."""


def project_root() -> Path:
    """Folder that holds ``expectations/``, ``dbt_project/`` and ``data/``.

    In a checkout (also an editable install) it is the repository's root; in an installed wheel it is
    ``pipelines/_project``, where the build put copies.

    ``XIAOBAO_PROJECT`` names another folder with the same three, for a bureau that keeps forms and models of its
    own beside those of the project.

    Raises:
        SettingsError: no place holds them (a broken installation, or a wrong ``XIAOBAO_PROJECT``).
    """
    chosen = os.environ.get(f"{ENV_PREFIX}PROJECT")
    if chosen:
        folder = Path(os.path.abspath(Path(chosen).expanduser()))  # noqa: PTH100 (links are set on purpose)
        missing = [name for name in _INPUTS if not (folder / name).is_dir()]
        if missing:
            raise SettingsError(
                f"{ENV_PREFIX}PROJECT is {folder}, which has no {', '.join(f'{name}/' for name in missing)}. Copy "
                f"the project's {', '.join(_INPUTS)} there, or unset the variable to use the project's own."
            )
        return folder
    packaged = _PACKAGE / "_project"
    for candidate in (packaged, _PACKAGE.parent):
        if (candidate / "expectations").is_dir():
            return candidate
    raise SettingsError(
        f"the report contracts were not found: no expectations/ in {packaged} or {_PACKAGE.parent}. "
        "Reinstall the package, or run from a complete checkout."
    )


def _default_home() -> Path:
    """``var/`` of the checkout; of an installed package, the user's data folder."""
    if (_PACKAGE.parent / "pyproject.toml").is_file():
        return _PACKAGE.parent / "var"
    data_home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data_home) / "xiaobao"


def _default_inbox(values: dict[str, Any]) -> str:
    home: Path | None = values.get("home")
    return (home / "inbox").as_uri() if home is not None else ""


def _default_outbox(values: dict[str, Any]) -> str:
    home: Path | None = values.get("home")
    return (home / "outbox").as_uri() if home is not None else ""


class Settings(BaseSettings):
    """Every setting with its meaning; units stand in the description. Values are frozen once read."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="forbid")

    home: Path = Field(
        default_factory=_default_home,
        description="Folder of all a run writes: archive, build database, releases, receipts, run records.",
    )
    project: Path = Field(
        default_factory=project_root,
        description="Folder of contracts, dbt models and committed inputs; set it to add forms of your own.",
    )
    inbox: str = Field(
        default_factory=_default_inbox,
        description="Where insurers' files are pulled from: a folder, or a URL that fsspec can open.",
    )
    outbox: str = Field(
        default_factory=_default_outbox,
        description="Where insurers find their receipts: a folder, or a URL that fsspec can write.",
    )
    as_of: datetime | None = Field(
        default=None,
        description="Knowledge time of the run, bureau's clock; unset: the latest signature received.",
    )
    first_month: str = Field(
        default="2024-01",
        pattern=r"^20\d{2}-(0[1-9]|1[0-2])$",
        description="First reporting month that has a Dagster partition, YYYY-MM.",
    )
    memory_limit: str = Field(
        default="1536MiB",
        pattern=r"^\d+(\.\d+)?\s?(KiB|MiB|GiB|TiB|KB|MB|GB|TB)$",
        description="Memory DuckDB may use before it spills to disk.",
    )
    threads: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        description="Threads of DuckDB and of the readers.",
    )
    max_file_bytes: int = Field(
        default=512 * _MiB,
        ge=1,
        description="Largest file that is read, bytes; a larger one is rejected unread.",
    )
    max_unzipped_bytes: int = Field(
        default=1024 * _MiB, ge=1, description="Largest unzipped size of a workbook, bytes (zip bombs)."
    )
    max_cells: int = Field(
        default=5_000_000, ge=1, description="Most filled cells of a workbook, all its sheets together."
    )
    read_seconds: float = Field(
        default=120.0, gt=0, description="Longest time to read one file, seconds; then it is rejected."
    )
    lock_wait_seconds: float = Field(
        default=60.0,
        ge=0,
        description="How long a run waits for another one to let go of the build database, seconds.",
    )
    small_base: int = Field(
        default=30,
        ge=1,
        description="Count below which a rate carries SMALL_BASE and has no rank (edge policy E3).",
    )
    recipients: Path | None = Field(
        default=None,
        description="CSV of reporter_code, channel, address, officer_address; unset: everybody has the outbox.",
    )
    smtp_host: str = Field(default="localhost", description="Mail server of the channel email.")
    smtp_port: int = Field(default=587, ge=1, le=65535, description="Its port.")
    smtp_tls: Literal["starttls", "tls", "none"] = Field(
        default="starttls",
        description="Encryption of mail: starttls, tls from the first byte, none (on this machine only).",
    )
    mail_from: str = Field(default="", description="Sender of mail; needed for the channel email.")
    delivery: str = Field(
        default="directory",
        description="How notices reach insurers: directory (the outbox), and email or webhook for recipients who "
        "want it (email,webhook for both).",
    )
    delivery_timeout: float = Field(
        default=10.0, gt=0, description="Longest wait for a mail server or webhook to answer, seconds."
    )
    delivery_seconds: float = Field(
        default=60.0,
        gt=0,
        description="Time for deliveries in one run, seconds; the rest waits for the next.",
    )
    serve_port: int = Field(default=3000, ge=1, le=65535, description="Port of the Dagster UI on loopback.")

    @field_validator("home", mode="after")
    @classmethod
    def _absolute_home(cls, value: Path) -> Path:
        """A relative folder means relative to where the command was started, and must not move afterwards."""
        return Path(os.path.abspath(value.expanduser()))  # noqa: PTH100 (resolve() would follow links on purpose set)

    @field_validator("project", mode="after")
    @classmethod
    def _project_of_the_environment(cls, value: Path) -> Path:
        """The contracts are found before there are settings, so the environment alone can say where they lie."""
        if value != Path(os.environ.get(f"{ENV_PREFIX}PROJECT", project_root())):
            raise ValueError(f"the project's folder is chosen by the variable {ENV_PREFIX}PROJECT alone")
        try:
            return project_root()
        except SettingsError as error:
            raise ValueError(str(error)) from error

    @field_validator("inbox", "outbox", mode="after")
    @classmethod
    def _as_url(cls, value: str, info: ValidationInfo) -> str:
        if not value.strip():
            raise ValueError(f"an {info.field_name} is needed: a folder or a URL such as file:///srv/filings")
        if "://" in value:
            return value
        return Path(os.path.abspath(Path(value).expanduser())).as_uri()  # noqa: PTH100

    @field_validator("delivery", mode="after")
    @classmethod
    def _usable_channels(cls, value: str, info: ValidationInfo) -> str:
        """Known channels in a fixed order, the directory always among them, with the settings each needs."""
        asked = {name.strip() for name in value.split(",")} - {""}
        if not asked or not asked <= set(_CHANNELS):
            raise ValueError(f"channels are {', '.join(_CHANNELS)}; several are joined by a comma")
        if asked != {"directory"} and info.data.get("recipients") is None:
            raise ValueError("more than the directory needs XIAOBAO_RECIPIENTS, the file of addresses")
        if "email" in asked and not info.data.get("mail_from"):
            raise ValueError("email needs XIAOBAO_MAIL_FROM, the sender's address")
        here = info.data.get("smtp_host") in ("localhost", "127.0.0.1", "::1")
        if "email" in asked and info.data.get("smtp_tls") == "none" and not here:
            raise ValueError(
                "XIAOBAO_SMTP_TLS=none is for a mail server on this machine; use starttls or tls"
            )
        return ",".join(name for name in _CHANNELS if name in asked | {"directory"})

    @field_validator("as_of", mode="after")
    @classmethod
    def _bureau_time(cls, value: datetime | None) -> datetime | None:
        """Signatures carry no zone, so a zoned time is brought to the bureau's clock first."""
        if value is None or value.tzinfo is None:
            return value
        return value.astimezone(ZoneInfo(TIMEZONE)).replace(tzinfo=None)

    @property
    def batch_bytes(self) -> int:
        """Bytes of files read at once: three batches lie in memory, typed, at most as large as they are filed."""
        number, unit = re.fullmatch(r"([\d.]+)\s?(\w+)", self.memory_limit).groups()  # type: ignore[union-attr]
        power = "KMGT".index(unit[0]) + 1
        return max(int(float(number) * (1024 if "i" in unit else 1000) ** power) // _BATCHES, _MiB)

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels of delivery in use, the directory first."""
        return tuple(self.delivery.split(","))

    @property
    def archive_dir(self) -> Path:
        """Every file ever received, rejects included, by content; immutable."""
        return self.home / "archive"

    @property
    def build_dir(self) -> Path:
        """Private working area of the pipeline; no reader looks in here."""
        return self.home / "build"

    @property
    def build_database(self) -> Path:
        """The one database that runs write."""
        return self.build_dir / "warehouse.duckdb"

    @property
    def releases_dir(self) -> Path:
        """Frozen releases ``v1``, ``v2``, ... and the link ``current``."""
        return self.home / "releases"

    @property
    def current_release(self) -> Path:
        """Link to the release in force; replaced atomically, so resolve it once per question."""
        return self.releases_dir / "current"

    @property
    def outbox_dir(self) -> Path:
        """Receipts and notices: the folder of the outbox when it is local, else the one it would have under home."""
        if self.outbox.startswith("file://"):
            return Path(url2pathname(urlsplit(self.outbox).path))
        return self.home / "outbox"

    @property
    def registers_dir(self) -> Path:
        """Register filings made on the command line (waivers, explanations, appeals); pulled like an inbox."""
        return self.home / "registers"

    @property
    def moments_dir(self) -> Path:
        """Databases of past moments and releases, made on demand and made again when deleted."""
        return self.home / "moments"

    @property
    def delivery_report(self) -> Path:
        """What the last delivery pass left undelivered; renewed by every pass, also when no release follows."""
        return self.home / "deliveries.json"

    @property
    def dagster_home(self) -> Path:
        """Dagster's own records (runs, events, schedules)."""
        return self.home / "dagster"

    @property
    def dbt_dir(self) -> Path:
        """dbt's output (manifest, compiled SQL, logs)."""
        return self.home / "dbt"

    @property
    def project_dir(self) -> Path:
        """The project's own inputs; see :func:`project_root`."""
        return self.project


@dataclass(frozen=True, slots=True)
class SettingLine:
    """One setting as an operator sees it."""

    variable: str
    value: str
    source: str
    """``environment`` or ``default``."""
    description: str


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises:
        SettingsError: a value cannot be used; all bad values are named at once.
    """
    try:
        return Settings()
    except ValidationError as error:
        lines = [
            f"  {ENV_PREFIX}{'.'.join(str(part) for part in item['loc']).upper()}: {item['msg']} "
            f"(found {item.get('input')!r})"
            for item in error.errors(include_url=False)
            if item["type"] != "default_factory_not_called"  # follows from another value's error
        ]
        raise SettingsError(
            "these settings cannot be used:\n"
            + "\n".join(lines)
            + "\nCorrect or unset them; `xiaobao config` lists every setting with its meaning."
        ) from error


def describe(settings: Settings) -> list[SettingLine]:
    """All settings in the order of their declaration, with value, source and meaning."""
    return [
        SettingLine(
            variable=f"{ENV_PREFIX}{name.upper()}",
            value="" if (value := getattr(settings, name)) is None else str(value),
            source="environment" if name in settings.model_fields_set else "default",
            description=field.description or "",
        )
        for name, field in type(settings).model_fields.items()
    ]


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Variables with our prefix that name neither a setting nor a secret: a typo would otherwise pass in silence."""
    known = {*SECRETS, *(f"{ENV_PREFIX}{name.upper()}" for name in Settings.model_fields)}
    ours = (name for name in environment if name.upper().startswith(ENV_PREFIX))
    return sorted(name for name in ours if name.upper() not in known)
