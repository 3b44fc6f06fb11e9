"""The schema of a ledger's file, and the number of its format: `PRAGMA user_version`, and `format` in `meta`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

__all__ = ["FORMAT", "statements"]

FORMAT: Final = 2


def statements() -> Iterator[str]:
    """The statements that make what is not there, one by one: a script would end the transaction that it is run in."""
    text = Path(__file__).with_name("schema.sql").read_text(encoding="utf-8")
    lines = (line for line in text.splitlines() if not line.startswith("--"))
    for statement in "\n".join(lines).split(";"):
        if statement.strip():
            yield statement
