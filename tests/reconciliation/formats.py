"""An invoice in the formats of providers, as their documentation has them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from otel_genai_cost.pricing.money import format_money
from tests.reconciliation.invoices import Sold

__all__ = ["as_anthropic", "as_aws", "as_azure", "as_focus", "as_gcp"]

_TYPES: Final = {
    "input": "uncached_input_tokens",
    "cache_read": "cache_read_input_tokens",
    "output": "output_tokens",
}


def _cents(atto: int) -> str:
    return format_money(atto * 100)


def as_anthropic(folder: Path, lines: Iterable[Sold]) -> list[Path]:
    """Analytics of costs, and the report of usage that has the quantities."""
    costs, usage = list[dict[str, Any]](), dict[str, list[dict[str, Any]]]()
    for line in lines:
        after = (datetime.fromisoformat(line.day) + timedelta(days=1)).date().isoformat()
        at = {"starting_at": f"{line.day}T00:00:00Z", "ending_at": f"{after}T00:00:00Z"}
        tier = "batch" if line.tier else "standard"
        listed = line.amount if line.list_amount is None else line.list_amount
        group = {
            "model": line.model,
            "cost_type": "tokens" if line.model else None,
            "token_type": _TYPES.get(str(line.leaf)),
            "service_tier": tier,
            "workspace_id": line.key,
            "description": line.kind,
        }
        cost = {"amount": _cents(line.amount), "list_amount": _cents(listed), "currency": "USD"}
        costs.append({**at, "group": group, "cost": cost})
        if line.model is not None:
            more = {
                "model": line.model,
                _TYPES[str(line.leaf)]: line.quantity,
                "service_tier": tier,
                "workspace_id": line.key,
            }
            usage.setdefault(line.day, []).append(more)
    buckets = [
        {"starting_at": f"{day}T00:00:00Z", "ending_at": None, "results": results}
        for day, results in usage.items()
    ]
    paths = [folder / "cost.json", folder / "usage.json"]
    for path, data in zip(paths, (costs, buckets), strict=True):
        path.write_text(json.dumps({"data": data, "has_more": False, "next_page": None}))
    return paths


def _table(path: Path, rows: list[dict[str, Any]]) -> list[Path]:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return [path]


_AWS_TYPES: Final = {"input": "input", "cache_read": "cache-read-input", "output": "output"}
_AWS_KINDS: Final = {
    "usage": "Usage",
    "discount": "EdpDiscount",
    "credit": "Credit",
    "tax": "Tax",
}


def as_aws(folder: Path, lines: Iterable[Sold]) -> list[Path]:
    """CUR 2.0, with two lines an hour for each of the invoice."""
    rows = list[dict[str, Any]]()
    for line in lines:
        words = _AWS_TYPES.get(str(line.leaf), "")
        arn = f"arn:aws:bedrock:us-east-1::foundation-model/{line.model}" if line.model else ""
        for part in _halves(line):
            listed = "" if part.list_amount is None else format_money(part.list_amount)
            rows.append(
                {
                    "identity_line_item_id": f"id-{len(rows)}",
                    "bill_invoice_id": "",
                    "line_item_usage_start_date": f"{line.day}T0{len(rows) % 9}:00:00.000Z",
                    "line_item_line_item_type": _AWS_KINDS[line.kind],
                    "line_item_product_code": "AmazonBedrock",
                    "line_item_usage_type": f"USE1-Nova-{words}-tokens" if words else "",
                    "line_item_resource_id": arn,
                    "line_item_usage_amount": _thousandths(part.quantity),
                    "pricing_unit": "1K tokens",
                    "line_item_unblended_cost": format_money(part.amount),
                    "pricing_public_on_demand_cost": listed,
                    "line_item_currency_code": "USD",
                    "line_item_iam_principal": line.key or "",
                }
            )
    return _table(folder / "cur.csv", rows)


def _halves(line: Sold) -> list[Sold]:
    if line.quantity is None or line.quantity < 2 or line.amount % line.quantity:
        return [line]
    price, some = line.amount // line.quantity, line.quantity // 2
    listed = None if line.list_amount is None else line.list_amount // line.quantity
    return [
        line._replace(
            quantity=many,
            amount=many * price,
            list_amount=None if listed is None else many * listed,
        )
        for many in (some, line.quantity - some)
    ]


def _thousandths(quantity: int | None) -> str:
    return "" if quantity is None else f"{quantity // 1000}.{quantity % 1000:03d}"


_AZURE_WORDS: Final = {"input": "Inp", "cache_read": "cached Inp", "output": "Outp"}
_AZURE_KINDS: Final = {"usage": "Usage", "credit": "Refund", "tax": "Tax"}


def as_azure(folder: Path, lines: Iterable[Sold]) -> list[Path]:
    """Cost details, of dates as Americans write them."""
    rows = list[dict[str, Any]]()
    for line in lines:
        year, month, day = line.day.split("-")
        name, *rest = (line.model or "").split("-2")
        short = f"{name}-{rest[0][-5:].replace('-', '')}" if rest else name
        listed = "" if line.list_amount is None else format_money(line.list_amount)
        rows.append(
            {
                "Date": f"{month}/{day}/{year}",
                "MeterCategory": "Cognitive Services",
                "MeterSubCategory": "Azure OpenAI",
                "MeterName": f"{short} {_AZURE_WORDS.get(str(line.leaf), '')} glbl Tokens",
                "Quantity": _thousandths(line.quantity),
                "UnitOfMeasure": "1K",
                "CostInBillingCurrency": format_money(line.amount),
                "PayGCostInBillingCurrency": listed,
                "BillingCurrencyCode": "USD",
                "ChargeType": _AZURE_KINDS[line.kind],
                "ResourceId": f"/subscriptions/1/accounts/{line.key}" if line.key else "",
            }
        )
    return _table(folder / "details.csv", rows)


_FOCUS_KINDS: Final = {"usage": "Usage", "credit": "Credit", "tax": "Tax", "discount": "Adjustment"}


def as_focus(folder: Path, lines: Iterable[Sold]) -> list[Path]:
    """FOCUS 1.2, of Azure's meters."""
    rows = list[dict[str, Any]]()
    for line in lines:
        words = _AZURE_WORDS.get(str(line.leaf), "")
        listed = line.amount if line.list_amount is None else line.list_amount
        rows.append(
            {
                "ChargePeriodStart": f"{line.day}T00:00:00Z",
                "ChargeCategory": _FOCUS_KINDS[line.kind],
                "ChargeDescription": line.kind.title(),
                "ServiceCategory": "AI and Machine Learning",
                "x_SkuMeterName": f"{line.model} {words} glbl Tokens" if line.model else "",
                "ConsumedQuantity": "" if line.quantity is None else f"{line.quantity}.0",
                "ConsumedUnit": "Tokens",
                "BilledCost": format_money(line.amount),
                "ListCost": format_money(listed),
                "BillingCurrency": "USD",
                "SubAccountId": line.key or "",
            }
        )
    return _table(folder / "focus.csv", rows)


_SKUS: Final = {"input": "Text Input", "cache_read": "Cached Text Input", "output": "Text Output"}
_COST_TYPES: Final = {"usage": "regular", "tax": "tax", "credit": "adjustment"}


def as_gcp(folder: Path, lines: Iterable[Sold]) -> list[Path]:
    """The export to BigQuery, as JSON Lines: hours of UTC, of Pacific days."""
    path = folder / "export.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for line in lines:
            name = (line.model or "").replace("-", " ").title()
            record: Mapping[str, Any] = {
                "service": {"id": "1", "description": "Vertex AI"},
                "sku": {"id": "2", "description": _sku(name, line)},
                "usage_start_time": f"{line.day} 19:00:00 UTC",
                "project": {"id": line.key},
                "cost": f"@{format_money(line.amount)}@",
                "currency": "USD",
                "usage": {"amount": line.quantity, "unit": "count"},
                "credits": [],
                "cost_type": _COST_TYPES[line.kind],
            }
            file.write(json.dumps(record).replace('"@', "").replace('@"', "") + "\n")
    return [path]


def _sku(name: str, line: Sold) -> str:
    if line.leaf is None:
        return line.kind.title()
    batch = " Batch" if line.tier else ""
    return f"{name} {_SKUS[line.leaf]}{batch} - Predictions"
