"""What holds while the gate is down: what it said last of each tenant.

None of a tenant's calls is made then (`closed`), or as many as are paid for, by an allowance (`open`) or by an amount
that the gate holds for this process since before (`lease`). There are no prices here: a call is counted at what was
held for another one of its model, in proportion.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import uuid4

from otel_genai_cost.blocks import Block
from otel_genai_cost.errors import guarded
from otel_genai_cost.gate_protocol import Admitted, Ask, GateDownError, OnGateDown, money, text

if TYPE_CHECKING:
    from otel_genai_cost.gate_connection import GateConnections

__all__ = ["Standings"]

_TENANTS_MAX: Final = 10_000
_MODELS_MAX: Final = 64
_LEASE_S: Final = 300
_LEASE_CALLS: Final = 16
"""A lease is for as many calls like the one that it is asked for with."""

_DRAWN_MAX: Final = 500


class _Rate(NamedTuple):
    """What was held for a call of so many tokens: more of a call of the same model costs in proportion, at most."""

    held: Fraction
    input_tokens: int
    max_tokens: int


class _Lease:
    """An amount that the gate holds for this process, for calls of one tenant that it cannot be asked for."""

    __slots__ = ("drawn", "ends_s", "id")

    def __init__(self, lease_id: str, ends_s: float) -> None:
        self.id, self.ends_s = lease_id, ends_s
        self.drawn: list[dict[str, str]] = []


class _Standing:
    """What the gate said last of a tenant, and what is left of that while it is down."""

    __slots__ = ("is_leasing", "lease", "left", "policy", "rates")

    def __init__(self) -> None:
        self.policy, self.is_leasing = "", False
        self.lease: _Lease | None = None
        self.left = Fraction(0)
        self.rates: OrderedDict[str, _Rate] = OrderedDict()


class Standings:
    """What is known of all tenants. Any thread may use it.

    Args:
        connections: to the gate.
        default: what becomes of calls of tenants of which it has said nothing yet.
    """

    def __init__(self, connections: GateConnections, default: OnGateDown) -> None:
        self._connections, self._default = connections, default
        self._standings: OrderedDict[str | None, _Standing] = OrderedDict()
        self.forked()

    def forked(self) -> None:
        """In the child: a lock may be held by a thread of the parent's, whose leases are its own."""
        self._lock = threading.Lock()
        for standing in self._standings.values():
            standing.lease, standing.is_leasing = None, False

    def learn(self, ask: Ask, found: Admitted | Block, fields: Mapping[str, Any]) -> bool:
        """Take in what the gate said; whether a lease is to be taken.

        Args:
            ask: what it was asked.
            found: what it decided.
            fields: all that it said.
        """
        with self._lock:
            standing = self._standing(ask.who.tenant)
            policy = fields.get("on_gate_down")
            if policy in ("closed", "open", "lease"):
                standing.policy = policy
                if policy == "open":
                    standing.left = Fraction(money(fields.get("allowance")) or 0)
            elif isinstance(found, Admitted):
                standing.policy = "unlimited"  # no budget applies to it
            _keep_rate(standing, ask, found)
            is_paid = isinstance(found, Admitted) and bool(found.held)
            is_due = standing.policy == "lease" and is_paid and _is_due(standing)
            standing.is_leasing |= is_due
        return is_due

    def passes(self, ask: Ask) -> str | None:
        """By what a call is made though the gate is down, and is counted; None if it is not made.

        Args:
            ask: of the call.
        """
        with self._lock:
            return self._passes(ask, self._standing(ask.who.tenant))

    @guarded("gate.lease", None)
    def lease(self, tenant: str | None, held: Decimal | None, currency: object) -> None:
        """Give a tenant's last lease back, less what was drawn on it, and take another. Blocks.

        Args:
            tenant: whose calls it is for.
            held: for one of them; None to take none.
            currency: of that.
        """
        standing, last = self._standings.get(tenant), None
        if standing is None:
            return
        try:
            with self._lock:
                last, standing.lease = standing.lease, None
            if last is not None:
                self._give_back(last)
            if held:
                self._take_lease(tenant, standing, held * _LEASE_CALLS, currency)
        except GateDownError:
            with self._lock:
                standing.lease = last
        finally:
            standing.is_leasing = False

    def _give_back(self, lease: _Lease) -> None:
        while drawn := lease.drawn[:_DRAWN_MAX]:
            self._connections.post("/v1/leases/draw", {"id": lease.id, "calls": drawn})
            del lease.drawn[: len(drawn)]
        self._connections.post("/v1/release", {"id": lease.id})

    def _take_lease(
        self, tenant: str | None, standing: _Standing, amount: Decimal, currency: object
    ) -> None:
        lease = _Lease(uuid4().hex, time.monotonic() + _LEASE_S)
        body = {
            "id": lease.id,
            "tenant": tenant,
            "amount": f"{amount:f}",
            "currency": text(currency),
            "ttl_s": 2 * _LEASE_S,
        }
        reply = self._connections.post("/v1/leases", body)
        if reply.status == 200:
            with self._lock:
                standing.lease, standing.left = lease, Fraction(amount)

    def _standing(self, tenant: str | None) -> _Standing:
        found = self._standings.pop(tenant, None) or _Standing()
        self._standings[tenant] = found
        if len(self._standings) > _TENANTS_MAX:
            self._standings.popitem(last=False)
        return found

    def _passes(self, ask: Ask, standing: _Standing) -> str | None:
        """By what a call is made though the gate is down; None if it is not."""
        policy = standing.policy or self._default
        if policy == "unlimited" or (not standing.policy and policy == "open"):
            return "open"
        lease = standing.lease
        if policy == "closed" or (
            policy == "lease" and (lease is None or time.monotonic() > lease.ends_s)
        ):
            return None
        bound = _bound(ask, standing.rates.get(ask.model or ""))
        if bound is None or bound > standing.left:
            return None
        standing.left -= bound
        if lease is not None:
            lease.drawn.append({"id": ask.who.id, "amount": _decimal(bound)})
        return policy

    def close(self) -> None:
        """Give the leases back: nothing is called any more."""
        for tenant, standing in [*self._standings.items()]:
            if standing.lease is not None:
                self.lease(tenant, None, None)


def _keep_rate(standing: _Standing, ask: Ask, found: Admitted | Block) -> None:
    if isinstance(found, Block) or not found.held or ask.input_tokens is None:
        return
    tokens = found.max_tokens if found.max_tokens is not None else ask.max_tokens
    if tokens is None or found.model not in (None, ask.model):
        return
    standing.rates[ask.model or ""] = _Rate(Fraction(found.held), ask.input_tokens, tokens)
    if len(standing.rates) > _MODELS_MAX:
        standing.rates.popitem(last=False)


def _bound(ask: Ask, rate: _Rate | None) -> Fraction | None:
    """The most that a call can cost by what was held for another of its model: neither its input nor its output costs
    more than in proportion, so both together do not."""
    if rate is None or ask.input_tokens is None or ask.max_tokens is None:
        return None
    pairs = ((ask.input_tokens, rate.input_tokens), (ask.max_tokens, rate.max_tokens))
    if any(wanted and not known for wanted, known in pairs):
        return None
    return rate.held * max(Fraction(wanted, known) for wanted, known in pairs if known)


def _is_due(standing: _Standing) -> bool:
    """Whether a lease is to be taken: there is none that lasts, or calls were made on it."""
    lease = standing.lease
    if standing.is_leasing:
        return False
    return lease is None or bool(lease.drawn) or time.monotonic() > lease.ends_s - _LEASE_S / 2


def _decimal(amount: Fraction) -> str:
    """An amount as a decimal text of at most 18 places, rounded up."""
    atto = -(-amount.numerator * 10**18 // amount.denominator)
    return f"{atto // 10**18}.{atto % 10**18:018d}"
