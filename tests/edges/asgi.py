"""A plain ASGI application, and the same in FastAPI, with one mounted in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

from fastapi import BackgroundTasks, FastAPI, WebSocket
from fastapi.responses import StreamingResponse

from tests.edges.calls import call, consume

__all__ = ["api", "plain"]


async def plain(scope: Any, receive: Any, send: Any) -> None:
    """`/now` and `/stream`; background work is what is done after the response, as frameworks do it."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    name = parse_qs(scope["query_string"].decode())["id"][0]
    if scope["type"] == "websocket":
        await receive()
        call(name)
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close"})
        return
    path = scope["path"]
    if path.endswith("/now"):
        call(name)
    if path == "/consume":
        consume(name)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"1", "more_body": True})
    if path == "/stream":
        call(name)
    await send({"type": "http.response.body"})
    if path == "/later":
        call(name)


api = FastAPI()
sub = FastAPI()
api.mount("/sub", sub)


@sub.get("/now")
@api.get("/now")
async def now(id: str) -> str:  # noqa: A002 -- the query's name
    """A call within the request."""
    return call(id)


@api.get("/thread")
def thread(id: str) -> str:  # noqa: A002
    """A call in a thread of the framework's pool."""
    return call(id)


@api.get("/stream")
async def stream(id: str) -> StreamingResponse:  # noqa: A002
    """A call while the body is sent."""

    async def body() -> AsyncIterator[str]:
        yield "1"
        yield call(id)

    return StreamingResponse(body())


@api.get("/later")
async def later(id: str, tasks: BackgroundTasks) -> str:  # noqa: A002
    """A call after the response."""
    tasks.add_task(call, id)
    return id


@api.get("/consume")
async def consumed(id: str) -> str:  # noqa: A002
    """A call by a consumer that serves all requests."""
    consume(id)
    return id


@api.websocket("/ws")
async def ws(socket: WebSocket, id: str) -> None:  # noqa: A002
    """A call in a websocket."""
    await socket.accept()
    call(id)
    await socket.close()
