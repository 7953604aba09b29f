"""`xiaobao history` and `xiaobao retry` over a real release of real filings."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from click.testing import Result

from pipelines.cli.errors import ExitCode
from pipelines.settings import Settings
from tests.support.desk import BRANCH, REPORTER, Desk, row
from tests.support.publishing import publish_figures

Xiaobao = Callable[..., Result]


@pytest.fixture
def desk(run_settings: Settings, registered: Desk) -> Desk:
    """Three versions of one obligation, the last one refused, published."""
    desk = registered.twin(run_settings)
    fixed = {"reporter_code": REPORTER, "org_code": BRANCH}
    desk.file("F05", [row("F05", 1, **fixed), row("F05", 2, **fixed)])
    desk.file("F05", [row("F05", 1, **fixed, record_action="D")], sequence=2, kind="CORRECTION")
    desk.file("F05", [row("F05", 2, **fixed)], sequence=3)
    desk.run()
    publish_figures(desk.settings, "SELECT * EXCLUDE (release_no) FROM published.kpi_values")
    return desk


def test_history_tells_events_and_versions(desk: Desk, xiaobao: Xiaobao) -> None:
    shown = xiaobao("history", f"F05-2024-03-{REPORTER}-001").stdout
    for text in ("接收 receive", "被替代 supersede", "CORRECTION", f"F05-2024-03-{REPORTER}-002", "已被替代"):
        assert text in shown
    events = json.loads(xiaobao("history", f"F05-2024-03-{REPORTER}-003", "--format", "json").stdout)
    assert [(line["event"], line["state"]) for line in events] == [
        ("receive", "received"),
        ("refuse", "rejected"),
    ]


def test_history_of_nobody_says_so(desk: Desk, xiaobao: Xiaobao) -> None:
    done = xiaobao("history", "nobody")
    assert done.exit_code != ExitCode.OK
    assert "nobody" in str(done.exception)


def test_retry_of_what_does_not_wait_for_us_says_so(desk: Desk, xiaobao: Xiaobao) -> None:
    done = xiaobao("retry", f"F05-2024-03-{REPORTER}-001")
    assert "waits for us" in str(done.exception)
