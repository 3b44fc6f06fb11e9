"""How much tenants came to in each stretch of a period, for lines beside their names."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from otel_genai_cost.pages.asked import Asked
from otel_genai_cost.pages.chart import Stretch, over_time
from otel_genai_cost.pages.data import Data

__all__ = ["trends"]


def trends(
    data: Data, asked: Asked, tenants: Sequence[str | None], chosen: Stretch | None
) -> dict[tuple[str, str | None], list[Decimal]]:
    """The amounts of each, by currency and tenant, in the order of time; nothing for a period without stretches.

    Args:
        data: what they are made of.
        asked: for which calls.
        tenants: whose.
        chosen: the stretches.
    """
    if chosen is None or not tenants:
        return {}
    places = {begin: at for at, begin in enumerate(chosen.begins)}
    found: dict[tuple[str, str | None], list[Decimal]] = {}
    for one in over_time(data, "tenant", tenants, asked.selection, chosen):
        at = places.get(str(one.keys[chosen.unit]))
        if at is not None and one.at_least is not None:
            key = one.currency, one.keys["tenant"]
            found.setdefault(key, [Decimal(0)] * len(places))[at] = one.at_least
    return found
