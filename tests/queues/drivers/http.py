"""HTTP: services of FastAPI and Flask, which are asked by several clients in turn."""

from __future__ import annotations

import asyncio
import os
import threading
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import aiohttp
import fastapi
import flask
import httpx
import requests
import uvicorn
from werkzeug.serving import make_server

from tests.queues.application import awork, main, outside, sending, wait_until_finished, work

__all__: list[str] = []

_ADDRESS = os.environ["QUEUE_ADDRESS"]
_PORT = int(_ADDRESS.rpartition(":")[2])
_IS_FLASK = os.environ["QUEUE_WAY"] == "flask"


async def _by_aiohttp(url: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        answer.raise_for_status()


async def _by_httpx(url: str) -> None:
    async with httpx.AsyncClient(timeout=60) as client:
        (await client.get(url)).raise_for_status()


_CLIENTS: tuple[Callable[[str], object], ...] = (
    lambda url: requests.get(url, timeout=60).raise_for_status(),
    lambda url: httpx.get(url, timeout=60).raise_for_status(),
    lambda url: asyncio.run(_by_httpx(url)),
    lambda url: asyncio.run(_by_aiohttp(url)),
    lambda url: urllib.request.urlopen(url, timeout=60).read(),
)


def produce() -> None:
    _wait_until_up()
    for at, message in enumerate(sending()):
        _CLIENTS[at % len(_CLIENTS)](f"http://{_ADDRESS}/job/{message}")


def _wait_until_up() -> None:
    while True:
        try:
            httpx.get(f"http://{_ADDRESS}/", timeout=60)
            return
        except httpx.ConnectError:
            time.sleep(0.1)


def consume() -> None:
    stop = _served_by_flask() if _IS_FLASK else _served_by_fastapi()
    wait_until_finished()
    stop()
    outside("stopped")


def _served_by_fastapi() -> Callable[[], object]:
    application = fastapi.FastAPI()

    @application.get("/job/{message}")
    async def job(message: str) -> Any:
        await awork(message)

    server = uvicorn.Server(uvicorn.Config(application, port=_PORT, log_level="warning"))
    threading.Thread(target=server.run).start()
    return lambda: setattr(server, "should_exit", True)


def _served_by_flask() -> Callable[[], object]:
    application = flask.Flask(__name__)

    @application.get("/job/<message>")
    def job(message: str) -> Any:
        work(message)
        return ""

    server = make_server("127.0.0.1", _PORT, application, threaded=True)
    threading.Thread(target=server.serve_forever).start()
    return server.shutdown


if __name__ == "__main__":
    main(produce, consume)
