"""What became of a call otherwise than its usage: the model that it was meant for, the error, the requests that it
took, and what it used and cost at least and at most."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.pricing.rate import price
from otel_genai_cost.usage.leaves import INPUT_LEAVES, OUTPUT_LEAVES, Usage

__all__ = ["BookOf", "ending_record", "ending_text"]

BookOf = Callable[[str], Book | None]
"""The price book of a digest, None if it is not to be had."""

_AT_LIST: Final = "at list prices"


def ending_record(one: Observation, book_of: BookOf) -> dict[str, Any]:
    """The same as JSON, without what there is not.

    Args:
        one: an observation of the call.
        book_of: the price book of a digest.
    """
    usage = one.reading.usage
    found: dict[str, Any] = {
        "model_asked": one.reading.model_asked,
        "error": one.reading.error,
        "attempts": one.reading.attempts if one.reading.attempts > 1 else None,
    }
    if usage.low is not None:
        low, high = _costs(one, book_of)
        found["usage_bounds"] = {"low": dict(usage.low), "high": usage.high and dict(usage.high)}
        found["cost_bounds"] = None if low is None else {"low": low, "high": high}
    return {name: value for name, value in found.items() if value is not None}


def ending_text(one: Observation, book_of: BookOf) -> Iterator[tuple[str, str]]:
    """A label and a text for each fact.

    Args:
        one: an observation of the call.
        book_of: the price book of a digest.
    """
    error, usage = one.reading.error, one.reading.usage
    if one.reading.model_asked is not None:
        yield "fall-back", f"from {one.reading.model_asked}, which was asked for"
    if error is not None:
        yield "error", f"HTTP {error}" if error.isdecimal() else error
    if one.reading.attempts > 1:
        yield "attempts", str(one.reading.attempts)
    if usage.low is None or (usage.high is None and not any(usage.low.values())):
        return
    yield "used", _range_of(usage.low, usage.high)
    low, high = _costs(one, book_of)
    if low is not None:
        text = f"at least {low}" if high is None else f"{low} to {high}"
        yield "cost", f"{text} {one.cost.currency} {_AT_LIST}"


def _range_of(low: Mapping[str, int], high: Mapping[str, int] | None) -> str:
    return ", ".join(
        f"{leaf} {least:,} to {high[leaf]:,}" if high else f"{leaf} at least {least:,}"
        for leaf, least in low.items()
    )


def _costs(one: Observation, book_of: BookOf) -> tuple[str | None, str | None]:
    """What the bounds of the usage come to, in the currency of the call's row; None where that is not known."""
    book = book_of(one.cost.book) if one.cost.book else None
    if book is None:
        return None, None
    low, high = (
        _cost(one, book, leaves) for leaves in (one.reading.usage.low, one.reading.usage.high)
    )
    return low, high


def _cost(one: Observation, book: Book, leaves: Mapping[str, int] | None) -> str | None:
    if leaves is None:
        return None
    reading = one.reading
    totals = [sum(leaves.get(leaf, 0) for leaf in side) for side in (INPUT_LEAVES, OUTPUT_LEAVES)]
    found = price(
        book,
        reading.provider,
        reading.model_returned or reading.model_requested,
        Usage(leaves, totals[0], totals[1], "reported"),
        one.end_us,
        reading.context,
    )
    return None if found.total is None else format_money(found.total)
