"""What it costs to read a span in its dialect, over looking at its attributes.

A call pays for the reading of its counts: what its words say is kept by kind of call (`metering/call_profile.py`). A
span whose words are not kept, such as the first of its kind or one whose dialect cannot separate them, is read whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from otel_genai_cost import attributes as names
from otel_genai_cost.metering.call_profile import CallProfiles
from otel_genai_cost.pricing.load import load_book
from otel_genai_cost.usage.conventions import SPELLING
from otel_genai_cost.usage.scopes import dialect_of
from tests.bench.measure import Result, alternate, of_budget
from tests.usage.recorded import RecordedSpan, recordings

_CALL_BUDGET_US: Final = 6
"""Of a call whose kind is known: what it is kept by is put together, and its counts are read."""

_WHOLE_BUDGET_US: Final = 30
"""Of a span that is read whole: the first of each kind of call, and each of a dialect whose words are not kept."""

_NAMES: Final = (
    *SPELLING.inputs,
    *SPELLING.outputs,
    *SPELLING.parts,
    *(row.name for row in names.TABLE if row.direction != "written" and "usage" not in row.name),
)
"""What the conventions' dialect asks a span for."""

_CONVENTIONS: Final = "otel-genai-openai/openai-tier-flex"
_NOT_KEPT: Final[Mapping[str, str]] = {
    "OpenLLMetry": "traceloop-openai/openai-cached",
    "strands": "strands-native/strands-bedrock-cached",
}
_JSON_BUDGET_US: Final = 50
_JSON_CASES: Final[Mapping[str, str]] = {
    "OpenInference": "openinference-openai/openai-cached",
    "Logfire": "logfire-openai/openai-cached",
}


def dialects() -> Iterator[Result]:
    """Per span, warm."""
    conventions = _call(_CONVENTIONS)
    yield _over_looking("a call's usage, ours", _own(), _as_called, _CALL_BUDGET_US)
    yield _over_looking("a call's usage, the conventions", conventions, _as_called, _CALL_BUDGET_US)
    yield _over_looking("read whole, the conventions", conventions, _whole, _WHOLE_BUDGET_US)
    for name, case_id in _NOT_KEPT.items():
        yield _over_looking(f"read whole, {name}", _call(case_id), _as_called, _WHOLE_BUDGET_US)
    for name, case_id in _JSON_CASES.items():
        span = _call(case_id)
        yield _over_looking(f"provider's JSON, {name}", span, _whole, _JSON_BUDGET_US)


def _own() -> RecordedSpan:
    """A call as our instrumentor writes it."""
    attributes = {
        names.GEN_AI_OPERATION_NAME: "chat",
        names.GEN_AI_PROVIDER_NAME: "openai",
        names.GEN_AI_REQUEST_MODEL: "gpt-4o-mini",
        names.SERVER_ADDRESS: "api.openai.com",
        names.GEN_AI_RESPONSE_MODEL: "gpt-4o-mini-2024-07-18",
        names.GEN_AI_RESPONSE_ID: "chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz012",
        names.GEN_AI_RESPONSE_FINISH_REASONS: ("stop",),
        names.GEN_AI_USAGE_INPUT_TOKENS: 1200,
        names.GEN_AI_USAGE_OUTPUT_TOKENS: 80,
        names.GEN_AI_USAGE_CACHE_READ: 1024,
        names.OPENAI_RESPONSE_SERVICE_TIER: "default",
    }
    return RecordedSpan("chat gpt-4o-mini", "otel_genai_instrumentors.openai", "1", attributes)


def _as_called(span: RecordedSpan) -> Callable[[], object]:
    """As the meter reads a call of a kind that it has seen, the finding of its price included."""
    profiles = CallProfiles(load_book())

    def read() -> object:
        profile = profiles.of(span)
        return profile and profile.words.read(span.attributes)

    return read


def _whole(span: RecordedSpan) -> Callable[[], object]:
    read = dialect_of(span.scope_name, span.scope_version).read
    return lambda: read(span)


def _over_looking(
    name: str,
    span: RecordedSpan,
    way: Callable[[RecordedSpan], Callable[[], object]],
    budget_us: float,
) -> Result:
    def look() -> None:
        get = span.attributes.get
        for each in _NAMES:
            get(each)

    pair = alternate(way(span), look, calls=2_000)
    extra_us = pair.ours_us - pair.theirs_us
    return of_budget(name, extra_us, budget_us, "us", "<= 1.00", pair.noise)


def _call(case_id: str) -> RecordedSpan:
    """The recorded call of a case."""
    spans = [span for case in recordings() if case.case_id == case_id for span in case.spans]
    for span in spans:
        reading = dialect_of(span.scope_name, span.scope_version).read(span)
        if reading is not None and reading.role == "response":
            return span
    raise LookupError(f"no call is recorded as {case_id}")
