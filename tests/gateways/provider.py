"""A provider behind a gateway: it answers in the formats of OpenAI and Anthropic, event by event, and remembers what it
was sent and how much of each stream somebody took."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import zlib
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

__all__ = ["Provider", "Served", "providing"]

WORDS: Final = "word " * 4


class Served:
    """A request, and what became of its answer. `events` were written; `is_whole` if all of them were."""

    def __init__(self, path: str, headers: Mapping[str, str], content: bytes) -> None:
        self.path, self.headers, self.content = path, headers, content
        self.events, self.is_whole, self.is_over = 0, False, threading.Event()

    @property
    def body(self) -> dict[str, Any]:
        """The request's body."""
        try:
            found = json.loads(self.content)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


class Provider:
    """What it was sent. `events` is how many each stream has, `interval_s` the time between them."""

    def __init__(self) -> None:
        self.port = 0
        self.served: list[Served] = []
        self.events, self.interval_s = 20, 0.0
        self.status, self.packs, self.tokens, self.words = 200, False, 100, WORDS

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while True:
                await self._request(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        path = head[0].split(" ")[1]
        pairs = (line.partition(":") for line in head[1:] if line)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        served = Served(path, headers, await _content(reader, headers))
        self.served.append(served)
        try:
            await self._answer(served, reader, writer)
        finally:
            served.is_over.set()

    async def _answer(
        self, served: Served, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        body = served.body
        if self.status != 200:
            await _write(writer, self.status, b'{"error": {"message": "no"}}', {})
        elif body.get("stream") is True:
            await self._stream(served, body, reader, writer)
        else:
            content = json.dumps(self._whole(served.path, body)).encode()
            packed = {"content-encoding": "gzip"} if self.packs else {}
            await _write(writer, 200, gzip.compress(content) if self.packs else content, packed)
            served.is_whole = True

    def _whole(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if path.endswith("/messages"):
            usage = {"input_tokens": 12, "output_tokens": self.tokens}
            return {
                "id": _id(self, "msg_"),
                "type": "message",
                "model": body.get("model"),
                "usage": usage,
            }
        usage = {"prompt_tokens": 12, "completion_tokens": self.tokens}
        choice = {"index": 0, "message": {"role": "assistant", "content": WORDS}}
        return {
            "id": _id(self, "chatcmpl-"),
            "object": "chat.completion",
            "model": body.get("model"),
            "choices": [{**choice, "finish_reason": "stop"}],
            "usage": {**usage, "total_tokens": 12 + self.tokens},
        }

    async def _stream(
        self,
        served: Served,
        body: Mapping[str, Any],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        head = (
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n"
        )
        packer = _packer() if self.packs else None
        writer.write((head + ("content-encoding: gzip\r\n" if packer else "") + "\r\n").encode())
        make = _messages if served.path.endswith("/messages") else _chunks
        for event in make(self, body):
            data = packer(event) if packer else event
            writer.write(b"%x\r\n%s\r\n" % (len(data), data))
            await writer.drain()
            served.events += 1
            await asyncio.sleep(self.interval_s)
            if reader.at_eof() or writer.is_closing():
                raise ConnectionResetError
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        served.is_whole = True


def _packer() -> Any:
    """Packs parts of one gzip stream, each so that it can be read when it is there."""
    packer = zlib.compressobj(wbits=31)
    return lambda data: packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)


def _id(provider: Provider, prefix: str) -> str:
    return f"{prefix}{id(provider):x}{len(provider.served):08d}"


def _chunks(provider: Provider, body: Mapping[str, Any]) -> Iterator[bytes]:
    said = {
        "id": _id(provider, "chatcmpl-"),
        "object": "chat.completion.chunk",
        "created": 1_790_000_000,
    }
    for _ in range(provider.events):
        choice = {"index": 0, "delta": {"content": provider.words}, "finish_reason": None}
        yield _data({**said, "model": body.get("model"), "choices": [choice]})
    end = {"index": 0, "delta": {}, "finish_reason": "stop"}
    yield _data({**said, "model": body.get("model"), "choices": [end]})
    if (body.get("stream_options") or {}).get("include_usage"):
        usage = {"prompt_tokens": 12, "completion_tokens": provider.tokens}
        usage["total_tokens"] = 12 + provider.tokens
        yield _data({**said, "model": body.get("model"), "choices": [], "usage": usage})
    yield b"data: [DONE]\n\n"


def _messages(provider: Provider, body: Mapping[str, Any]) -> Iterator[bytes]:
    message: dict[str, Any] = {
        "id": _id(provider, "msg_"),
        "type": "message",
        "role": "assistant",
        "model": body.get("model"),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 12, "output_tokens": 1},
    }
    yield _named({"type": "message_start", "message": message})
    block = {"type": "text", "text": ""}
    yield _named({"type": "content_block_start", "index": 0, "content_block": block})
    for _ in range(provider.events):
        delta = {"type": "text_delta", "text": provider.words}
        yield _named({"type": "content_block_delta", "index": 0, "delta": delta})
    yield _named({"type": "content_block_stop", "index": 0})
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    usage = {"output_tokens": provider.tokens}
    yield _named({"type": "message_delta", "delta": end, "usage": usage})
    yield _named({"type": "message_stop"})


def _data(said: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(said).encode() + b"\n\n"


def _named(said: Mapping[str, Any]) -> bytes:
    return f"event: {said['type']}\n".encode() + _data(said)


async def _content(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding") == "chunked":
        found = b""
        while size := int(await reader.readline(), 16):
            found += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
        return found
    return await reader.readexactly(int(headers.get("content-length", 0)))


async def _write(
    writer: asyncio.StreamWriter, status: int, content: bytes, more: Mapping[str, str]
) -> None:
    headers = {"content-type": "application/json", "content-length": str(len(content)), **more}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {status} -\r\n{lines}\r\n".encode() + content)
    await writer.drain()


@contextmanager
def providing() -> Generator[Provider]:
    """A provider that serves until the block ends."""
    made, loop = Provider(), asyncio.new_event_loop()

    server = loop.run_until_complete(asyncio.start_server(made.handle, "127.0.0.1", 0))
    made.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        server.close()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left))
        loop.close()
