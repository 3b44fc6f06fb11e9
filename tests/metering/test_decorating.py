"""What exporters see of a call: our attributes on its span, whole, and nothing of the application's lost to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from otel_genai_cost import errors, tenant
from tests.metering.conftest import CALL, CALL_COST, Metered

Make = Callable[..., Metered]


@pytest.fixture(autouse=True)
def _nothing_fails() -> Iterator[None]:
    """No hook may have failed behind our back."""
    yield
    assert errors.failures == {}


@pytest.mark.parametrize("exporter_first", [True, False])
def test_cost_is_on_the_span_for_exporters_before_and_after(
    make: Make, exporter_first: bool
) -> None:
    metered = make(exporter_first=exporter_first)
    with tenant("acme"):
        metered.call()
    [observation] = metered.journalled
    ours = {key: value for key, value in metered.shown.items() if key not in CALL}
    assert ours == {
        "genai_cost.status": "priced",
        "genai_cost.charge_id": observation.id,
        "genai_cost.total": CALL_COST,
        "gen_ai.usage.cost": 0.00021,
        "tenant.id": "acme",
    }
    assert (observation.cost.total_text, observation.attribution.tenant) == (CALL_COST, "acme")


def test_the_application_gets_its_attributes_back_frozen(metered: Metered) -> None:
    metered.call()
    [span] = metered.spans
    with pytest.raises(TypeError):
        span.attributes["more"] = 1  # type: ignore[index]  # pyright: ignore
    assert metered.shown["gen_ai.request.model"] == "gpt-4o-mini"


def test_a_recorded_span_that_is_not_sampled_is_journalled_and_not_decorated(make: Make) -> None:
    seen: list[dict[str, Any]] = []

    class Vendor(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            seen.append(dict(span.attributes or {}))

    provider = TracerProvider(sampler=ALWAYS_OFF)
    metered = make(provider=provider)
    provider.add_span_processor(Vendor())
    metered.call()
    [found] = metered.journalled
    assert (found.sampled, found.cost.total_text) == (False, CALL_COST)
    assert seen == [CALL]
    assert metered.spans == ()


def test_a_span_above_that_repeats_the_response_is_marked_duplicate(metered: Metered) -> None:
    with metered.tracer("framework").start_as_current_span("chain", attributes=CALL):
        metered.call()
    inner, outer = metered.journalled
    assert (inner.duplicate_of, outer.duplicate_of) == (None, inner.id)
    assert outer.cost.total_text == CALL_COST  # the fact stays; the ledger decides
    shown = dict(metered.spans[1].attributes or {})
    assert shown["genai_cost.status"] == "duplicate"
    assert shown["genai_cost.charge_id"] == inner.id
    assert not {"gen_ai.usage.cost", "genai_cost.total", "genai_cost.reason"} & shown.keys()
    assert dict(metered.processor.counts) == {"priced": 1, "duplicate": 1}


@pytest.mark.parametrize("profiles", ["default", "semconv-draft"])
@pytest.mark.parametrize("model", ["gpt-4o-mini", "nobody-knows-this"])
def test_another_librarys_cost_gives_way(make: Make, profiles: str, model: str) -> None:
    metered = make(attributes=profiles)
    metered.call(gen_ai__usage__cost=99.5, gen_ai__request__model=model)
    shown = metered.shown
    assert shown["genai_cost.reported_elsewhere"] == "99.5"
    assert shown.get("gen_ai.usage.cost") in (None, 0.00021)
    assert metered.journalled[0].reading.foreign_cost == "99.5"


def test_switched_off_attributes_leave_the_span_as_it_was(make: Make) -> None:
    metered = make(attributes="off")
    metered.call(gen_ai__usage__cost=99.5)
    assert metered.shown == {**CALL, "gen_ai.usage.cost": 99.5}
    assert metered.journalled[0].cost.total_text == CALL_COST


def _filler(count: int) -> dict[str, Any]:
    return {f"app.{n}": n for n in range(count)}


def test_a_full_span_makes_room_by_losing_its_oldest_attributes(metered: Metered) -> None:
    tracer = metered.tracer()
    tracer.start_span("chat", attributes={**_filler(123), **CALL}).end()
    [span] = metered.spans
    shown = dict(span.attributes or {})
    assert len(shown) == 128 and span.dropped_attributes == 4
    assert shown["genai_cost.total"] == CALL_COST
    assert {*CALL} <= shown.keys() and "app.0" not in shown and "app.122" in shown


def test_a_call_whose_model_was_evicted_is_unpriced_not_zero(metered: Metered) -> None:
    span = metered.tracer().start_span("chat", attributes=CALL)
    span.set_attributes(_filler(125))
    span.set_attribute("gen_ai.usage.input_tokens", 1000)
    span.end()
    [found] = metered.journalled
    assert (found.cost.status, found.cost.total) == ("unpriced", None)
    assert "gen_ai.usage.cost" not in metered.shown


@pytest.mark.parametrize("count", [0, 1, 6, 8])
def test_span_limits_are_kept(make: Make, count: int) -> None:
    metered = make(provider=TracerProvider(span_limits=SpanLimits(max_span_attributes=count)))
    metered.call()
    [span] = metered.spans
    assert len(span.attributes or {}) <= count
    total = (span.attributes or {}).get("genai_cost.total", CALL_COST)
    assert total == CALL_COST


@pytest.mark.parametrize("filled", [0, 123])
def test_a_limit_on_values_never_shortens_a_number(make: Make, filled: int) -> None:
    limits = SpanLimits(max_span_attribute_length=7)
    metered = make(provider=TracerProvider(span_limits=limits))
    usage = {"gen_ai__usage__input_tokens": 1001}
    metered.call(gen_ai__request__model="o1", **_filler(filled), **usage)
    assert metered.shown["genai_cost.total"] == "0.021015"
    assert metered.shown["genai_cost.charge_id"] == metered.journalled[0].id


def test_a_name_that_a_limit_has_cut_is_not_taken_for_another(make: Make) -> None:
    """`gpt-4o-mini` cut to `gpt-4o` has sixteen times the price, and `acme-west` cut to `acme` is another customer."""
    limits = SpanLimits(max_span_attribute_length=6)
    metered = make(provider=TracerProvider(span_limits=limits))
    metered.call(tenant__id="acme-west")
    [found] = metered.journalled
    assert (found.reading.model_requested, found.cost.reason) == (None, "missing_model")
    assert found.attribution.tenant is None
