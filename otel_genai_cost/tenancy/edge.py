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
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, MutableMapping
from importlib import import_module
from typing import Any, Final, NamedTuple, NoReturn, TypeVar, cast
from urllib.parse import unquote_plus

from opentelemetry import baggage, context

from otel_genai_cost.attributes import TENANT_TOKEN
from otel_genai_cost.errors import ConfigurationError, fence
from otel_genai_cost.tenancy import trust
from otel_genai_cost.tenancy.attribution import Attribution, tenant_id_of
from otel_genai_cost.tenancy.binding import TENANT_KEY, bare, current_binding
from otel_genai_cost.tenancy.decided import SEEN, Decided, decided_for
from otel_genai_cost.tenancy.inbound import inbound_of
from otel_genai_cost.tenancy.refusals import not_counted, refuse
from otel_genai_cost.tenancy.tokens import Signed
from otel_genai_cost.vocabulary import Absence

__all__ = [
    "ASKED",
    "Arrived",
    "EdgeRequest",
    "TenantEdge",
    "TenantSource",
    "arrived",
    "asked_source",
    "configure",
    "decide",
    "decide_later",
    "parse_tenant_source",
    "source",
    "span_attribute_of",
    "within",
]

ASKED: Final = ("header", "callable")
"""Kinds of sources that nobody but an edge can ask."""

_BY_TOKEN: Final = "token"
"""The kind of source inside: where none is configured and tokens decide, another service of the team has vouched."""

_KINDS: Final = (*ASKED, "baggage", "span")
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
_T = TypeVar("_T")


class TenantSource(NamedTuple):
    """Where the tenant comes from: the kind, and the name of the header, entry, attribute or function."""

    kind: str
    name: str

    def __str__(self) -> str:
        """As a setting spells it."""
        return f"{self.kind}:{self.name}"


def span_attribute_of(source: TenantSource | None) -> str:
    """The attribute of a span that names its tenant.

    Args:
        source: Where the tenant comes from, if anybody said that.
    """
    return source.name if source is not None and source.kind == "span" else TENANT_KEY


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


def asked_source(own: TenantSource | None = None) -> TenantSource | None:
    """The source that a request is asked for: `own`, else the configured one; without one its token, where tokens
    decide. None if requests say nothing."""
    found = own or _Settings.source
    if found is None:
        return TenantSource(_BY_TOKEN, TENANT_TOKEN) if trust.is_on() else None
    return None if found.kind == "span" else found


def parse_tenant_source(text: str) -> TenantSource:
    """Parse `kind:name`.

    A callable's module is imported on its first request: earlier would be before the application's own instrumentation.

    Raises:
        ConfigurationError: if it is no tenant source.
    """
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
    """Import the function `MODULE:FUNCTION`.

    Raises:
        ConfigurationError: if it cannot be imported, or is no function.
    """
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


class Arrived(NamedTuple):
    """A request at its edge, as far as sources look at it.

    Args:
        values: The values of a header, by its name in lower case.
        described: What a tenant function gets to see.
    """

    values: Callable[[str], Iterable[str]]
    described: Callable[[], EdgeRequest]


def arrived(
    method: str,
    path: str,
    headers: Iterable[tuple[str, str]],
    spelled: Callable[[str], str] = str.lower,
) -> Arrived:
    """A request as it arrived.

    Args:
        method: GET, POST, ….
        path: without the query.
        headers: names and values.
        spelled: makes names comparable, where a protocol loses how they are written.
    """
    pairs = [(spelled(name), value) for name, value in headers]

    def values(wanted: str) -> list[str]:
        return [value for name, value in pairs if name == spelled(wanted)]

    return Arrived(values, lambda: EdgeRequest(method, path, dict(pairs)))


class TenantEdge:
    """ASGI middleware: binds the request's tenant for all of it, streamed body and background tasks included.

    Reserved baggage that came with the request is dropped; a request without a tenant is unattributed, never
    somebody's. Nothing here can fail the request.
    """

    def __init__(self, app: AsgiApp, tenant_source: TenantSource | None = None) -> None:
        self.app = app
        self._source = tenant_source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("type") not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        await within(
            scope,
            lambda: _of_asgi(scope),
            lambda: self.app(scope, receive, send),
            self._source,
        )


def _of_asgi(scope: Scope) -> Arrived:
    headers = ((_text(name), _text(value)) for name, value in scope.get("headers", ()))
    return arrived(scope.get("method", ""), scope.get("path", ""), headers)


def _text(octets: bytes) -> str:
    return octets.decode("latin-1")


async def within(
    request: MutableMapping[str, Any],
    arrival: Callable[[], Arrived],
    proceed: Callable[[], Awaitable[_T]],
    tenant_source: TenantSource | None = None,
) -> _T:
    """Go on with a request in its tenant's name. It may pass several edges: its tenant is decided at the first, and
    bound again wherever somebody has built a context of its own since.

    Args:
        request: What goes with the request through all of them, and keeps what was decided.
        arrival: The request, as sources look at it.
        proceed: The rest of the way.
        tenant_source: The source, if it isn't the configured one.
    """
    asked = asked_source(tenant_source)
    if asked is None:
        return await proceed()
    known = decided_for(request)
    if known is not None:
        with known.attached():
            return await proceed()
    decided = request[SEEN] = await decide_later(asked, arrival)
    try:
        with decided.attached():
            return await proceed()
    finally:
        decided.close()


def decide(tenant_source: TenantSource, arrival: Callable[[], Arrived]) -> Decided:
    """Whom a request is for. Never raises: what fails is counted, and the request is nobody's (`invalid`)."""
    with fence("tenancy.edge"):
        answer = _ask(tenant_source, arrival())
        if inspect.iscoroutine(answer):
            _refuse_coroutine(answer, tenant_source)
        return _decided(answer, tenant_source.kind)
    return Decided(Attribution(absent="invalid"))


def _refuse_coroutine(answer: Coroutine[Any, Any, Any], tenant_source: TenantSource) -> NoReturn:
    """An answer that a synchronous server cannot await."""
    answer.close()
    raise ConfigurationError(
        "an asynchronous tenant function cannot be asked by a synchronous server",
        value=tenant_source.name,
        where="OTEL_GENAI_COST_TENANT",
        remedy="name a function that returns the tenant",
    )


async def decide_later(tenant_source: TenantSource, arrival: Callable[[], Arrived]) -> Decided:
    """As `decide`, with a tenant function that may be asynchronous."""
    with fence("tenancy.edge"):
        asked = _ask(tenant_source, arrival())
        answer = await asked if inspect.isawaitable(asked) else asked
        return _decided(answer, tenant_source.kind)
    return Decided(Attribution(absent="invalid"))


class _Invalid:
    """An answer that names no tenant, and why."""

    def __init__(self, absent: Absence) -> None:
        self.absent: Absence = absent


def _ask(tenant_source: TenantSource, request: Arrived) -> Any:
    """What the source says of this request: a value, None, or an awaitable of one."""
    if tenant_source.kind == _BY_TOKEN:
        is_counted = inbound_of(context.get_current()) is not None
        return trust.read(
            request.values("baggage"), None, not_counted if is_counted else refuse
        ).signed
    if tenant_source.kind == "baggage":
        entries = _entries(request.values("baggage"), tenant_source.name)
        return _one_of(entries) or _extracted(tenant_source.name)
    if tenant_source.kind == "header":
        return _one_of(request.values(tenant_source.name))
    return tenant_function(tenant_source.name)(request.described())


def _extracted(name: str) -> object:
    """The value that a propagator has read from something else than a baggage header. Where none has run, the context
    is still that of whoever has started the server."""
    return None if current_binding() is not None else bare(baggage.get_baggage(name))


def _entries(headers: Iterable[str], wanted: str) -> Iterable[str]:
    """The values of an entry in baggage, read here because no propagator may have run yet."""
    for entry in ",".join(headers).split(","):
        name, _, value = entry.split(";", 1)[0].partition("=")
        if unquote_plus(name).strip() == wanted:
            yield unquote_plus(value).strip()


def _one_of(values: Iterable[str]) -> object:
    """The one value; two that differ contradict each other. Some servers join those of a repeated header."""
    found = {part.strip() for value in values for part in value.split(",")}
    if len(found) > 1:
        return _Invalid("conflict")
    return found.pop() if found else None


def _decided(answer: object, kind: str) -> Decided:
    if isinstance(answer, Signed):
        return Decided(trust.attribution_by(answer), answer)
    return Decided(_attribution(answer, kind))


def _attribution(answer: object, kind: str) -> Attribution:
    """What was answered, as an attribution."""
    if isinstance(answer, _Invalid):
        refuse(answer.absent)
        return Attribution(absent=answer.absent)
    if answer is None or answer == "":
        return Attribution()
    tenant_id = tenant_id_of(answer)
    if tenant_id is None:
        refuse("invalid")
        return Attribution(absent="invalid")
    return Attribution(tenant_id, "baggage" if kind == "baggage" else "edge", None)
