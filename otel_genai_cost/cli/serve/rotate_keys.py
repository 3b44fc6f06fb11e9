"""`serve rotate-keys`: another key signs what people are signed in by."""

from __future__ import annotations

from typing import Annotated

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import note
from otel_genai_cost.cli.serve.access import KeysOption, now_us
from otel_genai_cost.pages.access.keys import KEYS_FILE, KeyFile

__all__ = ["register"]


def register(group: typer.Typer) -> None:
    """Add the command to `genai-cost serve`."""
    group.command(name="rotate-keys")(_rotate)


def _rotate(
    forget: Annotated[
        bool, typer.Option("--forget", help="Let what older keys signed hold no longer, at once.")
    ] = False,
    keys: KeysOption = None,
    ledger: HomeOption = None,
) -> None:
    """Make a new key that signs sessions and links from now on; a server that runs knows within seconds."""
    home = Home.to_read(ledger)
    made = KeyFile(keys or home.folder / KEYS_FILE).rotate(now_us(), forget=forget)
    note(f"key {made.id} signs from now on{', and no other holds' if forget else ''}")
