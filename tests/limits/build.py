"""Budgets for tests."""

from __future__ import annotations

from typing import Any

from otel_genai_cost.limits.budget import Budget
from otel_genai_cost.pricing.money import parse_money


def budget(budget_id: str = "b", **changes: Any) -> Budget:
    """A monthly budget of 100 USD of the whole organisation, with these changes; `hard` and `soft` in units."""
    for name in ("hard", "soft"):
        if isinstance(changes.get(name), str):
            changes[name] = parse_money(changes[name])
    if "scope" in changes:
        changes["scope"] = tuple(sorted(changes["scope"].items()))
    said: dict[str, Any] = {
        "id": budget_id,
        "version": 0,
        "scope": (),
        "period": "month",
        "zone": "UTC",
        "anchor": 1,
        "side": "cost",
        "currency": "USD",
        "soft": None,
        "hard": parse_money("100"),
        "thresholds": (80, 100),
        "ladder": (),
        "on_gate_down": "closed",
        "allowance": 0,
        "unknown_price": "deny",
        "valid_from_us": 0,
        "valid_to_us": None,
        "recorded_at_us": 1,
        **changes,
    }
    return Budget(**said)
