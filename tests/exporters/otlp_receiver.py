"""A receiver of OTLP log events and metrics, by gRPC and HTTP, that answers as it is told."""

from __future__ import annotations

import gzip
import ssl
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, Final, NamedTuple

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc

from tests.certificates import Certificate

GRPC: Final[Any] = grpc
LOGS: Final[Any] = logs_service_pb2
METRICS: Final[Any] = metrics_service_pb2
Request = Any
CUMULATIVE: Final = 2


class Verdict(NamedTuple):
    """An answer: `status` as HTTP spells it, or how many of the records are rejected, and why."""

    rejected: int = 0
    message: str = ""
    status: int = 200


TAKEN: Final = Verdict()
_CODES: Final = {
    400: GRPC.StatusCode.INVALID_ARGUMENT,
    401: GRPC.StatusCode.UNAUTHENTICATED,
    503: GRPC.StatusCode.UNAVAILABLE,
}


class Receiver:
    """What came, request by request."""

    def __init__(self) -> None:
        self.endpoint = ""
        self.requests: list[Request] = []
        self.headers: list[dict[str, str]] = []
        self.judge: Callable[[Request], Verdict] = lambda request: TAKEN

    def take(self, request: Request, headers: dict[str, str]) -> Verdict:
        self.requests.append(request)
        self.headers.append(headers)
        return self.judge(request)

    @property
    def records(self) -> list[Any]:
        return [one for request in self.requests for one in records_of(request)]

    @property
    def seqs(self) -> list[int]:
        return list(map(seq_of, self.records))

    @property
    def uids(self) -> list[str]:
        return [attributes_of(one)["log.record.uid"] for one in self.records]

    @property
    def points(self) -> dict[str, dict[frozenset[Any], Any]]:
        """The points that came last, by metric and attributes."""
        found: dict[str, dict[frozenset[Any], Any]] = {}
        for request in self.requests:
            for metric in metrics_of(request):
                assert metric.sum.is_monotonic
                assert metric.sum.aggregation_temporality == CUMULATIVE
                for point in metric.sum.data_points:
                    key = frozenset(attributes_of(point).items())
                    found.setdefault(metric.name, {})[key] = point
        return found

    def net(self, name: str) -> float:
        """What a metric comes to in all, less what was taken back."""
        up, down = (
            sum(map(value_of, self.points[f"genai_cost.ledger.{name}{end}"].values()))
            for end in ("", ".credited")
        )
        return up - down

    def count_of(self, ledger_id: str) -> int:
        """How many log events came of a ledger."""
        return sum(
            len(scope.log_records)
            for request in self.requests
            for block in request.resource_logs
            if attributes_of(block.resource)["genai_cost.ledger.id"] == ledger_id
            for scope in block.scope_logs
        )


def records_of(request: Request) -> list[Any]:
    return [
        one
        for block in request.resource_logs
        for scope in block.scope_logs
        for one in scope.log_records
    ]


def metrics_of(request: Request) -> list[Any]:
    return [
        metric
        for block in request.resource_metrics
        for scope in block.scope_metrics
        for metric in scope.metrics
    ]


def value_of(point: Any) -> float:
    return float(getattr(point, point.WhichOneof("value")))


def seq_of(record: Any) -> int:
    return int(attributes_of(record)["genai_cost.entry.seq"])


def attributes_of(owner: Any) -> dict[str, Any]:
    return {
        pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in owner.attributes
    }


def _partial(kind: Any, verdict: Verdict) -> Any:
    field = "rejected_log_records" if kind is LOGS else "rejected_data_points"
    service = "Logs" if kind is LOGS else "Metrics"
    answer = getattr(kind, f"Export{service}ServiceResponse")()
    if verdict.rejected or verdict.message:
        setattr(answer.partial_success, field, verdict.rejected)
        answer.partial_success.error_message = verdict.message
    return answer


@contextmanager
def by_grpc(tls: Certificate | None = None) -> Generator[Receiver]:
    """`tls`: its certificate, and that of the only client it takes."""
    received = Receiver()

    def servicer(kind: Any) -> Any:
        class Service:
            def Export(self, request: Any, context: Any) -> Any:
                verdict = received.take(request, dict(context.invocation_metadata()))
                if verdict.status != 200:
                    context.abort(_CODES[verdict.status], verdict.message)
                return _partial(kind, verdict)

        return Service()

    server = GRPC.server(ThreadPoolExecutor(4))
    add_logs: Any = logs_service_pb2_grpc.add_LogsServiceServicer_to_server
    add_metrics: Any = metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server
    add_logs(servicer(LOGS), server)
    add_metrics(servicer(METRICS), server)
    if tls is None:
        received.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    else:
        pair, clients = [(tls.key, tls.certificate)], tls.certificate
        credentials = GRPC.ssl_server_credentials(pair, clients, require_client_auth=True)
        port = server.add_secure_port("127.0.0.1:0", credentials)
        received.endpoint = f"https://127.0.0.1:{port}"
    server.start()
    try:
        yield received
    finally:
        server.stop(None).wait()


def _context(tls: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=tls.certificate.decode())
    with TemporaryDirectory() as folder:
        both = Path(folder) / "both.pem"
        both.write_bytes(tls.certificate + tls.key)
        context.load_cert_chain(both)
    return context


@contextmanager
def by_http(
    tls: Certificate | None = None, *, answer: tuple[str, bytes] | None = None
) -> Generator[Receiver]:
    """`tls`: as by gRPC. `answer`: a content type and a body in place of OTLP's own."""
    received = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            kind = METRICS if self.path.endswith("/metrics") else LOGS
            service = "Metrics" if kind is METRICS else "Logs"
            request = getattr(kind, f"Export{service}ServiceRequest").FromString(body)
            verdict = received.take(request, {k.lower(): v for k, v in self.headers.items()})
            said = _partial(kind, verdict).SerializeToString()
            mime, said = answer or ("application/x-protobuf", said)
            if verdict.status != 200:
                mime, said = "text/plain", verdict.message.encode()
            self.send_response(verdict.status)
            self.send_header("content-type", mime)
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    received.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    if tls is not None:
        received.endpoint = received.endpoint.replace("http", "https", 1)
        server.socket = _context(tls).wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
