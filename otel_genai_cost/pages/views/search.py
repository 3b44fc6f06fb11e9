"""Search: tenants, models, actions, calls and traces from one box."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Final, NamedTuple

from otel_genai_cost.ledger.tenants.named import name_of
from otel_genai_cost.pages.asked import Asked
from otel_genai_cost.pages.data import Data
from otel_genai_cost.pages.view import Table, View
from otel_genai_cost.pages.viewer import Viewer
from otel_genai_cost.reports.looking import (
    FOUND_MAX,
    CallSeen,
    actions_named,
    calls_named,
    models_named,
    tenants_named,
)
from otel_genai_cost.reports.registered import shown_tenant
from otel_genai_cost.reports.selection import NOBODY, Selection, local_time

__all__ = ["view"]

_UNASKED: Final = dict.fromkeys(("q", "tenant", "model", "feature"), "")
_TEXT_MAX: Final = 512
_COLUMNS: Final = ("kind", "id", "name", "address")


class Hit(NamedTuple):
    """One thing that was found: its kind, its id, what else is said of it, and the address of its page."""

    kind: str
    id: str
    said: str
    address: str


def view(data: Data, asked: Asked, viewer: Viewer) -> View:
    """The page. A search is of all time, whatever time is asked for.

    Args:
        data: what it is made of.
        asked: what is looked for; longer texts are cut.
        viewer: who asks.
    """
    text = asked.q.strip()[:_TEXT_MAX]
    selection = asked.selection._replace(
        from_us=None, to_us=None, tenants=(), models=(), features=()
    )
    hits: list[Hit] = []
    if text:
        hits += _tenants(data, asked, selection, text)
        hits += _models(data, asked, selection, text)
        hits += _actions(data, asked, selection, text)
        with closing(data.ledger()) as ledger:
            hits += _calls(calls_named(ledger, selection, text), asked, selection, text)
    values = {"looked_for": text, "hits": hits}
    return View("search.html", values, Table("search", _COLUMNS, hits))


def _link(asked: Asked, path: str, **changes: object) -> str:
    """Of all time, since what was found may be of any."""
    return asked.link_in("all", path, **{**_UNASKED, **changes})


def _tenants(data: Data, asked: Asked, selection: Selection, text: str) -> list[Hit]:
    return [
        Hit(
            "tenant",
            one.tenant,
            ", ".join(one.names),
            _link(asked, "/tenant", tenant=name_of(one.tenant)),
        )
        for one in tenants_named(data.figures, selection, text)
    ]


def _models(data: Data, asked: Asked, selection: Selection, text: str) -> list[Hit]:
    return [
        Hit("model", one, "", _link(asked, "/models", model=one))
        for one in models_named(data.figures, selection, text)
    ]


def _actions(data: Data, asked: Asked, selection: Selection, text: str) -> list[Hit]:
    last_us = data.standing.last_us or 0
    return [
        Hit(
            "action",
            label,
            f"of {shown_tenant(selection.directory, tenant, last_us)}",
            _link(asked, "/action", id=label, tenant=name_of(tenant)),
        )
        for label, tenant in actions_named(data.figures, selection, text)
    ]


def _calls(
    found: Sequence[CallSeen], asked: Asked, selection: Selection, text: str
) -> Iterable[Hit]:
    traces = dict.fromkeys(trace for one in found for trace in one.traces)
    for trace_id in traces:
        if trace_id.startswith(text.lower()):
            calls = sum(trace_id in one.traces for one in found)
            more = " or more" if len(found) == FOUND_MAX else ""
            said = f"{calls}{more} {'call' if calls == 1 else 'calls'} of it"
            yield Hit("trace", trace_id, said, _link(asked, "/call", id=trace_id))
    for one in found:
        part = one.parts[0]
        who = selection.tenant_of(part.attribution.tenant, part.occurred_us) or NOBODY
        said = f"{local_time(selection.zone, part.occurred_us)}, {who}, {part.model or 'no model'}"
        charge_id = one.charge.charge_id
        yield Hit("call", charge_id, said, _link(asked, "/call", id=charge_id))
