"""What a format of bills is, and what its rows are read with: every defect is told at once, with file and line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import BillsError, Problem
from otel_genai_cost.pricing.instants import local_clock, microseconds
from otel_genai_cost.reconciliation.bill import BillLine
from otel_genai_cost.reconciliation.importers.document import Document, Row, list_of

__all__ = ["UTC", "Format", "Read", "currency_of", "day_of", "each", "read_lines", "text_of"]

UTC: Final = "UTC"
_CURRENCY: Final = re.compile(r"[A-Z]{3}", re.ASCII)
_DAY: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(?: ?UTC|([Zz]|[+-]\d\d:\d\d))?)?",
    re.ASCII,
)
_TEXT_MAX: Final = 256
_REMEDY: Final = "mend it, or export the bill again"
_UNREADABLE: Final = (BillsError, KeyError, ValueError, TypeError, AttributeError)


class Format(NamedTuple):
    """A format.

    Attributes:
        name: for people.
        providers: whose calls it bills, as OpenTelemetry names them; none where the file says.
        zone: whose days it counts, an IANA name.
        recognises: whether a file is in it.
        lines: of a row; raises ValueError, KeyError or TypeError for what cannot be read.
        goes_on: whether a row says that there are more, so that one that does not must follow.
        id_of: what a row alone has, where files may overlap: one that comes again counts once; None where they may not.
    """

    name: str
    providers: tuple[str, ...]
    zone: str
    recognises: Callable[[Document], bool]
    lines: Callable[[Row], Iterator[BillLine]]
    goes_on: Callable[[Row], bool] = lambda row: row.fields.get("has_more") is True
    id_of: Callable[[Row], str | None] = lambda row: None


class Read(NamedTuple):
    """A file as it was read.

    Attributes:
        form: its format.
        name, digest: of the file.
        lines: of the bill.
        goes_on: how many of its pages say that there are more.
        ends: how many say that there are none.
    """

    form: Format
    name: str
    digest: str
    lines: tuple[BillLine, ...]
    goes_on: int
    ends: int


def read_lines(form: Format, document: Document, seen: set[str]) -> Read:
    """The lines of a file.

    Args:
        form: of the file.
        document: the file.
        seen: ids of rows of this bill that were read before, to which those of this file are added.

    Raises:
        BillsError: with everything that cannot be read.
    """
    lines, problems = list[BillLine](), list[Problem]()
    for row in document.rows:
        try:
            name = form.id_of(row)
            if name is None or name not in seen:
                lines.extend(form.lines(row))
            seen.update(() if name is None else (name,))
        except _UNREADABLE as error:
            problems.extend(_problems(error, row.line))
    if problems:
        raise BillsError(tuple(one._replace(file=document.name) for one in problems))
    goes_on = sum(map(form.goes_on, document.rows))
    ends = len(document.rows) - goes_on
    return Read(form, document.name, document.digest, tuple(lines), goes_on, ends)


def _problems(error: Exception, line: int) -> tuple[Problem, ...]:
    """What is wrong with a row, in a file that is named later."""
    if isinstance(error, BillsError):
        return error.problems
    what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
    return (Problem("", line, what, _REMEDY),)


def text_of(value: Any) -> str | None:
    """A text that may be missing.

    Raises:
        ValueError: for what is no text, or far too long.
    """
    if value is None or value == "":
        return None
    text = str(value)
    if isinstance(value, (bool, list, dict)) or len(text) > _TEXT_MAX:
        raise ValueError(f"not a name: {text[:60]!r}")
    return text.strip() or None


def currency_of(value: Any) -> str:
    """An ISO 4217 code.

    Raises:
        ValueError: for anything else.
    """
    code = str(value or "USD").strip().upper()
    if not _CURRENCY.fullmatch(code):
        raise ValueError(f"no currency: {str(value)[:60]!r}")
    return code


def day_of(value: Any) -> str:
    """The day of a date, or that of UTC which an instant is in; without an offset it is one of UTC.

    Raises:
        ValueError: for anything else.
    """
    said = _DAY.fullmatch(str(value).strip())
    if said is None:
        raise ValueError(f"no day: {str(value)[:60]!r}")
    day, time, offset = said.groups()
    if offset is None:
        return date.fromisoformat(day).isoformat()
    seconds = "" if time.count(":") == 2 else ":00"
    at_us = microseconds(f"{day}T{time}{seconds}{offset}")
    return local_clock(at_us).date().isoformat()


def each(rows: Any, read: Callable[[Mapping[str, Any]], Iterator[BillLine]]) -> Iterator[BillLine]:
    """The lines of rows within a row, with every defect of them and the line that it stands in.

    Args:
        rows: objects of a JSON file.
        read: one of them.

    Raises:
        BillsError: with everything that cannot be read.
        TypeError: if they are no list.
    """
    problems = list[Problem]()
    for one in list_of(rows):
        line = getattr(one, "line", 0)
        try:
            yield from read(one)
        except _UNREADABLE as error:
            problems.extend(_problems(error, line))
    if problems:
        raise BillsError(tuple(problems))
