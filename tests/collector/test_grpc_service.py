"""The hop between OpenTelemetry's own exporter and a receiver of gRPC's own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from otel_genai_cost import attributes as names
from otel_genai_cost.collector.serving import Limits
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.transport.listening import ServerTls
from otel_genai_cost.transport.receiver import Receiver
from tests.certificates import made
from tests.collector.http import post
from tests.collector.receiving import DONE, GRPC, Received, export, receiving
from tests.collector.serving import serving
from tests.demo.processes import wait_until
from tests.e2e.rig import observations_in
from tests.replay.otlp import SCOPE, chat, protobuf, request, span

_STATUS: Final[Any] = status_pb2.Status


@pytest.fixture
def endpoint(received: Received, journal: Journal) -> Iterator[str]:
    with serving(journal, Receiver(received.endpoint), Limits(requests_max=2)) as served:
        yield served.grpc


def _message() -> bytes:
    written: bytes = protobuf(request(span(1, chat(tenant__id="acme")))).SerializeToString()
    return written


@pytest.mark.parametrize("compression", [None, GRPC.Compression.Gzip])
def test_what_opentelemetrys_exporter_sends_arrives_priced(
    received: Received, endpoint: str, tmp_path: Path, compression: Any
) -> None:
    exporter = OTLPSpanExporter(
        endpoint=endpoint, insecure=True, compression=compression, headers={"x-scope": "eu"}
    )
    provider = TracerProvider(resource=Resource({"service.name": "shop"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer(SCOPE, "1.3b0")
    with tracer.start_as_current_span("chat", attributes=chat(tenant__id="acme")):  # type: ignore[arg-type]
        pass
    provider.shutdown()
    (shown,) = received.spans
    (one,) = observations_in(tmp_path / "journal")
    assert shown.attributes[names.COST_CHARGE_ID] == one.id
    assert shown.attributes[names.COST_STATUS] == "priced"
    assert one.origin.service == "shop"
    assert received.metadata[0]["x-scope"] == "eu"


def test_a_receivers_partial_success_comes_back(received: Received, endpoint: str) -> None:
    def partial(context: Any) -> Any:
        answer = DONE()
        answer.partial_success.rejected_spans = 1
        return answer

    received.answer = partial
    assert DONE.FromString(export(endpoint, _message())).partial_success.rejected_spans == 1


def test_a_receivers_error_comes_back_with_its_details(
    received: Received, endpoint: str, tmp_path: Path
) -> None:
    details = b"\x08\x0e\x12\x04busy"

    def refuse(context: Any) -> Any:
        context.set_trailing_metadata((("grpc-status-details-bin", details), ("x-why", "full")))
        context.abort(grpc.StatusCode.UNAVAILABLE, "busy")

    received.answer = refuse
    with pytest.raises(grpc.RpcError) as refused:
        export(endpoint, _message())
    error: Any = refused.value
    assert (error.code(), error.details()) == (grpc.StatusCode.UNAVAILABLE, "busy")
    assert dict(error.trailing_metadata())["grpc-status-details-bin"] == details
    assert dict(error.trailing_metadata())["x-why"] == "full"
    received.answer = lambda context: DONE()
    export(endpoint, _message())
    assert len({one.id for one in observations_in(tmp_path / "journal")}) == 1


def test_no_request_is_refused_for_good(received: Received, endpoint: str) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        export(endpoint, _message()[:-2])
    error: Any = refused.value
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert received.requests == []


def test_more_than_there_is_room_for_is_told_when_to_come_again(
    received: Received, endpoint: str
) -> None:
    release, busy = threading.Event(), threading.Semaphore(0)

    def wait(context: Any) -> Any:
        busy.release()
        release.wait(10)
        return DONE()

    received.answer = wait
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(export, endpoint, _message()) for _ in range(2)]
        for _ in waiting:
            assert busy.acquire(timeout=10)
        with pytest.raises(grpc.RpcError) as refused:
            export(endpoint, _message())
        release.set()
        for one in waiting:
            one.result()
    error: Any = refused.value
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    raw = dict(error.trailing_metadata())["grpc-status-details-bin"]
    status: Any = _STATUS.FromString(raw)
    retry: Any = error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(retry)
    assert (status.code, retry.retry_delay.seconds) == (8, 1)
    export(endpoint, _message())


def test_a_receiver_that_is_not_there_is_unavailable(journal: Journal) -> None:
    with (
        serving(journal, Receiver("127.0.0.1:1")) as served,
        pytest.raises(grpc.RpcError) as refused,
    ):
        export(served.grpc, _message())
    error: Any = refused.value
    assert error.code() is grpc.StatusCode.UNAVAILABLE


def test_calls_that_cannot_be_journalled_come_again(received: Received, tmp_path: Path) -> None:
    """What is no call goes on."""
    place = tmp_path / "journal"
    place.write_text("no folder")
    journal = Journal([place])
    page = protobuf(request(span(1, {"http.route": "/"}), scope="shop")).SerializeToString()
    with serving(journal, Receiver(received.endpoint)) as served:
        for _ in range(2):
            with pytest.raises(grpc.RpcError) as refused:
                export(served.grpc, _message())
            error: Any = refused.value
            assert error.code() is grpc.StatusCode.UNAVAILABLE
            assert "journal" in error.details()
        again = post(served.http, _message())
        assert (again.status, again.headers["Retry-After"]) == (503, "5")
        export(served.grpc, page)
        assert received.requests == [page]
        place.unlink()
        assert journal.retry()
        export(served.grpc, _message())
    journal.close()
    assert len(observations_in(place)) >= 1
    assert len({one.id for one in observations_in(place)}) == 1
    assert journal.dropped == 0


def test_a_receiver_that_comes_back_is_found_soon(journal: Journal) -> None:
    """By itself gRPC waits longer each time, up to two minutes."""
    with receiving() as first, serving(journal, Receiver(first.endpoint)) as served:
        export(served.grpc, _message())
        first.stop()
        for _ in range(5):
            with pytest.raises(grpc.RpcError):
                export(served.grpc, _message())
        with receiving(int(first.endpoint.split(":")[1])) as second:
            wait_until(lambda: _is_taken(served.grpc), "the receiver to be found", 20)
            assert len(second.spans) == 1


def _is_taken(endpoint: str) -> bool:
    try:
        export(endpoint, _message())
    except grpc.RpcError:
        return False
    return True


def test_a_large_request_goes_on(received: Received, endpoint: str) -> None:
    """Larger than gRPC takes by default."""
    text = "x" * (5 * 1024 * 1024)
    message = protobuf(request(span(1, {"http.route": text}), scope="shop")).SerializeToString()
    export(endpoint, message)
    assert received.requests == [message]


@pytest.mark.parametrize("by_http", [False, True])
def test_a_batch_of_60_mib_goes_on_with_what_its_calls_cost(
    received: Received, journal: Journal, by_http: bool
) -> None:
    """Long prompts on spans that are no calls, and one call behind them."""
    filler = request(span(2, {"prompt": "x" * (6 << 20)}), scope="shop")
    before = protobuf(filler).SerializeToString() * 10
    with serving(journal, Receiver(received.endpoint)) as served:
        if by_http:
            assert post(served.http, before + _message()).status == 200
        else:
            export(served.grpc, before + _message())
    (whole,) = received.requests
    assert whole.startswith(before)
    assert received.spans[-1].attributes[names.COST_STATUS] == "priced"


def test_it_says_that_it_serves(endpoint: str) -> None:
    with GRPC.insecure_channel(endpoint) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        assert check(b"", timeout=10) == b"\x08\x01"


def test_an_address_that_cannot_be_had_is_named(journal: Journal) -> None:
    said = r"the address cannot be had: '203\.0\.113\.1:1'"
    nowhere = serving(journal, Receiver("127.0.0.1:1"), address="203.0.113.1:1")
    with pytest.raises(ConfigurationError, match=said), nowhere:
        pass


def test_tls_on_both_sides(received: Received, journal: Journal) -> None:
    ours, theirs = made(), made()
    tls = ServerTls(ours.certificate, ours.key, client_ca=theirs.certificate)
    with serving(journal, Receiver(received.endpoint), tls=tls, address="localhost:0") as inner:
        known = Receiver(inner.grpc, ours.certificate, theirs.certificate, theirs.key, gzip=True)
        unknown = Receiver(inner.grpc, ours.certificate, ours.certificate, ours.key)
        with serving(journal, known) as outer:
            export(outer.grpc, _message())
        with serving(journal, unknown) as outer, pytest.raises(grpc.RpcError):
            export(outer.grpc, _message())
    assert len(received.requests) == 1
