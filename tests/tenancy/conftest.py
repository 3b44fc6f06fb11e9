"""Propagators, watched as they are in an application that is metered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.composite import CompositePropagator

from otel_genai_cost.tenancy import binding, propagators


@pytest.fixture
def watched() -> Iterator[None]:
    """What is extracted and injected is watched, as it is after activation."""
    originals = {
        (owner, name): getattr(owner, name)
        for owner in (CompositePropagator, W3CBaggagePropagator)
        for name in ("extract", "inject")
    }
    fresh = not hasattr(CompositePropagator, "_genai_cost_watched")
    propagators.watch()
    yield
    binding.configure()
    if fresh:
        for (owner, name), original in originals.items():
            setattr(owner, name, original)
        for owner in (CompositePropagator, W3CBaggagePropagator):
            delattr(owner, "_genai_cost_watched")
