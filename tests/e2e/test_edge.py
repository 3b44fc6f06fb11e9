"""The demo's application behind an edge that takes the tenant from a header: who is believed, and what is exported."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from otel_genai_cost.testing.standin.openai import OpenAIStandIn
from tests.demo.processes import Child, children
from tests.demo.receiver import receiving
from tests.demo.trace import Span, read_spans
from tests.demo.traffic import Action, Reply, send
from tests.e2e.rig import Rig

_ASK = Action("/ask", "hello")


class Edge(Rig):
    """A rig with the demo's application running; `url` is where it answers."""

    app: Child
    url: str

    def open(self, endpoint: str) -> None:
        """Start the application, exporting to an OTLP endpoint."""
        uvicorn = str(Path(sys.executable).with_name("uvicorn"))
        self.app = self.start_command(
            "app",
            [uvicorn, "tests.demo.app:api", "--port", "0"],
            {
                "DEMO_QUEUE": str(self.folder / "queue"),
                "OTEL_GENAI_COST_TENANT": "header:x-org-id",
                "OTEL_TRACES_EXPORTER": "otlp",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            },
        )
        self.url = self.app.find(r"running on (http://\S+)")

    def exported(self) -> list[Span]:
        """End the application and give the LLM spans that its exporter sent."""
        self.app.process.send_signal(signal.SIGINT)
        assert self.app.wait(15) == 0
        spans = read_spans(self.folder / "spans.jsonl")
        return [span for span in spans if span.scope.startswith("otel_genai_instrumentors")]


@pytest.fixture
def edge(tmp_path: Path) -> Generator[Edge]:
    bill = tmp_path / "provider.jsonl"
    spans = tmp_path / "spans.jsonl"
    with OpenAIStandIn(bill) as stand_in, receiving(spans) as endpoint, children() as started:
        behind = Edge(tmp_path, stand_in, started)
        behind.open(endpoint)
        yield behind


def test_tenants_at_once_are_told_apart_on_charges_spans_and_the_bill(edge: Edge) -> None:
    names: list[str | None] = ["acme", "globex", None] * 12

    def ask(name: str | None) -> Reply:
        return send(edge.url, name, _ASK)

    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(ask, names))
    assert {reply.status for reply in replies} == {200}
    bill = [json.loads(line) for line in (edge.folder / "provider.jsonl").read_text().splitlines()]
    named = {line["response_id"]: line["tenant"] for line in bill}
    found = edge.observations()
    assert {each.reading.response_id: each.attribution.tenant for each in found} == named
    assert {each.attribution.labels["feature"] for each in found} == {"assistant"}
    totals = {each.span_id: each.cost.total_text for each in found}
    spans = edge.exported()
    assert {span.span_id: span.attributes["genai_cost.total"] for span in spans} == totals
    tenants = {span.attributes.get("tenant.id") for span in spans}
    assert tenants == {"acme", "globex", None}


def test_nobody_is_believed_who_says_in_baggage_whom_to_bill(edge: Edge) -> None:
    spoofed = {"baggage": "tenant.id=victim,genai_cost.feature=theirs,genai_cost.initiator=system"}
    assert send(edge.url, None, _ASK, spoofed).status == 200
    assert send(edge.url, "acme", _ASK, spoofed).status == 200
    assert send(edge.url, "not a tenant+id", _ASK).status == 200
    said = [(each.attribution.tenant, each.attribution.absent) for each in edge.observations()]
    assert said == [(None, "missing"), ("acme", None), (None, "invalid")]
    assert {each.attribution.initiator for each in edge.observations()} == {"user"}
    assert {each.attribution.labels["feature"] for each in edge.observations()} == {"assistant"}


def test_the_provider_receives_trace_context_but_no_baggage(edge: Edge) -> None:
    for path in ("/ask", "/ask/stream", "/search"):
        assert send(edge.url, "acme", Action(path, "hello")).status == 200
    assert len(edge.stand_in.received) == 3
    for call in edge.stand_in.received:
        names = {name.lower() for name in call.headers}
        assert "traceparent" in names and "baggage" not in names
