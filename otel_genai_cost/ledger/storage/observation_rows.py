"""How an observation is stored: what many have in common as texts, ids as bytes, the rest as a short JSON array.

A row says all that its record said, in the same order, so that `record` gives back what the journal had.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple, cast

from otel_genai_cost.journal.codec import encode
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import from_record, usage_of
from otel_genai_cost.ledger.packed_id import PackedId, packed_id, shown_id
from otel_genai_cost.ledger.storage.rows import own_body, own_parts
from otel_genai_cost.ledger.storage.texts import Known, Texts
from otel_genai_cost.ledger.storage.validate import (
    is_own_valid,
    is_priced_within_bounds,
    is_shared_valid,
    is_valid,
)
from otel_genai_cost.ledger.storage.whom_text import labels_of, shared_labels
from otel_genai_cost.pricing.cost import Cost
from otel_genai_cost.pricing.money import parse_money
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.usage.read import Reading
from otel_genai_cost.wide_rows import wide_row

__all__ = [
    "INTEGER_LIMIT",
    "OBSERVATION",
    "THRESHOLD",
    "ObservationRows",
    "PackedRow",
    "says_which",
]

INTEGER_LIMIT: Final = 1 << 62
"""What SQLite can hold, with room for adding to it."""

OBSERVATION: Final = "id, trace_id, span_id, response_id, end_us, words, origin, whom, body"
"""The columns that `record` and `observation` take."""

THRESHOLD: Final = "json_extract(CAST(body AS TEXT), '$[5].threshold')"
"""That of head sampling, in a statement."""

_WORDS: Final[tuple[str, ...]] = (
    *("scope", "scope_version", "dialect", "role", "operation", "provider"),
    *("model_requested", "model_returned", "error", "context", "reporter", "cell"),
)
_OWN_COST: Final = ("quantities", "bounds")
_DIGEST_BYTES: Final = 8
_OWN: Final = 6
_NONE: Final = (None,) * (_OWN - 1)
_INT: Final = frozenset({int})
_STR: Final = frozenset({str})
_NOBODY: Final = {"id": "", "trace_id": "", "span_id": "", "start_us": 0, "end_us": 0}

_Numbers = tuple[int, int, int]
"""Of the texts: words, origin, whom."""


class PackedRow(NamedTuple):
    """What is stored of an observation. `digest` tells copies of one id apart."""

    id: PackedId
    digest: bytes
    trace_id: PackedId
    span_id: PackedId
    response_id: str | None = None
    end_us: int = 0
    words: int = 0
    origin: int = 0
    whom: int = 0
    body: bytes = b""


class _Shared(NamedTuple):
    """An observation with all that its texts say and nothing of its own; what its usage is of; whether what it used was
    rated; and whether it can be settled if what it has for itself is as it should be."""

    one: Observation
    leaves: tuple[str, ...] | None
    is_rated: bool
    is_valid: bool


class ObservationRows:
    """Packs and unpacks.

    Args:
        texts: the dictionary of the file.
    """

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._shared: Known[_Numbers, _Shared] = Known(self._made)

    def forget(self) -> None:
        """After a transaction that failed."""
        self._shared.clear()

    def row(self, record: Mapping[str, Any]) -> PackedRow:
        """The row of a journal record. One that does not even say what it is stays whole, as JSON."""
        digest = blake2b(encode(record), digest_size=16).digest()[:_DIGEST_BYTES]
        end_us = record.get("end_us")
        ids = [packed_id(str(record.get(key))) for key in ("id", "trace_id", "span_id")]
        one, trace_id, span_id = ids
        if not says_which(record):
            row = PackedRow(id=one, digest=digest, trace_id=trace_id, span_id=span_id)
            return row._replace(body=encode([*_NONE, record]))
        own = dict(record)
        del own["id"], own["trace_id"], own["span_id"], own["end_us"]
        response_id = own.pop("response_id") if type(own.get("response_id")) is str else None
        words = {key: own.pop(key) for key in _WORDS if key in own}
        parts = [
            _taken(own, int(end_us or 0)),
            _usage(own, words),
            _total(own, words),
            own.pop("path") if isinstance(own.get("path"), list) else None,
        ]
        number = self._texts.number
        origin = number(own.pop("origin")) if "origin" in own else 0
        whom, labels = _whom(own)
        return cast(
            "PackedRow",
            wide_row(
                PackedRow,
                (
                    one,
                    digest,
                    trace_id,
                    span_id,
                    response_id,
                    int(end_us or 0),
                    number(words),
                    origin,
                    0 if whom is None else number(whom),
                    own_body([*parts, labels, own or None]),
                ),
            ),
        )

    def record(self, row: Sequence[Any]) -> dict[str, Any]:
        """The record of a row with the columns of OBSERVATION.

        Raises:
            JournalError, KeyError, TypeError, ValueError: if it is damaged.
        """
        one, trace_id, span_id, response_id, end_us, *numbers, body = row
        said: list[Any] = [self._texts.value(n) if n else None for n in numbers]
        words, origin, whom = said
        took, used, total, path, labels, more = own_parts(body, _OWN)
        if not numbers[0]:
            return dict(more)
        record: dict[str, Any] = {"id": shown_id(one), "end_us": end_us}
        if numbers[1]:
            record["origin"] = origin
        record.update(trace_id=shown_id(trace_id), span_id=shown_id(span_id))
        if took is not None:
            record["start_us"] = end_us - took
        record.update(words)
        if total is not None:
            record["cost"] = {**record["cost"], "total": total}
        if used is not None:
            record["usage"] = dict(zip(record["usage"], used, strict=True))
        if whom is not None:
            record["attribution"] = _with_labels(whom, labels)
        if path is not None:
            record["path"] = path
        if response_id is not None:
            record["response_id"] = response_id
        rest: dict[str, Any] = more or {}
        for key, value in rest.items():
            record[key] = {**record[key], **value} if key == "cost" and key in record else value
        return record

    def observation(self, row: Sequence[Any]) -> Observation:
        """The observation of a row with the columns of OBSERVATION.

        Raises:
            JournalError, KeyError, TypeError, ValueError: if it is damaged.
        """
        return self._unpacked(row)[0]

    def valid(self, row: Sequence[Any]) -> Observation | None:
        """As `observation`, of a row that was never looked into; None if it cannot be settled."""
        one, is_known = self._unpacked(row)
        return one if (is_own_valid if is_known else is_valid)(one) else None

    def _unpacked(self, row: Sequence[Any]) -> tuple[Observation, bool]:
        """The observation, and whether it is known that all which it shares with others is valid."""
        one, trace_id, span_id, response_id, end_us, *numbers, body = row
        took, used, total, path, labels, more = own_parts(body, _OWN)
        if more is not None or took is None or not all(numbers):
            return from_record(self.record(row)), False
        shared, leaves, is_rated, is_known = self._shared(cast("_Numbers", tuple(numbers)))
        usage = shared.reading.usage
        if leaves is not None or used is not None:
            usage = usage_of(dict(zip(leaves or (), used or (), strict=True)))
        reading, cost = shared.reading, shared.cost
        unpacked = cast(
            "Observation",
            wide_row(
                Observation,
                (
                    shown_id(one),
                    shown_id(trace_id),
                    shown_id(span_id),
                    0,
                    () if path is None else tuple(path),
                    end_us - took,
                    end_us,
                    *shared[7:11],
                    wide_row(Reading, (*reading[:5], response_id, usage, *reading[7:])),
                    wide_row(
                        Cost,
                        (
                            *cost[:3],
                            None if total is None else parse_money(total),
                            usage.leaves if is_rated else {},
                            cost.row,
                            None,
                        ),
                    ),
                    shared.attribution if labels is None else _labelled(shared, labels),
                    *shared[14:],
                ),
            ),
        )
        return unpacked, is_known

    def _made(self, numbers: _Numbers) -> _Shared:
        words, origin, whom = map(self._texts.value, numbers)
        leaves = words.get("usage")
        said = {key: value for key, value in words.items() if key != "usage"}
        one = from_record({**_NOBODY, **said, "origin": origin, "attribution": whom})
        is_rated = said["cost"].get("rates") is not None
        is_bounded = is_priced_within_bounds(one.cost.row, leaves or ())
        return _Shared(
            one,
            None if leaves is None else tuple(leaves),
            is_rated,
            is_bounded and is_shared_valid(one),
        )


def _labelled(shared: Observation, labels: Sequence[str]) -> Attribution:
    attribution = shared.attribution
    return attribution._replace(labels=labels_of(attribution.labels, labels))


def says_which(record: Mapping[str, Any]) -> bool:
    """Whether a record says which span it is about, and when that ended."""
    end_us = record.get("end_us")
    ids = (record.get("id"), record.get("trace_id"), record.get("span_id"))
    return type(end_us) is int and 0 <= end_us < INTEGER_LIMIT and _STR.issuperset(map(type, ids))


def _taken(own: dict[str, Any], end_us: int) -> int | None:
    """How long it took, instead of when it began."""
    start_us = own.get("start_us")
    if type(start_us) is not int:
        return None
    del own["start_us"]
    return end_us - start_us


def _usage(own: dict[str, Any], words: dict[str, Any]) -> list[int] | None:
    """The quantities; the words have the names of the leaves."""
    usage = own.get("usage")
    if not isinstance(usage, dict) or not usage:
        return None
    quantities = list(cast("dict[str, Any]", usage).values())
    if not _INT.issuperset(map(type, quantities)):
        return None
    words["usage"] = list(own.pop("usage"))
    return quantities


def _total(own: dict[str, Any], words: dict[str, Any]) -> str | None:
    """The total; the words have what the cost follows from."""
    cost = own.get("cost")
    if not isinstance(cost, dict):
        return None
    shared = dict(cast("dict[str, Any]", cost))
    del own["cost"]
    total = shared.pop("total") if type(shared.get("total")) is str else None
    rare = {key: shared.pop(key) for key in _OWN_COST if key in shared}
    if rare:
        own["cost"] = rare
    words["cost"] = shared
    return total


def _whom(own: dict[str, Any]) -> tuple[dict[str, Any] | None, list[str] | None]:
    """What many share of the attribution, and the labels that are its own."""
    attribution = own.get("attribution")
    if not isinstance(attribution, dict):
        return None, None
    whom = cast("dict[str, Any]", attribution)
    labels: Any = whom.get("labels")
    if labels is None:
        return own.pop("attribution"), None
    if not isinstance(labels, dict) or not _are_text(cast("dict[str, Any]", labels).values()):
        return None, None
    shared, values = shared_labels(cast("dict[str, str]", labels))
    own.pop("attribution")
    return {**whom, "labels": shared}, values


def _are_text(values: Iterable[object]) -> bool:
    return _STR.issuperset(map(type, values))


def _with_labels(whom: dict[str, Any], labels: list[str] | None) -> dict[str, Any]:
    return whom if labels is None else {**whom, "labels": labels_of(whom["labels"], labels)}
