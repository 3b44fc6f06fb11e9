"""What each provider says that it billed, in the form its documentation gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from otel_genai_cost.usage.bills import NO_BILL, RULES, Bill, bill_of, gateway_bill
from otel_genai_cost.usage.payload import payload_of, response_of

_OWN_KEY = {"cost": 0, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.00197}}


@pytest.mark.parametrize(
    ("usage", "billed"),
    [
        ({"cost_in_usd_ticks": 37_756_000}, "0.0037756000"),
        ({"cost": {"request_cost": 0.006, "total_cost": 0.0072}}, "0.0072"),
        (
            {
                "cost": 0.00197,
                "is_byok": False,
                "cost_details": {"upstream_inference_cost": 0.0019},
            },
            "0.00197",
        ),
        (_OWN_KEY, "0.00197"),
        ({**_OWN_KEY, "cost": 0.0001}, "0.00207"),
        # the documentation's own example, which has no `is_byok`: five per cent of what the upstream provider bills
        ({"cost": 0.95, "cost_details": {"upstream_inference_cost": 19}}, "19.95"),
        ({"cost": 0, "is_byok": False, "cost_details": {"upstream_inference_cost": None}}, "0"),
        ({"cost": 2e-07, "is_byok": False}, "0.0000002"),
    ],
)
def test_a_bill_is_read_by_its_providers_rule(usage: Mapping[str, Any], billed: str) -> None:
    bill = bill_of(usage)
    assert bill == Bill(billed)
    assert bill.by("openai") == billed


@pytest.mark.parametrize(
    "usage",
    [
        {"cost": 0, "is_byok": True},
        {"cost": 0.1, "is_byok": True, "cost_details": {"upstream_inference_cost": 0}},
        {"cost": True},
        {"cost": -1.0},
        {"cost": float("nan")},
        {"cost": 10**40},
        {"cost": "0.1"},
        {"cost": {"total_cost": "much"}},
        {"cost_in_usd_ticks": -1},
        {"estimated_cost": 0.1},
        {},
    ],
)
def test_what_is_no_bill_is_none(usage: Mapping[str, Any]) -> None:
    assert bill_of(usage) == NO_BILL


def test_a_bare_cost_is_a_bill_only_where_the_provider_bills_so() -> None:
    bill = payload_of({"prompt_tokens": 1, "completion_tokens": 1, "cost": 0.25}).bill
    assert [bill.by(name) for name in ("openrouter", None, "openai")] == ["0.25", "0.25", None]
    response = {"id": "gen-1", "usage": {"prompt_tokens": 1, "completion_tokens": 1, "cost": 0.25}}
    assert response_of(response).bill.by("openai") == "0.25"


@pytest.mark.parametrize(
    ("gateway", "billed"),
    [
        ({"cost": "0.0000189", "marketCost": "0.0000189"}, "0.0000189"),
        ({"cost": "0", "marketCost": "0.0000189"}, None),
        ({"cost": "0", "marketCost": "0"}, "0"),
        ({"cost": "much"}, None),
        ({}, None),
    ],
)
def test_the_gateways_metadata_tell_what_it_billed(
    gateway: Mapping[str, Any], billed: str | None
) -> None:
    assert gateway_bill(gateway).usd == billed


def test_every_rule_says_where_it_was_read() -> None:
    assert [rule.provider for rule in RULES] == ["x_ai", "perplexity", "openrouter"]
    assert all(rule.source.startswith("https://") and rule.what for rule in RULES)


def test_perplexitys_research_is_counted_beside_its_tokens() -> None:
    payload = payload_of(
        {
            "prompt_tokens": 108,
            "completion_tokens": 3_256,
            "total_tokens": 3_364,
            "citation_tokens": 7_299,
            "num_search_queries": 74,
            "reasoning_tokens": 73_248,
            "search_context_size": "low",
        }
    )
    assert payload.counts.output_total == 3_256 + 73_248
    assert payload.counts.parts == {"citation": 7_299, "web_searches": 74, "reasoning": 73_248}
    assert payload.context == {"search_context_size": "low"}
