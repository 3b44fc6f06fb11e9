"""Reading revenue from files: CSV with a head, or a vendor's invoices in JSON, JSON Lines included.

Order means nothing, what stands twice is one, and what is cut off is said; every problem of all files in one go.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Final

from otel_genai_cost.errors import ConfigurationError, Problem
from otel_genai_cost.pricing.toml_text import text_of
from otel_genai_cost.reports.revenue.check import COLUMNS, Checked, WrittenRevenue, checked
from otel_genai_cost.reports.revenue.vendors import (
    VENDORS,
    Customers,
    Defect,
    Invoice,
    invoices_in,
    lines_of,
)

__all__ = ["FORMS", "invoices_read", "read_revenue"]

FORMS: Final = ("csv", *VENDORS)
"""What a file may be."""

_NONE: Final[Mapping[str, str]] = MappingProxyType({})
_LIMIT_BYTES: Final = 256 * 1024 * 1024
_REQUIRED: Final = ("tenant", "from", "to", "amount", "currency", "kind", "ref")


def read_revenue(
    paths: Sequence[Path], form: str, customers: Customers, kept: Mapping[str, str] = _NONE
) -> Checked:
    """The rows of some files, and all that is wrong with them.

    Args:
        paths: the files.
        form: of `FORMS`.
        customers: who the tenants of a vendor's customers are.
        kept: digests of what was imported before, by ref.

    Raises:
        ConfigurationError: if a file cannot be read.
    """
    problems: list[Problem] = []
    texts = [(str(path), text) for path in paths if (text := _text(path, problems)) is not None]
    if form == "csv":
        rows = [row for file, text in texts for row in _in_csv(text, file, problems)]
    else:
        rows = list(_in_invoices(texts, form, customers, problems))
    found = checked(rows, kept)
    every = sorted([*problems, *found.problems], key=lambda one: (one.file, one.line))
    return Checked(found.rows, every)


def invoices_read(
    invoices: Iterable[Invoice], vendor: str, customers: Customers, kept: Mapping[str, str] = _NONE
) -> Checked:
    """The rows of invoices that no file has.

    Args:
        invoices: as the vendor's API gives them.
        vendor: whose.
        customers: who the tenants of its customers are.
        kept: digests of what was imported before, by ref.
    """
    problems: list[Problem] = []
    rows = list(_written(invoices, vendor, customers, (f"the API of {vendor}", 0), problems))
    found = checked(rows, kept)
    return Checked(found.rows, [*problems, *found.problems])


def _text(path: Path, problems: list[Problem]) -> str | None:
    try:
        with path.open("rb") as file:
            content = file.read(_LIMIT_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(
            "cannot read the revenue",
            value=str(path),
            where=str(error.strerror),
            remedy="name a file that exists",
        ) from None
    text: str | Problem = Problem(str(path), 0, f"larger than {_LIMIT_BYTES:,} bytes", "split it")
    if len(content) <= _LIMIT_BYTES:
        text = text_of(content, str(path))
    if isinstance(text, Problem):
        problems.append(text)
        return None
    return text


def _in_csv(text: str, file: str, problems: list[Problem]) -> Iterator[WrittenRevenue]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        head = [name.strip() for name in next(reader, list[str]())]
        missing = [name for name in _REQUIRED if name not in head]
        unknown = [name for name in head if name not in COLUMNS]
        if missing or unknown or len(set(head)) != len(head):
            what = f"its head is {', '.join(head)[:200]!r}"
            problems.append(Problem(file, 1, what, f"write a head of {', '.join(COLUMNS)}"))
            return
        for row in reader:
            line = reader.line_num
            if len(row) not in (0, len(head)):
                what = f"{len(row)} cells below a head of {len(head)}"
                problems.append(Problem(file, line, what, "mend the line; is the file cut off?"))
            elif any(row):
                yield WrittenRevenue({"source": "csv", **_cells(head, row)}, file, line)
    except csv.Error as error:
        what = f"not CSV: {error}"
        problems.append(Problem(file, reader.line_num, what, "mend the line; is the file cut off?"))


def _cells(head: Sequence[str], row: Sequence[str]) -> dict[str, str]:
    return {name: cell.strip() for name, cell in zip(head, row, strict=True) if cell.strip()}


def _in_invoices(
    texts: Iterable[tuple[str, str]], vendor: str, customers: Customers, problems: list[Problem]
) -> Iterator[WrittenRevenue]:
    """Pages may come in any order, and say that others follow; if all of them do, the last is missing."""
    pages: list[tuple[str, bool]] = []
    for file, text in texts:
        for line, document in _documents(text, file, problems):
            try:
                invoices, is_more = invoices_in(document)
            except TypeError as error:
                problems.append(Problem(file, line, str(error), "export it again, as JSON"))
                continue
            pages.append((file, is_more))
            yield from _written(invoices, vendor, customers, (file, line), problems)
    if pages and all(is_more for _, is_more in pages):
        what = "its last page says that more follow, and no file has them"
        problems.append(Problem(pages[-1][0], 0, what, "export all pages"))


def _written(
    invoices: Iterable[Invoice],
    vendor: str,
    customers: Customers,
    place: tuple[str, int],
    problems: list[Problem],
) -> Iterator[WrittenRevenue]:
    for invoice in invoices:
        try:
            rows = list(lines_of(vendor, invoice, customers))
        except Defect as defect:
            problems.append(Problem(*place, defect.what, defect.remedy))
            continue
        yield from (WrittenRevenue(row, *place) for row in rows)


def _documents(text: str, file: str, problems: list[Problem]) -> Iterator[tuple[int, object]]:
    """One document, or one a line, with the line on which each begins."""
    try:
        yield 1, _parsed(text)
        return
    except (ValueError, RecursionError) as error:
        whole = error
    lines = [(n, line) for n, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if not lines or not _is_json(lines[0][1]):
        at = whole.lineno if isinstance(whole, json.JSONDecodeError) else 0
        what = f"not JSON: {whole}"
        problems.append(Problem(file, at, what, "export it again; is the file cut off?"))
        return
    for n, line in lines:
        try:
            yield n, _parsed(line)
        except (ValueError, RecursionError) as error:
            what = f"not JSON: {error}"
            problems.append(Problem(file, n, what, "export it again; is the file cut off?"))


def _parsed(text: str) -> object:
    return json.loads(text, parse_float=Decimal)


def _is_json(text: str) -> bool:
    try:
        _parsed(text)
    except (ValueError, RecursionError):
        return False
    return True
