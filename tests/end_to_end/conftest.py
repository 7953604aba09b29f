"""A desk with a registered bureau for every end-to-end test."""

from __future__ import annotations

import pytest

from pipelines.settings import Settings
from tests.support.desk import Desk


@pytest.fixture
def desk(run_settings: Settings) -> Desk:
    """An empty inbox with the institution master filed."""
    desk = Desk(run_settings)
    desk.register()
    return desk
