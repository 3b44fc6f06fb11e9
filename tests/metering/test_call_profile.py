"""What is kept of calls that are alike: it saves work, and never says anything else than the path without it."""

from __future__ import annotations

import enum
import threading
from collections.abc import Iterator
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otel_genai_cost import attributes as names
from otel_genai_cost.metering.call_profile import KEPT_MAX, CallProfile, CallProfiles
from otel_genai_cost.metering.meter import meter
from otel_genai_cost.pricing.book import NO_BOOK
from otel_genai_cost.pricing.load import load_book
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.usage.conventions import READS, WORDS
from otel_genai_cost.usage.read import Reading
from otel_genai_cost.usage.scopes import dialect_of
from tests.metering.conftest import CALL, Metered
from tests.usage.recorded import RecordedSpan, recordings, span_with

_BOOK: Final = load_book()
_OURS: Final = "otel_genai_instrumentors.openai"


def _of(reading: Reading) -> Attribution:
    return Attribution(tenant=reading.tenant, source="span", labels=reading.labels)


def _metered(span: RecordedSpan, profiles: CallProfiles) -> str:
    """All that is said of a span; as text, where 1, 1.0 and True are not the same."""
    return repr(meter(span, profiles, _of, personal=True))


def _afresh(span: RecordedSpan) -> str:
    return _metered(span, CallProfiles(_BOOK))


def _holds(span: RecordedSpan, profiles: CallProfiles) -> bool:
    """Whether a span is metered as without what was kept, and as its dialect reads it whole."""
    found = meter(span, profiles, _of, personal=True)
    whole = dialect_of(span.scope_name, span.scope_version).read(span)
    readings = [] if whole is None else [whole]
    return repr(found) == _afresh(span) and repr([one.reading for one in found]) == repr(readings)


def _kept(profiles: CallProfiles) -> int:
    return len(profiles._kept)


# --- a kept profile says what a new one would ---


def test_recorded_spans_are_metered_alike_with_and_without_what_was_kept() -> None:
    profiles, spans = CallProfiles(_BOOK), [span for case in recordings() for span in case.spans]
    for span in spans:
        _metered(span, profiles)
    assert _kept(profiles) > 20
    for span in spans:
        assert _holds(span, profiles), span


class _Word(str, enum.Enum):
    CHAT = "chat"
    OPENAI = "openai"
    MODEL = "gpt-4o-mini"


_SCOPES: Final = (
    "opentelemetry.instrumentation.genai.openai",
    "opentelemetry.instrumentation.genai.anthropic",
    "opentelemetry.instrumentation.openai_v2",
    _OURS,
    "traceloop.openai",
    "unheard.of",
    "strands.telemetry.tracer",
)
_NAMES: Final = sorted(
    {
        *WORDS,
        *READS,
        names.GEN_AI_REQUEST_STREAM,
        names.GEN_AI_RESPONSE_ID,
        names.GEN_AI_RESPONSE_FINISH_REASONS,
        names.GEN_AI_TOOL_DEFINITIONS,
        names.GEN_AI_OUTPUT_MESSAGES,
        names.GEN_AI_USAGE_COST,
        names.TENANT_ID,
        names.FEATURE,
        names.GEN_AI_CONVERSATION_ID,
        names.REQUEST_SENT,
        names.ATTEMPTS,
        names.UNFINISHED,
        "gen_ai.usage.surprise_tokens",
        "http.route",
    }
)
_TEXTS: Final = (
    "chat",
    "embeddings",
    "invoke_agent",
    "fetch_response",
    "openai",
    "anthropic",
    "azure.ai.openai",
    "gcp.gemini",
    "gpt-4o-mini",
    "claude-sonnet-4-5",
    "gemini-2.5-flash",
    "api.openai.com",
    "bedrock-runtime.eu-west-1.amazonaws.com",
    "batch",
    "flex",
    "responses",
    "RateLimitError",
    "1",
    "web_search",
    "",
    _Word.CHAT,
    _Word.OPENAI,
    _Word.MODEL,
)
_VALUES: Final[st.SearchStrategy[Any]] = st.one_of(
    st.sampled_from(_TEXTS),
    st.sampled_from(_TEXTS),
    st.integers(0, 5000),
    st.sampled_from(
        [None, True, False, 0, 1, 1.0, 0.0, -0.0, -1, float("nan"), 10**18, (), ("stop",), [1], {}]
    ),
)


def _mutated(spans: tuple[RecordedSpan, ...]) -> st.SearchStrategy[RecordedSpan]:
    """A recorded span with attributes changed, added, taken away or in another order, from another scope perhaps."""

    @st.composite
    def one(draw: st.DrawFn) -> RecordedSpan:
        span = draw(st.sampled_from(spans))
        attributes = dict(span.attributes)
        for name in draw(st.lists(st.sampled_from(sorted(attributes) or ["none"]), max_size=2)):
            attributes.pop(name, None)
        attributes |= draw(st.dictionaries(st.sampled_from(_NAMES), _VALUES, max_size=4))
        if draw(st.booleans()):
            attributes = dict(reversed(attributes.items()))
        return span._replace(
            attributes=attributes,
            scope_name=draw(st.sampled_from((span.scope_name, *_SCOPES))),
            scope_version=draw(st.sampled_from((span.scope_version, "1.3b0", "99.0"))),
            name=draw(st.sampled_from((span.name, "response", "chat"))),
            is_error=draw(st.booleans()),
        )

    return one()


_CALLED: Final[dict[str, Any]] = {
    **CALL,
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "gen_ai.response.id": "chatcmpl-1",
}
_FEW: Final = (
    *(span_with(_CALLED, scope=scope) for scope in _SCOPES),
    *{
        span.scope_name: span for case in recordings() for span in case.spans if span.attributes
    }.values(),
)
"""One of each instrumentation: mutations of few spans meet each other's profiles."""


@settings(deadline=None, max_examples=250, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_mutated(_FEW), min_size=2, max_size=12))
def test_whatever_came_before_changes_nothing(spans: list[RecordedSpan]) -> None:
    profiles = CallProfiles(_BOOK)
    for span in (*spans, *spans):
        assert _holds(span, profiles)


@pytest.mark.parametrize("name", [*WORDS, names.GEN_AI_REQUEST_STREAM, names.TENANT_ID])
@pytest.mark.parametrize("scope", _SCOPES)
def test_values_that_are_equal_and_not_the_same_are_told_apart(scope: str, name: str) -> None:
    profiles = CallProfiles(_BOOK)
    for value in (True, 1, 1.0, "1", False, 0, -0.0, 0.0, None, "chat", _Word.CHAT, (), [1]):
        span = span_with({**_CALLED, name: value}, scope=scope)
        assert _holds(span, profiles), value


def test_the_name_of_a_span_tells_the_responses_api() -> None:
    """Which counts reasoning into the output, whoever serves the model; Grok's chat completions do not."""
    profiles = CallProfiles(_BOOK)
    told = {
        **_CALLED,
        "gen_ai.provider.name": "azure.ai.inference",
        "gen_ai.request.model": "grok-4",
        "gen_ai.response.model": "grok-4",
        "gen_ai.usage.reasoning.output_tokens": 40,
    }
    outputs: list[int | None] = []
    for name in ("chat grok-4", "responses grok-4", "chat grok-4"):
        [observation] = meter(span_with(told, scope=_OURS, name=name), profiles, _of)
        outputs.append(observation.reading.usage.output_total)
    assert outputs == [140, 100, 140]


# --- it is kept, and bounded ---


@pytest.fixture
def calls() -> Iterator[RecordedSpan]:
    """Calls that are alike: each has its own counts, ids and times."""
    return (
        span_with(
            {**_CALLED, "gen_ai.usage.input_tokens": n, "gen_ai.response.id": f"chatcmpl-{n}"},
            scope=_OURS,
        )._replace(span_id=n, end_ns=1_795_322_558_000_000_000 + n)
        for n in range(1, 1000)
    )


def _profile(span: RecordedSpan, profiles: CallProfiles) -> CallProfile:
    found = profiles.of(span)
    assert found is not None
    return found


def test_calls_that_are_alike_have_one_profile(calls: Iterator[RecordedSpan]) -> None:
    profiles = CallProfiles(_BOOK)
    first = _profile(next(calls), profiles)
    assert all(_profile(next(calls), profiles) is first for _ in range(100))
    [observation] = meter(next(calls), profiles, _of)
    assert observation.reading.usage.input_total == 102
    assert observation.reading.response_id == "chatcmpl-102"


def test_whom_a_call_is_for_is_no_part_of_its_profile() -> None:
    profiles = CallProfiles(_BOOK)
    for n in range(20):
        told = {names.TENANT_ID: f"t{n}", names.GEN_AI_CONVERSATION_ID: f"c{n}"}
        [observation] = meter(span_with({**_CALLED, **told}), profiles, _of, personal=True)
        assert observation.reading.tenant == f"t{n}"
        assert observation.reading.labels == {"conversation": f"c{n}"}
    assert _kept(profiles) == 1


def test_what_cannot_be_told_from_the_counts_is_not_kept() -> None:
    profiles = CallProfiles(_BOOK)
    agent = {**_CALLED, "gen_ai.operation.name": "invoke_agent"}
    for span in (
        span_with(agent),
        span_with({"gen_ai.usage.input_tokens": 3}),
        span_with({**_CALLED, names.ATTEMPTS: 2}, scope=_OURS),
        span_with(_CALLED, scope="langsmith"),
        span_with({**_CALLED, "gen_ai.provider.name": _Word.OPENAI}),
    ):
        assert meter(span, profiles, _of)
        assert _kept(profiles) == 0


def test_few_are_kept_and_none_with_much_to_say() -> None:
    profiles = CallProfiles(_BOOK)
    for n in range(3 * KEPT_MAX):
        _metered(span_with({**_CALLED, "gen_ai.request.model": f"m{n}"}), profiles)
        assert _kept(profiles) <= KEPT_MAX
    profiles = CallProfiles(_BOOK)
    for told in (
        {"gen_ai.request.model": "m" * 10_000},
        {f"of.mine.{n:06d}": 1 for n in range(1000)},
        {"x" * 10_000: 1},
    ):
        _metered(span_with({**_CALLED, **told}), profiles)
    _metered(span_with(_CALLED, name="n" * 10_000), profiles)
    assert _kept(profiles) == 0


def test_threads_share_them(calls: Iterator[RecordedSpan]) -> None:
    profiles, spans = CallProfiles(_BOOK), [next(calls) for _ in range(50)]
    many = [span_with({**_CALLED, "gen_ai.request.model": f"m{n}"}) for n in range(2 * KEPT_MAX)]
    expected = [_afresh(span) for span in spans]
    found: list[list[str]] = []

    def work() -> None:
        told: list[str] = []
        for at, span in enumerate(spans):
            told.append(_metered(span, profiles))
            for other in many[at * 20 : at * 20 + 20]:
                profiles.of(other)
        found.append(told)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8
    assert _kept(profiles) <= KEPT_MAX


def test_a_span_that_ends_while_another_is_looked_up_is_metered_as_well() -> None:
    """As a finalizer does that the garbage collector runs in the middle."""
    profiles = CallProfiles(_BOOK)
    inner = span_with({**_CALLED, "gen_ai.request.model": "gpt-4o"})
    said: list[str] = []

    class Book:
        def tariff(self, provider: str | None, model: str | None) -> Any:
            if not said:
                said.append("")
                said[0] = _metered(inner, profiles)
            return _BOOK.tariff(provider, model)

    profiles = CallProfiles(Book())
    outer = span_with(_CALLED)
    assert (_metered(outer, profiles), said) == (_afresh(outer), [_afresh(inner)])
    assert (_metered(outer, profiles), _metered(inner, profiles)) == (_afresh(outer), said[0])


def test_another_book_comes_with_no_profiles(metered: Metered) -> None:
    metered.call()
    metered.processor.use(NO_BOOK)
    metered.call()
    metered.processor.use(_BOOK)
    metered.call()
    assert [one.cost.reason for one in metered.journalled] == [None, "no_price_book", None]
