"""A book of layers: the wheel's or the configured one, then overlay files, later ones over earlier ones.

A row of an overlay takes the place of the row with the same provider, model and conditions for as long as it holds;
before and after, the other row stands. It is written as a correction is: the row below is superseded from the day the
overlay's row was recorded, so that the book as known on an earlier day is what it was. Models and providers that both
layers name have the names of both. The merged book is a book like any other, with a digest of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from otel_genai_cost.errors import ConfigurationError, PriceBookError, Problem
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.bundle import installed
from otel_genai_cost.pricing.document import HEAD, KINDS, PARTS, Document
from otel_genai_cost.pricing.instants import microseconds, rfc3339
from otel_genai_cost.pricing.load import (
    canonical,
    load_book,
    parse_lock,
    price_id,
    read_sources,
)
from otel_genai_cost.pricing.tariff import FOREVER_US

if TYPE_CHECKING:
    from otel_genai_cost.pricing.check import Places

__all__ = ["laid_over", "load_layers"]

_MERGED: Final = {"providers": ("id",), "models": ("provider", "id")}
"""Kinds of entries whose lists of names are joined, and what makes two of them the same."""

Entry = dict[str, Any]
_Span = tuple[int, int]


def load_layers(base: Path | None, overlays: Sequence[Path]) -> Book:
    """Load a price book with others laid over it.

    Args:
        base: as for `load_book`.
        overlays: files or folders; later ones win.

    Raises:
        ConfigurationError: if a file is missing.
        PriceBookError: with every problem of every layer.
    """
    book = _checked_before(base) or load_book(base)
    return laid_over(book, overlays) if overlays else book


def _checked_before(path: Path | None) -> Book | None:
    """A book that `prices fetch` installed is as fast as the wheel's; None for any other."""
    lock = None if path is None else installed(path)
    if lock is None:
        return None
    try:
        return Book(Document.of_lock(lock), lock, sha256(lock).hexdigest())
    except (ValueError, KeyError):  # of a version that wrote no index
        return None


def laid_over(book: Book, overlays: Iterable[Path]) -> Book:
    """Lay overlays over a book.

    Args:
        book: the book below, which is not changed.
        overlays: TOML files, folders of them or locks; each lies over those before it.

    Raises:
        PriceBookError: with every problem of every overlay.
    """
    from otel_genai_cost.pricing.check import check

    places: Places = {}
    problems: list[Problem] = []
    layers: list[Mapping[str, list[Entry]]] = []
    for path in overlays:
        over, over_places, found = _overlay(path)
        places |= over_places
        problems += found
        layers.append({kind: _entries(over.get(kind)) for kind in KINDS})
    touched = {str(e.get("provider")) for layer in layers for kind in PARTS for e in layer[kind]}
    tables = _tables(book.document, touched)
    for layer in layers:
        for kind, entries in layer.items():
            _lay(kind, tables[kind], entries, places)
    problems += check(tables, places)
    if problems:
        raise PriceBookError(tuple(problems))
    for provider, part in book.document.parts():
        if provider not in touched:
            for kind in PARTS:
                tables[kind] += cast("list[Entry]", getattr(part, kind))
    lock = canonical(tables)
    return Book(Document.of(tables), lock, sha256(lock).hexdigest())


def _tables(document: Document, providers: Iterable[str]) -> dict[str, list[Entry]]:
    """What an overlay may change, copied: the rest of the book below was checked when it was made."""
    tables = {kind: [dict(entry) for entry in getattr(document, kind)] for kind in HEAD}
    parts = [document.part(provider) for provider in providers]
    for kind in PARTS:
        tables[kind] = [dict(entry) for part in parts for entry in getattr(part, kind)]
    return tables


def _overlay(path: Path) -> tuple[dict[str, Any], Places, list[Problem]]:
    try:
        if path.is_file() and path.suffix == ".json":
            tables = parse_lock(load_book(path).lock, str(path))
            rows = [entry for kind in tables.values() for entry in _entries(kind)]
            return tables, {id(entry): (str(path), 0) for entry in rows}, []
        files = sorted(path.glob("*.toml")) if path.is_dir() else [path]
        if not files or not all(file.is_file() for file in files):
            raise FileNotFoundError(f"no such file, or no .toml file in it: {path}")
        return read_sources(files)
    except OSError as error:
        raise ConfigurationError(
            "cannot read the price overlay",
            value=str(path),
            where=str(error),
            remedy="name a file that exists, or take it out of OTEL_GENAI_COST_OVERLAYS",
        ) from None


def _entries(value: object) -> list[Entry]:
    """The entries of one kind; none in a lock's schema or index."""
    return cast("list[Entry]", value) if isinstance(value, list) else []


def _lay(kind: str, below: list[Entry], entries: list[Entry], places: Places) -> None:
    if kind == "prices":
        _lay_rows(below, entries, places)
    elif kind in _MERGED:
        _merge(below, entries, _MERGED[kind])
    else:
        below += [entry for entry in entries if entry not in below]


def _merge(below: list[Entry], entries: Iterable[Entry], identity: Sequence[str]) -> None:
    """Join the lists of names of what both layers have."""
    known = {tuple(str(entry.get(key)) for key in identity): entry for entry in below}
    for entry in entries:
        same = known.get(tuple(str(entry.get(key)) for key in identity))
        if same is None:
            below.append(entry)
            continue
        for key, value in entry.items():
            names: list[object] = _list(same.get(key))
            more = [name for name in _list(value) if name not in names]
            same[key] = [*names, *more] if isinstance(value, list) else value


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _lay_rows(below: list[Entry], entries: Sequence[Entry], places: Places) -> None:
    gone = {row.get("supersedes") for row in (*below, *entries)}
    known = {row.get("id"): row for row in below}
    standing: dict[str, list[Entry]] = {}
    for row in below:
        if row.get("id") not in gone:
            standing.setdefault(_key(row), []).append(row)
    for entry in entries:
        if known.get(entry.get("id")) == entry:
            continue
        same = standing.setdefault(_key(entry), [])
        under = [row for row in same if _meet(row, entry)]
        covers = bool(under) and "supersedes" not in entry
        pieces, left = (
            (list(_pieces(entry, under)), _left(entry, under)) if covers else ([entry], [])
        )
        below += [*pieces, *left]
        place = places.get(id(entry), ("price book", 0))
        places.update({id(row): place for row in (*pieces, *left)})
        standing[_key(entry)] = [row for row in same if row not in under or not covers] + left


def _key(row: Entry) -> str:
    when: object = row.get("when") or {}
    return json.dumps([row.get("provider"), row.get("model"), _comparable(when)], sort_keys=True)


def _comparable(value: object) -> object:
    """Conditions as text that is equal for equal conditions: a list of words is a set."""
    if isinstance(value, dict):
        return {key: _comparable(part) for key, part in cast("dict[str, object]", value).items()}
    words = _list(value)
    return sorted(map(str, words)) if words else str(value)


def _meet(row: Entry, entry: Entry) -> bool:
    try:
        (begin, end), (from_us, to_us) = _span(row), _span(entry)
        _after(row, entry)
    except (KeyError, TypeError, ValueError, OverflowError):
        return False  # broken: the checks say how
    return begin < to_us and from_us < end


def _span(row: Mapping[str, Any]) -> _Span:
    to = row.get("to")
    return microseconds(row["from"]), FOREVER_US if to is None else microseconds(to)


def _pieces(entry: Entry, under: Sequence[Entry]) -> Iterator[Entry]:
    """The overlay's row in pieces, each superseding the row it covers."""
    at_us, to_us = _span(entry)
    for row in sorted(under, key=_span):
        begin, end = _span(row)
        if at_us < begin:
            yield _piece(entry, at_us, begin)
        correction = {"supersedes": row["id"], "recorded_at": _after(row, entry)}
        at_us = max(at_us, begin)
        yield _piece({**entry, **correction}, at_us, min(end, to_us))
        at_us = end
    if at_us < to_us:
        yield _piece(entry, at_us, to_us)


def _left(entry: Entry, under: Sequence[Entry]) -> list[Entry]:
    """What stands of the covered rows, before and after the overlay's."""
    from_us, to_us = _span(entry)
    found: list[Entry] = []
    for row in under:
        begin, end = _span(row)
        correction = {"supersedes": row["id"], "recorded_at": _after(row, entry)}
        for span in ((begin, from_us), (to_us, end)):
            if span[0] < span[1]:
                left = _piece({**row, **correction}, *span)
                del left["supersedes"]
                found.append(left)
    return found


def _after(row: Entry, entry: Entry) -> str:
    """When the overlay's row took the other's place: as soon as both were known."""
    later_us = microseconds(row["recorded_at"]) + 1
    return rfc3339(max(later_us, microseconds(entry["recorded_at"])))


def _piece(entry: Entry, from_us: int, to_us: int) -> Entry:
    piece = {**entry, **_dated(from_us, to_us)}
    if to_us == FOREVER_US:
        piece.pop("to", None)
    return {**piece, "id": price_id(piece)}


def _dated(from_us: int, to_us: int) -> dict[str, str]:
    until = {} if to_us == FOREVER_US else {"to": rfc3339(to_us)}
    return {"from": rfc3339(from_us), **until}
