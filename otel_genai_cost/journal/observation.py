"""The fact everything else is made of: what one span told of one provider response, priced and attributed.

`to_record` and `from_record` are the journal's format, version 1. Optional values are left out where they are
absent; readers ignore keys they do not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from struct import Struct
from typing import Any, Final, NamedTuple

from otel_genai_cost.pricing.cost import Cost, RateCard, bounds_of, bounds_record, rate_of
from otel_genai_cost.pricing.money import format_money, parse_money
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.usage.leaves import NO_USAGE, Usage
from otel_genai_cost.usage.read import Origin, Reading
from otel_genai_cost.vocabulary import COST_STATUSES, QUALITIES, Role, word

__all__ = [
    "Observation",
    "from_record",
    "observation_id",
    "to_record",
    "usage_of",
]

RAW_LIMIT_BYTES: Final = 4096

_DIGEST: Final = blake2b(b"ogc1", digest_size=16)
_LOW: Final = (1 << 64) - 1
_pack: Final = Struct(">QQQQI").pack


def observation_id(trace_id: int, span_id: int, start_us: int, ordinal: int = 0) -> str:
    """32 hex digits, known when the call starts.

    `(trace_id, span_id)` alone is not unique: after a C `fork()` that skips Python's hooks two workers draw
    identical ids, hence the start time.
    """
    digest = _DIGEST.copy()
    digest.update(_pack(trace_id >> 64, trace_id & _LOW, span_id, start_us, ordinal))
    return digest.hexdigest()


class Observation(NamedTuple):
    """What one span told of one provider response. Times are unix microseconds, UTC; ids are hex.

    `path` holds the ancestors' span ids, nearest first. `duplicate_of` is the live view's guess; only the ledger
    decides. `call_site` is the place in the application's code (`file:line in function`), of a call whose tenant did
    not hold any more.
    """

    id: str
    trace_id: str
    span_id: str
    ordinal: int
    path: tuple[str, ...]
    start_us: int
    end_us: int
    origin: Origin
    scope: str
    scope_version: str
    dialect: str
    reading: Reading
    cost: Cost
    attribution: Attribution
    sampled: bool = True
    duplicate_of: str | None = None
    call_site: str | None = None

    @property
    def reporter(self) -> str:
        """Who tells: a scope, or the library that a span is about where one scope has the spans of all."""
        about = self.reading.reporter
        return self.scope if about is None else f"{self.scope}/{about}"

    # What two observations are compared by: `same_response.Described`.

    @property
    def role(self) -> Role:
        return self.reading.role

    @property
    def is_batch(self) -> bool:
        """Whether it was a part of a batch, whose results may be fetched at any time."""
        return self.reading.context.get("batch") is True

    @property
    def provider(self) -> str | None:
        return self.reading.provider

    @property
    def response_id(self) -> str | None:
        return self.reading.response_id

    @property
    def input_total(self) -> int | None:
        return self.reading.usage.input_total

    @property
    def output_total(self) -> int | None:
        return self.reading.usage.output_total

    @property
    def process(self) -> str:
        return self.origin.process

    @property
    def tenant(self) -> str | None:
        return self.attribution.tenant

    @property
    def error(self) -> str | None:
        return self.reading.error


_CALL_KEYS: Final = Reading._fields[1:6]
_UNUSUAL_KEYS: Final = ("error", "account", "tenant", "provider_cost", "foreign_cost", "reporter")
_READING_KEYS: Final = (*_CALL_KEYS, *_UNUSUAL_KEYS)
_USUAL: Final = Reading("response")[8:]


def to_record(observation: Observation) -> dict[str, Any]:
    """The JSON object of an observation (without `seq`, which the segment adds)."""
    reading = observation.reading
    usage = reading.usage
    record: dict[str, Any] = {
        "id": observation.id,
        "trace_id": observation.trace_id,
        "span_id": observation.span_id,
        "start_us": observation.start_us,
        "end_us": observation.end_us,
        "scope": observation.scope,
        "scope_version": observation.scope_version,
        "dialect": observation.dialect,
        "origin": observation.origin,
        "role": reading.role,
        "cost": _cost_record(observation.cost, usage.leaves),
        "attribution": _attribution_record(observation.attribution),
    }
    told = zip(_CALL_KEYS, reading[1:6], strict=True)
    record.update({key: value for key, value in told if value is not None})
    if usage is not NO_USAGE:
        record["usage"] = _usage_record(usage)
    if reading.context:
        record["context"] = dict(reading.context)
    if observation.path:
        record["path"] = observation.path
    if reading[8:] != _USUAL:
        _add_unusual(record, reading)
    if observation.ordinal:
        record["ordinal"] = observation.ordinal
    if not observation.sampled:
        record["sampled"] = False
    if observation.duplicate_of is not None:
        record["duplicate_of"] = observation.duplicate_of
    if observation.call_site is not None:
        record["call_site"] = observation.call_site
    return record


def _add_unusual(record: dict[str, Any], reading: Reading) -> None:
    for key in _UNUSUAL_KEYS:
        if (value := getattr(reading, key)) is not None:
            record[key] = value
    if reading.labels:
        record["labels"] = dict(reading.labels)
    if reading.attempts != 1:
        record["attempts"] = reading.attempts
    if reading.raw is not None:
        record["raw"] = dict(reading.raw)
    if reading.doubts:
        record["doubts"] = list(reading.doubts)


def _usage_record(usage: Usage) -> dict[str, Any]:
    leaves, input_total, output_total, quality, low, high = usage
    record: dict[str, Any] = {"leaves": dict(leaves), "quality": quality}
    if input_total is not None:
        record["input_total"] = input_total
    if output_total is not None:
        record["output_total"] = output_total
    if low is not None:
        record["low"] = dict(low)
    if high is not None:
        record["high"] = dict(high)
    return record


def _cost_record(cost: Cost, leaves: Mapping[str, int]) -> dict[str, Any]:
    """The rates that applied; what they applied to is the usage, unless the provider's own figure did."""
    status, reason, source, total, quantities, row, bounds = cost
    record: dict[str, Any] = {"status": status}
    if reason is not None:
        record["reason"] = reason
    if (price_id := row.price_id) is not None:
        record["price_id"] = price_id
    if (book := row.book) is not None:
        record["book"] = book
    if (model_resolved := row.model) is not None:
        record["model_resolved"] = model_resolved
    if status != "unpriced":
        rates = row.rates
        record["source"] = source
        record["currency"] = row.currency
        record["rates"] = {leaf: rates[leaf][2:] for leaf in quantities if leaf in rates}
        if quantities is not leaves and quantities != leaves:
            record["quantities"] = dict(quantities)
    if total is not None:
        record["total"] = format_money(total)
    if bounds is not None:
        record["bounds"] = bounds_record(bounds)
    return record


def _attribution_record(attribution: Attribution) -> dict[str, Any]:
    """The JSON object of an attribution."""
    tenant, source, absent, initiator, labels, shares = attribution
    record: dict[str, Any] = {}
    if tenant is not None:
        record["tenant"] = tenant
    if source is not None:
        record["source"] = source
    if absent is not None:
        record["absent"] = absent
    if initiator != "user":
        record["initiator"] = initiator
    if labels:
        record["labels"] = dict(labels)
    if shares:
        record["shares"] = shares
    return record


def from_record(record: Mapping[str, Any]) -> Observation:
    """The observation of a journal record. Raises KeyError, TypeError or ValueError if it is malformed."""
    get = record.get
    reading = Reading(
        role=record["role"],
        usage=usage_of(get("usage")),
        context=get("context", {}),
        attempts=get("attempts", 1),
        labels=get("labels", {}),
        raw=get("raw"),
        doubts=tuple(get("doubts", ())),
        **{key: get(key) for key in _READING_KEYS},
    )
    return Observation(
        id=record["id"],
        trace_id=record["trace_id"],
        span_id=record["span_id"],
        ordinal=get("ordinal", 0),
        path=tuple(get("path", ())),
        start_us=record["start_us"],
        end_us=record["end_us"],
        origin=Origin(*record["origin"][: len(Origin._fields)]),
        scope=record["scope"],
        scope_version=record["scope_version"],
        dialect=record["dialect"],
        reading=reading,
        cost=_cost(record["cost"], reading.usage.leaves),
        attribution=_attribution(record["attribution"]),
        sampled=get("sampled", True),
        duplicate_of=get("duplicate_of"),
        call_site=get("call_site"),
    )


def usage_of(record: Mapping[str, Any] | None) -> Usage:
    """The usage of a record's `usage`."""
    if record is None:
        return NO_USAGE
    get = record.get
    return Usage(
        record["leaves"],
        get("input_total"),
        get("output_total"),
        word(record["quality"], QUALITIES, "unknown"),
        get("low"),
        get("high"),
    )


def _cost(record: Mapping[str, Any], leaves: Mapping[str, int]) -> Cost:
    get = record.get
    total = get("total")
    rates: Mapping[str, Any] | None = get("rates")
    return Cost(
        status=word(record["status"], COST_STATUSES, "unpriced"),
        reason=get("reason"),
        source=get("source", "book"),
        total=None if total is None else parse_money(total),
        quantities={} if rates is None else get("quantities", leaves),
        row=RateCard(
            price_id=get("price_id"),
            currency=get("currency", "USD"),
            rates={
                leaf: rate_of(unit_price, per) for leaf, (unit_price, per) in (rates or {}).items()
            },
            book=get("book"),
            model=get("model_resolved"),
        ),
        bounds=bounds_of(get("bounds")),
    )


def _attribution(record: Mapping[str, Any]) -> Attribution:
    get = record.get
    return Attribution(
        tenant=get("tenant"),
        source=get("source"),
        absent=get("absent"),
        initiator=get("initiator", "user"),
        labels=get("labels", {}),
        shares=tuple((tenant, weight) for tenant, weight in get("shares", ())),
    )
