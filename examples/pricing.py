"""Prices from code: what a call costs, how that is made up, and what another model would have cost.

python pricing.py
"""

from __future__ import annotations

from datetime import datetime, timezone

from otel_genai_cost.pricing.load import load_book
from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.pricing.rate import price
from otel_genai_cost.usage.leaves import partition

book = load_book()
at_us = int(datetime(2026, 11, 20, 12, tzinfo=timezone.utc).timestamp()) * 1_000_000

# Totals as a provider reports them; its cached tokens are part of the input.
usage = partition(12_000, 800, {"cache_read": 10_000})

cost = price(book, "openai", "gpt-4o", usage, at_us, {})
for line in cost.lines:
    rate = line.rate
    print(
        f"{line.leaf:<12} {line.quantity:>8,} x {rate.unit_price} per {rate.per:,} = {format_money(line.amount)}"
    )
print(f"{cost.status}: {cost.total_text} {cost.currency} by {cost.price_id}")

for provider, model in (("openai", "gpt-4o-mini"), ("anthropic", "claude-sonnet-4-5")):
    other = price(book, provider, model, usage, at_us, {})
    print(f"{provider}/{model}: {other.total_text or other.reason}")

batch = price(book, "openai", "gpt-4o", usage, at_us, {"batch": True})
print(f"as a batch: {batch.total_text}")

unknown = price(book, "openai", "gpt-9-experimental", usage, at_us, {})
print(f"gpt-9-experimental: {unknown.status}, {unknown.reason}")  # never 0
