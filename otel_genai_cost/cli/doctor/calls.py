"""`doctor --calls`: where the calls stand that are nobody's, by team, and what to do about each."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.cli.doctor.owners import owners_of
from otel_genai_cost.cli.home import Home
from otel_genai_cost.cli.output import print_json, print_table
from otel_genai_cost.journal.observation import Observation
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
    """Calls without a tenant, for one reason, that stand at one place in the code. `team` owns the place by CODEOWNERS,
    else it is what the call's label `team` says, else the service that made the call."""

    team: str
    absent: str
    call_site: str
    charges: frozenset[str]
    latest_us: int


def show_calls(home: Home, days: int, as_json: bool) -> None:
    """Print where in the code calls without a tenant stand, most calls first, of the team with most of them first:
    `genai-cost doctor --calls`.

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
        (p.team, f"{len(p.charges):,}", p.absent, p.call_site, rfc3339(p.latest_us), _remedy(p))
        for p in places
    ]
    head = ("team", "calls", "why", "where", "latest", "remedy")
    print_table(head, rows, right=frozenset({"calls"}))


def _places(stored: Iterable[Stored]) -> list[_Place]:
    found: dict[tuple[str, str, str], _Place] = {}
    owner = owners_of(Path.cwd())
    for one in stored:
        observation, absent = one.observation, one.observation.attribution.absent
        is_call = observation.reading.role == "response" and one.charge_id is not None
        if not is_call or absent is None or absent == "system":
            continue
        site = observation.call_site or _NOT_RECORDED
        key = _team(observation, owner(_file_and_line(site)[0])), absent, site
        known = found.get(key) or _Place(*key, frozenset(), 0)
        found[key] = known._replace(
            charges=known.charges | {one.charge_id or ""},
            latest_us=max(known.latest_us, observation.end_us),
        )
    calls: dict[str, int] = {}
    for place in found.values():
        calls[place.team] = calls.get(place.team, 0) + len(place.charges)
    return sorted(found.values(), key=lambda p: (-calls[p.team], p.team, -len(p.charges), p[1:3]))


def _team(observation: Observation, owner: str | None) -> str:
    label = observation.attribution.labels.get("team")
    return owner or label or observation.origin.service or _NOT_RECORDED


def _file_and_line(site: str) -> tuple[str, int | None]:
    """Of `file:line in function`."""
    file, _, line = site.rpartition(" in ")[0].rpartition(":")
    return file, int(line) if line.isdigit() else None


def _remedy(place: _Place) -> str:
    return _REMEDIES.get(place.absent, "")


def _record(place: _Place) -> dict[str, Any]:
    file, line = _file_and_line(place.call_site)
    return {
        "team": None if place.team == _NOT_RECORDED else place.team,
        "absent": place.absent,
        "call_site": None if place.call_site == _NOT_RECORDED else place.call_site,
        "file": file or None,
        "line": line,
        "calls": len(place.charges),
        "latest": rfc3339(place.latest_us),
        "remedy": _remedy(place),
    }
