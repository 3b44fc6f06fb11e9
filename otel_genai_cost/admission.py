"""Asking a gate before a call is made: what it may cost is held, more of it while it runs, and let go.

Off unless a gate is configured: then `gates` is empty, and nothing else here runs. Nothing here raises.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeVar

from otel_genai_cost.blocks import Block
from otel_genai_cost.errors import Seldom, guarded
from otel_genai_cost.forks import Process, here, in_child
from otel_genai_cost.gate_down import Standings
from otel_genai_cost.gate_protocol import Admitted, Ask, GateDownError, OnGateDown, Who, answer_in

if TYPE_CHECKING:  # HTTP, and with it TLS, is loaded only where there is a gate to ask
    from otel_genai_cost.gate_connection import GateConnections

__all__ = ["Admitted", "Ask", "Gate", "Who", "configure", "counts", "gates"]

_R = TypeVar("_R")
_logger = logging.getLogger("otel_genai_cost")
_WORKERS_MAX: Final = 16
_PAYMENT_REQUIRED, _TOO_MANY, _UNAVAILABLE = 402, 429, 503

counts: dict[str, int] = {}
"""How often this process was told each decision, by its name, and each type of block; `down` each call for which the
gate could not be asked, with `open` and `lease` those of them that were made; `malformed` answers without sense;
`extended` and `cut` what became of streams that outgrew their holds; `unreleased` holds that end by their time."""

_counting = threading.Lock()


class Gate:
    """The gate that this process asks.

    Args:
        connections: to it.
        on_gate_down: what becomes of calls of tenants of which it has said nothing yet while it is down.
        wait_s: how long a call waits at most where the gate says that there will be room soon.
        who_of: of a span that has begun, the call that it is; None if it is not metered.
    """

    def __init__(
        self,
        connections: GateConnections,
        on_gate_down: OnGateDown,
        wait_s: float,
        who_of: Callable[[Any], Who | None],
    ) -> None:
        self._connections, self.wait_s, self.who_of = connections, wait_s, who_of
        self._standings = Standings(connections, on_gate_down)
        self._lock = threading.Lock()
        self._pool: tuple[Process, ThreadPoolExecutor] | None = None

    # --- asking ---

    def reserve(self, ask: Ask) -> Admitted | Block:
        """Have the most that a call can cost held for it. Blocks for as long as the time-out at most."""
        return self._reserve(ask) or Admitted("allow")

    @guarded("gate.reserve", None)
    def _reserve(self, ask: Ask) -> Admitted | Block:
        try:
            reply = self._connections.post("/v1/reserve", ask.body())
            found = answer_in(reply, ask)
        except GateDownError as error:
            return self._without_gate(ask, str(error))
        if found is None:
            _count("malformed")
            return self._without_gate(ask, f"its answer makes no sense (status {reply.status})")
        if self._standings.learn(ask, found, reply.fields) and isinstance(found, Admitted):
            currency = reply.fields.get("currency")
            self.in_background(self._standings.lease, ask.who.tenant, found.held, currency)
        _count(found.type if isinstance(found, Block) else found.decision)
        return found

    def extend(
        self, hold_id: str, amount: Decimal | None = None, *, max_tokens: int | None = None
    ) -> bool:
        """Have more held for a call that is running; whether it may go on. While the gate is down it may.

        Args:
            hold_id: of the call.
            amount: the most that it can come to by now, in all.
            max_tokens: or the output that it can have by now, in all.
        """
        size = {"max_tokens": max_tokens} if amount is None else {"amount": f"{amount:f}"}
        return self._extend({"id": hold_id, **size}) is not False

    @guarded("gate.extend", None)
    def _extend(self, body: Mapping[str, Any]) -> bool:
        try:
            reply = self._connections.post("/v1/extend", body)
        except GateDownError as error:
            _count("down")
            _say(
                "extend", "the gate is down (%s): streams go on beyond what is held for them", error
            )
            return True
        _count("extended" if reply.status < _PAYMENT_REQUIRED else "cut")
        return reply.status not in (_PAYMENT_REQUIRED, _TOO_MANY)

    def release(self, hold_id: str) -> None:
        """Nothing was sent: what is held for a call is free again. In the background."""
        self.in_background(self._report, "/v1/release", {"id": hold_id})

    def settle_at_nothing(self, hold_id: str) -> None:
        """The provider refused a call, and bills nothing for it. In the background."""
        self.settle(hold_id, Decimal(0))

    def settle(self, hold_id: str, amount: Decimal) -> None:
        """Let a hold have what its call cost, as far as anybody knows before it is booked. In the background."""
        self.in_background(self._report, "/v1/settle", {"id": hold_id, "amount": f"{amount:f}"})

    @guarded("gate.release", None)
    def _report(self, path: str, body: Mapping[str, Any]) -> None:
        try:
            self._connections.post(path, body)
        except GateDownError:
            _count("unreleased")  # ends by its time

    def in_background(self, function: Callable[..., _R], *args: Any) -> Future[_R] | None:
        """Run something on a thread of ours; None if there can be none any more, as at the end of a process.

        Args:
            function: does not raise.
            args: what it is called with.
        """
        with self._lock:
            pool = self._pool
            if pool is None or pool[0] is not here():
                executor = ThreadPoolExecutor(_WORKERS_MAX, thread_name_prefix="genai-cost-gate")
                pool = self._pool = (here(), executor)
        try:
            return pool[1].submit(function, *args)
        except RuntimeError:
            return None

    def forked(self) -> None:
        """In the child: no thread of the parent's is here, and a lock may be held by one."""
        self._lock, self._pool = threading.Lock(), None
        self._standings.forked()

    def close(self) -> None:
        """Give back what is held for nobody yet: nothing is called any more."""
        self._standings.close()

    def _without_gate(self, ask: Ask, why: str) -> Admitted | Block:
        passed = self._standings.passes(ask)
        _count("down")
        _say("down", "the gate is down (%s): calls are admitted as their budgets say for that", why)
        if passed is not None:
            _count(passed)
            return Admitted("allow")
        return Block(
            "gate_unavailable",
            _UNAVAILABLE,
            tenant=ask.who.tenant,
            operation=ask.operation,
            model=ask.model,
            retry_after_s=1.0,
        )

    # --- waiting ---

    def pause_s(self, found: Admitted | Block, waited_s: float) -> float | None:
        """How long to wait before a call is made, or asked for again; None if it is not to wait (any more)."""
        wants_s = found.retry_after_s
        may_wait = isinstance(found, Admitted) or found.status == _TOO_MANY
        is_pause = isinstance(found, Block) or found.decision == "pace"
        if not (may_wait and is_pause) or wants_s is None or waited_s + wants_s > self.wait_s:
            return None
        return max(wants_s, 0.01)


gates: list[Gate] = []
"""The gate, if there is one: asked by every call, and nearly always empty."""


def configure(gate: Gate | None) -> None:
    """Ask this gate from now on; None to ask none. Leases are given back at the end of the process."""
    gates[:] = () if gate is None else (gate,)
    if gate is not None:
        atexit.register(gate.close)


def _forked() -> None:
    global _counting
    _counting = threading.Lock()
    counts.clear()
    for gate in gates:
        gate.forked()


in_child(_forked)


def _count(name: str) -> None:
    with _counting:
        counts[name] = counts.get(name, 0) + 1


_said = Seldom()


def _say(key: str, text: str, *args: object) -> None:
    """A warning, once a minute."""
    if _said.may_say(key):
        _logger.warning(text, *args)
