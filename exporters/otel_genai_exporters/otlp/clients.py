"""The clients of `opentelemetry-exporter-otlp`, and what the receiver answered them.

An exporter says whether it failed, and drops what the receiver answered: why, and how many records it rejected. So
answers are heard on the way: over HTTP by an adapter of the session that the exporter is given; over gRPC by a wrapper
around its stub, which only private names lead to:

`OTLPExporterMixin._stub`, `._client`
    Buy the answer. Without them nothing is sent: what nobody is seen to have taken would have to be sent for ever.

TLS, headers, compression and the time to wait are the exporters' own, by the variables of OpenTelemetry
(`OTEL_EXPORTER_OTLP_*` and their `_LOGS_` and `_METRICS_` forms).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

from otel_genai_cost.errors import ConfigurationError, GenAICostError, MissingExtraError
from otel_genai_cost.settings import environment

__all__ = ["Answer", "Client", "Signal", "client_of", "endpoint_of"]

Signal = Literal["LOGS", "METRICS"]
State = Literal["taken", "rejected", "failed"]

_GRPC: Final = "grpc"
_HTTP: Final = "http/protobuf"
_ENDPOINTS: Final = {_GRPC: "http://localhost:4317", _HTTP: "http://localhost:4318"}
_EXPORTERS: Final = {
    "LOGS": ("_log_exporter", "OTLPLogExporter"),
    "METRICS": ("metric_exporter", "OTLPMetricExporter"),
}
_BAD_DATA: Final = frozenset({400, 413, 422})
"""HTTP status codes by which a receiver says that it will never take this request."""

_PROVIDERS: Final = "opentelemetry_otlp_credential_provider"
_MESSAGE_MAX: Final = 500


class Answer(NamedTuple):
    """What a receiver made of a request.

    Attributes:
        state: `taken` whole; `rejected`, some of it or all, for good; or `failed`, so that it may be sent again.
        rejected: How many of its records were rejected.
        message: What the receiver said, or what went wrong.
    """

    state: State
    rejected: int = 0
    message: str = ""


class _Heard:
    """The last answer."""

    def __init__(self) -> None:
        self.answer: Answer | None = None

    def partly(self, rejected: int, message: str) -> None:
        state: State = "rejected" if rejected else "taken"
        self.answer = Answer(state, rejected, message[:_MESSAGE_MAX])

    def refused(self, is_bad_data: bool, message: str) -> None:
        state: State = "rejected" if is_bad_data else "failed"
        self.answer = Answer(state, 0, " ".join(message.split())[:_MESSAGE_MAX])


class Client:
    """An exporter, and an ear for what it is answered.

    Args:
        exporter: Of the SDK's kind.
        heard: Where its answers are kept.
    """

    def __init__(self, exporter: Any, heard: _Heard) -> None:
        self._exporter, self._heard = exporter, heard

    def send(self, data: Any, count: int) -> Answer:
        """Send records, and wait for the answer.

        Args:
            data: What the exporter takes.
            count: How many records that is.
        """
        self._heard.answer = None
        try:
            succeeded = self._exporter.export(data).name == "SUCCESS"
        except (ValueError, TypeError, OSError) as error:
            return Answer("failed", 0, f"{type(error).__name__}: {error}"[:_MESSAGE_MAX])
        answer = self._heard.answer
        if answer is None:
            return Answer("failed", 0, "nothing was sent: see what the exporter logged")
        if answer.state == "rejected":
            return answer._replace(rejected=min(answer.rejected, count) or count)
        if answer.state == "taken" and not succeeded:
            return Answer("failed", 0, answer.message or "the exporter gave up")
        return answer

    def close(self) -> None:
        """Close its connections."""
        self._exporter.shutdown()


def protocol_of(signal: Signal) -> str:
    """The protocol that the variables name for a signal; gRPC where they name none, as the SDK has it.

    Raises:
        ConfigurationError: for one that this sink does not speak.
    """
    name, found = _variable(signal, "PROTOCOL")
    if found not in ("", *_ENDPOINTS):
        raise ConfigurationError(
            f"{name}: no such protocol here", value=found, remedy=f"use {_GRPC} or {_HTTP}"
        )
    return found or _GRPC


def endpoint_of(signal: Signal) -> str:
    """Where a signal goes, without a name or password, for messages."""
    _, found = _variable(signal, "ENDPOINT")
    protocol = protocol_of(signal)
    named = found or _ENDPOINTS[protocol]
    place = urlsplit(named if "://" in named else f"//{named}").netloc
    return f"{place.rpartition('@')[2]} ({protocol})"


def _variable(signal: Signal, name: str) -> tuple[str, str]:
    """The variable that counts for a signal, and its value."""
    own, common = f"OTEL_EXPORTER_OTLP_{signal}_{name}", f"OTEL_EXPORTER_OTLP_{name}"
    named = own if environment().get(own) else common
    return named, environment().get(named, "").strip()


def client_of(signal: Signal) -> Client:
    """A client for log events or for metrics, by the variables of OpenTelemetry.

    Raises:
        ConfigurationError: if one of them cannot be used.
        MissingExtraError: without `opentelemetry-exporter-otlp`.
        GenAICostError: if its release does not let answers be heard.
    """
    protocol = protocol_of(signal)
    module, name = _EXPORTERS[signal]
    package = "grpc" if protocol == _GRPC else "http"
    try:
        make = getattr(import_module(f"opentelemetry.exporter.otlp.proto.{package}.{module}"), name)
    except ImportError:
        raise MissingExtraError(
            "the OTLP sink", "opentelemetry-exporter-otlp", "otlp-sink"
        ) from None
    return _grpc_client(signal, make) if protocol == _GRPC else _http_client(signal, make)


def _made(make: Callable[..., Any], **options: Any) -> Any:
    """An exporter; a variable that it cannot use is an error of whoever set it."""
    try:
        return make(**options)
    except (ValueError, RuntimeError, OSError) as error:
        raise ConfigurationError(
            f"an OTEL_EXPORTER_OTLP_ variable cannot be used: {error}"
        ) from None


def _grpc_client(signal: Signal, make: Callable[..., Any]) -> Client:
    heard, exporter = _Heard(), _made(make, **_compression(signal))
    stub, client = getattr(exporter, "_stub", None), getattr(exporter, "_client", None)
    if stub is None or client is None:
        raise GenAICostError(
            "this release of opentelemetry-exporter-otlp-proto-grpc does not show what a receiver answered; set "
            f"OTEL_EXPORTER_OTLP_PROTOCOL={_HTTP}, or install the release that this version was tested with"
        )

    def listening(channel: Any) -> Any:
        return _ListeningStub(stub(channel), heard)

    exporter._stub = listening  # a connection that is made anew has another
    exporter._client = _ListeningStub(client, heard)
    return Client(exporter, heard)


def _compression(signal: Signal) -> Mapping[str, Any]:
    """What the gRPC exporter has to be told: it takes `none`, which OpenTelemetry allows, for an error."""
    name, found = _variable(signal, "COMPRESSION")
    if found.lower() == "none":
        import grpc

        return {"compression": grpc.Compression.NoCompression}
    if found.lower() not in ("", "gzip"):
        raise ConfigurationError(
            f"{name}: no such compression", value=found, remedy="use gzip or none"
        )
    return {}


class _ListeningStub:
    """A service of OTLP whose answers are heard."""

    def __init__(self, stub: Any, heard: _Heard) -> None:
        self._stub, self._heard = stub, heard

    def Export(self, request: Any, **options: Any) -> Any:
        import grpc

        try:
            response = self._stub.Export(request, **options)
        except grpc.RpcError as error:
            status: Any = error
            is_bad_data = status.code() is grpc.StatusCode.INVALID_ARGUMENT
            self._heard.refused(is_bad_data, f"{status.code().name}: {status.details()}")
            raise
        self._heard.partly(*_partial(response))
        return response


def _partial(response: Any) -> tuple[int, str]:
    """How many records an answer in protobuf says were rejected, and what it says of that."""
    return _counted({field.name: value for field, value in response.partial_success.ListFields()})


def _counted(partial: Mapping[str, Any]) -> tuple[int, str]:
    """The same of a message's fields, by their names in protobuf or in JSON."""
    rejected = [int(n) for name, n in partial.items() if name.startswith("rejected")]
    message = partial.get("error_message", partial.get("errorMessage", ""))
    return max([0, *rejected]), str(message)


def _http_client(signal: Signal, make: Callable[..., Any]) -> Client:
    heard, session = _Heard(), _session(signal)
    answer_of, trusted = _answers(signal), _variable(signal, "CERTIFICATE")[1]
    for prefix in ("https://", "http://"):
        session.mount(prefix, _listening(session.get_adapter(prefix), heard, answer_of, trusted))
    return Client(_made(make, session=session), heard)


def _session(signal: Signal) -> Any:
    """The session of the credential provider that the variables name, or a new one."""
    common = "OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER"
    own = f"OTEL_PYTHON_EXPORTER_OTLP_HTTP_{signal}_CREDENTIAL_PROVIDER"
    name = environment().get(common) or environment().get(own)
    if not name:
        from requests import Session

        return Session()
    found: Sequence[Any] = tuple(entry_points(group=_PROVIDERS, name=name))
    if not found:
        raise ConfigurationError(
            "no such credential provider", value=name, where=f"{common} or {own}"
        )
    return found[0].load()()


def _listening(inner: Any, heard: _Heard, answer_of: Callable[[bytes], Any], trusted: str) -> Any:
    """An adapter of requests that passes everything on, and hears the answers. `trusted` is the file of certificates
    that the variables name: requests itself prefers `REQUESTS_CA_BUNDLE` to what the exporter has told its session."""
    verify = {"verify": trusted} if trusted else {}
    from requests import RequestException
    from requests.adapters import BaseAdapter

    class Listening(BaseAdapter):
        def send(self, request: Any, **options: Any) -> Any:  # type: ignore[override]
            try:
                response = inner.send(request, **{**options, **verify})
            except RequestException as error:
                heard.refused(False, f"{type(error).__name__}: {error}")
                raise
            _hear(heard, request.method, response, answer_of)
            return response

        def close(self) -> None:
            inner.close()

    return Listening()


def _hear(heard: _Heard, method: str, response: Any, answer_of: Callable[[bytes], Any]) -> None:
    """Only what OTLP allows for an answer is one: the page of a proxy that asks for a password is none."""
    status, body = response.status_code, response.content
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not 200 <= status < 300:
        said = f"HTTP {status} {response.reason or ''}: {body[:_MESSAGE_MAX].decode('utf-8', 'replace')}"
        heard.refused(status in _BAD_DATA, said)
    elif method != "POST":
        heard.refused(False, "the request was redirected, and not received")
    else:
        try:
            heard.partly(*_partial_in(body, kind, answer_of))
        except (ValueError, TypeError, AttributeError):
            heard.refused(False, f"HTTP {status} with an answer that is none of OTLP ({kind})")


def _partial_in(body: bytes, kind: str, answer_of: Callable[[bytes], Any]) -> tuple[int, str]:
    if not body:
        return 0, ""
    if kind == "application/json":
        answer: Mapping[str, Any] = json.loads(body)
        return _counted(answer.get("partialSuccess") or {})
    if kind != "application/x-protobuf":
        raise ValueError(kind)
    return _partial(answer_of(body))


def _answers(signal: Signal) -> Callable[[bytes], Any]:
    """Reads a signal's answer in protobuf; raises ValueError for what is none."""
    from google.protobuf.message import DecodeError

    kind: Any
    if signal == "LOGS":
        from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
            ExportLogsServiceResponse as kind,
        )
    else:
        from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
            ExportMetricsServiceResponse as kind,
        )

    def read(body: bytes) -> Any:
        try:
            return kind.FromString(body)
        except DecodeError as error:
            raise ValueError(str(error)) from None

    return read
