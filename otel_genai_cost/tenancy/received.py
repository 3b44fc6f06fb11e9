"""The context of a message that was received: built from its envelope and from nothing else.

A worker's own context belongs to whoever came before, or to the request in which it was started. So a message without
an envelope is nobody's.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, cast

from opentelemetry import context, propagate, trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import SpanKind

from otel_genai_cost.errors import guarded
from otel_genai_cost.tenancy import trust
from otel_genai_cost.tenancy.attribution import UNATTRIBUTED, Attribution
from otel_genai_cost.tenancy.binding import attribution_of, bind, capture
from otel_genai_cost.tenancy.carriers import ENVELOPE_FIELDS, entries_in
from otel_genai_cost.tenancy.inbound import came_in
from otel_genai_cost.tenancy.refusals import refuse
from otel_genai_cost.tenancy.scope import Scope

__all__ = ["Received", "envelope_fields", "is_nobodys_message", "received"]

_NOBODYS: Final = context.create_key("genai-cost-nobodys-message")
"""The scope of a message that names nobody."""


class Received(NamedTuple):
    """A message's context, whom it is for, and the scope that its tenant holds in."""

    context: Context
    attribution: Attribution
    scope: Scope

    def close(self) -> None:
        """Its work has ended: what starts from now on is not its own."""
        self.scope.close()

    @contextmanager
    def attached(self) -> Generator[None, None, None]:
        """Its work is done in here."""
        token = context.attach(self.context)
        try:
            yield
        finally:
            self.close()
            context.detach(token)


class _Entries(Getter[dict[str, str]]):
    """Propagators spell their names as they like."""

    def get(self, carrier: dict[str, str], key: str) -> list[str] | None:
        found = carrier.get(key.lower())
        return None if found is None else [found]

    def keys(self, carrier: dict[str, str]) -> list[str]:
        return list(carrier)


_ENTRIES: Final = _Entries()


def envelope_fields() -> frozenset[str]:
    """The names under which the process's propagators write, in lower case."""
    own = (name.lower() for name in propagate.get_global_textmap().fields)
    return frozenset((*ENVELOPE_FIELDS, *own))


def received(carrier: object, scope: Scope | None = None) -> Received:
    """The context of a message. Never raises: of an envelope that cannot be read nothing is known.

    Args:
        carrier: What the message carries its envelope in.
        scope: What its tenant holds in; default: a new one.
    """
    if scope is not None:
        return _received(carrier, scope) or Received(Context(), UNATTRIBUTED, scope)
    scope = Scope()
    message = _received(carrier, scope) or Received(Context(), UNATTRIBUTED, scope)
    if message.attribution.tenant is not None:
        return message
    return message._replace(context=context.set_value(_NOBODYS, scope, message.context))


def is_nobodys_message() -> bool:
    """Whether the current context is of a message that names nobody, and that is being worked on. A process that nobody
    started is none: it serves others."""
    scope = context.get_value(_NOBODYS)
    return isinstance(scope, Scope) and scope.closed_s is None


@guarded("tenancy.received", default=None)
def _received(carrier: object, scope: Scope) -> Received:
    entries = entries_in(carrier, envelope_fields())
    if "baggage" in entries and not trust.is_on():  # which reads all of it
        entries["baggage"] = trust.readable(entries["baggage"], refuse)
    sent = propagate.extract(entries, context=Context(), getter=_ENTRIES)
    below = _below_consumer(came_in(sent, "message"))
    captured = capture(below)
    found = attribution_of(captured)
    if captured is not None and captured.binding is not None:  # a token vouched for it
        scope.signed = captured.binding.scope.signed
        return Received(bind(found, below, scope=scope), found, scope)
    if found.tenant is None:
        return Received(below, found, scope)
    return Received(bind(found._replace(source="envelope"), below, scope=scope), found, scope)


def _below_consumer(sent: Context) -> Context:
    """With the span that is current, if it is the one of this message: of the sender's trace, or linked to it. Of a
    message that names no trace, a consumer's span that nothing stands above, since a request would be named there."""
    span: Any = trace.get_current_span()
    current = span.get_span_context()
    if not current.is_valid:
        return sent
    sender = trace.get_current_span(sent).get_span_context()
    if sender.is_valid:
        traces = {current.trace_id, *(one.context.trace_id for one in _links(span))}
        is_its_own = sender.trace_id in traces
    else:
        is_its_own = (
            getattr(span, "kind", None) == SpanKind.CONSUMER
            and getattr(span, "parent", None) is None
        )
    return trace.set_span_in_context(span, sent) if is_its_own else sent


def _links(span: Any) -> tuple[trace.Link, ...]:
    return tuple(cast("tuple[trace.Link, ...]", getattr(span, "links", None) or ()))
