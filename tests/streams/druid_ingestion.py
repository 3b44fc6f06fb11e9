"""The supervisor of stream-config/, on a Druid and a Kafka of a test, and what its tables are asked."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.pricing.instants import rfc3339
from tests.demo.processes import ROOT, wait_until
from tests.streams.druid_server import Druid

__all__ = ["Ingestion", "sums_of"]

_CONFIG: Final = ROOT / "stream-config" / "druid"
_SEEN_WITHIN_S: Final = 240
_NINE: Final = 10**9
_ASKED_MAX: Final = 5
_NOBODY: Final = ("Could not find segment walker for datasource", "SegmentMissingException")
"""What Druid says while the only process that has a table is dead."""


class Ingestion:
    """A table of Druid that is fed from a topic.

    Args:
        druid: which Druid.
        kafka: the address of the broker.
        topic: which holds the entries.
    """

    def __init__(self, druid: Druid, kafka: str, topic: str) -> None:
        self._druid, self.table = druid, topic.replace("-", "_")
        spec = json.loads((_CONFIG / "supervisor.json").read_text("utf-8"))
        spec["spec"]["dataSchema"]["dataSource"] = self.table
        io = spec["spec"]["ioConfig"]
        io["topic"] = topic
        io["consumerProperties"]["bootstrap.servers"] = kafka
        io["taskDuration"] = "PT30M"
        io |= {"startDelay": "PT1S", "period": "PT2S"}
        self._spec = spec

    def start(self) -> None:
        """Submit the supervisor."""
        self._druid.ask("coordinator", "/druid/indexer/v1/supervisor", self._spec)

    def command(self, word: str) -> Any:
        """Tell the supervisor something, such as `suspend`.

        Args:
            word: what.
        """
        path = f"/druid/indexer/v1/supervisor/{self.table}/{word}"
        return self._druid.ask("coordinator", path, {}, "POST")

    def state(self) -> dict[str, Any]:
        """What the supervisor says of itself."""
        path = f"/druid/indexer/v1/supervisor/{self.table}/status"
        found: dict[str, Any] = self._druid.ask("coordinator", path)["payload"]
        return found

    def is_suspended(self) -> bool:
        """Whether it is, and its tasks have handed over what they had."""
        state = self.state()
        return state["state"] == "SUSPENDED" and not (
            state["activeTasks"] or state["publishingTasks"]
        )

    def empty(self) -> None:
        """Drop what the table has, and wait until nothing of it is served."""
        path = f"/druid/coordinator/v1/datasources/{self.table}"
        self._druid.ask("coordinator", path, method="DELETE")

        def is_gone() -> bool:
            served: list[str] = self._druid.ask("broker", "/druid/v2/datasources")
            return self.table not in served

        wait_until(is_gone, "segments to go", _SEEN_WITHIN_S, self._druid.processes)

    def asked(self, statement: str, *parameters: str) -> list[list[Any]]:
        """The rows of a file of stream-config/, asked of this table; none as long as there is no table, or
        nobody who has it.

        Args:
            statement: the name of the file.
            parameters: texts that stand for its question marks.
        """
        text = (
            (_CONFIG / statement)
            .read_text("utf-8")
            .replace("FROM genai_cost", f"FROM {self.table}")
        )
        try:
            rows: list[list[Any]] = []
            for _ in range(_ASKED_MAX):
                rows = self._druid.sql(text, *parameters)
                if all(row[-1] in (True, "true") for row in rows):
                    return rows
            raise AssertionError(f"no sound answer: {rows}")
        except OSError as error:
            if any(one in str(error) for one in (f"Object '{self.table}' not found", *_NOBODY)):
                return []
            raise

    def sums(self, ledger_id: str) -> dict[tuple[str, str], tuple[int, int]]:
        """Count and sum of what it has, by day and currency, in 1e-18 of a unit."""
        return {
            (day, currency): (entries, (whole * _NINE + nine) * _NINE + eighteen)
            for day, currency, entries, _, whole, nine, eighteen, _ in self.asked(
                "by-day.sql", ledger_id
            )
        }

    def wait_for(self, ledger_id: str, entries: int) -> None:
        """Wait until it has so many entries of a ledger."""

        def is_there() -> bool:
            return sum(one for one, _ in self.sums(ledger_id).values()) >= entries

        wait_until(is_there, f"{entries} entries in Druid", _SEEN_WITHIN_S, self._druid.processes)


def sums_of(entries: Iterable[Entry]) -> dict[tuple[str, str], tuple[int, int]]:
    """Count and sum of entries, by day and currency, in 1e-18 of a unit."""
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for entry in entries:
        day = rfc3339(entry.occurred_us)[:10]
        count, amount = found.get((day, entry.currency), (0, 0))
        found[day, entry.currency] = count + 1, amount + entry.amount
    return found
