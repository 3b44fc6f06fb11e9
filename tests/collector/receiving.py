"""A receiver of spans, of gRPC's own, and a sender that sends bytes as they are."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from otel_genai_cost.otlp.protobuf_request import protobuf_request
from otel_genai_cost.otlp.span import WireSpan

GRPC: Final[Any] = grpc
DONE: Final[Any] = trace_service_pb2.ExportTraceServiceResponse
_EXPORT: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


class Received(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps what comes, and answers as it is told."""

    def __init__(self) -> None:
        self.endpoint = ""
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
def receiving() -> Generator[Received]:
    options = (("grpc.max_receive_message_length", 2**26),)
    server = GRPC.server(ThreadPoolExecutor(8), options=options)
    received = Received()
    add: Any = trace_service_pb2_grpc.add_TraceServiceServicer_to_server
    add(received, server)
    received.endpoint = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield received
    server.stop(None).wait()


def export(endpoint: str, message: bytes) -> bytes:
    with GRPC.insecure_channel(endpoint) as channel:
        answer: bytes = channel.unary_unary(_EXPORT)(message, timeout=10)
        return answer
