"""A body that is read like a file, seen as it is read: by `read` and its like, to its end, in parts, or half-way.

Whatever is not a way of reading is the body's own.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import wrapt

from otel_genai_instrumentors.bodies import Kept
from otel_genai_instrumentors.method import Answer
from otel_genai_instrumentors.streams import Parts, watch_body, watch_parts

__all__ = ["watch_answer"]


class _Reader(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """What is common to both kinds; `isinstance` takes it for what it wraps."""

    __wrapped__: Any

    def __init__(self, inner: Any, call: Parts) -> None:
        super().__init__(inner)  # pyright: ignore[reportUnknownMemberType]
        self._self_call = call
        self._self_kept = Kept()
        call.keep(self._self_kept)

    def __del__(self) -> None:
        if hasattr(self, "_self_call"):
            self._self_call.abandon()


class _SyncReader(_Reader):
    def read(self, amt: int | None = None, *args: Any, **kwargs: Any) -> bytes:
        return self._self_part(self.__wrapped__.read, amt, *args, **kwargs)

    def read1(self, amt: int | None = None, *args: Any, **kwargs: Any) -> bytes:
        return self._self_part(self.__wrapped__.read1, amt, *args, **kwargs)

    def readinto(self, buffer: Any) -> int:
        count: int = self._self_seen(self.__wrapped__.readinto, buffer)
        self._self_kept.add(bytes(memoryview(buffer)[:count]))
        if not count and len(buffer):
            self._self_call.complete()
        return count

    def readlines(self, *args: Any) -> list[bytes]:
        lines: list[bytes] = self._self_seen(self.__wrapped__.readlines, *args)
        for line in lines:
            self._self_kept.add(line)
        if not args:
            self._self_call.complete()
        return lines

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        return self._self_parts(self.__wrapped__.stream(*args, **kwargs))

    def __iter__(self) -> Iterator[bytes]:
        return self._self_parts(iter(self.__wrapped__))

    def close(self) -> None:
        try:
            self.__wrapped__.close()
        finally:
            self._self_call.leave()

    def _self_part(self, read: Any, amt: int | None, *args: Any, **kwargs: Any) -> bytes:
        part: bytes = self._self_seen(read, amt, *args, **kwargs)
        self._self_kept.add(part)
        if amt is None or amt < 0 or (not part and amt):
            self._self_call.complete()
        return part

    def _self_parts(self, parts: Iterator[bytes]) -> Iterator[bytes]:
        try:
            for part in parts:
                self._self_kept.add(part)
                yield part
        except BaseException as error:
            self._self_call.fail(error)
            raise
        self._self_call.complete()

    def _self_seen(self, read: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return read(*args, **kwargs)
        except BaseException as error:
            self._self_call.fail(error)
            raise


class _AsyncReader(_Reader):
    async def read(self, *args: Any, **kwargs: Any) -> bytes:
        return await self._self_part(self.__wrapped__.read(*args, **kwargs))

    async def readany(self) -> bytes:
        return await self._self_part(self.__wrapped__.readany())

    async def _self_part(self, pending: Any) -> bytes:
        try:
            part: bytes = await pending
        except BaseException as error:
            self._self_call.fail(error)
            raise
        self._self_kept.add(part)
        if self.__wrapped__.at_eof():
            self._self_call.complete()
        return part


def watch_answer(answer: Answer, result: Any, response: Any, call: Parts) -> None:
    """Watch an answer that comes in parts, or that is a body which is read by whoever asked for it.

    Args:
        answer: which it is, and what holds it.
        result: what the client returned, which holds it where the answer says nothing else.
        response: the HTTP response below it; None if unknown.
        call: is shown what comes, and how it ended.
    """
    holder, attribute = result if answer.stream is None else answer.stream, answer.attribute
    if attribute is None:
        watch_body(response, call)
        return
    if not answer.is_read:
        watch_parts(holder, attribute, response, call, answer.below)
        return
    inner = getattr(holder, attribute)
    kind = _AsyncReader if inspect.iscoroutinefunction(inner.read) else _SyncReader
    setattr(holder, attribute, kind(inner, call))
