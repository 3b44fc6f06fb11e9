"""An answer read from its bytes, where the caller reads it past the client's parser.

Objects of the JSON become namespaces, so that what reads a client's models reads them too.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, Final

__all__ = ["Kept", "events", "whole"]

_KEPT_MAX_BYTES: Final = 4 * 1024 * 1024
"""A stream's usage comes last: of a longer one, its beginning and its end are kept."""

_DATA: Final = b"data:"


class Kept:
    """The bytes of a response's body as they pass by, bounded: the first part, and the last ones."""

    __slots__ = ("_first", "_headers", "_kind", "_parts", "_size", "is_cut")

    def __init__(self, response: Any = None) -> None:
        self._kind: Any = type(response)
        self._headers: Any = {} if response is None else response.headers
        self._first = b""
        self._parts: deque[bytes] = deque()
        self._size = 0
        self.is_cut = False

    def add(self, part: bytes) -> None:
        if not self._first:
            self._first = part
            return
        self._parts.append(part)
        self._size += len(part)
        while self._size > _KEPT_MAX_BYTES:
            self._size -= len(self._parts.popleft())
            self.is_cut = True

    def content(self) -> bytes:
        """The body as text, by the response's own means where it is compressed; empty where it cannot be read."""
        gap = b"\n\n" if self.is_cut else b""
        content = self._first + gap + b"".join(self._parts)
        encoding = self._headers.get("content-encoding", "identity")
        if encoding == "identity":
            return content
        if self.is_cut:
            return b""
        headers = {"content-encoding": encoding}
        return bytes(self._kind(200, headers=headers, content=content).content)


def whole(content: bytes) -> Any:
    """A JSON body; None if it is none."""
    return _parsed(content) if content.lstrip()[:1] == b"{" else None


def events(content: bytes) -> Iterator[Any]:
    """The JSON objects of an event stream."""
    for line in content.splitlines():
        if line.startswith(_DATA):
            found = whole(line[len(_DATA) :])
            if found is not None:
                yield found


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content, object_hook=lambda found: SimpleNamespace(**found))
    except ValueError:
        return None
