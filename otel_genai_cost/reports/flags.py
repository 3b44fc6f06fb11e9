"""Single calls that are odd beside the calls before them: worked out from the ledger, which keeps none of that."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.charge_flags import Call, Flagged, flagged
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.reports.selection import EVERYTHING, Selection

__all__ = ["flag_record", "flags"]

_SQL: Final = (Path(__file__).parent / "sql" / "calls.sql").read_text(encoding="utf-8")


def flags(store: Queryable, ledger: Ledger, selection: Selection = EVERYTHING) -> Iterator[Flagged]:
    """The flags of the calls selected, in the order of time.

    Args:
        store: what holds the entries.
        ledger: what knows which calls failed, and which the gate let wait.
        selection: which calls. All before them are read, since a call is odd beside those.
    """
    before = EVERYTHING._replace(to_us=selection.to_us)
    for one in flagged(_calls(store, ledger, before)):
        call = one.call
        if selection.has_call(call.at_us, call.tenant, call.model, call.feature):
            yield one


def _calls(store: Queryable, ledger: Ledger, selection: Selection) -> Iterator[Call]:
    condition, parameters = selection.condition(1)
    failed, paced = dict(ledger.observations.failed()), dict(_paced(ledger))
    for row in store.query(_SQL.format(condition=condition), parameters).rows:
        call = Call(*row)
        if call.charge_id in failed or call.charge_id in paced:
            call = call._replace(
                failed_asking=failed.get(call.charge_id), paced_s=paced.get(call.charge_id, 0)
            )
        yield call


def _paced(ledger: Ledger) -> Iterator[tuple[str, int]]:
    """Charges of calls that the gate told to wait, and for how many seconds."""
    for charge_id, answer in ledger.holds.answers():
        found: Mapping[str, Any] = json.loads(answer)
        if found.get("decision") == "pace":
            yield charge_id, int(found.get("retry_after_s") or 0)


def flag_record(one: Flagged) -> dict[str, Any]:
    """A flag as others script against it."""
    call = one.call
    return {
        "at": rfc3339(call.at_us),
        "charge_id": call.charge_id,
        "flag": one.flag,
        "tenant": call.tenant,
        "feature": call.feature,
        "action": call.action,
        "provider": call.provider,
        "model": call.model,
        "observed": one.observed,
        "expected": one.expected,
    }
