"""Through queues and out to hosts: a job is its envelope's, and nothing leaves for a host that may not know."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from opentelemetry import baggage, context, propagate
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from otel_genai_cost import (
    UnattributedJobError,
    from_cloudevent,
    system,
    tenant,
    tenant_job,
    to_cloudevent,
)
from otel_genai_cost.errors import failures
from otel_genai_cost.tenancy import egress
from otel_genai_cost.tenancy.binding import attribution_of, capture
from otel_genai_cost.tenancy.egress import may_know, outgoing
from otel_genai_cost.tenancy.envelope import as_argument, configure, inject, job, reserved

_tracer = TracerProvider().get_tracer("application")


def _now() -> str | None:
    found = attribution_of(capture(None))
    return found.tenant or found.absent


def test_job_has_the_tenant_of_its_message() -> None:
    with tenant("acme", feature="digest"):
        message = inject({})
    with job(message):
        found = attribution_of(capture(None))
    assert (found.tenant, found.source, found.labels["feature"]) == ("acme", "envelope", "digest")


def test_message_without_an_envelope_is_nobodys_whoever_runs_it() -> None:
    with tenant("acme"), job({}):
        assert attribution_of(capture(None)).absent == "missing"
    assert baggage.get_baggage("tenant.id") is None


def test_retry_keeps_the_tenant_it_began_with() -> None:
    with tenant("acme"):
        message = inject({})
    with tenant("globex"):
        inject(message)
    with job(message):
        assert attribution_of(capture(None)).tenant == "acme"


def test_an_envelope_of_another_trace_is_left_as_it_is() -> None:
    with _tracer.start_as_current_span("nobody's", context=Context()):
        message = inject({})
    assert "baggage" not in message
    before = dict(message)
    with tenant("globex"), _tracer.start_as_current_span("requeue", context=context.get_current()):
        assert inject(message) == before


def test_what_another_left_out_of_this_traces_envelope_is_added() -> None:
    with tenant("acme"), _tracer.start_as_current_span("send"):
        message: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(message)
        inject(message)
    assert message["baggage"] == "tenant.id=acme"


@pytest.mark.parametrize("name", ["Baggage", "BAGGAGE", "ce_baggage"])
def test_an_envelope_is_known_however_it_is_spelled(name: str) -> None:
    message = {name: "tenant.id=acme"}
    with tenant("globex"):
        inject(message)
    assert message == {name: "tenant.id=acme"}
    with job(message):
        assert _now() == "acme"


def test_pairs_and_tuples_of_them() -> None:
    with tenant("acme"):
        kafka: list[Any] = []
        assert inject(kafka) is kafka
        texts = inject([("a", "1")])
        metadata = inject((("a", "1"),))
    assert kafka == [("baggage", b"tenant.id=acme")]
    assert texts == [("a", "1"), ("baggage", "tenant.id=acme")]
    assert metadata == (("a", "1"), ("baggage", "tenant.id=acme"))
    for carrier in (kafka, texts, metadata):
        with job(carrier):
            assert _now() == "acme"


def test_the_reserved_key_keeps_what_is_there_and_says_that_there_was_nobody() -> None:
    nobodys = reserved()
    assert nobodys == {"v": 1}
    with tenant("acme"):
        assert reserved(nobodys) is nobodys
        message = {"_ogc": reserved(), "document": 7}
    with tenant("worker"), job(message):
        assert _now() == "acme"
    with tenant("worker"), job({"_ogc": nobodys}):
        assert _now() == "missing"


def test_the_tenant_is_first_whatever_the_application_has_set() -> None:
    token = context.attach(baggage.set_baggage("user", "x" * 4_000))
    token_2 = context.attach(baggage.set_baggage("more", "x" * 4_000))
    token_3 = context.attach(baggage.set_baggage("tenant.id", "acme"))
    try:
        assert inject({})["baggage"].startswith("tenant.id=acme,")
    finally:
        for each_token in (token_3, token_2, token):
            context.detach(each_token)


def test_a_propagator_that_begins_with_the_current_context_takes_nobody_from_it() -> None:
    before = propagate.get_global_textmap()
    order = [W3CBaggagePropagator(), TraceContextTextMapPropagator()]
    propagate.set_global_textmap(CompositePropagator(order))
    try:
        with tenant("worker"), job({}):
            assert _now() == "missing"
    finally:
        propagate.set_global_textmap(before)


def test_a_job_may_demand_a_tenant() -> None:
    with (
        pytest.raises(UnattributedJobError, match=r"\(missing\) from 'orders' was not begun"),
        job({}, source="orders", on_missing="raise"),
    ):
        raise AssertionError("begun")
    with system("reindex"):
        message = inject({})
    with job(message, on_missing="raise"):
        found = attribution_of(capture(None))
        assert (found.initiator, found.absent) == ("system", "system"), (
            "it stays the platform's own"
        )


def test_what_is_no_carrier_runs_as_nobodys() -> None:
    for carrier in (None, "text", 7, object()):
        with tenant("worker"), job(carrier):
            assert _now() == "missing"
    text: Any = "text"
    assert inject(text) == "text"


def test_a_decorated_job_of_every_kind() -> None:
    decorate = tenant_job(carrier=lambda message, **_: message)

    @decorate
    def function(message: dict[str, str], *, n: int) -> str | None:
        return _now()

    @decorate
    async def coroutine(message: dict[str, str]) -> str | None:
        await asyncio.sleep(0)
        return _now()

    @decorate
    def generator(message: dict[str, str]) -> Iterator[str | None]:
        yield _now()
        yield _now()

    @decorate
    async def steps(message: dict[str, str]) -> AsyncIterator[str | None]:
        yield _now()
        await asyncio.sleep(0)
        yield _now()

    async def run(message: dict[str, str]) -> list[str | None]:
        return [await coroutine(message), *[each async for each in steps(message)]]

    with tenant("acme"):
        message = inject({})
    with tenant("worker"):
        assert function(message, n=1) == "acme"
        assert [(each, _now()) for each in generator(message)] == [("acme", "worker")] * 2
        assert asyncio.run(run(message)) == ["acme"] * 3
        assert function({}, n=1) == "missing"
        assert _now() == "worker"


def test_an_object_whose_call_is_a_coroutine() -> None:
    class Handler:
        async def __call__(self, message: dict[str, str]) -> str | None:
            await asyncio.sleep(0)
            return _now()

    with tenant("acme"):
        message = inject({})
    handle: Any = tenant_job(carrier=lambda message: message)(Handler())
    assert asyncio.run(handle(message)) == "acme"


def test_a_decorated_job_whose_carrier_cannot_be_found_is_nobodys() -> None:
    @tenant_job(carrier=lambda message: message.headers)
    def work(message: object) -> str | None:
        return _now()

    with tenant("worker"):
        assert work(object()) == "missing"
    assert failures.pop("tenancy.carrier") == 1


class _Event:
    """As version 2 of the CloudEvents SDK has it."""

    def __init__(self) -> None:
        self._attributes: dict[str, Any] = {"id": "1", "type": "t", "source": "s"}

    def get_attributes(self) -> dict[str, Any]:
        return self._attributes


class _OlderEvent(_Event):
    """As version 1: attributes are set on the event."""

    def get_attributes(self) -> dict[str, Any]:
        return dict(self._attributes)

    def __setitem__(self, name: str, value: str) -> None:
        self._attributes[name] = value


@pytest.mark.parametrize("event", [{"id": "1", "specversion": "1.0"}, _Event(), _OlderEvent()])
def test_events_carry_a_tenant_in_and_out(event: Any) -> None:
    with tenant("acme"), _tracer.start_as_current_span("send"):
        assert to_cloudevent(event) is event
    with tenant("globex"):
        to_cloudevent(event)
    carried = from_cloudevent(event)
    assert set(carried) == {"traceparent", "baggage"}
    for carrier in (carried, event, {f"ce-{name}": value for name, value in carried.items()}):
        with job(carrier):
            assert _now() == "acme"


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("gw.example.com", True),
        ("GW.example.com", True),
        ("a.internal", True),
        ("internal", False),
        ("evil-gw.example.com", False),
        ("api.openai.com", False),
        (None, False),
    ],
)
def test_only_listed_hosts_may_know(host: str | None, known: bool) -> None:
    egress.configure(("gw.example.com", ".internal", " "))
    try:
        assert may_know(host) is known
    finally:
        egress.configure(())


def test_baggage_is_gone_from_what_leaves_and_stays_here() -> None:
    token = context.attach(baggage.set_baggage("user.email", "x"))
    try:
        with tenant("acme"):
            assert dict(baggage.get_all(outgoing("api.openai.com"))) == {}
            assert baggage.get_baggage("tenant.id") == "acme"
            assert baggage.get_baggage("user.email") == "x"
    finally:
        context.detach(token)


def test_an_argument_carries_the_tenant_once_all_workers_read_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    try:
        configure(arguments="read")
        assert as_argument("some-queue") is None and not caplog.messages
        with tenant("acme"):
            assert as_argument("some-queue") is as_argument("some-queue") is None
            (said,) = caplog.messages
            assert "some-queue" in said and "OTEL_GENAI_COST_QUEUE_ARGUMENTS=send" in said
            configure(arguments="send")
            assert as_argument("some-queue") == {"v": 1, "baggage": "tenant.id=acme"}
            assert as_argument("some-queue", {"v": 1}) == {"v": 1}
    finally:
        configure(arguments="read")
