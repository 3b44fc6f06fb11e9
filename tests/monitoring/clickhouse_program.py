"""Answers queries over a ledger's entries by ClickHouse's own code: `python clickhouse_program.py HOME FOLDER`.

The entries get there by the sink. On its input, a line of JSON each, come queries; it prints a line of JSON for each of
them, with its rows; decimals are text.
"""

from __future__ import annotations

import json
import sys
from contextlib import closing
from pathlib import Path

from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.sink import feed
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_exporters.clickhouse import ClickHouseSink


def main(home: Path, folder: Path) -> None:
    """Feed the store, and answer."""
    address = f"chdb://{folder / 'clickhouse'}"
    sink = ClickHouseSink(folder / "aside.sqlite", address, database="genai_cost")
    with closing(Ledger(home / LEDGER_FILE)) as ledger:
        feed(ledger, sink)
    client = sink._to._opened()
    client.command("USE genai_cost")
    settings = {
        "output_format_json_quote_64bit_integers": 0,
        "output_format_json_quote_decimals": 1,
    }
    for asked in sys.stdin:
        found = client.raw_query(json.loads(asked), settings=settings, fmt="JSONEachRow").decode()
        print(json.dumps([json.loads(line) for line in found.split("\n") if line]), flush=True)
    sink.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
