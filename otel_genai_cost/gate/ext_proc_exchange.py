"""One request and its answer on their way through Envoy.

A request is held back until its body is here and the gate has said that the call may be made. Of what is no call,
nothing is held back, and no answer waits for its end.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from otel_genai_cost.blocks import Block
from otel_genai_cost.gate.ext_proc_messages import (
    body_answer,
    headers_answer,
    headers_in,
    immediate,
    passed_trailers,
)
from otel_genai_cost.gate.gateway import Gateway, Held
from otel_genai_cost.gate.gateway_call import GatewayCall, call_at, with_body
from otel_genai_cost.gate.gateway_meter import Passed
from otel_genai_cost.gate.passing import Passing
from otel_genai_cost.gate.refusals import refusal
from otel_genai_cost.gate.watch import Watch
from otel_genai_cost.pricing.money import format_money, parse_money

__all__ = ["HOLD_HEADER", "Exchange"]

HOLD_HEADER: Final = "x-genai-cost-hold"
DECISION_HEADER: Final = "x-genai-cost-decision"
_PIECE_BYTES: Final = 1 << 16
_ERRORS_FROM: Final = 400
_MAY_BE_BILLED: Final = frozenset({408, 499, 504, 522, 524})
"""Statuses of a call that ran into a time-out: the provider may have done the work."""


class Exchange:
    """What is done with one request and its answer: for each message of Envoy's, the answers to it.

    Args:
        gateway: admits the call.
        provider: who answers, where the route says.
    """

    def __init__(self, gateway: Gateway, provider: str | None) -> None:
        self._gateway = gateway
        self._provider = provider or gateway.settings.provider
        self._headers: Mapping[str, str] = {}
        self._call: GatewayCall | None = None
        self._held: Held | None = None
        self._body = bytearray()
        self._passing: Passing | None = None
        self._is_decided = self._is_finished = False

    # --- the request ---

    async def request_headers(self, message: Any) -> list[Any]:
        """Look where it goes."""
        headers = self._headers = headers_in(message)
        host = headers.get(":authority", "")
        path, method = headers.get(":path", ""), headers.get(":method", "")
        self._call = call_at(method, path, host, self._provider)
        if self._call is not None and not message.end_of_stream:
            return []
        self._call, self._is_decided = None, True
        self._gateway.events["passed_by"] += 1
        return [headers_answer("request_headers", {})]

    async def request_body(self, message: Any) -> list[Any]:
        """Gather it, until all of it is here or it is too long to be read."""
        if self._is_decided:
            return [body_answer("request_body", message.body, is_end=message.end_of_stream)]
        self._body += message.body
        is_long = len(self._body) > self._gateway.settings.body_max_bytes
        if not (message.end_of_stream or is_long):
            return []
        return await self._decided(is_end=message.end_of_stream)

    async def request_trailers(self, _: Any) -> list[Any]:
        """They stand for the body's end."""
        before = [] if self._is_decided else await self._decided(is_end=False)
        return [*before, passed_trailers("request_trailers")]

    async def _decided(self, *, is_end: bool) -> list[Any]:
        call, body = self._call, bytes(self._body)
        assert call is not None
        is_long = len(body) > self._gateway.settings.body_max_bytes
        read = None if is_long else with_body(call, body)
        if read is None:
            self._gateway.events["unread"] += 1
        found = await self._gateway.admit(read or call, self._headers)
        self._is_decided, self._body = True, bytearray()
        if isinstance(found, Block):
            return [immediate(*refusal(found))]
        self._held = found
        asked, made = found.asked, found.call
        changed = made.content() if made.is_changed else body
        set_headers = {} if made.path == asked.path else {":path": made.path}
        without = ["accept-encoding"] if found.call.is_stream else []
        head = headers_answer("request_headers", set_headers, without)
        return [head, *_pieces("request_body", changed, is_end=is_end)]

    # --- the answer ---

    async def response_headers(self, message: Any) -> list[Any]:
        """Look what comes."""
        held = self._held
        if held is None:
            return [headers_answer("response_headers", {})]
        headers = headers_in(message)
        status = int(headers.get(":status") or 0)
        without: list[str] = []
        if status < _ERRORS_FROM:
            passing = self._passing = self._passing_of(held, headers)
            without = ["content-length", "content-encoding"] if passing.is_unpacked else []
        elif status not in _MAY_BE_BILLED:
            self._is_finished = True
            self._gateway.gate.settle(held.place.id, Decimal(0))
        if message.end_of_stream:
            self.finish()
        said = {HOLD_HEADER: held.place.id, DECISION_HEADER: held.admitted.decision}
        return [headers_answer("response_headers", said, without)]

    def _passing_of(self, held: Held, headers: Mapping[str, str]) -> Passing:
        amount = held.admitted.held
        atto = None if amount is None else parse_money(f"{amount:f}")
        limit = held.call.asked.output_max
        watch = Watch(atto, limit, self._cost, self._extend)
        return Passing(headers, watch, hides_usage=held.call.hides_usage)

    async def response_body(self, message: Any) -> list[Any]:
        """Pass it on, and read it."""
        body, is_end = message.body, message.end_of_stream
        passing = self._passing
        if passing is None:
            return [body_answer("response_body", body, is_end=is_end)]
        if passing.is_cut:
            return []
        out, is_last = await passing.passed(body, is_end=is_end)
        self._gateway.events["cut"] += passing.is_cut
        if is_last:
            self.finish()
        if not (out or is_last):
            return []
        return list(_pieces("response_body", out, is_end=is_last))

    async def response_trailers(self, _: Any) -> list[Any]:
        """They stand for the body's end."""
        passing = self._passing
        if passing is None or passing.is_cut:
            return [passed_trailers("response_trailers")] if passing is None else []
        out, _ = await passing.passed(b"", is_end=True)
        self.finish()
        pieces = list(_pieces("response_body", out, is_end=passing.is_cut)) if out else []
        return pieces if passing.is_cut else [*pieces, passed_trailers("response_trailers")]

    async def _extend(self, held_atto: int) -> bool:
        held, gateway = self._held, self._gateway
        assert held is not None
        amount = Decimal(format_money(held_atto))
        is_granted = await gateway.blocking(gateway.gate.extend, held.place.id, amount)
        gateway.events["extended" if is_granted else "not_extended"] += 1
        return is_granted

    def _cost(self, tokens: int) -> int | None:
        passed = self._passed()
        return None if passed is None else self._gateway.meter.cost(passed, tokens)

    def _passed(self) -> Passed | None:
        held, passing = self._held, self._passing
        if held is None or passing is None or not passing.is_read:
            return None
        return Passed(
            place=held.place,
            call=held.call,
            tenant=held.tenant,
            labels=held.labels,
            answer=passing.answer,
            arrived=passing.arrived,
            is_ended=passing.is_ended and not passing.is_cut,
            end_us=time.time_ns() // 1000,
            host=self._headers.get(":authority", ""),
        )

    def finish(self) -> None:
        """The answer has ended, or the caller has left: journal what it was. What could not be read stays held."""
        if self._is_finished:
            return
        self._is_finished = True
        passed = self._passed()
        if passed is None or not (passed.answer or passed.arrived.text_bytes):
            if self._held is not None:
                self._gateway.events["unread_answer"] += 1
            return
        found = self._gateway.meter.observed(passed)
        if found is not None and found.cost.total is not None:
            amount = Decimal(format_money(found.cost.total))
            self._gateway.gate.settle(passed.place.id, amount)

    def without_us(self, kind: str, request: Any) -> list[Any]:
        """What is answered to a message that we failed at: no call is made that was not admitted, and nothing else is
        kept from passing.

        Args:
            kind: of the message.
            request: the message.
        """
        if kind.startswith("request_") and not self._is_decided:
            self._is_decided = True
            return [immediate(*refusal(Block("gate_unavailable", 503, retry_after_s=1.0)))]
        if kind.endswith("_headers"):
            return [headers_answer(kind, {})]
        if kind.endswith("_trailers"):
            return [passed_trailers(kind)]
        body = getattr(request, kind, None)
        return [] if body is None else [body_answer(kind, body.body, is_end=body.end_of_stream)]


def _pieces(kind: str, body: bytes, *, is_end: bool) -> Iterator[Any]:
    """A body in pieces that are not too long for a message."""
    for start in range(0, max(len(body), 1), _PIECE_BYTES):
        end = start + _PIECE_BYTES
        yield body_answer(kind, body[start:end], is_end=is_end and end >= len(body))
