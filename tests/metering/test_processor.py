"""A span ends: metered, journalled, decorated, in that order, whatever else goes on in the process."""

from __future__ import annotations

import gc
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    ReadableSpan,
    Span,
    SpanProcessor,
    TracerProvider,
)
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from otel_genai_cost import errors, tenant
from otel_genai_cost.errors import guarded
from otel_genai_cost.journal.observation import observation_id
from otel_genai_cost.metering import processor as processor_module
from otel_genai_cost.metering import sdk_span
from tests.metering.conftest import CALL, CALL_COST, SCOPE, Metered

Make = Callable[..., Metered]
_DAY_NS = 86_400_000_000_000


@pytest.fixture(autouse=True)
def _nothing_fails() -> Iterator[None]:
    """No hook may have failed behind our back."""
    yield
    assert errors.failures == {}


def test_what_is_shown_is_journalled_already(
    metered: Metered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A span is never decorated with a charge that a crash could take back."""
    seen: list[int] = []
    inner = sdk_span.write

    def look(*args: Any, **kwargs: Any) -> None:
        seen.append(len(metered.journalled))
        inner(*args, **kwargs)

    monkeypatch.setattr(processor_module, "write", look)
    for _ in range(4):
        metered.call()
    assert seen == [1, 2, 3, 4]


def test_an_exporter_that_fails_costs_no_charge(make: Make) -> None:
    class Broken(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            raise ValueError("the exporter's own")

    provider = TracerProvider()
    provider.add_span_processor(Broken())
    metered = make(provider=provider)
    with pytest.raises(ValueError, match="own"):
        metered.call()
    assert [each.cost.total_text for each in metered.journalled] == [CALL_COST]


def test_the_observation_says_where_and_when_it_came_from(make: Make) -> None:
    resource = Resource({"service.name": "shop", "host.name": "h1", "service.instance.id": "i-1"})
    metered = make(provider=TracerProvider(resource=resource))
    span = metered.tracer().start_span(
        "chat", attributes=CALL, start_time=1_795_000_000_000_000_999
    )
    ids = span.get_span_context()
    span.end(end_time=1_795_000_001_000_000_999)
    [found] = metered.journalled
    assert (found.start_us, found.end_us) == (1_795_000_000_000_000, 1_795_000_001_000_000)
    assert found.id == observation_id(ids.trace_id, ids.span_id, found.start_us)
    assert (found.trace_id, found.span_id) == (f"{ids.trace_id:032x}", f"{ids.span_id:016x}")
    assert found.origin == ("shop", None, "h1", None, "i-1", "")
    assert (found.scope, found.scope_version) == (
        "opentelemetry.instrumentation.genai.openai",
        "1.3b0",
    )


def test_processes_without_an_instance_id_are_told_apart_by_their_resource(make: Make) -> None:
    found: set[str] = set()
    for name in ("a", "b", "a"):
        metered = make(provider=TracerProvider(resource=Resource({"service.name": name})))
        metered.call()
        found.add(metered.journalled[0].origin.process)
    assert len(found) == 2


def test_spans_that_are_no_calls_are_left_alone(metered: Metered) -> None:
    metered.tracer().start_span("GET /", attributes={"http.route": "/"}).end()
    metered.tracer("app").start_span("work", attributes={"tenant.id": "acme"}).end()
    assert metered.journalled == []
    assert [dict(span.attributes or {}) for span in metered.spans] == [
        {"http.route": "/"},
        {"tenant.id": "acme"},
    ]


def test_a_span_of_an_instrumentation_that_only_names_a_tenant_is_context(
    metered: Metered,
) -> None:
    metered.tracer().start_span("work", attributes={"tenant.id": "acme"}).end()
    [found] = metered.journalled
    assert (found.reading.role, found.attribution.tenant) == ("context", "acme")
    assert "genai_cost.status" not in (metered.spans[0].attributes or {})


@pytest.mark.parametrize(
    "usage", ["input_tokens", "output_tokens", "prompt_tokens", "completion_tokens"]
)
def test_any_report_of_usage_is_a_call_even_without_an_operation(
    metered: Metered, usage: str
) -> None:
    metered.tracer("x").start_span("llm", attributes={f"gen_ai.usage.{usage}": 5}).end()
    [found] = metered.journalled
    assert (found.cost.status, found.cost.total) == ("unpriced", None)


def test_path_begins_with_a_parent_in_another_process(metered: Metered) -> None:
    remote = NonRecordingSpan(SpanContext(7, 9, True, TraceFlags(TraceFlags.SAMPLED)))
    metered.call(parent=trace.set_span_in_context(remote, Context()))
    [found] = metered.journalled
    assert (found.trace_id, found.path) == (f"{7:032x}", (f"{9:016x}",))


class _Slotted(NonRecordingSpan):
    """A vendor's span that keeps no `__dict__` of its own to look into."""

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        raise AttributeError("__dict__")


def test_a_foreign_parent_span_takes_no_tenant_away(metered: Metered) -> None:
    foreign = _Slotted(SpanContext(7, 9, True, TraceFlags(TraceFlags.SAMPLED)))
    with tenant("acme"):
        metered.call(parent=trace.set_span_in_context(foreign))
    assert [each.attribution.tenant for each in metered.journalled] == ["acme"]


def test_a_chain_of_spans_is_not_kept_alive(metered: Metered) -> None:
    tracer = metered.tracer("app")
    outer = tracer.start_span("outer")
    inner = tracer.start_span("inner", context=trace.set_span_in_context(outer))
    inner.end()
    kept = {id(one) for one in gc.get_referents(vars(inner)) if isinstance(one, (Span, Context))}
    outer.end()
    assert id(outer) not in kept


def test_the_tenant_of_a_call_is_that_of_its_start(metered: Metered) -> None:
    with tenant("acme"):
        span = metered.tracer().start_span("chat", attributes=CALL)
    with tenant("globex"):
        span.end()
    assert metered.journalled[0].attribution.tenant == "acme"


@pytest.mark.parametrize("attribute", ["tenant.id", "account.id"])
def test_a_tenant_on_an_ancestor_alone_is_journalled_as_context(make: Make, attribute: str) -> None:
    metered = make(tenant=f"span:{attribute}")
    with metered.tracer("app").start_as_current_span("request") as request:
        metered.call(parent=None)
        metered.call(parent=None)
        request.set_attribute(attribute, "acme")
    first, second, above = metered.journalled
    assert (first.attribution.absent, second.attribution.absent) == ("missing", "missing")
    assert (above.reading.role, above.attribution.tenant) == ("context", "acme")
    assert above.span_id == first.path[0] == second.path[0]
    assert "genai_cost.status" not in (metered.spans[-1].attributes or {})


def test_a_tenant_on_an_ancestor_is_wanted_if_any_call_below_lacks_one(metered: Metered) -> None:
    with metered.tracer("app").start_as_current_span("request") as request:
        metered.call()
        with tenant("acme"):
            metered.call()
        request.set_attribute("tenant.id", "acme")
    assert [each.reading.role for each in metered.journalled] == ["response", "response", "context"]


def test_a_tenant_is_not_taken_from_the_attribute_that_is_not_configured(make: Make) -> None:
    metered = make(tenant="span:account.id")
    metered.call(tenant__id="acme")
    metered.call(tenant__id="acme", account__id="globex")
    assert [each.attribution.tenant for each in metered.journalled] == [None, "globex"]


def test_a_span_that_ends_twice_is_one_call_and_one_that_never_ends_none(metered: Metered) -> None:
    twice = metered.tracer().start_span("chat", attributes=CALL)
    never = metered.tracer().start_span("chat", attributes=CALL)
    twice.end()
    twice.end()
    assert len(metered.journalled) == 1
    assert never.is_recording()


def test_a_span_that_ends_in_an_exception_keeps_it_and_is_charged(metered: Metered) -> None:
    with (
        pytest.raises(KeyError),
        metered.tracer().start_as_current_span("chat", attributes=CALL),
    ):
        raise KeyError("the application's own")
    [found] = metered.journalled
    assert (found.reading.error, found.cost.total_text) == ("error", CALL_COST)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_counts_and_journals_for_itself(metered: Metered) -> None:
    across = metered.tracer().start_span("chat", attributes=CALL)
    metered.call()
    pid = os.fork()
    if pid == 0:
        across.end()
        metered.call()
        os._exit(0 if dict(metered.processor.counts) == {"priced": 2} else 1)
    assert os.waitpid(pid, 0)[1] == 0
    across.end()
    assert dict(metered.processor.counts) == {"priced": 2}
    ids = Counter(each.id for each in metered.journalled)
    assert sorted(ids.values()) == [1, 1, 2]  # the span that both ended is one charge: same id


class _EndsSpanWhenCollected:
    """Part of a cycle, so that only the garbage collector ends it, whenever that runs."""

    def __init__(self, span: trace.Span) -> None:
        self.span, self.cycle = span, self

    def __del__(self) -> None:
        self.span.end()


def test_spans_ended_by_the_garbage_collector_while_others_are_metered(metered: Metered) -> None:
    before = gc.get_threshold()
    gc.set_threshold(7, 2, 2)
    try:
        for _ in range(300):
            _EndsSpanWhenCollected(metered.tracer().start_span("chat", attributes=CALL))
            metered.call()
    finally:
        gc.set_threshold(*before)
    gc.collect()
    assert len({each.id for each in metered.journalled}) == 600
    assert metered.processor.counts["priced"] == 600


def test_threads_meter_every_call_once_with_its_own_tenant(metered: Metered) -> None:
    def work(name: str) -> None:
        with tenant(name):
            for _ in range(100):
                metered.call()

    threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = metered.journalled
    assert len({each.id for each in found}) == 800
    assert Counter(each.attribution.tenant for each in found) == {f"t{n}": 100 for n in range(8)}
    assert metered.processor.counts["priced"] == 800


def test_a_failing_journal_never_reaches_the_application(
    metered: Metered, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(record: Mapping[str, Any]) -> bool:
        raise RuntimeError("broken")

    monkeypatch.setattr(metered.processor._journal, "append", fail)
    metered.call()
    assert errors.failures == {"processor.on_ending": 1}
    assert metered.shown == CALL  # no charge is shown that was not journalled
    errors.failures.clear()
    assert guarded("x", default=3)(lambda: 4)() == 4


def test_flush_and_shutdown_keep_metering_alive(metered: Metered) -> None:
    assert metered.processor.force_flush()
    metered.processor.shutdown()
    metered.call()
    assert len(metered.journalled) == 1
    assert context.get_current() is not None


@pytest.mark.parametrize("ended", [True, False], ids=["frozen", "an SDK that lets us write"])
def test_an_sdk_without_the_private_names_costs_no_charge(metered: Metered, ended: bool) -> None:
    span = TracerProvider().get_tracer("x").start_span("chat", attributes=CALL)
    if ended:
        span.end()

    class Public:
        """The span by its public names alone."""

        end_time = _DAY_NS * 20_000

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):
                raise AttributeError(name)
            return getattr(span, name)

    metered.processor._on_ending(Public())  # type: ignore[arg-type]  # pyright: ignore
    assert [each.cost.total_text for each in metered.journalled] == [CALL_COST]
    shown = dict(span.attributes or {})  # type: ignore[attr-defined]  # pyright: ignore
    assert shown.get("genai_cost.total") == (None if ended else CALL_COST)


def test_the_most_direct_word_about_the_tenant_wins(make: Make) -> None:
    resource = Resource({"tenant.id": "of-resource"})
    metered = make(provider=TracerProvider(resource=resource))
    inbound = baggage.set_baggage("tenant.id", "of-baggage", Context())
    metered.call(parent=Context())
    metered.call(parent=Context(), tenant__id="of-span")
    metered.call(parent=inbound, tenant__id="of-span")
    with tenant("of-block"):
        metered.call(parent=baggage.set_baggage("tenant.id", "spoofed"), tenant__id="of-span")
    found = [(each.attribution.tenant, each.attribution.source) for each in metered.journalled]
    assert found == [
        ("of-resource", "resource"),
        ("of-span", "span"),
        ("of-baggage", "baggage"),
        ("of-block", "edge"),
    ]


@pytest.mark.parametrize("early", [True, False], ids=["tracer before us", "tracer after us"])
def test_a_provider_that_calls_its_processors_in_threads_loses_no_tenant_and_no_path(
    make: Make, early: bool
) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(active_span_processor=ConcurrentMultiSpanProcessor(2))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    if early:
        provider.get_tracer(SCOPE, "1.3b0")
    metered = make(provider=provider)
    with tenant("acme"), metered.tracer("app").start_as_current_span("request") as request:
        for _ in range(20):
            metered.call()
    provider.shutdown()
    above = f"{request.get_span_context().span_id:016x}"
    assert {(each.attribution.tenant, each.path) for each in metered.journalled} == {
        ("acme", (above,))
    }
    shown = [
        dict(span.attributes or {}).get("genai_cost.total")
        for span in exporter.get_finished_spans()
    ]
    assert shown == [CALL_COST] * 20 + [None]


def test_a_span_in_a_dialects_own_words_is_metered_and_its_tenant_taken(metered: Metered) -> None:
    usage = '{"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}'
    told = {
        "langfuse.observation.type": "generation",
        "langfuse.observation.model.name": "gpt-4o-mini",
        "langfuse.observation.usage_details": usage,
        "langfuse.trace.metadata.tenant": '"acme"',
    }
    metered.tracer("langfuse-sdk", "5.0.4").start_span("OpenAI-generation", attributes=told).end()
    metered.tracer("somebody", "1").start_span("OpenAI-generation", attributes=told).end()
    [found] = metered.journalled
    assert (found.dialect, found.reading.usage.input_total) == ("langfuse/1", 100)
    assert (found.attribution.tenant, found.attribution.source) == ("acme", "span")
