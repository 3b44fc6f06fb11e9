"""`worker-sums`: what each tenant's calls come to, as workers have added it up."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from otel_genai_cost.cli.output import JsonOption, note, print_json, print_table
from otel_genai_cost.cli.worker_state import NameOption, StateOption, now_us, opened_store
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.streaming.sums import Sum, read_sums

__all__ = ["register"]

_HOUR_US: Final = 3_600_000_000
_FOREVER_US: Final = 1 << 62


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="worker-sums")(_sums)


def _sums(
    state: StateOption,
    name: NameOption = "genai-cost",
    hours: Annotated[int, typer.Option(min=1, help="Of calls that ended since.")] = 24,
    all_windows: Annotated[
        bool, typer.Option("--all", help="Of all windows that are kept.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """What each tenant's calls come to, window by window, over all workers."""
    store = opened_store(state, name)
    try:
        from_us = 0 if all_windows else now_us() - hours * _HOUR_US
        found = read_sums(store.windows(from_us, _FOREVER_US))
    finally:
        store.close()
    if as_json or not found:
        if not found:
            note(f"the workers {name} have no sums of that time in that store")
        print_json(map(_record, found))
        return
    rows = [
        [str(value) if value is not None else "-" for value in _record(one).values()]
        for one in found
    ]
    print_table(tuple(_record(found[0])), rows, right=frozenset({"calls", "unpriced", "amount"}))


def _record(one: Sum) -> dict[str, Any]:
    return {
        "window": rfc3339(one.window_us),
        "tenant": one.tenant,
        "calls": one.calls,
        "unpriced": one.unpriced,
        "amount": format_money(one.amount),
        "currency": one.currency,
    }
