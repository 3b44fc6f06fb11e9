"""What messages say: whole records there and back, what is foreign, and what is from the future."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from otel_genai_cost.errors import FormatTooNewError
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.pricing.load import load_book
from otel_genai_cost.streaming.cloud_event import (
    Event,
    ForeignMessageError,
    Message,
    Unlink,
    book_in,
    book_message,
    entry_in,
    entry_message,
    event_in,
    observation_in,
    observation_message,
    record_in,
    record_message,
    unlink_in,
    unlink_message,
)
from otel_genai_cost.tenancy.attribution import Attribution
from tests.exporters.entries import entries
from tests.ledger.build import observe, tenant

_SCHEMAS = Path(__file__).resolve().parents[2] / "docs" / "reference" / "schemas"


def _valid(name: str) -> Draft202012Validator:
    schema = json.loads((_SCHEMAS / f"{name}.v1.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def _observations() -> list[Observation]:
    split = Attribution("acme", "edge", None, "system", {"plan": "pro"}, (("acme", 2), ("b", 1)))
    return [
        observe(1, above=(7, 8), response_id="resp_1"),
        observe(2, attribution=split, parts={"cache_read": 400}),
        observe(3, error="429", tokens=None),
        observe(4, model="no-such-model", attribution=tenant(None)),
        observe(5, tokens=None, batch=True, role="context"),
        observe(6, model="日本-\N{GRINNING FACE}"),
    ]


@pytest.mark.parametrize("observation", _observations(), ids=lambda one: one.span_id[-2:])
def test_observation_there_and_back(observation: Observation) -> None:
    message = observation_message(observation, "/nodes/one", "cell")
    found = observation_in(event_in(message))
    assert json.dumps(to_record(found)) == json.dumps(to_record(observation))
    assert (found.cost.total, found.reading) == (observation.cost.total, observation.reading)
    assert found.attribution == observation.attribution
    assert message.key == "cell"
    assert message.headers["ce_time"].endswith(b"Z")
    _valid("observation").validate(json.loads(message.value))


def test_start_of_a_call_is_told_from_its_end() -> None:
    record = {"type": "start", "seq": 7, **to_record(observe(1, tokens=None))}
    message = record_message(record, "/nodes/one")
    assert message.headers["ce_type"] == b"otel_genai_cost.start.v1"
    del record["seq"]
    assert record_in(event_in(message)) == json.loads(json.dumps(record))


@pytest.mark.parametrize("entry", entries(3), ids=lambda one: str(one.seq))
def test_entry_there_and_back(entry: Entry) -> None:
    with_bounds = entry._replace(bounds=(-3, 10**20 + 1), flags=("late",), contracts="c" * 64)
    for one in (entry, with_bounds):
        message = entry_message(one, "f" * 32)
        assert entry_in(event_in(message)) == one
        assert message.headers["ce_source"] == b"/ledgers/" + b"f" * 32
        _valid("entry").validate(json.loads(message.value))


def test_schema_refuses_what_is_no_record() -> None:
    record = to_record(observe(1))
    assert not _valid("observation").is_valid({**record, "cost": {"total": 0.5}})
    assert not _valid("observation").is_valid({**record, "id": "short"})
    del record["cost"]
    assert not _valid("observation").is_valid(record)


def test_book_travels_compressed() -> None:
    book = load_book()
    message = book_message(book.digest, book.lock, "/nodes/one")
    assert len(message.value) < 1_000_000
    assert book_in(event_in(message)) == book.lock


@pytest.mark.parametrize(
    ("digest", "data"),
    [
        ("0" * 64, b"not gzip"),
        ("0" * 64, book_message("0" * 64, b"{}", "/n").value),
        (load_book().digest, book_message("0" * 64, load_book().lock, "/n").value[:-9]),
    ],
)
def test_book_that_is_not_what_its_id_says(digest: str, data: bytes) -> None:
    with pytest.raises(ForeignMessageError, match="price book"):
        book_in(Event("book", digest, "/n", data))


def _changed(value: bytes | None = None, **headers: bytes | None) -> Message:
    message = observation_message(observe(1), "/nodes/one")
    named = {name.replace("content_type", "content-type"): one for name, one in headers.items()}
    both: dict[str, Any] = {**message.headers, **named}
    kept = {name: one for name, one in both.items() if one is not None}
    return Message(message.value if value is None else value, kept, message.key)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (Message(b"hello", {}), "no CloudEvent"),
        (_changed(ce_type=b"com.example.order.v1"), "another's event"),
        (_changed(ce_type=b"\xff\xfe"), "another's event"),
        (_changed(ce_type=b"otel_genai_cost.quota.v1"), "does not know"),
        (_changed(ce_type=b"otel_genai_cost.quota.v2"), "does not know"),
        (_changed(ce_id=None), "no header ce_id"),
        (_changed(ce_specversion=b"0.3"), "CloudEvents '0.3'"),
        (_changed(content_type=b"application/cloudevents+json; charset=utf-8"), "structured"),
    ],
)
def test_foreign_messages_are_told_with_a_reason(message: Message, reason: str) -> None:
    with pytest.raises(ForeignMessageError, match=reason):
        event_in(message)


@pytest.mark.parametrize(
    "value", [b"", b"[]", b"{}", b'{"id": 5}', b"\xff", b"[" * 100_000, b'{"id": NaN}']
)
def test_data_that_is_no_record(value: bytes) -> None:
    with pytest.raises(ForeignMessageError):
        record_in(event_in(_changed(value)))


@pytest.mark.parametrize(
    "changed",
    [{"trace_id": 5}, {"span_id": None}, {"end_us": "now"}, {"end_us": -1}, {"end_us": 1 << 63}],
)
def test_observation_of_no_span_is_none(changed: dict[str, object]) -> None:
    """A ledger would pass it over without a word."""
    record = {**json.loads(_changed().value), **changed}
    with pytest.raises(ForeignMessageError, match="which span it is about"):
        record_in(event_in(_changed(json.dumps(record).encode())))


def test_price_for_no_units_is_no_price() -> None:
    record = json.loads(_changed().value)
    record["cost"]["rates"] = {"input": ["1", 0]}
    with pytest.raises(ForeignMessageError, match="a price of 1 for no units"):
        record_in(event_in(_changed(json.dumps(record).encode())))


def test_event_that_tells_of_another_observation() -> None:
    with pytest.raises(ForeignMessageError, match="tells of the observation"):
        record_in(event_in(_changed(ce_id=b"0" * 32)))


def test_newer_major_version_is_refused_with_the_remedy() -> None:
    with pytest.raises(FormatTooNewError, match="upgrade otel-genai-cost"):
        event_in(_changed(ce_type=b"otel_genai_cost.observation.v2"))


def test_keys_of_a_later_version_are_ignored() -> None:
    record = {**to_record(observe(1)), "further": {"key": 1}}
    found = observation_in(event_in(_changed(json.dumps(record).encode())))
    assert found.id == observe(1).id


def test_entry_whose_numbers_are_none() -> None:
    message = entry_message(entries(1)[0], "f" * 32)
    record = json.loads(message.value)
    free = {"lines": [{**record["lines"][0], "per": 0}]}
    texts = ("charge_id", "currency", "cause", "tenant", "plan", "model")
    damages: list[Mapping[str, object]] = [
        {"calls": 0.5},
        {"amount": "many"},
        {"occurred": "today"},
        {"usage": None},
        *({name: 5} for name in texts),
        {"seq": "1"},
        {"seq": 1.5},
        {"flags": [1]},
        {"usage": {"input": True}},
        free,
    ]
    for damage in damages:
        value = json.dumps({**record, **damage}).encode()
        with pytest.raises(ForeignMessageError, match="no entry"):
            entry_in(event_in(message._replace(value=value)))


def _unlink(cell: str | None = "eu-1") -> Unlink:
    return Unlink(observe(1).id, observe(1).trace_id, cell, 1_700_000_000_000_000)


@pytest.mark.parametrize("cell", ["eu-1", None])
def test_unlink_there_and_back(cell: str | None) -> None:
    message = unlink_message(_unlink(cell), "/nodes/one", "eu-1")
    assert unlink_in(event_in(message)) == _unlink(cell)
    assert message.headers["ce_id"] == observe(1).id.encode()
    assert message.key == "eu-1"
    _valid("unlink").validate(json.loads(message.value))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ({"observation_id": None}, "None is no id"),
        ({"observation_id": "f" * 32}, "unlinks 'ffff"),
        ({"trace_id": "../" * 30}, "is no id"),
        ({"cell": 7}, "its cell is no text"),
        ({"at_us": True}, "its time no number"),
    ],
)
def test_unlink_that_makes_no_sense(damage: dict[str, object], said: str) -> None:
    message = unlink_message(_unlink(), "/nodes/one", "eu-1")
    value = json.dumps({**json.loads(message.value), **damage}).encode()
    with pytest.raises(ForeignMessageError, match=said):
        unlink_in(event_in(message._replace(value=value)))
