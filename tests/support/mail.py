"""A mail server on loopback for tests: real sockets, the part of SMTP that a sender uses, answers as told."""

from __future__ import annotations

import contextlib
import socketserver
import ssl
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Self


@dataclass
class Envelope:
    """One mail that was taken: from, to, and the parsed message."""

    sender: str
    recipients: list[str]
    message: EmailMessage
    encrypted: bool


@dataclass
class MailServer:
    """Run with `with`; `port` is free to connect to, `taken` holds what came.

    Attributes:
        refuse: recipient -> answer that it gets instead of 250.
        data_answer: answer to the end of a mail.
        certificate: PEM file of certificate and key; then STARTTLS is offered.
        password: what AUTH PLAIN must give, if anything.
    """

    refuse: dict[str, str] = field(default_factory=dict)
    data_answer: str = "250 taken"
    certificate: Path | None = None
    password: str = ""
    taken: list[Envelope] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Listen."""
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                _Talk(outer, self).run()

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Talk:
    def __init__(self, server: MailServer, handler: socketserver.StreamRequestHandler) -> None:
        self._server, self._handler = server, handler
        self._read, self._write = handler.rfile, handler.wfile
        self._encrypted = False
        self._open = contextlib.ExitStack()
        self._sender, self._recipients = "", list[str]()

    def run(self) -> None:
        # A client that does not like what it hears hangs up.
        with contextlib.suppress(OSError), self._open:
            self._talk()

    def _talk(self) -> None:
        self._say("220 loopback")
        while line := self._read.readline().decode().strip():
            verb, _, rest = line.partition(" ")
            self._server.commands.append(line if verb.upper() != "AUTH" else "AUTH")
            if verb.upper() == "QUIT":
                self._say("221 bye")
                return
            self._answer(verb.upper(), rest)

    def _answer(self, verb: str, rest: str) -> None:
        server = self._server
        if verb == "EHLO":
            lines = ["loopback", *(["STARTTLS"] if server.certificate and not self._encrypted else []),
                     *(["AUTH PLAIN"] if server.password else []), "8BITMIME"]  # fmt: skip
            for line in lines[:-1]:
                self._say(f"250-{line}")
            self._say(f"250 {lines[-1]}")
        elif verb == "STARTTLS" and server.certificate:
            self._say("220 go ahead")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(server.certificate)
            secure = context.wrap_socket(self._handler.connection, server_side=True)
            self._open.enter_context(secure)
            self._read = self._open.enter_context(secure.makefile("rb"))
            self._write = self._open.enter_context(secure.makefile("wb", buffering=0))
            self._encrypted = True
        elif verb == "AUTH":
            import base64

            given = base64.b64decode(rest.rsplit(maxsplit=1)[-1]).decode().split("\0")[-1]
            self._say("235 welcome" if given == server.password else "535 5.7.8 who are you")
        elif verb == "MAIL":
            self._sender, self._recipients = rest, []
            self._say("250 ok")
        elif verb == "RCPT":
            address = rest[rest.index("<") + 1 : rest.index(">")]
            answer = server.refuse.get(address, "250 ok")
            if answer.startswith("250"):
                self._recipients.append(address)
            self._say(answer)
        elif verb == "DATA":
            self._say("354 go on")
            lines = []
            while (line := self._read.readline()) != b".\r\n":
                lines.append(line[1:] if line.startswith(b"..") else line)
            parsed = message_from_bytes(b"".join(lines), policy=policy.default)
            assert isinstance(parsed, EmailMessage)
            if server.data_answer.startswith("250"):
                server.taken.append(Envelope(self._sender, self._recipients, parsed, self._encrypted))
            self._say(server.data_answer)
        else:
            self._say("250 ok" if verb in ("RSET", "NOOP", "HELO") else "502 no")

    def _say(self, text: str) -> None:
        self._write.write(f"{text}\r\n".encode())
        self._write.flush()
