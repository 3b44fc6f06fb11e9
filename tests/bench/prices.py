"""Pricing a call with the default book, against genai-prices, tokencost and LiteLLM on the same calls.

The latter two are measured where they are installed: `pip install tokencost==0.1.26 litellm==1.109.1`.
"""

from __future__ import annotations

import os
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, NamedTuple

from genai_prices import Usage as PeerUsage
from genai_prices import calc_price

from otel_genai_cost.pricing.load import load_book
from otel_genai_cost.pricing.rate import price, rate
from otel_genai_cost.pricing.tariff import Tariff
from otel_genai_cost.usage.leaves import Usage, partition
from tests.bench.measure import Pair, Result, alternate, of_budget, times_faster

_AT: Final = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
_AT_US: Final = int(_AT.timestamp()) * 1_000_000
_MIB: Final = 1024 * 1024


class _Call(NamedTuple):
    provider: str
    model: str
    usage: Usage
    peer_usage: PeerUsage


def _call(provider: str, model: str, input_tokens: int, output_tokens: int, cached: int) -> _Call:
    return _Call(
        provider,
        model,
        partition(input_tokens, output_tokens, {"cache_read": cached}),
        PeerUsage(input_tokens=input_tokens, output_tokens=output_tokens, cache_read_tokens=cached),
    )


_CALLS: Final = (
    _call("openai", "gpt-4o", 12_000, 800, 10_000),
    _call("openai", "gpt-4o-mini-2024-07-18", 900, 120, 0),
    _call("openai", "gpt-5", 50_000, 3_000, 32_768),
    _call("openai", "gpt-4.1", 400_000, 9_000, 128),
    _call("anthropic", "claude-sonnet-4-5-20250929", 60_000, 2_000, 40_000),
    _call("google", "gemini-2.5-pro", 50_000, 3_000, 20_000),
)
_IN_AND_OUT: Final = _CALLS[:4]
"""Calls whose models the other peers know by the same name too."""


def prices() -> Iterator[Result]:
    """`price()` warm against its peers, a repeated unknown model against a known one, and the book."""
    pair = alternate(_warm(_CALLS), _genai_prices, calls=300, theirs_calls=12)
    yield times_faster("rate() of six calls", pair, "genai_prices.calc_price", ">= 150")
    pair = alternate(_ours(_CALLS), _genai_prices, calls=300, theirs_calls=12)
    yield times_faster("price() of six calls, by name", pair, "genai_prices.calc_price", ">= 50")
    if find_spec("tokencost") is not None:
        pair = alternate(_warm(_IN_AND_OUT), _tokencost(), calls=300, theirs_calls=100)
        yield times_faster("rate() of four calls", pair, "tokencost", ">= 5.00")
    if find_spec("litellm") is not None:
        pair = alternate(_warm(_IN_AND_OUT), _litellm(), calls=300, theirs_calls=12)
        yield times_faster("rate() of four calls", pair, "litellm.cost_per_token", ">= 5.00")
    yield times_faster(
        "repeated unknown model", _unknown_against_known(), "ours, known model", ">= 1.00"
    )
    yield _book_ready()
    yield _book_memory()


def _warm(calls: tuple[_Call, ...]) -> Callable[[], None]:
    """`rate()` alone, its tariffs compiled."""
    book = load_book()
    found = [(book.tariff(call.provider, call.model), call.usage) for call in calls]
    pairs = [(tariff, usage) for tariff, usage in found if isinstance(tariff, Tariff)]
    assert len(pairs) == len(calls)
    context: dict[str, Any] = {}

    def run() -> None:
        for tariff, usage in pairs:
            rate(tariff, usage, _AT_US, context)

    return run


def _ours(calls: tuple[_Call, ...]) -> Callable[[], None]:
    book = load_book()

    def run() -> None:
        for call in calls:
            price(book, call.provider, call.model, call.usage, _AT_US, {})

    return run


def _genai_prices() -> None:
    for call in _CALLS:
        calc_price(
            call.peer_usage,
            model_ref=call.model,
            provider_id=call.provider,
            genai_request_timestamp=_AT,
        )


def _tokencost() -> Callable[[], None]:
    """Its two lines of a call; it prices no cached input."""
    by_tokens: Any = import_module("tokencost").calculate_cost_by_tokens

    def run() -> None:
        for call in _IN_AND_OUT:
            by_tokens(call.usage.input_total, call.model, "input")
            by_tokens(call.usage.output_total, call.model, "output")

    return run


def _litellm() -> Callable[[], None]:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it asks the network on import
    cost: Any = import_module("litellm").cost_per_token

    def run() -> None:
        for call in _IN_AND_OUT:
            cost(
                model=call.model,
                prompt_tokens=call.usage.input_total,
                completion_tokens=call.usage.output_total,
                cache_read_input_tokens=call.usage.leaves["cache_read"],
            )

    return run


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


def _book_memory() -> Result:
    """What a process keeps that prices calls of three providers."""
    tracemalloc.start()
    book = load_book()
    for call in _CALLS:
        book.tariff(call.provider, call.model)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return of_budget("memory of the book, three providers", kept / _MIB, 16, "MiB", "<= 1.00", 0.0)


def _time_ms(function: Callable[[], None]) -> float:
    start = time.process_time()
    function()
    return (time.process_time() - start) * 1000
