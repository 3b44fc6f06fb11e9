"""Two applications of no framework, ASGI and WSGI, that make one LLM call for each request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.edges.calls import call

__all__ = ["asgi", "wsgi"]


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """A call within the request."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    call(scope["query_string"].decode())
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"1"})


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
    """The same."""
    call(environ["QUERY_STRING"])
    start_response("200 OK", [])
    yield b"1"
