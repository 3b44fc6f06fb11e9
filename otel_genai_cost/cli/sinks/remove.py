"""`sinks remove`: no longer copy entries to a store."""

from __future__ import annotations

import shutil

import typer

from otel_genai_cost.cli.configured_sinks import SINKS_FILE, read_sinks, sinks_to_change, state_of
from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import JsonOption, print_json, say
from otel_genai_cost.cli.sinks.opened import NameArgument
from otel_genai_cost.errors import ConfigurationError, GenAICostError
from otel_genai_cost.ledger.daemon import writer_lock
from otel_genai_cost.ledger.sink import GROUP
from otel_genai_cost.plug_ins import plug_in

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="remove")(_remove)


def _remove(name: NameArgument, ledger: HomeOption = None, as_json: JsonOption = False) -> None:
    """No longer feed a sink that was added. What its store has stays there."""
    home = Home.to_read(ledger)
    known = read_sinks(home.folder)
    if name not in known:
        raise ConfigurationError(
            "no such sink",
            value=name,
            where=str(home.folder / SINKS_FILE),
            remedy="OTEL_GENAI_COST_SINKS names those that were not added there",
        )
    with writer_lock(home.folder):
        with sinks_to_change(home.folder) as left:
            removed = left.pop(name, known[name])
        if _is_elsewhere(removed.kind):
            _forget(home, name)
    if as_json:
        print_json([{"sink": name, "kind": removed.kind, "options": removed.options}])
        return
    say(f"{name} is fed no longer; what its store has stays there")


def _is_elsewhere(kind: str) -> bool:
    """Whether a sink's place in the ledger's folder has its notes alone; else it has the store, or nobody can tell."""
    try:
        return hasattr(plug_in(GROUP, kind, "sink"), "endpoint")
    except GenAICostError:
        return False


def _forget(home: Home, name: str) -> None:
    """What the sink knew here: one that is added under its name begins anew."""
    state = state_of(home.folder, name)
    if state.is_dir():
        shutil.rmtree(state)
    for path in state.parent.glob(f"{name}*"):
        if path.name == name or path.name.removeprefix(name).startswith(("-wal", "-shm", ".")):
            path.unlink(missing_ok=True)
