"""What is there in this process, for the start-up line and for `doctor`: a tracer provider that we meter, who else gets
its spans, which clients and edges are in place."""

from __future__ import annotations

import logging
import sys
import time
from contextlib import suppress
from typing import Any, Final, NamedTuple

from opentelemetry import trace

from otel_genai_cost import in_place
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.metering.config import Settings
from otel_genai_cost.metering.providers import exporters_of, is_of_sdk, processor_of, unwrapped
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.tenancy import trust

__all__ = ["Presence", "presence", "say", "start_up_line"]

_logger = logging.getLogger("otel_genai_cost")
_DAY_US: Final = 86_400_000_000


class Presence(NamedTuple):
    """What is there in a process.

    Attributes:
        provider: The tracer provider's class, with its module; None if it is none of the SDK.
        is_metered: Whether our processor is on it.
        exporters: Who else gets its spans, by class.
        places: What of ours is in place in which library.
    """

    provider: str | None
    is_metered: bool
    exporters: tuple[str, ...]
    places: tuple[in_place.Place, ...]


def presence(given: Any = None) -> Presence:
    """What is there now.

    Args:
        given: The tracer provider to look at; None for the global one.
    """
    outer: Any = trace.get_tracer_provider() if given is None else given
    provider = unwrapped(outer)
    if not is_of_sdk(provider):
        return Presence(None, False, (), in_place.places())
    kind = f"{type(outer).__module__}.{type(outer).__qualname__}"
    metered = processor_of(provider) is not None
    return Presence(kind, metered, exporters_of(provider), in_place.places())


def start_up_line(found: Presence, settings: Settings, book: Book, journal: Journal) -> str:
    """The line that a process writes when metering starts.

    Args:
        found: What is there.
        settings: How it is set up.
        book: The prices in use.
        journal: Where observations are written.

    Returns:
        What is metered, who else gets the spans, where tenants come from, the prices, the journal and how durable a
        call is, without an end of line.
    """
    return "; ".join(
        (
            _metered(settings, found),
            _clients(found),
            _tenants(settings, found),
            _prices(settings, book),
            f"journal {journal.folder or 'NOT WRITABLE, kept in memory'}",
            f"durability {settings.durability}"
            + (f", sent to {settings.ship_to}" if settings.ship_to else ""),
        )
    )


def _metered(settings: Settings, found: Presence) -> str:
    if not found.is_metered:
        return (
            "NOT METERING: no tracer provider of the OpenTelemetry SDK; pip install opentelemetry-distro, or set one "
            "in code"
        )
    share = (
        "every LLM call, sampled or not" if settings.record_unsampled else "sampled LLM calls only"
    )
    return f"metering {share}; spans to {', '.join(found.exporters) or 'no exporter'}"


def _clients(found: Presence) -> str:
    clients = [_named(place) for place in found.places if place.kind == "client"]
    return f"clients {', '.join(clients) or 'none, spans of others only'}"


def _tenants(settings: Settings, found: Presence) -> str:
    believed = "tokens" if trust.is_on() else "messages"
    source = str(settings.tenant) if settings.tenant else f"{believed} and code"
    edges, queues = (
        ", ".join(_named(place) for place in found.places if place.kind == kind)
        for kind in ("edge", "queue")
    )
    demanded = "; STRICT, a call without a tenant raises" if settings.strict == "raise" else ""
    at, through = (f" at {edges}" if edges else ""), (f", through {queues}" if queues else "")
    return f"tenant from {source}{at}{through}{demanded}"


def _named(place: in_place.Place) -> str:
    return place.library + (" (FAILED)" if place.state == "failed" else "")


def _prices(settings: Settings, book: Book) -> str:
    if not book.digest:
        return "prices NONE, calls stay unpriced"
    age_days = (time.time_ns() // 1000 - book.newest_recorded_at_us) // _DAY_US
    old = "!" if age_days > settings.stale_book_days else ""
    return f"prices {book.digest[:12]}, {age_days} days old{old}"


def say(line: str) -> None:
    """Write a line by logging where the application shows INFO of us; else on stderr, since few configure logging that
    early.

    Args:
        line: The text, without an end of line.
    """
    if _logger.isEnabledFor(logging.INFO) and _logger.hasHandlers():
        _logger.info("%s", line)
    elif sys.stderr is not None:  # pyright: ignore[reportUnnecessaryComparison] -- a daemon may have none
        with suppress(OSError, ValueError):  # it is closed
            sys.stderr.write(f"genai-cost: {line}\n")
