"""The edge: where a request enters and its tenant is decided, once.

`OTEL_GENAI_COST_TENANT` names the source:

    header:x-org-id            an inbound header
    baggage:org_id             an entry of inbound baggage that a gateway of yours has set
    span:account.id            an attribute that the application sets on its spans
    callable:module:function   a function of yours, called with an EdgeRequest
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from importlib import import_module
from typing import Any, Final, NamedTuple, cast

from opentelemetry import baggage, context, trace

from otel_genai_cost.attributes import TENANT_ID
from otel_genai_cost.errors import ConfigurationError, fence
from otel_genai_cost.tenancy.attribution import Attribution, tenant_id_of
from otel_genai_cost.tenancy.binding import bare, bound, refuse, without_reserved

__all__ = [
    "EdgeRequest",
    "TenantEdge",
    "TenantSource",
    "configure",
    "parse_tenant_source",
    "source",
]

_KINDS: Final = ("header", "baggage", "span", "callable")
_SEEN: Final = "otel_genai_cost.edge"
"""Marks an ASGI scope whose tenant is decided: an application may be wrapped more than once."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class TenantSource(NamedTuple):
    """Where the tenant comes from: the kind, and the name of the header, entry, attribute or function."""

    kind: str
    name: str


class EdgeRequest(NamedTuple):
    """What a tenant function gets to see of a request. Header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]


class _Settings:
    source: TenantSource | None = None


def configure(tenant_source: TenantSource | None) -> None:
    """Set the source; called once, at activation."""
    _Settings.source = tenant_source


def source() -> TenantSource | None:
    """The configured source."""
    return _Settings.source


def parse_tenant_source(text: str) -> TenantSource:
    """Parse `kind:name`. Raises ConfigurationError. A callable's module is imported on its first request: earlier would
    be before the application's own instrumentation."""
    kind, _, name = text.partition(":")
    if kind not in _KINDS or not name:
        raise ConfigurationError(
            "not a tenant source",
            value=text,
            remedy="use header:NAME, baggage:KEY, span:ATTRIBUTE or callable:MODULE:FUNCTION",
        )
    return TenantSource(kind, name.lower() if kind == "header" else name)


@functools.lru_cache(maxsize=8)
def tenant_function(name: str) -> Callable[[EdgeRequest], Any]:
    """The function `MODULE:FUNCTION`. Raises ConfigurationError if it cannot be imported."""
    module, _, attribute = name.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(
            "cannot import the tenant function",
            value=name,
            where=str(error),
            remedy="use callable:MODULE:FUNCTION with a module on the path",
        ) from None
    if not callable(found):
        raise ConfigurationError("the tenant function is not callable", value=name)
    return cast("Callable[[EdgeRequest], Any]", found)


class TenantEdge:
    """ASGI middleware: binds the request's tenant for all of it, streamed body and background tasks included.

    Reserved baggage that came with the request is dropped; a request without a tenant is unattributed, never
    somebody's. Nothing here can fail the request.
    """

    def __init__(self, app: AsgiApp, tenant_source: TenantSource | None = None) -> None:
        self.app = app
        self._source = tenant_source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        tenant_source = self._source or _Settings.source
        inbound = scope.get("type") in ("http", "websocket") and _SEEN not in scope
        if not inbound or tenant_source is None or tenant_source.kind == "span":
            await self.app(scope, receive, send)
            return
        scope[_SEEN] = True
        keep = tenant_source.name if tenant_source.kind == "baggage" else None
        found = Attribution(absent="invalid")
        with fence("tenancy.edge"):
            asked = _ask(tenant_source, scope)
            answer = await asked if inspect.isawaitable(asked) else asked
            found = _attribution(answer, tenant_source.kind)
        token = context.attach(without_reserved(context.get_current(), keep))
        try:
            with bound(found):
                await self.app(scope, receive, send)
        finally:
            context.detach(token)


class _Invalid:
    """An answer that names no tenant, and why."""

    def __init__(self, absent: str) -> None:
        self.absent = absent


def _ask(tenant_source: TenantSource, scope: Scope) -> Any:
    """What the source says of this request: a value, None, or an awaitable of one."""
    if tenant_source.kind == "baggage":
        return bare(baggage.get_baggage(tenant_source.name))
    if tenant_source.kind == "header":
        return _header(scope, tenant_source.name)
    headers = {_text(name).lower(): _text(value) for name, value in scope.get("headers", ())}
    request = EdgeRequest(scope.get("method", ""), scope.get("path", ""), headers)
    return tenant_function(tenant_source.name)(request)


def _header(scope: Scope, wanted: str) -> object:
    """The one value of a header; two that differ contradict each other."""
    values = {
        _text(value) for name, value in scope.get("headers", ()) if _text(name).lower() == wanted
    }
    if len(values) > 1:
        return _Invalid("conflict")
    return values.pop() if values else None


def _text(octets: bytes) -> str:
    return octets.decode("latin-1")


def _attribution(answer: object, kind: str) -> Attribution:
    """Bind what was answered, and show it on the current span."""
    if isinstance(answer, _Invalid):
        refuse(answer.absent)
        return Attribution(absent=answer.absent)
    if answer is None or answer == "":
        return Attribution()
    tenant_id = tenant_id_of(answer)
    if tenant_id is None:
        refuse("invalid")
        return Attribution(absent="invalid")
    trace.get_current_span().set_attribute(TENANT_ID, tenant_id)
    return Attribution(tenant_id, "baggage" if kind == "baggage" else "edge", None)
