"""A way to a server on which replies are lost: what was asked is processed, and the connection is closed instead."""

from __future__ import annotations

import random
import socket
import threading
from contextlib import suppress
from typing import Final

__all__ = ["Relay"]

_CHUNK_BYTES: Final = 65_536


class Relay:
    """Listens on a port of its own and passes on to another; of replies it loses one in so many.

    Args:
        to: the server's port.
        one_in: how many replies there are to one that is lost.
    """

    def __init__(self, to: int, one_in: int) -> None:
        self.to, self.lost, self.passed = to, 0, 0
        self._one_in, self._draw = one_in, random.Random(3)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Listen no longer."""
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                self._join(client)

    def _join(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self.to))
        except OSError:
            client.close()
            return
        for run in (self._requests, self._replies):
            threading.Thread(target=run, args=(client, server), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while chunk := client.recv(_CHUNK_BYTES):
                server.sendall(chunk)
        with suppress(OSError):
            server.shutdown(socket.SHUT_WR)

    def _replies(self, client: socket.socket, server: socket.socket) -> None:
        """A reply is there once its first bytes are: its request was processed."""
        with suppress(OSError), client, server:
            while chunk := server.recv(_CHUNK_BYTES):
                if not self._draw.randrange(self._one_in):
                    self.lost += 1
                    client.shutdown(socket.SHUT_RDWR)
                    return
                self.passed += 1
                client.sendall(chunk)
