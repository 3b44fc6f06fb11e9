"""What an observation can be found by: the keys under which those lie that it might be joined with. Pure.

What `a` seeks meets what `b` offers wherever a rule could join the two, or where one stands above the other; twins seek
what they offer. A key that two share proves nothing; two that share none are strangers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.same_response import SKEW_US, is_anytime

__all__ = [
    "Key",
    "NamedResponse",
    "links_offered",
    "links_sought",
    "named_response",
    "place_keys",
    "places_sought",
    "response_keys",
    "twin_keys",
]

_STRETCH_US: Final = 10_000_000
_LONG_STRETCH_US: Final = 3_600_000_000
_STRETCHES_MAX: Final = 60

Key: TypeAlias = "tuple[object, ...]"


def links_offered(one: Observation) -> Iterator[Key]:
    """By what proves something: ids, and what stands above."""
    yield ("id", one.id)
    yield from place_keys(one)
    yield from response_keys(one)[0]


def links_sought(one: Observation) -> Iterator[Key]:
    """The other side of `links_offered`."""
    yield ("id", one.id)
    yield from places_sought(one)
    yield from response_keys(one)[1]


def place_keys(one: Observation) -> list[Key]:
    """By where it stands: what is offered to those above and below."""
    trace_id = one.trace_id
    above: list[Key] = [("above", trace_id, ancestor) for ancestor in one.path]
    return [("own", trace_id, one.span_id), *above]


def places_sought(one: Observation) -> list[Key]:
    """The other side of `place_keys`."""
    trace_id = one.trace_id
    above: list[Key] = [("own", trace_id, ancestor) for ancestor in one.path]
    return [("above", trace_id, one.span_id), *above]


def response_keys(one: Observation) -> tuple[list[Key], list[Key]]:
    """By the response that it names: what is offered, and what is sought. A span's go by the hour: an id that a
    provider uses again and again does not bring back everything that had it."""
    key = _response_key(one)
    if key is None:
        return [], []
    response: Key = ("response", *key)
    anytime: Key = ("anytime", *key)
    if is_anytime(one):
        return [response, anytime], [response]
    during: list[Key] = [("during", *key, stretch) for stretch in _stretches(one, _LONG_STRETCH_US)]
    return [response, *during], [anytime, *during]


def twin_keys(one: Observation) -> Iterator[Key]:
    """By process, input and time: what two scopes' views of one response have in common."""
    total = one.reading.usage.input_total
    if total is not None and one.reading.role in ("response", "aggregate"):
        for stretch in _stretches(one, _STRETCH_US):
            yield ("twin", one.origin.process, total, stretch)


class NamedResponse(NamedTuple):
    """The response that an observation names: two of one key may be the same where their hours meet, or where one holds
    at any time, as a poll does."""

    key: Key
    first_hour: int
    last_hour: int
    is_anytime: bool


def named_response(one: Observation) -> NamedResponse | None:
    """What the keys by response id come to, in one: where two of these share one, theirs are equal and meet."""
    key = _response_key(one)
    if key is None:
        return None
    hours = _stretches(one, _LONG_STRETCH_US)
    return NamedResponse(key, hours.start, hours.stop - 1, is_anytime(one))


def _stretches(one: Observation, length_us: int) -> range:
    """The stretches of time it touches, half the skew added at both ends: two that overlap share at least one. Of a
    very long call only the last ones count."""
    last = (one.end_us + SKEW_US // 2) // length_us
    first = (one.start_us - SKEW_US // 2) // length_us
    return range(max(first, last - _STRETCHES_MAX), last + 1)


def _response_key(one: Observation) -> Key | None:
    response_id = one.reading.response_id
    return None if response_id is None else (one.reading.provider, response_id)
