"""Pricing a call with the default book, against genai-prices, tokencost and LiteLLM on the same calls.

The latter two are measured where they are installed: `pip install tokencost==0.1.26 litellm==1.109.1`.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from otel_genai_cost.pricing.load import load_book
from otel_genai_cost.pricing.rate import price
from tests.bench.counting import KEPT, counter, million_instructions, run_program
from tests.bench.measure import Pair, Result, alternate, of_budget, times_faster
from tests.bench.prices_program import AT_US, CALLS, Call, genai_prices, warm

_MIB: Final = 1024 * 1024


_PROGRAM: Final = Path(__file__).with_name("prices_program.py")
_ROUNDS: Final[Mapping[str, int]] = {"ours": 2_000, "theirs": 40}
_TIMED: Final = 7
"""How often times are taken, in turn; the least of each is kept, since what disturbs only adds."""

_IN_AND_OUT: Final = CALLS[:4]
"""Calls whose models the other peers know by the same name too."""


def prices() -> Iterator[Result]:
    """`price()` warm against its peers, a repeated unknown model against a known one, and the book."""
    yield _rated()
    pair = alternate(_ours(CALLS), genai_prices, calls=300, theirs_calls=12)
    yield times_faster("price() of six calls, by name", pair, "genai_prices.calc_price", ">= 50")
    if find_spec("tokencost") is not None:
        pair = alternate(warm(_IN_AND_OUT), _tokencost(), calls=300, theirs_calls=100)
        yield times_faster("rate() of four calls", pair, "tokencost", ">= 5.00")
    if find_spec("litellm") is not None:
        pair = alternate(warm(_IN_AND_OUT), _litellm(), calls=300, theirs_calls=12)
        yield times_faster("rate() of four calls", pair, "litellm.cost_per_token", ">= 5.00")
    yield times_faster(
        "repeated unknown model", _unknown_against_known(), "ours, known model", ">= 1.00"
    )
    yield _book_ready()
    yield _book_memory()


def _rated() -> Result:
    """The least times of several runs in turn, with the ratio of instructions beside."""
    times = [(_time_us("ours"), _time_us("theirs")) for _ in range(_TIMED)]
    ours_us, theirs_us = (min(each) for each in zip(*times, strict=True))
    peer, ratio = "genai_prices.calc_price", theirs_us / ours_us
    if counter() is not None:
        peer = f"{peer}; in instructions {_count('theirs') / _count('ours'):.0f}"
    return Result("rate() of six calls", ours_us, theirs_us, peer, "us", ratio, ">= 150", 0.0)


def _time_us(who: str) -> float:
    return float(_run(who, None).stdout)


def _count(who: str) -> float:
    return million_instructions(_run(who, counter())) / _ROUNDS[who]


def _run(who: str, counted_by: Path | None) -> subprocess.CompletedProcess[str]:
    KEPT.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(_PROGRAM), who, str(_ROUNDS[who])]
    return run_program(command, KEPT, counted_by)


def _ours(calls: tuple[Call, ...]) -> Callable[[], None]:
    book = load_book()

    def run() -> None:
        for call in calls:
            price(book, call.provider, call.model, call.usage, AT_US, {})

    return run


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
    book, usage = load_book(), CALLS[0].usage
    return alternate(
        lambda: price(book, "openai", "gpt-9-ultra", usage, AT_US, {}),
        lambda: price(book, "openai", "gpt-4o", usage, AT_US, {}),
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
    for call in CALLS:
        book.tariff(call.provider, call.model)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return of_budget("memory of the book, three providers", kept / _MIB, 16, "MiB", "<= 1.00", 0.0)


def _time_ms(function: Callable[[], None]) -> float:
    start = time.process_time()
    function()
    return (time.process_time() - start) * 1000
