"""A build database with a filing and a small KPI table, so that publication can be tested without dbt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.publication.release import Release
from pipelines.settings import Settings
from tests.support.desk import Desk, row
from tests.support.publishing import publish_figures

KPI_VALUES = """
SELECT 'CMP-01' AS kpi_id, 'month' AS period_type, '2024-03' AS period, 'bureau' AS grain, NULL::VARCHAR AS org_code,
    NULL::VARCHAR AS peer_group, NULL::VARCHAR AS insurer_type, 'line_code' AS dimension,
    (i - {first})::VARCHAR AS dimension_value,
    i::DECIMAL(38, 6) AS numerator, NULL::DECIMAL(38, 6) AS denominator, i::DECIMAL(18, 2) AS value, '件' AS unit,
    NULL::DECIMAL(38, 6) AS base_value, NULL::VARCHAR AS base_period, 'current' AS basis, 'OK' AS status,
    NULL::INTEGER AS rank, 1::INTEGER AS n_institutions
FROM range({first}, {first} + 1000) AS r(i)
"""


@pytest.fixture
def desk(run_settings: Settings, registered: Desk) -> Desk:
    desk = registered.twin(run_settings)
    desk.file("F05", [row("F05", org_code="00012343090100")])
    desk.run()
    return desk


@pytest.fixture
def release(desk: Desk) -> Callable[..., Release]:
    """Publish with KPI values starting at `first`; `definition` stands for everything else a release is made of."""

    def make(first: int = 0, definition: str = "d") -> Release:
        return publish_figures(desk.settings, KPI_VALUES.format(first=first), definition)

    return make


def releases_dir(desk: Desk) -> Path:
    return desk.settings.releases_dir
