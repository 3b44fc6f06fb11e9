"""What senders and receivers of journals say to each other: OTLP logs, in JSON. Pure.

A log record is a stretch of a segment's bytes, a price book that lines name, or the offer of one. It says which segment
and where in it the bytes belong, so that the same stretch may come any number of times, and in any order that leaves no
hole. What a receiver refuses it refuses with a reason of a closed list, as a `google.rpc.Status` with an `ErrorInfo`.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any, Final, Literal, NamedTuple, TypeAlias, cast, get_args

from otel_genai_cost.forwarding.destination import Asked, Durability

__all__ = [
    "AUTHORIZATION",
    "BOOK",
    "BOOK_EVENT",
    "BOOK_MAX_BYTES",
    "BOOK_OFFER_EVENT",
    "DURABILITY",
    "EPOCH",
    "FINISHED",
    "FORMAT",
    "LEDGER",
    "LINES_EVENT",
    "OFFSET",
    "PATH",
    "RECORD_MAX_BYTES",
    "REFUSAL_REASONS",
    "REQUEST_MAX_BYTES",
    "SCOPE",
    "SEGMENT",
    "STATUS_OF",
    "WANTED",
    "Asked",
    "BookFile",
    "BookOffer",
    "Durability",
    "Lines",
    "NewerError",
    "Part",
    "Refusal",
    "RefusalReason",
    "Request",
    "is_segment_name",
    "part_of",
    "request_body",
    "request_in",
]

PATH: Final = "/v1/logs"
SCOPE: Final = "otel_genai_cost.journal"
FORMAT: Final = "1"
"""The scope's version: the format of segments."""

LINES_EVENT: Final = "genai_cost.lines"
BOOK_EVENT: Final = "genai_cost.book"
BOOK_OFFER_EVENT: Final = "genai_cost.book_offer"
SEGMENT: Final = "genai_cost.segment"
OFFSET: Final = "genai_cost.offset"
FINISHED: Final = "genai_cost.finished"
BOOK: Final = "genai_cost.book"

AUTHORIZATION: Final = "authorization"
DURABILITY: Final = "genai-cost-durability"
"""Of a request: how durable its bytes have to be before they are acknowledged."""

LEDGER: Final = "genai-cost-ledger"
"""Of an answer: the id of the ledger, or of an agent's folder. Of a request: that of which `EPOCH` is."""

EPOCH: Final = "genai-cost-epoch"
"""Of an answer: which life of the ledger it is; of a request: the highest that its sender has seen of `LEDGER`."""

RECORD_MAX_BYTES: Final = 1 << 20
REQUEST_MAX_BYTES: Final = 4 << 20
"""Of lines, as they are; base64 makes a third more of them. A book has a request of its own."""

BOOK_MAX_BYTES: Final = 32 << 20

RefusalReason: TypeAlias = Literal[
    "HOLE",
    "FULL",
    "BUSY",
    "CLOCK",
    "NEWER",
    "DIFFERENT",
    "MALFORMED",
    "UNAUTHENTICATED",
    "FORBIDDEN",
    "TOO_LARGE",
    "FENCED",
    "UNKNOWN_BOOK",
]
"""Why a request is refused; of it nothing, or a part, is kept, and sending it again does no harm.

`HOLE`: bytes before these have not come; metadata `segment`, and `have`: how many of it are there. `FULL`: no room.
`BUSY`: too much at once. `CLOCK`: a call of tomorrow or later; metadata `segment`. `NEWER`: a format that this receiver
does not read yet; metadata `segment`. `DIFFERENT`: other bytes are there already; metadata `segment`, `offset`.
`MALFORMED`: names, offsets or the message make no sense. `UNAUTHENTICATED`: no token that holds. `FORBIDDEN`: another
sender's segment, or a durability that this receiver cannot promise. `TOO_LARGE`: more at once than is taken. `FENCED`:
the sender has seen a later life of this ledger; metadata `epoch`: this one's. `UNKNOWN_BOOK`: a book that was offered
is not here; metadata `wanted`: `now`, or `later`, while another sender's is on its way."""

REFUSAL_REASONS: Final[tuple[RefusalReason, ...]] = get_args(RefusalReason)

STATUS_OF: Final[Mapping[RefusalReason, int]] = {
    "HOLE": 503,
    "FULL": 503,
    "BUSY": 503,
    "CLOCK": 503,
    "NEWER": 503,
    "DIFFERENT": 400,
    "MALFORMED": 400,
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "TOO_LARGE": 413,
    "FENCED": 412,
    "UNKNOWN_BOOK": 404,
}
"""The status of HTTP. A 503 is sent again by whatever is between, all others are not."""

WANTED: Final = "wanted"
"""Of the refusal of an offer, in its metadata: `now` or `later`."""

_SEGMENT_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", re.ASCII)
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_OFFSET_LIMIT: Final = 1 << 50


class NewerError(ValueError):
    """A request is of a format that only a newer version reads."""


class Lines(NamedTuple):
    """A stretch of a segment.

    Attributes:
        segment: the file's stem.
        offset: where in the file the bytes begin.
        content: the bytes, whole lines but at the end of a finished segment.
        finished: whether its writer is gone and nothing follows.
    """

    segment: str
    offset: int
    content: bytes
    finished: bool = False


class BookFile(NamedTuple):
    """A price book that lines name: the SHA-256 of its lock, hexadecimal, and the lock."""

    digest: str
    content: bytes


class BookOffer(NamedTuple):
    """A price book that lines name, by its digest alone: the receiver says whether it wants the bytes."""

    digest: str

    @property
    def content(self) -> bytes:
        """None of it."""
        return b""


Part: TypeAlias = Lines | BookFile | BookOffer


class Request(NamedTuple):
    """What a request has: parts of journals in their order, and how many log records are something else."""

    parts: tuple[Part, ...]
    others: int = 0


class Refusal(NamedTuple):
    """Why a request is refused. A `reason` of None is not from a receiver of journals: something between, or a newer
    version's."""

    reason: RefusalReason | None
    message: str
    metadata: Mapping[str, str] = {}


def is_segment_name(name: str) -> bool:
    """Whether a text may be the stem of a segment's file: no path, nothing hidden."""
    return _SEGMENT_NAME.fullmatch(name) is not None


def request_body(parts: Iterable[Part]) -> bytes:
    """An ExportLogsServiceRequest in OTLP's JSON.

    Args:
        parts: in the order in which they are to be kept.
    """
    scope = {"name": SCOPE, "version": FORMAT}
    records = [_record(part) for part in parts]
    logs = [{"scopeLogs": [{"scope": scope, "logRecords": records}]}]
    return json.dumps({"resourceLogs": logs}, separators=(",", ":")).encode()


def _record(part: Part) -> dict[str, Any]:
    body = {"bytesValue": b64encode(part.content).decode()}
    if not isinstance(part, Lines):
        said = [_pair(BOOK, "stringValue", part.digest)]
        event = BOOK_EVENT if isinstance(part, BookFile) else BOOK_OFFER_EVENT
        return {"eventName": event, "attributes": said, "body": body}
    said = [
        _pair(SEGMENT, "stringValue", part.segment),
        _pair(OFFSET, "intValue", str(part.offset)),
        _pair(FINISHED, "boolValue", part.finished),
    ]
    return {"eventName": LINES_EVENT, "attributes": said, "body": body}


def _pair(key: str, kind: str, value: object) -> dict[str, Any]:
    return {"key": key, "value": {kind: value}}


def request_in(message: bytes) -> Request:
    """What a request in OTLP's JSON has.

    Args:
        message: an ExportLogsServiceRequest.

    Raises:
        ValueError: if it is none, or a part of a journal in it makes no sense.
    """
    try:
        read: Any = json.loads(message)
    except RecursionError:
        raise ValueError("values in values in values") from None
    if not isinstance(read, dict):
        raise ValueError("it is no object")
    parts: list[Part] = []
    others = 0
    for scope, record in _records(cast("dict[str, Any]", read)):
        version = scope.get("version")
        body, said = record.get("body"), _attributes(record)
        found = part_of(
            str(scope.get("name")), str(version), str(record.get("eventName")), said, _bytes(body)
        )
        if found is None:
            others += 1
        else:
            parts.append(found)
    return Request(tuple(parts), others)


def part_of(
    scope: str, version: str, event: str, said: Mapping[str, object], content: bytes | None
) -> Part | None:
    """The part of a journal that a log record is, however it was decoded; None if it is another log record.

    Args:
        scope: the name of its scope.
        version: the scope's.
        event: the record's event name.
        said: its attributes.
        content: its body, where that is bytes.

    Raises:
        ValueError: if it is one that makes no sense.
    """
    if scope != SCOPE:
        return None
    if version != FORMAT:
        raise NewerError(
            f"segments of format {version[:20]!r}, and this receiver reads {FORMAT}; upgrade otel-genai-cost here first"
        )
    if event == BOOK_OFFER_EVENT:
        return BookOffer(_digest(said))
    if content is None:
        raise ValueError("a record without bytes")
    if event == LINES_EVENT:
        return _lines(said, content)
    if event == BOOK_EVENT:
        return _book(said, content)
    raise ValueError(f"no event of a journal: {event[:80]!r}")


def _lines(said: Mapping[str, object], content: bytes) -> Lines:
    segment, offset = said.get(SEGMENT), said.get(OFFSET)
    finished = said.get(FINISHED, False)
    if not isinstance(segment, str) or not is_segment_name(segment):
        raise ValueError(f"no name of a segment: {str(segment)[:80]!r}")
    if type(offset) is not int or not 0 <= offset < _OFFSET_LIMIT:
        raise ValueError(f"no place in a segment: {str(offset)[:80]!r}")
    if type(finished) is not bool:
        raise ValueError(f"neither finished nor not: {str(finished)[:80]!r}")
    return Lines(segment, offset, content, finished)


def _book(said: Mapping[str, object], content: bytes) -> BookFile:
    digest = _digest(said)
    if sha256(content).hexdigest() != digest:
        raise ValueError(f"a book that is not {digest[:12]}")
    return BookFile(digest, content)


def _digest(said: Mapping[str, object]) -> str:
    digest = said.get(BOOK)
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise ValueError(f"no digest of a book: {str(digest)[:80]!r}")
    return digest


def _records(message: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for block in _objects(message.get("resourceLogs")):
        for part in _objects(block.get("scopeLogs")):
            scope = part.get("scope")
            named = cast("dict[str, Any]", scope) if isinstance(scope, dict) else {}
            for record in _objects(part.get("logRecords")):
                yield named, record


def _objects(found: object) -> list[dict[str, Any]]:
    if found is None:
        return []
    if not isinstance(found, list):
        raise ValueError("a list is something else")
    return [
        cast("dict[str, Any]", one) for one in cast("list[object]", found) if isinstance(one, dict)
    ]


def _attributes(record: dict[str, Any]) -> dict[str, object]:
    found: dict[str, object] = {}
    for pair in _objects(record.get("attributes")):
        value = pair.get("value")
        if isinstance(value, dict):
            found[str(pair.get("key"))] = _value(cast("dict[str, Any]", value))
    return found


def _value(value: dict[str, Any]) -> object:
    """Of the kinds of values that ours are. OTLP writes whole numbers as text, and reads both."""
    whole = value.get("intValue")
    if whole is not None:
        text = str(whole)
        return int(text) if re.fullmatch(r"[0-9]{1,18}", text, re.ASCII) else text
    return value.get("stringValue", value.get("boolValue"))


def _bytes(body: object) -> bytes | None:
    """Empty bytes may be left out of a JSON."""
    if not isinstance(body, dict):
        return None
    text = cast("dict[str, Any]", body).get("bytesValue")
    return b64decode(text, validate=True) if isinstance(text, str) else None
