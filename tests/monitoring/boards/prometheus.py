"""What the dashboard over Prometheus asks: of the ledger's `/metrics`, of agents and gates, and of what the sink
`otlp_metrics` sends. What is spent is for looking at: Prometheus counts in doubles, what is owed is in the ledger."""

from __future__ import annotations

from typing import Final

from tests.monitoring.boards.panel import PanelOf

__all__ = ["PANELS"]

_SPENT: Final = 'genai_cost_ledger_spent{period="month"}'
_BEGIN: Final = 'max(genai_cost_ledger_period_begin_seconds{period="month"})'
_END: Final = 'max(genai_cost_ledger_period_end_seconds{period="month"})'
_IN: Final = "genai_cost_currency"


def _rate(name: str, by: str) -> str:
    """What comes an hour, less what corrections take back."""
    return (
        f"3600 * sum by ({by}) (rate(genai_cost_ledger_{name}_total[$__rate_interval])"
        f" - rate(genai_cost_ledger_{name}_credited_total[$__rate_interval]))"
    )


_MONEY: Final = (
    PanelOf(
        "This month",
        "stat",
        f"sum by ({_IN}) ({_SPENT})",
        "What calls cost that ended since the first of this month, in UTC: `ledger serve --metrics-tenants 20`.",
        6,
        4,
        legend="{{genai_cost_currency}}",
    ),
    PanelOf(
        "Today",
        "stat",
        f'sum by ({_IN}) (genai_cost_ledger_spent{{period="day"}})',
        "The same since midnight, UTC.",
        6,
        4,
        legend="{{genai_cost_currency}}",
    ),
    PanelOf(
        "At this rate, by the month's end",
        "stat",
        f"sum by ({_IN}) ({_SPENT}) * scalar(({_END} - {_BEGIN}) / clamp_min(time() - {_BEGIN}, 3600))",
        "As if the rest of the month went on as it has until now. Budgets have better forecasts.",
        6,
        4,
        legend="{{genai_cost_currency}}",
    ),
    PanelOf(
        "Of tenants that are not shown by themselves",
        "stat",
        f'(sum by ({_IN}) (genai_cost_ledger_spent{{period="month",otel_metric_overflow="true"}})'
        f" or 0 * sum by ({_IN}) ({_SPENT})) / (sum by ({_IN}) ({_SPENT}) != 0)",
        "Where this is much, name more of them.",
        6,
        4,
        "percentunit",
        "{{genai_cost_currency}}",
    ),
    PanelOf(
        "Tenants this month",
        "bars",
        f"sum by (tenant_id, otel_metric_overflow, {_IN}) ({_SPENT})",
        "Those who spent most, and `other`; nobody's has no name. It begins at 0 with each month.",
        24,
        9,
        legend="{{tenant_id}} {{genai_cost_currency}}",
    ),
    PanelOf(
        "Cost an hour, by tenant",
        "lines",
        _rate("cost", f"tenant_id, {_IN}"),
        "By when calls are booked. From the sink `otlp_metrics`, as are the next three.",
        legend="{{tenant_id}} {{genai_cost_currency}}",
    ),
    PanelOf(
        "Cost an hour, by model",
        "lines",
        _rate("cost", f"gen_ai_provider_name, genai_cost_model, {_IN}"),
        "By when calls are booked.",
        legend="{{genai_cost_model}} {{genai_cost_currency}}",
    ),
    PanelOf(
        "Tokens an hour",
        "lines",
        _rate("tokens", "gen_ai_token_type"),
        "Tokens in and out.",
        legend="{{gen_ai_token_type}}",
    ),
    PanelOf(
        "Cost by model, since the ledger began",
        "table",
        f"sort_desc(sum by (gen_ai_provider_name, genai_cost_model, {_IN})"
        " (genai_cost_ledger_cost_total - genai_cost_ledger_cost_credited_total))",
        "Sums of all entries.",
    ),
)

_HEALTH: Final = (
    PanelOf(
        "What has come and is not booked",
        "lines",
        "max by (job, instance) (genai_cost_ledger_lag_seconds)",
        "How long the oldest has waited.",
        8,
        7,
        "s",
        "{{instance}}",
    ),
    PanelOf(
        "Since the last round",
        "lines",
        "max by (job, instance) (genai_cost_ledger_round_age_seconds)",
        "Whether anything is booked at all.",
        8,
        7,
        "s",
        "{{instance}}",
    ),
    PanelOf(
        "What sinks lack",
        "lines",
        "max by (job, instance) (genai_cost_ledger_sinks_lag_entries)",
        "Entries that the last of them has not.",
        8,
        7,
        legend="{{instance}}",
    ),
    PanelOf(
        "Calls without a price, an hour",
        "lines",
        "3600 * sum by (reason) (rate(genai_cost_ledger_unpriced_total[$__rate_interval]))",
        "As they are booked, by why: `genai-cost unpriced` lists them.",
        8,
        7,
        legend="{{reason}}",
    ),
    PanelOf(
        "Calls that are nobody's, an hour",
        "lines",
        "3600 * sum by (reason) (rate(genai_cost_ledger_unattributed_total[$__rate_interval]))",
        "As they are booked, by why: `genai-cost coverage` says of which service.",
        8,
        7,
        legend="{{reason}}",
    ),
    PanelOf(
        "Calls that were reported more than once, an hour",
        "lines",
        "3600 * sum by (job, instance) (rate(genai_cost_ledger_duplicates_total[$__rate_interval]))",
        "Each is one charge, whoever else saw it.",
        8,
        7,
        legend="{{instance}}",
    ),
    PanelOf(
        "Not sent on by agents",
        "lines",
        "sum by (job, instance) (genai_cost_unshipped_usd)",
        "What the calls cost whose journals have not gone on to the ledger, in USD.",
        8,
        7,
        "currencyUSD",
        "{{instance}}",
    ),
    PanelOf(
        "Journals in, by answer",
        "lines",
        "sum by (job, answer) (rate(genai_cost_receiver_requests_total[$__rate_interval]))",
        "Requests a second: taken, or why not.",
        8,
        7,
        "reqps",
        "{{answer}}",
    ),
    PanelOf(
        "Gates",
        "table",
        "min by (job, instance) (genai_cost_gate_up) - max by (job, instance) (genai_cost_gate_is_behind)",
        "1 is well; 0 is without its store, or with books that are too far behind.",
        8,
        7,
    ),
)

PANELS: Final = (*_MONEY, *_HEALTH)
"""In the order of reading."""
