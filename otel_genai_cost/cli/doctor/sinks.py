"""Copies of the ledger: whether a receiver rejects an entry, and whether it keeps what it acknowledges."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from otel_genai_cost.cli.doctor.check import Check, Found, failed, fine, warned
from otel_genai_cost.cli.home import Home
from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.ledger.sink import Rejectable, Remote, Sink, fed_seq
from otel_genai_cost.ledger.storage.store import Ledger

__all__ = ["copies", "receiver"]

_QUEUE: Final = "sending_queue with a storage, such as file_storage"


def copies(home: Home) -> Iterator[Found]:
    """How far the sinks beside DuckDB are."""
    try:
        with home.further_sinks() as sinks:
            if sinks and home.has_ledger:
                with closing(home.ledger()) as opened:
                    for name, sink in sinks.items():
                        yield _copy(f"sink {name}", sink, opened)
    except GenAICostError as error:
        remedy = "mend or remove what `sinks.toml` or OTEL_GENAI_COST_SINKS names"
        yield failed("sinks", str(error), remedy)


def _copy(name: str, sink: Sink, ledger: Ledger) -> Found:
    try:
        rejected = sink.rejected() if isinstance(sink, Rejectable) else []
        seq = fed_seq(ledger, sink)
    except (GenAICostError, OSError, RuntimeError) as error:
        return failed(name, " | ".join(str(error).splitlines()), "see `genai-cost sinks list`")
    if rejected:
        seen = (
            f"{len(rejected)} rejected, the first is entry {rejected[0].seq}: {rejected[0].message}"
        )
        return failed(name, seen, "see `genai-cost sinks list`")
    return fine(name, f"{seq:,} of {ledger.entries.last_seq():,} entries")


def receiver(config: Path | None) -> Check:
    """The check of what receives: what a collector acknowledges and keeps in memory is lost when it ends.

    Args:
        config: Its configuration; without it nothing but a question can be said.
    """

    def receiver(home: Home) -> Iterator[Found]:
        if config is not None:
            yield from _queues(config)
            return
        for endpoint in _endpoints(home):
            seen = f"{endpoint}: whether what it acknowledges outlives it cannot be asked of it"
            yield warned("receiver", seen, "name its configuration: `doctor --collector FILE`")

    return receiver


def _endpoints(home: Home) -> list[str]:
    try:
        with home.further_sinks() as sinks:
            found = (sink.endpoint for sink in sinks.values() if isinstance(sink, Remote))
            return list(dict.fromkeys(found))
    except GenAICostError:  # said by `copies`
        return []


def _queues(config: Path) -> Iterator[Found]:
    from otel_genai_cost.collector.configuration.queues import held_in_memory

    try:
        held = held_in_memory(config.read_text("utf-8", "replace"), str(config))
    except GenAICostError as error:
        yield failed("receiver", str(error), "name the collector's configuration")
        return
    for one in held:
        where = f"{one.component} in {one.pipeline}"
        if one.is_known:
            seen = f"{where} keeps what it took in memory: what was acknowledged is lost with the process"
        else:
            seen = f"{where}: the file does not say whether its queue is in memory"
        yield warned("receiver", seen, f"send from an exporter that has a {_QUEUE}")
    if not held:
        yield fine("receiver", f"{config}: nothing waits in memory")
