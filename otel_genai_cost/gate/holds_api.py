"""The paths that holds are made and ended by."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final, cast

from otel_genai_cost.gate import body
from otel_genai_cost.gate.admission import Admission, Asked, Deferred, Limit, Refused
from otel_genai_cost.gate.body import BodyError, Field, Fields
from otel_genai_cost.gate.bound import Bound
from otel_genai_cost.gate.calls import CALL, RESERVE, bound_by, dimensions, reservation
from otel_genai_cost.gate.gate import Gate
from otel_genai_cost.gate.holding import (
    Behind,
    Conflict,
    Drawn,
    Held,
    Outcome,
    draw,
    extend,
    happen,
    reserve,
    settle,
    while_down,
)
from otel_genai_cost.gate.route import Answer, Asking, Route, refused
from otel_genai_cost.gate.store import Operation, Transaction
from otel_genai_cost.gate.tokens import Bearer
from otel_genai_cost.limits.credit_budget import credit_of
from otel_genai_cost.limits.hold import Hold, HoldEvent
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.money import format_money

__all__ = ["ROUTES", "answer_of", "reserved"]

_NO_RETRY: Final = {"x-should-retry": "false"}
_DRAWN_MAX: Final = 500
_NOT_YOURS: Final = "not_your_tenant"


async def reserved(gate: Gate, bearer: Bearer, values: Mapping[str, Any]) -> Answer:
    """Hold what a call may come to, and answer.

    Args:
        gate: that is asked.
        bearer: who asks.
        values: of the request, by the fields of `calls.RESERVE`.
    """
    tenant = values.get("tenant") or bearer.tenant
    if not bearer.may(tenant):
        return refused(403, _NOT_YOURS)
    request = reservation(gate, values, tenant)
    request.bound(request.asked.model, request.asked.max_tokens, gate.clock_us())
    outcome = await gate.run(lambda transaction: reserve(transaction, request, gate.terms()))
    if isinstance(outcome, Refused) and outcome.type == "budget_exceeded":
        gate.blocked.note(outcome.limit)
    answer = answer_of(outcome, bearer)
    is_repeated = isinstance(outcome, Held) and outcome.is_repeated
    gate.decisions["repeated" if is_repeated else _word(answer)] += 1
    return answer


def _word(answer: Answer) -> str:
    return str(answer.body.get("decision" if answer.status == 200 else "type"))


def answer_of(outcome: Outcome, bearer: Bearer) -> Answer:
    """What whoever asked for a hold gets to know.

    Args:
        outcome: of the request.
        bearer: who asked: a tenant sees no sums, and of its call the price alone.
    """
    if isinstance(outcome, Held):
        found = {**json.loads(outcome.hold.answer), "state": outcome.hold.state}
        return _for(bearer, Answer(200, found))
    if isinstance(outcome, Deferred):
        return Answer(
            200,
            {
                "decision": "defer",
                "held": "0",
                "scope": outcome.limit.place.key,
                "retry_after_s": outcome.retry_after_s,
                **while_down(outcome.limits),
            },
        )
    if isinstance(outcome, Refused):
        return _refusal(outcome, bearer)
    if isinstance(outcome, Behind):
        said = {"scope": outcome.limit.place.key, **while_down(outcome.limits)}
        return refused(503, "gate_unavailable", {"Retry-After": "5"}, **said)
    if isinstance(outcome, Conflict):
        return refused(409, "conflict", state=outcome.hold.state)
    return refused(404, "no_such_hold")


def _for(bearer: Bearer, answer: Answer) -> Answer:
    """A tenant's answer has the price where the team's has the cost."""
    found = dict(answer.body)
    price, currency = found.pop("price", None), found.pop("price_currency", None)
    if not bearer.is_team and price is not None:
        found.update(held=price, currency=currency)
    return answer._replace(body=found)


def _refusal(outcome: Refused, bearer: Bearer) -> Answer:
    limit, headers = outcome.limit, dict(_NO_RETRY)
    reset_at = None if limit.reset_us is None else rfc3339(limit.reset_us)
    found: dict[str, Any] = {
        "scope": limit.place.key,
        "reset_at": reset_at,
        **while_down(outcome.limits),
    }
    if outcome.retry_after_s is not None:
        headers = {"Retry-After": str(outcome.retry_after_s)}
        found["retry_after_s"] = outcome.retry_after_s
    if outcome.amount is None:
        found["reason"] = "unknown_price"
    if bearer.is_team:
        found.update(_sums(limit, outcome.amount))
    status = 402 if outcome.retry_after_s is None else 429
    return refused(status, outcome.type, headers, **found)


def _sums(limit: Limit, amount: int | None) -> Mapping[str, Any]:
    return {
        "budget": limit.budget.id,
        "currency": limit.budget.currency,
        "hard": None if limit.budget.hard is None else format_money(limit.budget.hard),
        "booked": format_money(limit.committed.booked),
        "held": format_money(limit.committed.open),
        "amount": None if amount is None else format_money(amount),
    }


async def _reserve(gate: Gate, asking: Asking) -> Answer:
    return await reserved(gate, asking.bearer, asking.values)


async def _lease(gate: Gate, asking: Asking) -> Answer:
    """A lease is a hold whose calls go out at once: what is not heard of it may have been spent."""
    return await reserved(gate, asking.bearer, {**asking.values, "dispatched": True})


async def _changed(gate: Gate, asking: Asking, operation: Operation[Outcome]) -> Answer:
    """What an operation on a hold that is there makes of it; nobody changes another tenant's."""
    bearer, hold_id = asking.bearer, asking.values["id"]

    def guarded(transaction: Transaction) -> Outcome | None:
        hold = transaction.find(hold_id)
        if hold is not None and not bearer.may(hold.tenant):
            return None
        return operation(transaction)

    outcome = await gate.run(guarded)
    if outcome is None:
        return refused(403, _NOT_YOURS)
    if isinstance(outcome, Held):
        return Answer(200, _state(outcome.hold, bearer))
    return answer_of(outcome, bearer)


def _state(hold: Hold, bearer: Bearer) -> Mapping[str, Any]:
    held = hold.left if hold.is_open else 0
    found: dict[str, Any] = {"id": hold.id, "state": hold.state}
    if bearer.is_team:
        found.update(held=format_money(held), currency=hold.currency)
    return found


async def _settle(gate: Gate, asking: Asking) -> Answer:
    hold_id, amount = asking.values["id"], asking.values["amount"]
    return await _changed(gate, asking, lambda within: settle(within, hold_id, amount))


async def _happen(event: HoldEvent, gate: Gate, asking: Asking) -> Answer:
    hold_id = asking.values["id"]
    return await _changed(gate, asking, lambda within: happen(within, hold_id, event))


async def _extend(gate: Gate, asking: Asking) -> Answer:
    hold_id, values = asking.values["id"], asking.values
    amount, max_tokens = values["amount"], values["max_tokens"]
    if (amount is None) == (max_tokens is None):
        raise BodyError(["amount, max_tokens: one of them has to be there"])

    def wanted(hold: Hold, at_us: int) -> Bound | int | None:
        if amount is not None:
            return cast("int", amount)
        said = json.loads(hold.request)
        model = json.loads(hold.answer).get("model", said.get("model"))
        return bound_by(gate, said)(model, max_tokens, at_us)

    return await _changed(
        gate, asking, lambda within: extend(within, hold_id, wanted, partial(_limits, gate))
    )


def _limits(gate: Gate, transaction: Transaction, hold: Hold) -> Iterator[Limit]:
    """Of the budgets that a hold counts in, as they are now, in the periods that it counts in."""
    said = json.loads(hold.request)
    places = {claim.place[:2]: claim.place for claim in hold.claims}
    model = json.loads(hold.answer).get("model", said.get("model"))
    credit = (credit_of(transaction.committed, hold.tenant, one) for one in gate.terms().currencies)
    admission = Admission(
        (*transaction.budgets(), *(one for one in credit if one is not None)),
        transaction.committed,
        lambda model, max_tokens: None,
        lambda amount, base, quote: None,
        transaction.now_us,
    )
    asked = Asked(dimensions(said), model, None)
    for limit in admission.limits(asked, model):
        if (place := places.get(limit.place[:2])) is not None:
            yield limit._replace(place=place, committed=transaction.committed(place))


def _drawn(value: object) -> list[Drawn]:
    given = list(cast("Iterable[object]", value)) if isinstance(value, list) else None
    if given is None or len(given) > _DRAWN_MAX:
        raise ValueError(f"not a list of at most {_DRAWN_MAX} calls")
    return list(map(_one_drawn, given))


def _one_drawn(value: object) -> Drawn:
    if not isinstance(value, dict) or set(cast("dict[str, Any]", value)) != {"id", "amount"}:
        raise ValueError("a call has an id and an amount, nothing else")
    one = cast("dict[str, Any]", value)
    hold_id, amount = _DRAWN["id"].read(one["id"]), _DRAWN["amount"].read(one["amount"])
    return Drawn(hold_id, "drawn", amount)


_DRAWN: Final[Fields] = {
    "id": body.identity("the call's observation").required,
    "amount": body.amount("what it may come to").required,
}


async def _draw(gate: Gate, asking: Asking) -> Answer:
    hold_id, calls = asking.values["id"], asking.values["calls"]
    return await _changed(gate, asking, lambda within: draw(within, hold_id, calls))


_DRAW_SHAPE: Final = {
    "type": "array",
    "maxItems": _DRAWN_MAX,
    "items": body.schema(_DRAWN),
    "description": "the calls that were made on it",
}
_ID: Final[Fields] = {"id": body.identity("the call's observation").required}
_REFUSALS: Final = {
    402: "it does not fit into a budget: `budget_exceeded`, or `too_large` for the whole of one",
    409: "the id stands for something else",
    429: "`hold_pressure`: it fits once calls that are being made have ended",
}
_CHANGED: Final = {200: "the hold as it is", 404: "there is no such hold"}


def _routes() -> Iterable[Route]:
    yield Route(
        "POST",
        "/v1/reserve",
        "Hold what a call may come to, of every budget that applies, or of none",
        _reserve,
        fields=RESERVE,
        answers={200: "held: the call may be made as `decision` says", **_REFUSALS},
    )
    yield Route(
        "POST",
        "/v1/dispatch",
        "Say that the call of a hold has gone out",
        partial(_happen, "dispatch"),
        fields=_ID,
        answers=_CHANGED,
    )
    yield Route(
        "POST",
        "/v1/extend",
        "Hold more for a call that is being made",
        _extend,
        fields={
            **_ID,
            "amount": body.amount("the most that it can come to by now"),
            "max_tokens": body.whole("the output that it can have by now", least=1),
        },
        answers={**_CHANGED, **_REFUSALS},
    )
    yield Route(
        "POST",
        "/v1/settle",
        "Let a hold have what its call cost; it counts until the charge is booked",
        _settle,
        fields={**_ID, "amount": body.amount("what it cost").required},
        answers={**_CHANGED, 409: "it was settled by another amount"},
    )
    yield Route(
        "POST",
        "/v1/release",
        "Give a hold up: its call was not made, or certainly not billed",
        partial(_happen, "release"),
        fields=_ID,
        answers=_CHANGED,
    )


def _lease_routes() -> Iterable[Route]:
    yield Route(
        "POST",
        "/v1/leases",
        "Hold an amount that a process admits calls from by itself",
        _lease,
        fields={**RESERVE, "amount": CALL["amount"].required},
        answers={200: "held", **_REFUSALS},
    )
    yield Route(
        "POST",
        "/v1/leases/draw",
        "Name the calls that were made on a lease: each is a hold of its own from then on",
        _draw,
        fields={**_ID, "calls": Field(_drawn, _DRAW_SHAPE, True)},
        answers=_CHANGED,
    )


ROUTES: Final = (*_routes(), *_lease_routes())
