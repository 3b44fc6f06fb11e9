"""Answers queries by ClickHouse's own code, inside this process: `python clickhouse_program.py ENTRIES_CSV`.

On its input, a line of JSON each: the statement that makes the table, and queries. It prints a line of JSON for each
query, with its rows; decimals are text.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module


def main(entries: str) -> None:
    """Make the table, load it, and answer."""
    table = json.loads(sys.stdin.readline())
    session = import_module("chdb.session").Session()
    settings = "output_format_json_quote_64bit_integers = 0, output_format_json_quote_decimals = 1"
    session.query("CREATE DATABASE ledger")
    session.query("USE ledger")
    session.query(table)
    session.query(f"INSERT INTO entries FROM INFILE '{entries}' FORMAT CSVWithNames")
    for asked in sys.stdin:
        found = session.query(f"{json.loads(asked)} SETTINGS {settings}", "JSONEachRow")
        print(json.dumps([json.loads(line) for line in str(found).split("\n") if line]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
