"""What reasons and rules mean, in words, and what to do about them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["ABSENT", "IGNORED", "REASONS", "RULES"]

REASONS: Final[Mapping[str, str]] = {
    "unknown_model": "the price book does not know this model; add a row, then `genai-cost rerate`",
    "unknown_provider": "the price book does not know this provider; add its rows, then `genai-cost rerate`",
    "ambiguous_provider": "several providers go by this name; name one of them on the span",
    "ambiguous_scope": "the price depends on the region or deployment type, and the call names none",
    "missing_model": "the span names no model; update the instrumentation",
    "missing_usage": "the span has no token counts: its call got no answer, or its stream was not read to its end, or "
    "did not ask for usage",
    "invalid_usage": "the token counts contradict each other or are no counts; see the instrumentation's known defects",
    "invalid_time": "the call has no usable time",
    "out_of_effective_range": "no row of the price book is in force at the time of the call",
    "undated_change": "the price changed at about that time, and nobody published on which day; the prices before and "
    "after are known",
    "untold_fee": "every call to this model is billed something that this span does not count; the lines are a lower "
    "bound",
    "unpriced_component": "part of the usage has no published rate; the lines are a lower bound",
    "unpriced_tier": "no rate is published for these conditions (service tier, batch, context length)",
    "non_token_billing": "the provider bills this by something else than what was used",
    "untrusted_usage": "the numbers of this instrumentation are known to be wrong",
    "no_price_book": "no price book could be read; mend OTEL_GENAI_COST_BOOK, then `genai-cost rerate`",
    "poll_without_call": "a stored response was read again, and the call that made it was not seen",
    "unfinished": "its process ended first, or its answer was left or cut off; only the provider's bill has its cost",
    "no_fx_rate": "the tenant is billed in another currency, and no [[fx]] row holds at the time of the call",
    "not_compiled": "what `genai-cost collector compile` made for a collector cannot tell the price of such calls; "
    "`genai-cost collector serve` can",
    "not_billed": "the provider answered with an error, and charges nothing for it",
}

RULES: Final[Mapping[int | None, str]] = {
    None: "the first to end",
    0: "a copy of the same span",
    1: "the same response id of the same provider",
    2: "above or below it in the trace, with the same usage",
    3: "another instrumentation of the same call: same process, time and tokens",
}

IGNORED: Final[Mapping[str, str]] = {
    "sum": "it only adds up calls below it, which are charged themselves",
    "aggregate": "it repeats calls below it, which are charged themselves",
    "context": "it made no call; it may have named whom the calls below it were for",
}

ABSENT: Final[Mapping[str, str]] = {
    "missing": "nothing named a tenant; set OTEL_GENAI_COST_TENANT, or use tenant() around the work",
    "stale": "the context outlived its request or came from another process",
    "edge_bypassed": "the edge was not in this request's way: see `genai-cost doctor`, or use tenant() around the work",
    "conflict": "equally trusted sources named different tenants",
    "invalid": "what named the tenant is not a tenant id",
    "system": "work that the platform did for itself",
}
