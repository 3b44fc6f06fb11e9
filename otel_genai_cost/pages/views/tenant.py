"""Tenant: what its calls cost, what it pays, how its budgets and credit stand, and what is odd."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any, Final, NamedTuple

from markupsafe import Markup

from otel_genai_cost.alerts.shown import notice_record
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.ledger.projections.credit_json import balance_json, grant_state_json
from otel_genai_cost.ledger.projections.standings import standings
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.ledger.tenants.named import ids_in, name_of
from otel_genai_cost.limits.alert import alert_record
from otel_genai_cost.limits.budget import Budget
from otel_genai_cost.limits.notice import Audience
from otel_genai_cost.limits.standing import standing_record
from otel_genai_cost.pages.asked import Asked
from otel_genai_cost.pages.data import Data
from otel_genai_cost.pages.view import MissingPageError, Table, View
from otel_genai_cost.pages.viewer import Viewer
from otel_genai_cost.pages.views.calls import call_rows
from otel_genai_cost.reports.actions import action_record, actions
from otel_genai_cost.reports.anomalies import anomalies
from otel_genai_cost.reports.margin.asked import margin_by_tenant
from otel_genai_cost.reports.margin.record import row_record
from otel_genai_cost.reports.newest import newest_calls
from otel_genai_cost.reports.registered import shown_tenant
from otel_genai_cost.reports.selection import NOBODY, Selection
from otel_genai_cost.reports.tables import (
    Group,
    decimal_text,
    extent,
    group_record,
    totals,
)
from otel_genai_cost.reports.timeline import Timeline, timelines
from otel_genai_cost.reports.trend import Bar, pictures
from otel_genai_cost.vocabulary import Side

__all__ = ["view"]

_ROWS_MAX: Final = 20
_CALLS: Final = 10
_NOTICES_MAX: Final = 20
_GROUP: Final = ("calls", "priced", "unpriced", "total", "at_least", "currency")
_OVER_TIME: Final = "trend"
_WORDS: Final = frozenset({"scope", "title", "text"})
_COLOURS: Final = {"": "c0"}

_Record = Mapping[str, Any]


class Asking(NamedTuple):
    """What a section is made from.

    Attributes:
        data: what pages are made of.
        ledger: open, all of it at one time.
        selection: the tenant's calls.
        viewer: who asks.
        tenant: its id; None for what is nobody's.
    """

    data: Data
    ledger: Ledger
    selection: Selection
    viewer: Viewer
    tenant: str | None


class Section(NamedTuple):
    """A part of the page.

    Attributes:
        name: of its CSV.
        title: its heading.
        columns: which of the records' values are shown, in order.
        records: as the command that it is of gives them.
        command: that command.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    records: Sequence[_Record]
    command: str

    @property
    def rows(self) -> list[list[Any]]:
        """Of a table."""
        return [[one.get(column) for column in self.columns] for one in self.records]


def view(data: Data, asked: Asked, viewer: Viewer) -> View:
    """The page.

    Args:
        data: what it is made of.
        asked: of which tenant.
        viewer: who asks.

    Raises:
        MissingPageError: if it is a tenant that the viewer may not see.
        ConfigurationError: if no tenant is named, or several are.
    """
    tenant = _tenant(asked, viewer)
    selection = asked.selection._replace(tenants=(name_of(tenant),))
    part = asked.word("part", tuple(_SECTIONS))
    with closing(data.ledger()) as ledger, ledger.snapshot():
        asking = Asking(data, ledger, selection, viewer, tenant)
        if asked.form == "csv":
            chosen = _SECTIONS[part](asking)
            if chosen is None:
                raise MissingPageError("there is no such table here")
            return View("tenant.html", {}, Table(f"tenant-{part}", chosen.columns, chosen.rows))
        return View("tenant.html", _values(asking), Table(f"tenant-{part}", (), ()))


def _tenant(asked: Asked, viewer: Viewer) -> str | None:
    """Whose page it is: the one that is named, or the only one that the viewer may see."""
    named = asked.selection.tenants or viewer.visible or ()
    if len(named) != 1:
        raise ConfigurationError(
            "tenant has to be one", value=len(named), remedy="write tenant=ID, once"
        )
    tenant = None if named[0] == NOBODY else ids_in(named)[0]
    if not viewer.may_see(tenant):
        raise MissingPageError("there is no such tenant")
    return tenant


def _values(asking: Asking) -> dict[str, Any]:
    data, selection, viewer = asking.data, asking.selection, asking.viewer
    found = newest_calls(
        data.figures, asking.ledger, selection, count=_CALLS, until_seq=data.standing.seq
    )
    sections = (make(asking) for part, make in _SECTIONS.items() if part != _OVER_TIME)
    return {
        "tenant": name_of(asking.tenant),
        "name": _name(asking),
        "sums": {side: totals(_groups(asking, "tenant", side)) for side in viewer.sides},
        "sections": [one for one in sections if one is not None and one.records],
        "trends": _trends(asking),
        "most": _ROWS_MAX,
        "words": _WORDS,
        "rows": call_rows(found.calls, selection, viewer),
        "sides": viewer.sides,
        "has_more": found.after is not None,
    }


def _name(asking: Asking) -> str:
    last_us = asking.data.standing.last_us or asking.data.now_us
    return shown_tenant(asking.selection.directory, asking.tenant, last_us)


def _groups(asking: Asking, by: str, side: Side) -> list[Group]:
    selection = asking.selection._replace(side=side)
    return asking.data.report([by], selection, by_cost=True)


class Trend(NamedTuple):
    """What its calls came to over time, in one currency."""

    unit: str
    currency: str
    bars: Sequence[Bar]
    picture: Markup


def _trends(asking: Asking) -> list[Trend]:
    return [
        Trend(
            one.unit,
            one.currency,
            one.bars,
            Markup(pictures(one.bars, _COLOURS, one.currency).svg),
        )
        for one in _timelines(asking)
    ]


def _timelines(asking: Asking) -> list[Timeline]:
    store, selection = asking.data.figures, asking.selection
    return timelines(store, _Everybody(), extent(store, selection), selection)


class _Everybody(dict[str | None, str]):
    """One series, whatever its calls were booked under."""

    def __missing__(self, tenant: str | None) -> str:
        return ""


def _of_groups(asking: Asking, name: str, title: str) -> Section:
    side = asking.selection.side
    records = [group_record(one) for one in _groups(asking, name, side)]
    of_side = " --side price" if side == "price" else ""
    command = f"genai-cost report --by {name}{of_side}"
    return Section(f"{name}s", title, (name, *_GROUP), records, command)


def _models(asking: Asking) -> Section:
    return _of_groups(asking, "model", "Models")


def _features(asking: Asking) -> Section:
    return _of_groups(asking, "feature", "Features")


def _margin(asking: Asking) -> Section | None:
    if not asking.viewer.sees_margin or asking.tenant is None:
        return None
    if asking.selection.models or asking.selection.features:
        return None
    report_of = margin_by_tenant(
        asking.data.figures,
        asking.ledger,
        asking.data.folder,
        asking.selection,
        asking.data.now_us,
    )
    columns = (
        *("currency", "revenue", "cost", "margin", "margin_percent", "trend"),
        *("price_at_target", "reason"),
    )
    records = [row_record(row, report_of) for row in report_of.rows]
    return Section("margin", "Margin", columns, records, "genai-cost margin")


def _budgets(asking: Asking) -> Section | None:
    if asking.tenant is None:
        return None
    found = standings(
        asking.ledger.budgets, asking.ledger.holds, asking.data.now_us, tenant=asking.tenant
    )
    columns = (
        *("budget", "scope", "side", "period_from", "period_to", "soft", "hard", "booked"),
        *("held", "percent", "currency", "crossed", "unpriced"),
    )
    records = [standing_record(one) for one in found if one.budget.side in asking.viewer.sides]
    return Section("budgets", "Budgets, now", columns, records, "genai-cost budgets list")


def _credits(asking: Asking) -> Section | None:
    if asking.tenant is None or not asking.viewer.sees_price:
        return None
    credit, seq = asking.ledger.credits, asking.ledger.entries.last_seq()
    columns = (
        "currency",
        "granted",
        "burnt",
        "expired",
        "held",
        "available",
        "overdraft",
        "unpriced",
    )
    records = [
        balance_json(one, credit.outside(one.tenant))
        for one in credit.balances(asking.data.now_us, seq, asking.tenant)
    ]
    return Section("credits", "Credit, now", columns, records, "genai-cost credits balance")


def _grants(asking: Asking) -> Section | None:
    if asking.tenant is None or not asking.viewer.sees_price:
        return None
    columns = (
        *("ref", "kind", "currency", "priority", "from", "expires", "amount", "burnt"),
        *("expired", "left", "state"),
    )
    found = asking.ledger.credits.grants(asking.tenant)
    records = [grant_state_json(one, asking.data.now_us) for one in found]
    return Section("grants", "Grants of credit", columns, records, "genai-cost credits list")


def _actions(asking: Asking) -> Section | None:
    if asking.viewer.role == "tenant":
        return None
    columns = (
        *("currency", "actions", "calls", "total", "mean", "p50", "p95", "calls_p50"),
        *("calls_p95", "wasted", "wasted_share"),
    )
    found = actions(
        asking.data.figures,
        asking.ledger,
        ["tenant"],
        asking.selection,
        readings=asking.data.readings(asking.ledger),
        parts_of=asking.data.parts,
    )
    records = [action_record(one) for one in found]
    return Section("actions", "Actions", columns, records, "genai-cost actions")


def _anomalies(asking: Asking) -> Section | None:
    """What is usual is worked out from all tenants together, so whoever may not see them sees nothing of it."""
    if not asking.viewer.sees_all:
        return None
    selection = asking.selection._replace(models=(), features=())

    def budgets_at(at_us: int) -> Iterable[Budget]:
        active = asking.ledger.budgets.active(at_us)
        return (one for one in active if one.side in asking.viewer.sides)

    found = anomalies(asking.data.figures, selection, budgets_at, asking.data.hourly)
    columns = (
        *("at", "rule", "scope", "window_h", "observed", "expected", "ratio", "currency"),
        "budget",
    )
    records = [alert_record(one) for one in found]
    return Section("anomalies", "Unusual spending", columns, records, "genai-cost anomalies")


def _notices(asking: Asking) -> Section | None:
    """The team's where they may see both sides, which its notices speak of; else what the tenant itself is told."""
    audience: Audience = "team" if asking.viewer.sees_margin else "tenant"
    if asking.tenant is None or not asking.viewer.sees_price:
        return None
    found = asking.ledger.notices.since(0, audience, asking.tenant, -1)
    records = [notice_record(one, "") for one in reversed(found[-_NOTICES_MAX:])]
    command = "genai-cost alerts list notices"
    return Section("notices", "Notices", ("at", "kind", "title", "text"), records, command)


def _trend(asking: Asking) -> Section:
    records = [
        {"from": bar.label, "amount": decimal_text(bar.total), "currency": one.currency}
        for one in _timelines(asking)
        for bar in one.bars
    ]
    command = "genai-cost report"
    return Section(_OVER_TIME, "Over time", ("from", "amount", "currency"), records, command)


_SECTIONS: Final[Mapping[str, Callable[[Asking], Section | None]]] = {
    "models": _models,
    "features": _features,
    "margin": _margin,
    "budgets": _budgets,
    "credits": _credits,
    "grants": _grants,
    "actions": _actions,
    "anomalies": _anomalies,
    "notices": _notices,
    _OVER_TIME: _trend,
}
