"""What came with a request is not believed, what came with a message is: by real instrumented spans and propagators."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import baggage, context, propagate
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler
from opentelemetry.trace import SpanKind, Tracer

from otel_genai_cost import tenant
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.metering.processor import CostSpanProcessor
from otel_genai_cost.metering.sampler import recording
from otel_genai_cost.pricing.book import NO_BOOK
from otel_genai_cost.tenancy import binding
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.tenancy.binding import attribution_of, capture
from otel_genai_cost.tenancy.envelope import inject, job
from otel_genai_cost.tenancy.refusals import refusals

pytestmark = pytest.mark.usefixtures("watched")

_EVIL = {
    "baggage": "tenant.id=evil,genai_cost.initiator=system,genai_cost.feature=evil,team=blue",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
}


def _tracer(folder: Path, sampler: Sampler) -> Tracer:
    provider = TracerProvider(sampler=recording(sampler))
    provider.add_span_processor(CostSpanProcessor(NO_BOOK, Journal([folder]), None))
    return provider.get_tracer("some.instrumentation")


@pytest.fixture(params=[ALWAYS_ON, ALWAYS_OFF, ParentBased(ALWAYS_ON)], ids=["on", "off", "parent"])
def tracer(request: pytest.FixtureRequest, tmp_path: Path) -> Tracer:
    return _tracer(tmp_path, request.param)


@contextmanager
def _brought(tracer: Tracer, kind: SpanKind, headers: dict[str, str]) -> Generator[None]:
    """As instrumentations of servers and of consumers do it."""
    extracted = propagate.extract(headers, context=Context())
    token = context.attach(extracted)
    try:
        with tracer.start_as_current_span("in", kind=kind):
            yield
    finally:
        context.detach(token)


def _now() -> Attribution:
    return attribution_of(capture(None))


def test_message_is_believed_and_request_is_not(tracer: Tracer) -> None:
    with _brought(tracer, SpanKind.CONSUMER, _EVIL):
        assert _now() == Attribution("evil", "baggage", None, "system", {"feature": "evil"})
    with _brought(tracer, SpanKind.SERVER, _EVIL):
        assert _now() == Attribution()
        assert baggage.get_baggage("tenant.id") == "evil", "the application sees what came"


def test_baggage_counts_without_a_trace_too(tracer: Tracer) -> None:
    alone = {"baggage": _EVIL["baggage"]}
    with _brought(tracer, SpanKind.SERVER, alone):
        assert _now() == Attribution()
    with _brought(tracer, SpanKind.CONSUMER, alone):
        assert _now().tenant == "evil"


def test_what_nobody_vouches_for_is_not_believed(tracer: Tracer) -> None:
    with _brought(tracer, SpanKind.INTERNAL, _EVIL):
        assert _now() == Attribution()


@pytest.mark.parametrize("headers", [_EVIL, {"traceparent": _EVIL["traceparent"]}])
def test_configured_edge_that_did_not_run(tracer: Tracer, headers: dict[str, str]) -> None:
    binding.configure(edge="header:x-org-id")
    before = refusals.get("edge_bypassed", 0)
    with _brought(tracer, SpanKind.SERVER, headers):
        assert attribution_of(capture(None), "span", {"team": "b"}, "resource") == Attribution(
            absent="edge_bypassed"
        )
        with tenant("acme"):
            assert _now().tenant == "acme"
    assert refusals["edge_bypassed"] == before + 1


def test_request_without_any_headers_is_a_request_too(tmp_path: Path) -> None:
    binding.configure(edge="header:x-org-id")
    with _brought(_tracer(tmp_path, ALWAYS_ON), SpanKind.SERVER, {}):
        assert _now().absent == "edge_bypassed"
    assert _now().absent == "missing", "outside of a request nothing was bypassed"


def test_what_the_application_sets_itself_is_its_own(tracer: Tracer) -> None:
    with _brought(tracer, SpanKind.SERVER, _EVIL):
        token = context.attach(baggage.set_baggage("tenant.id", "acme"))
        assert _now() == Attribution("acme", "baggage", None, "user", {})
        context.detach(token)
        assert attribution_of(capture(None), "acme").tenant == "acme"
        copied = attribution_of(capture(None), "evil", {"feature": "evil", "agent": "mine"})
        assert copied == Attribution(labels={"agent": "mine"})


def test_vouched_entry_is_believed_and_nothing_beside_it(tracer: Tracer) -> None:
    binding.configure(tenant_key="tenant.id", vouched=True)
    with _brought(tracer, SpanKind.SERVER, _EVIL):
        assert _now() == Attribution("evil", "baggage", None, "user", {})
        assert _injected() == {"team": "blue", "tenant.id": "evil"}


def _injected() -> dict[str, Any]:
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return dict(baggage.get_all(propagate.extract(carrier, context=Context())))


def test_request_cannot_name_the_tenant_of_a_message_that_it_causes(tracer: Tracer) -> None:
    with _brought(tracer, SpanKind.SERVER, _EVIL):
        assert _injected() == {"team": "blue"}
        with job(inject({})):
            assert _now() == Attribution()
        with tenant("acme"), job(inject({})):
            assert (_now().tenant, _now().source) == ("acme", "envelope")
    with _brought(tracer, SpanKind.CONSUMER, _EVIL):
        assert _injected()["tenant.id"] == "evil", "a message is passed on as it came"


def test_context_that_outlived_its_request_names_no_tenant_to_others() -> None:
    with tenant("acme"):
        kept = context.get_current()
        assert _injected() == {"tenant.id": "acme"}
    token = context.attach(kept)
    assert _injected() == {}
    context.detach(token)


def test_nothing_extracted_leaves_the_context_as_empty_as_it_was() -> None:
    assert not propagate.extract({}, context=Context()), "some go on with the current one then"


def test_task_of_an_uncovered_request_is_not_believed_later(tmp_path: Path) -> None:
    binding.configure(edge="header:x-org-id")
    with _brought(_tracer(tmp_path, ALWAYS_ON), SpanKind.SERVER, _EVIL):
        kept = context.get_current()
    token = context.attach(kept)
    assert _now().absent == "edge_bypassed"
    context.detach(token)
