"""How providers bill what no price list says: `data/billing.toml`, written into the rows that its rules meet."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from otel_genai_cost.pricing.fees import FEE_KEYS
from otel_genai_cost.pricing.load import DATA

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["BillingRule", "bill", "read_billing"]

_ANY: Final = "*"


class BillingRule(NamedTuple):
    """One provider's way of billing: which rows it meets, what it adds to them, and where that was read."""

    provider: str
    what: str
    source: str
    models: tuple[str, ...] = ()
    where: Mapping[str, str] = {}
    rates: Mapping[str, str] = {}
    fees: Mapping[str, Any] = {}

    def meets(self, row: Mapping[str, Any]) -> bool:
        """Whether a row is billed so; one that refuses bills nothing."""
        rates: Mapping[str, str] = row["rates"]
        return (
            row["provider"] == self.provider
            and bool(rates)
            and (not self.models or row["model"] in self.models)
            and all(
                leaf in rates and price in (_ANY, rates[leaf]) for leaf, price in self.where.items()
            )
        )


def read_billing() -> tuple[BillingRule, ...]:
    """The rules, in their order."""
    table = tomllib.loads((DATA / "billing.toml").read_text("utf-8"))
    return tuple(map(_rule, table["rule"]))


def _rule(entry: Mapping[str, Any]) -> BillingRule:
    return BillingRule(
        provider=entry["provider"],
        what=entry["what"],
        source=entry["source"],
        models=tuple(entry.get("models", ())),
        where=entry.get("where", {}),
        rates=entry.get("rates", {}),
        fees={key: entry[key] for key in FEE_KEYS if key in entry},
    )


def bill(tables: Mapping[str, Any]) -> None:
    """Write the rules into the rows they meet; what a row says of itself stands."""
    rows: list[dict[str, Any]] = tables["prices"]
    for rule in read_billing():
        for row in filter(rule.meets, rows):
            row["rates"] = {**rule.rates, **row["rates"]}
            for key, value in rule.fees.items():
                row.setdefault(key, value)
