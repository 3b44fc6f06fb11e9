"""`tenants export`: what every id means and when, for a store of entries to be joined with."""

from __future__ import annotations

from typing import Any

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import JsonOption, print_json, print_table
from otel_genai_cost.cli.registry import directory_at
from otel_genai_cost.ledger.tenants.directory import Piece
from otel_genai_cost.ledger.tenants.row import FOREVER_US, WORDS
from otel_genai_cost.pricing.instants import rfc3339

__all__ = ["register"]

_COLUMNS = ("id", "from", "to", "tenant", "top", *WORDS)


def register(group: typer.Typer) -> None:
    """Add the command to `genai-cost tenants`."""
    group.command(name="export")(_export)


def _export(ledger: HomeOption = None, as_json: JsonOption = False) -> None:
    """Which tenant every id means, from when until before when: merges, aliases and parents are followed. A row for
    each id and stretch of time, which never overlap; no time where there is no end."""
    directory = directory_at(Home.at(ledger))
    records = [
        _record(name, piece)
        for name in sorted(directory.pieces)
        for piece in directory.pieces[name]
    ]
    if as_json:
        print_json(records)
        return
    print_table(
        _COLUMNS, [[one[key] or "" for key in _COLUMNS] for one in records], right=frozenset()
    )


def _record(name: str, piece: Piece) -> dict[str, Any]:
    return {
        "id": name,
        "from": _instant(piece.from_us),
        "to": _instant(piece.to_us),
        "tenant": piece.row.tenant,
        "top": piece.top,
        **{word: piece.row.words.get(word) for word in WORDS},
    }


def _instant(us: int) -> str | None:
    return None if abs(us) >= FOREVER_US else rfc3339(us)
