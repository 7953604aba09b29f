"""`xiaobao difference` and `xiaobao revisions` over real releases of real filings."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable

import pytest
from click.testing import Result

from pipelines.cli.errors import ExitCode, OperatorError
from pipelines.settings import Settings
from tests.support.desk import BRANCH, REPORTER, Desk, row
from tests.support.publishing import publish_figures

Xiaobao = Callable[..., Result]
FIRST, SECOND, THIRD = (f"F05-2024-03-{REPORTER}-00{number}" for number in (1, 2, 3))
FIGURES = """
SELECT 'CBK-09' AS kpi_id, 'month' AS period_type, '2024-03' AS period, grain, org_code, NULL::VARCHAR AS peer_group,
    NULL::VARCHAR AS insurer_type, 'problem_type' AS dimension, dimension_value, value::DECIMAL(38, 6) AS numerator,
    10::DECIMAL(38, 6) AS denominator, value::DECIMAL(18, 2) AS value, '%' AS unit,
    NULL::DECIMAL(38, 6) AS base_value, NULL::VARCHAR AS base_period, 'current' AS basis, 'OK' AS status,
    NULL::INTEGER AS rank, NULL::INTEGER AS n_institutions
FROM (VALUES {}) AS v(grain, org_code, dimension_value, value)
"""


@pytest.fixture
def desk(run_settings: Settings, registered: Desk) -> Desk:
    """Release v1, then a resubmission that moves a figure, and a refused one; release v2."""
    desk = registered.twin(run_settings)
    fixed = {"reporter_code": REPORTER, "org_code": BRANCH}
    desk.file("F05", [row("F05", 1, **fixed), row("F05", 2, **fixed)])
    desk.run()
    own = f"('insurer', '{REPORTER}', '无法联系', {{}}), ('bureau', NULL, '无法联系', {{}})"
    publish_figures(desk.settings, FIGURES.format(own.format("2", "4")))
    desk.file("F05", [row("F05", 1, **fixed, agent_code="A9")], sequence=2)
    desk.file("F05", [row("F05", 1, **fixed, handle_result="不知")], sequence=3)
    desk.run()
    publish_figures(desk.settings, FIGURES.format(own.format("1", "3") + ", ('bureau', NULL, '其他', 1)"))
    return desk


def test_a_resubmission_is_shown_from_its_cells_to_the_figures_it_moved(desk: Desk, xiaobao: Xiaobao) -> None:
    shown = xiaobao("difference", SECOND).stdout
    for text in (FIRST, "agent_code", "A9", "removed", "F05-2", "已生效", "CBK-09", "2.00", "1.00", "v2"):
        assert text in shown
    whole = json.loads(xiaobao("difference", SECOND, "--format", "json").stdout)
    assert (whole["difference"]["rows_removed"], whole["difference"]["rows_changed"]) == (1, 1)
    assert {cell["change"] for cell in whole["cells"]} == {"removed", "changed"}
    assert [(line["grain"], line["old_value"], line["new_value"]) for line in whole["kpi_effects"]] == [
        ("bureau", None, "1.00"),
        ("bureau", "4.00", "3.00"),
        ("insurer", "2.00", "1.00"),
    ]
    lines = list(csv.DictReader(io.StringIO(xiaobao("difference", SECOND, "--format", "csv").stdout)))
    assert {line["change"] for line in lines} == {"removed", "changed"}
    assert "未被接受" in xiaobao("difference", THIRD).stdout
    for unknown, why in ((FIRST, "compared with nothing"), ("nobody", "no submission")):
        done = xiaobao("difference", unknown)
        assert isinstance(done.exception, OperatorError)
        assert why in str(done.exception)

    listed = xiaobao("revisions").stdout
    for text in ("v1", "submission", SECOND, "RESUBMIT", "4.00", "3.00"):
        assert text in listed
    assert "其他" not in listed
    restated = json.loads(xiaobao("revisions", "--format", "json").stdout)
    assert restated["report"]["release"]["release_id"] == "v2"
    assert [line["change"] for line in restated["cells"]] == ["changed", "changed"]
    everything = list(
        csv.DictReader(io.StringIO(xiaobao("revisions", "--appeared", "--format", "csv").stdout))
    )
    assert [line["change"] for line in everything] == ["appeared", "changed", "changed"]
    assert all(SECOND in line["submissions"] for line in everything)
    own = json.loads(xiaobao("revisions", "--org", REPORTER, "--kpi", "CBK-09", "--format", "json").stdout)
    assert [line["grain"] for line in own["cells"]] == ["insurer"]
    assert "首次发布" in xiaobao("revisions", "--release", "v1").stdout
    missing = xiaobao("revisions", "--release", "v9")
    assert missing.exit_code != ExitCode.OK
    assert "there are: v2, v1" in str(missing.exception)
