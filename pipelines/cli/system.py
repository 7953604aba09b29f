"""`xiaobao version` and `xiaobao config`: what is installed, and with which settings it would run."""

from __future__ import annotations

from pipelines.cli.output import Column, FormatOption, OutputFormat, Table, emit

_SHOWN = ("xiaobao", "duckdb", "dagster", "dbt-core", "dbt-duckdb", "great-expectations", "polars")


def version(output: FormatOption = OutputFormat.TABLE) -> None:
    """版本: xiaobao, the libraries that decide results, Python, and the release in force."""
    import platform
    from importlib.metadata import version as installed

    from pipelines.settings import load_settings

    current = load_settings().current_release
    rows: list[dict[str, object]] = [{"component": name, "version": installed(name)} for name in _SHOWN]
    rows.append({"component": "python", "version": platform.python_version()})
    rows.append({"component": "release", "version": current.resolve().name if current.exists() else None})
    emit(
        Table(
            "版本 Versions", [Column("component", "组件 component"), Column("version", "版本 version")], rows
        ),
        output,
    )


def config(output: FormatOption = OutputFormat.TABLE) -> None:
    """设置: every setting with its value, where the value comes from, and what it means."""
    from dataclasses import asdict

    from pipelines.settings import describe, load_settings

    columns = [
        Column("variable", "变量 variable", wrap=False),
        Column("value", "值 value"),
        Column("source", "来源 source"),
        Column("description", "含义 meaning"),
    ]
    rows: list[dict[str, object]] = [dict(asdict(line)) for line in describe(load_settings())]
    emit(Table("设置 Settings", columns, rows), output)
