"""`doctor --calls`: where the calls stand that are nobody's, and what to do about each."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from otel_genai_cost.cli.home import Home
from otel_genai_cost.cli.output import print_json, print_table
from otel_genai_cost.ledger.storage.rows import Stored
from otel_genai_cost.pricing.instants import rfc3339

__all__ = ["show_calls"]

_DAY_US: Final = 86_400_000_000
_NOT_RECORDED: Final = "-"

_REMEDIES: Final = {
    "stale": "work that outlives its request: start it in `with detached():`, or name the tenant of each piece with "
    "`with tenant(id):`; OTEL_GENAI_COST_TASKS=follow if each task serves one request",
    "edge_bypassed": "a request that no edge saw: wrap the application in TenantEdge (docs/reference/edges.md)",
    "missing": "name the tenant where the work comes in: OTEL_GENAI_COST_TENANT, or `with tenant(id):`",
    "invalid": "tenant ids are 1 to 128 of A-Za-z0-9._~:/@|-",
    "conflict": "two sources named different tenants: `genai-cost explain` shows them",
}


class _Place(NamedTuple):
    """Calls without a tenant, for one reason, that stand at one place in the code."""

    absent: str
    call_site: str
    charges: frozenset[str]
    latest_us: int


def show_calls(home: Home, days: int, as_json: bool) -> None:
    """Print where in the code calls without a tenant stand, most calls first: `genai-cost doctor --calls`.

    Args:
        home: whose ledger is read.
        days: how far back the ledger ingested them.
        as_json: whether one JSON object a place is printed instead of a table.
    """
    home.fresh()
    since_us = time.time_ns() // 1000 - days * _DAY_US
    places = _places(home.ledger().observations.settled_since(since_us))
    if as_json:
        print_json(map(_record, places))
        return
    rows = [
        (f"{len(p.charges):,}", p.absent, p.call_site, rfc3339(p.latest_us), _remedy(p))
        for p in places
    ]
    head = ("calls", "why", "where", "latest", "remedy")
    print_table(head, rows, right=frozenset({"calls"}))


def _places(stored: Iterable[Stored]) -> list[_Place]:
    found: dict[tuple[str, str], _Place] = {}
    for one in stored:
        observation, absent = one.observation, one.observation.attribution.absent
        is_call = observation.reading.role == "response" and one.charge_id is not None
        if not is_call or absent is None or absent == "system":
            continue
        key = absent, observation.call_site or _NOT_RECORDED
        known = found.get(key) or _Place(*key, frozenset(), 0)
        found[key] = known._replace(
            charges=known.charges | {one.charge_id or ""},
            latest_us=max(known.latest_us, observation.end_us),
        )
    return sorted(found.values(), key=lambda place: (-len(place.charges), place[:2]))


def _remedy(place: _Place) -> str:
    return _REMEDIES.get(place.absent, "")


def _record(place: _Place) -> dict[str, Any]:
    return {
        "absent": place.absent,
        "call_site": None if place.call_site == _NOT_RECORDED else place.call_site,
        "calls": len(place.charges),
        "latest": rfc3339(place.latest_us),
        "remedy": _remedy(place),
    }
