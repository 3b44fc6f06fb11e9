"""The `mistralai` client, 1.0 and newer, and those for Azure and Google Cloud beside it: chat, agents, fill-in-the-
middle (plain, streamed, parsed), conversations, responses, embeddings, OCR, transcriptions, speech, classifiers, the
results of batches; sync and async."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from otel_genai_cost import attributes as names
from otel_genai_cost.hosts import place_of
from otel_genai_instrumentors.client import ClientInstrumentor
from otel_genai_instrumentors.gates.mistralai import GATE
from otel_genai_instrumentors.method import Answer, Attributes, Method
from otel_genai_instrumentors.mistral_answers import drops_details, heard, part, read, text
from otel_genai_instrumentors.mistral_batches import beside_calls
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.spans import CallTracer
from otel_genai_instrumentors.speakeasy import Speakeasy, server_of, stream_of

__all__ = ["MistralInstrumentor"]

_AZURE, _GOOGLE = "azure.ai.inference", "gcp.vertex_ai"
_PACKAGES: Final[Mapping[str, str]] = {
    "mistralai": "mistral_ai",
    "mistralai.client": "mistral_ai",
    "mistralai_azure": _AZURE,
    "mistralai.azure.client": _AZURE,
    "mistralai_gcp": _GOOGLE,
    "mistralai.gcp.client": _GOOGLE,
}
"""Package -> provider; of version 1, and of later ones."""

_NOT_ASKED: Final = frozenset({"retries", "server_url", "timeout_ms", "http_headers"})
_MORE: Final = b""
"""What the model is given beside the arguments: an agent's instructions, a conversation, a document."""


def _answer(result: Any) -> Answer:
    """A version that drops what it does not know of the usage is read by its bytes."""
    found = stream_of(result)
    return found if found is not None else Answer(is_raw=drops_details(result))


def _body(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in kwargs.items() if key not in _NOT_ASKED}


def _and_more(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {"": _MORE, **_body(kwargs)}


class _Package(Speakeasy):
    def request(self, _: Any, kwargs: Mapping[str, Any], host: str | None) -> Attributes:
        model = kwargs.get("model")
        return {
            names.GEN_AI_PROVIDER_NAME: place_of(host or "").provider or _PACKAGES[self.package],
            names.GEN_AI_REQUEST_MODEL: model if isinstance(model, str) else None,
        }

    def streamed(self, _: Any, kwargs: Mapping[str, Any], host: str | None) -> Attributes:
        return {**self.request(_, kwargs, host), names.GEN_AI_REQUEST_STREAM: True}

    def methods(self) -> Iterable[tuple[str, str, Method]]:
        chat = Method(
            "chat",
            self.request,
            read,
            part,
            server_of,
            answer=_answer,
            shows_attempts=self.shows_attempts,
            body=_body,
            text=text,
        )
        agent = chat._replace(body=_and_more)
        code = chat._replace(operation="text_completion")
        audio = agent._replace(operation="transcription", response=heard)
        yield from self._of("chat", "Chat", chat, "complete", "stream")
        yield from self._of("agents", "Agents", agent, "complete", "stream")
        yield from self._of("fim", "Fim", code, "complete", "stream")
        yield from self._of("responses", "Responses", chat, "create")
        for name in ("start", "append", "restart"):
            yield from self._of("conversations", "Conversations", agent, name, f"{name}_stream")
        yield from self._of("transcriptions", "Transcriptions", audio, "complete", "stream")
        for module, kind, name, operation in (
            ("embeddings", "Embeddings", "create", "embeddings"),
            ("ocr", "Ocr", "process", "ocr"),
            ("speech", "Speech", "complete", "speech"),
            ("classifiers", "Classifiers", "moderate", "moderation"),
            ("classifiers", "Classifiers", "moderate_chat", "moderation"),
            ("classifiers", "Classifiers", "classify", "classification"),
            ("classifiers", "Classifiers", "classify_chat", "classification"),
        ):
            yield from self._of(module, kind, agent._replace(operation=operation), name)

    def _of(
        self, module: str, kind: str, method: Method, *paths: str
    ) -> Iterable[tuple[str, str, Method]]:
        for name in paths:
            facts = method._replace(request=self.streamed) if "stream" in name else method
            for twin in (name, f"{name}_async"):
                yield f"{self.package}.{module}", f"{kind}.{twin}", facts


class MistralInstrumentor(ClientInstrumentor):
    """Traces the `mistralai` client."""

    library = "mistralai"
    requirements = ("mistralai >= 1.0",)
    gate = GATE

    def methods(self) -> Iterable[tuple[str, str, Method]]:
        return (each for package in _PACKAGES for each in _Package(package).methods())

    def patches(self, **options: Any) -> Iterable[Patch]:
        yield from super().patches(**options)
        beside = beside_calls(CallTracer(self.library, options.get("tracer_provider")), _PACKAGES)
        for package in _PACKAGES:
            yield from _Package(package).patches(beside)
