"""The Dagster UI with its daemon, on loopback.

Put here: the command that serves the project's definitions. Do not put here: the UI's contents (definitions),
any port beyond this machine (who needs one puts a reverse proxy with authentication in front; Dagster has
none).
"""

from __future__ import annotations

import os
import socket
import sys
from contextlib import closing
from typing import NoReturn

from pipelines.orchestration.instance import prepare_home
from pipelines.settings import Settings

HOST = "127.0.0.1"


class PortInUseError(Exception):
    """Another program listens on the port."""


def serve(settings: Settings, port: int) -> NoReturn:
    """Become Dagster's process: signals reach it directly, and its exit code is the command's.

    Raises:
        PortInUseError: the port is taken.
    """
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise PortInUseError(
                f"port {port} on {HOST} is in use; stop what listens there, or choose another: "
                "xiaobao serve --port 3001"
            ) from error
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(prepare_home(settings)),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "XIAOBAO_HOME": str(settings.home),
        "XIAOBAO_INBOX": settings.inbox,
        "PYTHONWARNINGS": "ignore",
    }
    command = [
        sys.executable,
        "-m",
        "dagster",
        "dev",
        "-m",
        "pipelines.definitions",
        "-h",
        HOST,
        "-p",
        str(port),
    ]
    os.execve(sys.executable, [*command, "--log-level", "warning"], environment)  # noqa: S606 (our interpreter)
