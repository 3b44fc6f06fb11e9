"""Whatever stands in a span's attributes: no dialect raises, leaves re-add to totals, and nonsense is no number."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otel_genai_cost.usage.instrumentations import DIALECTS
from otel_genai_cost.usage.leaves import INPUT_LEAVES, OUTPUT_LEAVES, QUANTITY_LIMIT, Usage
from otel_genai_cost.usage.values import JSON_LIMIT, bounded_text
from tests.usage.judge import reading_of
from tests.usage.recorded import RecordedSpan, recordings


def _one_of_each_kind() -> list[RecordedSpan]:
    """A recorded span for each set of attribute names that a scope writes."""
    found: dict[tuple[str, frozenset[str]], RecordedSpan] = {}
    for case in recordings():
        for span in case.spans:
            found.setdefault((span.scope_name, frozenset(span.attributes)), span)
    return [span for span in found.values() if reading_of(span) is not None]


_SPANS: Final = _one_of_each_kind()
_HOSTILE: Final = (
    None,
    True,
    -1,
    10**18,
    10**400,
    1 << 20_000,
    1.5,
    float("nan"),
    float("inf"),
    "",
    "many",
    "{",
    "[]",
    "{'a': ",
    '"',
    "[" * 5_000,
    '{"a":' * 5_000,
    "{'" * 5_000,
    '{"usage": 7, "input_tokens": {"a": 1}, "prompt_tokens": [1], "output": {"type": []}}',
    '{"input_tokens": -4, "output_tokens": 1e400, "cache_read_input_tokens": "x", "iterations": [7]}',
    '{"promptTokenCount": true, "promptTokensDetails": [{"modality": 7}, 3], "usageMetadata": []}',
    '{"usage": {"inputTokens": [], "outputTokens": 1e400, "totalTokens": {}}, "raw": {"usage": [], "id": 7}}',
    '{"flex_cache_read": -1, "audio": "x", "_": 3, "reasoning": [1], "cache_read": 1e400}',
    '{"input": "a", "output": null, "input_cache_read": {}, "total": -1}',
    (),
    ("text", None),
    (1, 2.5, "x"),
    b"bytes",
)
_VALUES: Final = st.one_of(
    st.sampled_from(_HOSTILE), st.integers(), st.floats(), st.text(max_size=40)
)


def _sound(usage: Usage) -> bool:
    if not usage.leaves:
        return True
    sums = [
        sum(usage.leaves.get(leaf, 0) for leaf in side) for side in (INPUT_LEAVES, OUTPUT_LEAVES)
    ]
    whole = all(type(n) is int and 0 <= n < QUANTITY_LIMIT * 10 for n in usage.leaves.values())
    return whole and sums == [usage.input_total or 0, usage.output_total or 0]


@pytest.mark.parametrize("value", _HOSTILE, ids=lambda value: bounded_text(value)[:24])
def test_no_attribute_of_any_recorded_span_can_be_turned_against_its_dialect(value: object) -> None:
    for span in _SPANS:
        for name in span.attributes:
            reading = reading_of(span._replace(attributes={**span.attributes, name: value}))
            assert reading is None or _sound(reading.usage), (span.scope_name, name)


@st.composite
def _mutated(draw: st.DrawFn) -> RecordedSpan:
    span = draw(st.sampled_from(_SPANS))
    attributes: dict[str, Any] = dict(span.attributes)
    for name in draw(st.sets(st.sampled_from(sorted(attributes)), max_size=6)):
        if draw(st.booleans()):
            del attributes[name]
        else:
            attributes[name] = draw(_VALUES)
    scope = draw(st.sampled_from([span.scope_name, *(row.scope for row in DIALECTS), "unknown"]))
    return span._replace(attributes=attributes, scope_name=scope)


@given(_mutated())
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
def test_leaves_re_add_to_totals_in_every_dialect_whatever_is_missing_or_wrong(
    span: RecordedSpan,
) -> None:
    reading = reading_of(span)
    assert reading is None or _sound(reading.usage)


_CARRIERS_OF_JSON: Final[Mapping[str, tuple[str, Mapping[str, object]]]] = {
    "openinference.instrumentation.openai": (
        "output.value",
        {"openinference.span.kind": "LLM", "llm.model_name": "gpt-4o"},
    ),
    "logfire.openai": ("gen_ai.usage.raw", {"gen_ai.request.model": "gpt-4o"}),
    "langfuse-sdk": (
        "langfuse.observation.usage_details",
        {"langfuse.observation.type": "generation"},
    ),
    "mlflow.tracing.provider": ("mlflow.spanOutputs", {"mlflow.spanType": '"CHAT_MODEL"'}),
    "genkit-tracer": ("genkit:output", {"genkit:metadata:subtype": "model"}),
    "litellm": ("metadata.usage_object", {"gen_ai.operation.name": "chat"}),
    "logfire.openai_agents": ("response", {"gen_ai.request.model": "gpt-4o"}),
}


@pytest.mark.parametrize("scope", _CARRIERS_OF_JSON)
def test_json_of_ten_megabytes_is_not_parsed(scope: str) -> None:
    name, rest = _CARRIERS_OF_JSON[scope]
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "inputTokens": 10}
    fits = json.dumps({**usage, "usage": usage})
    huge = json.dumps({**usage, "usage": usage, "content": "x" * 10_000_000})
    assert len(huge) > JSON_LIMIT
    found = [
        reading_of(RecordedSpan("call", scope, "1", {**rest, name: text})) for text in (fits, huge)
    ]
    assert [reading and reading.usage.input_total for reading in found] == [10, None]


def test_a_name_of_ten_megabytes_is_cut_short_in_every_dialect() -> None:
    long = "m" * 10_000_000
    for span in _SPANS:
        names = {name for name, value in span.attributes.items() if isinstance(value, str)}
        for name in [
            name for name in names if name.endswith((".model", ".name", ".id", ".system"))
        ]:
            reading = reading_of(span._replace(attributes={**span.attributes, name: long}))
            words = [] if reading is None else [v for v in reading if isinstance(v, str)]
            assert all(len(word) <= 256 for word in words)
