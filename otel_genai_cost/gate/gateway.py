"""What the requests of a gateway are admitted by, and what is kept of one that was."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Final, NamedTuple, Protocol, TypeVar

from opentelemetry.baggage import get_all
from opentelemetry.baggage.propagation import W3CBaggagePropagator

from otel_genai_cost.admission import Admitted, Ask, Who
from otel_genai_cost.attributes import LABELS
from otel_genai_cost.blocks import Block, BlockType
from otel_genai_cost.gate.gateway_call import GatewayCall
from otel_genai_cost.gate.gateway_meter import GatewayMeter, Place
from otel_genai_cost.tenancy.attribution import tenant_id_of
from otel_genai_cost.tenancy.binding import labels_in

__all__ = [
    "Gateway",
    "GatewaySettings",
    "Held",
    "HoldingGate",
    "labels_in_headers",
    "place_of_request",
]

_R = TypeVar("_R")
_TRACEPARENT_PARTS: Final = 4
_WORKERS: Final = 64
_TRACE_BITS: Final = 128
_SPAN_BITS: Final = 64


class HoldingGate(Protocol):
    """What holds for calls, as `admission.Gate` does. Nothing of it raises."""

    def reserve(self, ask: Ask, /) -> Admitted | Block:
        """Have the most that a call can cost held for it. Blocks."""
        ...

    def extend(self, hold_id: str, amount: Decimal, /) -> bool:
        """Have so much held for a call that is running, in all; whether it may go on. Blocks."""
        ...

    def release(self, hold_id: str, /) -> None:
        """What is held for a call that is not made is free again."""
        ...

    def settle(self, hold_id: str, amount: Decimal, /) -> None:
        """Let a hold have what its call cost, as far as anybody knows before it is booked."""
        ...

    def pause_s(self, found: Admitted | Block, waited_s: float, /) -> float | None:
        """How long to wait before a call is made; None if it is not to wait."""
        ...


class GatewaySettings(NamedTuple):
    """How requests are read.

    Attributes:
        tenant_header: the header that names the tenant, which nobody but the proxy can set.
        provider: who answers, where neither the route nor the host says.
        body_max_bytes: a request's body is read up to this; a longer one is admitted as one of unknown size.
    """

    tenant_header: str
    provider: str | None = None
    body_max_bytes: int = 1 << 25


class Held(NamedTuple):
    """A call that may be made.

    Attributes:
        place: in its trace.
        tenant: whose it is; None if nobody said.
        labels: such as `feature`.
        asked: the call that was asked for.
        call: the call that is made.
        admitted: what the gate said.
    """

    place: Place
    tenant: str | None
    labels: Mapping[str, str]
    asked: GatewayCall
    call: GatewayCall
    admitted: Admitted


class Gateway:
    """Admits the calls of a proxy.

    Args:
        gate: holds what they can come to.
        meter: journals what they were.
        settings: how requests are read.

    Attributes:
        counts: how many calls were admitted, by decision, and refused, by type.
        events: `passed_by` are requests that no model answers, `unread` and `unread_answer` bodies that are not read,
            `extended` and `not_extended` streams that asked for more, `cut` those that were ended before their time.
    """

    def __init__(self, gate: HoldingGate, meter: GatewayMeter, settings: GatewaySettings) -> None:
        self.gate, self.meter, self.settings = gate, meter, settings
        self.counts, self.events = Counter[str](), Counter[str]()
        self._threads = ThreadPoolExecutor(_WORKERS, thread_name_prefix="genai-cost-ext-proc")

    async def blocking(self, function: Callable[..., _R], *args: object) -> _R:
        """Run what blocks on a thread.

        Args:
            function: to run.
            args: what it is called with.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)

    async def admit(self, call: GatewayCall, headers: Mapping[str, str]) -> Held | Block:
        """Have a call admitted, and wait where the gate says that it is to wait.

        Args:
            call: as it is asked for.
            headers: of its request.
        """
        place, tenant = place_of_request(headers, time.time_ns() // 1000), self.tenant_in(headers)
        labels = labels_in_headers(headers)
        ask = Ask(
            Who(place.id, tenant, dimensions_of(labels, place)),
            call.provider,
            call.model,
            call.operation,
            call.asked.input_max,
            call.asked.output_max,
        )
        found = await self.blocking(self.gate.reserve, ask)
        if isinstance(found, Admitted) and found.decision in ("pace", "defer"):
            found = await self._waited(ask, found)
        held = found if isinstance(found, Block) else self._held(ask, call, place, labels, found)
        self.counts[held.type if isinstance(held, Block) else held.admitted.decision] += 1
        return held

    def tenant_in(self, headers: Mapping[str, str]) -> str | None:
        """Whom the proxy says that a request is for; None if it says nobody, or nobody who can be.

        Args:
            headers: of the request.
        """
        return tenant_id_of(headers.get(self.settings.tenant_header))

    async def _waited(self, ask: Ask, found: Admitted) -> Admitted | Block:
        pause_s = self.gate.pause_s(found, 0.0)
        if pause_s is not None:
            await asyncio.sleep(pause_s)
            return found
        self.gate.release(ask.who.id)
        return _block("paced" if found.decision == "pace" else "deferred", ask, found)

    def _held(
        self,
        ask: Ask,
        asked: GatewayCall,
        place: Place,
        labels: Mapping[str, str],
        admitted: Admitted,
    ) -> Held | Block:
        call = _as_admitted(asked, admitted)
        if call is None:
            self.gate.release(place.id)
            return _block("too_large", ask, admitted)
        return Held(place, ask.who.tenant, labels, asked, call.with_usage(), admitted)


def _as_admitted(asked: GatewayCall, admitted: Admitted) -> GatewayCall | None:
    """The call as it may be made; None if it can only be made as it was asked for, which is too dear."""
    call = asked
    if admitted.model is not None and admitted.model != asked.model:
        other = asked.by(admitted.model)
        if other is None:
            return None
        call = other
    most, limit = call.asked.output_max, admitted.max_tokens
    if limit is None or (most is not None and limit >= most):
        return call
    return call.writing(limit) if call.body else None


def place_of_request(headers: Mapping[str, str], now_us: int) -> Place:
    """A span of the gateway's own, below the one that the request names.

    Args:
        headers: of the request.
        now_us: when it came, unix microseconds.
    """
    trace_id, parent_id = _named_in(headers.get("traceparent", ""))
    return Place(
        trace_id or secrets.randbits(_TRACE_BITS),
        secrets.randbits(_SPAN_BITS) or 1,
        parent_id,
        now_us,
    )


def _named_in(traceparent: str) -> tuple[int, int]:
    """Trace and span; 0 for what is not named."""
    parts = traceparent.strip().split("-")
    if len(parts) < _TRACEPARENT_PARTS or len(parts[1]) != 32 or len(parts[2]) != 16:
        return 0, 0
    try:
        return int(parts[1], 16), int(parts[2], 16)
    except ValueError:
        return 0, 0


def dimensions_of(labels: Mapping[str, str], place: Place) -> dict[str, str]:
    """What budgets look at. An action is the trace where nobody names another.

    Args:
        labels: of the call.
        place: of it.
    """
    found = {"action": f"{place.trace_id:032x}", **labels}
    return {name: value for name, value in found.items() if name in LABELS}


def labels_in_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """What the request's baggage says beside the tenant, which the proxy alone names.

    Args:
        headers: of the request.
    """
    if "baggage" not in headers:
        return {}
    return labels_in(get_all(W3CBaggagePropagator().extract({"baggage": headers["baggage"]})))


def _block(kind: BlockType, ask: Ask, admitted: Admitted) -> Block:
    return Block(
        kind,
        402 if kind == "too_large" else 429,
        tenant=ask.who.tenant,
        operation=ask.operation,
        model=ask.model,
        scope=admitted.scope,
        retry_after_s=admitted.retry_after_s,
    )
