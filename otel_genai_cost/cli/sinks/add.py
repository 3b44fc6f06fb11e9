"""`sinks add`: have the ledger's entries copied to a further store."""

from __future__ import annotations

from collections.abc import Container, Sequence
from contextlib import closing
from typing import Annotated

import typer

from otel_genai_cost.cli.configured_sinks import (
    ConfiguredSink,
    open_sink,
    read_sinks,
    sinks_to_change,
)
from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.ledger_settings import load_ledger_settings
from otel_genai_cost.cli.output import JsonOption, note, print_json, say
from otel_genai_cost.errors import ConfigurationError, GenAICostError
from otel_genai_cost.ledger.sink import Sink

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="add")(_add)


def _add(
    name: Annotated[str, typer.Argument(help="What it is to be called here.")],
    kind: Annotated[str, typer.Option(help="What it is, such as duckdb or parquet.")],
    option: Annotated[
        list[str] | None,
        typer.Option(help="KEY=VALUE, as often as needed; secrets as env:NAME or file:PATH."),
    ] = None,
    take_over: Annotated[
        bool,
        typer.Option(help="Even if the store has another ledger's entries: they will be deleted."),
    ] = False,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy the ledger's entries to a further store, from the next `genai-cost ship` on, beginning with the first."""
    home = Home.at(ledger)
    _refuse_known(name, read_sinks(home.folder))
    sink = ConfiguredSink(name, kind, _pairs(option or ()))
    with closing(open_sink(sink, home.folder)) as opened:
        _look(home, opened, take_over)
    with sinks_to_change(home.folder) as known:
        _refuse_known(name, known)  # somebody may have been quicker
        known[name] = sink
    if as_json:
        print_json([{"sink": name, "kind": kind, "options": sink.options}])
        return
    say(
        f"{name} is fed by the next `genai-cost ship`; restart those that run with --follow, and `ledger serve`"
    )


def _refuse_known(name: str, known: Container[str]) -> None:
    if name in known or name in load_ledger_settings().sinks:
        raise ConfigurationError(
            "there is such a sink", value=name, remedy=f"`genai-cost sinks remove {name}` first"
        )


def _pairs(options: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in options:
        key, equals, value = one.partition("=")
        if not equals or not key.isidentifier() or key == "kind" or key in found:
            raise ConfigurationError(
                "no option of a sink", value=one, where="--option", remedy="write KEY=VALUE once"
            )
        found[key] = value
    return found


def _look(home: Home, sink: Sink, take_over: bool) -> None:
    """Whether the store answers, and whose entries it has: it is emptied before another ledger's come."""
    try:
        mark = sink.mark()
    except (GenAICostError, OSError, RuntimeError) as error:
        said = " | ".join(str(error).splitlines())
        if not take_over:
            raise ConfigurationError(
                f"the store does not say whose entries it has: {said}",
                remedy="add it once it answers, or have whatever it has deleted with --take-over",
            ) from None
        note(f"it does not answer yet: {said}")
        return
    own = ""
    if home.has_ledger:
        with closing(home.ledger()) as opened:
            own = opened.id
    if mark is not None and mark.ledger_id != own and not take_over:
        raise ConfigurationError(
            "the store has entries of another ledger",
            value=mark.ledger_id,
            remedy="name another place in it, or have them deleted with --take-over",
        )
