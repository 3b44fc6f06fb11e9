"""An action: its calls, each where it was made, with what each comes to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from decimal import Decimal
from typing import Final, NamedTuple

from otel_genai_cost.ledger.tenants.named import name_of
from otel_genai_cost.pages.asked import Asked
from otel_genai_cost.pages.data import Data
from otel_genai_cost.pages.view import MissingPageError, Table, View
from otel_genai_cost.pages.viewer import Viewer
from otel_genai_cost.reports.action_costs import Action, ActionCall, action_calls
from otel_genai_cost.reports.action_tree import Branch, action_tree
from otel_genai_cost.reports.registered import shown_tenant
from otel_genai_cost.reports.selection import Selection, local_time
from otel_genai_cost.reports.tables import EXACT, decimal_text
from otel_genai_cost.reports.troubled import Trouble, troubled

__all__ = ["view"]

_ID_MAX: Final = 10_000
_CALLS_MAX: Final = 500
_WORDS: Final[Mapping[Trouble, str]] = {
    "failed": "failed",
    "retried": "sent again",
    "fallback": "fell back",
}
_COLUMNS: Final = (
    *("charge_id", "occurred", "depth", "tenant", "provider", "model", "feature", "service"),
    *("unpriced", "amount", "currency", "trouble"),
)


class Leaf(NamedTuple):
    """A call, or a tenant's part of one.

    Attributes:
        call: it.
        at: when it ended, on the clock that is asked for.
        tenant: as people read it.
        named: the filter that means it alone.
        trouble: what became of it; "" if it was answered at once.
    """

    call: ActionCall
    at: str
    tenant: str
    named: str
    trouble: str


class Twig(NamedTuple):
    """A branch with what is shown of it.

    Attributes:
        name: of what is around calls; None for a call.
        leaves: of a call its parts; empty for what is around calls.
        sums: of it and all within, by currency; only where anything is within.
        inner: what was made within.
    """

    name: str | None
    leaves: Sequence[Leaf]
    sums: Mapping[str, Decimal]
    inner: Sequence[Twig]


def view(data: Data, asked: Asked, viewer: Viewer) -> View:
    """The page.

    Args:
        data: what it is made of.
        asked: by which value, and of whom; of all time where there is nothing in the time that is asked for.
        viewer: who asks.

    Raises:
        MissingPageError: if there is no such action that may be seen.
    """
    wanted, selection = asked.text("id"), asked.selection
    found = _found(data, wanted, selection)
    with closing(data.ledger()) as ledger:
        ids = dict.fromkeys(call.charge_id for call in found.calls)
        tree = action_tree(ledger, [*ids])
        readings = [one for one in data.readings(ledger) if one[0] in ids]
    became = troubled(data.figures, readings, selection=_span(found, selection))
    leaves = _leaves(found.calls, became, selection)
    twigs = [_twig(branch, leaves) for branch in tree]
    values = {"action": found, "id": wanted, "twigs": twigs, "calls": len(ids)}
    rows = [row for twig in twigs for row in _rows(twig, 0)]
    return View("action.html", values, Table("action", _COLUMNS, rows))


def _found(data: Data, wanted: str, selection: Selection) -> Action:
    """Raises MissingPageError."""
    if 0 < len(wanted) <= _ID_MAX:
        for one in (selection, selection._replace(from_us=None, to_us=None)):
            found = action_calls(data.figures, wanted, one, _CALLS_MAX)
            if found.calls:
                return found
    raise MissingPageError("there is no action of this name")


def _span(found: Action, selection: Selection) -> Selection:
    """The time of its calls, which may be another than was asked for."""
    first, last = found.calls[0].at_us, found.calls[-1].at_us
    return selection._replace(from_us=first, to_us=last + 1)


def _leaves(
    calls: Iterable[ActionCall], became: Mapping[str, Trouble], selection: Selection
) -> Mapping[str, Sequence[Leaf]]:
    """By charge."""
    found: dict[str, list[Leaf]] = defaultdict(list)
    for call in calls:
        tenant = shown_tenant(selection.directory, call.tenant, call.at_us)
        trouble = became.get(call.charge_id)
        word = "" if trouble is None else _WORDS[trouble]
        found[call.charge_id].append(
            Leaf(call, local_time(selection.zone, call.at_us), tenant, name_of(call.tenant), word)
        )
    return found


def _twig(branch: Branch, leaves: Mapping[str, Sequence[Leaf]]) -> Twig:
    own = () if branch.charge_id is None else leaves[branch.charge_id]
    sums: dict[str, Decimal] = {}
    for charge_id in branch.charges if branch.inner else ():
        for leaf in leaves[charge_id]:
            call = leaf.call
            sums[call.currency] = EXACT.add(sums.get(call.currency, Decimal(0)), call.amount)
    name = None if branch.charge_id is not None else branch.name or f"span {branch.span_id}"
    return Twig(name, own, sums, [_twig(one, leaves) for one in branch.inner])


def _rows(twig: Twig, depth: int) -> Iterable[Sequence[object]]:
    """Of a call and what is within, as deep as it is."""
    for leaf in twig.leaves:
        call = leaf.call
        what = (call.tenant, call.provider, call.model, call.feature, call.service)
        amount = None if call.unpriced and not call.amount else decimal_text(call.amount)
        yield (
            *(call.charge_id, leaf.at, depth, *what),
            *(call.unpriced, amount, call.currency, leaf.trouble),
        )
    for one in twig.inner:
        yield from _rows(one, depth + 1)
