"""What happens to a hold, whatever store it is in: made, sent, extended, settled, given up, drawn on, swept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from otel_genai_cost.gate.admission import Admission, Admitted, Asked, Deferred, Limit, Refused
from otel_genai_cost.gate.bound import Bound
from otel_genai_cost.gate.store import Transaction
from otel_genai_cost.limits.budget import Budget, OnGateDown
from otel_genai_cost.limits.credit_budget import credit_of
from otel_genai_cost.limits.hold import Hold, HoldEvent, HoldState, scaled
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.money import format_money

__all__ = [
    "Behind",
    "Conflict",
    "Drawn",
    "Held",
    "Outcome",
    "Reservation",
    "Terms",
    "Unknown",
    "draw",
    "extend",
    "happen",
    "reserve",
    "settle",
    "sweep",
    "while_down",
]

_STRICTNESS: Final[tuple[OnGateDown, ...]] = ("closed", "lease", "open")
_LEASED: Final = frozenset({"organisation", "tenant"})
_EXTENDED: Final[frozenset[HoldState]] = frozenset({"held", "sent", "lost"})
"""States of a call that is not over: a stream may go on for longer than its hold was to last unheard of."""

_SWEEP: Final = 500
_FOREVER_US: Final = 1 << 62


class Reservation(NamedTuple):
    """A request to hold what a call may come to.

    Attributes:
        id: of the call's observation.
        digest: of the request.
        text: the request, as JSON.
        asked: the call.
        tenant: whose it is.
        bound: the most that it can come to, with a model and a limit of output, at a time.
        ttl_us: how long it may be unheard of, microseconds.
        is_dispatched: whether the call goes out at once.
        lost_after_us: how long it counts after that, microseconds; None until the end of its periods.
    """

    id: str
    digest: str
    text: str
    asked: Asked
    tenant: str | None
    bound: Callable[[str | None, int | None, int], Bound | None]
    ttl_us: int
    is_dispatched: bool
    lost_after_us: int | None


class Terms(NamedTuple):
    """What operations go by.

    Attributes:
        converted: an amount in another currency at a time, the highest that it can be; None without a rate.
        is_behind: whether the books are too far behind for budgets that are closed then.
        currencies: that a price may be in.
    """

    converted: Callable[[int, str, str, int], int | None]
    is_behind: bool = False
    currencies: Sequence[str] = ("USD",)


class Held(NamedTuple):
    """The hold as it is, and whether it was already so."""

    hold: Hold
    is_repeated: bool


class Behind(NamedTuple):
    """The books are behind, and a budget that applies is closed then. `limits` are of all its budgets."""

    limit: Limit
    limits: tuple[Limit, ...]


class Conflict(NamedTuple):
    """The id stands for something else already."""

    hold: Hold


class Unknown(NamedTuple):
    """There is no hold of that id."""

    id: str


Outcome = Held | Deferred | Refused | Behind | Conflict | Unknown


def reserve(transaction: Transaction, request: Reservation, terms: Terms) -> Outcome:
    """Hold what a call may come to, of all its budgets or of none.

    Args:
        transaction: that this is a part of.
        request: what is asked.
        terms: to go by.
    """
    known = transaction.find(request.id)
    if known is not None:
        return Held(known, True) if known.digest == request.digest else Conflict(known)
    admission = _admission(transaction, request, terms)
    if terms.is_behind:
        limits = tuple(admission.limits(request.asked, request.asked.model))
        for limit in limits:
            if limit.budget.on_gate_down == "closed":
                return Behind(limit, limits)
    found = admission.decide(request.asked)
    if not isinstance(found, Admitted):
        return found
    hold = _held(request, found, transaction.now_us)
    transaction.write(None, hold)
    return Held(hold, False)


def extend(
    transaction: Transaction,
    hold_id: str,
    wanted: Callable[[Hold, int], Bound | int | None],
    limits: Callable[[Transaction, Hold], Iterable[Limit]],
) -> Outcome:
    """Hold more for a call that is being made; what it has goes on being held if there is not enough.

    Args:
        transaction: that this is a part of.
        hold_id: of the call.
        wanted: the most that it can come to by now, at a time; or an amount, atto.
        limits: of the budgets that it counts in.
    """
    hold = transaction.find(hold_id)
    if hold is None:
        return Unknown(hold_id)
    if hold.state not in _EXTENDED:
        return Conflict(hold)
    after = _grown(hold, wanted(hold, transaction.now_us))
    if after is None:
        return Conflict(hold)
    if after.amount <= hold.amount:
        return Held(hold, True)
    more = {
        new.place: new.amount - old.amount
        for new, old in zip(after.claims, hold.claims, strict=True)
    }
    for limit in limits(transaction, hold):
        ceiling, amount = limit.ceiling, more.get(limit.place, 0)
        if ceiling is not None and limit.committed.total + amount > ceiling:
            return Refused("budget_exceeded", limit, amount, None)
    transaction.write(hold, after)
    return Held(after, False)


def settle(transaction: Transaction, hold_id: str, amount: int) -> Outcome:
    """Let a hold have what its call cost, also where that is more; it counts until the charge is booked.

    Args:
        transaction: that this is a part of.
        hold_id: of the call.
        amount: at list prices, atto.
    """
    hold = transaction.find(hold_id)
    if hold is None:
        return Unknown(hold_id)
    if hold.state == "closed":
        return Held(hold, True)
    if hold.state == "measured":
        return Held(hold, True) if hold.amount == amount else Conflict(hold)
    after = hold.measured(amount)
    transaction.write(hold, after)
    return Held(after, False)


def happen(transaction: Transaction, hold_id: str, event: HoldEvent) -> Outcome:
    """Let something happen to a hold; to one that is further already it does nothing.

    Args:
        transaction: that this is a part of.
        hold_id: of the call.
        event: what happens.
    """
    hold = transaction.find(hold_id)
    if hold is None:
        return Unknown(hold_id)
    after = hold.after(event)
    if after == hold:
        return Held(hold, True)
    transaction.write(hold, after)
    return Held(after, False)


class Drawn(NamedTuple):
    """A call that a lease was drawn on for: its id, the digest of what was said of it, and its amount, atto."""

    id: str
    digest: str
    amount: int


def draw(transaction: Transaction, lease_id: str, calls: Sequence[Drawn]) -> Outcome:
    """Make holds of their own of calls that were made on a lease, which is less from then on by what they take. What is
    committed in all stays the same, unless they came to more than the lease.

    Args:
        transaction: that this is a part of.
        lease_id: the hold that was drawn on.
        calls: those that are known already are passed over.
    """
    lease = transaction.find(lease_id)
    if lease is None:
        return Unknown(lease_id)
    left = lease
    for call in calls:
        if transaction.find(call.id) is not None:
            continue
        own = _share(left, call.amount)
        hold = left.of_amount(call.amount, own)._replace(
            id=call.id, digest=call.digest, state="sent", answer="{}"
        )
        transaction.write(None, hold)
        rest = [max(0, claim.amount - each) for claim, each in zip(left.claims, own, strict=True)]
        left = left.of_amount(max(0, left.amount - call.amount), rest)
    transaction.write(lease, left)
    return Held(left, False)


def sweep(transaction: Transaction) -> int:
    """End the holds whose time is over.

    Args:
        transaction: that this is a part of.

    Returns:
        How many there were: as many as are looked at in one go if there may be more.
    """
    due = transaction.due(_SWEEP)
    for hold, event in due:
        transaction.write(hold, hold.after(event))
    transaction.prune()
    return len(due)


def _admission(transaction: Transaction, request: Reservation, terms: Terms) -> Admission:
    now_us, asked = transaction.now_us, request.asked
    bound = request.bound(asked.model, asked.max_tokens, now_us)
    currencies = terms.currencies if bound is None else (bound.price_currency,)
    credit = [credit_of(transaction.committed, request.tenant, one) for one in currencies]
    return Admission(
        (*transaction.budgets(), *(one for one in credit if one is not None)),
        transaction.committed,
        lambda model, max_tokens: request.bound(model, max_tokens, now_us),
        lambda amount, base, quote: terms.converted(amount, base, quote, now_us),
        now_us,
    )


def _held(request: Reservation, found: Admitted, now_us: int) -> Hold:
    """The hold of a call that is admitted."""
    bound = found.bound or Bound.of(0, "USD")
    expires_us = now_us + request.ttl_us + found.retry_after_s * 1_000_000
    ends_us = max((limit.to_us for limit in found.limits), default=expires_us)
    if request.lost_after_us is not None:
        ends_us = min(ends_us, expires_us + request.lost_after_us)
    amount = bound.cost if found.bound else max((one.amount for one in found.claims), default=0)
    hold = Hold(
        id=request.id,
        digest=request.digest,
        state="sent" if request.is_dispatched else "held",
        amount=amount,
        currency=bound.currency,
        tenant=request.tenant,
        expires_us=expires_us,
        ends_us=min(max(ends_us, expires_us), _FOREVER_US),
        claims=found.claims,
        request=request.text,
    )
    is_shrunk = found.max_tokens != request.asked.max_tokens
    said = {**_answer(hold, found, bound), "shrunk": is_shrunk}
    return hold._replace(answer=json.dumps(said, separators=(",", ":")))


def _answer(hold: Hold, found: Admitted, bound: Bound) -> Mapping[str, Any]:
    return {
        "id": hold.id,
        "decision": found.decision,
        "held": format_money(hold.amount),
        "currency": hold.currency,
        "price": format_money(bound.price),
        "price_currency": bound.price_currency,
        "model": found.model,
        "max_tokens": found.max_tokens,
        "retry_after_s": found.retry_after_s,
        "expires_at": rfc3339(hold.expires_us),
        "warnings": [
            {"budget": limit.budget.id, "scope": limit.place.key} for limit in found.warnings
        ],
        **while_down(found.limits),
    }


def while_down(limits: Sequence[Limit]) -> Mapping[str, Any]:
    """What an application is to do while it cannot ask: what the strictest of the budgets wants, with the least that
    one of them allows meanwhile.

    Args:
        limits: of all budgets that apply to a call.

    Returns:
        What each answer says of that; nothing where no budget applies.
    """
    if not limits:
        return {}
    budgets = [limit.budget for limit in limits]
    strictest = min(map(_policy, budgets), key=_STRICTNESS.index)
    allowances = [one.allowance for one in budgets if one.on_gate_down == "open"]
    return {
        "on_gate_down": strictest,
        "allowance": format_money(min(allowances)) if strictest == "open" else None,
    }


def _policy(budget: Budget) -> OnGateDown:
    """What one wants. A lease is held of what all calls of a tenant count in, and of no narrower budget."""
    is_narrower = any(dimension not in _LEASED for dimension, _ in budget.scope)
    return "closed" if budget.on_gate_down == "lease" and is_narrower else budget.on_gate_down


def _grown(hold: Hold, wanted: Bound | int | None) -> Hold | None:
    """The hold with a higher amount; None where that is in another currency, or not known."""
    if wanted is None or (isinstance(wanted, Bound) and wanted.currency != hold.currency):
        return None
    amount = wanted if isinstance(wanted, int) else wanted.cost
    return hold.of_amount(amount, _share(hold, amount))


def _share(hold: Hold, amount: int) -> list[int]:
    """What another amount takes of each of a hold's claims, in proportion to what it has."""
    return [scaled(claim.amount, hold.amount, amount) for claim in hold.claims]
