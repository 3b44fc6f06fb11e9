"""A PostgreSQL of a test's own, that it may kill and start again, and what stands in the tables of a sink."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg

from otel_genai_exporters.postgresql import PostgresqlSink
from tests.demo.processes import Child, Children, children, wait_until
from tests.queues.brokers import BROKERS, answers, free_port

__all__ = ["PASSWORDS", "Server", "asked", "server"]

PASSWORDS: Final = "host all all 127.0.0.1/32 scram-sha-256\n"
"""Who is let in, where everybody needs a password."""


class Server:
    """The server.

    Args:
        folder: for its files.
        started: ends it.
    """

    def __init__(self, folder: Path, started: Children) -> None:
        self._folder, self._started = folder, started
        self._port, self._starts = free_port(), 0
        self._command, self.address, _ = BROKERS["postgresql"](folder, self._port)
        self._child: Child | None = None

    @property
    def data(self) -> Path:
        """Its own files."""
        return self._folder / "postgresql"

    def start(self) -> None:
        """Start it, and wait until it lets somebody in."""
        self._starts += 1
        log = self._folder / f"{self._starts}.log"
        self._child = self._started.start("postgresql", self._command, log, {**os.environ})
        wait_until(lambda: answers(self._port), "PostgreSQL to listen", 60, (self._child,))
        wait_until(self._is_up, "PostgreSQL to let somebody in", 60, (self._child,))

    def kill(self) -> None:
        """End it and all it started, without a last word."""
        assert self._child is not None
        self._child.kill()

    def again(self) -> None:
        """Have it read its settings again."""
        os.kill(int((self.data / "postmaster.pid").read_text("utf-8").split()[0]), signal.SIGHUP)

    def _is_up(self) -> bool:
        try:
            psycopg.connect(self.address).close()
        except psycopg.OperationalError as error:
            return "password" in str(error)
        return True


@contextmanager
def server(folder: Path) -> Generator[Server]:
    """A server that is up, until the end of the block.

    Args:
        folder: for its files, empty.
    """
    with children() as started:
        found = Server(folder, started)
        found.start()
        yield found


def asked(sink: PostgresqlSink, statement: str) -> list[tuple[Any, ...]]:
    """The rows that a statement gives, in a connection of its own."""
    given: Any = sink._given
    with psycopg.connect(**given) as db:
        words: Any = statement
        done = db.execute(words)
        return done.fetchall() if done.description else []
