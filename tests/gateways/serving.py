"""Our service for Envoy in a thread of the test's, with a gate that says what the test wants."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from otel_genai_cost.admission import Admitted, Ask
from otel_genai_cost.blocks import Block
from otel_genai_cost.gate.ext_proc import ExtProc
from otel_genai_cost.gate.gateway import Gateway, GatewaySettings
from otel_genai_cost.gate.gateway_meter import GatewayMeter
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.metering.config import load_settings
from otel_genai_cost.metering.prices import watched_prices

__all__ = ["SaidGate", "gateway_into", "observed_in", "serving"]


class SaidGate:
    """A gate that says what the test wants, and remembers what it was asked."""

    def __init__(self) -> None:
        self.says: Admitted | Block = Admitted("allow", Decimal(1))
        self.grants = False
        self.pauses_s: float | None = None
        self.asked: list[Ask] = []
        self.extended: list[Decimal] = []
        self.released: list[str] = []
        self.settled: dict[str, Decimal] = {}

    def reserve(self, ask: Ask) -> Admitted | Block:
        self.asked.append(ask)
        return self.says

    def extend(self, hold_id: str, amount: Decimal) -> bool:
        self.extended.append(amount)
        return self.grants

    def release(self, hold_id: str) -> None:
        self.released.append(hold_id)

    def settle(self, hold_id: str, amount: Decimal) -> None:
        self.settled[hold_id] = amount

    def pause_s(self, found: Admitted | Block, waited_s: float) -> float | None:
        return self.pauses_s


@contextmanager
def gateway_into(folder: Path, gate: Any, **settings: Any) -> Generator[Gateway]:
    """A gateway whose observations are journalled in a folder.

    Args:
        folder: the journal's.
        gate: that is asked.
        settings: of the gateway.
    """
    journal = Journal([folder])
    meter = GatewayMeter(watched_prices(load_settings().settings).value, journal)
    try:
        yield Gateway(gate, meter, GatewaySettings("x-tenant-id", **settings))
    finally:
        journal.close()


@contextmanager
def serving(gateway: Gateway) -> Generator[int]:
    """Serve for as long as the block lasts; gives the port.

    Args:
        gateway: that is served.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> tuple[ExtProc, int]:
        made = ExtProc(gateway)
        return made, await made.start("127.0.0.1:0")

    service, port = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield port
    finally:
        asyncio.run_coroutine_threadsafe(service.stop(0.5), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def observed_in(folder: Path) -> list[dict[str, Any]]:
    """The records of calls in a journal, in their order.

    Args:
        folder: of the journal.
    """
    lines = [
        line for path in sorted(folder.glob("*.jsonl*")) for line in path.read_bytes().splitlines()
    ]
    records = [json.loads(line.partition(b" ")[2]) for line in lines]
    return [record for record in records if "trace_id" in record]
