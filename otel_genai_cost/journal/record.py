"""Observations as JSON: the journal's format, version 1. Readers ignore keys that they do not know.

A record is whole: what is absent is what it usually is (a `response` of the operation `chat`, `priced` from the `book`
in `USD`, rates for a million). A line of a segment leaves out more: what follows from the rest, and the facts that its
header says for all of them. `completed` makes the record of a line.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from operator import attrgetter
from struct import error as StructError
from typing import Any, Final, cast

from otel_genai_cost.errors import JournalError
from otel_genai_cost.journal.codec import encode_lossy
from otel_genai_cost.journal.cost_record import cost_of_record, cost_record
from otel_genai_cost.journal.observation import Observation, observation_id
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.usage.leaves import INPUT_LEAVES, NO_USAGE, OUTPUT_LEAVES, Usage
from otel_genai_cost.usage.read import NOTHING, Origin, Reading
from otel_genai_cost.vocabulary import QUALITIES, word

__all__ = ["completed", "from_record", "line_of", "to_record", "usage_of", "words_json"]

_INPUT: Final = frozenset(INPUT_LEAVES)
_OUTPUT: Final = frozenset(OUTPUT_LEAVES)
_WORD_KEYS: Final = ("provider", "model_requested", "model_returned", "error")
_RARE: Final = {
    "account": ("reading.account", None),
    "provider_cost": ("reading.provider_cost", None),
    "foreign_cost": ("reading.foreign_cost", None),
    "reporter": ("reading.reporter", None),
    "labels": ("reading.labels", NOTHING),
    "attempts": ("reading.attempts", 1),
    "model_asked": ("reading.model_asked", None),
    "raw": ("reading.raw", None),
    "doubts": ("reading.doubts", ()),
    "ordinal": ("ordinal", 0),
    "sampled": ("sampled", True),
    "duplicate_of": ("duplicate_of", None),
    "call_site": ("call_site", None),
    "threshold": ("threshold", None),
}
"""Key -> what few observations have, and what it is for all others, which is left out."""

_rare_of: Final = attrgetter(*(place for place, _ in _RARE.values()))
_USUAL: Final = tuple(usual for _, usual in _RARE.values())
_READING_KEYS: Final = (
    *_WORD_KEYS,
    *(
        "response_id",
        "account",
        "tenant",
        "provider_cost",
        "foreign_cost",
        "reporter",
        "model_asked",
    ),
)
_KEPT_MAX: Final = 1_024
_PLACES: Final = 5
"""So many of an origin's places a record's `origin` has; the cell, which few have, is a key of its own."""


def to_record(observation: Observation) -> dict[str, Any]:
    """The JSON object of an observation (without `seq`, which the segment adds)."""
    line = {**_call_part(observation, NOTHING), **_words_part_of(observation)}
    return completed(line, NOTHING)


def line_of(observation: Observation, facts: Mapping[str, Any] = NOTHING) -> bytes:
    """The JSON of an observation in a segment whose header says `facts`; without what follows from the rest."""
    words = observation.words_json or encode_lossy(_words_part_of(observation))
    return encode_lossy(_call_part(observation, facts))[:-1] + b"," + words[1:]


def completed(line: dict[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a line, completed by its segment's facts; what is no observation's is left as it is.

    Args:
        line: the JSON object of the line; it is taken apart.
        facts: what the segment's header says for all its lines.

    Raises:
        JournalError: if the line is none that `line_of` makes.
    """
    if "took_us" not in line:
        return line
    try:
        return _completed(line, facts)
    except (LookupError, TypeError, ValueError, AttributeError, StructError) as error:
        raise JournalError(f"no observation: {error!r}") from None


def _completed(line: dict[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    start_us, took_us = line["start_us"], line.pop("took_us")
    cost = line["cost"]
    if (book := cost.pop("book", facts.get("book"))) is not None:
        cost["book"] = book
    trace_id, span_id = int(line["trace_id"], 16), int(line["span_id"], 16)
    return {
        "id": observation_id(trace_id, span_id, start_us, line.get("ordinal", 0)),
        "end_us": start_us + took_us,
        **_origin_part(line.pop("origin", None) or facts.get("origin")),
        "scope_version": line.pop("scope_version", facts.get("scope_version")),
        **line,
    }


def _origin_part(origin: Any) -> dict[str, Any]:
    """What a record says of its origin, from what its line or the header does, where the cell comes last."""
    if origin is None or len(origin) <= _PLACES:
        return {"origin": origin}
    cell, part = origin[_PLACES], {"origin": origin[:_PLACES]}
    return {**part, "cell": cell} if cell else part


def words_json(scope: str, dialect: str, call: Reading) -> bytes:
    """The part of a line that all calls with the same words share.

    Args:
        scope: the instrumentation scope.
        dialect: `name/version` of the dialect.
        call: a reading of such a call, of which only the words are used.
    """
    return encode_lossy(_words_part(scope, dialect, call))


def _words_part_of(observation: Observation) -> dict[str, Any]:
    return _words_part(observation.scope, observation.dialect, observation.reading)


def _words_part(scope: str, dialect: str, call: Reading) -> dict[str, Any]:
    part: dict[str, Any] = {"scope": scope, "dialect": dialect}
    if call.role != "response":
        part["role"] = call.role
    if call.operation != "chat":
        part["operation"] = call.operation
    for key in _WORD_KEYS:
        if (value := getattr(call, key)) is not None:
            part[key] = value
    if call.context:
        part["context"] = dict(call.context)
    return part


def _call_part(observation: Observation, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What is a call's own, without what the facts say as well."""
    reading, start_us = observation.reading, observation.start_us
    usage = reading.usage
    part: dict[str, Any] = {
        "trace_id": observation.trace_id,
        "span_id": observation.span_id,
        "start_us": start_us,
        "took_us": observation.end_us - start_us,
        "cost": cost_record(observation.cost, usage.leaves, facts.get("book")),
        "attribution": _attribution_record(observation.attribution),
    }
    if (origin := observation.origin) != facts.get("origin"):
        part["origin"] = origin if origin.cell else origin[:_PLACES]
    if (version := observation.scope_version) != facts.get("scope_version"):
        part["scope_version"] = version
    if usage is not NO_USAGE:
        part["usage"] = _usage_record(usage)
    if observation.path:
        part["path"] = observation.path
    if reading.response_id is not None:
        part["response_id"] = reading.response_id
    if reading.tenant is not None:
        part["tenant"] = reading.tenant
    if (rare := _rare_of(observation)) != _USUAL:
        _add_rare(part, rare)
    return part


def _add_rare(part: dict[str, Any], rare: tuple[Any, ...]) -> None:
    for key, value, usual in zip(_RARE, rare, _USUAL, strict=True):
        if value is not usual and value != usual:
            is_object = isinstance(value, Mapping)
            part[key] = dict(cast("Mapping[str, Any]", value)) if is_object else value


def _usage_record(usage: Usage) -> dict[str, Any]:
    """The leaves alone where the totals follow from them; else all there is."""
    leaves, input_total, output_total, quality, low, high = usage
    if (
        quality == "reported"
        and (input_total, output_total) == _totals_of(leaves)
        and low is None
        and high is None
    ):
        return dict(leaves)
    record: dict[str, Any] = {"leaves": dict(leaves), "quality": quality}
    if input_total is not None:
        record["input_total"] = input_total
    if output_total is not None:
        record["output_total"] = output_total
    for key, bound in (("low", low), ("high", high)):
        if bound is not None:
            record[key] = dict(bound)
    return record


def _totals_of(leaves: Mapping[str, int]) -> tuple[int | None, int | None]:
    """The totals of usage as it is reported: a side that has a leaf of its own has one, to which its leaves add up."""
    inputs, outputs = _sides_of(tuple(leaves))
    quantity = leaves.__getitem__
    return (
        None if inputs is None else sum(map(quantity, inputs)),
        None if outputs is None else sum(map(quantity, outputs)),
    )


@lru_cache(maxsize=_KEPT_MAX)
def _sides_of(leaves: tuple[str, ...]) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """Which of them are input, and which output; None for a side without a leaf of its own."""
    inputs = tuple([leaf for leaf in leaves if leaf in _INPUT])
    outputs = tuple([leaf for leaf in leaves if leaf in _OUTPUT])
    return inputs if "input" in leaves else None, outputs if "output" in leaves else None


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
    """The observation of a journal record.

    Raises:
        KeyError, TypeError, ValueError: if it is malformed.
    """
    get = record.get
    reading = Reading(
        role=get("role", "response"),
        operation=get("operation", "chat"),
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
        origin=_origin(record),
        scope=record["scope"],
        scope_version=record["scope_version"],
        dialect=record["dialect"],
        reading=reading,
        cost=cost_of_record(record["cost"], reading.usage.leaves),
        attribution=_attribution(record["attribution"]),
        sampled=get("sampled", True),
        duplicate_of=get("duplicate_of"),
        call_site=get("call_site"),
        threshold=get("threshold"),
    )


def _origin(record: Mapping[str, Any]) -> Origin:
    origin, cell = Origin(*record["origin"][:_PLACES]), record.get("cell")
    return origin._replace(cell=cell) if cell else origin


def usage_of(record: Mapping[str, Any] | None) -> Usage:
    """The usage of a record's `usage`."""
    if record is None:
        return NO_USAGE
    if "leaves" not in record:
        return Usage(record, *_totals_of(record), "reported")
    get = record.get
    return Usage(
        record["leaves"],
        get("input_total"),
        get("output_total"),
        word(record["quality"], QUALITIES, "unknown"),
        get("low"),
        get("high"),
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
