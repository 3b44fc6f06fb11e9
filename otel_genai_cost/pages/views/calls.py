"""Calls: the newest of a time, each with a link to its receipt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Any, Final, NamedTuple

from otel_genai_cost.ledger.tenants.named import name_of
from otel_genai_cost.pages.asked import Asked
from otel_genai_cost.pages.data import Data
from otel_genai_cost.pages.view import Table, View
from otel_genai_cost.pages.viewer import Viewer
from otel_genai_cost.reports.newest import CALLS_MAX, Call, newest_calls, place_in
from otel_genai_cost.reports.registered import shown_tenant
from otel_genai_cost.reports.selection import Selection, local_time

__all__ = ["CallRow", "call_rows", "view"]

_SHOWN: Final = 50
_ALWAYS: Final = ("occurred", "charge_id", "tenant", "feature", "model", "status")
_OF_SIDE: Final = {"cost": ("amount", "total", "currency"), "price": ("price", "price_currency")}


class CallRow(NamedTuple):
    """A line of the list.

    Attributes:
        charge_id: of the receipt.
        at: when the call ended, on the clock that is asked for.
        tenant: as people read it.
        named: as its page is asked for.
        record: what `genai-cost charges` says of it, as far as it may be seen.
    """

    charge_id: str
    at: str
    tenant: str
    named: str
    record: dict[str, Any]


def view(data: Data, asked: Asked, viewer: Viewer) -> View:
    """The page.

    Args:
        data: what it is made of.
        asked: which calls, and behind which place of the list.
        viewer: who asks.

    Raises:
        ConfigurationError: for a place that is none.
    """
    selection = asked.selection
    count = CALLS_MAX if asked.form == "csv" else _SHOWN
    with closing(data.ledger()) as ledger:
        found = newest_calls(
            data.figures, ledger, selection, place_in(asked.text("after")), count, data.standing.seq
        )
    rows = call_rows(found.calls, selection, viewer)
    values = {
        "rows": rows,
        "after": None if found.after is None else str(found.after),
        "sides": viewer.sides,
        "named": _named(selection),
    }
    table = Table.of_records("calls", columns(viewer), (row.record for row in rows))
    return View("calls.html", values, table)


def columns(viewer: Viewer) -> tuple[str, ...]:
    """What may be seen of each call.

    Args:
        viewer: by whom.
    """
    return (*_ALWAYS, *(name for side in viewer.sides for name in _OF_SIDE[side]))


def call_rows(calls: Iterable[Call], selection: Selection, viewer: Viewer) -> list[CallRow]:
    """Lines of the list.

    Args:
        calls: which.
        selection: by whose clock and names of tenants
        viewer: who sees them.
    """
    return [_row(call, selection, columns(viewer)) for call in calls]


def _row(call: Call, selection: Selection, names: Sequence[str]) -> CallRow:
    position, record = call.position, call.record
    tenant, at_us = position.attribution.tenant, position.occurred_us
    return CallRow(
        charge_id=call.charge.charge_id,
        at=local_time(selection.zone, at_us),
        tenant=shown_tenant(selection.directory, tenant, at_us),
        named=name_of(selection.tenant_of(tenant, at_us)),
        record={name: record[name] for name in names},
    )


def _named(selection: Selection) -> list[tuple[str, str]]:
    """What the calls are limited to."""
    return [
        (what, name)
        for what, names in (
            ("tenant", selection.tenants),
            ("model", selection.models),
            ("feature", selection.features),
        )
        for name in names
    ]
