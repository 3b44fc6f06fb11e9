"""Export requests that hypothesis draws, in the forms that exporters write and in some that nobody does."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from tests.replay.otlp import SCOPE

NAMES: Final = (
    *("gen_ai.operation.name", "gen_ai.request.model", "gen_ai.response.model"),
    *("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.usage.cost"),
    *(
        "genai_cost.total",
        "genai_cost.status",
        "genai_cost.book",
        "tenant.id",
        "http.route",
        "",
        "ä",
    ),
)
_SCALARS: Final = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=12)
    | st.sampled_from(["chat", "gpt-4o-mini", "acme", "x" * 130])
)
_VALUES: Final = st.recursive(
    _SCALARS | st.none() | st.binary(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=3,
)
_PAIRS: Final = st.lists(st.tuples(st.sampled_from(NAMES), _VALUES), max_size=8)
_UNKNOWN: Final = st.sampled_from([b"", b"\xa2\x06\x03abc", b"\x98\x06\x05", b"\x9d\x06abcd"])
"""Fields with the number 100 or 99, which OTLP does not have."""


def _put(value: Any, given: object) -> None:
    if isinstance(given, bool):
        value.bool_value = given
    elif isinstance(given, int):
        value.int_value = given
    elif isinstance(given, float):
        value.double_value = given
    elif isinstance(given, str):
        value.string_value = given
    elif isinstance(given, bytes):
        value.bytes_value = given
    elif isinstance(given, list):
        value.array_value.SetInParent()
        for one in given:
            _put(value.array_value.values.add(), one)
    elif isinstance(given, dict):
        value.kvlist_value.SetInParent()
        for key, one in given.items():
            _put(value.kvlist_value.values.add(key=key).value, one)


@st.composite
def spans(draw: st.DrawFn) -> bytes:
    span: Any = trace_pb2.Span()
    span.trace_id = draw(st.sampled_from([b"\1" * 16, b"\2" * 16, b"", b"\1" * 40]))
    span.span_id = draw(st.binary(min_size=8, max_size=8))
    span.parent_span_id = draw(st.sampled_from([b"", b"\3" * 8]))
    span.trace_state = draw(st.sampled_from(["", "ot=th:8"]))
    span.name = draw(st.sampled_from(["chat", "GET /", ""]))
    span.start_time_unix_nano = draw(st.sampled_from([0, 1_795_322_557_000_000_000, 2**64 - 1]))
    span.end_time_unix_nano = draw(st.sampled_from([0, 1_795_322_558_000_000_000]))
    for name, value in draw(_PAIRS):
        _put(span.attributes.add(key=name).value, value)
    if draw(st.booleans()):
        span.status.code = draw(st.sampled_from([0, 1, 2]))
        span.status.message = draw(st.sampled_from(["", "broke"]))
    span.flags = draw(st.sampled_from([0, 257]))
    written: bytes = span.SerializeToString()
    return written + draw(_UNKNOWN)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """An ExportTraceServiceRequest."""
    request: Any = trace_service_pb2.ExportTraceServiceRequest()
    for _ in range(draw(st.integers(0, 2))):
        block = request.resource_spans.add()
        if draw(st.booleans()):
            block.resource.attributes.add(key="service.name").value.string_value = "shop"
        for _ in range(draw(st.integers(0, 2))):
            part = block.scope_spans.add()
            part.scope.name = draw(st.sampled_from(["", SCOPE, "shop"]))
            for raw in draw(st.lists(spans(), max_size=3)):
                part.spans.add().ParseFromString(raw)
    written: bytes = request.SerializeToString()
    return written + draw(_UNKNOWN)
