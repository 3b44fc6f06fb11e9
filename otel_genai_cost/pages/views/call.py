"""A call: its receipt, as `genai-cost explain` has it, and where its trace is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any, Final, NamedTuple

from otel_genai_cost.ledger.charge import Explanation, explain
from otel_genai_cost.ledger.entry import line_record
from otel_genai_cost.ledger.posting.position import Position
from otel_genai_cost.ledger.tenants.named import name_of
from otel_genai_cost.pages.asked import Asked
from otel_genai_cost.pages.data import Data
from otel_genai_cost.pages.view import MissingPageError, Table, View
from otel_genai_cost.pages.viewer import Viewer
from otel_genai_cost.pricing.cost import Line
from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.reports.receipt import receipt_text, status_of
from otel_genai_cost.reports.registered import shown_tenant
from otel_genai_cost.reports.selection import Selection, local_time

__all__ = ["view"]

_FEATURE: Final = "feature"
_ID_MAX: Final = 512
_SHOWN: Final = 50
_LEAVES: Final = ("leaf", "quantity")
_LINES: Final = ("leaf", "kind", "quantity", "unit_price", "per", "amount", "contract", "currency")


class Part(NamedTuple):
    """A tenant's part of a charge.

    Attributes:
        at: when the call ended, on the clock that is asked for.
        tenant: as people read it.
        named: as its page is asked for.
        labels: of the call; for a tenant its feature alone, since others are the team's own.
        position: what it comes to.
        status: whether it has a price.
    """

    at: str
    tenant: str
    named: str
    labels: Mapping[str, Any]
    position: Position
    status: str


class Receipt(NamedTuple):
    """What is shown of a charge, or of an observation that is part of none.

    Attributes:
        charge_id: None for an observation that is part of no charge.
        parts: those that may be seen.
        text: the whole receipt; "" for whoever may not see what the call cost us.
        traces: of each observation the id of its span, who reported it, and the address of its trace.
    """

    charge_id: str | None
    parts: tuple[Part, ...]
    text: str
    traces: tuple[tuple[str, str, str], ...]


def view(data: Data, asked: Asked, viewer: Viewer) -> View:
    """The page.

    Args:
        data: what it is made of.
        asked: by which id.
        viewer: who asks.

    Raises:
        MissingPageError: if there is nothing of that id that may be seen.
    """
    selection = asked.selection._replace(
        from_us=None, to_us=None, tenants=(), models=(), features=()
    )
    wanted = asked.text("id").strip()
    found: list[Explanation] = []
    if 0 < len(wanted) <= _ID_MAX:
        with closing(data.ledger()) as ledger:
            found = explain(ledger, wanted)
    receipts = [_receipt(one, data, selection, viewer) for one in found]
    shown = [one for one in receipts if one is not None]
    if not shown:
        raise MissingPageError(
            "there is no call of this id; 8 digits of a charge, span or trace, or a whole response id, are enough"
        )
    values = {
        "receipts": shown[:_SHOWN],
        "more": max(0, len(shown) - _SHOWN),
        "wanted": wanted,
        "sides": viewer.sides,
    }
    return View("call.html", values, _table(shown, viewer))


def _receipt(
    found: Explanation, data: Data, selection: Selection, viewer: Viewer
) -> Receipt | None:
    """What may be seen of it; None for nothing."""
    if found.charge is None:
        if not (viewer.sees_cost and viewer.sees_all):
            return None
        text = receipt_text(found, data.book_of, selection.directory)
        return Receipt(None, (), text, _traces(found, data))
    positions = [one for one in found.charge.positions if selection.has(one)]
    if not positions and not viewer.sees_all:
        return None
    is_whole = len(positions) == len(found.charge.positions)
    text = ""
    if viewer.sees_cost and is_whole:
        text = receipt_text(_seen(found, viewer), data.book_of, selection.directory)
    parts = tuple(_part(one, selection, viewer) for one in positions)
    traces = () if viewer.role == "tenant" else _traces(found, data)
    return Receipt(found.charge.charge_id, parts, text, traces)


def _seen(found: Explanation, viewer: Viewer) -> Explanation:
    """Without what customers pay, for whoever may see cost alone."""
    if viewer.sees_price or found.charge is None:
        return found
    positions = tuple(
        one._replace(lines=tuple(line for line in one.lines if line.side == "cost"), billed_in=None)
        for one in found.charge.positions
    )
    return found._replace(charge=found.charge._replace(positions=positions))


def _part(position: Position, selection: Selection, viewer: Viewer) -> Part:
    tenant, at_us = position.attribution.tenant, position.occurred_us
    named = name_of(selection.tenant_of(tenant, at_us))
    labels = position.attribution.labels
    if viewer.role == "tenant":
        labels = {name: value for name, value in labels.items() if name == _FEATURE}
    return Part(
        at=local_time(selection.zone, at_us),
        tenant=shown_tenant(selection.directory, tenant, at_us),
        named=named,
        labels=labels,
        position=position,
        status=status_of(position),
    )


def _traces(found: Explanation, data: Data) -> tuple[tuple[str, str, str], ...]:
    """Without a template there are none to link to, and the ids stand alone."""
    members = [one.observation for one in found.members or found.asked]
    return tuple(
        (one.span_id, one.scope, "" if data.traces is None else data.traces.of(one))
        for one in members
    )


def _table(receipts: Sequence[Receipt], viewer: Viewer) -> Table:
    """The lines of receipts; for whoever may not see what calls cost us, what was used and what is paid for it."""
    rows: list[Sequence[Any]] = []
    for receipt in receipts:
        for part in receipt.parts:
            rows += _cells(receipt.charge_id, part.position, viewer)
    columns = _LINES if viewer.sees_cost else (*_LEAVES, "price", "price_currency")
    return Table("call", ("charge_id", *columns), rows)


def _cells(charge_id: str | None, position: Position, viewer: Viewer) -> list[Sequence[Any]]:
    if not viewer.sees_cost:
        price = None if position.unpriced else format_money(position.price)
        return [
            (charge_id, leaf, quantity, price, position.price_currency)
            for leaf, quantity in position.usage.items()
        ]
    seen = [line for line in position.lines if line.side in viewer.sides]
    records = [{**line_record(line), "currency": _currency(line, position)} for line in seen]
    return [(charge_id, *(record.get(name) for name in _LINES)) for record in records]


def _currency(line: Line, position: Position) -> str:
    return position.currency if line.side == "cost" else position.price_currency
