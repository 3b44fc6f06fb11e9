"""What became of calls beside an answer: which failed, were sent again, or fell back to another model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, Literal, get_args

from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.ledger.storage.observations import failed_asking
from otel_genai_cost.limits.charge_flags import FALLBACK_US, is_model
from otel_genai_cost.reports.selection import EVERYTHING, Selection
from otel_genai_cost.usage.read import Reading

__all__ = ["TROUBLES", "Readings", "Trouble", "troubled"]

_SQL: Final = (Path(__file__).parent / "sql" / "fallbacks.sql").read_text(encoding="utf-8")

Trouble = Literal["failed", "retried", "fallback"]
TROUBLES: Final[tuple[Trouble, ...]] = get_args(Trouble)
"""What may become of a call beside its answer; one counts for the first of these that it was: it came to an error, it
took more than one request, another model than the one that was asked for answered."""

Readings = Iterable[tuple[str, Reading]]
"""Charges, and what an observation of each says of trouble, as `ledger.observations.troubled` has them."""


def troubled(
    store: Queryable,
    readings: Readings,
    until_seq: int | None = None,
    selection: Selection = EVERYTHING,
) -> Mapping[str, Trouble]:
    """What became of charges, by the worst that any of their observations says.

    Args:
        store: what holds the entries.
        readings: of troubled calls.
        until_seq: the last entry that counts.
        selection: which calls are asked about; only its time counts, and of others less may be found.
    """
    readings = list(readings)
    fallbacks = _fallbacks(store, readings, until_seq, selection)
    found: dict[str, Trouble] = dict.fromkeys(fallbacks, "fallback")
    for charge_id, reading in readings:
        trouble = _trouble(reading)
        known = found.get(charge_id)
        if trouble is not None and (
            known is None or TROUBLES.index(trouble) < TROUBLES.index(known)
        ):
            found[charge_id] = trouble
    return found


def _trouble(reading: Reading) -> Trouble | None:
    if reading.error is not None:
        return "failed"
    if reading.attempts > 1:
        return "retried"
    return None if reading.model_asked is None else "fallback"


def _fallbacks(
    store: Queryable, readings: Readings, until_seq: int | None, selection: Selection
) -> Iterator[str]:
    """Calls of another model within a minute after one failed for the same action: what the flag `fallback` is said of
    when all calls are looked at, but that only the neighbours of those that failed come here. Of a selection's first
    minute, those that failed before it count too."""
    asked = ((charge_id, failed_asking(reading)) for charge_id, reading in readings)
    failed = {charge_id: model for charge_id, model in asked if model is not None}
    if not failed:
        return
    from_us = None if selection.from_us is None else selection.from_us - FALLBACK_US
    condition, parameters = Selection(from_us, selection.to_us).condition(first=5)
    asked_for = [[*failed], [*failed.values()], until_seq, FALLBACK_US, *parameters]
    rows = store.query(_SQL.format(condition=condition), asked_for).rows
    for charge_id, model, wanted in rows:
        if not is_model(model, wanted):
            yield charge_id
