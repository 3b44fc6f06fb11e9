"""A connection of HTTP whose every step works until one moment: a socket's own time-out begins anew with each byte."""

from __future__ import annotations

import socket
import time
from http.client import HTTPConnection
from io import BufferedReader, RawIOBase
from typing import Any, cast

__all__ = ["give_time", "left_s", "timed"]


def left_s(deadline_s: float) -> float:
    """How long there is until a moment of the monotonic clock.

    Raises:
        TimeoutError: if it has passed.
    """
    left = deadline_s - time.monotonic()
    if left <= 0:
        raise TimeoutError("no answer in time")
    return left


def timed(connection: HTTPConnection, sock: socket.socket) -> HTTPConnection:
    """A connection over a socket that is open.

    Args:
        connection: to speak by.
        sock: to speak over.
    """
    connection.sock = cast("socket.socket", _Timed(sock))
    return connection


def give_time(connection: HTTPConnection, deadline_s: float) -> None:
    """Let what is sent and read from now on be done by a moment.

    Args:
        connection: one that `timed` made.
        deadline_s: on the monotonic clock.
    """
    cast("_Timed", connection.sock).deadline_s = deadline_s


class _Timed:
    """A socket that works until a moment."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock, self.deadline_s = sock, 0.0

    def sendall(self, data: Any) -> None:
        self._sock.settimeout(left_s(self.deadline_s))
        self._sock.sendall(data)

    def makefile(self, *_: Any, **__: Any) -> BufferedReader:
        return BufferedReader(_Incoming(self))

    def receive_into(self, buffer: Any) -> int:
        self._sock.settimeout(left_s(self.deadline_s))
        return self._sock.recv_into(buffer)

    def close(self) -> None:
        self._sock.close()

    def __del__(self) -> None:
        """Of a thread that has ended; Python warns of a socket that is left to it."""
        self._sock.close()


class _Incoming(RawIOBase):
    """What comes on such a socket."""

    def __init__(self, timed: _Timed) -> None:
        super().__init__()
        self._timed = timed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        return self._timed.receive_into(buffer)
