"""`ledger promote`: what stood by is the ledger."""

from __future__ import annotations

from functools import partial

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.ledger.serve import receiver_lock
from otel_genai_cost.cli.output import JsonOption, note, print_json, say
from otel_genai_cost.errors import LedgerLockedError
from otel_genai_cost.ledger.daemon import writer_lock
from otel_genai_cost.ledger.storage.keeping import STANDBY
from otel_genai_cost.ledger.storage.retention import unmark_all
from otel_genai_cost.ledger.storage.standby import Promotion, ask_to_promote, stand_up
from otel_genai_cost.pricing.instants import rfc3339

__all__ = ["register"]

_WITHIN_S = 60.0


def register(group: typer.Typer) -> None:
    """Add the command to `genai-cost ledger`."""
    group.command(name="promote")(_promote)


def _promote(ledger: HomeOption = None, as_json: JsonOption = False) -> None:
    """Make the folder that stands by the ledger: senders that reach it turn from the one before, and send again what
    the newest backup lacks. The process that stands by goes on as `ledger serve`; without one, start that."""
    home = Home.to_read(ledger)
    serves = False
    try:
        with receiver_lock(home.folder, "ledger"), writer_lock(home.folder):
            taken = stand_up(home.folder, first=partial(unmark_all, home.journals))
    except LedgerLockedError:
        if not (home.folder / STANDBY).exists():
            raise
        taken, serves = ask_to_promote(home.folder, _WITHIN_S), True
    _say(taken, as_json)
    if not serves:
        note(f"now start it: `genai-cost ledger serve --ledger {home.folder}`")


def _say(taken: Promotion, as_json: bool) -> None:
    made, identity = taken.backup, taken.identity
    if as_json:
        record = {
            "ledger": identity.id,
            "epoch": identity.epoch,
            "seq": made.seq,
            "made": rfc3339(made.made_us),
        }
        print_json([record])
    else:
        say(
            f"this is the ledger from now on, epoch {identity.epoch}: it goes on from the backup of "
            f"{rfc3339(made.made_us)}, entry {made.seq:,}"
        )
