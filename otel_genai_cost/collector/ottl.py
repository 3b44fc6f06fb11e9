"""The language of the collector's transform processor: its values, its statements, and tables that are looked into.

OTTL has no tables. A list that stands in a statement is made once, when the collector starts, and `Coalesce` hands it
on as it is; so one of its places is found in the same time whatever its length. Which place is the key's is worked out
from the key's FNV-1a hash, without a collision among the keys that are in the table (a hash with displacements).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Final, NamedTuple

__all__ = [
    "Table",
    "assign",
    "attribute",
    "either",
    "first",
    "kept",
    "literal",
    "picked",
    "quoted",
    "table_of",
]

Literal = str | int | float | None

_FNV_BASE: Final = 0xCBF29CE484222325
_FNV_PRIME: Final = 0x100000001B3
_64_BITS: Final = (1 << 64) - 1
_INT64_END: Final = 1 << 63
_HASHES: Final = (1 << 31) - 1
"""A hash is taken by its remainder, which is less than this on both sides of 0."""


def literal(value: Literal) -> str:
    """A value as OTTL writes it. Numbers have no exponent there."""
    if value is None:
        return "nil"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def attribute(name: str) -> str:
    """An attribute of the span."""
    return f"span.attributes[{literal(name)}]"


def kept(name: str) -> str:
    """What an earlier statement kept for this span."""
    return f"span.cache[{literal(name)}]"


def picked(values: Iterable[Literal], place: str) -> str:
    """What stands at a place of a list.

    Args:
        values: The list.
        place: An expression, from 0.
    """
    return f"Coalesce([[{','.join(map(literal, values))}]])[{place}]"


def first(attributes: Iterable[str], *otherwise: str) -> str:
    """The first of several attributes that is there, or else what an expression says."""
    found = [*map(attribute, attributes), *otherwise]
    return found[0] if len(found) == 1 else f"Coalesce([{', '.join(found)}])"


def either(*conditions: str) -> str:
    """One of these conditions, in brackets."""
    return f"({' or '.join(conditions)})"


def assign(target: str, value: str, *conditions: str) -> str:
    """A statement that sets something.

    Args:
        target: What is set.
        value: To what; nil sets nothing.
        conditions: Where; all of them have to hold.
    """
    where = f" where {' and '.join(conditions)}" if conditions else ""
    return f"set({target}, {value}){where}"


def quoted(statement: str) -> str:
    """A statement as a YAML scalar of the collector's configuration, where `$` stands for a variable."""
    return "'" + statement.replace("'", "''").replace("$", "$$") + "'"


class Table(NamedTuple):
    """Values by text. A key's hash names a bucket, by its remainder by the number of those, and a place, by the
    quotient and the bucket's shift."""

    shifts: Sequence[int]
    keys: Sequence[str]
    values: Sequence[Literal]

    def lookup(self, key: str, place: str, *conditions: str) -> Iterator[str]:
        """Statements that find the place of a key.

        Args:
            key: Where the key is kept.
            place: Where its place is to be kept.
            conditions: Where it is looked for at all.
        """
        buckets, places = len(self.shifts), len(self.keys)
        shift = picked(self.shifts, f"{place} - {place} / {buckets} * {buckets}")
        yield assign(place, f"FNV({key})", *conditions)
        yield assign(place, f"{place} - {place} / {_HASHES} * {_HASHES} + {_HASHES}", *conditions)
        yield assign(place, f"{place} / {buckets} + {shift}", *conditions)
        yield assign(place, f"{place} - {place} / {places} * {places}", *conditions)

    def has(self, key: str, place: str) -> str:
        """The condition that the key is in the table, once its place was found."""
        return f"{picked(self.keys, place)} == {key}"

    def value(self, place: str) -> str:
        """What the table holds there."""
        return picked(self.values, place)


def table_of(entries: Mapping[str, Literal]) -> Table:
    """The table of these entries."""
    for buckets in count(len(entries) // 2 + 1):
        table = _placed(entries, buckets, len(entries) * 4 // 3 + 1)
        if table is not None:
            return table
    raise AssertionError("count() has no end")


def _placed(entries: Mapping[str, Literal], buckets: int, places: int) -> Table | None:
    """The table with that many buckets; None where two keys of one bucket would always meet."""
    members: dict[int, list[tuple[str, int]]] = {}
    for key in entries:
        quotient, bucket = divmod(_hash(key), buckets)
        members.setdefault(bucket, []).append((key, quotient))
    shifts = [0] * buckets
    keys: list[str] = [""] * places
    values: list[Literal] = [None] * places
    free = set(range(places))
    for bucket, found in sorted(members.items(), key=lambda item: -len(item[1])):
        for shift in range(places):
            wanted = {(quotient + shift) % places for _, quotient in found}
            if len(wanted) == len(found) and wanted <= free:
                break
        else:
            return None
        shifts[bucket] = shift
        free -= wanted
        for key, quotient in found:
            place = (quotient + shift) % places
            keys[place], values[place] = key, entries[key]
    return Table(shifts, keys, values)


def _hash(text: str) -> int:
    """What statements make of FNV-1a of 64 bits: a signed integer, and its remainder, which has the same sign."""
    number = _FNV_BASE
    for byte in text.encode():
        number = (number ^ byte) * _FNV_PRIME & _64_BITS
    if number >= _INT64_END:
        return _HASHES - (2 * _INT64_END - number) % _HASHES
    return number % _HASHES + _HASHES
