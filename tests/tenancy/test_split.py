"""One call for several tenants: from the block to the entries of the ledger, whose parts add up to it exactly."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from otel_genai_cost import attach, inject, split, tenant
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.tenancy import strict
from otel_genai_cost.tenancy.binding import attribution_of, capture


def _call(tracer: trace.Tracer, tokens: int) -> None:
    with tracer.start_as_current_span("chat gpt-4o-mini") as span:
        span.set_attribute("gen_ai.operation.name", "chat")
        span.set_attribute("gen_ai.provider.name", "openai")
        span.set_attribute("gen_ai.request.model", "gpt-4o-mini")
        span.set_attribute("gen_ai.usage.input_tokens", tokens)
        span.set_attribute("gen_ai.usage.output_tokens", 1)


def _entries(home: Path) -> list[Entry]:
    ship(home, [home / "journal"], drain=True)
    ledger = Ledger(home / LEDGER_FILE, readonly=True)
    entries = list(ledger.entries)
    ledger.close()
    return entries


@pytest.mark.parametrize("shares", [{"acme": 3, "globex": 1}, {"a": 1, "b": 1, "c": 1}])
def test_the_parts_of_a_call_add_up_to_it(tmp_path: Path, shares: dict[str, int]) -> None:
    provider = TracerProvider()
    attach(provider, journal=str(tmp_path / "journal"), quiet=True)
    tracer = provider.get_tracer("some.instrumentation")
    _call(tracer, 1_001)
    with tenant("worker"), split(shares):
        _call(tracer, 1_001)
    provider.shutdown()
    alone, *parts = sorted(_entries(tmp_path), key=lambda one: one.attribution.tenant or "")
    assert [one.attribution.tenant for one in parts] == sorted(shares)
    assert sum(one.amount for one in parts) == alone.amount > 0
    assert sum(one.calls for one in parts) == 1
    assert sum(one.usage["input"] for one in parts) == 1_001
    whole = sum(shares.values())
    for one in parts:
        exact = alone.amount * shares[one.attribution.tenant or ""] / whole
        assert abs(one.amount - exact) <= len(alone.lines)


def test_a_call_that_is_split_has_a_tenant_as_far_as_strict_mode_goes() -> None:
    with split({"acme": 1, "globex": 2}):
        strict.demand_tenant("chat")


def test_of_one_tenant_it_is_that_tenants() -> None:
    with split(Counter(["acme", "acme"])):
        found = attribution_of(capture(None))
    assert (found.tenant, found.absent, found.shares) == ("acme", None, ())


def test_a_message_sent_in_there_has_no_tenant() -> None:
    with tenant("worker"), split({"acme": 1, "globex": 2}):
        assert inject({}) == {}


@pytest.mark.parametrize(
    "shares",
    [
        {},
        {"acme": 0},
        {"acme": -1},
        {"acme": 0.5},
        {"acme": True},
        {"a b": 1},
        {f"t{n}": 1 for n in range(1_001)},
    ],
)
def test_what_cannot_be_split_is_refused(shares: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"split\(\)"):
        split(shares)
