"""The hop by HTTP: between OpenTelemetry's own exporter and receivers of both protocols."""

from __future__ import annotations

import json
import socket
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from otel_genai_cost import attributes as names
from otel_genai_cost.collector.serving import Limits
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.otlp.protobuf_request import parsed
from otel_genai_cost.transport.listening import ServerTls
from otel_genai_cost.transport.receiver import Receiver
from otel_genai_cost.transport.tls import client_context
from tests.certificates import made
from tests.collector.http import JSON, PROTOBUF, call, message, post
from tests.collector.receiving import (
    DONE,
    GRPC,
    HttpReceived,
    Received,
    export,
    receiving_http,
)
from tests.collector.serving import Served, serving
from tests.e2e.rig import observations_in
from tests.replay.otlp import SCOPE, chat

_STATUS: Final[Any] = status_pb2.Status


def _spans_by_exporter(endpoint: str, **options: Any) -> None:
    exporter = OTLPSpanExporter(endpoint=endpoint, headers={"x-scope": "eu"}, **options)
    provider = TracerProvider(resource=Resource({"service.name": "shop"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer(SCOPE, "1.3b0")
    with tracer.start_as_current_span("chat", attributes=chat(tenant__id="acme")):  # type: ignore[arg-type]
        pass
    provider.shutdown()


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
@pytest.mark.parametrize("gzip_on", [False, True])
def test_what_opentelemetrys_exporter_sends_arrives_priced(
    received_http: HttpReceived,
    journal: Journal,
    tmp_path: Path,
    compression: Compression,
    gzip_on: bool,
) -> None:
    """By HTTP all the way."""
    with serving(journal, Receiver(received_http.endpoint, gzip=gzip_on)) as served:
        _spans_by_exporter(served.http, compression=compression)
    (shown,) = received_http.spans
    (one,) = observations_in(tmp_path / "journal")
    assert shown.attributes[names.COST_CHARGE_ID] == one.id
    assert one.attribution.tenant == "acme"
    assert received_http.headers[0]["x-scope"] == "eu"
    assert received_http.headers[0][":path"] == "/v1/traces"


def test_by_http_and_on_by_grpc(received: Received, served: Served) -> None:
    _spans_by_exporter(served.http)
    assert received.spans[0].attributes[names.COST_STATUS] == "priced"
    assert received.metadata[0]["x-scope"] == "eu"


def test_by_grpc_and_on_by_http(received_http: HttpReceived, journal: Journal) -> None:
    """On one connection."""
    with serving(journal, Receiver(received_http.endpoint + "/")) as served:
        for _ in range(3):
            export(served.grpc, message())
    assert [one.attributes[names.COST_STATUS] for one in received_http.spans] == ["priced"] * 3
    assert received_http.connections == 1


def test_json_takes_the_same_way(received: Received, served: Served) -> None:
    """As JavaScript's exporter writes it: ids in hex, numbers as text or not, enums by number."""
    sent = call(big=2**40)
    sent["resourceSpans"][0]["scopeSpans"][0]["spans"][0].update(
        kind=3, flags=257, links=[{"traceId": "ab" * 16, "spanId": "cd" * 8}], newField={"a": 1}
    )
    answer = post(served.http, json.dumps(sent).encode(), JSON)
    assert (answer.status, answer.body) == (200, b"{}")
    assert answer.headers["Content-Type"] == "application/json"
    (shown,) = parsed(received.requests[0]).resource_spans[0].scope_spans[0].spans
    assert shown.links[0].trace_id == bytes.fromhex("ab" * 16)
    assert shown.kind == 3
    assert {pair.key for pair in shown.attributes} >= {names.COST_TOTAL, "big"}


def test_a_partial_success_comes_back_in_the_senders_own_form(
    received: Received, served: Served
) -> None:
    def partial(context: Any) -> Any:
        answer = DONE()
        answer.partial_success.rejected_spans = 1
        return answer

    received.answer = partial
    body = post(served.http, message()).body
    assert DONE.FromString(body).partial_success.rejected_spans == 1
    said = json.loads(post(served.http, json.dumps(call()).encode(), JSON).body)
    assert said == {"partialSuccess": {"rejectedSpans": "1"}}


_CODE: Final = grpc.StatusCode


@pytest.mark.parametrize(
    ("code", "retry_s", "status"),
    [
        (_CODE.UNAVAILABLE, 7, 503),
        (_CODE.UNAVAILABLE, None, 503),
        (_CODE.RESOURCE_EXHAUSTED, 7, 429),
        (_CODE.RESOURCE_EXHAUSTED, None, 413),
        (_CODE.UNAUTHENTICATED, None, 401),
        (_CODE.PERMISSION_DENIED, None, 403),
        (_CODE.INVALID_ARGUMENT, None, 400),
        (_CODE.INTERNAL, None, 500),
    ],
)
def test_a_receivers_error_by_grpc_is_one_of_http(
    received: Received, served: Served, code: Any, retry_s: int | None, status: int
) -> None:
    """Which a sender takes the same way: sends it again, and when, or not."""
    details: Any = _STATUS(code=code.value[0], message="why")
    if retry_s is not None:
        retry: Any = error_details_pb2.RetryInfo()
        retry.retry_delay.seconds = retry_s
        details.details.add().Pack(retry)

    def refuse(context: Any) -> Any:
        context.set_trailing_metadata((("grpc-status-details-bin", details.SerializeToString()),))
        context.abort(code, "why")

    received.answer = refuse
    answer = post(served.http, message())
    assert answer.status == status
    assert answer.headers["Retry-After"] == (None if retry_s is None else str(retry_s))
    assert _STATUS.FromString(answer.body) == details
    said = json.loads(post(served.http, json.dumps(call()).encode(), JSON).body)
    assert said == {"code": code.value[0], "message": "why"}


@pytest.mark.parametrize(
    ("status", "retry_after", "code", "retry_s"),
    [
        (429, "7", _CODE.RESOURCE_EXHAUSTED, 7),
        (429, None, _CODE.RESOURCE_EXHAUSTED, 1),
        (503, "7", _CODE.UNAVAILABLE, 7),
        (503, "Wed, 21 Oct 2015 07:28:00 GMT", _CODE.UNAVAILABLE, 0),
        (502, "soon", _CODE.UNAVAILABLE, None),
        (413, None, _CODE.RESOURCE_EXHAUSTED, None),
        (400, None, _CODE.INVALID_ARGUMENT, None),
        (401, None, _CODE.UNAUTHENTICATED, None),
        (500, None, _CODE.INTERNAL, None),
    ],
)
def test_a_receivers_error_by_http_is_one_of_grpc(
    received_http: HttpReceived,
    journal: Journal,
    status: int,
    retry_after: str | None,
    code: Any,
    retry_s: int | None,
) -> None:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    body = _STATUS(message="why").SerializeToString()
    received_http.answer = lambda: (status, {**headers, **PROTOBUF}, body)
    with serving(journal, Receiver(received_http.endpoint)) as served:
        with pytest.raises(grpc.RpcError) as refused:
            export(served.grpc, message())
        again = post(served.http, message())
    error: Any = refused.value
    assert (error.code(), error.details()) == (code, "why")
    raw = dict(error.trailing_metadata()).get("grpc-status-details-bin")
    if retry_s is None:
        assert raw is None
    else:
        retry: Any = error_details_pb2.RetryInfo()
        assert _STATUS.FromString(raw).details[0].Unpack(retry)
        assert retry.retry_delay.seconds == retry_s
    assert (again.status, again.body) == (status, body)
    assert again.headers["Retry-After"] == (None if retry_s is None else str(retry_s))


def test_a_receiver_that_is_not_there_or_never_answers_is_to_be_tried_again(
    journal: Journal,
) -> None:
    with serving(journal, Receiver("http://127.0.0.1:1")) as served:
        assert post(served.http, message()).status == 503
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with serving(journal, Receiver(endpoint), Limits(timeout_s=0.2)) as served:
            assert post(served.http, message()).status == 503
            with pytest.raises(grpc.RpcError) as refused:
                export(served.grpc, message())
    error: Any = refused.value
    assert error.code() is _CODE.DEADLINE_EXCEEDED


def test_a_connection_that_the_receiver_has_closed_is_not_used_again(
    received_http: HttpReceived, journal: Journal
) -> None:
    received_http.answer = lambda: (200, {"Connection": "close"}, b"")
    with serving(journal, Receiver(received_http.endpoint)) as served:
        assert [post(served.http, message()).status for _ in range(3)] == [200] * 3
    assert received_http.connections == 3


def test_tls_on_both_sides(journal: Journal) -> None:
    """Each asks for the other's certificate; who has none is not heard."""
    ours, theirs = made(), made()
    with receiving_http(theirs) as received:
        receiver = Receiver(received.endpoint, theirs.certificate, theirs.certificate, theirs.key)
        tls = ServerTls(ours.certificate, ours.key, client_ca=theirs.certificate)
        with serving(journal, receiver, tls=tls) as served:
            known = client_context(Receiver("", ours.certificate, theirs.certificate, theirs.key))
            unknown = client_context(Receiver("", ours.certificate))
            parts = urlsplit(served.http)
            assert parts.hostname is not None
            for context in (known, unknown):
                connection = HTTPSConnection(
                    parts.hostname, parts.port, timeout=10, context=context
                )
                if context is known:
                    connection.request("POST", parts.path, message(), dict(PROTOBUF))
                    assert connection.getresponse().status == 200
                else:
                    with pytest.raises(OSError, match=r".*"):
                        connection.request("POST", parts.path, message(), dict(PROTOBUF))
                        connection.getresponse()
                connection.close()
    assert len(received.spans) == 1


def test_health_is_the_same_by_both(served: Served) -> None:
    with GRPC.insecure_channel(served.grpc) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        assert check(b"", timeout=10) == b"\x08\x01"
    answer = post(f"{served.status}/healthz", None, {}, "GET")
    assert (answer.status, answer.body) == (200, b"serving\n")
