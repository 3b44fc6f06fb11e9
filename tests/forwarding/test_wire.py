"""What senders and receivers of journals say to each other, both ways and with nonsense in it."""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha256
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from otel_genai_cost.forwarding import wire
from otel_genai_cost.forwarding.refusals import refusal_body, refusal_in
from otel_genai_cost.forwarding.wire import (
    BookFile,
    BookOffer,
    Lines,
    Part,
    Refusal,
    part_of,
    request_body,
    request_in,
)

_NAMES = st.from_regex(r"\A[0-9]{16}-[0-9a-f]{16}\Z")
_LINES = st.builds(Lines, _NAMES, st.integers(0, 1 << 40), st.binary(max_size=200), st.booleans())
_LOCKS = st.binary(max_size=200)
_BOOKS = _LOCKS.map(lambda lock: BookFile(sha256(lock).hexdigest(), lock))
_OFFERS = _LOCKS.map(lambda lock: BookOffer(sha256(lock).hexdigest()))
_NAME = "1700000000000000-0011223344556677"


@given(st.lists(st.one_of(_LINES, _BOOKS, _OFFERS), max_size=5))
def test_what_is_sent_is_what_comes(parts: list[Part]) -> None:
    assert request_in(request_body(parts)) == (tuple(parts), 0)


@given(st.lists(st.one_of(_LINES, _BOOKS, _OFFERS), max_size=5))
def test_it_is_otlp_and_comes_through_protobuf(parts: list[Part]) -> None:
    """By protobuf's own library: what a collector between makes of it is the same."""
    mapping: Any = json_format
    message: Any = mapping.Parse(request_body(parts), ExportLogsServiceRequest())
    found: list[Part | None] = []
    for block in message.resource_logs:
        for part in block.scope_logs:
            for record in part.log_records:
                said = {
                    pair.key: getattr(pair.value, pair.value.WhichOneof("value"))
                    for pair in record.attributes
                }
                scope = (part.scope.name, part.scope.version, record.event_name)
                found.append(part_of(*scope, said, record.body.bytes_value))
    assert found == parts


def _message(
    said: dict[str, Any], event: str = wire.LINES_EVENT, body: object = None, **scope: str
) -> bytes:
    record = {
        "eventName": event,
        "attributes": [{"key": key, "value": value} for key, value in said.items()],
        "body": {"bytesValue": b64encode(b"x\n").decode()} if body is None else body,
    }
    named = {"name": wire.SCOPE, "version": wire.FORMAT, **scope}
    block = {"scopeLogs": [{"scope": named, "logRecords": [record]}]}
    return json.dumps({"resourceLogs": [block]}).encode()


_SAID = {
    wire.SEGMENT: {"stringValue": _NAME},
    wire.OFFSET: {"intValue": 7},
    wire.FINISHED: {"boolValue": True},
}


def test_a_number_may_be_a_number() -> None:
    assert request_in(_message(_SAID)).parts == (Lines(_NAME, 7, b"x\n", True),)


def test_other_logs_are_counted_and_left_out() -> None:
    assert request_in(_message(_SAID, name="app")) == ((), 1)


@pytest.mark.parametrize(
    "name",
    ["", ".hidden", "a/b", "../x", "a\x00", "a\n", "ä", "x" * 129, None],
)
def test_no_name_leaves_the_folder(name: str | None) -> None:
    with pytest.raises(ValueError, match="no name of a segment"):
        request_in(_message({**_SAID, wire.SEGMENT: {"stringValue": name}}))


@pytest.mark.parametrize("offset", [-1, 1.5, "1e3", True, 1 << 60, None, "٣"])
def test_no_place_is_refused(offset: object) -> None:
    with pytest.raises(ValueError, match="no place in a segment"):
        request_in(_message({**_SAID, wire.OFFSET: {"intValue": offset}}))


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (b"", "Expecting value"),
        (b"[]", "no object"),
        (b"[" * 100_000, "values in values"),
        (b"\xff", "decode"),
        (b'{"resourceLogs": 1}', "something else"),
        (_message(_SAID, version="2"), "format '2'"),
        (_message(_SAID, event="other"), "no event"),
        (_message(_SAID, body={}), "without bytes"),
        (_message(_SAID, body={"bytesValue": "?"}), "base64"),
        (_message({**_SAID, wire.FINISHED: {"stringValue": "yes"}}), "neither"),
        (_message({wire.BOOK: {"stringValue": "00"}}, event=wire.BOOK_EVENT), "no digest"),
        (_message({wire.BOOK: {"stringValue": "x"}}, event=wire.BOOK_OFFER_EVENT), "no digest"),
        (_message({wire.BOOK: {"stringValue": "0" * 64}}, event=wire.BOOK_EVENT), "is not"),
    ],
)
def test_nonsense_is_a_value_error(message: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        request_in(message)


@pytest.mark.parametrize("reason", wire.REFUSAL_REASONS)
def test_refusals_come_back_as_they_were(reason: wire.RefusalReason) -> None:
    refusal = Refusal(reason, "why", {"segment": _NAME, "have": "12"})
    assert refusal_in(refusal_body(refusal)) == refusal
    assert wire.STATUS_OF[reason] in (400, 401, 403, 404, 412, 413, 503)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", ""),
        (b"<html>bad gateway</html>", "<html>bad gateway</html>"),
        (b"[1]", "[1]"),
        (b"[" * 100_000, "[" * 500),
        (b'{"message": "m", "details": 3}', "m"),
        (b'{"message": "m", "details": [{"reason": "HOLE", "domain": "other"}]}', "m"),
        (b'{"message": "m", "details": [{"reason": "NEW", "domain": "otel-genai-cost"}]}', "m"),
    ],
)
def test_what_others_answer_has_no_reason(body: bytes, message: str) -> None:
    assert refusal_in(body) == Refusal(None, message)


def test_odd_metadata_is_none() -> None:
    odd = b'{"details": [{"reason": "FULL", "domain": "otel-genai-cost", "metadata": [1]}]}'
    assert refusal_in(odd) == Refusal("FULL", "", {})
