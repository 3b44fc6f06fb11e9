"""Every queue's way to write headers is read as the same envelope."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from otel_genai_cost.tenancy.carriers import entries_in

_PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
_BAGGAGE = "tenant.id=acme"
_RIGHT = {"traceparent": _PARENT, "baggage": _BAGGAGE}
_RESERVED = {"v": 1, **_RIGHT}

_CARRIERS: dict[str, Any] = {
    "headers": _RIGHT,
    "any case": {"TraceParent": _PARENT, "Baggage": _BAGGAGE},
    "bytes in pairs, as Kafka": [("traceparent", _PARENT.encode()), ("baggage", _BAGGAGE.encode())],
    "names in bytes, as ASGI": [
        (b"traceparent", _PARENT.encode()),
        (b"baggage", _BAGGAGE.encode()),
    ],
    "metadata of gRPC": (("traceparent", _PARENT), ("baggage", _BAGGAGE), ("bin-bin", b"\xff")),
    "attributes of SQS": {
        "traceparent": {"DataType": "String", "StringValue": _PARENT},
        "baggage": {"DataType": "String", "StringValue": _BAGGAGE},
        "n": {"DataType": "Number", "StringValue": "1"},
    },
    "attributes of SQS in an event of Lambda": {
        "traceparent": {"dataType": "String", "stringValue": _PARENT},
        "baggage": {"dataType": "String", "stringValue": _BAGGAGE},
    },
    "attributes of SNS": {
        "traceparent": {"Type": "String", "Value": _PARENT},
        "baggage": {"Type": "String", "Value": _BAGGAGE},
    },
    "headers of AMQP": {
        b"traceparent": _PARENT.encode(),
        b"baggage": _BAGGAGE.encode(),
        "x-death": [{"count": 1}],
        "n": 3,
    },
    "several values, as a multi-dict": {"traceparent": [_PARENT], "baggage": [_BAGGAGE, "x=1"]},
    "headers of Kafka in an event of Lambda": [
        {"traceparent": list(_PARENT.encode())},
        {"baggage": list(_BAGGAGE.encode())},
    ],
    "CloudEvents over HTTP": {"ce-traceparent": _PARENT, "Ce-Baggage": _BAGGAGE, "ce-id": "1"},
    "CloudEvents over Kafka": [
        ("ce_traceparent", _PARENT.encode()),
        ("ce_baggage", _BAGGAGE.encode()),
    ],
    "CloudEvents over AMQP": {
        "cloudEvents:traceparent": _PARENT,
        "cloudEvents_baggage": _BAGGAGE,
    },
    "an event of the CloudEvents SDK": SimpleNamespace(
        get_attributes=lambda: {"id": "1", **_RIGHT}
    ),
    "the reserved key": {"document": 1, "_ogc": _RESERVED},
    "the reserved key in JSON": {"_ogc": json.dumps(_RESERVED)},
    "a name of its own before others": {
        "_ogc": {"v": 1, "baggage": "tenant.id=globex"},
        "ce_baggage": "tenant.id=globex",
        **_RIGHT,
    },
    "the first of several": [*_RIGHT.items(), ("baggage", b"tenant.id=globex")],
}


@pytest.mark.parametrize("kind", _CARRIERS)
def test_one_envelope(kind: str) -> None:
    assert entries_in(_CARRIERS[kind]) == _RIGHT


@pytest.mark.parametrize(
    "carrier",
    [
        None,
        "baggage",
        b"baggage",
        7,
        {},
        [],
        [("baggage",), "baggage", None, ("a", "b", "c")],
        {"baggage": None},
        {"baggage": 7},
        {"baggage": []},
        {"baggage": {"DataType": "String"}},
        {"_ogc": {"v": 2, "baggage": _BAGGAGE}},
        {"_ogc": {"baggage": _BAGGAGE}},
        {"_ogc": "{"},
        {"_ogc": "[]"},
        {"_ogc": "7" * 40_000},
        {"_ogc": {"v": 1, "baggage": 7}},
        {"ce_": _BAGGAGE, "ce-": _BAGGAGE, "cebaggage": _BAGGAGE, "force-baggage": _BAGGAGE},
    ],
)
def test_what_is_no_envelope_says_nothing(carrier: Any) -> None:
    assert entries_in(carrier) == {}


def test_bytes_that_are_no_text_are_read_as_far_as_they_go() -> None:
    assert entries_in({"baggage": b"a=\xff"}) == {"baggage": "a=�"}
