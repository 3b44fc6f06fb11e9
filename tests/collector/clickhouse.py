"""ClickHouse, as far as it can be had: `clickhouse_server.py` in an environment of its own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final
from urllib.request import urlopen

from tests.demo.processes import Child, Children, wait_until
from tests.environments.made import python_with
from tests.queues.brokers import answers, free_port

__all__ = ["ClickHouse", "clickhouse"]

_READY_WITHIN_S: Final = 60


class ClickHouse:
    """Answers statements, and takes what the collector's exporter sends.

    Args:
        child: The server.
        port: Where it listens.
    """

    def __init__(self, child: Child, port: int) -> None:
        self._child, self._address = child, f"http://127.0.0.1:{port}"

    def environment(self, database: str) -> dict[str, str]:
        """The variables of a scenario that writes into a database, which it makes."""
        return {
            "CLICKHOUSE": f"{self._address}?compress=none",
            "CLICKHOUSE_DATABASE": database,
            "CLICKHOUSE_CREATES": "true",
            "CLICKHOUSE_EVERY": "200ms",
        }

    def rows(self, select: str) -> dict[str, str]:
        """What a select of two columns gives, the second by the first."""
        statement = f"{select} FORMAT TSV".encode()
        with urlopen(self._address, data=statement, timeout=10) as answer:
            text: str = answer.read().decode()
        return dict(line.split("\t") for line in text.splitlines())

    def becomes(self, select: str, wanted: dict[str, str]) -> None:
        """Wait until a select gives these rows."""

        def is_there() -> bool:
            return self.rows(select) == wanted

        wait_until(is_there, f"{select} to be {wanted}", 20, (self._child,))


def clickhouse(family: Children, folder: Path) -> ClickHouse:
    """Start it, and wait until it listens.

    Args:
        family: Ends it, whatever happens.
        folder: Takes its data and its log.
    """
    kept = Path(tempfile.gettempdir()) / "otel-genai-cost-environments"
    python, port = python_with(kept, "chdb", ours=None), free_port()
    server = ("-m", "tests.collector.clickhouse_server")
    command: list[str | Path] = [python, *server, str(port), folder / "data"]
    child = family.start("clickhouse", command, folder / "clickhouse.log", os.environ)
    wait_until(lambda: answers(port), "clickhouse to listen", _READY_WITHIN_S, (child,))
    return ClickHouse(child, port)
