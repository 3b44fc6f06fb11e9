"""Which keys an entry of a price document has, and what each may hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple, cast

from otel_genai_cost.pricing.instants import days_of, microseconds, rfc3339
from otel_genai_cost.pricing.resolve import NAME_LIMIT
from otel_genai_cost.usage.leaves import QUANTITY_LIMIT

__all__ = [
    "CURRENCY",
    "FLAG",
    "INSTANT",
    "LAYOUT",
    "TABLE",
    "TEXT",
    "THRESHOLDS",
    "Layout",
    "Shape",
]

THRESHOLDS: Final = ("input_tokens_gt", "input_tokens_gte")
"""Keys of `when` that make a row a tier: beyond, or from, that input total on."""

Defect = tuple[str, str]
"""What is wrong, and the remedy."""


class _Shape(NamedTuple):
    fits: Callable[[Any], bool]
    remedy: str


class Layout(NamedTuple):
    """The keys of one kind of entry."""

    label: str
    required: Mapping[str, _Shape]
    optional: Mapping[str, _Shape]

    def defects(self, entry: Mapping[str, Any]) -> Iterator[Defect]:
        """What is missing, unknown or of the wrong type."""
        known = {**self.required, **self.optional}
        for key in sorted(self.required.keys() - entry.keys()):
            yield f"{self.label} without {key!r}", f"add {key}"
        for key in sorted(map(str, entry.keys() - known.keys())):
            yield f"unknown key {key!r} in a {self.label}", f"known: {', '.join(sorted(known))}"
        for key, shape in known.items():
            if key in entry and not shape.fits(entry[key]):
                yield f"{key} is {str(entry[key])[:80]!r}", shape.remedy
        if not _is_forward(entry):
            yield f"valid from {entry['from']} to {entry['to']}", "the end must be after the start"


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= NAME_LIMIT


def _is_url(value: object) -> bool:
    return isinstance(value, str) and value.startswith(("https://", "http://", "file:"))


def _is_instant(value: object) -> bool:
    try:
        rfc3339(microseconds(str(value)))
    except (ValueError, OverflowError):
        return False
    return isinstance(value, str)


def _is_currency(value: object) -> bool:
    return isinstance(value, str) and len(value) == 3 and value.isalpha() and value.isupper()


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, cast("list[object]", value)))


def _is_days(value: object) -> bool:
    try:
        return _is_texts(value) and bool(days_of(cast("list[str]", value)))
    except ValueError:
        return False


def _is_aliases(value: object) -> bool:
    return isinstance(value, list) and all(
        _is_text(alias) or _is_dated_alias(alias) for alias in cast("list[object]", value)
    )


def _is_dated_alias(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    alias = cast("dict[str, Any]", value)
    instants = [alias[key] for key in ("from", "to") if key in alias]
    return (
        alias.keys() <= {"name", "from", "to"}
        and _is_text(alias.get("name"))
        and bool(instants)
        and all(map(_is_instant, instants))
        and _is_forward(alias)
    )


def _is_forward(entry: Mapping[str, Any]) -> bool:
    ends = [entry.get("from"), entry.get("to")]
    if not all(map(_is_instant, ends)):
        return True  # one of them is open, or reported as no instant
    return microseconds(str(ends[0])) < microseconds(str(ends[1]))


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def _is_flag(value: object) -> bool:
    return value is True


def _are_quantities(value: object) -> bool:
    table = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    return bool(table) and all(type(n) is int and 0 < n < QUANTITY_LIMIT for n in table.values())


def _are_ranges(value: object) -> bool:
    table = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    return bool(table) and all(
        isinstance(ends, dict) and ends.keys() == {"low", "high"} for ends in table.values()
    )


_TEXT: Final = _Shape(_is_text, f"write a string of 1 to {NAME_LIMIT} characters")
_URL: Final = _Shape(_is_url, "write the address it was read at, https://…")
_INSTANT: Final = _Shape(_is_instant, "write an instant with an offset, 2026-03-05T00:00:00Z")
_CURRENCY: Final = _Shape(_is_currency, 'write an ISO 4217 code, "USD"')
_TEXTS: Final = _Shape(_is_texts, "write a list of strings")
_ALIASES: Final = _Shape(
    _is_aliases, 'write a list of strings, or of { name = "…", from = …, to = … }'
)
_DAYS: Final = _Shape(_is_days, 'write a list of days, ["2026-10-01", …]')
_TABLE: Final = _Shape(_is_table, "write a table { … }")
_FLAG: Final = _Shape(_is_flag, "write true, or leave it out")
_QUANTITIES: Final = _Shape(_are_quantities, "write a table of whole numbers, { requests = 1 }")
_RANGES: Final = _Shape(_are_ranges, "write a table, { requests = { low = 0.005, high = 0.012 } }")

LAYOUT: Final[Mapping[str, Layout]] = {
    "sources": Layout("source", {"id": _TEXT, "name": _TEXT, "url": _URL, "seen_at": _INSTANT}, {}),
    "calendars": Layout("calendar", {"id": _TEXT, "source": _TEXT, "days": _DAYS}, {}),
    "providers": Layout(
        "provider",
        {"id": _TEXT},
        {
            "aliases": _TEXTS,
            "standard_tiers": _TEXTS,
            "standard_geos": _TEXTS,
            "standard_speeds": _TEXTS,
            "standard_regions": _TEXTS,
            "standard_deployments": _TEXTS,
        },
    ),
    "aliases": Layout(
        "alias",
        {"provider": _TEXT, "name": _TEXT, "model": _TEXT},
        {"from": _INSTANT, "to": _INSTANT},
    ),
    "models": Layout("model", {"id": _TEXT, "provider": _TEXT}, {"aliases": _ALIASES}),
    "prices": Layout(
        "price",
        {
            "id": _TEXT,
            "provider": _TEXT,
            "model": _TEXT,
            "from": _INSTANT,
            "recorded_at": _INSTANT,
            "source": _TEXT,
            "currency": _CURRENCY,
            "rates": _TABLE,
        },
        {
            "to": _INSTANT,
            "when": _TABLE,
            "supersedes": _TEXT,
            "free": _FLAG,
            "refuse": _FLAG,
            "undated": _FLAG,
            "due": _QUANTITIES,
            "needs": _TEXTS,
            "at_least": _QUANTITIES,
            "at_most": _QUANTITIES,
            "between": _RANGES,
        },
    ),
}
"""Table of the document -> what its entries hold."""

Shape, TEXT, INSTANT = _Shape, _TEXT, _INSTANT
CURRENCY, TABLE, FLAG = _CURRENCY, _TABLE, _FLAG
