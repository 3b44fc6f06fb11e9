"""The application's spans arrive through the team's exporter as they would without us, but for the attributes that say
what a call cost: a real collector writes down what came by each protocol of OTLP; a file and a console are read.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import nullcontext
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest
from opentelemetry.exporter.otlp.json.file.trace_exporter import FileSpanExporter
from opentelemetry.exporter.otlp.json.http.trace_exporter import OTLPSpanExporter as JsonExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from otel_genai_cost import attach, tenant
from otel_genai_cost.attributes import TABLE
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.money import format_money
from tests.collector.otelcol import Otelcol, require_otelcol, start
from tests.demo.processes import children, wait_until
from tests.replay.otlp import SCOPE, START_NS, chat

_CONFIG: Final = """
extensions: {health_check: {endpoint: "${env:HEALTH:-127.0.0.1:1}"}}
receivers:
  otlp:
    protocols:
      grpc: {endpoint: "${env:OTLP_GRPC:-127.0.0.1:1}"}
      http: {endpoint: "${env:OTLP_HTTP:-127.0.0.1:1}"}
exporters: {file: {path: "${env:TRACES_FILE}", flush_interval: 50ms}}
service:
  extensions: [health_check]
  pipelines: {traces: {receivers: [otlp], exporters: [file]}}
"""
_OTLP: Final[Mapping[str, Callable[[Mapping[str, str]], SpanExporter]]] = {
    "grpc": lambda at: GrpcExporter(endpoint=at["OTLP_GRPC"], insecure=True),
    "http/protobuf": lambda at: HttpExporter(endpoint=f"http://{at['OTLP_HTTP']}/v1/traces"),
    "http/json": lambda at: JsonExporter(endpoint=f"http://{at['OTLP_HTTP']}/v1/traces"),
}
_OURS: Final = {row.name for row in TABLE if row.direction != "read"}


class _Ids(IdGenerator):
    """The same ids in every run, else two runs could not be compared."""

    def __init__(self) -> None:
        self._last = 0

    def generate_span_id(self) -> int:
        self._last += 1
        return self._last

    def generate_trace_id(self) -> int:
        return 0x0AF7651916CD43DD8448EB211C80319C


def _run(exporter: SpanExporter, journal: Path | None) -> None:
    """An application that says whatever a span can say; with a journal it is metered."""
    resource = Resource({"service.name": "shop", "process.pid": 7, "host.ip": ["10.0.0.1", "::1"]})
    provider = TracerProvider(resource=resource, id_generator=_Ids(), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    if journal is not None:
        attach(provider, journal=str(journal), quiet=True)
    with tenant("acme") if journal is not None else nullcontext():
        _trace(provider)
    provider.shutdown()


def _trace(provider: TracerProvider) -> None:
    state = TraceState([("congo", "t61rcWkgMzE"), ("ot", "rv:ffffffffffffff")])
    caller = SpanContext(1, 1, is_remote=True, trace_flags=TraceFlags(1), trace_state=state)
    shop = provider.get_tracer("shop", "2.1", schema_url="https://opentelemetry.io/schemas/1.30.0")
    client = provider.get_tracer(SCOPE, "1.3b0", attributes={"short": True})
    above = set_span_in_context(NonRecordingSpan(caller))
    root = shop.start_span(
        "POST /ask", above, kind=SpanKind.SERVER, attributes=_ODD, start_time=START_NS
    )
    below = set_span_in_context(root)
    for number, ending in enumerate((StatusCode.UNSET, StatusCode.OK, StatusCode.ERROR)):
        begin = START_NS + number
        span = client.start_span(
            "chat gpt-4o-mini",
            below,
            kind=SpanKind.CLIENT,
            attributes={**chat(), **_ODD, "gen_ai.response.id": f"r{number}"},  # type: ignore[dict-item]
            links=[Link(caller, {"why": "retried"})],
            start_time=begin,
        )
        span.add_event("gen_ai.choice", {"index": number, "done": True}, timestamp=begin + 1)
        if ending is not StatusCode.UNSET:
            span.set_status(Status(ending, "it broke" if ending is StatusCode.ERROR else None))
        span.end(begin + 1_000_000_007)
    root.end(START_NS + 2_000_000_000)


_ODD: Final[Mapping[str, Any]] = {
    "text": '日本 \U0001f4b6 "quoted"\n',
    "empty": "",
    "large": 2**63 - 1,
    "small": -(2**63),
    "double": 0.1 + 0.2,
    "whole": 3.0,
    "true": True,
    "texts": ["a", ""],
    "numbers": [1, -2],
    "doubles": [0.5, 1e300],
    "none": [],
}


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Generator[Otelcol]:
    require_otelcol()
    folder = tmp_path_factory.mktemp("receiving")
    config = folder / "receive.yaml"
    config.write_text(_CONFIG, "utf-8")
    with children() as family:
        yield start(
            family, folder, config, environment={"TRACES_FILE": str(folder / "traces.jsonl")}
        )


@pytest.mark.service
@pytest.mark.parametrize("protocol", _OTLP)
def test_a_collector_gets_the_same_spans_with_costs(
    collector: Otelcol, tmp_path: Path, protocol: str
) -> None:
    file = Path(collector.at["TRACES_FILE"])

    def came(journal: Path | None) -> dict[str, Any]:
        seen = file.stat().st_size if file.exists() else 0
        _run(_OTLP[protocol](collector.at), journal)

        def found() -> dict[str, Any] | None:
            written = file.read_bytes()[seen:].decode() if file.exists() else ""
            spans = _spans_of(map(json.loads, written.split("\n")[:-1]))
            return spans if len(spans) == 4 else None

        return wait_until(found, "four spans", 20, ())

    _assert_unchanged(came(None), came(tmp_path / "journal"), tmp_path)


def test_a_file_has_the_same_spans_with_costs(tmp_path: Path) -> None:
    def came(name: str, journal: Path | None) -> dict[str, Any]:
        path = tmp_path / name
        _run(FileSpanExporter(path), journal)
        return _spans_of(map(json.loads, path.read_text("utf-8").splitlines()))

    _assert_unchanged(came("plain", None), came("metered", tmp_path / "journal"), tmp_path)


def test_the_console_has_the_same_spans_with_costs(tmp_path: Path) -> None:
    def came(journal: Path | None) -> dict[str, Any]:
        out = io.StringIO()
        _run(ConsoleSpanExporter(out=out), journal)
        return {span["context"]["span_id"]: span for span in _objects(out.getvalue())}

    _assert_unchanged(came(None), came(tmp_path / "journal"), tmp_path)


def _objects(text: str) -> Iterator[Any]:
    """JSON objects that stand one behind the other."""
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        found, at = decoder.raw_decode(text, at)
        yield found
        at += len(text[at:]) - len(text[at:].lstrip())


def _spans_of(requests: Iterator[Any]) -> dict[str, Any]:
    """Spans of OTLP's JSON by id, each with the resource and the scope that it came under."""
    return {
        span["spanId"]: {
            **span,
            "resource": block["resource"],
            "scope": part["scope"],
            "schema": part.get("schemaUrl"),
        }
        for request in requests
        for block in request["resourceSpans"]
        for part in block["scopeSpans"]
        for span in part["spans"]
    }


def _assert_unchanged(plain: dict[str, Any], metered: dict[str, Any], home: Path) -> None:
    assert len(plain) == 4
    assert plain.keys() == metered.keys()
    added = [_added(plain[one], metered[one]) for one in plain]
    assert sum("genai_cost.charge_id" in one for one in added) == 3
    assert all(one.keys() <= _OURS for one in added)
    assert all(one["tenant.id"] == "acme" for one in added if "genai_cost.total" in one)
    shown = {
        one["genai_cost.charge_id"]: one["genai_cost.total"]
        for one in added
        if "genai_cost.charge_id" in one
    }
    assert shown == _charged(home)
    for one in added:
        if "genai_cost.total" in one:
            assert one["gen_ai.usage.cost"] == float(Decimal(one["genai_cost.total"])) > 0


def _added(plain: dict[str, Any], metered: dict[str, Any]) -> dict[str, Any]:
    """The attributes that only the metered span has. They stand behind the others; all else is equal."""
    before, after = _pairs(plain["attributes"]), _pairs(metered["attributes"])
    assert after[: len(before)] == before
    assert {**metered, "attributes": None} == {**plain, "attributes": None}
    return {
        key: next(iter(value.values())) if isinstance(value, dict) else value
        for key, value in after[len(before) :]
    }


def _pairs(attributes: Any) -> list[tuple[str, Any]]:
    if isinstance(attributes, dict):
        return list(attributes.items())
    return [(pair["key"], pair["value"]) for pair in attributes]


def _charged(home: Path) -> dict[str, str]:
    ship(home, [home / "journal"], drain=True)
    ledger = Ledger(home / LEDGER_FILE, readonly=True)
    found = {entry.charge_id: format_money(entry.amount) for entry in ledger.entries}
    ledger.close()
    return found
