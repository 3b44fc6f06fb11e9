"""How long a server of PostgreSQL is waited for: one that cannot be reached, and one that is there and says nothing."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import psycopg

__all__ = ["CONNECTION", "hung_up_after"]

CONNECTION: Final = {
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
    "application_name": "genai-cost",
}
"""What libpq is told of a connection unless an address says otherwise: who is not there is not waited for long."""


@contextmanager
def hung_up_after(
    timeout_s: float, connection: Callable[[], psycopg.Connection[Any] | None]
) -> Generator[None, None, None]:
    """End the waiting for a server whose machine answers for it, but which is frozen or whose disk hangs: libpq has no
    limit for that. Whatever the block waits for fails then.

    Args:
        timeout_s: how long the block may take.
        connection: the one that it uses now, if it has one.
    """
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(timeout_s):
            if (db := connection()) is not None:
                _hang_up(db)

    watching = threading.Thread(target=watch, name="genai-cost-hang-up", daemon=True)
    watching.start()
    try:
        yield
    finally:
        is_over.set()
        watching.join()


def _hang_up(db: psycopg.Connection[Any]) -> None:
    import psycopg

    with (
        suppress(OSError, psycopg.Error),  # it ended at this moment
        socket.socket(fileno=os.dup(db.fileno())) as stream,
    ):
        stream.shutdown(socket.SHUT_RDWR)
