"""OTLP requests become spans, however they are spelled."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_genai_cost.otlp.json_request import json_request
from otel_genai_cost.otlp.protobuf_request import protobuf_request
from tests.replay.otlp import TRACE, chat, protobuf, request, span

_ATTRIBUTES: dict[str, object] = {
    "text": "a",
    "yes": True,
    "n": 2**62,
    "half": 0.5,
    "many": ["a", "b"],
}


def _request() -> dict[str, Any]:
    return request(span(0xB7, {**chat(), **_ATTRIBUTES}, parent=0xA1))


def test_json_request_becomes_a_span() -> None:
    (view,) = json_request(_request()).spans
    assert (view.trace_id, view.span_id, view.parent_id) == (int(TRACE, 16), 0xB7, 0xA1)
    assert view.end_ns - view.start_ns == 10**9
    assert {key: view.attributes[key] for key in _ATTRIBUTES} == {
        **_ATTRIBUTES,
        "many": ("a", "b"),
    }
    assert view.origin.service == "shop"


def test_protobuf_says_the_same_as_json() -> None:
    message = protobuf(_request()).SerializeToString()
    assert protobuf_request(message) == json_request(_request())


@pytest.mark.parametrize("snake", [True, False])
def test_json_mapping_of_protobuf_says_the_same(snake: bool) -> None:
    mapping: Any = json_format
    mapped = mapping.MessageToDict(protobuf(_request()), preserving_proto_field_name=snake)
    assert json_request(mapped) == json_request(_request())


@pytest.mark.parametrize("code", [2, "2", "STATUS_CODE_ERROR"])
def test_error_status_by_number_and_by_name(code: object) -> None:
    failed = {**span(1, {}), "status": {"code": code}}
    assert json_request(request(failed)).spans[0].is_error


def test_span_without_ids_is_counted() -> None:
    nameless = {**span(1, {}), "traceId": ""}
    found = json_request(request(nameless, span(2, {})))
    assert (len(found.spans), found.malformed) == (1, 1)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["key", "value", "values", "stringValue", "x"]), inner)
    ),
    max_leaves=8,
)
_KEYS = ("traceId", "spanId", "startTimeUnixNano", "attributes", "status", "name", "parentSpanId")


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(_KEYS), _JSON)
def test_nothing_in_a_span_breaks_the_reading(key: str, junk: object) -> None:
    found = json_request(request({**span(1, chat()), key: junk}, span(2, {})))
    assert found.spans[-1].span_id == 2


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["resourceSpans", "resource", "scopeSpans", "scope", "spans"]), _JSON)
def test_nothing_around_a_span_breaks_the_reading(key: str, junk: object) -> None:
    def spoil(held: object) -> object:
        if isinstance(held, dict):
            return {k: junk if k == key else spoil(v) for k, v in held.items()}
        return [spoil(one) for one in held] if isinstance(held, list) else held

    spoiled = spoil(request(span(1, {})))
    assert isinstance(spoiled, dict)
    assert len(json_request(spoiled).spans) <= 1


def test_no_protobuf_is_refused() -> None:
    with pytest.raises(ValueError, match="pars"):
        protobuf_request(b"no protobuf at all")
