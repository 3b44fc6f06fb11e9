"""What a run is metered with: the real processor, journal and ledger, and what they charged."""

from __future__ import annotations

import gc
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from opentelemetry.sdk.trace import TracerProvider

from otel_genai_cost.cli.usage_json import PARTS
from otel_genai_cost.ledger.charge import Explanation, charges, explain
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.posting.position import Position
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.metering.activation import attach
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.cost import Cost
from otel_genai_cost.pricing.load import load_book
from otel_genai_cost.pricing.rate import price
from otel_genai_cost.usage.leaves import Usage, partition
from otel_genai_cost.usage.read import Reading
from otel_genai_instrumentors.client import ClientInstrumentor
from otel_genai_instrumentors.open_calls import drain

__all__ = ["Charged", "Meter", "cost_of_bill", "usage_of_bill"]

_BOOK: Final[Book] = load_book()


class Charged(NamedTuple):
    """A charge, and the one observation that it rests on."""

    position: Position
    reading: Reading


class Meter:
    """A tracer provider that is metered, with a journal and a ledger of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._journal = folder / "journal"
        self._provider = TracerProvider()
        attach(self._provider, journal=self._journal, quiet=True)
        self._seen: set[str] = set()

    @contextmanager
    def tracing(self) -> Generator[None]:
        """The application traces, and nobody meters."""
        with TracerProvider().get_tracer("application").start_as_current_span("case"):
            yield

    @contextmanager
    def instrumenting(self, instrumentor: ClientInstrumentor) -> Generator[None]:
        """The client is metered, and what it does is below a span of the application's own."""
        instrumentor.instrument(tracer_provider=self._provider)
        try:
            with self._provider.get_tracer("application").start_as_current_span("case"):
                yield
        finally:
            instrumentor.uninstrument()

    def charged(self) -> list[Charged]:
        """What was charged since the last time. What nobody goes on with may be held by cycles until now."""
        return self._fresh() or (gc.collect() and self._fresh()) or []

    def _fresh(self) -> list[Charged]:
        drain()
        ship(self._folder, [self._journal], drain=True)
        with closing(Ledger(self._folder / LEDGER_FILE, readonly=True)) as ledger:
            fresh = [c.charge_id for c in charges(ledger) if c.charge_id not in self._seen]
            self._seen.update(fresh)
            explained = (explain(ledger, charge_id) for charge_id in fresh)
            return [_charged(one) for found in explained for one in found]


def _charged(one: Explanation) -> Charged:
    """A charge of a call that one observation describes, and one tenant pays."""
    assert one.charge is not None
    (stored,) = one.members
    (position,) = one.charge.positions
    return Charged(position, stored.observation.reading)


def usage_of_bill(line: Mapping[str, Any]) -> Usage:
    """The leaves of what the stand-in billed."""
    billed: Mapping[str, int] = line["usage"]
    parts = {leaf: billed[key] for key, leaf in PARTS.items() if billed.get(key)}
    if billed.get("seconds"):
        parts["media_ms"] = billed["seconds"] * 1000
    return partition(billed["input_tokens"], billed["output_tokens"], parts)


def cost_of_bill(line: Mapping[str, Any], at_us: int) -> Cost:
    """What `genai-cost price` says of what the stand-in billed."""
    usage = usage_of_bill(line)
    return price(_BOOK, line["provider"], line["model"], usage, at_us, line["context"])
