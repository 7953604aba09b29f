"""Writes the files of one form and period into the inbox and tells which cells a spreadsheet damaged.

Put here: the walk from filed rows to files on disk, in blocks of bounded size. Do not put here: how a cell,
table or envelope looks (rendering) or what is wrong with a file (incidents).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import polars as pl

from pipelines.contracts.model import Catalogue, Form
from pipelines.samples import incidents, rendering
from pipelines.samples.filings import Filing
from pipelines.samples.registry import SUPERVISOR, Registry

_BLOCK_ROWS = 200_000
_DIGEST_CHARS = 12


@dataclass(slots=True)
class Outbox:
    """Where the insurers' files go.

    Attributes:
        inbox: folder that gets one folder per reporter.
        catalogue: the contracts.
        registry: the institutions.
        seed: of the bureau.
        files: data files written so far (sidecars not counted).
        size: their bytes.
    """

    inbox: Path
    catalogue: Catalogue
    registry: Registry
    seed: int
    files: int = 0
    size: int = 0
    _numbers: dict[str, int] = field(default_factory=dict)

    def lay_out(self, filing: Filing) -> None:
        """Fix how a file will look, as far as findings need it: the row of its header."""
        form, style = self.catalogue.forms[filing.form], rendering.style_of(self.registry, self.seed, filing)
        filing.header_row = len(rendering.preamble_lines(form, style, filing, "")) + 1

    def send(
        self,
        form: Form,
        filings: Sequence[Filing],
        rows: pl.DataFrame,
        texts: Sequence[tuple[int, str, str | None]],
    ) -> pl.DataFrame:
        """Write the filings of one form and period.

        Args:
            form: the contract.
            filings: all of them, also those without rows.
            rows: their rows, sorted as they stand in the files (``filing``, ``rid``, typed columns).
            texts: (row id, column, text) of cells with a text of their own.

        Returns:
            Cells that were damaged: ``rid`` and ``column``.
        """
        damaged: list[pl.DataFrame] = [pl.DataFrame(schema={"rid": pl.Int64, "column": pl.String})]
        for block, part in _blocks(filings, rows):
            damaged.append(self._send_block(form, block, part, texts))
        return pl.concat(damaged)

    def _send_block(
        self,
        form: Form,
        filings: Sequence[Filing],
        rows: pl.DataFrame,
        texts: Sequence[tuple[int, str, str | None]],
    ) -> pl.DataFrame:
        totals = {
            number: dict(zip(form.control_totals, sums, strict=True))
            for number, *sums in rendering.control_totals(form, rows).iter_rows()
        }
        cells = _with_own_texts(rendering.cell_texts(form, rows), rows["rid"], texts)
        own = {(rid, column) for rid, column, _ in texts}
        offsets = _offsets(rows)
        found: list[pl.DataFrame] = [pl.DataFrame(schema={"rid": pl.Int64, "column": pl.String})]
        for filing in filings:
            start, length = offsets.get(filing.number, (0, 0))
            table = cells.slice(start, length)
            rids = rows["rid"].slice(start, length)
            if filing.damage:
                spoiled = rendering.damaged(form, table, filing.damage)
                found.append(_changed_cells(table, spoiled, rids))
                table = spoiled
            as_text = self._text_cells(filing, table, rids, own)
            self._write(form, filing, table, totals.get(filing.number, {}), as_text)
        return pl.concat(found)

    def _text_cells(
        self, filing: Filing, table: pl.DataFrame, rids: pl.Series, own: set[tuple[int, str]]
    ) -> set[tuple[int, str]]:
        """Cells of a workbook that must be written as text: those with a text of their own, or damaged."""
        if filing.damage:
            return {(row, name) for name in table.columns for row in range(table.height)}
        if not own:
            return set()
        return {(row, name) for row, rid in enumerate(rids) for name in table.columns if (rid, name) in own}

    def _write(
        self,
        form: Form,
        filing: Filing,
        cells: pl.DataFrame,
        totals: Mapping[str, str],
        as_text: set[tuple[int, str]],
    ) -> None:
        style = rendering.style_of(self.registry, self.seed, filing)
        others = [one.code for one in self.registry.insurers if one.index != filing.reporter]
        cells = incidents.spoil_table(filing, cells, others[0])
        table, headers = rendering.arrange(form, style, cells, filing)
        sender = "监管分局" if filing.reporter == SUPERVISOR else self.registry.insurers[filing.reporter].name
        preamble = rendering.preamble_lines(form, style, filing, sender)
        envelope = rendering.envelope_of(filing, form, style, totals)
        on_cover = style.container == "xlsx" and style.cover
        if style.container == "xlsx":
            data = rendering.as_workbook(
                form, table, headers, style, preamble, envelope if on_cover else None, as_text
            )
        else:
            data = rendering.as_csv(table, headers, style, preamble, ragged=filing.incident == "ragged_row")
        data = incidents.spoil_bytes(filing, data)
        sidecar = (
            None
            if on_cover or filing.incident == "no_envelope"
            else rendering.with_digest(envelope, filing, data)
        )
        if filing.incident == "no_envelope":
            filing.submission = f"UNREAD-{sha256(data).hexdigest()[:_DIGEST_CHARS]}"
        for _ in range(filing.copies):
            self._save(filing, style.container, data, sidecar)

    def _save(
        self, filing: Filing, container: rendering.Container, data: bytes, sidecar: bytes | None
    ) -> None:
        number = self._numbers.get(filing.reporter_code, 0) + 1
        self._numbers[filing.reporter_code] = number
        path = self.inbox / filing.reporter_code / rendering.file_name(self.seed, filing, number, container)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        if sidecar is not None:
            path.with_name(f"{path.name}.json").write_bytes(sidecar)
        self.files += 1
        self.size += len(data)


def _blocks(filings: Sequence[Filing], rows: pl.DataFrame) -> Iterator[tuple[list[Filing], pl.DataFrame]]:
    """Filings in groups of at most so many rows (one filing at least), each with its rows."""
    offsets = _offsets(rows)
    block: list[Filing] = []
    start, length = 0, 0
    for filing in sorted(filings, key=lambda one: one.number):
        more = offsets.get(filing.number, (0, 0))[1]
        if block and length + more > _BLOCK_ROWS:
            yield block, rows.slice(start, length)
            block, start, length = [], start + length, 0
        block.append(filing)
        length += more
    if block:
        yield block, rows.slice(start, length)


def _offsets(rows: pl.DataFrame) -> dict[int, tuple[int, int]]:
    """First position and number of rows of each filing (rows sorted by filing)."""
    lengths = rows["filing"].rle().struct.unnest()
    starts = lengths["len"].cum_sum() - lengths["len"]
    return {
        int(number): (int(start), int(length))
        for number, start, length in zip(lengths["value"], starts, lengths["len"], strict=True)
    }


def _with_own_texts(
    cells: pl.DataFrame, rids: pl.Series, texts: Sequence[tuple[int, str, str | None]]
) -> pl.DataFrame:
    """Put in the texts that are not those of the typed values."""
    here = set(rids.to_list()) if texts else set()
    changes = [
        pl.when(pl.Series(rids) == rid).then(pl.lit(text, pl.String)).otherwise(pl.col(column)).alias(column)
        for rid, column, text in texts
        if rid in here
    ]
    # One by one: two texts may belong to the same column.
    for change in changes:
        cells = cells.with_columns(change)
    return cells


def _changed_cells(before: pl.DataFrame, after: pl.DataFrame, rids: pl.Series) -> pl.DataFrame:
    """Cells whose text differs, as ``rid`` and ``column``."""
    found = [
        pl.DataFrame({"rid": rids.filter((before[name] != after[name]).fill_null(value=False))}).with_columns(
            pl.lit(name).alias("column")
        )
        for name in before.columns
    ]
    return pl.concat(found)
