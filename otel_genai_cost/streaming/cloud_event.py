"""Observations, entries and what people decide as messages of a broker: CloudEvents 1.0 in binary mode. Pure.

The attributes of an event are headers of its message, as the binding for Kafka has them (`ce_id`, `ce_type`, …), and
its data is the message's value, so that whoever reads the value alone reads a record. An event of a kind that this
version does not know, and whatever else stands on a topic, is foreign; one of a newer major version is not, and waits.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args

from otel_genai_cost.attributes import LABELS
from otel_genai_cost.errors import FormatTooNewError, GenAICostError, JournalError
from otel_genai_cost.journal.codec import decode, encode_lossy
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import from_record, to_record
from otel_genai_cost.ledger.entry import Entry, entry_json, entry_of
from otel_genai_cost.ledger.storage.observation_rows import says_which
from otel_genai_cost.ledger.storage.rows import DAMAGE
from otel_genai_cost.ledger.storage.validate import valid_entry
from otel_genai_cost.pricing.instants import microseconds, rfc3339
from otel_genai_cost.pricing.money import parse_money

__all__ = [
    "VERSION",
    "Event",
    "EventKind",
    "ForeignMessageError",
    "Message",
    "Observed",
    "Unlink",
    "book_in",
    "book_message",
    "entry_in",
    "entry_message",
    "event_in",
    "observation_in",
    "observation_message",
    "observed_in",
    "record_in",
    "record_message",
    "says_ours",
    "source_of",
    "type_of",
    "unlink_in",
    "unlink_message",
]

VERSION: Final = 1
"""The major version of every type; further keys of a record do not change it."""

EventKind: TypeAlias = Literal["observation", "start", "book", "unlink", "entry"]
"""`observation`: what one span says of one response. `start`: a call that began, and may never be heard of again.
`book`: the price book that observations name. `unlink`: a person said that an observation stands alone. `entry`: the
money."""

_KINDS: Final[tuple[EventKind, ...]] = get_args(EventKind)
_OURS: Final = b"otel_genai_cost."
_TYPE: Final = re.compile(r"otel_genai_cost\.([a-z_]{1,40})\.v([0-9]{1,6})", re.ASCII)
_ID: Final = re.compile("[0-9a-f]{32}")
_SPEC: Final = b"1.0"
_JSON: Final = b"application/json"
_STRUCTURED: Final = b"application/cloudevents"
_GZIP: Final = b"application/gzip"
_GZIP_BITS: Final = 31
"""Of zlib: its own format with the header of gzip."""

_BOOK_MAX_BYTES: Final = 32 << 20
_SHOWN_MAX: Final = 80


class ForeignMessageError(GenAICostError):
    """A message is no event of ours, or makes no sense as one. The message says why."""


class Message(NamedTuple):
    """What a broker carries.

    Attributes:
        value: the event's data.
        headers: the event's attributes, by name.
        key: by which messages are kept in order, and in one partition.
    """

    value: bytes
    headers: Mapping[str, bytes]
    key: str = ""


class Event(NamedTuple):
    """What a message says that it is.

    Attributes:
        kind: of what.
        id: unique for its kind: it may come any number of times.
        source: who told it.
        data: of the event.
    """

    kind: EventKind
    id: str
    source: str
    data: bytes


class Observed(NamedTuple):
    """An observation twice.

    Attributes:
        record: as a journal has it.
        observation: read from that.
    """

    record: dict[str, Any]
    observation: Observation


class Unlink(NamedTuple):
    """That an observation stands alone from now on, whatever comes.

    Attributes:
        observation_id: which.
        trace_id, cell: of the observation, so that it comes to who settles that.
        at_us: when that was said, unix microseconds.
    """

    observation_id: str
    trace_id: str
    cell: str | None
    at_us: int


def type_of(kind: EventKind) -> str:
    """The type of an event, as `ce_type` says it."""
    return f"otel_genai_cost.{kind}.v{VERSION}"


def source_of(ledger_id: str) -> str:
    """The source of a ledger's events, as `ce_source` says it."""
    return f"/ledgers/{ledger_id}"


def observation_message(observation: Observation, source: str, key: str = "") -> Message:
    """The event of an observation.

    Args:
        observation: which.
        source: who tells it, a URI or a part of one.
        key: the message's.
    """
    return record_message(to_record(observation), source, key)


def record_message(record: Mapping[str, Any], source: str, key: str = "") -> Message:
    """The event of a journal's record: an observation, or the start of a call.

    Args:
        record: as `journal.record.completed` gives it.
        source: who tells it, a URI or a part of one.
        key: the message's.
    """
    kind: EventKind = "start" if record.get("type") == "start" else "observation"
    data = {name: value for name, value in record.items() if name not in ("seq", "type")}
    return _message(kind, record["id"], source, record["end_us"], encode_lossy(data), key)


def entry_message(entry: Entry, ledger_id: str, key: str = "") -> Message:
    """The event of an entry.

    Args:
        entry: which.
        ledger_id: whose it is.
        key: the message's.
    """
    data = encode_lossy(entry_json(entry))
    return _message("entry", entry.id, source_of(ledger_id), entry.occurred_us, data, key)


def book_message(digest: str, lock: bytes, source: str) -> Message:
    """The event of a price book, compressed.

    Args:
        digest: the SHA-256 of its lock, hexadecimal.
        lock: its canonical JSON.
        source: who tells it, a URI or a part of one.
    """
    packer = zlib.compressobj(9, wbits=_GZIP_BITS)
    data = packer.compress(lock) + packer.flush()
    return Message(data, _headers("book", digest, source, None, _GZIP), digest)


def unlink_message(unlink: Unlink, source: str, key: str) -> Message:
    """The event of an unlink.

    Args:
        unlink: which.
        source: who tells it, a URI or a part of one.
        key: the message's, which is that of the observation.
    """
    data = encode_lossy(unlink._asdict())
    return _message("unlink", unlink.observation_id, source, unlink.at_us, data, key)


def _message(kind: EventKind, one: str, source: str, us: int, data: bytes, key: str) -> Message:
    return Message(data, _headers(kind, one, source, us, _JSON), key or one)


def _headers(
    kind: EventKind, one: str, source: str, us: int | None, content_type: bytes
) -> dict[str, bytes]:
    found = {
        "ce_specversion": _SPEC,
        "ce_id": one.encode(),
        "ce_type": type_of(kind).encode(),
        "ce_source": source.encode("utf-8", "replace"),
        "content-type": content_type,
    }
    if us is not None:
        found["ce_time"] = rfc3339(us).encode()
    return found


def event_in(message: Message) -> Event:
    """The event that a message is.

    Args:
        message: whatever stands on the topic.

    Raises:
        ForeignMessageError: if it is none of ours.
        FormatTooNewError: if a newer major version wrote it.
    """
    headers = message.headers
    if headers.get("content-type", b"").startswith(_STRUCTURED):
        raise ForeignMessageError("a CloudEvent in structured mode; ours are in binary mode")
    kind = _kind(_text(headers, "ce_type"))
    if headers.get("ce_specversion") != _SPEC:
        raise ForeignMessageError(f"CloudEvents {_text(headers, 'ce_specversion')[:_SHOWN_MAX]!r}")
    return Event(kind, _text(headers, "ce_id"), _text(headers, "ce_source"), message.value)


def says_ours(message: Message) -> bool:
    """Whether a message says to be an event of ours, whatever else is wrong with it.

    Args:
        message: whatever stands on the topic.
    """
    return message.headers.get("ce_type", b"").startswith(_OURS)


def _text(headers: Mapping[str, bytes], name: str) -> str:
    found = headers.get(name)
    if found is None:
        raise ForeignMessageError(f"no CloudEvent: it has no header {name}")
    return found.decode("utf-8", "replace")


def _kind(text: str) -> EventKind:
    match = _TYPE.fullmatch(text)
    if match is None:
        raise ForeignMessageError(f"another's event, of the type {text[:_SHOWN_MAX]!r}")
    name, version = match[1], int(match[2])
    for kind in _KINDS:
        if kind == name:
            if version > VERSION:
                raise FormatTooNewError(f"an event {name}", version, VERSION)
            return kind
    raise ForeignMessageError(f"an event of a kind that this version does not know: {text!r}")


def record_in(event: Event) -> dict[str, Any]:
    """The record of an observation, or of the start of a call, as a journal has it.

    Args:
        event: of one of these kinds.

    Raises:
        ForeignMessageError: if its data is none.
    """
    record = observed_in(event).record
    return {"type": "start", **record} if event.kind == "start" else record


def observation_in(event: Event) -> Observation:
    """The observation that an event tells of.

    Args:
        event: of that kind.

    Raises:
        ForeignMessageError: if its data is none.
    """
    return observed_in(event).observation


def observed_in(event: Event) -> Observed:
    """The observation that an event tells of, and the data that says it.

    Args:
        event: of an observation, or of the start of a call.

    Raises:
        ForeignMessageError: if its data is none.
    """
    record = _object(event, ("observation", "start"))
    try:
        found = from_record(record)
    except DAMAGE as error:
        raise ForeignMessageError(f"no observation: {error!r}") from None
    if not says_which(record):
        raise ForeignMessageError("no observation: which span it is about, or its end, is none")
    if found.id != event.id:
        raise ForeignMessageError(
            f"the event {event.id[:_SHOWN_MAX]!r} tells of the observation {str(found.id)[:_SHOWN_MAX]!r}"
        )
    return Observed(record, found)


def entry_in(event: Event) -> Entry:
    """The entry that an event tells of; of its labels those that have a column of their own.

    Args:
        event: of that kind.

    Raises:
        ForeignMessageError: if its data is none.
    """
    record = _object(event, ("entry",))
    try:
        labels = {name: record[name] for name in LABELS if record.get(name) is not None}
        times = {f"{name}_us": microseconds(record[name]) for name in ("occurred", "booked")}
        entry = valid_entry(entry_of({**record, **times, "labels": labels}))
        parse_money(record["price"])
    except DAMAGE as error:
        raise ForeignMessageError(f"no entry: {error!r}") from None
    if entry.id != event.id:
        raise ForeignMessageError(
            f"the event {event.id[:_SHOWN_MAX]!r} tells of the entry {str(entry.id)[:_SHOWN_MAX]!r}"
        )
    return entry


def book_in(event: Event) -> bytes:
    """The lock of the price book that an event carries, whose digest is the event's id.

    Args:
        event: of that kind.

    Raises:
        ForeignMessageError: if it is not what its id says.
    """
    unpacker = zlib.decompressobj(wbits=_GZIP_BITS)
    try:
        lock = unpacker.decompress(event.data, _BOOK_MAX_BYTES)
    except zlib.error as error:
        raise ForeignMessageError(f"no price book: {error}") from None
    if not unpacker.eof or sha256(lock).hexdigest() != event.id:
        raise ForeignMessageError(f"a price book that is not {event.id[:12]!r}")
    return lock


def unlink_in(event: Event) -> Unlink:
    """The unlink that an event tells of.

    Args:
        event: of that kind.

    Raises:
        ForeignMessageError: if its data is none.
    """
    said = _object(event, ("unlink",))
    one, trace_id = _id(said.get("observation_id")), _id(said.get("trace_id"))
    cell, at_us = said.get("cell"), said.get("at_us")
    if not isinstance(cell, str | None) or type(at_us) is not int:
        raise ForeignMessageError("no unlink: its cell is no text, or its time no number")
    if one != event.id:
        raise ForeignMessageError(f"the event {event.id[:_SHOWN_MAX]!r} unlinks {one!r}")
    return Unlink(one, trace_id, cell, at_us)


def _id(said: object) -> str:
    if not isinstance(said, str) or not _ID.fullmatch(said):
        raise ForeignMessageError(f"no unlink: {said!r:.{_SHOWN_MAX}} is no id")
    return said


def _object(event: Event, kinds: tuple[EventKind, ...]) -> dict[str, Any]:
    if event.kind not in kinds:
        raise ForeignMessageError(f"it tells of another kind: {event.kind}")
    try:
        return decode(event.data)
    except JournalError as error:
        raise ForeignMessageError(
            f"the data of {event.kind} {event.id[:_SHOWN_MAX]!r}: {error}"
        ) from None
