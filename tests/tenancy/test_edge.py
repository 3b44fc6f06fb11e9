"""The edge under a real FastAPI application with the upstream instrumentation: no line of ours in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from fastapi import BackgroundTasks, FastAPI
from fastapi.responses import StreamingResponse
from opentelemetry import baggage, context
from opentelemetry.context import Context
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_genai_cost import tenant
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.tenancy import binding, edge
from otel_genai_cost.tenancy.binding import attribution_of, capture
from otel_genai_cost.tenancy.edge import EdgeRequest, TenantEdge, parse_tenant_source
from otel_genai_instrumentors.edges.asgi import AsgiEdgeInstrumentor

_seen: list[str | None] = []


def _who() -> str | None:
    found = attribution_of(capture(None))
    return found.tenant or f"({found.absent})"


def _application() -> FastAPI:
    api = FastAPI()

    @api.get("/now")
    async def now() -> dict[str, Any]:
        await asyncio.sleep(0.001)
        return {"who": _who(), "spoofed": baggage.get_baggage("genai_cost.feature")}

    @api.get("/labels")
    def labels() -> dict[str, Any]:
        found = attribution_of(capture(None))
        return {"labels": found.labels, "other": baggage.get_baggage("other")}

    @api.get("/thread")
    def thread() -> dict[str, Any]:
        return {"who": _who()}

    @api.get("/stream")
    async def stream() -> StreamingResponse:
        async def body() -> AsyncIterator[str]:
            yield _who() or ""

        return StreamingResponse(body())

    @api.get("/later")
    async def later(tasks: BackgroundTasks) -> dict[str, Any]:
        tasks.add_task(lambda: _seen.append(_who()))
        return {}

    for endpoint in (now, labels, thread, stream, later):
        assert callable(endpoint)
    return api


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def client(
    request: pytest.FixtureRequest, spans: InMemorySpanExporter
) -> Iterator[httpx.AsyncClient]:
    edge.configure(parse_tenant_source(getattr(request, "param", "header:x-org-id")))
    AsgiEdgeInstrumentor().instrument()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    api = _application()
    FastAPIInstrumentor.instrument_app(api, tracer_provider=provider)
    try:
        yield httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://edge")
    finally:
        AsgiEdgeInstrumentor().uninstrument()
        edge.configure(None)


def _get(client: httpx.AsyncClient, path: str, headers: Any) -> httpx.Response:
    return asyncio.run(client.get(path, headers=headers))


@pytest.mark.parametrize("path", ["/now", "/thread"])
def test_header_names_the_tenant(client: httpx.AsyncClient, path: str) -> None:
    assert _get(client, path, {"X-Org-Id": "acme"}).json()["who"] == "acme"


def test_streamed_body_and_background_task_are_the_tenants(client: httpx.AsyncClient) -> None:
    _seen.clear()
    assert _get(client, "/stream", {"x-org-id": "acme"}).text == "acme"
    _get(client, "/later", {"x-org-id": "globex"})
    assert _seen == ["globex"]


def test_spoofed_baggage_is_dropped(client: httpx.AsyncClient) -> None:
    spoof = {"baggage": "tenant.id=victim,genai_cost.feature=x,team=blue"}
    assert _get(client, "/now", spoof).json() == {"who": "(missing)", "spoofed": None}
    both = _get(client, "/now", {**spoof, "x-org-id": "acme"}).json()
    assert both == {"who": "acme", "spoofed": None}


def test_baggage_that_would_be_a_label_is_dropped_too(client: httpx.AsyncClient) -> None:
    binding.configure(labels=("team",))
    try:
        told = _get(client, "/labels", {"baggage": "team=blue,other=kept", "x-org-id": "acme"})
    finally:
        binding.configure()
    assert told.json() == {"labels": {}, "other": "kept"}


@pytest.mark.parametrize(
    ("headers", "who"),
    [
        ({}, "(missing)"),
        ({"x-org-id": "not valid"}, "(invalid)"),
        ([("x-org-id", "acme"), ("x-org-id", "globex")], "(conflict)"),
        ([("x-org-id", "acme"), ("x-org-id", "acme")], "acme"),
    ],
)
def test_odd_header_is_nobody(client: httpx.AsyncClient, headers: Any, who: str) -> None:
    assert _get(client, "/now", headers).json()["who"] == who


def test_concurrent_requests_never_cross(client: httpx.AsyncClient) -> None:
    async def many() -> list[tuple[str, str]]:
        names = [f"t{n % 3}" for n in range(60)]
        answers = await asyncio.gather(
            *(client.get("/now", headers={"x-org-id": n}) for n in names)
        )
        return [(name, answer.json()["who"]) for name, answer in zip(names, answers, strict=True)]

    assert all(asked == told for asked, told in asyncio.run(many()))


def test_server_span_shows_the_tenant(
    client: httpx.AsyncClient, spans: InMemorySpanExporter
) -> None:
    _get(client, "/now", {"x-org-id": "acme"})
    tenants = [(span.attributes or {}).get("tenant.id") for span in spans.get_finished_spans()]
    assert "acme" in tenants


@pytest.mark.parametrize("client", ["baggage:org_id"], indirect=True)
def test_gateways_own_baggage_entry_names_the_tenant(client: httpx.AsyncClient) -> None:
    headers = {"baggage": "org_id=acme,tenant.id=victim"}
    assert _get(client, "/now", headers).json()["who"] == "acme"


def test_whoever_has_started_a_server_does_not_answer_for_its_requests() -> None:
    request = edge.arrived("GET", "/", [("x-other", "1")])
    with tenant("whoever"):
        found = edge.decide(parse_tenant_source("baggage:tenant.id"), lambda: request)
    assert (found.attribution.tenant, found.attribution.absent) == (None, "missing")
    token = context.attach(baggage.set_baggage("tenant.id", "acme", Context()))
    try:  # a propagator has read it from a header of its own
        found = edge.decide(parse_tenant_source("baggage:tenant.id"), lambda: request)
    finally:
        context.detach(token)
    assert found.attribution.tenant == "acme"


def by_path(request: EdgeRequest) -> str | None:
    """A tenant function, as an application would write one."""
    if request.headers.get("x-fail"):
        raise RuntimeError("a bug in the application's function")
    return request.headers.get("x-team")


async def asking_somebody(request: EdgeRequest) -> str | None:
    """An asynchronous one."""
    await asyncio.sleep(0)
    return by_path(request)


@pytest.mark.parametrize(
    "client",
    [f"callable:{__name__}:by_path", f"callable:{__name__}:asking_somebody"],
    indirect=True,
)
def test_function_names_the_tenant_and_cannot_break_a_request(client: httpx.AsyncClient) -> None:
    assert _get(client, "/now", {"x-team": "acme"}).json()["who"] == "acme"
    failed = _get(client, "/now", {"x-fail": "1"})
    assert (failed.status_code, failed.json()["who"]) == (200, "(invalid)")


class _Answer:
    """What a function may answer by mistake: an object that cannot even be compared."""

    def __eq__(self, other: object) -> bool:
        raise TypeError("the truth of this is ambiguous")

    __hash__ = None  # type: ignore[assignment]


def answering_nonsense(request: EdgeRequest) -> object:
    """A tenant function that returns a column instead of a name."""
    return _Answer()


@pytest.mark.parametrize("client", [f"callable:{__name__}:answering_nonsense"], indirect=True)
def test_answer_that_is_no_text_cannot_break_a_request(client: httpx.AsyncClient) -> None:
    told = _get(client, "/now", {})
    assert (told.status_code, told.json()["who"]) == (200, "(invalid)")


@pytest.mark.parametrize("text", ["x-org-id", "header:", "cookie:sid", ":", ""])
def test_source_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="header:NAME"):
        parse_tenant_source(text)


@pytest.mark.parametrize("name", ["no_such_module:f", "os:no_such_function", "os", "os:sep"])
def test_function_that_cannot_be_found_is_told(name: str) -> None:
    with pytest.raises(ConfigurationError, match="tenant function"):
        edge.tenant_function(name)


def test_lifespan_passes_through() -> None:
    calls: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        calls.append(scope["type"])

    wrapped = TenantEdge(app, parse_tenant_source("header:x"))
    asyncio.run(wrapped({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert calls == ["lifespan"]


def test_uninstrument_puts_everything_back() -> None:
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

    before = OpenTelemetryMiddleware.__init__
    edge.configure(parse_tenant_source("header:x"))
    AsgiEdgeInstrumentor().instrument()
    assert OpenTelemetryMiddleware.__init__ is not before
    AsgiEdgeInstrumentor().uninstrument()
    edge.configure(None)
    assert OpenTelemetryMiddleware.__init__ is before
