"""Receivers of spans, of gRPC's own and of Python's HTTP, and a sender that sends bytes as they are."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from threading import Thread
from typing import Any, Final

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from otel_genai_cost.otlp.protobuf_request import protobuf_request
from otel_genai_cost.otlp.span import WireSpan
from otel_genai_cost.testing.standin.local_server import LocalHTTPServer
from otel_genai_cost.transport.listening import ServerTls
from otel_genai_cost.transport.tls import server_context
from tests.certificates import Certificate

GRPC: Final[Any] = grpc
DONE: Final[Any] = trace_service_pb2.ExportTraceServiceResponse
_EXPORT: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


class Received(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps what comes, and answers as it is told."""

    def __init__(self) -> None:
        self.endpoint = ""
        self.stop: Callable[[], object] = lambda: None
        self.requests: list[bytes] = []
        self.metadata: list[dict[str, Any]] = []
        self.answer: Callable[[Any], Any] = lambda context: DONE()

    def Export(self, request: Any, context: Any) -> Any:
        self.requests.append(request.SerializeToString())
        self.metadata.append(dict(context.invocation_metadata()))
        return self.answer(context)

    @property
    def spans(self) -> list[WireSpan]:
        return [one for message in self.requests for one in protobuf_request(message).spans]


@contextmanager
def receiving(port: int = 0) -> Generator[Received]:
    options = (("grpc.max_receive_message_length", 2**26),)
    server = GRPC.server(ThreadPoolExecutor(8), options=options)
    received = Received()
    add: Any = trace_service_pb2_grpc.add_TraceServiceServicer_to_server
    add(received, server)
    received.endpoint = f"127.0.0.1:{server.add_insecure_port(f'127.0.0.1:{port}')}"
    server.start()
    received.stop = lambda: server.stop(None).wait()
    yield received
    received.stop()


def export(endpoint: str, message: bytes) -> bytes:
    with GRPC.insecure_channel(endpoint) as channel:
        answer: bytes = channel.unary_unary(_EXPORT)(message, timeout=10)
        return answer


class HttpReceived:
    """Keeps what comes by HTTP, and answers as it is told."""

    def __init__(self) -> None:
        self.endpoint = ""
        self.requests: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.connections = 0
        self.answer: Callable[[], tuple[int, dict[str, str], bytes]] = lambda: (200, {}, b"")

    @property
    def spans(self) -> list[WireSpan]:
        return [one for message in self.requests for one in protobuf_request(message).spans]


@contextmanager
def receiving_http(certificate: Certificate | None = None) -> Generator[HttpReceived]:
    """A receiver by Python's own server; with TLS, if there is a certificate, for callers that have it too."""
    received = HttpReceived()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            received.connections += 1

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            packed = self.headers.get("Content-Encoding") == "gzip"
            received.requests.append(gzip.decompress(body) if packed else body)
            said = {name.lower(): value for name, value in self.headers.items()}
            received.headers.append({**said, ":path": self.path})
            status, headers, answer = received.answer()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(answer)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with LocalHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        scheme = "http"
        if certificate is not None:
            tls = ServerTls(certificate.certificate, certificate.key, certificate.certificate)
            server.socket = server_context(tls).wrap_socket(server.socket, server_side=True)
            scheme = "https"
        received.endpoint = f"{scheme}://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield received
        finally:
            server.shutdown()
            thread.join()
