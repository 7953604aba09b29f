"""Notices on their way: the outbox, a real mail server and a real webhook on loopback, what fails and what is kept."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.filing import delivery
from pipelines.filing.delivery import (
    Channel,
    Delivered,
    DirectoryChannel,
    EmailChannel,
    Recipient,
    RecipientsError,
    WebhookChannel,
    deliver,
    read_recipients,
)
from pipelines.filing.notices import Message, unsent
from pipelines.filing.outbox import Outbox
from tests.support.hook import Hook
from tests.support.mail import MailServer
from tests.unit.filing.conftest import A, B, Bureau, institution

DESK, OFFICER = "desk@insurer.example", "officer@insurer.example"
MAILED = {A: Recipient("email", DESK, OFFICER)}


@pytest.fixture
def chased(bureau: Bureau) -> Bureau:
    """A and B have not filed March by the first day after the deadline."""
    bureau.register(institution(A, name="甲公司"), institution(B, name="乙公司"))
    for code in (A, B):
        bureau.file("2024-03-05T10:00:00", period="2024-02", reporter=code)
    bureau.settle("2024-04-11T08:00:00")
    return bureau


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Post:
    """The channels over an outbox of the test's own, and a pause that only counts."""

    def __init__(self, outbox: Path, *, port: int = 1, **mail: object) -> None:
        self.outbox = outbox
        self.pauses: list[float] = []
        how = {"tls": "none", "timeout": 5.0} | mail
        self.channels: dict[str, Channel] = {
            "directory": DirectoryChannel(Outbox(outbox.as_uri())),
            "email": EmailChannel("127.0.0.1", port, "bureau@example.org", **how),  # type: ignore[arg-type]
            "webhook": WebhookChannel(timeout=5.0, token="letmein"),
        }

    def send(
        self, bureau: Bureau, recipients: dict[str, Recipient] | None = None, **options: object
    ) -> Delivered:
        return deliver(
            bureau.con,
            unsent(bureau.con),
            self.channels,
            recipients or {},
            pause=self.pauses.append,
            **options,  # type: ignore[arg-type]
        )

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.outbox)) for path in self.outbox.rglob("*") if path.is_file())


def undelivered(bureau: Bureau) -> list[tuple[object, ...]]:
    return bureau.rows(
        "SELECT reporter_code, channel, attempts, is_permanent, error FROM ledger.undelivered ORDER BY 1"
    )


# ------------------------------------------------------------------------------------------------ the outbox


def test_everybody_has_a_page_and_a_document_in_the_outbox_once(chased: Bureau, tmp_path: Path) -> None:
    post = Post(tmp_path / "outbox")
    messages = unsent(chased.con)
    assert post.send(chased) == Delivered(2, 0, 0)
    assert post.files() == sorted(
        f"{m.reporter_code}/notices/{m.message_id}.{suffix}" for m in messages for suffix in ("html", "json")
    )
    document = json.loads((post.outbox / A / "notices" / f"{messages[0].message_id}.json").read_text("utf-8"))
    assert [one["form"] for one in document["obligations"]] == ["F01"]
    assert unsent(chased.con) == []
    assert post.send(chased) == Delivered(0, 0, 0)
    assert chased.rows("SELECT count(*), min(channel) FROM ledger.delivery") == [(2, "directory")]


def test_the_next_stage_is_another_message(chased: Bureau, tmp_path: Path) -> None:
    post = Post(tmp_path / "outbox")
    post.send(chased)
    chased.settle("2024-04-15T08:00:00")
    assert [m.stage.code for m in unsent(chased.con)] == ["second", "second"]
    assert post.send(chased) == Delivered(2, 0, 0)
    assert len(post.files()) == 8


def test_killed_between_writing_and_recording_the_next_pass_sends_the_same_message_again(
    chased: Bureau, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        """Nothing catches it, as nothing catches SIGKILL."""

    def die(*_: object) -> None:
        raise KilledError

    post = Post(tmp_path / "outbox")
    real = delivery._record_delivery
    monkeypatch.setattr(delivery, "_record_delivery", die)
    with pytest.raises(KilledError):
        post.send(chased)
    assert len(post.files()) == 2  # the first insurer's, written and not recorded
    monkeypatch.setattr(delivery, "_record_delivery", real)
    before = {name: (post.outbox / name).read_bytes() for name in post.files()}
    assert post.send(chased) == Delivered(2, 0, 0)
    assert len(post.files()) == 4
    for name, body in before.items():
        assert (post.outbox / name).read_bytes() == body


def test_an_outbox_that_cannot_be_written_is_told_and_tried_again(chased: Bureau, tmp_path: Path) -> None:
    blocked = tmp_path / "outbox"
    blocked.write_text("a file where a folder should be")
    post = Post(blocked)
    assert post.send(chased) == Delivered(0, 2, 0)
    assert {row[4] for row in undelivered(chased)} == {
        "the outbox cannot be written: NotADirectoryError",
        "not tried: the outbox cannot be written: NotADirectoryError",
    }
    blocked.unlink()
    assert post.send(chased) == Delivered(2, 0, 0)
    assert undelivered(chased) == []


# ---------------------------------------------------------------------------------------------------- mail


def test_a_mail_has_text_page_and_document_and_a_stable_id(
    chased: Bureau, mail: MailServer, tmp_path: Path
) -> None:
    post = Post(tmp_path / "outbox", port=mail.port)
    [message, _] = unsent(chased.con)
    assert post.send(chased, MAILED) == Delivered(2, 0, 0)
    [taken] = mail.taken
    assert taken.recipients == [DESK]
    assert taken.message["Message-ID"] == f"<{message.message_id}@xiaobao>"
    assert taken.message["Subject"] == "[缺报通知] 甲公司 1 份报表 (notice of missing filing, 1 forms)"
    text, page, document = (part.get_content() for part in taken.message.walk() if not part.is_multipart())
    assert "F01 投诉明细 2024-03" in text
    assert page.startswith("<!DOCTYPE html>")
    assert document == message.json()
    # B has no line in the recipients file and gets the outbox alone; A has both.
    assert len(post.files()) == 4
    assert chased.rows("SELECT reporter_code, channel FROM ledger.delivery ORDER BY 1") == [
        (A, "email"),
        (B, "directory"),
    ]


def test_the_last_stage_goes_to_the_responsible_officer(
    chased: Bureau, mail: MailServer, tmp_path: Path
) -> None:
    chased.settle("2024-04-17T08:00:00")
    Post(tmp_path / "outbox", port=mail.port).send(chased, MAILED)
    [taken] = mail.taken
    assert (taken.message["To"], taken.message["Cc"]) == (OFFICER, DESK)
    assert sorted(taken.recipients) == [DESK, OFFICER]


def test_a_recipient_refused_for_good_is_not_tried_again_until_its_line_changes(
    chased: Bureau, mail: MailServer, tmp_path: Path
) -> None:
    mail.refuse[DESK] = f"550 5.1.1 no such user {DESK}"
    post = Post(tmp_path / "outbox", port=mail.port)
    assert post.send(chased, MAILED) == Delivered(1, 0, 1)
    assert post.pauses == []
    assert undelivered(chased) == [(A, "email", 1, True, "mail server answered 550: recipient refused")]
    asked = len(mail.commands)
    assert post.send(chased, MAILED) == Delivered(0, 0, 1)
    assert len(mail.commands) == asked
    assert post.send(chased, {A: Recipient("email", "new@insurer.example", OFFICER)}) == Delivered(1, 0, 0)
    assert undelivered(chased) == []
    assert [taken.recipients for taken in mail.taken] == [["new@insurer.example"]]


@pytest.mark.parametrize("answer", ["450 4.2.1 busy", "421 closing"])
def test_a_mail_that_may_arrive_later_is_tried_a_few_times_and_in_the_next_pass(
    chased: Bureau, mail: MailServer, tmp_path: Path, answer: str
) -> None:
    mail.data_answer = answer
    post = Post(tmp_path / "outbox", port=mail.port)
    assert post.send(chased, MAILED) == Delivered(1, 1, 0)
    assert post.pauses == [0.5, 1.0]
    [(_, _, attempts, is_permanent, _)] = undelivered(chased)
    assert (attempts, is_permanent) == (1, False)
    mail.data_answer = "250 taken"
    assert post.send(chased, MAILED) == Delivered(1, 0, 0)
    assert len(mail.taken) == 1


def test_a_mail_server_that_is_down_is_asked_for_one_message_only(chased: Bureau, tmp_path: Path) -> None:
    post = Post(tmp_path / "outbox", port=free_port())
    both = MAILED | {B: Recipient("email", "b@insurer.example")}
    assert post.send(chased, both) == Delivered(0, 2, 0)
    assert [row[4] for row in undelivered(chased)] == [
        "mail server cannot be reached: ConnectionRefusedError",
        "not tried: mail server cannot be reached: ConnectionRefusedError",
    ]
    assert post.pauses == [0.5, 1.0]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificate and key for 127.0.0.1, made for this run."""
    if (openssl := shutil.which("openssl")) is None:
        pytest.skip("openssl makes the certificate and is not installed")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=loopback",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(folder / "key"), "-out", str(folder / "crt")],
        check=True,
        capture_output=True,
    )  # fmt: skip
    both = folder / "both.pem"
    both.write_bytes((folder / "key").read_bytes() + (folder / "crt").read_bytes())
    return both


def test_mail_is_encrypted_and_signed_in(chased: Bureau, certificate: Path, tmp_path: Path) -> None:
    trusted = ssl.create_default_context(cafile=str(certificate.parent / "crt"))
    with MailServer(certificate=certificate, password="open sesame") as server:
        how = {"tls": "starttls", "user": "bureau", "trusted": trusted}
        wrong = Post(tmp_path / "outbox", port=server.port, password="guess", **how)
        assert wrong.send(chased, MAILED) == Delivered(1, 1, 0)
        assert undelivered(chased)[0][3:] == (False, "mail server answered 535: SMTPAuthenticationError")
        right = Post(tmp_path / "outbox", port=server.port, password="open sesame", **how)
        assert "open sesame" not in repr(right.channels["email"])
        assert right.send(chased, MAILED) == Delivered(1, 0, 0)
        assert [taken.encrypted for taken in server.taken] == [True]


def test_a_server_with_a_certificate_nobody_knows_gets_nothing(
    chased: Bureau, certificate: Path, tmp_path: Path
) -> None:
    with MailServer(certificate=certificate) as server:
        post = Post(tmp_path / "outbox", port=server.port, tls="starttls")
        assert post.send(chased, MAILED) == Delivered(1, 1, 0)
        assert server.taken == []
        assert undelivered(chased)[0][4] == "mail server: SSLCertVerificationError"


# ------------------------------------------------------------------------------------------------ webhook


def test_a_webhook_gets_the_document_with_the_message_id(chased: Bureau, tmp_path: Path) -> None:
    [message, _] = unsent(chased.con)
    with Hook() as hook:
        assert Post(tmp_path / "o").send(chased, {A: Recipient("webhook", hook.url)}) == Delivered(2, 0, 0)
    [(path, headers, body)] = hook.calls
    assert path == "/notices"
    assert body == message.json()
    assert headers["Idempotency-Key"] == message.message_id
    assert headers["Authorization"] == "Bearer letmein"
    assert headers["Content-Type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize(
    ("answers", "outcome", "calls"),
    [
        ([500, 503], Delivered(2, 0, 0), 3),
        ([429], Delivered(2, 0, 0), 2),
        ([500, 500, 500], Delivered(1, 1, 0), 3),
        ([404], Delivered(1, 0, 1), 1),
        ([401], Delivered(1, 0, 1), 1),
        ([302], Delivered(1, 0, 1), 1),  # a redirect is not followed
    ],
)
def test_a_webhooks_answer_decides_whether_trying_again_helps(
    chased: Bureau, tmp_path: Path, answers: list[int], outcome: Delivered, calls: int
) -> None:
    with Hook(answers=list(answers)) as hook:
        assert Post(tmp_path / "o").send(chased, {A: Recipient("webhook", hook.url)}) == outcome
        assert len(hook.calls) == calls
        assert {path for path, _, _ in hook.calls} == {"/notices"}


def test_a_webhook_that_is_not_there_is_told_without_its_address(chased: Bureau, tmp_path: Path) -> None:
    hidden = f"http://127.0.0.1:{free_port()}/secret-path"
    assert Post(tmp_path / "o").send(chased, {A: Recipient("webhook", hidden)}) == Delivered(1, 1, 0)
    [(_, _, _, _, error)] = undelivered(chased)
    assert error == "the webhook's server cannot be reached: ConnectionError"


# ---------------------------------------------------------------------------------------- what is recorded


def test_no_address_is_kept_anywhere(chased: Bureau, mail: MailServer, tmp_path: Path) -> None:
    mail.refuse[DESK] = f"550 {DESK} is unknown"
    post = Post(tmp_path / "outbox", port=mail.port)
    post.send(chased, MAILED)
    delivery.write_report(chased.con, tmp_path / "deliveries.json")
    kept = (tmp_path / "deliveries.json").read_text("utf-8")
    kept += repr(chased.rows("SELECT * FROM ledger.undelivered")) + repr(
        chased.rows("SELECT * FROM ledger.delivery")
    )
    kept += repr(MAILED[A])
    assert "insurer.example" not in kept
    assert "recipient refused" in kept


def test_the_report_says_what_is_undelivered(chased: Bureau, tmp_path: Path) -> None:
    path = tmp_path / "deliveries.json"
    post = Post(tmp_path / "outbox", port=free_port())
    post.send(chased, MAILED)
    delivery.write_report(chased.con, path, "line 3 is wrong")
    told = json.loads(path.read_text("utf-8"))
    assert told["problem"] == "line 3 is wrong"
    assert [(one["reporter_code"], one["stage"], one["attempts"]) for one in told["undelivered"]] == [
        (A, "missing", 1)
    ]
    post.send(chased)
    delivery.write_report(chased.con, path)
    assert json.loads(path.read_text("utf-8")) == {"problem": "", "undelivered": []}


def test_a_failure_is_forgotten_when_the_obligation_is_met(chased: Bureau, tmp_path: Path) -> None:
    post = Post(tmp_path / "outbox", port=free_port())
    post.send(chased, MAILED)
    assert len(undelivered(chased)) == 1
    chased.file("2024-04-11T09:00:00")
    chased.settle("2024-04-11T10:00:00")
    assert post.send(chased, MAILED) == Delivered(0, 0, 0)
    assert undelivered(chased) == []


def test_time_over_leaves_the_rest_for_the_next_pass(chased: Bureau, tmp_path: Path) -> None:
    post = Post(tmp_path / "outbox")
    assert post.send(chased, seconds=0.0) == Delivered(0, 2, 0)
    assert post.send(chased) == Delivered(2, 0, 0)


def test_without_usable_recipients_everything_waits(chased: Bureau, tmp_path: Path) -> None:
    post = Post(tmp_path / "outbox")
    assert post.send(chased, problem="line 3 is wrong") == Delivered(0, 2, 0)
    assert post.files() == []


# ------------------------------------------------------------------------------------------- the recipients

HEADER = "reporter_code,channel,address,officer_address\n"


def test_recipients_are_read_and_unused_channels_fall_back_to_the_outbox(tmp_path: Path) -> None:
    path = tmp_path / "recipients.csv"
    path.write_text(f"{HEADER}{A},email,{DESK},{OFFICER}\n{B},webhook,https://b.example/in,\n", "utf-8")
    assert read_recipients(path, ("directory", "email", "webhook")) == {
        A: Recipient("email", DESK, OFFICER),
        B: Recipient("webhook", "https://b.example/in", ""),
    }
    assert read_recipients(path, ("directory", "email"))[B] == Recipient()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("reporter,channel\n", "the columns are reporter, channel; needed"),
        (f"{HEADER}{A},email,nobody,\n", "line 2: the channel is email and an address is none"),
        (f"{HEADER}{A},email,x@y.example,officer\n", "line 2: the channel is email and an address is none"),
        (f'{HEADER}{A},email,"x@y.example\nBcc: z@y.example",\n', "an address is none"),
        (f"{HEADER}{A},email,\"a@y.example,b@y.example\",\n", "an address is none"),
        (f"{HEADER}{A},webhook,http://b.example/in,\n", "needed: an https address"),
        (f"{HEADER}{A},webhook,file:///etc/passwd,\n", "needed: an https address"),
        (f"{HEADER}{A},fax,1,\n", "channel 'fax' is none"),
        (f"{HEADER},email,x@y.example,\n", "no reporter_code"),
        (f"{HEADER}{A},directory,,\n{A},directory,,\n", "line 3: reporter .* stands there twice"),
        (f"{HEADER}{A},directory,,,,\n", "more cells than columns"),
    ],
)  # fmt: skip
def test_a_recipients_file_that_cannot_be_used_says_where_and_why(
    tmp_path: Path, text: str, told: str
) -> None:
    path = tmp_path / "recipients.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(RecipientsError, match=told) as raised:
        read_recipients(path, ("directory", "email", "webhook"))
    assert "y.example" not in str(raised.value)


def test_a_missing_recipients_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(RecipientsError, match="XIAOBAO_RECIPIENTS"):
        read_recipients(tmp_path / "none.csv", ("email",))


def test_a_message_for_a_code_that_names_no_folder_stays_inside_the_outbox(
    chased: Bureau, tmp_path: Path
) -> None:
    post = Post(tmp_path / "outbox")
    [message, _] = unsent(chased.con)
    strange = Message("../../etc", "", message.stage, message.notice_date, message.items)
    post.channels["directory"].send(strange, Recipient())
    assert [Path(name).parent.as_posix() for name in post.files()] == ["unidentified/notices"] * 2
