"""`/v1/budgets`: how much of each is spent, held and left; and deciding some."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final, cast

from otel_genai_cost.errors import BudgetsError, LedgerLockedError
from otel_genai_cost.gate import body
from otel_genai_cost.gate.body import BodyError
from otel_genai_cost.gate.gate import Gate
from otel_genai_cost.gate.route import Answer, Asking, Route, refused
from otel_genai_cost.gate.store import StoreUnavailableError, Transaction
from otel_genai_cost.gate.tokens import Bearer
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.storage.budgeting import decide_budgets
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.budget import ORGANISATION, SOFT, Budget
from otel_genai_cost.limits.budget_form import version_record
from otel_genai_cost.limits.crossing import Level
from otel_genai_cost.limits.hold import Committed, Place
from otel_genai_cost.limits.period import ALWAYS
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.money import format_money

__all__ = ["ROUTES"]


async def _budgets(gate: Gate, asking: Asking) -> Answer:
    bearer, tenant = asking.bearer, asking.query["tenant"] or asking.bearer.tenant
    if not bearer.may(tenant):
        return refused(403, "not_your_tenant")
    found = await gate.run(lambda within: list(_standings(within, bearer, tenant)))
    episodes = await _episodes(gate, [place for place, _ in found])
    records = [{**one, "episode": episodes.get((one["budget"], place), 0)} for place, one in found]
    return Answer(200, {"budgets": records})


async def _episodes(gate: Gate, places: Sequence[Place]) -> Mapping[tuple[str, Place], int]:
    """How often a mark of each sum was crossed at most; of none where the ledger is on another machine."""

    def crossed(ledger: Ledger) -> Mapping[tuple[str, Place], int]:
        return {
            (budget.id, place): max(one.episode for one in last.values())
            for budget in ledger.budgets.active(gate.clock_us())
            for place in places
            if budget.series == place.series
            and (last := ledger.budgets.last_crossings(budget.id, place))
        }

    try:
        return await gate.ask(crossed)
    except StoreUnavailableError:
        return {}


def _standings(
    transaction: Transaction, bearer: Bearer, tenant: str | None
) -> Iterator[tuple[Place, dict[str, Any]]]:
    for budget in transaction.budgets():
        from_us, to_us = budget.period_at(transaction.now_us)
        for key in transaction.keys(budget.series, from_us) or _only_key(budget):
            if tenant is None or f"tenant={tenant}" in key.split(","):
                place = Place(budget.series, key, from_us)
                committed = transaction.committed(place)
                yield place, _standing(bearer, budget, key, (from_us, to_us), committed)


def _only_key(budget: Budget) -> list[str]:
    """The key of a budget that nothing was counted in yet; none where there is one a value."""
    key = budget.key(dict(budget.scope)) if budget.scope else ORGANISATION
    return [] if key is None or "=*" in key else [key]


def _standing(
    bearer: Bearer, budget: Budget, key: str, period: tuple[int, int], committed: Committed
) -> dict[str, Any]:
    reached = Level(committed.booked, budget.marks).reached
    found: dict[str, Any] = {
        "budget": budget.id,
        "scope": key,
        "period_from": None if period == ALWAYS else rfc3339(period[0]),
        "period_to": None if period == ALWAYS else rfc3339(period[1]),
        "zone": budget.zone,
        "currency": budget.currency,
        "percent": budget.percent(committed.total),
        "crossed": sorted(int(name) for name in reached if name != SOFT),
    }
    if bearer.is_team or budget.side == "price":
        found.update(
            soft=_money(budget.soft),
            hard=_money(budget.hard),
            booked=format_money(committed.booked),
            held=format_money(committed.open),
            committed=format_money(committed.total),
        )
    return found


def _money(amount: int | None) -> str | None:
    return None if amount is None else format_money(amount)


async def _decide(gate: Gate, asking: Asking) -> Answer:
    if (home := gate.home) is None:
        raise StoreUnavailableError("the ledger is on another machine: set budgets there")
    written: list[Any] = asking.values["budgets"]
    try:
        found = await asyncio.to_thread(_decided, home, written, gate.clock_us())
    except BudgetsError as error:
        raise BodyError([f"{one.what}; {one.remedy}" for one in error.problems]) from None
    return Answer(200, {"budgets": [version_record(one) for one in found]})


def _decided(home: Path, written: Sequence[Mapping[str, Any]], now_us: int) -> Sequence[Budget]:
    """The versions that are new, with their numbers where they have taken effect already. Where another process ships,
    that is within a second."""
    found = decide_budgets(home / LEDGER_FILE, written, now_us, place="budgets")
    with suppress(LedgerLockedError):
        ship(home, ())
    with closing(Ledger(home / LEDGER_FILE, readonly=True)) as opened:
        every = opened.budgets.every()
    return [
        next((one for one in every.get(each.id, ()) if one._replace(version=0) == each), each)
        for each in found
    ]


def _tables(given: object) -> list[Any]:
    tables = cast("list[object]", given) if isinstance(given, list) else []
    if not 0 < len(tables) <= _BUDGETS_MAX or not all(isinstance(one, dict) for one in tables):
        raise ValueError(f"not a list of 1 to {_BUDGETS_MAX} objects")
    return tables


_BUDGETS_MAX: Final = 100
_WRITTEN: Final = body.Field(
    _tables,
    {
        "type": "array",
        "minItems": 1,
        "maxItems": _BUDGETS_MAX,
        "items": {"type": "object", "required": ["id", "period", "currency"]},
        "description": "what [[budget]] tables of budgets.toml say; money as text",
    },
    is_required=True,
)

ROUTES: Final = (
    Route(
        "GET",
        "/v1/budgets",
        "How much of each budget is spent and held; a tenant sees its own, and no cost",
        _budgets,
        query={"tenant": body.text("whose; every one's for the team unless it is given", 128)},
        answers={200: "the budgets that hold now"},
    ),
    Route(
        "POST",
        "/v1/budgets",
        "Decides budgets: all of them, or none if anything is wrong; a version holds from now on unless it says when",
        _decide,
        fields={"budgets": _WRITTEN},
        answers={200: "the versions that are new"},
        is_team_only=True,
    ),
)
