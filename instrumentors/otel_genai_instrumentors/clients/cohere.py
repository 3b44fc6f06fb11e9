"""The `cohere` client, 5.0 and newer: chat and generation (plain and streamed), embeddings, rerank, classification,
parsing, transcription, of both versions of the API; sync and async, raw responses included; jobs; Bedrock and
SageMaker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from otel_genai_cost import attributes as names
from otel_genai_cost.hosts import place_of
from otel_genai_instrumentors.client import ClientInstrumentor
from otel_genai_instrumentors.cohere_answers import part, read, text
from otel_genai_instrumentors.cohere_jobs import CohereJobs
from otel_genai_instrumentors.fern import (
    Fern,
    answer_of,
    base_url_of,
    in_caller_context,
    wrapper_of,
)
from otel_genai_instrumentors.gates.cohere import GATE
from otel_genai_instrumentors.method import Attributes, Method
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.spans import CallTracer

__all__ = ["CohereInstrumentor"]

_LIBRARY: Final = Fern("cohere")
_CLOUDS: Final = {"Bedrock": "aws.bedrock", "Sagemaker": "aws.sagemaker"}
"""How the clients of a cloud are called; they are made with Cohere's own address, and send elsewhere."""


def _cloud(resource: Any) -> str | None:
    kinds = [kind.__name__ for kind in type(resource).__mro__]
    found = (name for kind in kinds for cloud, name in _CLOUDS.items() if kind.startswith(cloud))
    return next(found, None)


def _server(resource: Any, _: Any, __: Any) -> tuple[str | None, int | None]:
    if _cloud(resource) is not None:
        return None, None
    url = urlsplit(base_url_of(resource))
    return url.hostname, url.port


def _request(resource: Any, kwargs: Mapping[str, Any], host: str | None) -> Attributes:
    model = kwargs.get("model")
    provider = _cloud(resource) or place_of(host or "").provider or "cohere"
    return {
        names.GEN_AI_PROVIDER_NAME: provider,
        names.GEN_AI_REQUEST_MODEL: model if isinstance(model, str) else None,
    }


def _streamed(resource: Any, kwargs: Mapping[str, Any], host: str | None) -> Attributes:
    return {**_request(resource, kwargs, host), names.GEN_AI_REQUEST_STREAM: True}


_CHAT: Final = Method(
    "chat",
    _request,
    read,
    part,
    _server,
    answer=answer_of,
    shows_attempts=_LIBRARY.shows_attempts,
    client=wrapper_of,
    text=text,
)
_STREAM: Final = _CHAT._replace(request=_streamed)
_BOTH: Final = {
    "chat": _CHAT,
    "chat_stream": _STREAM,
    "embed": _CHAT._replace(operation="embeddings"),
    "rerank": _CHAT._replace(operation="rerank"),
    "parse": _CHAT._replace(operation="ocr"),
}
_FIRST: Final = {
    **_BOTH,
    "generate": _CHAT._replace(operation="text_completion"),
    "generate_stream": _STREAM._replace(operation="text_completion"),
    "classify": _CHAT._replace(operation="classification"),
    "summarize": _CHAT._replace(operation="text_completion"),
}
_AUDIO: Final = {"create": _CHAT._replace(operation="transcription")}
_HOMES: Final = (
    ("base_client", "BaseCohere", _FIRST),
    ("raw_base_client", "RawBaseCohere", _FIRST),
    ("v2.client", "V2Client", _BOTH),
    ("v2.raw_client", "RawV2Client", _BOTH),
    ("audio.transcriptions.client", "TranscriptionsClient", _AUDIO),
    ("audio.transcriptions.raw_client", "RawTranscriptionsClient", _AUDIO),
)


class CohereInstrumentor(ClientInstrumentor):
    """Traces the `cohere` client."""

    library = "cohere"
    requirements = ("cohere >= 5.0",)
    gate = GATE

    def methods(self) -> Iterable[tuple[str, str, Method]]:
        for module, kind, methods in _HOMES:
            for name, method in methods.items():
                for prefix in ("", "Async"):
                    yield f"cohere.{module}", f"{prefix}{kind}.{name}", method

    def patches(self, **options: Any) -> Iterable[Patch]:
        yield from super().patches(**options)
        yield from _LIBRARY.patches()
        tracer = CallTracer(self.library, options.get("tracer_provider"))
        yield from CohereJobs(tracer).patches()
        yield Patch("cohere.client", "Client.embed", in_caller_context, optional=True)
