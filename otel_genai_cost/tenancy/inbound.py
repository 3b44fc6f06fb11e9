"""Where work came in from, and what came with it: that is believed only if somebody vouches for it.

Anybody can send baggage with a request. What came with one is noted beside it, in the context and on the span under
which the request is served, and is not believed; what the application sets in the context later is its own. A message
was written by a service that bound its tenant, so its baggage is believed.

What brought a context is shown by the local root span that begins in it: of kind SERVER for a request, CONSUMER for a
message. The note is made when the context is extracted, because a span may be dropped by a sampler.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from opentelemetry import baggage, context, trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind

from otel_genai_cost import in_place
from otel_genai_cost.forks import Process, here
from otel_genai_cost.otel_api import span_in

__all__ = ["Inbound", "came_in", "enter", "inbound_of", "inherit", "say_bypassed", "say_unbelieved"]

_logger = logging.getLogger("otel_genai_cost")

Origin: TypeAlias = Literal["request", "message"]

_INBOUND: Final = context.create_key("genai-cost-inbound")
_NOTE: Final = "_genai_cost_inbound"
_SERVER: Final = SpanKind.SERVER
_CONSUMER: Final = SpanKind.CONSUMER
_MESSAGE_SCOPES: Final = frozenset({"mcp-python-sdk", "temporalio.contrib.opentelemetry"})
"""Tracers that call what they do with a message SERVER."""


class Inbound:
    """Something that came into this process, and the baggage that came with it.

    `origin` is None until a local root span says what it was; that is not believed either.
    """

    __slots__ = ("entries", "origin")

    def __init__(self, entries: Mapping[str, object], origin: Origin | None = None) -> None:
        self.entries, self.origin = entries, origin

    def set_here(self, entries: Mapping[str, object], vouched: str | None) -> dict[str, object]:
        """Of a context's baggage what did not come from outside, and the entry that is vouched for."""
        came = self.entries
        return {
            key: value
            for key, value in entries.items()
            if key == vouched or key not in came or came[key] != value
        }


def came_in(extracted: Context, origin: Origin | None = None) -> Context:
    """The context, noted as one that came from outside."""
    return context.set_value(_INBOUND, Inbound(baggage.get_all(extracted), origin), extracted)


def inbound_of(current: Context) -> Inbound | None:
    """What brought this context; None if it began in this process."""
    found = current.get(_INBOUND)
    if found is None:
        found = getattr(span_in(current), _NOTE, None)
    return found if isinstance(found, Inbound) else None


def inherit(current: Context, span: trace.Span, over: object) -> Inbound | None:
    """What a span belongs to that starts below another of this process; it keeps that for those below it. Called for
    every span.

    Args:
        current: The context that it starts in.
        span: The span.
        over: The current span of that context.
    """
    found = current.get(_INBOUND) or getattr(over, _NOTE, None)
    if not isinstance(found, Inbound):
        return None
    setattr(span, _NOTE, found)
    return found


def enter(
    current: Context,
    kind: SpanKind | None,
    span: trace.Span | None = None,
    scope: str = "",
    *,
    is_below: bool | None = None,
) -> Inbound | None:
    """What a local root span belongs to: it shows what brought its context.

    Args:
        current: The span's parent context.
        kind: The span's kind.
        span: The span, which keeps the answer for those below it; None for one that a sampler drops.
        scope: The name of its tracer.
        is_below: Whether a span of another process stands above it; None if the caller has not looked.
    """
    found = inbound_of(current)
    origin: Origin | None = "request" if kind is _SERVER else None
    if kind is _CONSUMER or scope in _MESSAGE_SCOPES:
        origin = "message"
    if found is None:
        if origin == "message":
            return None
        if origin is None and not (_is_below(current) if is_below is None else is_below):
            return None
        found = Inbound(baggage.get_all(current))
    if found.origin is None:
        found.origin = origin
    if span is not None:
        setattr(span, _NOTE, found)
    return found


def _is_below(current: Context) -> bool:
    """Whether a span stands above, of this process or another."""
    return trace.get_current_span(current).get_span_context().is_valid


_said: dict[str, Process] = {}
"""What was said already, and in which process."""


def _is_new(what: str) -> bool:
    said = _said.get(what)
    if said is not None and said.mark[0]:
        return False
    _said[what] = here()
    return True


def say_bypassed(source: str) -> None:
    """One line a process: the edge is configured, and was not in a request's way."""
    if _is_new("bypassed"):
        edges = [p.library for p in in_place.places() if p.kind == "edge" and p.state == "on"]
        _logger.error(
            "a request made an LLM call and its tenant was never asked for: OTEL_GENAI_COST_TENANT=%s, but no edge "
            "was in its way (in place: %s); its calls are nobody's (edge_bypassed). Wrap the application in "
            "otel_genai_cost.tenancy.edge.TenantEdge (ASGI) or otel_genai_cost.tenancy.wsgi.TenantEdge (WSGI), or "
            "name the tenant with `with tenant(id):`; see docs/reference/edges.md",
            source,
            ", ".join(edges) or "none",
        )


def say_unbelieved(key: str) -> None:
    """One line a process: baggage of a request named a tenant, and nobody has said that it may."""
    if _is_new("unbelieved"):
        _logger.warning(
            "baggage that came with a request named a tenant and was not believed: anybody can send it. If a gateway "
            "of yours sets it and drops what clients send, say so with OTEL_GENAI_COST_TENANT=baggage:%s",
            key,
        )
