"""When the last of the calls selected ended."""

from __future__ import annotations

from typing import Final

from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.tables import query_parts

__all__ = ["last_call_us"]

_SQL: Final = (
    "{relation}SELECT CAST(epoch_us(max(occurred)) AS BIGINT) FROM {source} WHERE {condition}"
)


def last_call_us(store: Queryable, selection: Selection) -> int | None:
    """Unix microseconds; None without a call. Calls that were taken back count: it only says where to look.

    Args:
        store: what holds the entries.
        selection: which calls.
    """
    parts = query_parts(["tenant"], selection, first=1)
    ((found,),) = store.query(_SQL.format(**parts.sql), parts.parameters).rows
    return None if found is None else int(found)
