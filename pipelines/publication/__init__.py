"""Publication: what the regulator states, frozen.

Belongs here: building a release (read-only DuckDB and Parquet), the atomic switch of `current`, and the memory of
what was published, which growth "as published" is measured against. Does not belong here: arithmetic (`dbt_project`).
"""
