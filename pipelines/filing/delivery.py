"""Delivery: how a message of ours reaches an insurer: the outbox folder, e-mail, or a webhook.

Belongs here: the recipients file, the three channels, what failed for good and what may be tried again, and the
record of what was delivered. Delivery is at least once: it is recorded after it happened, and the id tells a repeat.
Does not belong here: what is told to whom (`notices`), the settings' values, credentials (environment only).

Addresses are personal data: they are read from the recipients file when needed and appear in no table, log or error.
"""

from __future__ import annotations

import csv
import hashlib
import ipaddress
import json
import os
import smtplib
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import parseaddr
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

import duckdb
import requests

from pipelines.filing.notices import Message
from pipelines.filing.outbox import Outbox, OutboxUnavailableError
from pipelines.warehouse.connection import transaction

RECIPIENT_COLUMNS = ("reporter_code", "channel", "address", "officer_address")
ChannelName = Literal["directory", "email", "webhook"]

#: Tries of one message in one run, and the pause before the second; it doubles.
_TRIES = 3
_FIRST_PAUSE = 0.5


class RecipientsError(Exception):
    """The recipients file cannot be used; the message says where and what is needed. Nothing was sent by it."""


class DeliveryError(Exception):
    """A message did not arrive. The text names no address."""


class PermanentDeliveryError(DeliveryError):
    """Trying again unchanged is pointless: the recipient or the message was refused."""


class TransientDeliveryError(DeliveryError):
    """It may arrive later; `server_down` says that nothing at all came back from the server."""

    def __init__(self, text: str, *, server_down: bool = False) -> None:
        """Say what happened."""
        super().__init__(text)
        self.server_down = server_down


@dataclass(frozen=True, slots=True)
class Recipient:
    """Where an insurer wants its messages: the channel, its address and that of the responsible officer (may be empty).

    For the channel `directory` the addresses are not used.
    """

    channel: ChannelName = "directory"
    address: str = field(default="", repr=False)
    officer_address: str = field(default="", repr=False)

    @property
    def digest(self) -> str:
        """Changes when the line does; tells nothing of the address."""
        line = f"{self.channel}\0{self.address}\0{self.officer_address}"
        return hashlib.sha256(line.encode()).hexdigest()[:12]


class Channel(Protocol):
    """One way to a recipient."""

    def server(self, recipient: Recipient) -> str:
        """What the message goes through; when it is down, others through it are not tried in the same run."""

    def send(self, message: Message, recipient: Recipient) -> None:
        """Hand the message over or raise a `DeliveryError`."""


@dataclass(frozen=True, slots=True)
class DirectoryChannel:
    """Files in the insurer's folder of the outbox: `<reporter>/notices/<id>.json` and `.html`, written whole."""

    outbox: Outbox

    def server(self, recipient: Recipient) -> str:  # noqa: ARG002 (the protocol's)
        """The outbox."""
        return "outbox"

    def send(self, message: Message, recipient: Recipient) -> None:  # noqa: ARG002 (the protocol's)
        """Write both files over earlier ones of the same id."""
        try:
            for suffix, body in (("html", message.html()), ("json", message.json())):
                self.outbox.put(message.reporter_code, f"notices/{message.message_id}.{suffix}", body)
        except OutboxUnavailableError as error:
            reason = type(error.__cause__).__name__
            raise TransientDeliveryError(
                f"the outbox cannot be written: {reason}", server_down=True
            ) from error


@dataclass(frozen=True, slots=True)
class EmailChannel:
    """Mail through one SMTP server. User and password come from the environment and are never shown.

    Attributes:
        tls: `starttls` (default), `tls` from the first byte, or `none` (only to this machine).
        sender: From address.
        trusted: certificates to trust instead of the system's.
    """

    host: str
    port: int
    sender: str
    tls: Literal["starttls", "tls", "none"] = "starttls"
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    timeout: float = 10.0
    trusted: ssl.SSLContext | None = field(default=None, repr=False)

    def server(self, recipient: Recipient) -> str:  # noqa: ARG002 (the protocol's)
        """The mail server."""
        return f"smtp {self.host}:{self.port}"

    def send(self, message: Message, recipient: Recipient) -> None:
        """Send to the recipient, at the last stage to the officer with the recipient in copy."""
        mail = self._mail(message, recipient)
        try:
            with self._connect() as server:
                refused = server.send_message(mail)
        except smtplib.SMTPRecipientsRefused as error:
            raise _answered([code for code, _ in error.recipients.values()], "recipient refused") from None
        except smtplib.SMTPResponseException as error:
            raise _answered([error.smtp_code], type(error).__name__) from None
        except (smtplib.SMTPException, ssl.SSLError) as error:
            raise TransientDeliveryError(f"mail server: {type(error).__name__}", server_down=True) from None
        except OSError as error:
            raise TransientDeliveryError(
                f"mail server cannot be reached: {type(error).__name__}", server_down=True
            ) from None
        if refused:
            raise _answered([code for code, _ in refused.values()], "one recipient of several refused")

    def _mail(self, message: Message, recipient: Recipient) -> EmailMessage:
        to_officer = message.stage.to_officer and recipient.officer_address
        mail = EmailMessage()
        try:
            mail["Subject"] = message.subject
            mail["From"] = self.sender
            mail["To"] = recipient.officer_address if to_officer else recipient.address
            if to_officer:
                mail["Cc"] = recipient.address
            mail["Message-ID"] = f"<{message.message_id}@xiaobao>"
        except (ValueError, IndexError) as error:
            raise PermanentDeliveryError(f"the mail cannot be addressed: {type(error).__name__}") from None
        mail.set_content(message.text(), charset="utf-8", cte="base64")
        mail.add_alternative(message.html().decode(), subtype="html", charset="utf-8", cte="base64")
        mail.add_attachment(
            message.json(), maintype="application", subtype="json", filename=f"{message.message_id}.json"
        )
        return mail

    def _connect(self) -> smtplib.SMTP:
        context = self.trusted or ssl.create_default_context()
        if self.tls == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self.host, self.port, timeout=self.timeout, context=context
            )
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=self.timeout)
        try:
            if self.tls == "starttls":
                server.starttls(context=context)
            if self.user:
                server.login(self.user, self.password)
        except BaseException:
            server.close()
            raise
        return server


@dataclass(frozen=True, slots=True)
class WebhookChannel:
    """POST of the JSON document to the recipient's HTTPS address; `Idempotency-Key` holds the message id.

    Plain HTTP is for this machine only. Redirects are not followed.
    """

    timeout: float = 10.0
    token: str = field(default="", repr=False)

    def server(self, recipient: Recipient) -> str:
        """The recipient's host."""
        return f"webhook {urlsplit(recipient.address).netloc}"

    def send(self, message: Message, recipient: Recipient) -> None:
        """POST; 2xx is delivered, 408, 429 and 5xx may be tried again, any other answer is for good."""
        headers = {"Content-Type": "application/json; charset=utf-8", "Idempotency-Key": message.message_id}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        try:
            answer = requests.post(
                recipient.address,
                data=message.json(),
                headers=headers,
                timeout=self.timeout,
                allow_redirects=False,
            )
        except (requests.ConnectionError, requests.Timeout) as error:
            raise TransientDeliveryError(
                f"the webhook's server cannot be reached: {type(error).__name__}", server_down=True
            ) from None
        except requests.RequestException as error:
            raise PermanentDeliveryError(f"the webhook cannot be called: {type(error).__name__}") from None
        status = answer.status_code
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return
        if status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS) or (
            status >= HTTPStatus.INTERNAL_SERVER_ERROR
        ):
            raise TransientDeliveryError(f"the webhook answered {status}")
        raise PermanentDeliveryError(f"the webhook answered {status}")


def read_recipients(path: Path, allowed: Iterable[str]) -> dict[str, Recipient]:
    """Recipients by reporter code, from a CSV with the columns of `RECIPIENT_COLUMNS`.

    A line whose channel is not among `allowed` (the setting XIAOBAO_DELIVERY) is read and not used.

    Raises:
        RecipientsError: missing file, other columns, a line that names no usable address; names line, not address.
    """
    used = set(allowed)
    found: dict[str, Recipient] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != RECIPIENT_COLUMNS:
                raise RecipientsError(
                    f"{path}: the columns are {', '.join(reader.fieldnames or ())}; needed: "
                    f"{', '.join(RECIPIENT_COLUMNS)}. Correct the header and run again."
                )
            for line in reader:
                code, recipient = _recipient(path, reader.line_num, line)
                if code in found:
                    raise RecipientsError(
                        f"{path} line {reader.line_num}: reporter {code} stands there twice; needed: one line each"
                    )
                found[code] = recipient if recipient.channel in used else Recipient()
    except (OSError, UnicodeDecodeError) as error:
        raise RecipientsError(
            f"the recipients file {path} cannot be read ({type(error).__name__}); needed: UTF-8 CSV. "
            "Correct XIAOBAO_RECIPIENTS or the file."
        ) from error
    return found


def _recipient(path: Path, number: int, line: Mapping[str | None, Any]) -> tuple[str, Recipient]:
    values = {name: str(line.get(name) or "").strip() for name in RECIPIENT_COLUMNS}
    channel, address, officer = values["channel"], values["address"], values["officer_address"]

    def refuse(what: str) -> RecipientsError:
        return RecipientsError(f"{path} line {number}: {what}. Correct the line and run again.")

    if None in line:
        raise refuse(f"more cells than columns; needed: {', '.join(RECIPIENT_COLUMNS)}")
    if not values["reporter_code"]:
        raise refuse("no reporter_code; needed: the code of the institution master")
    match channel:
        case "directory":
            return values["reporter_code"], Recipient()
        case "email":
            if not _is_mail_address(address) or (officer and not _is_mail_address(officer)):
                raise refuse("the channel is email and an address is none; needed: name@host")
            return values["reporter_code"], Recipient("email", address, officer)
        case "webhook":
            if not _is_webhook(address):
                raise refuse("the channel is webhook; needed: an https address (http on this machine only)")
            return values["reporter_code"], Recipient("webhook", address, officer)
    raise refuse(f"channel {channel!r} is none; needed: directory, email or webhook")


def _is_mail_address(text: str) -> bool:
    name, _, host = text.rpartition("@")
    return (
        bool(name and host) and parseaddr(text)[1] == text and not any(c.isspace() or c in ",;" for c in text)
    )


def _is_webhook(text: str) -> bool:
    parts = urlsplit(text)
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and is_this_machine(parts.hostname or ""))
    )


def is_this_machine(host: str) -> bool:
    """True for loopback names and addresses: only there may anything go unencrypted."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a delivery pass did: messages delivered now, left for the next pass, and refused for good."""

    delivered: int
    waiting: int
    refused: int


def deliver(
    con: duckdb.DuckDBPyConnection,
    messages: Iterable[Message],
    channels: Mapping[str, Channel],
    recipients: Mapping[str, Recipient],
    *,
    problem: str = "",
    seconds: float = 60.0,
    pause: Callable[[float], None] = time.sleep,
) -> Delivered:
    """Send each message and record it; a failure is recorded instead of raised, and the next pass tries again.

    The page and the JSON go to the outbox whatever the recipient's channel, then by the channel. A recipient who was
    refused for good is tried again only when its line in the recipients file has changed. A server that is down, or
    `seconds` gone by, leaves the remaining messages for the next pass.

    Args:
        con: build database; each message is recorded in a transaction of its own.
        messages: what is to be told, see `notices.unsent`.
        channels: by name; `directory` must be among them.
        recipients: by reporter code; who has no line gets the directory.
        problem: why it is not known where to send anything; then everything waits.
        seconds: time after which no further message is begun.
        pause: waits between tries.
    """
    deadline = time.monotonic() + seconds
    waiting = list(messages)
    known = {
        row[0]: row[1:]
        for row in con.execute(
            "SELECT message_id, recipient, attempts, is_permanent FROM ledger.undelivered"
        ).fetchall()
    }
    down: dict[str, str] = {}
    delivered = left = refused = 0
    for message in waiting:
        recipient = recipients.get(message.reporter_code, Recipient())
        before = known.get(message.message_id)
        if before and before[2] and before[0] == recipient.digest:
            refused += 1
            continue
        route = ("directory",) if recipient.channel == "directory" else ("directory", recipient.channel)
        try:
            if problem:
                raise TransientDeliveryError("not tried: the recipients file cannot be used")
            if time.monotonic() >= deadline:
                raise TransientDeliveryError(f"not tried: {seconds:.0f} s of this pass were over")
            for name in route:
                _send(channels[name], message, recipient, down, pause)
        except DeliveryError as error:
            _record_failure(con, message, recipient, error, 1 + (before[1] if before else 0))
            refused += isinstance(error, PermanentDeliveryError)
            left += not isinstance(error, PermanentDeliveryError)
        else:
            _record_delivery(con, message, recipient)
            delivered += 1
    _forget(con, [message.message_id for message in waiting])
    return Delivered(delivered, left, refused)


def write_report(con: duckdb.DuckDBPyConnection, path: Path, problem: str = "") -> None:
    """Write what is undelivered as one JSON file, whole: readers look here, a release may be older.

    Keys: problem (of the recipients file, or empty) and undelivered, a list of message_id, reporter_code, stage,
    notice_date, channel, attempts, is_permanent, error, tried_at (UTC).
    """
    found = con.execute("SELECT * EXCLUDE (recipient) FROM ledger.undelivered ORDER BY message_id")
    names = [column[0] for column in found.description or ()]
    rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    body = json.dumps({"problem": problem, "undelivered": rows}, ensure_ascii=False, indent=1, default=str)
    part = path.with_name(f".{path.name}.part")
    part.write_text(body + "\n", encoding="utf-8")
    part.replace(path)


def _send(
    channel: Channel,
    message: Message,
    recipient: Recipient,
    down: dict[str, str],
    pause: Callable[[float], None],
) -> None:
    """Try a few times as long as trying may help; a server that gave no answer is remembered in `down`."""
    server = channel.server(recipient)
    if server in down:
        raise TransientDeliveryError(f"not tried: {down[server]}")
    for attempt in range(1, _TRIES + 1):
        try:
            channel.send(message, recipient)
        except TransientDeliveryError as error:
            if attempt == _TRIES:
                if error.server_down:
                    down[server] = str(error)
                raise
            pause(_FIRST_PAUSE * 2 ** (attempt - 1))
        else:
            return


def _record_delivery(con: duckdb.DuckDBPyConnection, message: Message, recipient: Recipient) -> None:
    now = _now()
    with transaction(con):
        con.execute("DELETE FROM ledger.undelivered WHERE message_id = ?", [message.message_id])
        con.executemany(
            "INSERT INTO ledger.delivery VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    message.message_id,
                    message.reporter_code,
                    item.form,
                    item.period,
                    message.stage.code,
                    message.notice_date,
                    recipient.channel,
                    now,
                )
                for item in message.items
            ],
        )


def _record_failure(
    con: duckdb.DuckDBPyConnection,
    message: Message,
    recipient: Recipient,
    error: DeliveryError,
    attempts: int,
) -> None:
    with transaction(con):
        con.execute(
            "INSERT OR REPLACE INTO ledger.undelivered VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                message.message_id,
                message.reporter_code,
                message.stage.code,
                message.notice_date,
                recipient.channel,
                recipient.digest,
                attempts,
                isinstance(error, PermanentDeliveryError),
                str(error),
                _now(),
            ],
        )


def _forget(con: duckdb.DuckDBPyConnection, still_wanted: list[str]) -> None:
    """Failures of messages that are no longer to be sent: the obligation was met, or a later stage came."""
    con.execute(
        "DELETE FROM ledger.undelivered WHERE message_id NOT IN (SELECT unnest(?::VARCHAR[]))", [still_wanted]
    )


def _answered(codes: Iterable[int], what: str) -> DeliveryError:
    """What an SMTP answer means: 5xx is for good, anything else may pass."""
    listed = sorted(set(codes))
    text = f"mail server answered {', '.join(map(str, listed))}: {what}"
    lowest_permanent = 500
    # A refused login is ours to mend, not the recipient's fault: the message stays to be sent.
    if what != "SMTPAuthenticationError" and listed and listed[0] >= lowest_permanent:
        return PermanentDeliveryError(text)
    return TransientDeliveryError(text, server_down=what == "SMTPAuthenticationError")


def _now() -> datetime:
    return datetime.now(tz=UTC).replace(tzinfo=None, microsecond=0)


def credentials(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """SMTP user and password and the webhooks' token; from the environment only, never a setting."""
    return {
        "user": environment.get("XIAOBAO_SMTP_USER", ""),
        "password": environment.get("XIAOBAO_SMTP_PASSWORD", ""),
        "token": environment.get("XIAOBAO_WEBHOOK_TOKEN", ""),
    }
