"""Calls of every model of a book: what they used, and what the engine says that they cost."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any, Final

from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from otel_genai_cost.collector.expressible import PriceRow, Prices
from tests.replay.otlp import SCOPE, START_NS

__all__ = ["requests_of", "vectors"]

_USAGE: Final = "gen_ai.usage."
_BATCH: Final = 1_000

Call = tuple[str, Mapping[str, object]]
"""The scope of its instrumentation, and its attributes."""


def vectors(prices: Prices) -> Iterator[Call]:
    """Calls of each name of a model, left out or not, with parts that a draw decides, and both sides of each tier."""
    draw = random.Random(14)
    for model in prices.models:
        called = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": prices.usual[model.provider][0],
            "gen_ai.request.model": model.name,
        }
        yield SCOPE, {**called, **_used(draw)}
        if draw.random() < 0.2:
            yield "com.example.shop", {**called, **_used(draw)}
        for threshold in _thresholds(model.price):
            for tokens in (threshold - 1, threshold):
                yield SCOPE, {**called, **_totals(tokens, 700), **_part("cache_read.input", 99)}


def _thresholds(price: PriceRow | str) -> Iterator[int]:
    while not isinstance(price, str) and price.tier is not None and price.tier_from is not None:
        yield price.tier_from
        price = price.tier


def _used(draw: random.Random) -> dict[str, object]:
    """Totals, and some of their parts, now and then in contradiction to each other."""
    tokens, answer = draw.randrange(1, 400_000), draw.randrange(1, 40_000)
    used = _totals(tokens, answer)
    for name, whole, chance in (
        ("cache_read.input", tokens, 0.5),
        ("cache_write.input", tokens // 2, 0.2),
        ("reasoning.output", answer, 0.3),
        ("audio.input", tokens // 4, 0.1),
        ("audio.output", answer // 4, 0.1),
        ("audio.cache_read.input", tokens // 9, 0.03),
    ):
        if draw.random() < chance:
            used |= _part(name, draw.randrange(whole + 1))
    if draw.random() < 0.1:
        used |= {f"{_USAGE}total_tokens": tokens + answer + draw.choice([0, *used.values()])}
    return dict(used)


def _totals(tokens: int, answer: int) -> dict[str, int]:
    return _part("input", tokens) | _part("output", answer)


def _part(name: str, tokens: int) -> dict[str, int]:
    return {f"{_USAGE}{name}_tokens": tokens}


def requests_of(calls: list[Call]) -> Iterator[bytes]:
    """Export requests with these calls, each in a trace of its own; its span has the call's number from 1 as its id."""
    for at in range(0, len(calls), _BATCH):
        request: Any = trace_service_pb2.ExportTraceServiceRequest()
        block = request.resource_spans.add()
        for number, (scope, attributes) in enumerate(calls[at : at + _BATCH], at + 1):
            part = block.scope_spans.add()
            part.scope.name = scope
            span = part.spans.add(name="chat", kind=3)
            span.trace_id, span.span_id = number.to_bytes(16, "big"), number.to_bytes(8, "big")
            span.start_time_unix_nano, span.end_time_unix_nano = START_NS, START_NS + 10**9
            for name, value in attributes.items():
                _put(span.attributes.add(key=name).value, value)
        written: bytes = request.SerializeToString()
        yield written


def _put(held: Any, value: object) -> None:
    if isinstance(value, str):
        held.string_value = value
    elif isinstance(value, float):
        held.double_value = value
    else:
        held.int_value = value
