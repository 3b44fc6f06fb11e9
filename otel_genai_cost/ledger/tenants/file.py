"""Reading the registry: TOML or CSV as a person or an export writes it, or the rows of a query."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from otel_genai_cost.errors import ConfigurationError, Problem, TenantsError
from otel_genai_cost.ledger.tenants.check import COLUMNS, Written
from otel_genai_cost.pricing.toml_text import (
    is_list_of_tables,
    lines_of_tables,
    tables_of,
    text_of,
)

__all__ = ["KINDS", "written_in", "written_of"]

KINDS: Final = (".toml", ".csv")
_LIMIT_BYTES: Final = 32 * 1024 * 1024
_KEYS: Final = ("tenant", "zone")


def written_in(path: Path) -> list[Written]:
    """The rows of a `.toml` or `.csv` file, as they were written.

    Raises:
        ConfigurationError: if it cannot be read, or is another kind of file.
        TenantsError: if it is not what its name says.
    """
    if path.suffix not in KINDS:
        raise ConfigurationError(
            "the tenants' registry is of an unknown kind",
            value=str(path),
            remedy=f"name a file that ends in {', '.join(KINDS)} or .sql",
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            "cannot read the tenants' registry",
            value=str(path),
            where=str(error.strerror),
            remedy="name a file that exists, or unset OTEL_GENAI_COST_TENANTS",
        ) from None
    return list(_written(content, path.suffix, str(path)))


def written_of(columns: Sequence[str], rows: Iterable[Sequence[Any]], place: str) -> list[Written]:
    """The rows of a query, as they came.

    Args:
        columns: their names.
        rows: a value for each column.
        place: what was asked, for problems.
    """
    return [
        Written(dict(zip(columns, row, strict=True)), f"{place}, row {number}", 0)
        for number, row in enumerate(rows, start=1)
    ]


def _written(content: bytes, kind: str, file: str) -> Iterator[Written]:
    if len(content) > _LIMIT_BYTES:
        raise _broken(file, 0, f"larger than {_LIMIT_BYTES:,} bytes", "keep what is needed")
    text = text_of(content, file)
    if isinstance(text, Problem):
        raise TenantsError((text,))
    return _in_csv(text, file) if kind == ".csv" else _in_toml(text, file)


def _broken(file: str, line: int, what: str, remedy: str) -> TenantsError:
    return TenantsError((Problem(file, line, what, remedy),))


def _in_toml(text: str, file: str) -> Iterator[Written]:
    tables = tables_of(text, file)
    if isinstance(tables, Problem):
        raise TenantsError((tables,))
    entries = tables.get("tenant", [])
    if not is_list_of_tables(entries) or not tables.keys() <= set(_KEYS):
        found = ", ".join(sorted(tables)[:5])
        raise _broken(file, 0, f"it has {found}", 'write [[tenant]] tables, and zone = "…" above')
    lines = lines_of_tables(text).get("tenant", ())
    for place, entry in enumerate(entries):
        line = lines[place] if len(lines) == len(entries) else 0
        yield Written(entry, file, line, tables.get("zone"))


def _in_csv(text: str, file: str) -> Iterator[Written]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        head = [name.strip() for name in next(reader, list[str]())]
        if not set(head) <= set(COLUMNS) or len(set(head)) != len(head) or "tenant" not in head:
            known = f"write a head of {', '.join(COLUMNS)}, or of some of these"
            raise _broken(file, 1, f"its head is {', '.join(head)[:200]!r}", known)
        for row in reader:
            if len(row) not in (0, len(head)):
                what = f"{len(row)} cells below a head of {len(head)}"
                defect = (what, "write a cell for each column")
                yield Written({}, file, reader.line_num, defect=defect)
            elif any(row):
                cells = [cell.strip() for cell in row]
                yield Written(dict(zip(head, cells, strict=True)), file, reader.line_num)
    except csv.Error as error:
        raise _broken(file, reader.line_num, f"not CSV: {error}", "mend that line") from None
