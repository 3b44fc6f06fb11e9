"""What takes spans and passes them on: the hop in its ways and the real collector, each a process whose CPU time is
read; and what they send to."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import grpc

from tests.bench.hop_program import WAYS
from tests.collector.otelcol import otelcol
from tests.demo.processes import Child, Children
from tests.demo.stage import clean_environment
from tests.queues.brokers import free_port

__all__ = ["Peer", "collector", "hop", "sink"]

_EXPORT: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_GRPC: Final[Any] = grpc
_SIZES: Final = (
    ("grpc.max_receive_message_length", 1 << 27),
    ("grpc.max_send_message_length", 1 << 27),
)
_AT_ONCE: Final = 4
_JOURNAL_LIMIT_MIB: Final = "1024"
"""No ledger reads along."""

_PROGRAM: Final = Path(__file__).with_name("hop_program.py")
_CONFIGURATION: Final = """
receivers:
  otlp: {protocols: {grpc: {endpoint: "127.0.0.1:PORT", max_recv_msg_size_mib: 64}}}
exporters:
  otlp_grpc:
    endpoint: TO
    tls: {insecure: true}
    compression: none
    sending_queue: {enabled: false}
service:
  pipelines:
    traces: {receivers: [otlp], processors: [PROCESSORS], exporters: [otlp_grpc]}
  telemetry: {metrics: {level: none}}
"""


class Peer(NamedTuple):
    """One that takes spans at an address of this host."""

    child: Child
    port: int

    def cpu_us(self, requests: Sequence[bytes]) -> float:
        """CPU time that its process takes for these requests, sent a few at once; every one has to be taken."""
        with _GRPC.insecure_channel(f"127.0.0.1:{self.port}", options=_SIZES) as channel:
            send: Any = channel.unary_unary(_EXPORT)
            began = self.child.cpu_s()
            for at in range(0, len(requests), _AT_ONCE):
                for sent in [send.future(one, timeout=120) for one in requests[at : at + _AT_ONCE]]:
                    sent.result()
            return (self.child.cpu_s() - began) * 1e6


@contextmanager
def sink() -> Generator[str]:
    """Takes every request without reading it; gives its address."""

    class Anything(_GRPC.GenericRpcHandler):  # type: ignore[misc]
        def service(self, call: Any) -> Any:
            return _GRPC.unary_unary_rpc_method_handler(lambda request, context: b"")

    server = _GRPC.server(ThreadPoolExecutor(2), (Anything(),), options=_SIZES)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def hop(family: Children, folder: Path, to: str, way: str) -> Peer:
    """Start the hop.

    Args:
        family: Ends it.
        folder: Takes its journal and its log.
        to: The address of the receiver.
        way: How it works on a request, a key of `hop_program.WAYS`.
    """
    assert way in WAYS
    serve = ("collector", "serve", "--listen", "127.0.0.1:0", "--to", to)
    command = [sys.executable, str(_PROGRAM), way, *serve, "--ledger", str(folder / way)]
    environment = clean_environment() | {"OTEL_GENAI_COST_JOURNAL_LIMIT_MIB": _JOURNAL_LIMIT_MIB}
    child = family.start(way, command, folder / f"{way}.log", environment)
    return Peer(child, int(child.find(r"pricing spans that come to \S+:(\d+)")))


def collector(family: Children, folder: Path, to: str, name: str, prices: Path | None) -> Peer:
    """Start the collector, on one core.

    Args:
        family: Ends it.
        folder: Takes its configuration and its log.
        to: The address of the receiver.
        name: Of its log.
        prices: What `genai-cost collector compile` printed; None for a collector that only passes on.
    """
    port = free_port()
    said = _CONFIGURATION.replace("PORT", str(port)).replace("TO", to)
    config = folder / f"{name}.yaml"
    config.write_text(said.replace("PROCESSORS", "transform/genai_cost" if prices else ""), "utf-8")
    configs = [f"--config={one}" for one in (config, prices) if one is not None]
    environment = {**os.environ, "GOMAXPROCS": "1"}
    child = family.start(name, [str(otelcol()), *configs], folder / f"{name}.log", environment)
    child.find("Everything is ready")
    return Peer(child, port)
