"""Cost attributes: the default set, and what other trace UIs want to see.

`gen_ai.usage.cost` and `gen_ai.usage.cost.*` are never written together: leaf and namespace collide in JSON stores.
Doubles appear only here, at the edge, because these UIs read nothing else; `genai_cost.total` is exact.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from otel_genai_cost import attributes as names
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.pricing.cost import Cost
from otel_genai_cost.pricing.money import ATTO, format_money
from otel_genai_cost.usage.leaves import INPUT_LEAVES, OUTPUT_LEAVES
from otel_genai_cost.vocabulary import Role

__all__ = ["COSTLESS", "PROFILES", "Decorator", "decorator"]

COSTLESS: Final[frozenset[Role]] = frozenset({"context", "cumulative"})
"""Roles of spans that have no cost of their own to show."""

Value = str | float
_Extra = Callable[[Cost, int], Mapping[str, Value]]


def _double(atto: int) -> float:
    return atto / ATTO


def _default(
    charge_id: str,
    duplicate_of: str | None,
    cost: Cost,
    tenant: str | None,
    foreign_cost: str | None,
) -> dict[str, Value]:
    """Few, because each attribute costs an exporter about 5 us under the GIL."""
    shown: dict[str, Value]
    if duplicate_of is not None:
        shown = {names.COST_STATUS: "duplicate", names.COST_CHARGE_ID: duplicate_of}
    else:
        shown = {names.COST_STATUS: cost.status, names.COST_CHARGE_ID: charge_id}
        if cost.total is not None:
            shown[names.COST_TOTAL] = format_money(cost.total)
            if cost.row.currency != "USD":
                shown[names.COST_CURRENCY] = cost.row.currency
        if cost.reason is not None:
            shown[names.COST_REASON] = cost.reason
    if tenant is not None:
        shown[names.TENANT_ID] = tenant
    if foreign_cost is not None:
        shown[names.COST_REPORTED_ELSEWHERE] = foreign_cost
    return shown


def _usage_cost(cost: Cost, total: int) -> Mapping[str, Value]:
    return {names.GEN_AI_USAGE_COST: _double(total)}


def _part(cost: Cost, leaves: Iterable[str]) -> int:
    wanted = frozenset(leaves)
    return sum(line.amount for line in cost.lines if line.leaf in wanted)


def _full(cost: Cost, total: int) -> Mapping[str, Value]:
    shown: dict[str, Value] = {
        names.COST_INPUT: format_money(_part(cost, INPUT_LEAVES)),
        names.COST_OUTPUT: format_money(_part(cost, OUTPUT_LEAVES)),
    }
    if cost.price_id is not None:
        shown[names.COST_PRICE_ID] = cost.price_id
    if cost.book is not None:
        shown[names.COST_BOOK] = cost.book
    return shown


def _mlflow(cost: Cost, total: int) -> Mapping[str, Value]:
    sums = {
        "input_cost": _double(_part(cost, INPUT_LEAVES)),
        "output_cost": _double(_part(cost, OUTPUT_LEAVES)),
        "total_cost": _double(total),
    }
    return {"mlflow.llm.cost": json.dumps(sums)}


def _openinference(cost: Cost, total: int) -> Mapping[str, Value]:
    return {
        "llm.cost.prompt": _double(_part(cost, INPUT_LEAVES)),
        "llm.cost.completion": _double(_part(cost, OUTPUT_LEAVES)),
        "llm.cost.total": _double(total),
    }


def _langfuse(cost: Cost, total: int) -> Mapping[str, Value]:
    details = {line.leaf: _double(line.amount) for line in cost.lines} | {"total": _double(total)}
    return {"langfuse.observation.cost_details": json.dumps(details)}


def _logfire(cost: Cost, total: int) -> Mapping[str, Value]:
    return {"operation.cost": _double(total)}


def _sentry(cost: Cost, total: int) -> Mapping[str, Value]:
    return {
        "gen_ai.cost.input_tokens": _double(_part(cost, INPUT_LEAVES)),
        "gen_ai.cost.output_tokens": _double(_part(cost, OUTPUT_LEAVES)),
        "gen_ai.cost.total_tokens": _double(total),
    }


def _semconv_draft(cost: Cost, total: int) -> Mapping[str, Value]:
    """semantic-conventions-genai#443, open."""
    return {
        "gen_ai.usage.cost.amount": _double(total),
        "gen_ai.usage.cost.currency": cost.row.currency,
        "gen_ai.usage.cost.source": "local" if cost.source == "book" else "provider",
    }


PROFILES: Final[Mapping[str, tuple[_Extra, bool]]] = {
    "default": (_usage_cost, True),
    "full": (_full, False),
    "mlflow": (_mlflow, True),
    "openinference": (_openinference, True),
    "langfuse": (_langfuse, True),
    "logfire": (_logfire, True),
    "sentry": (_sentry, True),
    "semconv-draft": (_semconv_draft, False),
}
"""Profile -> what it adds to a priced span, and whether its readers take any number for US dollars."""


def decorator(profiles: Iterable[str]) -> Decorator | None:
    """What makes the cost attributes of a span.

    Args:
        profiles: names of PROFILES, or `off`; none for the default.

    Returns:
        None for `off`.

    Raises:
        ConfigurationError: for a profile that there is none of.
    """
    chosen = tuple(dict.fromkeys(profiles)) or ("default",)
    for profile in chosen:
        if profile not in PROFILES and profile != "off":
            raise ConfigurationError(
                "unknown attribute profile",
                value=profile,
                remedy=f"use some of {', '.join(PROFILES)}, or off",
            )
    if "off" in chosen:
        return None
    if "semconv-draft" not in chosen and "default" not in chosen:
        chosen = ("default", *chosen)
    if "semconv-draft" in chosen:
        chosen = tuple(profile for profile in chosen if profile != "default")
    extras = tuple(PROFILES[profile] for profile in chosen)
    return Decorator(extras)


class Decorator:
    """Makes the cost attributes of a span."""

    def __init__(self, extras: tuple[tuple[_Extra, bool], ...]) -> None:
        self._extras = extras

    def __call__(
        self,
        charge_id: str,
        duplicate_of: str | None,
        cost: Cost,
        tenant: str | None,
        foreign_cost: str | None = None,
    ) -> dict[str, Value]:
        shown = _default(charge_id, duplicate_of, cost, tenant, foreign_cost)
        if cost.total is not None and duplicate_of is None:
            for extra, usd_only in self._extras:
                if not usd_only or cost.row.currency == "USD":
                    shown.update(extra(cost, cost.total))
        return shown
