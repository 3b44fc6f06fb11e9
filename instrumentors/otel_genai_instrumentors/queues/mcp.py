"""MCP: `_meta` of each request, both ways. Over HTTP, whom a request is for is what the server's edge says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

from otel_genai_cost.tenancy.envelope import inject
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.queueing import (
    Call,
    QueueInstrumentor,
    calls_back,
    sends,
    where,
    works,
)

__all__ = ["McpInstrumentor"]

_DISPATCHER: Final = "mcp.shared.jsonrpc_dispatcher"
_CLIENT: Final = "mcp.client.session"


def _is_stream(call: Call) -> bool:
    """It came over stdio, or to a client. What came by HTTP runs in the context of its own request, and what is
    dispatched in one process, by MCP 2, in its caller's."""
    came = call.args[0]
    metadata = getattr(came, "message_metadata", None)
    is_http = getattr(metadata, "request_context", None) is not None
    return not is_http and type(came).__module__ in (_DISPATCHER, "mcp.shared.session")


def _meta(call: Call) -> object:
    params: dict[str, object] | None = call.argument(2, "params")
    return None if params is None else params.get("_meta")


def _meta_v1(call: Call) -> object:
    return getattr(call.args[0].request_meta, "model_extra", None)


def _put_v1(call: Call) -> Call:
    """MCP 2 injects by itself. What asks for no work has no parameters."""
    request = call.argument(0, "request")
    params: Any = getattr(request.root, "params", None)
    if params is None:
        return call
    known: dict[str, Any] = {} if params.meta is None else params.meta.model_dump(exclude_none=True)
    meta = cast("Any", type(params)).Meta(**inject(known))
    params = params.model_copy(update={"meta": meta})
    return call.replaced(
        0, "request", type(request)(request.root.model_copy(update={"params": params}))
    )


def _stream(module: str, path: str, carrier: Callable[[Call], object]) -> Patch:
    return Patch(module, path, where(_is_stream, works(carrier)), optional=True)


class McpInstrumentor(QueueInstrumentor):
    """What a server is asked over stdio; what a client is asked while it waits: sampling, elicitation, roots. Whatever
    else a session's own tasks call is nobody's, and not for whom the session was opened."""

    library = "mcp"
    requirements = ("mcp >= 1.10",)
    places = (
        _stream("mcp.server.runner", "ServerRunner._on_request", _meta),
        _stream(_CLIENT, "ClientSession._on_request", _meta),
        _stream(_CLIENT, "ClientSession._on_notify", lambda _: None),
        Patch(_DISPATCHER, "_shielded_progress", calls_back(0, "fn", lambda _: None)),
        Patch("mcp.shared.session", "BaseSession.send_request", sends(_put_v1)),
        Patch("mcp.shared.session", "BaseSession._receive_loop", works(lambda _: None)),
        _stream("mcp.server.lowlevel.server", "Server._handle_request", _meta_v1),
        _stream(_CLIENT, "ClientSession._received_request", _meta_v1),
    )
