"""What holds while the gate is down: what it said last of each kind of calls of each tenant.

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
_KINDS_MAX: Final = 256
_LEASE_S: Final = 300
_LEASE_CALLS: Final = 16
"""A lease is for as many calls like the one that it is asked for with."""

_DRAWN_MAX: Final = 500
_UNLIMITED: Final = "unlimited"
"""What holds for calls to which no budget applies."""

_BY_STRICTNESS: Final = ("closed", "lease", "open", _UNLIMITED)

_CallKind = tuple[object, ...]
"""What budgets look at of a call beside its tenant."""


class _Said(NamedTuple):
    """What the gate said of calls while it is down; "" if nothing. With `open`, what is allowed in all."""

    policy: str
    allowance: Fraction = Fraction(0)

    @property
    def rank(self) -> tuple[int, Fraction]:
        """The strictest first."""
        return _BY_STRICTNESS.index(self.policy), self.allowance


class _Rate(NamedTuple):
    """What was held for a call of so many tokens: more of a call of the same model costs in proportion, at most."""

    held: Fraction
    input_tokens: int
    max_tokens: int


class _Lease:
    """An amount that the gate holds for this process, for calls of one tenant that it cannot be asked for."""

    __slots__ = ("drawn", "ends_s", "id", "left")

    def __init__(self, lease_id: str, ends_s: float, left: Fraction) -> None:
        self.id, self.ends_s, self.left = lease_id, ends_s, left
        self.drawn: list[dict[str, str]] = []


class _Standing:
    """What the gate said last of a tenant's calls, and what was spent of allowances while it is down."""

    __slots__ = ("is_leasing", "lease", "rates", "said", "spent")

    def __init__(self) -> None:
        self.is_leasing = False
        self.lease: _Lease | None = None
        self.spent = Fraction(0)
        self.said: OrderedDict[_CallKind, _Said] = OrderedDict()
        self.rates: OrderedDict[str, _Rate] = OrderedDict()

    def said_of(self, kind: _CallKind) -> _Said:
        """What was said of such calls; where nothing was, the strictest that was said of others, if anything was."""
        known = self.said.get(kind)
        return known or min(self.said.values(), key=lambda one: one.rank, default=_Said(""))

    def pays(self, said: _Said, call_id: str, bound: Fraction) -> bool:
        """Whether there is enough for a call by what was said; if so, it is less from now on."""
        lease = self.lease
        if said.policy == "open" and self.spent + bound <= said.allowance:
            self.spent += bound
            return True
        if said.policy != "lease" or lease is None or time.monotonic() > lease.ends_s:
            return False
        if bound > lease.left:
            return False
        lease.left -= bound
        lease.drawn.append({"id": call_id, "amount": _decimal(bound)})
        return True


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
            said = _said_in(found, fields)
            if said.policy:
                _keep_said(standing, _kind(ask), said)
            if said.policy == "open":
                standing.spent = Fraction(0)
            _keep_rate(standing, ask, found)
            is_paid = isinstance(found, Admitted) and bool(found.held)
            is_due = said.policy == "lease" and is_paid and _is_due(standing)
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
                last = None
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
        lease.left = Fraction(0)  # whatever is answered: it pays for nothing from now on
        self._connections.post("/v1/release", {"id": lease.id})

    def _take_lease(
        self, tenant: str | None, standing: _Standing, amount: Decimal, currency: object
    ) -> None:
        lease = _Lease(uuid4().hex, time.monotonic() + _LEASE_S, Fraction(amount))
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
                standing.lease = lease

    def _standing(self, tenant: str | None) -> _Standing:
        found = self._standings.pop(tenant, None) or _Standing()
        self._standings[tenant] = found
        if len(self._standings) > _TENANTS_MAX:
            self._standings.popitem(last=False)
        return found

    def _passes(self, ask: Ask, standing: _Standing) -> str | None:
        """By what a call is made though the gate is down; None if it is not."""
        said = standing.said_of(_kind(ask))
        if said.policy == _UNLIMITED or (not said.policy and self._default == "open"):
            return "open"
        bound = _bound(ask, standing.rates.get(ask.model or ""))
        is_paid = bound is not None and standing.pays(said, ask.who.id, bound)
        return said.policy if is_paid else None

    def close(self) -> None:
        """Give the leases back: nothing is called any more."""
        for tenant, standing in [*self._standings.items()]:
            if standing.lease is not None:
                self.lease(tenant, None, None)


def _said_in(found: Admitted | Block, fields: Mapping[str, Any]) -> _Said:
    policy = fields.get("on_gate_down")
    if policy in _BY_STRICTNESS[:-1]:
        return _Said(str(policy), Fraction(money(fields.get("allowance")) or 0))
    is_held = isinstance(found, Admitted) and found.decision != "defer"
    return _Said(_UNLIMITED if is_held else "")


def _kind(ask: Ask) -> _CallKind:
    """An action is one of many for which the same holds."""
    labels = (label for label in ask.who.labels.items() if label[0] != "action")
    return (ask.model, *sorted(labels))


def _keep_said(standing: _Standing, kind: _CallKind, said: _Said) -> None:
    standing.said.pop(kind, None)
    standing.said[kind] = said
    if len(standing.said) > _KINDS_MAX:
        standing.said.popitem(last=False)


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
    if lease is None or lease.drawn or not lease.left:
        return True
    return time.monotonic() > lease.ends_s - _LEASE_S / 2


def _decimal(amount: Fraction) -> str:
    """An amount as a decimal text of at most 18 places, rounded up."""
    atto = -(-amount.numerator * 10**18 // amount.denominator)
    return f"{atto // 10**18}.{atto % 10**18:018d}"
