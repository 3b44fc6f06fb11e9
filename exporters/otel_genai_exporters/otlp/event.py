"""An entry of the ledger as a log event.

The body is the entry whole, as `genai-cost entries --json` prints it; the attributes say what one filters and sums by,
money as an exact decimal string. The event's time is when the call ended, its observed time when the entry was booked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from otel_genai_cost import attributes as names
from otel_genai_cost.ledger.entry import Entry, entry_json, tokens_of
from otel_genai_cost.pricing.money import format_money

__all__ = ["EVENT_NAME", "attributes_of", "body_of"]

EVENT_NAME: Final = "genai_cost.entry"


def body_of(entry: Entry) -> str:
    """The entry as JSON text."""
    return json.dumps(entry_json(entry), ensure_ascii=False, separators=(",", ":"))


def attributes_of(entry: Entry) -> Mapping[str, str | int]:
    """The event's attributes; what an entry lacks is left out."""
    attribution = entry.attribution
    input_tokens, output_tokens = tokens_of(entry)
    found: dict[str, Any] = {
        names.LOG_RECORD_UID: entry.id,
        names.ENTRY_SEQ: entry.seq,
        names.ENTRY_REVISION: entry.revision,
        names.ENTRY_CAUSE: entry.cause,
        names.COST_CHARGE_ID: entry.charge_id,
        names.ENTRY_AMOUNT: format_money(entry.amount),
        names.COST_CURRENCY: entry.currency,
        names.ENTRY_PRICE: format_money(entry.price),
        names.ENTRY_PRICE_CURRENCY: entry.price_currency,
        names.ENTRY_CALLS: entry.calls,
        names.ENTRY_UNPRICED: entry.unpriced,
        names.COST_REASON: entry.reason,
        names.ENTRY_QUALITY: entry.quality,
        names.ENTRY_INPUT_TOKENS: input_tokens,
        names.ENTRY_OUTPUT_TOKENS: output_tokens,
        names.TENANT_ID: attribution.tenant,
        names.ENTRY_ABSENT: attribution.absent,
        names.INITIATOR: attribution.initiator,
        **{name: attribution.labels.get(label) for label, name in names.LABELS.items()},
        names.ENTRY_SERVICE: entry.service,
        names.GEN_AI_PROVIDER_NAME: entry.provider,
        names.ENTRY_MODEL: entry.model,
        names.GEN_AI_OPERATION_NAME: entry.operation,
    }
    return {name: value for name, value in found.items() if value is not None}
