"""What a call can come to is never less than what it comes to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_genai_cost.gate.bound import Bound, BoundedCall, bound
from otel_genai_cost.ledger.contracts.contract import LIST_PRICES
from otel_genai_cost.ledger.contracts.file import read_contracts
from otel_genai_cost.pricing.money import parse_money
from otel_genai_cost.pricing.rate import price
from otel_genai_cost.usage.leaves import partition
from tests.gate.opened import BOOK
from tests.ledger.build import START_US

_MODELS = (
    ("openai", "gpt-4o-2024-08-06"),
    ("openai", "gpt-5.4"),
    ("openai", "gpt-4o-audio-preview"),
    ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-opus-4-1"),
    ("google", "gemini-2.5-pro"),
)
_CONTRACTS = """
schema = "otel-genai-cost-contracts/1"
[[fx]]
base = "USD"
quote = "ACU"
rate = 100
from = 2026-01-01T00:00:00Z
source = "ours"
[[contract]]
id = "discount"
source = "provider"
order = 1
from = 2026-01-01T00:00:00Z
multiplier = 0.9
side = "cost"
[[contract]]
id = "markup"
source = "acme"
order = 2
from = 2026-01-01T00:00:00Z
match = { tenant = "acme" }
multiplier = 1.5
side = "price"
[[contract]]
id = "credits"
source = "globex"
order = 3
from = 2026-01-01T00:00:00Z
match = { tenant = "globex" }
currency = "ACU"
side = "price"
"""


def bounded(
    provider: str, model: str, input_tokens: int, max_tokens: int, **more: Any
) -> Bound | None:
    contracts = more.pop("contracts", LIST_PRICES)
    call = BoundedCall(
        more.pop("tenant", "acme"), {}, provider, input_tokens, more.pop("context", {}), **more
    )
    return bound(BOOK, contracts, call, model, max_tokens, START_US)


@given(
    which=st.sampled_from(_MODELS),
    tokens=st.tuples(st.integers(0, 1_000_000), st.integers(0, 100_000)),
    parts=st.fixed_dictionaries(
        {},
        optional={
            "cache_read": st.integers(0, 1_000_000),
            "cache_write_1h": st.integers(0, 1_000_000),
            "cache_write": st.integers(0, 1_000_000),
            "input_audio": st.integers(0, 1_000_000),
            "reasoning": st.integers(0, 100_000),
            "output_audio": st.integers(0, 100_000),
        },
    ),
    context=st.sampled_from(
        [
            {},
            {"service_tier": "priority"},
            {"service_tier": "flex"},
            {"batch": True},
            {"region": "us-east-1"},
        ]
    ),
)
@settings(max_examples=150, deadline=None, database=None)
def test_no_usage_within_the_limits_comes_to_more(
    which: tuple[str, str], tokens: tuple[int, int], parts: dict[str, int], context: dict[str, Any]
) -> None:
    usage = partition(*tokens, parts)
    cost = price(BOOK, *which, usage, START_US, context)
    if cost.total is None:
        return
    high = cost.total if cost.bounds is None else cost.bounds[1]
    for known in ({}, context):
        found = bounded(*which, *tokens, context=known)
        assert found is not None
        assert found.cost >= high


@pytest.mark.parametrize("which", _MODELS)
def test_every_model_has_a_bound(which: tuple[str, str]) -> None:
    found = bounded(*which, 1_000, 1_000)
    assert found is not None
    assert found.cost > 0


def test_long_prompts_are_taken_at_their_tier() -> None:
    """A prompt that may be beyond 200k tokens costs by the tier for those, all of it."""
    short, long = (bounded("google", "gemini-2.5-pro", n, 0) for n in (200_000, 200_001))
    assert short is not None
    assert long is not None
    assert long.cost > short.cost * 3 // 2


def test_what_is_known_narrows_it() -> None:
    anything = bounded("openai", "gpt-4o-audio-preview", 1_000, 1_000)
    words = bounded("openai", "gpt-4o-audio-preview", 1_000, 1_000, modalities=("text",))
    assert anything is not None
    assert words is not None
    assert words.cost < anything.cost // 5
    any_tier = bounded("openai", "gpt-4o-2024-08-06", 1_000, 1_000)
    batch = bounded(
        "openai",
        "gpt-4o-2024-08-06",
        1_000,
        1_000,
        context={"batch": True, "service_tier": "default"},
    )
    assert any_tier is not None
    assert batch is not None
    assert batch.cost < any_tier.cost


@pytest.mark.parametrize(
    ("provider", "model"), [("openai", "no-such-model"), ("nobody", "gpt-4o"), ("", "")]
)
def test_what_has_no_price_has_no_bound(provider: str, model: str) -> None:
    assert bounded(provider, model, 1, 1) is None


def test_what_a_tenant_has_agreed_is_in_the_price_alone() -> None:
    contracts = read_contracts(_CONTRACTS.encode())
    listed = bounded("openai", "gpt-4o-2024-08-06", 1_000, 1_000)
    acme = bounded("openai", "gpt-4o-2024-08-06", 1_000, 1_000, contracts=contracts)
    globex = bounded(
        "openai", "gpt-4o-2024-08-06", 1_000, 1_000, contracts=contracts, tenant="globex"
    )
    assert listed is not None
    assert acme is not None
    assert globex is not None
    assert acme.cost == globex.cost == listed.cost * 9 // 10
    assert acme.price == acme.cost * 3 // 2
    assert (globex.price, globex.price_currency) == (globex.cost * 100, "ACU")
    assert parse_money("1") > acme.price
