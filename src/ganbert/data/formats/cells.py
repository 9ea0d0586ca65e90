"""Rows of text cells to tables, for formats without types: CSV, TSV and Excel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from ganbert.data.table_readers import Source


class CellTable:
    """What a header makes of the rows below it. Columns without a name behind the last named one are left out.

    Spreadsheets leave such columns, mostly empty. Rows that do have something there are counted and noted.
    """

    def __init__(self, source: Source, header: Sequence[str]) -> None:
        source.check_width(len(header))
        self._source, self._n_columns = source, len(header)
        n_named = max((i for i, name in enumerate(header, 1) if name.strip()), default=len(header))
        self._names = list(header[:n_named])
        self.n_rows = 0
        self._n_beyond, self._first_beyond = 0, 0

    def chunk(self, rows: Sequence[Sequence[str]]) -> pa.Table:
        """Return rows, each as wide as the header, as a table."""
        columns: list[Iterable[str]] = list(zip(*rows, strict=True)) or [()] * self._n_columns
        n_named = len(self._names)
        for row, cells in enumerate(zip(*columns[n_named:], strict=True), self.n_rows + 1):
            if any(map(str.strip, cells)):
                self._first_beyond = self._first_beyond or row
                self._n_beyond += 1
        self.n_rows += len(rows)
        return pa.table([pa.array(cells, pa.string()) for cells in columns[:n_named]], names=self._names)

    def close(self) -> None:
        """Note what was left out."""
        if self._n_beyond:
            rows = "row has" if self._n_beyond == 1 else "rows have"
            self._source.log.notes.append(
                f"{self._n_beyond} {rows} text in columns without a name (the first is row {self._first_beyond}): "
                "it is left out; name these columns in the header to keep it"
            )
