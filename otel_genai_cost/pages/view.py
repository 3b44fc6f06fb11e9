"""What a page gives back: a template with its values, and the same as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.reports.printable import csv_cell

__all__ = ["MissingPageError", "Table", "View", "csv_text"]


class MissingPageError(GenAICostError):
    """There is nothing of that name, or it is none of this viewer's business: nobody may learn which of the two."""


class Table(NamedTuple):
    """What a page shows, as rows.

    Attributes:
        name: of the file, without an ending.
        columns: the heads.
        rows: a value for each column; amounts are decimal texts.
    """

    name: str
    columns: Sequence[str]
    rows: Iterable[Sequence[object]]

    @classmethod
    def of_records(
        cls, name: str, columns: Sequence[str], records: Iterable[Mapping[str, Any]]
    ) -> Table:
        """What of records stands under the names of the columns; rows are made as they are read.

        Args:
            name: of the file, without an ending.
            columns: the heads.
            records: each has a value for every column.
        """
        return cls(name, columns, (tuple(one[column] for column in columns) for one in records))


class View(NamedTuple):
    """A page before it is written.

    Attributes:
        template: a file in `templates`.
        values: what it has, beside what every page has.
        table: what it shows as CSV; None for a page that has none.
    """

    template: str
    values: Mapping[str, Any]
    table: Table | None = None


def csv_text(table: Table) -> str:
    """A table as CSV with a head; no cell is a formula to a spreadsheet.

    Args:
        table: the rows.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows([csv_cell(cell) for cell in row] for row in table.rows)
    return file.getvalue()
