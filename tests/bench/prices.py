"""Pricing a call, against genai-prices on the same calls."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Final, NamedTuple

from genai_prices import Usage as PeerUsage
from genai_prices import calc_price

from otel_genai_cost.pricing.load import load_book
from otel_genai_cost.pricing.rate import price
from otel_genai_cost.usage.leaves import Usage, partition
from tests.bench.measure import Pair, Result, alternate, of_budget, times_faster

_AT: Final = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
_AT_US: Final = int(_AT.timestamp()) * 1_000_000


class _Call(NamedTuple):
    model: str
    usage: Usage
    peer_usage: PeerUsage


def _call(model: str, input_tokens: int, output_tokens: int, cached: int) -> _Call:
    return _Call(
        model,
        partition(input_tokens, output_tokens, {"cache_read": cached}),
        PeerUsage(input_tokens=input_tokens, output_tokens=output_tokens, cache_read_tokens=cached),
    )


_CALLS: Final = (
    _call("gpt-4o", 12_000, 800, 10_000),
    _call("gpt-4o-mini-2024-07-18", 900, 120, 0),
    _call("gpt-5", 50_000, 3_000, 32_768),
    _call("gpt-4.1", 400_000, 9_000, 128),
)


def prices() -> Iterator[Result]:
    """`price()` warm against `calc_price`, a repeated unknown model against a known one, and the book."""
    book = load_book()

    def ours() -> None:
        for call in _CALLS:
            price(book, "openai", call.model, call.usage, _AT_US, {})

    def theirs() -> None:
        for call in _CALLS:
            calc_price(
                call.peer_usage,
                model_ref=call.model,
                provider_id="openai",
                genai_request_timestamp=_AT,
            )

    pair = alternate(ours, theirs, calls=300, theirs_calls=12)
    yield times_faster("price of four calls", pair, "genai_prices.calc_price", ">= 150")
    yield times_faster(
        "repeated unknown model", _unknown_against_known(), "ours, known model", ">= 1.00"
    )
    yield _book_ready()


def _unknown_against_known() -> Pair:
    book, usage = load_book(), _CALLS[0].usage
    return alternate(
        lambda: price(book, "openai", "gpt-9-ultra", usage, _AT_US, {}),
        lambda: price(book, "openai", "gpt-4o", usage, _AT_US, {}),
        calls=3000,
    )


def _book_ready() -> Result:
    times_ms = sorted(_time_ms(_load_and_compile) for _ in range(9))
    return of_budget(
        "book read and one provider compiled",
        statistics.median(times_ms),
        50,
        "ms",
        "<= 1.00",
        times_ms[-2] / times_ms[1] - 1,
    )


def _load_and_compile() -> None:
    load_book().tariff("openai", "gpt-4o")


def _time_ms(function: Callable[[], None]) -> float:
    start = time.process_time()
    function()
    return (time.process_time() - start) * 1000
