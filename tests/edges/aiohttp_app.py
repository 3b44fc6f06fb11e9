"""An aiohttp application with one nested in it: `python -m tests.edges.aiohttp_app PORT`."""

# mypy: disable-error-code="import-not-found, untyped-decorator"
# pyright: reportMissingImports=false, reportUntypedFunctionDecorator=false

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

from aiohttp import web

from tests.edges.calls import call, consume

__all__ = ["app"]


async def _now(request: web.Request) -> web.Response:
    return web.Response(text=call(request.query["id"]))


async def _stream(request: web.Request) -> web.Response:
    async def body() -> AsyncIterator[bytes]:
        yield b"1"
        yield call(request.query["id"]).encode()

    return web.Response(body=body())


async def _ws(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    call(request.query["id"])
    await socket.close()
    return socket


async def _consume(request: web.Request) -> web.Response:
    consume(request.query["id"])
    return web.Response()


app = web.Application()
sub = web.Application()
sub.router.add_get("/now", _now)
app.router.add_get("/now", _now)
app.router.add_get("/stream", _stream)
app.router.add_get("/ws", _ws)
app.router.add_get("/consume", _consume)
app.add_subapp("/sub", sub)

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
