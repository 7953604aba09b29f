"""A desk with a registered bureau for every end-to-end test."""

from __future__ import annotations

import pytest

from pipelines.settings import Settings
from tests.support.desk import Desk


@pytest.fixture
def desk(run_settings: Settings, registered: Desk) -> Desk:
    """An inbox in which the institution master was filed and judged."""
    return registered.twin(run_settings)
