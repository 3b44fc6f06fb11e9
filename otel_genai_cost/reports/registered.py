"""The tenants' registry beside the entries: what a query joins, and the same for one call."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final, NamedTuple

from otel_genai_cost.ledger.tenants.directory import Directory, Piece, joined_stretches
from otel_genai_cost.ledger.tenants.row import FOREVER_US
from otel_genai_cost.limits.unusual import NOBODY
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.reports.printable import printable

__all__ = ["REGISTERED", "Join", "join", "registered_record", "shown_tenant"]

_Of = Callable[[Piece], str | None]


def _word(word: str) -> _Of:
    return lambda piece: piece.row.words.get(word)


_TENANT: Final = "tenant"
_COLUMNS: Final[Mapping[str, _Of]] = {
    _TENANT: lambda piece: piece.row.tenant,
    "name": _word("name"),
    "tenant_plan": _word("plan"),
    "tier": _word("tier"),
    "contract": _word("contract"),
    "region": _word("region"),
    "owner": _word("owner"),
    "parent": lambda piece: piece.top,
}
"""What is joined, by the name that reports have for it, and where a row has it."""

REGISTERED: Final = (*(name for name in _COLUMNS if name != _TENANT), "registered", "booked_tenant")
"""Dimensions of reports that come from the registry; `tenant` is in it too, where an id was merged or is an alias."""

_FIRST, _LAST = "0001-01-01 00:00:00", "9999-12-31 00:00:00"
"""Times that no call is beyond: comparisons with one that may be absent are several times slower."""

_OWN: Final = frozenset({_TENANT, "parent"})
"""Where an id is in no row, these are the id itself."""


class Join(NamedTuple):
    """A query's part that joins the registry to the entries.

    Attributes:
        relation: the common table expression, with its WITH; "" where nothing is joined.
        source: what is selected from.
        parameters: of the relation, numbered from the first.
        expressions: what stands for a dimension, by its name.
    """

    relation: str
    source: str
    parameters: list[str]
    expressions: Mapping[str, str]


def join(directory: Directory, names: Collection[str], first: int) -> Join:
    """What a query joins to know some dimensions of every entry, at the time that its call occurred.

    Args:
        directory: who the tenants are.
        names: dimensions; those that the registry does not know are no concern of it.
        first: the number of the first parameter.

    No entry matches two rows of the relation, because an id means one tenant at a time; and one that matches none
    stays. So the sums over entries are the same with it and without.
    """
    columns = [name for name in _COLUMNS if name in names]
    if not directory.pieces or not (columns or "registered" in names):
        return Join("", "entries", [], {**_unjoined(), "booked_tenant": "tenant"})
    parameters: dict[str, str] = {}

    def parameter(value: str | None) -> str:
        if value is None:
            return "NULL"
        return parameters.setdefault(value, f"${first + len(parameters)}")

    rows = ", ".join(f"({', '.join(map(parameter, row))})" for row in _relation(directory, columns))
    heads = ", ".join(("written_id", "written_from", "written_to", *columns))
    texts = "".join(f", CAST({name} AS VARCHAR) AS registered_{name}" for name in columns)
    relation = (
        f"WITH written ({heads}) AS (VALUES {rows}),\n"
        "registry AS (SELECT written_id AS registered_id,\n"
        f"  coalesce(CAST(written_from AS TIMESTAMP), TIMESTAMP '{_FIRST}') AS registered_from,\n"
        f"  coalesce(CAST(written_to AS TIMESTAMP), TIMESTAMP '{_LAST}') AS registered_to{texts} FROM written)\n"
    )
    source = (
        "entries LEFT JOIN registry ON entries.tenant = registered_id\n"
        "  AND occurred >= registered_from AND occurred < registered_to"
    )
    expressions = {**_unjoined(), **{name: _expression(name) for name in columns}}
    expressions["registered"] = (
        "CASE WHEN entries.tenant IS NULL THEN NULL WHEN registered_id IS NULL THEN 'no' ELSE 'yes' END"
    )
    expressions["booked_tenant"] = "entries.tenant"
    return Join(relation, source, list(parameters), expressions)


def _unjoined() -> dict[str, str]:
    """Where there is no registry, nobody is registered."""
    nothing = dict.fromkeys(_COLUMNS, "CAST(NULL AS VARCHAR)")
    own = dict.fromkeys(_OWN, "entries.tenant")
    return nothing | own | {"registered": "CASE WHEN tenant IS NULL THEN NULL ELSE 'no' END"}


def _expression(name: str) -> str:
    column = f"registered_{name}"
    return f"coalesce({column}, entries.tenant)" if name in _OWN else column


def _relation(directory: Directory, columns: list[str]) -> Iterator[tuple[str | None, ...]]:
    """Id, from, to and the columns; neighbours in time that are equal in these are one row."""
    for name, pieces in directory.pieces.items():
        stretches = (
            (piece.from_us, piece.to_us, [_COLUMNS[column](piece) for column in columns])
            for piece in pieces
        )
        for from_us, to_us, values in joined_stretches(stretches):
            yield name, _moment(from_us), _moment(to_us), *values


def _moment(us: int) -> str | None:
    return None if abs(us) >= FOREVER_US else rfc3339(us).removesuffix("Z")


def shown_tenant(directory: Directory, tenant: str | None, us: int) -> str:
    """A tenant as people read it: the id of the call, whom the registry says it means, and what that one is called.

    Args:
        directory: who the tenants are.
        tenant: the id of the call; None for one that is nobody's.
        us: when the call was, in unix microseconds.
    """
    if tenant is None:
        return NOBODY
    piece = directory.at(tenant, us)
    if piece is None:
        return printable(tenant)
    meant, name = piece.row.tenant, piece.row.words.get("name")
    parts = [tenant, *([meant] if meant != tenant else []), *([name] if name else [])]
    return printable(", ".join(parts))


def registered_record(directory: Directory, tenant: str | None, us: int) -> dict[str, Any]:
    """What the registry says of one call, under the names of the dimensions; nothing without one.

    Args:
        directory: who the tenants are.
        tenant: as it was booked; None where the call is nobody's.
        us: when the call ended, unix microseconds.
    """
    if not directory.pieces:
        return {}
    piece = directory.at(tenant, us)
    if piece is None:
        found = {name: tenant if name in _OWN else None for name in _COLUMNS}
    else:
        found = {name: of(piece) for name, of in _COLUMNS.items()}
    registered = None if tenant is None else "no" if piece is None else "yes"
    return {**found, "registered": registered, "booked_tenant": tenant}
