"""What a span keeps of its start: whom it is for, and what stands above it."""

from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext

from otel_genai_cost import errors, otel_api, tenant
from otel_genai_cost.metering.note import note_of
from tests.metering.conftest import Metered


def test_spans_below_one_share_what_is_noted_of_them_while_it_is_the_same(metered: Metered) -> None:
    tracer = metered.tracer("app")
    with tenant("acme"), tracer.start_as_current_span("request") as above:
        first, second = (tracer.start_span("step") for _ in range(2))
        assert note_of(first) is note_of(second)
        with tenant("globex"):
            metered.call()
        metered.call()
    assert [one.attribution.tenant for one in metered.journalled] == ["globex", "acme"]
    above_id = f"{above.get_span_context().span_id:016x}"
    assert [one.path for one in metered.journalled] == [(above_id,), (above_id,)]


@pytest.mark.parametrize("span_key", [otel_api._SPAN_KEY, None], ids=["known", "hidden"])
def test_path_holds_the_ancestors_nearest_first_and_is_bounded(
    metered: Metered, monkeypatch: pytest.MonkeyPatch, span_key: str | None
) -> None:
    monkeypatch.setattr(otel_api, "_SPAN_KEY", span_key)
    tracer, above = metered.tracer("app"), list[int]()
    current = Context()
    for n in range(70):
        span = tracer.start_span(f"level {n}", context=current)
        above.insert(0, span.get_span_context().span_id)
        current = trace.set_span_in_context(span, current)
    metered.call(parent=current)
    [found] = metered.journalled
    assert found.path == tuple(f"{one:016x}" for one in above[:64])


def test_span_of_another_kind_above_takes_no_marks_and_needs_none(metered: Metered) -> None:
    class Slotted(NonRecordingSpan):
        """A vendor's span."""

        def __setattr__(self, name: str, value: object) -> None:
            if name.startswith("_genai_cost"):
                raise AttributeError(name)
            super().__setattr__(name, value)

    with tenant("acme"):
        current = trace.set_span_in_context(Slotted(SpanContext(5, 7, is_remote=False)))
        metered.call(parent=current)
        metered.call(parent=current)
    assert errors.failures == {}
    assert [one.path for one in metered.journalled] == [(f"{7:016x}",)] * 2
    assert {one.attribution.tenant for one in metered.journalled} == {"acme"}
