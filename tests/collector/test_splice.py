"""A request that is mended as bytes is, field by field, what protobuf's own library would have made of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from otel_genai_cost.collector.pairs import PairReader
from otel_genai_cost.collector.places import Places
from otel_genai_cost.collector.span_bytes import view_at
from otel_genai_cost.collector.span_ids import parents_in
from otel_genai_cost.collector.splice import Change, rewritten, spliced
from otel_genai_cost.otlp.ancestry import span_key
from otel_genai_cost.otlp.protobuf_request import parsed, protobuf_request
from otel_genai_cost.otlp.span import WireSpan
from otel_genai_cost.transport.fields import WireError, fields, varint, varint_at
from tests.collector.odd_requests import odd_request
from tests.collector.requests import requests
from tests.replay.otlp import chat, protobuf, request, span

_NEEDLES = (b"gen_ai.", b"genai_cost.")
_NOTHING = Change(frozenset(), {})
_READER, _PLACES = PairReader(), Places()


def _decided(spans: Sequence[WireSpan]) -> list[Change]:
    """Something is taken from each span with an attribute of ours, and something added."""
    return [
        Change(
            frozenset(name for name in one.attributes if name.startswith("genai_cost.")),
            {"genai_cost.total": "0.1", "gen_ai.usage.cost": 0.1, "note": one.name},
        )
        if any(name.startswith(("gen_ai.", "genai_cost.")) for name in one.attributes)
        else _NOTHING
        for one in spans
    ]


def _passed(message: bytes) -> bytes:
    places = list(_PLACES.of(message, _NEEDLES))
    spans = [view_at(message, place, _READER) for place in places]
    found = [one for one in spans if one is not None]
    assert len(found) == len(spans)
    return spliced(message, zip(places, _decided(found), strict=True), _READER)


@settings(max_examples=200)
@given(requests())
@example(b"")
def test_as_protobuf_would(message: bytes) -> None:
    assert parsed(_passed(message)) == parsed(rewritten(parsed(message), _decided))


def _by_protobuf(message: bytes) -> list[WireSpan]:
    found: list[WireSpan] = []

    def keep(spans: Sequence[WireSpan]) -> list[Change]:
        found.extend(spans)
        return [_NOTHING] * len(spans)

    rewritten(parsed(message), keep)
    return found


def _links(message: bytes) -> list[tuple[int, int]]:
    return [link for scope in _PLACES.scopes(message) for link in parents_in(message, *scope)]


@settings(max_examples=300)
@given(st.one_of(requests(), st.integers(0, 10**9).map(odd_request)))
def test_spans_have_the_ids_that_protobuf_reads(message: bytes) -> None:
    try:
        links = _links(message)
        read = [
            (span_key(one.trace_id, one.span_id), one.parent_id)
            for place in _PLACES.of(message, (b"",))
            if (one := view_at(message, place, _READER)) is not None
        ]
        found = _by_protobuf(message)
    except ValueError:  # one of them refuses it
        return
    expected = [(span_key(one.trace_id, one.span_id), one.parent_id) for one in found]
    assert links == read == expected


@settings(max_examples=200)
@given(requests())
def test_spans_are_read_as_protobuf_reads_them(message: bytes) -> None:
    read = [repr(view_at(message, place, _READER)) for place in _PLACES.of(message, (b"",))]
    assert read == [repr(one) for one in _by_protobuf(message)]


@given(st.integers(0, 2**64 - 1))
def test_numbers_are_read_as_they_are_written(number: int) -> None:
    assert varint_at(varint(number), 0) == (number, len(varint(number)))


def test_a_request_without_calls_is_the_same_object() -> None:
    message = protobuf(request(span(1, {"http.route": "/"}), scope="shop")).SerializeToString()
    assert _passed(message) is message


@pytest.mark.parametrize("cut", range(1, 200, 7))
def test_a_request_that_breaks_off_is_refused(cut: int) -> None:
    whole = protobuf(request(span(1, chat()))).SerializeToString()
    with pytest.raises(WireError):
        list(_PLACES.of(whole[:-cut], _NEEDLES))
    with pytest.raises(ValueError, match=r".+"):
        parsed(whole[:-cut])


@pytest.mark.parametrize(
    "junk",
    [
        b"\x0b",
        b"\x0a",
        b"\x0a\x05abc",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\xff" * 12,
    ],
)
def test_no_message_is_an_error_that_says_so(junk: bytes) -> None:
    with pytest.raises(WireError):
        list(fields(junk, 0, len(junk)))


def test_several_resources_are_left_to_protobuf() -> None:
    """Which merges them, as every other reader does."""
    whole = protobuf(request(span(1, chat()))).SerializeToString()
    (block,) = fields(whole, 0, len(whole))
    (resource, *_) = fields(whole, block.start, block.end)
    twice = whole[block.start : block.end] + whole[resource.at : resource.end]
    message = b"\x0a" + varint(len(twice)) + twice
    with pytest.raises(WireError):
        list(_PLACES.of(message, _NEEDLES))
    assert len(protobuf_request(message).spans) == 1


@pytest.mark.parametrize(
    "raw", [b"\x0a\x01k\x12\x03\x21\0\0", b"\x0a\x01k\x12\x02\x0a\x05", b"\x0a\x01k\x12\x01\x18"]
)
def test_a_value_that_breaks_off_is_damage(raw: bytes) -> None:
    with pytest.raises(WireError):
        PairReader().read(raw)


def test_of_large_resources_nothing_is_kept() -> None:
    places = Places()
    for n in range(600):
        told = {"service.name": f"shop {n % 300}", "large": "x" * 20_000 if n % 2 else ""}
        message = protobuf(request(span(1, chat()), resource=told)).SerializeToString()
        assert len(list(places.of(message, _NEEDLES))) == 1
    assert 0 < len(places._resources) <= 256
    assert sum(map(len, places._resources)) < 256 * 100


def test_reader_keeps_little() -> None:
    reader = PairReader()
    for n in range(20_000):
        reader.read(b"\x0a\x01k\x12\x05\x0a\x03" + f"{n % 1000:03d}".encode())
    long: Any = b"\x0a\x01k\x12\xac\x02\x0a\xa9\x02" + b"x" * 297
    assert reader.read(long) == ("k", "x" * 297)
    assert len(reader.kept) == 1000


def test_a_scope_behind_its_spans_is_seen_though_nothing_in_them_is_looked_for() -> None:
    """Else a recognised scope could be missed; it is left to protobuf."""
    scope, one = b"\x0a\x04\x0a\x02ai", b"\x12\x04\x2a\x02hi"
    for parts, is_odd in ((scope + one, False), (one + scope, True)):
        block = b"\x12" + varint(len(parts)) + parts
        message = b"\x0a" + varint(len(block)) + block
        assert len(parsed(message).resource_spans[0].scope_spans[0].spans) == 1
        if is_odd:
            with pytest.raises(WireError):
                _links(message)
        else:
            assert len(_links(message)) == len(list(_PLACES.of(message, _NEEDLES))) == 1
