"""Observations of one kind: alike but for their ids, their times, their numbers and whom they were for.

What they share is written once a segment, and each of them refers to it: a quarter of the bytes. A reader puts
both together again, to the byte the record that `to_record` would have made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from struct import error as StructError
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import JournalError
from otel_genai_cost.journal.codec import encode_lossy
from otel_genai_cost.journal.observation import (
    Observation,
    attribution_record,
    observation_id,
    to_record,
)
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.usage.leaves import INPUT_LEAVES

__all__ = ["KIND", "OWN", "Kind", "Own", "whole"]

KIND: Final = "kind"
"""The type of a line with what a kind shares, and the key under which it and the lines of its observations have its
number."""

OWN: Final = "own"
"""The key of what an observation has of its own: an array, as `Own` has it."""


class Own(NamedTuple):
    """What an observation does not share with its kind. `ids` are those of its trace and its span, one behind the
    other; its own follows from them and its start. `quantities` are of the kind's leaves, in their order; `rest` are
    the fields that are otherwise than usual."""

    ids: str
    start_us: int
    end_us: int
    response_id: str | None
    quantities: tuple[int, ...]
    total: str
    rest: Mapping[str, Any] | None


_TRACE_DIGITS: Final = 32
_OWN_KEYS: Final = (
    "id",
    "trace_id",
    "span_id",
    "start_us",
    "end_us",
    "response_id",
    "path",
    "sampled",
    "duplicate_of",
)


class Kind:
    """What observations share that are alike; compared by identity.

    Made from one of them: a priced response with reported usage, without an ordinal.
    """

    __slots__ = ("_attribution", "_latest", "shared")

    def __init__(self, example: Observation) -> None:
        self._attribution = example.attribution
        self._latest: tuple[Attribution, Mapping[str, Any] | None] = (example.attribution, None)
        reading = example.reading._replace(response_id="")
        every = example._replace(reading=reading, path=("",), sampled=False, duplicate_of="")
        record = to_record(every)  # with each key that an observation may have, in its place
        leaves = list(record["usage"]["leaves"])
        shared = {**record, **dict.fromkeys(_OWN_KEYS)}
        shared["cost"] = {**record["cost"], "total": None}
        shared["usage"] = {**record["usage"], "leaves": leaves, "input_total": 0, "output_total": 0}
        self.shared = encode_lossy(shared)

    def rest(
        self,
        attribution: Attribution,
        path: tuple[int, ...],
        sampled: bool,
        duplicate_of: str | None,
    ) -> dict[str, Any] | None:
        """The fields that are otherwise than usual; None if there are none."""
        latest, told = self._latest
        if attribution is not latest:
            told = self._told(attribution)
            self._latest = attribution, told
        rest: dict[str, Any] = {} if told is None else {"attribution": told}
        if path:
            rest["path"] = [f"{ancestor:016x}" for ancestor in path]
        if not sampled:
            rest["sampled"] = False
        if duplicate_of is not None:
            rest["duplicate_of"] = duplicate_of
        return rest or None

    def _told(self, attribution: Attribution) -> Mapping[str, Any] | None:
        """The record of an attribution; None if it is the kind's own."""
        mine = self._attribution
        is_mine = attribution == mine and [*attribution.labels] == [*mine.labels]
        return None if is_mine else attribution_record(attribution)


def whole(shared: Mapping[str, Any], own: Sequence[Any]) -> dict[str, Any]:
    """The record of an observation. Raises JournalError if the parts do not fit together."""
    try:
        ids, start_us, end_us, response_id, quantities, total, rest = own[: len(Own._fields)]
        trace_id, span_id = ids[:_TRACE_DIGITS], ids[_TRACE_DIGITS:]
        usage = shared["usage"]
        leaves = dict(zip(usage["leaves"], quantities, strict=True))
        of_input = sum(leaves[leaf] for leaf in INPUT_LEAVES if leaf in leaves)
        record: dict[str, Any] = {
            **shared,
            "id": observation_id(int(trace_id, 16), int(span_id, 16), start_us),
            "trace_id": trace_id,
            "span_id": span_id,
            "start_us": start_us,
            "end_us": end_us,
            "response_id": response_id,
            **(rest or {}),
            "cost": {**shared["cost"], "total": total},
            "usage": {
                **usage,
                "leaves": leaves,
                "input_total": of_input,
                "output_total": sum(leaves.values()) - of_input,
            },
        }
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError, StructError) as error:
        raise JournalError(f"does not fit its kind: {error!r}") from None
    return {
        key: value
        for key, value in record.items()
        if value is not None and key not in (KIND, "type")
    }
