"""What tracestate says of head sampling, in every spelling, and as the SDK's own sampler writes it."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace._sampling_experimental import (
    composable_traceid_ratio_based,
    composite_sampler,
)

from otel_genai_cost.otlp.head_sampling import threshold_of


@pytest.mark.parametrize(
    ("tracestate", "threshold"),
    [
        ("ot=th:8", "8"),
        ("ot=th:c;rv:d29d6a7215ced0", "c"),
        ("ot=rv:d29d6a7215ced0;th:fd70a400000000,congo=t61", "fd70a4"),
        ("congo=t61, ot=th:c0", "c"),
        ("ot=th:0", None),  # all were kept
        ("ot=rv:d29d6a7215ced0", None),
        ("ot=th:", None),
        ("ot=th:xyz", None),
        ("ot=th:123456789012345", None),
        ("ot=xth:8", None),
        ("vendor=ot=th:8", None),
        ("other=th:8", None),
        ("", None),
    ],
)
def test_threshold_of_a_tracestate(tracestate: str, threshold: str | None) -> None:
    assert threshold_of(tracestate) == threshold


def test_as_the_sdk_writes_it() -> None:
    sampler = composite_sampler(composable_traceid_ratio_based(0.25))
    tracer = TracerProvider(sampler=sampler).get_tracer("shop")
    states = {
        tracer.start_span("chat").get_span_context().trace_state.to_header() for _ in range(50)
    }
    assert {threshold_of(state) for state in states if "th:" in state} == {"c"}
