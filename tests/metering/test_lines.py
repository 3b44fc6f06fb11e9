"""What a call's line in the journal says itself, and what the segment's header says for all of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from otel_genai_cost import tenant
from otel_genai_cost.journal.open_segment import frame
from otel_genai_cost.journal.reader import read, segments
from otel_genai_cost.journal.record import from_record, to_record
from otel_genai_cost.metering.providers import add
from otel_genai_cost.pricing.book import NO_BOOK
from tests.metering.conftest import CALL, Metered

_LINE_BYTES_MAX: Final = 700
_OURS: Final = "otel_genai_instrumentors.openai"
_ANSWERED: Final[dict[str, Any]] = {
    **CALL,
    "server.address": "api.openai.com",
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "gen_ai.response.id": "chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz012",
    "gen_ai.response.finish_reasons": ("stop",),
    "gen_ai.usage.cache_read.input_tokens": 512,
    "openai.response.service_tier": "default",
}


@pytest.fixture
def metered(make: Callable[..., Metered]) -> Metered:
    resource = Resource.create({"service.name": "shop", "k8s.pod.name": "shop-7d9c5"})
    return make(provider=TracerProvider(resource=resource))


def _call(metered: Metered) -> None:
    """A call of the client, below an agent's step in a request, for a tenant."""
    tracer = metered.tracer(_OURS, version("otel-genai-cost"))
    with (
        tenant("acme"),
        metered.tracer("web").start_as_current_span("POST /ask"),
        metered.tracer("web").start_as_current_span("step"),
    ):
        tracer.start_span("chat gpt-4o-mini", attributes=_ANSWERED).end()


def _segment(metered: Metered) -> Path:
    [segment] = segments(metered.folder)
    return segment


def _lines(metered: Metered) -> list[bytes]:
    return _segment(metered).read_bytes().splitlines(keepends=True)


def test_line_of_a_usual_call_is_short(metered: Metered) -> None:
    _call(metered)
    _, line = _lines(metered)
    assert len(line) <= _LINE_BYTES_MAX
    [observation] = metered.journalled
    assert (observation.attribution.tenant, len(observation.path)) == ("acme", 2)
    assert observation.reading.usage.leaves == {"cache_read": 512, "input": 488, "output": 100}
    assert observation.origin.service == "shop"
    assert observation.cost.book is not None


def test_record_that_is_read_says_all_itself(metered: Metered) -> None:
    """It leaves its segment for the ledger, where no header is."""
    _call(metered)
    [record] = metered.records
    [observation] = metered.journalled
    assert record == json.loads(json.dumps({"seq": 1, **to_record(observation)}))
    assert from_record(record) == observation


def test_reading_on_in_the_middle_says_the_same(metered: Metered) -> None:
    _call(metered)
    _call(metered)
    header, first, _ = _lines(metered)
    whole = read(_segment(metered)).records
    assert read(_segment(metered), len(header) + len(first)).records == whole[1:]


def test_call_of_another_resource_says_so_itself(metered: Metered) -> None:
    other = TracerProvider(resource=Resource.create({"service.name": "other"}))
    add(other, metered.processor)
    _call(metered)
    other.get_tracer(_OURS).start_span("chat", attributes=_ANSWERED).end()
    _call(metered)
    assert [one.origin.service for one in metered.journalled] == ["shop", "other", "shop"]
    assert [b'"origin"' in line for line in _lines(metered)[1:]] == [False, True, False]


def test_call_priced_by_another_book_says_so_itself(metered: Metered) -> None:
    _call(metered)
    metered.processor.use(NO_BOOK)
    _call(metered)
    first, second = metered.journalled
    assert first.cost.book is not None
    assert (second.cost.book, second.cost.reason) == (None, "no_price_book")


def test_damaged_header_costs_where_and_by_what_book_but_no_money(metered: Metered) -> None:
    _call(metered)
    _call(metered)
    whole = metered.journalled
    segment = _segment(metered)
    segment.write_bytes(b"x" + segment.read_bytes()[1:])
    batch = read(segment)
    found = [from_record(record) for record in batch.records]
    assert [damage.offset for damage in batch.damage] == [0]
    assert [(one.id, one.attribution, one.cost.total) for one in found] == [
        (one.id, one.attribution, one.cost.total) for one in whole
    ]
    assert {one.origin.process for one in found} == {f"segment:{segment.stem}"}
    assert {(one.origin.service, one.cost.book, one.scope_version) for one in found} == {
        (None, None, "")
    }


def test_line_that_no_writer_makes_is_damage(metered: Metered) -> None:
    _call(metered)
    _, line = _lines(metered)
    record = json.loads(line[9:])
    hostile: list[Any] = [None, "x", -1, 1 << 70, [], {}, True]
    lines = [
        frame(json.dumps({**record, key: value}).encode())
        for key in ("took_us", "start_us", "trace_id", "span_id", "cost", "ordinal", "origin")
        for value in hostile
    ]
    segment = _segment(metered)
    segment.write_bytes(segment.read_bytes() + b"".join(lines))
    batch = read(segment)
    assert len(batch.records) + len(batch.damage) == 1 + len(lines)
    assert batch.damage
