"""`ledger unlink`: an observation stands alone, in this ledger or for whoever settles a topic."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from otel_genai_cost.cli.broker_options import BrokerOptions, this_node
from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import JsonOption, note, print_json, say
from otel_genai_cost.errors import ConfigurationError, GenAICostError
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.daemon import LEDGER_FILE, writer_lock
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.posting.run import unlink
from otel_genai_cost.ledger.rerating.books import Books
from otel_genai_cost.ledger.storage.decided import decide
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.ledger.tenants.named import name_of
from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.streaming.broker import Broker, load_broker
from otel_genai_cost.streaming.cloud_event import Unlink, unlink_message
from otel_genai_cost.streaming.partition import PartitionBy, partition_key

__all__ = ["register"]


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command(name="unlink")(_unlink)


def _unlink(
    observation: Annotated[
        str, typer.Argument(help="The observation's or its span's id, or 8 digits of it or more.")
    ],
    to: Annotated[
        str | None,
        typer.Option(
            help="kafka or pulsar: tell who settles a topic (workers, Flink, ledgers), and leave this ledger as it is."
        ),
    ] = None,
    option: BrokerOptions = None,
    key: Annotated[
        PartitionBy, typer.Option(help="What messages of the topic are keyed by, as for forward.")
    ] = "cell",
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let an observation stand alone: entries undo what joined it. It stays so, whatever comes later."""
    home = Home.to_read(ledger)
    if not home.fresh():
        raise ConfigurationError(
            "no ledger", value=str(home.folder), remedy="see genai-cost doctor"
        )
    if to is None:
        _settle(home, observation, as_json=as_json)
    else:
        _send(home, observation, load_broker(to, option or ()), key, as_json=as_json)


def _settle(home: Home, asked: str, *, as_json: bool) -> None:
    with writer_lock(home.folder):
        opened = Ledger(home.folder / LEDGER_FILE)
        try:
            one = _asked(opened, asked).id
            now_us = time.time_ns() // 1000
            decide(home.folder, {"type": "unlink", "observation_id": one, "at_us": now_us})
            with opened.transaction():
                entries = unlink(opened, one, now_us, Books(home.journals).rate_again)
        finally:
            opened.close()
    home.ship()
    if as_json:
        print_json(_entry_record(entry) for entry in entries)
        return
    for entry in entries:
        tenant = name_of(entry.attribution.tenant)
        say(f"{entry.charge_id}  {tenant}  {format_money(entry.amount)} {entry.currency}")
    note(f"{one} stands alone; {len(entries)} entries booked")


def _send(home: Home, asked: str, broker: Broker, by: PartitionBy, *, as_json: bool) -> None:
    """Sent again, it changes nothing."""
    [one] = home.ask(lambda opened: [_asked(opened, asked)])
    unlinked = Unlink(one.id, one.trace_id, one.origin.cell, time.time_ns() // 1000)
    producer = broker.producer()
    try:
        source, key = this_node(), partition_key(one, by)
        refused = producer.send([unlink_message(unlinked, source, key)])
    finally:
        producer.close()
    if refused:
        raise GenAICostError(f"{broker.place} does not take it: {refused[0]}")
    if as_json:
        print_json([unlinked._asdict()])
    else:
        say(f"{one.id} stands alone for whoever settles {broker.place}")


def _asked(ledger: Ledger, prefix: str) -> Observation:
    """The one observation that is meant. Raises ConfigurationError."""
    hexadecimal = len(prefix) >= 8 and not set(prefix.lower()) - set("0123456789abcdef")
    found = ledger.observations.find(prefix) if hexadecimal else []
    own = {
        one.observation.id: one.observation
        for one in found
        if one.observation.id.startswith(prefix.lower())
        or one.observation.span_id.startswith(prefix.lower())
    }
    if len(own) != 1:
        what = "no such observation" if not own else f"{len(own)} observations have this id"
        raise ConfigurationError(
            what, value=prefix, remedy="see `genai-cost explain` for a charge's observations"
        )
    return own.popitem()[1]


def _entry_record(entry: Entry) -> dict[str, Any]:
    return {
        "charge_id": entry.charge_id,
        "cause": entry.cause,
        "tenant": entry.attribution.tenant,
        "calls": entry.calls,
        "amount": format_money(entry.amount),
        "currency": entry.currency,
    }
