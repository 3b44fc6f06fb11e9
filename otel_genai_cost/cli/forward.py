"""`forward`: a node's journals onto a topic, from which a ledger elsewhere reads them."""

from __future__ import annotations

import logging
import signal
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Final

import typer

from otel_genai_cost.cli.broker_options import BrokerOptions, this_node
from otel_genai_cost.cli.output import JsonOption, note, print_json, say
from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.forwarding.pace import Pace
from otel_genai_cost.metering.config import load_settings
from otel_genai_cost.streaming.broker import load_broker
from otel_genai_cost.streaming.forward import Forwarded, StreamForwarder
from otel_genai_cost.streaming.partition import PartitionBy, partition_key

__all__ = ["register"]

_logger = logging.getLogger("otel_genai_cost")

_EVERY_S: Final = 1.0


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="forward")(_forward)


def _forward(
    to: Annotated[str, typer.Option(help="The broker: kafka or pulsar.")],
    option: BrokerOptions = None,
    journal: Annotated[
        list[Path] | None,
        typer.Option(help="A journal's folder; default: that of this user's applications."),
    ] = None,
    key: Annotated[
        PartitionBy, typer.Option(help="What messages are keyed by: see docs/scaling.md.")
    ] = "cell",
    follow: Annotated[bool, typer.Option(help="Go on until SIGTERM or Ctrl-C.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Send what journals say to a topic, each record once it is durable there noted beside its segment. Exit code 1 if
    something could not be read, or was refused for good."""
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    broker = load_broker(to, option or ())
    folders = journal or list(load_settings().settings.journal_folders)
    producer = broker.producer()
    source = this_node()
    forwarder = StreamForwarder(
        folders, producer, broker.name, source, lambda one: partition_key(one, key)
    )
    try:
        done = _rounds(forwarder, stop) if follow else forwarder.round(stop.is_set)
    finally:
        producer.close()
        forwarder.close()
    if as_json:
        print_json([done._asdict()])
    else:
        _say(done, broker.place)
    if done.refused or done.damaged or done.other or done.unread or done.gaps:
        raise typer.Exit(1)


def _rounds(forwarder: StreamForwarder, stop: threading.Event) -> Forwarded:
    """A round a second, less often after failures, until it is told to stop."""
    done, pace = Forwarded(), Pace()
    while True:
        try:
            done = done.plus(forwarder.round(stop.is_set))
            pace.succeeded()
        except GenAICostError as error:
            _logger.error("%s", error)
            pace.failed(time.monotonic(), None)
        if stop.wait(max(_EVERY_S, pace.due_s - time.monotonic())):
            return done


def _say(done: Forwarded, place: str) -> None:
    say(f"{done.sent:,} records and {done.books} price books sent to {place}")
    lacking: dict[str, Any] = {
        "refused for good": done.refused,
        "damaged lines": done.damaged,
        "records of another kind": done.other,
        "segments, folders or price books not sent": done.unread,
    }
    if done.gaps:
        note(f"{done.gaps:,} records are proved to be missing")
    for what, count in lacking.items():
        if count:
            note(f"{count:,} {what}: they stay where they are")
