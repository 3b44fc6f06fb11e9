"""From TOML, as a person writes prices, to the document that a book is made of.

One file holds `[[source]]`, `[[provider]]`, `[[model]]` and `[[price]]` tables. A price's `[[price.variant]]` and
`[[price.tier]]` become rows of their own; a variant or tier states every rate it has, nothing is inherited.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, cast

from otel_genai_cost.errors import Problem
from otel_genai_cost.pricing.instants import microseconds, rfc3339

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["FILE_LIMIT_BYTES", "SCHEMA", "Places", "read_toml"]

SCHEMA: Final = "otel-genai-cost/1"
FILE_LIMIT_BYTES: Final = 32 * 1024 * 1024

Places = dict[int, tuple[str, int]]
"""id() of an entry of the document -> the file and line it was written at."""

_HEADER: Final = re.compile(r"^\s*\[\[\s*([a-z.]+)\s*\]\]", re.MULTILINE)
_TABLES: Final = {
    "source": "sources",
    "provider": "providers",
    "model": "models",
    "price": "prices",
}
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
)
_NOT_RATES: Final = (*_PRICE_KEYS, "tier", "variant", "when")


def read_toml(path: Path, document: dict[str, Any], places: Places) -> Iterator[Problem]:
    """Add the file's entries to `document`, note where each stands, and yield what cannot be read at all."""
    if path.stat().st_size > FILE_LIMIT_BYTES:
        yield Problem(str(path), 0, f"larger than {FILE_LIMIT_BYTES} bytes", "split it by provider")
        return
    try:
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
        content = tomllib.loads(text, parse_float=Decimal)
    except UnicodeDecodeError as error:
        yield Problem(str(path), 0, f"not UTF-8: {error}", "save it as UTF-8")
        return
    except tomllib.TOMLDecodeError as error:
        yield Problem(str(path), 0, f"not TOML: {error}", "mend the syntax at that place")
        return
    if (schema := content.pop("schema", None)) != SCHEMA:
        yield Problem(str(path), 1, f"schema is {schema!r}", f'write schema = "{SCHEMA}"')
        return
    lines = _lines(text)
    for table, entries in content.items():
        if table not in _TABLES or not isinstance(entries, list):
            yield Problem(str(path), 0, f"unknown table {table!r}", f"use {', '.join(_TABLES)}")
            continue
        _add(document, table, cast("list[dict[str, Any]]", entries), places, str(path), lines)


def _add(
    document: dict[str, Any],
    table: str,
    entries: list[dict[str, Any]],
    places: Places,
    file: str,
    lines: Mapping[str, list[int]],
) -> None:
    nested = {kind: iter(lines.get(f"price.{kind}", ())) for kind in ("tier", "variant")}
    for entry, line in zip(entries, lines.get(table, [0] * len(entries)), strict=False):
        rows = _price_rows(entry, line, nested) if table == "price" else [(_texts(entry), line)]
        for row, row_line in rows:
            document[_TABLES[table]].append(row)
            places[id(row)] = (file, row_line)


def _lines(text: str) -> Mapping[str, list[int]]:
    """Line numbers of each kind of table header, in the order they stand."""
    found: dict[str, list[int]] = {}
    for match in _HEADER.finditer(text):
        found.setdefault(match[1], []).append(text.count("\n", 0, match.start()) + 1)
    return found


def _price_rows(
    entry: Mapping[str, Any], line: int, nested: Mapping[str, Iterator[int]]
) -> Iterator[tuple[dict[str, Any], int]]:
    """The base row, then a row for each tier and variant, which say for themselves since when they are known."""
    common = _texts({key: value for key, value in entry.items() if key in _PRICE_KEYS})
    yield {**common, **_row(entry)}, line
    for kind in ("tier", "variant"):
        for part in entry.get(kind, ()):
            yield {**common, **_row(part)}, next(nested[kind], line)


def _row(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What a base price, a tier or a variant says for itself: its own keys, conditions and rates."""
    own = {key: value for key, value in entry.items() if key in _PRICE_KEYS}
    rates = {key: value for key, value in entry.items() if key not in _NOT_RATES}
    return {**_texts(own), "when": _when(entry), "rates": _texts(rates)}


def _when(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    when = entry.get("when", {})
    return cast("dict[str, Any]", when) if isinstance(when, dict) else {"": when}


def _texts(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers as written, instants as RFC 3339 in UTC; what is not one stays for the checks to name."""
    return {key: _text(value) for key, value in entry.items()}


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, Decimal)):
        return format(Decimal(value), "f")
    if hasattr(value, "isoformat"):
        text = str(value.isoformat())
        try:
            return rfc3339(microseconds(text))
        except ValueError:
            return text
    return value
