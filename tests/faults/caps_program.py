"""The processes that are killed: a gate, and a shipper."""

from __future__ import annotations

import os
import time
from pathlib import Path

from otel_genai_cost.cli.gate.serve import serve
from otel_genai_cost.gate.cached import CachedStore, open_backend
from otel_genai_cost.gate.gate import Gate
from otel_genai_cost.gate.mirror import GateSink
from otel_genai_cost.gate.sqlite_store import SqliteStore
from otel_genai_cost.gate.tokens import TOKENS_FILE, Tokens
from otel_genai_cost.ledger.daemon import ship as ship_into
from otel_genai_cost.pricing.load import load_book

_BOOK = load_book()


def _clock_us() -> int:
    return time.time_ns() // 1000


def gate(home: str, address: str | None, port: int) -> None:
    """As `genai-cost gate serve` does it."""
    folder = Path(home)
    store = (
        SqliteStore(folder, [folder / "journal"])
        if address is None
        else CachedStore(open_backend(address), _clock_us)
    )
    tokens = Tokens(folder / TOKENS_FILE, _clock_us)
    serve(Gate(store, tokens, lambda: _BOOK, folder), "127.0.0.1", port)


def ship(home: str, address: str | None, port: int) -> None:
    """As `genai-cost ship --follow` does it."""
    os.nice(5)
    folder = Path(home)
    sinks = [] if address is None else [GateSink(open_backend(address), _clock_us)]
    ship_into(folder, [folder / "journal"], sinks=sinks, follow=True)
