"""aiohttp's server. The edge is around the protocol's own call: there the response is sent too, streamed body
included, and nested applications are below it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from otel_genai_cost.tenancy.edge import Arrived, arrived, within
from otel_genai_instrumentors.edges.edge import EdgeInstrumentor
from otel_genai_instrumentors.patching import Patch

__all__ = ["AiohttpServerEdgeInstrumentor"]


def _handled(
    wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    request = args[0] if args else kwargs["request"]
    # No key of ours in the request: its storage warns of those. One edge is all it passes.
    return within({}, lambda: _arrived(request), lambda: wrapped(*args, **kwargs))


def _arrived(request: Any) -> Arrived:
    return arrived(request.method, request.path, request.headers.items())


class AiohttpServerEdgeInstrumentor(EdgeInstrumentor):
    """An edge around each request of aiohttp's server."""

    library = "aiohttp-server"
    requirements = ("aiohttp >= 3.8",)
    places = (Patch("aiohttp.web_protocol", "RequestHandler._handle_request", _handled),)
