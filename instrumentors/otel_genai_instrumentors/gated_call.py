"""A call that a gate is asked for before it is sent. Beyond that it is a call like any other."""

from __future__ import annotations

import logging
from collections.abc import Generator
from typing import Any, Final, NamedTuple

from opentelemetry.trace import StatusCode

from otel_genai_cost import attributes as names
from otel_genai_cost.admission import Admitted, Ask, Gate, gates
from otel_genai_cost.blocks import Block, BlockType, mark
from otel_genai_cost.errors import BlockedCallError, Seldom, guarded
from otel_genai_cost.usage.asked import Asked, asked
from otel_genai_instrumentors.attempts import is_refusal
from otel_genai_instrumentors.call import Call
from otel_genai_instrumentors.gated_method import GatedMethod, Refused
from otel_genai_instrumentors.held import Held, measured
from otel_genai_instrumentors.method import Method, Prepared
from otel_genai_instrumentors.spans import CallTracer

__all__ = ["GatedCall", "Go", "Refusing", "Step", "begin_gated"]

_logger = logging.getLogger("otel_genai_cost")
_WITHOUT_OUTPUT: Final = frozenset({"embeddings", "rerank", "moderation", "classification"})
"""Operations that write no tokens."""


class Go(NamedTuple):
    """The call is to be sent with these arguments; `is_changed` if they are not those that it came with."""

    kwargs: dict[str, Any]
    is_changed: bool = False


class Refusing(NamedTuple):
    """The call is not to be sent, and ends in this error."""

    block: Block
    error: BaseException


Step = Ask | float
"""What is to be done before it goes on: a gate to be asked, or so many seconds to be waited."""


class GatedCall(Call):
    """Such a call.

    Args:
        method: the row of the method that was called.
        tracer: starts the span.
        instance: what the method was called on.
        prepared: its arguments, as they came.
        host: where the client sends the request; None if unknown.
        port: likewise.
    """

    held: Held | None = None
    is_refused = False

    def __init__(
        self,
        method: Method,
        tracer: CallTracer,
        instance: Any,
        prepared: Prepared,
        host: str | None,
        port: int | None,
    ) -> None:
        super().__init__(method, tracer, instance, prepared, host, port)
        self._instance = instance

    @property
    def method(self) -> Method:
        """What is known of its method."""
        return self._method

    def admission(self, kwargs: dict[str, Any]) -> Generator[Step, Any, Go | Refusing]:
        """What becomes of the call, step by step; each step's answer is sent in.

        Args:
            kwargs: what the method is called with.
        """
        gate = gates[0] if gates else None
        ask = None if gate is None else self._ask(gate, kwargs)
        if gate is None or ask is None:
            return Go(kwargs)
        waited_s = 0.0
        found: Admitted | Block = yield ask
        while (pause_s := gate.pause_s(found, waited_s)) is not None:
            yield pause_s
            waited_s += pause_s
            if isinstance(found, Admitted):  # paced: it is held, and was waited for
                self._learned[names.GATE_DECISION] = found.decision
                found = found._replace(decision="allow")
                break
            found = yield ask
        decided = found if isinstance(found, Block) else self._decided(gate, ask, found, kwargs)
        if isinstance(decided, Block):
            return self._refusing(decided, kwargs)
        return decided or Go(kwargs)

    @guarded("gate.ask", None)
    def _ask(self, gate: Gate, kwargs: dict[str, Any]) -> Ask | None:
        who = gate.who_of(self._span)
        if who is None:
            return None
        method = self._method
        body = method.body(kwargs)
        size = Asked() if body is None else asked(body)
        most = 0 if method.operation in _WITHOUT_OUTPUT else size.output_max
        provider = self._start.get(names.GEN_AI_PROVIDER_NAME)
        return Ask(who, provider, self.model or None, method.operation, size.input_max, most)

    @guarded("gate.decide", None)
    def _decided(
        self, gate: Gate, ask: Ask, admitted: Admitted, kwargs: dict[str, Any]
    ) -> Go | Block:
        """What an admission makes of the call."""
        block = self._instead_of(ask, admitted)
        go = None if block is not None else self._changed(ask, admitted, kwargs)
        if go is None:
            gate.release(ask.who.id)
            return block or _block(ask, admitted, "too_large", 402)
        if admitted.decision != "allow":
            self._learned[names.GATE_DECISION] = admitted.decision
        if admitted.decision == "warn":
            _say_warned(admitted.scope)
        is_bounded = ask.max_tokens is not None or admitted.is_shrunk
        self.held = Held(gate, ask, admitted, is_bounded=is_bounded)
        return go

    def _instead_of(self, ask: Ask, admitted: Admitted) -> Block | None:
        """What a decision is that does not let the call be made now."""
        kinds: dict[str, BlockType] = {"defer": "deferred", "pace": "paced"}
        kind = kinds.get(admitted.decision)
        return None if kind is None else _block(ask, admitted, kind, 429)

    def _changed(self, ask: Ask, admitted: Admitted, kwargs: dict[str, Any]) -> Go | None:
        """The arguments as far as they are paid for; None if they cannot be made so."""
        facts = self._facts()
        changed: dict[str, Any] | None = kwargs
        if admitted.model is not None and admitted.model != ask.model:
            changed = facts.model(facts.place, kwargs, admitted.model)
            self._note_model(admitted.model)
        tokens, wanted = admitted.max_tokens, ask.max_tokens
        is_less = tokens is not None and (wanted is None or tokens < wanted)
        is_meant = admitted.is_shrunk or bool(wanted)
        if changed is not None and tokens is not None and is_less and is_meant:
            changed = facts.with_limit(changed, tokens, ask.provider)
        if changed is None:
            return None
        self._kwargs = changed
        return Go(changed, changed is not kwargs)

    def _facts(self) -> GatedMethod:
        facts = self._method.gate
        assert facts is not None
        return facts

    def _note_model(self, model: str) -> None:
        self._learned[names.MODEL_ASKED] = self.model
        self._learned[names.GEN_AI_REQUEST_MODEL] = self.model = model

    def _refusing(self, block: Block, kwargs: dict[str, Any]) -> Refusing:
        """End the span: nothing was sent. The error is the client's own."""
        error = self._error_of(block, kwargs) or BlockedCallError(block.message)
        mark(error, block)
        self._note_block(block, error)
        return Refusing(block, error)

    @guarded("gate.refusal", None)
    def _error_of(self, block: Block, kwargs: dict[str, Any]) -> BaseException:
        return self._facts().refusal(self._instance, kwargs, Refused(block))

    @guarded("gate.block", None)
    def _note_block(self, block: Block, error: BaseException) -> None:
        kind = type(error)
        self._learned[names.GATE_DECISION] = "block"
        self._learned[names.GATE_SCOPE] = block.scope or block.type
        self._learned[names.ERROR_TYPE] = f"{kind.__module__.split('.')[0]}.{kind.__qualname__}"
        self._learned[names.REQUEST_SENT] = False
        self._asked = None
        self._span.set_status(StatusCode.ERROR)
        self.is_refused = True
        self._finish()

    def settle(self, result: Any) -> Any:
        """As of any call; what the application answers itself is no answer of a provider's."""
        return result if self.is_refused else super().settle(result)

    def cut(self) -> None:
        """The answer has outgrown what is held for it, and ends here."""
        self._learned[names.GATE_DECISION] = "cut"
        self._learned[names.UNFINISHED] = True
        self.leave()

    def _again(self) -> Call | None:
        """A further answer of the same call, which was not asked for."""
        other = super()._again()
        if isinstance(other, GatedCall):
            other.held = None
        return other

    def _finish(self, end_ns: int | None = None) -> None:
        held, self.held = self.held, None
        if held is not None:
            self._let_go(held)
        super()._finish(end_ns)

    @guarded("gate.let_go", None)
    def _let_go(self, held: Held) -> None:
        """Give back what is held for a call that cannot be billed; what was used settles itself, by its observation."""
        learned = self._learned
        status = learned.get(names.HTTP_RESPONSE_STATUS_CODE)
        output = learned.get(names.GEN_AI_USAGE_OUTPUT_TOKENS)
        if learned.get(names.REQUEST_SENT) is False:
            held.gate.release(held.id)
        elif status is not None and is_refusal(status) and not self.attempts.unanswered:
            if output is None:
                held.gate.settle_at_nothing(held.id)
        elif self._arrived is not None and names.UNFINISHED not in learned:
            thought = learned.get(names.GEN_AI_USAGE_REASONING) or 0
            said = output - thought if type(output) is int else None
            measured(self.model, said, self._arrived.text_bytes)


begin_gated = guarded("instrumentor.begin", None)(GatedCall)
"""Such a call that begins now."""


def _block(ask: Ask, admitted: Admitted, kind: BlockType, status: int) -> Block:
    return Block(
        kind,
        status,
        tenant=ask.who.tenant,
        operation=ask.operation,
        model=ask.model,
        scope=admitted.scope,
        retry_after_s=admitted.retry_after_s,
    )


_warned = Seldom()


def _say_warned(scope: str | None) -> None:
    """Of each scope, once a minute."""
    if _warned.may_say(scope):
        _logger.warning(
            "the budget of %s is nearly used up; calls are still made", scope or "somebody"
        )
