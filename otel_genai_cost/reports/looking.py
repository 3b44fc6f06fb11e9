"""What can be looked for: tenants by id and name, models, actions, calls, traces and responses, as far as they may be
seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, TypeVar

from otel_genai_cost.ledger.charge import Charge, charges
from otel_genai_cost.ledger.posting.position import Position
from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.ledger.storage.rows import Stored
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.tables import query_parts

__all__ = [
    "FOUND_MAX",
    "CallSeen",
    "TenantSeen",
    "actions_named",
    "calls_named",
    "models_named",
    "tenants_named",
]

FOUND_MAX: Final = 20
"""So many of each kind are answered."""

_DIGITS_LEAST: Final = 8
_LETTERS_LEAST: Final = 3
_CHARGES_MAX: Final = 200
_HEX: Final = frozenset("0123456789abcdef")
_TENANTS_SQL: Final = "SELECT DISTINCT tenant FROM entries WHERE tenant IS NOT NULL"
_MODELS_SQL: Final = (
    "{relation}SELECT DISTINCT {dimensions} FROM {source} WHERE model IS NOT NULL AND {condition}"
)

_ACTIONS_SQL: Final = """{relation}SELECT DISTINCT "action" AS label, tenant FROM (
    (SELECT "action", {dimensions} FROM {source}
     WHERE starts_with("action", $1) AND NOT regexp_full_match("action", '[0-9a-f]{{32}}') AND {condition} LIMIT {most})
    UNION ALL
    (SELECT "action", {dimensions} FROM {source}
     WHERE "action" = $1 AND NOT regexp_full_match("action", '[0-9a-f]{{32}}') AND {condition} LIMIT {most})
)
ORDER BY label <> $1, label, tenant
LIMIT {shown}"""
_ACTION_ROWS_MAX: Final = 20_000
"""So many entries of actions that begin with a text are looked at; one that is the text is found however many do."""

_T = TypeVar("_T")


class TenantSeen(NamedTuple):
    """A tenant: its id as calls are shown under it, and what the registry ever called it."""

    tenant: str
    names: tuple[str, ...]


class CallSeen(NamedTuple):
    """A call: its charge, the parts of it that may be seen, and the traces that tell of it."""

    charge: Charge
    parts: tuple[Position, ...]
    traces: tuple[str, ...]


def tenants_named(store: Queryable, selection: Selection, text: str) -> list[TenantSeen]:
    """Tenants whose id or name has a text in it; those that begin so first.

    Args:
        store: what knows whose calls there are.
        selection: who may be seen.
        text: in any case.
    """
    booked = [row[0] for row in store.query(_TENANTS_SQL).rows]
    names: dict[str, dict[str, None]] = {}
    for tenant in booked:
        pieces = selection.directory.pieces.get(tenant, ())
        for row in [piece.row for piece in pieces]:
            known = names.setdefault(row.tenant, {})
            if name := row.words.get("name"):
                known[name] = None
        names.setdefault(tenant, {})
    seen = [
        TenantSeen(tenant, tuple(known))
        for tenant, known in names.items()
        if selection.visible is None or tenant in selection.visible
    ]
    return _best([(one, (one.tenant, *one.names)) for one in seen], text)


def models_named(store: Queryable, selection: Selection, text: str) -> list[str]:
    """Models whose name has a text in it; those that begin so first.

    Args:
        store: what knows the models of calls.
        selection: whose calls may be seen.
        text: in any case.
    """
    parts = query_parts(["model"], selection, first=1)
    found = store.query(_MODELS_SQL.format(**parts.sql), parts.parameters).rows
    return _best([(row[0], (row[0],)) for row in found], text)


def actions_named(
    store: Queryable, selection: Selection, text: str
) -> list[tuple[str, str | None]]:
    """Labels of actions that begin with a text, and the tenant of each; those that are the text first. An action that
    nothing names is its trace, and is found as that.

    Args:
        store: what knows the actions of calls.
        selection: whose calls may be seen.
        text: as it was written.
    """
    if len(text) < _LETTERS_LEAST:
        return []
    parts = query_parts(["tenant"], selection, first=2)
    sql = _ACTIONS_SQL.format(most=_ACTION_ROWS_MAX, shown=FOUND_MAX, **parts.sql)
    return [(label, tenant) for label, tenant in store.query(sql, [text, *parts.parameters]).rows]


def _best(known: Iterable[tuple[_T, tuple[str, ...]]], text: str) -> list[_T]:
    """Those of whose names one has the text in it: one that is it, then those that begin so, then the others."""
    wanted = text.casefold()
    ranked: list[tuple[int, str, _T]] = []
    for one, names in known:
        ranks = [_rank(name.casefold(), wanted) for name in names]
        if wanted and (found := [rank for rank in ranks if rank is not None]):
            ranked.append((min(found), names[0], one))
    ranked.sort(key=lambda found: found[:2])
    return [one for _, _, one in ranked[:FOUND_MAX]]


def _rank(name: str, wanted: str) -> int | None:
    if wanted not in name:
        return None
    return 0 if name == wanted else 1 if name.startswith(wanted) else 2


def calls_named(ledger: Ledger, selection: Selection, text: str) -> list[CallSeen]:
    """Calls by the beginning of a charge's, an observation's, a span's or a trace's id, at least eight digits; or by a
    whole id of a provider's response.

    Args:
        ledger: what knows them.
        selection: which may be seen.
        text: the beginning or the whole of an id.

    Raises:
        LedgerError: if a row is damaged.
    """
    traces: dict[str, dict[str, None]] = {}
    for stored in _observed(ledger, text):
        if stored.charge_id is not None:
            traces.setdefault(stored.charge_id, {})[stored.observation.trace_id] = None
    found = _seen(ledger, selection, [*traces][:_CHARGES_MAX], traces)
    return [one for one, _ in zip(found, range(FOUND_MAX), strict=False)]


def _observed(ledger: Ledger, text: str) -> list[Stored]:
    is_id = len(text) >= _DIGITS_LEAST and not set(text.lower()) - _HEX
    found = ledger.observations.find(text) if is_id else []
    return found or (ledger.observations.of_response(text) if text else [])


def _seen(
    ledger: Ledger, selection: Selection, ids: list[str], traces: dict[str, dict[str, None]]
) -> Iterator[CallSeen]:
    for charge in charges(ledger, ids):
        parts = tuple(filter(selection.has, charge.positions))
        if parts:
            yield CallSeen(charge, parts, tuple(traces[charge.charge_id]))
