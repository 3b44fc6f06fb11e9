"""A client's coroutine inside one of ours."""

from __future__ import annotations

from types import CoroutineType
from typing import Any

__all__ = ["Owned", "like"]


class Owned:
    """The client's coroutine inside ours. If ours is thrown away before it began, the client's goes with it, silently:
    what there is to warn of, Python says of ours."""

    __slots__ = ("coroutine",)

    def __init__(self, coroutine: Any) -> None:
        self.coroutine = coroutine

    def __del__(self) -> None:
        if type(coroutine := self.coroutine) is CoroutineType:
            coroutine.close()


def like(pending: Any, coroutine: Any) -> Any:
    """A coroutine of ours named like the client's, where it is seen in a traceback or a warning.

    Args:
        pending: the client's; nothing is done unless it is a coroutine itself, and not some tool's that stands between.
        coroutine: ours.
    """
    if type(pending) is CoroutineType:
        coroutine.__name__, coroutine.__qualname__ = pending.__name__, pending.__qualname__
    return coroutine
