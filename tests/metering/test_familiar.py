"""A call of a familiar kind is metered to the byte as if its kind had never been met."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import StatusCode

from otel_genai_cost import errors, tenant
from otel_genai_cost.journal.codec import encode
from otel_genai_cost.journal.reader import read, segments
from otel_genai_cost.pricing.book import NO_BOOK
from tests.metering.conftest import SCOPE, Metered

Make = Callable[..., Metered]
_NOON_NS = 1_795_608_000_000_000_000
"""2026-11-25T12:00:00Z."""


class _Ids(IdGenerator):
    """The same ids in the same order."""

    def __init__(self) -> None:
        self._draw = random.Random(7)

    def generate_span_id(self) -> int:
        return self._draw.getrandbits(64) | 1

    def generate_trace_id(self) -> int:
        return self._draw.getrandbits(128) | 1


@pytest.fixture(autouse=True)
def _nothing_fails() -> Iterator[None]:
    yield
    assert errors.failures == {}


_ODD = st.sampled_from(
    [0, 199_999, 200_001, 272_001, 10**15 - 1, 10**15, 10**18, -1, True, 12.0, "12", float("nan")]
)


def _mostly(
    usual: st.SearchStrategy[Any], odd: st.SearchStrategy[Any] = _ODD
) -> st.SearchStrategy[Any]:
    return st.integers(0, 23).flatmap(lambda n: odd if n == 23 else usual)


_TOTALS: dict[str, Any] = {
    "gen_ai.usage.input_tokens": _mostly(st.integers(200, 3_000)),
    "gen_ai.usage.output_tokens": _mostly(st.integers(200, 3_000)),
}
_SMALL = _mostly(st.integers(0, 40))
_PARTS: dict[str, Any] = {
    "gen_ai.usage.cache_read.input_tokens": _SMALL,
    "gen_ai.usage.cache_write.input_tokens": _SMALL,
    "gen_ai.usage.cache_creation.input_tokens": _SMALL,
    "gen_ai.usage.reasoning.output_tokens": _SMALL,
    "gen_ai.usage.input_audio_tokens": _SMALL,
    "gen_ai.response.id": st.sampled_from(
        ["r1", 'r"2\\', "r\ud800", "ré", "", "x" * 300, 7, "resp_bGl0ZWxsbTpyZXNwb25zZV9pZDphYmM="]
    ),
}
_WORDS: dict[str, Any] = {
    "gen_ai.operation.name": st.sampled_from(["chat", "embeddings", "invoke_agent", 5]),
    "gen_ai.response.model": st.sampled_from(["gpt-4o-mini-2024-07-18", "gemini-2.5-pro", "none"]),
    "openai.response.service_tier": st.sampled_from(["default", "flex", "batch", "odd"]),
    "server.address": st.sampled_from(["api.openai.com", "eastus.openai.azure.com"]),
    "tenant.id": st.sampled_from(["acme", "not a tenant", 5]),
    "gen_ai.agent.name": st.sampled_from(["planner", "writer"]),
    "gen_ai.conversation.id": st.sampled_from(["c1", "c2"]),
    "gen_ai.request.stream": st.booleans(),
    "gen_ai.response.finish_reasons": st.just(("stop",)),
    "gen_ai.request.temperature": st.sampled_from([0.1, 0.2]),
    "gen_ai.usage.total_tokens": st.integers(0, 4_000),
    "gen_ai.usage.cost": st.just(0.5),
    "error.type": st.just("RateLimitError"),
}
_PROVIDERS = {"gpt-4o-mini": "openai", "claude-sonnet-4-5": "anthropic", "gemini-2.5-pro": "google"}


@st.composite
def _shape(draw: st.DrawFn) -> dict[str, Any]:
    """The attributes that the calls of one place have: mostly the same words, and any numbers."""
    model = draw(st.sampled_from(sorted(_PROVIDERS)))
    words = draw(st.lists(st.sampled_from(sorted(_WORDS)), max_size=2, unique=True))
    parts = draw(st.lists(st.sampled_from(sorted(_PARTS)), max_size=3, unique=True))
    return {
        "gen_ai.operation.name": st.just("chat"),
        "gen_ai.provider.name": st.just(_PROVIDERS[model]),
        "gen_ai.request.model": st.just(model),
        **{name: _mostly(st.just(draw(_WORDS[name])), _WORDS[name]) for name in words},
        **_TOTALS,
        **{name: _PARTS[name] for name in parts},
    }


@st.composite
def _calls(draw: st.DrawFn) -> list[dict[str, Any]]:
    shape = draw(_shape())
    calls = draw(st.lists(st.fixed_dictionaries(shape), min_size=6, max_size=16))
    return [{name: call[name] for name in shape} for call in calls]  # drawn in any order


def play(metered: Metered, calls: list[dict[str, Any]], odd: list[int]) -> None:
    """Make the calls one after another; `odd` says what is special about each."""
    tracer = metered.tracer()
    for n, attributes in enumerate(calls):
        kind = odd[n % len(odd)] if odd else 0
        at_ns = _NOON_NS + n * 1_000_000
        context = None
        if kind == 1:
            above = tracer.start_span("request", start_time=at_ns)
            context = trace.set_span_in_context(above)
        with tenant("globex") if kind == 2 else tenant("acme") if kind == 3 else _nobody():
            span = tracer.start_span(
                "chat", context=context, start_time=at_ns, attributes=attributes
            )
        if kind == 4:
            span.set_status(StatusCode.ERROR)
        span.end(at_ns + 500_000 if kind != 5 else at_ns - _NOON_NS)


class _nobody:
    def __enter__(self) -> None: ...
    def __exit__(self, *raised: object) -> None: ...


def told(folder: Path) -> list[bytes]:
    """The records of a journal as they would be written whole."""
    found: list[bytes] = []
    for segment in segments(folder):
        batch = read(segment)
        assert batch.damage == []
        found += [encode(record) for record in batch.records]
    return found


def _hits(metered: Metered) -> int:
    """How many calls were of a familiar kind."""
    return sum(segment.read_bytes().count(b'"own":') for segment in segments(metered.folder))


def pair(make: Make, **options: Any) -> tuple[Metered, Metered]:
    """Two providers that draw equal ids; the second never finds a kind familiar."""
    resource = Resource.create({"service.name": "shop", "service.instance.id": "p1"})
    limits = options.pop("limits", None)
    sampler = options.pop("sampler", None)
    one, other = (
        make(
            provider=TracerProvider(
                resource=resource, id_generator=_Ids(), sampler=sampler, span_limits=limits
            ),
            **options,
        )
        for _ in range(2)
    )
    other.processor._familiar.kind = lambda scope, attributes: None  # type: ignore[method-assign]
    return one, other


def assert_equal(one: Metered, other: Metered) -> None:
    assert told(one.folder) == told(other.folder)
    assert [dict(span.attributes or {}) for span in one.spans] == [
        dict(span.attributes or {}) for span in other.spans
    ]
    assert one.processor.counts == other.processor.counts


_SETTINGS = settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@_SETTINGS
@given(calls=_calls(), odd=st.lists(st.integers(0, 5), max_size=6))
def test_familiar_calls_are_metered_as_unfamiliar_ones(
    make: Make, calls: list[dict[str, Any]], odd: list[int]
) -> None:
    one, other = pair(make)
    for metered in (one, other):
        play(metered, calls, odd)
    assert_equal(one, other)


_CALL: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "gen_ai.response.id": "r",
    "gen_ai.usage.input_tokens": 1_200,
    "gen_ai.usage.output_tokens": 80,
    "gen_ai.usage.cache_read.input_tokens": 1_024,
    "gen_ai.usage.reasoning.output_tokens": 20,
}
_LONG: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": "claude-sonnet-4-5",
    "gen_ai.usage.input_tokens": 1_200,
    "gen_ai.usage.output_tokens": 80,
}


def usual(n: int, call: dict[str, Any] = _CALL) -> dict[str, Any]:
    return {**call, "gen_ai.response.id": f"r{n}", "gen_ai.usage.output_tokens": 80 + n}


@pytest.mark.parametrize(
    "odd",
    [
        {"gen_ai.usage.cache_read.input_tokens": 1_201},
        {"gen_ai.usage.reasoning.output_tokens": 1_000},
        {"gen_ai.usage.input_tokens": 0, "gen_ai.usage.cache_read.input_tokens": 0},
        {
            "gen_ai.usage.input_tokens": 0,
            "gen_ai.usage.cache_read.input_tokens": 0,
            "gen_ai.usage.output_tokens": 0,
            "gen_ai.usage.reasoning.output_tokens": 0,
        },
        {"gen_ai.usage.cache_read.input_tokens": -1},
        {"gen_ai.usage.cache_read.input_tokens": True},
        {"gen_ai.usage.reasoning.output_tokens": 20.0},
        {"gen_ai.usage.input_tokens": 10**15},
        {"gen_ai.usage.output_tokens": 10**15},
        {"gen_ai.usage.output_tokens": 10**15 - 1},
        {"gen_ai.usage.input_tokens": "1200"},
        {"gen_ai.usage.output_tokens": 80.5},
        {"gen_ai.response.id": 'quoted "\\\n'},
        {"gen_ai.response.id": "lone \ud800"},
        {"gen_ai.response.id": "y" * 300},
        {"gen_ai.response.id": 7},
        {"gen_ai.response.id": "r1"},
        {"gen_ai.response.model": "gpt-4o"},
        {"gen_ai.response.model": 4},
        {"gen_ai.usage.cost": 0.5},
        {"gen_ai.usage.total_tokens": 5_000},
        {"gen_ai.usage.total_tokens": 1_280},
        {"gen_ai.request.stream": True},
        {"error.type": "RateLimitError"},
        {"error.type": "TimeoutError"},
        {"server.address": "eastus.openai.azure.com"},
        {"openai.response.service_tier": "batch"},
        {"tenant.id": "acme"},
        {"tenant.id": "not a tenant"},
        {"gen_ai.agent.name": "planner"},
        {"gen_ai.conversation.id": "c"},
        {"gen_ai.usage.cache_creation.input_tokens": 5},
        {"gen_ai.usage.input_audio_tokens": 5},
    ],
    ids=str,
)
@pytest.mark.parametrize("repeated", [1, 3])
def test_a_call_that_is_odd_in_one_thing(make: Make, odd: dict[str, Any], repeated: int) -> None:
    one, other = pair(make)
    calls = [usual(n) for n in range(3)]
    calls += [{**usual(9), **odd} for _ in range(repeated)] + [usual(n) for n in range(3, 5)]
    for metered in (one, other):
        play(metered, calls, [])
    assert_equal(one, other)
    assert _hits(one) >= 2


@pytest.mark.parametrize("odd", range(6))
def test_a_span_that_is_odd_in_one_thing(make: Make, odd: int) -> None:
    one, other = pair(make)
    for metered in (one, other):
        play(metered, [usual(n) for n in range(8)], [0, 0, 0, odd])
    assert_equal(one, other)
    assert _hits(one) >= 4


def test_prompts_beyond_a_tier_are_rated_by_it_and_leave_the_kind_as_it_is(make: Make) -> None:
    one, other = pair(make)
    totals = [500, 500, 500, 200_001, 200_001, 200_001, 500, 200_000]
    calls = [{**_LONG, "gen_ai.usage.input_tokens": total} for total in totals]
    for metered in (one, other):
        play(metered, calls, [])
    assert_equal(one, other)
    assert _hits(one) == 3


def test_every_profile_shows_the_same(make: Make) -> None:
    for profiles in ("full", "default,mlflow,langfuse", "off", "semconv-draft"):
        one, other = pair(make, attributes=profiles)
        for metered in (one, other):
            play(metered, [usual(n) for n in range(5)], [])
        assert_equal(one, other)


def test_unsampled_calls_and_full_spans(make: Make) -> None:
    limits = SpanLimits(max_span_attributes=len(_CALL) + 2)
    for options in ({"sampler": TraceIdRatioBased(0.0)}, {"limits": limits}):
        one, other = pair(make, **options)
        for metered in (one, other):
            play(metered, [usual(n) for n in range(5)], [])
        assert_equal(one, other)
        assert _hits(one) >= 2


def test_a_new_book_is_used_at_once(metered: Metered) -> None:
    play(metered, [usual(n) for n in range(4)], [])
    metered.processor.use(NO_BOOK)
    play(metered, [usual(n) for n in range(4, 8)], [])
    costs = [one.cost.reason for one in metered.journalled]
    assert costs == [None] * 4 + ["no_price_book"] * 4


def test_whoever_makes_up_names_or_words_does_not_fill_the_memory(metered: Metered) -> None:
    play(metered, [{**_CALL, f"x.{n}": 1} for n in range(2_000)], [])
    play(metered, [{**_CALL, "gen_ai.agent.name": f"a{n % 900}"} for n in range(4_000)], [])
    for n in range(1_000):
        metered.tracer(SCOPE + f".{n}").start_span("chat", attributes=_CALL).end()
    places = metered.processor._familiar._places
    spans = [each for place in places.values() for each in place.spans.values() if each]
    held = len(places) + sum(len(place.spans) for place in places.values())
    assert held + sum(len(each.kinds) + len(each.met) for each in spans) <= 4_096
    assert sum(metered.processor.counts.values()) == 7_000


@pytest.mark.parametrize(
    ("name", "usual_value", "other_value", "scope"),
    [
        ("gen_ai.usage.total_tokens", 1_280, 9_999, SCOPE),
        ("gen_ai.usage.cost", 0.5, 0.7, SCOPE),
        ("server.address", "api.openai.com", "eastus.openai.azure.com", SCOPE),
        ("openai.response.service_tier", "default", "flex", SCOPE),
        ("gen_ai.agent.name", "planner", "writer", SCOPE),
        ("tenant.id", "acme", "globex", SCOPE),
        ("gen_ai.request.stream", False, True, "opentelemetry.instrumentation.genai.anthropic"),
    ],
)
def test_a_value_that_tells_something_makes_another_kind_or_none(
    make: Make, name: str, usual_value: Any, other_value: Any, scope: str
) -> None:
    one, other = pair(make)
    for metered in (one, other):
        tracer = metered.tracer(scope)
        for n, value in enumerate([usual_value] * 4 + [other_value] * 2 + [usual_value]):
            at_ns = _NOON_NS + n * 1_000_000
            attributes = {**_CALL, "gen_ai.response.id": f"r{n}", name: value}
            tracer.start_span("chat", start_time=at_ns, attributes=attributes).end(at_ns + 500_000)
    assert_equal(one, other)


def test_private_names_may_be_gone(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    metered = make()
    play(metered, [usual(n) for n in range(3)], [])
    ids = Span.get_span_context

    def gone(span: Any) -> Any:
        raise AttributeError

    span = metered.tracer().start_span("chat", attributes=usual(9))
    context = ids(span)  # type: ignore[arg-type]
    span._end_time = _NOON_NS  # type: ignore[attr-defined] # pyright: ignore
    monkeypatch.setattr(Span, "get_span_context", lambda span: context)
    monkeypatch.setattr(Span, "_context", property(gone), raising=False)
    metered.processor._on_ending(span)  # type: ignore[arg-type]
    assert metered.processor.counts["priced"] == 4
