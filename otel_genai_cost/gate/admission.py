"""Whether a call may be made, and how: its budgets' ladders, then their limits. Pure.

A call is admitted iff, for every budget that applies, what is booked, what open holds take and what the call can come
to are within the hard limit together. What does not fit may be made to: by another model, or by fewer tokens of output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal, NamedTuple, get_args

from otel_genai_cost.gate.bound import Bound
from otel_genai_cost.gate_protocol import Decision
from otel_genai_cost.limits.budget import Budget, Dimensions, Rung, RungKind
from otel_genai_cost.limits.credit_budget import CreditBudget
from otel_genai_cost.limits.hold import Claim, Committed, Place
from otel_genai_cost.limits.model_name import counted_as
from otel_genai_cost.limits.period import ALWAYS

__all__ = [
    "DECISIONS",
    "Admission",
    "Admitted",
    "Asked",
    "Deferred",
    "Limit",
    "Refusal",
    "Refused",
]

DECISIONS: Final[tuple[Decision, ...]] = get_args(Decision)

Refusal = Literal["too_large", "budget_exceeded", "hold_pressure"]
"""More than the whole budget; more than is left of it; more than is left until calls that are being made have ended."""

_GRAVEST: Final[tuple[Refusal, ...]] = ("too_large", "budget_exceeded", "hold_pressure")
_PRESSURE_S: Final = 2
_DEFER_S: Final = 3_600
_S: Final = 1_000_000


class Asked(NamedTuple):
    """A call that asks to be admitted.

    Attributes:
        dimensions: what is known of it, but for the model.
        model: what it asks for; None where the amount alone is known.
        max_tokens: the most output that it asks for; None where that is not limited or not known.
    """

    dimensions: Dimensions
    model: str | None
    max_tokens: int | None


class Limit(NamedTuple):
    """A budget that applies to a call, and which of its sums: until when (unix microseconds), and how much of it is
    taken already."""

    budget: Budget
    place: Place
    to_us: int
    committed: Committed

    @property
    def ceiling(self) -> int | None:
        """The most that may be committed, atto; None where nothing is refused."""
        hard = self.budget.hard
        if hard is None:
            return None
        blocks = [hard * rung.at // 100 for rung in self.budget.ladder if rung.do == "block"]
        return min((hard, *blocks))

    @property
    def reset_us(self) -> int | None:
        """When the next period begins, unix microseconds; None if none does."""
        never = self.to_us >= ALWAYS[1] or isinstance(self.budget, CreditBudget)
        return None if never else self.to_us


class _Share(NamedTuple):
    """What a call takes of a limit; None where it has no price and may not be made without."""

    limit: Limit
    amount: int | None

    @property
    def fits(self) -> bool:
        ceiling = self.limit.ceiling
        if self.amount is None:
            return False
        return ceiling is None or self.limit.committed.total + self.amount <= ceiling

    def rungs(self, do: RungKind) -> Iterator[Rung]:
        """The rungs of a kind that the call reaches."""
        hard, amount = self.limit.budget.hard, self.amount or 0
        if hard is not None:
            reached = (self.limit.committed.total + amount) * 100
            yield from (
                rung
                for rung in self.limit.budget.ladder
                if rung.do == do and reached >= rung.at * hard
            )

    @property
    def refusal(self) -> Refusal:
        ceiling, committed = self.limit.ceiling or 0, self.limit.committed
        if self.amount is None or self.amount > ceiling:
            return "too_large"
        if committed.total - committed.in_flight + self.amount <= ceiling:
            return "hold_pressure"
        return "budget_exceeded"


class _Way(NamedTuple):
    """A way to make the call."""

    model: str | None
    max_tokens: int | None
    bound: Bound | None
    shares: tuple[_Share, ...]

    @property
    def limits(self) -> tuple[Limit, ...]:
        return tuple(share.limit for share in self.shares)

    @property
    def unfit(self) -> list[_Share]:
        return [share for share in self.shares if not share.fits]


class Admitted(NamedTuple):
    """The call may be made.

    Attributes:
        decision: how; `model` and `max_tokens` are what it is to be made with.
        bound: the most that it can come to; None where that is not known, and allowed.
        claims: what is to be held of each budget.
        limits: of those budgets.
        retry_after_s: how long to wait before it is made.
        warnings: budgets of which it reaches a share that is to be told.
    """

    decision: Decision
    model: str | None
    max_tokens: int | None
    bound: Bound | None
    claims: tuple[Claim, ...]
    limits: tuple[Limit, ...]
    retry_after_s: int
    warnings: tuple[Limit, ...]


class Deferred(NamedTuple):
    """The call is to be made later, or as part of a batch; nothing is held for it. `limits` are of all its budgets."""

    limit: Limit
    retry_after_s: int
    limits: tuple[Limit, ...] = ()


class Refused(NamedTuple):
    """The call may not be made.

    Attributes:
        type: why.
        limit: the budget that it does not fit into.
        amount: the most that it can come to, atto; None where that is not known.
        retry_after_s: when to come again; None where that would change nothing before the period's end.
        limits: of all its budgets.
    """

    type: Refusal
    limit: Limit
    amount: int | None
    retry_after_s: int | None
    limits: tuple[Limit, ...] = ()


class Admission:
    """Decides about one call.

    Args:
        budgets: that hold now.
        committed: what is taken of a sum.
        bound: the most that the call can come to, with a model and a limit of output; None where that is not known.
        converted: an amount in another currency, the highest that it can be; None without a rate.
        at_us: now, unix microseconds.
    """

    def __init__(
        self,
        budgets: Iterable[Budget],
        committed: Callable[[Place], Committed],
        bound: Callable[[str | None, int | None], Bound | None],
        converted: Callable[[int, str, str], int | None],
        at_us: int,
    ) -> None:
        self._budgets, self._read = tuple(budgets), committed
        self._sums: dict[Place, Committed] = {}
        self._bound, self._converted, self._at_us = bound, converted, at_us

    def decide(self, asked: Asked) -> Admitted | Deferred | Refused:
        """What is to become of a call.

        Args:
            asked: the call.
        """
        first = self._way(asked, asked.model, asked.max_tokens)
        way = self._downgraded(asked, first)
        if way.unfit:
            way = self._shrunk(asked, way) or way
        if way.unfit:
            return self._refused(way)
        if (limit := _reached(way, "defer")) is not None:
            return Deferred(limit, self._until(limit, _DEFER_S), way.limits)
        return self._admitted(asked, way)

    def limits(self, asked: Asked, model: str | None) -> Iterator[Limit]:
        """The budgets that apply to a call.

        Args:
            asked: the call.
            model: what it is made with.
        """
        dimensions = counted_as({**asked.dimensions, "model": model})
        for budget in self._budgets:
            key = budget.key(dimensions)
            if key is not None:
                from_us, to_us = budget.period_at(self._at_us)
                place = Place(budget.series, key, from_us)
                yield Limit(budget, place, to_us, self._committed(place))

    def _committed(self, place: Place) -> Committed:
        found = self._sums.get(place)
        if found is None:
            found = self._sums[place] = self._read(place)
        return found

    def _way(self, asked: Asked, model: str | None, max_tokens: int | None) -> _Way:
        bound = self._bound(model, max_tokens)
        shares = tuple(
            _Share(limit, self._amount(limit.budget, bound)) for limit in self.limits(asked, model)
        )
        return _Way(model, max_tokens, bound, shares)

    def _amount(self, budget: Budget, bound: Bound | None) -> int | None:
        """What a call takes of a budget; None if it may not be made."""
        known = None if bound is None else self._known(budget, bound)
        if known is not None:
            return known
        if budget.unknown_price == "deny":
            return None if budget.hard is not None else 0
        return 0 if budget.unknown_price == "allow" else budget.unknown_price

    def _known(self, budget: Budget, bound: Bound) -> int | None:
        amount, currency = bound.cost, bound.currency
        if budget.side == "price":
            amount, currency = bound.price, bound.price_currency
        if currency == budget.currency:
            return amount
        return self._converted(amount, currency, budget.currency)

    def _downgraded(self, asked: Asked, way: _Way) -> _Way:
        """By the other model of the first budget that names one for this."""
        for share in way.shares:
            for rung in share.rungs("downgrade"):
                model = dict(rung.models).get(way.model or "")
                if model is not None:
                    return self._way(asked, model, way.max_tokens)
        return way

    def _shrunk(self, asked: Asked, way: _Way) -> _Way | None:
        """With the most output that fits; None if not one token does, or a budget that it does not fit into does not
        shrink calls."""
        if way.max_tokens is None or any(not any(one.rungs("shrink")) for one in way.unfit):
            return None
        low, high, found = 1, way.max_tokens, None
        while low <= high:
            middle = (low + high) // 2
            tried = self._way(asked, way.model, middle)
            if tried.unfit:
                high = middle - 1
            else:
                low, found = middle + 1, tried
        return found

    def _admitted(self, asked: Asked, way: _Way) -> Admitted:
        retry_after_s = max((self._paced_s(share) for share in way.shares), default=0)
        warnings = tuple(share.limit for share in way.shares if _warns(share))
        claims = tuple(Claim(share.limit.place, share.amount or 0) for share in way.shares)
        return Admitted(
            decision=_decision(asked, way, retry_after_s, bool(warnings)),
            model=way.model,
            max_tokens=way.max_tokens,
            bound=way.bound,
            claims=_merged(claims),
            limits=way.limits,
            retry_after_s=retry_after_s,
            warnings=warnings,
        )

    def _paced_s(self, share: _Share) -> int:
        """How long a call waits so that what is left lasts: its amount, by what may be spent a second."""
        limit, waits = share.limit, [0]
        if limit.reset_us is None or limit.ceiling is None or not share.amount:
            return 0
        left, time_left_us = limit.ceiling - limit.committed.total, limit.to_us - self._at_us
        for rung in share.rungs("pace"):
            wait_us = share.amount * time_left_us * 100 // (max(left, 1) * max(rung.burst, 1))
            waits.append(min(wait_us, time_left_us) // _S)
        return max(waits)

    def _refused(self, way: _Way) -> Refused:
        """By the gravest of the reasons: what would help against another one does not help."""
        share = min(way.unfit, key=lambda one: _GRAVEST.index(one.refusal))
        retry_after_s = _PRESSURE_S if share.refusal == "hold_pressure" else None
        return Refused(share.refusal, share.limit, share.amount, retry_after_s, way.limits)

    def _until(self, limit: Limit, most_s: int) -> int:
        """Seconds to the next period, at least one."""
        if limit.reset_us is None:
            return most_s
        return max(1, min(most_s, (limit.reset_us - self._at_us) // _S))


def _decision(asked: Asked, way: _Way, retry_after_s: int, has_warnings: bool) -> Decision:
    """The one word for what a caller has to do most."""
    if retry_after_s:
        return "pace"
    if way.model != asked.model:
        return "downgrade"
    if way.max_tokens != asked.max_tokens:
        return "shrink"
    return "warn" if has_warnings else "allow"


def _warns(share: _Share) -> bool:
    soft, amount = share.limit.budget.soft, share.amount or 0
    is_above = soft is not None and share.limit.committed.total + amount > soft
    return is_above or any(share.rungs("warn"))


def _reached(way: _Way, do: RungKind) -> Limit | None:
    return next((share.limit for share in way.shares if any(share.rungs(do))), None)


def _merged(claims: Iterable[Claim]) -> tuple[Claim, ...]:
    """One claim for each sum: two budgets may count in the same one, and take of it once."""
    found: dict[Place, int] = {}
    for place, amount in claims:
        found[place] = max(amount, found.get(place, 0))
    return tuple(Claim(place, amount) for place, amount in sorted(found.items()))
