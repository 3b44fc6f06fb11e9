"""The measured program: six calls of four providers, rated by ours or priced by genai-prices.

    python prices_program.py WHO ROUNDS [counter.so]

WHO is `ours` or `theirs`. It prints the CPU time of a round of six calls in microseconds; with `counter.so` callgrind
counts during the rounds. Both are warm: what is compiled or found once has been.
"""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, Final, NamedTuple

from genai_prices import Usage as PeerUsage
from genai_prices import calc_price

from otel_genai_cost.pricing.load import load_book
from otel_genai_cost.pricing.rate import rate
from otel_genai_cost.pricing.tariff import Tariff
from otel_genai_cost.usage.leaves import Usage, partition

__all__ = ["AT_US", "CALLS", "Call", "genai_prices", "warm"]

_AT: Final = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
AT_US: Final = int(_AT.timestamp()) * 1_000_000
_WARM_UP: Final = 20


class Call(NamedTuple):
    """A call, as each of the two takes it."""

    provider: str
    model: str
    usage: Usage
    peer_usage: PeerUsage


def _call(provider: str, model: str, input_tokens: int, output_tokens: int, cached: int) -> Call:
    return Call(
        provider,
        model,
        partition(input_tokens, output_tokens, {"cache_read": cached}),
        PeerUsage(input_tokens=input_tokens, output_tokens=output_tokens, cache_read_tokens=cached),
    )


CALLS: Final = (
    _call("openai", "gpt-4o", 12_000, 800, 10_000),
    _call("openai", "gpt-4o-mini-2024-07-18", 900, 120, 0),
    _call("openai", "gpt-5", 50_000, 3_000, 32_768),
    _call("openai", "gpt-4.1", 400_000, 9_000, 128),
    _call("anthropic", "claude-sonnet-4-5-20250929", 60_000, 2_000, 40_000),
    _call("google", "gemini-2.5-pro", 50_000, 3_000, 20_000),
)


def warm(calls: tuple[Call, ...]) -> Callable[[], None]:
    """`rate()` alone, its tariffs compiled."""
    book = load_book()
    found = [(book.tariff(call.provider, call.model), call.usage) for call in calls]
    pairs = [(tariff, usage) for tariff, usage in found if isinstance(tariff, Tariff)]
    assert len(pairs) == len(calls)
    context: dict[str, Any] = {}

    def run() -> None:
        for tariff, usage in pairs:
            rate(tariff, usage, AT_US, context)

    return run


def genai_prices() -> None:
    """The same calls by the peer."""
    for call in CALLS:
        calc_price(
            call.peer_usage,
            model_ref=call.model,
            provider_id=call.provider,
            genai_request_timestamp=_AT,
        )


def main(who: str, rounds: str, counter_so: str = "") -> None:
    """Measure, and print the time of a round."""
    work = warm(CALLS) if who == "ours" else genai_prices
    counter: Any = ctypes.CDLL(counter_so) if counter_so else None
    for _ in range(_WARM_UP):
        work()
    if counter is not None:
        counter.start_counting()
    started_s = time.process_time()
    for _ in range(int(rounds)):
        work()
    took_s = time.process_time() - started_s
    if counter is not None:
        counter.stop_counting()
    print(took_s / int(rounds) * 1e6)


if __name__ == "__main__":
    main(*sys.argv[1:])
