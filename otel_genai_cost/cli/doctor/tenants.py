"""Who the tenants are: whether the registry can be read, and what ids of calls are in none of its rows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from otel_genai_cost.cli.doctor.check import Found, failed, fine, warned
from otel_genai_cost.cli.home import Home
from otel_genai_cost.cli.registry import directory_at, registry_path
from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.ledger.tenants.row import is_address
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.tables import report
from otel_genai_cost.reports.tenants import SEEN, listed

__all__ = ["addresses", "registry"]

_NAMED_MAX: Final = 5


def registry(home: Home) -> Iterator[Found]:
    """Only where there is one: a ledger needs none."""
    name = "tenants' registry"
    try:
        directory = directory_at(home)
        if not directory.rows:
            return
        seen = report(home.store(), SEEN, Selection(directory=directory)) if _is_there(home) else []
    except GenAICostError as error:
        yield failed(name, "cannot be used", str(error).splitlines()[0])
        return
    found = listed(directory, time.time_ns() // 1000, seen)
    unknown = [one.row.tenant for one in found if one.state == "unknown"]
    kept = f"{len(found) - len(unknown)} tenants in {registry_path(home)}"
    if unknown:
        remedy = f"{_some(unknown)}: see `genai-cost tenants list`"
        yield warned(name, f"{kept}; ids of calls that are in no row: {len(unknown)}", remedy)
    else:
        yield fine(name, kept)


def addresses(home: Home) -> Iterator[Found]:
    """Ids, of calls or of the registry, that look like e-mail addresses."""
    try:
        directory = directory_at(home)
        seen = report(home.store(), ["tenant"]) if _is_there(home) else []
    except GenAICostError:
        return  # who reads the registry says what is wrong with it
    ids = {group.keys["tenant"] or "" for group in seen} | directory.pieces.keys()
    found = sorted(filter(is_address, ids))
    if found:
        remedy = "name tenants by ids that say nothing of a person: `genai-cost tenants` has names"
        yield warned("tenants' ids", f"e-mail addresses: {_some(found)}", remedy)


def _is_there(home: Home) -> bool:
    """Whether there is a store to ask: who looks makes none."""
    return home.duckdb.exists() and home.sink() is not None


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED_MAX} more" if len(names) > _NAMED_MAX else ""
    return ", ".join(names[:_NAMED_MAX]) + more
