"""How much may be on its way at once, in requests and in bytes. What finds no room is told to come again: its sender
keeps it, where it has a queue for that, and nothing piles up here."""

from __future__ import annotations

from threading import Lock
from types import TracebackType

__all__ = ["FullError", "Room", "Stay"]


class FullError(Exception):
    """There is no room."""


class Room:
    """Room for requests. Safe for threads.

    Args:
        requests_max: How many may be on their way at once.
        bytes_max: How many bytes they may have together, as they come and unpacked.

    Attributes:
        requests: How many are on their way.
        bytes: How many bytes they have, and those that are still coming in, as far as they have come.
    """

    def __init__(self, requests_max: int, bytes_max: int) -> None:
        self.requests_max, self.bytes_max = requests_max, bytes_max
        self.requests = self.bytes = 0
        self._lock = Lock()

    def stay(self) -> Stay:
        """A request's own part of the room, given back at the end of a `with`."""
        return Stay(self)

    def take(self, requests: int, size_bytes: int) -> None:
        """Take room, or give it back by numbers below 0.

        Args:
            requests: For how many.
            size_bytes: For how many bytes.

        Raises:
            FullError: if there is none; nothing is taken then.
        """
        with self._lock:
            more, larger = self.requests + requests, self.bytes + size_bytes
            is_full = more > self.requests_max or larger > self.bytes_max
            if is_full and (requests > 0 or size_bytes > 0):
                raise FullError
            self.requests, self.bytes = more, larger


class Stay:
    """What one request takes of the room."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._requests = self._bytes = 0

    def hold(self, size_bytes: int) -> None:
        """Take room for so many more bytes.

        Raises:
            FullError: if there is none.
        """
        self._room.take(0, size_bytes)
        self._bytes += size_bytes

    def enter(self) -> None:
        """Be one of the requests on their way.

        Raises:
            FullError: if there are too many.
        """
        self._room.take(1, 0)
        self._requests = 1

    def __enter__(self) -> Stay:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._room.take(-self._requests, -self._bytes)
