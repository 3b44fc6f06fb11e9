"""From TOML, as a person writes prices, to the document that a book is made of.

One file holds `[[source]]`, `[[calendar]]`, `[[provider]]`, `[[model]]`, `[[alias]]` and `[[price]]` tables.
A price's `[[price.variant]]` and
`[[price.tier]]` become rows of their own; a variant or tier states every rate it has, nothing is inherited.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final, cast

from otel_genai_cost.errors import Problem
from otel_genai_cost.pricing.check import Places
from otel_genai_cost.pricing.document import SCHEMA
from otel_genai_cost.pricing.fees import FEE_KEYS
from otel_genai_cost.pricing.instants import microseconds, rfc3339
from otel_genai_cost.pricing.money import format_money, parse_money
from otel_genai_cost.pricing.shapes import THRESHOLDS
from otel_genai_cost.pricing.toml_text import is_list_of_tables, lines_of_tables, tables_of, text_of

__all__ = ["read_toml"]

_TABLES: Final = {
    "source": "sources",
    "calendar": "calendars",
    "provider": "providers",
    "alias": "aliases",
    "model": "models",
    "price": "prices",
}
_NESTED: Final = ("tier", "variant")
_PRICE_KEYS: Final = (
    "model",
    "from",
    "to",
    "recorded_at",
    "source",
    "currency",
    "supersedes",
    "free",
    "refuse",
    "undated",
    *FEE_KEYS,
)
_OWN: Final = ("free", "refuse", "undated", "supersedes", *FEE_KEYS)
"""Keys of a price that its tiers and variants say for themselves."""

_NOT_RATES: Final = (*_PRICE_KEYS, *_NESTED, "when")

Row = tuple[dict[str, Any], int]
"""An entry of the document, and the line it was written at."""


def read_toml(
    file: str, content: bytes, document: dict[str, Any], places: Places
) -> Iterator[Problem]:
    """Read the entries of a TOML file into a document. A byte order mark and CRLF line ends make no difference.

    Args:
        file: its name, for problems.
        content: its bytes.
        document: lists of entries by kind; the file's are appended.
        places: gets the file and line of each entry.

    Yields:
        What cannot be read at all; whether the entries make sense is checked later.
    """
    text = text_of(content, file)
    if isinstance(text, Problem):
        yield text
        return
    tables = tables_of(text, file)
    if isinstance(tables, Problem):
        yield tables
        return
    if (schema := tables.pop("schema", None)) != SCHEMA:
        yield Problem(file, 1, f"schema is {schema!r}", f'write schema = "{SCHEMA}" first')
    yield from _tables(file, tables, lines_of_tables(text), document, places)


def _tables(
    file: str,
    tables: Mapping[str, Any],
    lines: Mapping[str, Sequence[int]],
    document: dict[str, Any],
    places: Places,
) -> Iterator[Problem]:
    nested = {kind: iter(lines.get(f"price.{kind}", ())) for kind in _NESTED}
    for table, entries in tables.items():
        if table not in _TABLES or not is_list_of_tables(entries):
            yield Problem(
                file, 0, f"unknown key {table!r}", f"use [[{']], [['.join(_TABLES)}]] tables"
            )
            continue
        headers = iter(lines.get(table, ()))
        for entry in cast("list[dict[str, Any]]", entries):
            line = next(headers, 0)
            if table == "price":
                yield from _nested_defects(file, line, entry)
                rows = list(_price_rows(entry, line, nested))
            else:
                rows = [(_texts(entry), line)]
            for row, row_line in rows:
                document[_TABLES[table]].append(row)
                places[id(row)] = (file, row_line)


def _nested_defects(file: str, line: int, entry: Mapping[str, Any]) -> Iterator[Problem]:
    for kind in _NESTED:
        if not is_list_of_tables(entry.get(kind, [])):
            yield Problem(file, line, f"{kind} is no table", f"write [[price.{kind}]]")
    thresholds = [
        value
        for tier in _parts(entry, "tier")
        for key, value in _when(tier).items()
        if key in THRESHOLDS and type(value) is int
    ]
    for lower, higher in pairwise(thresholds):
        if higher <= lower:
            yield Problem(
                file, line, f"tier {higher} follows {lower}", "write tiers in increasing order"
            )


def _parts(entry: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    parts: Any = entry.get(kind, [])
    return parts if is_list_of_tables(parts) else []


def _price_rows(
    entry: Mapping[str, Any], line: int, nested: Mapping[str, Iterator[int]]
) -> Iterator[Row]:
    """The base row, then a row for each tier and variant, which may say for themselves since when they hold."""
    common = _texts({key: value for key, value in entry.items() if key in _PRICE_KEYS})
    for key in _OWN:
        common.pop(key, None)
    yield {**common, **_row(entry)}, line
    for kind in _NESTED:
        for part in _parts(entry, kind):
            yield {**common, **_row(part)}, next(nested[kind], line)


def _row(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What a base price, a tier or a variant says for itself: its own keys, conditions and rates."""
    own = {key: value for key, value in entry.items() if key in _PRICE_KEYS}
    rates = {key: _rate(value) for key, value in entry.items() if key not in _NOT_RATES}
    ranges: Any = own.get("between")
    if isinstance(ranges, dict):
        own["between"] = {
            leaf: _rates(ends) for leaf, ends in cast("dict[str, Any]", ranges).items()
        }
    return {**_texts(own), "when": entry.get("when", {}), "rates": rates}


def _rates(ends: Any) -> Any:
    """The ends of a range; what is no table stays for the checks to name."""
    if not isinstance(ends, dict):
        return ends
    return {end: _rate(value) for end, value in cast("dict[str, Any]", ends).items()}


def _when(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    when: Any = entry.get("when", {})
    return cast("Mapping[str, Any]", when) if isinstance(when, dict) else {}


def _rate(value: Any) -> Any:
    """A number as the canonical decimal string; what is no number stays for the checks to name."""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal, str)):
        return repr(value)
    try:
        return format_money(parse_money(value))
    except ValueError:
        return str(value)


def _texts(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Instants as RFC 3339 in UTC, everywhere in an entry."""
    return {key: _text(value) for key, value in entry.items()}


def _text(value: object) -> object:
    if isinstance(value, list):
        return [_text(part) for part in cast("list[object]", value)]
    if isinstance(value, dict):
        return _texts(cast("dict[str, Any]", value))
    if isinstance(value, (date, time)):
        text = value.isoformat()
        try:
            return rfc3339(microseconds(text))
        except (ValueError, OverflowError):
            return text
    return value
