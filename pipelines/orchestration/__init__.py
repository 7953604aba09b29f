"""Orchestration: the only room that imports dagster. It carries the work and knows none of its meaning.

One kind of Dagster object per module: assets, checks, partitions, jobs, schedules, sensors, resources;
`models` turns the dbt project into assets, `dbt_build` calls dbt and `dbt_process` lets it get ready beside the
run, `build` puts everything together, `instance` and `event_log` keep
Dagster's own records, `runs` starts a run in this process (the command line's way), `idle` tells that there is
nothing to run, `webserver` serves the UI. What the assets do
stands in `steps`, as plain functions that know nothing of Dagster; what they tell stands in `summaries`. Do not
put here: reading, rules, verdicts, SQL of KPIs, releases.

Everything heavy (Great Expectations, dbt, polars) is imported inside the step that uses it, so that
definitions load fast.
"""

from __future__ import annotations
