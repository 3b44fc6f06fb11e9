"""How much of the input was read from caches, and what that saved: to the digit, at the prices of each receipt.

What is saved is what the cached tokens would have cost as uncached ones of the same price row, less what they did cost;
so tokens written to a cache at a higher price save less than nothing. At list prices: what contracts take off or add is
not in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from otel_genai_cost.ledger.charge import charges
from otel_genai_cost.ledger.posting.position import Position
from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.cost import Rate, rate_of
from otel_genai_cost.pricing.money import divide_half_even, format_money
from otel_genai_cost.reports.actions import share_text
from otel_genai_cost.reports.selection import EVERYTHING, Selection
from otel_genai_cost.reports.tables import QueryParts, query_parts

__all__ = [
    "CACHE_LEAVES",
    "CACHING_COLUMNS",
    "CacheSums",
    "CacheTokens",
    "Caching",
    "ModelKey",
    "cache_sums",
    "caching",
    "caching_record",
]

_QUERIES: Final = Path(__file__).parent / "sql"
_SQL: Final = (_QUERIES / "caching.sql").read_text(encoding="utf-8")
_CORRECTED_SQL: Final = (_QUERIES / "corrected.sql").read_text(encoding="utf-8")
_BY: Final = ("provider", "model")
_CORRECTED_MAX: Final = 2_000

CACHE_LEAVES: Final[Mapping[str, str]] = {
    "cache_read": "input",
    "cache_read_audio": "input_audio",
    "cache_write_5m": "input",
    "cache_write_1h": "input",
    "cache_write_12h": "input",
    "cache_write": "input",
}
"""Leaves of tokens that caches took part in, and what each would have been without."""

CACHING_COLUMNS: Final = (
    *("cached_tokens", "written_tokens", "all_input_tokens", "cached_share"),
    *("cache_saved", "cache_unknown_tokens"),
)
"""Those of a record."""

_READS: Final = ("cache_read", "cache_read_audio")
_LIST: Final = "list"

CacheTable = Literal["entries", "corrected"]
CacheTokens = tuple[int, ...]
"""Of all of the input, and of each of `CACHE_LEAVES`."""

CacheSums = Mapping[tuple[str | None, str | None, str, str | None], CacheTokens]

ModelKey = tuple[str | None, str | None, str]
"""Provider, model and currency."""


class Caching(NamedTuple):
    """Of a model's calls in one currency.

    Attributes:
        input_tokens: all of the input.
        cached_tokens: what of it was read from a cache.
        written_tokens: what of it was written to one.
        saved: atto, half to even at 1e-18, of the tokens of which that is known; None where it is of none.
        unknown_tokens: cached and written ones of which it is not known.
    """

    input_tokens: int
    cached_tokens: int
    written_tokens: int
    saved: int | None
    unknown_tokens: int

    @property
    def share(self) -> str | None:
        """What part of the input was read from a cache; None where nothing says that a cache took part."""
        if not (self.cached_tokens or self.written_tokens):
            return None
        return share_text(self.cached_tokens, self.input_tokens)


class _Sums:
    """While they are added up."""

    def __init__(self) -> None:
        self.input_tokens = 0
        self.leaves = dict.fromkeys(CACHE_LEAVES, 0)
        self.saved = Fraction(0)
        self.known_tokens = 0

    def count(self, tokens: CacheTokens, sign: int = 1) -> None:
        """So many more tokens, or fewer."""
        self.input_tokens += sign * tokens[0]
        for leaf, quantity in zip(CACHE_LEAVES, tokens[1:], strict=True):
            self.leaves[leaf] += sign * quantity

    def add(self, quantities: Mapping[str, int], rates: Mapping[str, Rate], sign: int = 1) -> None:
        """What these tokens saved, as far as both rates of each leaf are known."""
        for leaf, base in CACHE_LEAVES.items():
            quantity = sign * quantities.get(leaf, 0)
            if quantity and leaf in rates and base in rates:
                self.saved += quantity * (_fraction(rates[base]) - _fraction(rates[leaf]))
                self.known_tokens += quantity

    def result(self) -> Caching:
        """All of it."""
        saved = divide_half_even(self.saved.numerator, self.saved.denominator)
        every = sum(self.leaves.values())
        read = sum(self.leaves[leaf] for leaf in _READS)
        return Caching(
            input_tokens=self.input_tokens,
            cached_tokens=read,
            written_tokens=every - read,
            saved=saved if self.known_tokens else None,
            unknown_tokens=every - self.known_tokens,
        )


def cache_sums(
    store: Queryable,
    selection: Selection = EVERYTHING,
    after_seq: int | None = None,
    table: CacheTable = "entries",
) -> CacheSums:
    """Input and tokens that caches took part in, by provider, model, currency of the cost, and what the entry has of
    rates: sums that add up with those of other entries.

    Args:
        store: what holds the entries, with the columns and tables of `otel_genai_exporters.duckdb_kept`.
        selection: which calls.
        after_seq: the last entry that does not count.
        table: `corrected` for those of charges that were corrected alone.
    """
    parts = query_parts(_BY, selection, first=2)
    leaves = "".join(f",\n       CAST(coalesce(sum({leaf}), 0) AS BIGINT)" for leaf in CACHE_LEAVES)
    sql = _SQL.format(leaves=leaves, **_of(table, parts))
    return {
        (row[0], row[1], row[2], row[3]): (*row[4:],)
        for row in store.query(sql, [after_seq, *parts.parameters]).rows
    }


def caching(
    store: Queryable,
    ledger: Ledger,
    selection: Selection = EVERYTHING,
    sums: CacheSums | None = None,
) -> dict[ModelKey, Caching]:
    """By provider, model and currency of the cost.

    Args:
        store: what holds the entries, with the columns and tables of `otel_genai_exporters.duckdb_kept`.
        ledger: what knows the net of calls that were corrected; of more than 2,000 of them what was saved is unknown.
        selection: which calls.
        sums: as `cache_sums` of the same calls has them, where they are at hand.
    """
    found: dict[ModelKey, _Sums] = {}
    for key, tokens in (cache_sums(store, selection) if sums is None else sums).items():
        one = found.setdefault(key[:3], _Sums())
        one.count(tokens)
        one.add(_quantities(tokens), _rates_in(key[3]))
    for key, tokens in cache_sums(store, selection, table="corrected").items():
        found[key[:3]].add(_quantities(tokens), _rates_in(key[3]), sign=-1)
    corrected = _corrected(store, selection)
    if len(corrected) <= _CORRECTED_MAX:
        _add_net(found, _positions(ledger, corrected, selection))
    return {key: one.result() for key, one in found.items()}


def _quantities(tokens: CacheTokens) -> Mapping[str, int]:
    return dict(zip(CACHE_LEAVES, tokens[1:], strict=True))


def _corrected(store: Queryable, selection: Selection) -> list[str]:
    parts = query_parts(_BY, selection, first=1)
    sql = _CORRECTED_SQL.format(most=_CORRECTED_MAX + 1, **_of("corrected", parts))
    return [charge_id for (charge_id,) in store.query(sql, parts.parameters).rows]


def _of(table: CacheTable, parts: QueryParts) -> Mapping[str, str]:
    """The parts of a query in which `entries` are those of a table."""
    if table == "entries":
        return parts.sql
    return {**parts.sql, "relation": f"{parts.before_own} entries AS (SELECT * FROM {table})\n"}


def _positions(
    ledger: Ledger, charge_ids: Iterable[str], selection: Selection
) -> Iterable[Position]:
    return (
        position
        for charge in charges(ledger, charge_ids)
        for position in charge.positions
        if selection.has(position)
    )


def _add_net(found: Mapping[ModelKey, _Sums], positions: Iterable[Position]) -> None:
    """What was corrected, by what it comes to now."""
    for one in positions:
        sums = found.get((one.provider, one.model, one.currency))
        if sums is not None:
            lines = ((line.leaf, line.rate) for line in one.lines if line.kind == _LIST)
            sums.add(one.usage, _single(lines))


def _rates_in(text: str | None) -> dict[str, Rate]:
    """The rates that a store wrote down."""
    words = (part.split(" ") for part in (text or "").split(";") if part)
    return _single((leaf, rate_of(price, int(per))) for leaf, price, per in words)


def _single(rates: Iterable[tuple[str, Rate]]) -> dict[str, Rate]:
    """Of leaves that have one rate and no other."""
    found: dict[str, set[Rate]] = {}
    for leaf, rate in rates:
        found.setdefault(leaf, set()).add(rate)
    return {leaf: next(iter(each)) for leaf, each in found.items() if len(each) == 1}


def _fraction(rate: Rate) -> Fraction:
    return Fraction(rate.numerator, rate.denominator)


def caching_record(one: Caching) -> dict[str, Any]:
    """As others script against it: money and shares are decimal strings, what is unknown is null."""
    return {
        "cached_tokens": one.cached_tokens,
        "written_tokens": one.written_tokens,
        "all_input_tokens": one.input_tokens,
        "cached_share": one.share,
        "cache_saved": None if one.saved is None else format_money(one.saved),
        "cache_unknown_tokens": one.unknown_tokens,
    }
