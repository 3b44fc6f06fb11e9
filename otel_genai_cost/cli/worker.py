"""`worker`: settles partitions of a topic together with other workers, with state and sums in Redis."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from otel_genai_cost.cli.broker_options import BrokerOptions
from otel_genai_cost.cli.output import JsonOption, note, print_json, say
from otel_genai_cost.cli.worker_state import NameOption, StateOption, now_us, opened_store
from otel_genai_cost.ledger.contracts.contract import LIST_PRICES
from otel_genai_cost.ledger.contracts.file import load_contracts
from otel_genai_cost.pricing.load import load_book
from otel_genai_cost.streaming.broker import load_broker
from otel_genai_cost.streaming.group import load_group
from otel_genai_cost.streaming.partition import PartitionBy
from otel_genai_cost.streaming.worker import Worked, Worker, WorkerOptions

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="worker")(_worker)


def _worker(
    state: StateOption,
    source: Annotated[str, typer.Option("--from", help="The broker: kafka.")] = "kafka",
    option: BrokerOptions = None,
    name: NameOption = "genai-cost",
    key: Annotated[
        PartitionBy, typer.Option(help="What is settled together: see docs/scaling.md.")
    ] = "cell",
    window: Annotated[int, typer.Option(min=1, help="Length of the sums' windows, seconds.")] = 60,
    contracts: Annotated[
        Path | None,
        typer.Option(help="What customers agreed; what was settled by others is rated again."),
    ] = None,
    rate_by: Annotated[
        Path | None,
        typer.Option(help="A price book that what was settled so far is rated again with, once."),
    ] = None,
    to: Annotated[
        str | None, typer.Option(help="A broker that entries are sent to: kafka.")
    ] = None,
    to_option: Annotated[
        list[str] | None, typer.Option(help="KEY=VALUE of that broker, as --option.")
    ] = None,
    drain: Annotated[
        bool, typer.Option(help="Settle all that is there at once, whatever may come, and end.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Settle a topic's observations together with other workers, until SIGTERM or Ctrl-C. State, sums and positions are
    one step in Redis, so that a worker that is killed, replaced or doubled changes nothing twice."""
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    options = WorkerOptions(
        name,
        key,
        window * 1_000_000,
        LIST_PRICES if contracts is None else load_contracts(contracts),
        None if rate_by is None else load_book(rate_by),
        drain=drain,
    )
    group, store = load_group(source, option or ()), opened_store(state, name)
    onward = None if to is None else load_broker(to, to_option or ()).producer()
    try:
        worker = Worker(group, store, options, now_us, onward)
        done = worker.run(stop, lambda done: None)
    finally:
        store.close()
        if onward is not None:
            onward.close()
    _say(done, group.place, as_json=as_json)


def _say(done: Worked, place: str, *, as_json: bool) -> None:
    if as_json:
        print_json([done._asdict()])
        return
    say(f"{done.observations:,} observations of {place} settled into {done.entries:,} entries")
    lacking = {
        "messages refused: see the list `refused` of their partition": done.refused,
        "starts of calls passed over: only a ledger charges what never ended": done.starts,
        "times the topic had lost messages": done.gaps,
    }
    for what, count in lacking.items():
        if count:
            note(f"{count:,} {what}")
