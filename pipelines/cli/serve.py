"""`xiaobao serve`: the Dagster UI with its daemon, on loopback."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.cli.output import stderr_console


def serve(
    port: Annotated[int | None, typer.Option(help="端口; by default XIAOBAO_SERVE_PORT.")] = None,
) -> None:
    """界面: Dagster UI and daemon on loopback, until Ctrl-C."""
    from pipelines.orchestration.webserver import HOST
    from pipelines.orchestration.webserver import serve as become_dagster
    from pipelines.settings import load_settings

    settings = load_settings()
    chosen = port or settings.serve_port
    stderr_console().print(f"Dagster: [bold]http://{HOST}:{chosen}[/] (ready in about 20 s; Ctrl-C ends it)")
    become_dagster(settings, chosen)
