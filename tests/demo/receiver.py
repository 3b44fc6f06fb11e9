"""A local OTLP/gRPC receiver: appends what the standard exporter really sent, one ExportTraceServiceRequest a line,
in OTLP's JSON mapping (hex ids, 64-bit integers as strings, enums as integers).

`python -m tests.demo.receiver FILE` prints its endpoint and serves until it is terminated.
"""

from __future__ import annotations

import base64
import json
import signal
import sys
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Protocol, cast

import grpc
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

__all__ = ["otlp_json", "receiving"]

_ID_KEYS = ("traceId", "spanId", "parentSpanId")


class _Server(Protocol):
    """The part of grpc.Server that is used here; grpcio ships no types."""

    def add_generic_rpc_handlers(self, handlers: tuple[object, ...], /) -> None: ...
    def add_insecure_port(self, address: str, /) -> int: ...
    def start(self) -> None: ...
    def stop(self, grace: float | None, /) -> threading.Event: ...


class _Grpc(Protocol):
    """The part of the grpc module that is used here."""

    def server(self, pool: ThreadPoolExecutor, /) -> _Server: ...
    def unary_unary_rpc_method_handler(
        self,
        behavior: Callable[[ExportTraceServiceRequest, object], ExportTraceServiceResponse],
        /,
        *,
        request_deserializer: Callable[[bytes], ExportTraceServiceRequest],
        response_serializer: Callable[[ExportTraceServiceResponse], bytes],
    ) -> object: ...
    def method_handlers_generic_handler(
        self, service: str, method_handlers: dict[str, object], /
    ) -> object: ...


_grpc = cast(_Grpc, grpc)
_to_dict = cast("Callable[..., dict[str, Any]]", MessageToDict)


def otlp_json(request: ExportTraceServiceRequest) -> str:
    """One line of OTLP JSON. protobuf's own mapping writes ids as base64; OTLP's writes them as hex."""
    document = _to_dict(request, use_integers_for_enums=True)
    for resource_spans in document.get("resourceSpans", ()):
        for scope_spans in resource_spans.get("scopeSpans", ()):
            for span in scope_spans.get("spans", ()):
                for carrier in (span, *span.get("links", ())):
                    _ids_as_hex(carrier)
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _ids_as_hex(carrier: dict[str, Any]) -> None:
    for key in _ID_KEYS:
        if key in carrier:
            carrier[key] = base64.b64decode(carrier[key]).hex()


@contextmanager
def receiving(path: Path) -> Generator[str]:
    """Serve OTLP/gRPC on a free port of this host while the block runs; gives the endpoint."""
    writing = threading.Lock()

    def export(request: ExportTraceServiceRequest, _: object) -> ExportTraceServiceResponse:
        with writing, path.open("a", encoding="utf-8") as file:
            file.write(otlp_json(request) + "\n")
        return ExportTraceServiceResponse()

    server = _grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((_trace_service(export),))
    port = server.add_insecure_port("127.0.0.1:0")
    path.touch()
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop(1).wait()


def _trace_service(
    export: Callable[[ExportTraceServiceRequest, object], ExportTraceServiceResponse],
) -> object:
    handler = _grpc.unary_unary_rpc_method_handler(
        export,
        request_deserializer=ExportTraceServiceRequest.FromString,
        response_serializer=ExportTraceServiceResponse.SerializeToString,
    )
    service = "opentelemetry.proto.collector.trace.v1.TraceService"
    return _grpc.method_handlers_generic_handler(service, {"Export": handler})


def main(path: Path) -> None:
    """Serve until SIGTERM or SIGINT."""
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    with receiving(path) as endpoint:
        print(endpoint, flush=True)
        ended.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
