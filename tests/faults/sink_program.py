"""Feeds a sink until it is killed: `python -m tests.faults.sink_program KIND FOLDER ADDRESS LAST`.

Each batch is given twice, and the one before it once more. It prints the last entry of each batch; after entry LAST, if
that is not 0, what the store has, as JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from otel_genai_cost.ledger.day_sums import DaySum, Verifiable
from otel_genai_cost.ledger.sink import Sink, load_sink

__all__ = ["BATCH", "LEDGER", "sums"]

LEDGER: Final = "ledger-1"
BATCH: Final = 40

_OPENED: Final[Mapping[str, Callable[[Path, str], Sink]]] = {
    "duckdb": lambda folder, address: load_sink("duckdb", path=folder / "charges.duckdb"),
    "parquet": lambda folder, address: load_sink(
        "parquet", path=folder, **({"to": str(folder), **json.loads(address)})
    ),
    "postgresql": lambda folder, address: load_sink(
        "postgresql", path=folder / "aside.sqlite", address=address
    ),
    "clickhouse": lambda folder, address: load_sink(
        "clickhouse", path=folder / "aside.sqlite", address=address, database="genai_cost"
    ),
    "iceberg": lambda folder, address: load_sink("iceberg", path=folder / "table"),
    "delta": lambda folder, address: load_sink("delta", path=folder / "table"),
    "pulsar": lambda folder, address: load_sink(
        "pulsar", path=folder / "aside.sqlite", topic="entries", url=address
    ),
}


def main(kind: str, folder: str, address: str, last: int) -> None:
    from tests.exporters.entries import entries

    sink = _OPENED[kind](Path(folder), address)
    mark = sink.mark()
    seq = mark.seq if mark else 0
    while not last or seq < last:
        batch = entries(2 * BATCH, first=max(1, seq - BATCH + 1))
        for _ in range(2):
            sink.append(LEDGER, batch)
        seq = batch[-1].seq
        print(seq, flush=True)
    assert isinstance(sink, Verifiable)
    print(json.dumps({"days": sums(sink.days(last)), "summed": _summed(sink)}), flush=True)
    sink.close()


def sums(days: Iterable[DaySum]) -> list[list[Any]]:
    """Sums of days as JSON has them, in order."""
    return sorted([str(one.day), one.currency, one.entries, one.amount] for one in days)


def _summed(sink: Any) -> list[Any] | None:
    """What a roll-up has, where the store keeps one: entries, and atto."""
    if type(sink).__name__ != "ClickHouseSink":
        return None
    words = "SELECT sum(entries), toString(sum(amount)) FROM {database}.entries_by_minute"
    ((number, amount),) = sink._to.rows(words)
    return [number, amount]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
