"""The `ollama` client, 0.3 and newer: chat, generate (plain and streamed), embeddings, web search; sync and async.

Everything it sends goes through `_request`, before 0.4, where it gives the response itself, streams through `_stream`.
A stream is a generator that sends the request when it is first asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from otel_genai_cost import attributes as names
from otel_genai_cost.hosts import place_of
from otel_genai_instrumentors.answers import as_json, described
from otel_genai_instrumentors.client import ClientInstrumentor, Sent
from otel_genai_instrumentors.gates.ollama import GATE
from otel_genai_instrumentors.method import LAST, PART, Answer, Attributes, Method

__all__ = ["OllamaInstrumentor"]


_COUNTS: Final = ("prompt_eval_count", "prompt_eval_cached_count", "eval_count")


def _body(kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    body: Any = kwargs.get("json")
    return cast("Mapping[str, Any]", body) if isinstance(body, Mapping) else {}


def _request(_: Any, kwargs: Mapping[str, Any], host: str | None) -> Attributes:
    body = _body(kwargs)
    return {
        names.GEN_AI_PROVIDER_NAME: place_of(host or "").provider or "ollama",
        names.GEN_AI_REQUEST_MODEL: body.get("model") or None,
        names.GEN_AI_REQUEST_STREAM: _is_streamed(kwargs) or None,
    }


def _is_streamed(kwargs: Mapping[str, Any]) -> bool:
    return _body(kwargs).get("stream") is True


def _server(client: Any, args: tuple[Any, ...], _: Any) -> tuple[str | None, int | None]:
    url = client._client.base_url.join(args[-1])
    return url.host, url.port


def _answer(result: Any) -> Answer:
    return Answer(result, is_raw=hasattr(result, "status_code"))


def _field(answer: Any, name: str) -> Any:
    known: Any = answer
    return known.get(name) if isinstance(answer, dict) else getattr(known, name, None)


def _response(answer: Any) -> Attributes:
    """A prompt that a server keeps in memory it counts since 2024-07; one that left it out has read more than it
    says."""
    usage = {name: n for name in _COUNTS if (n := _field(answer, name)) is not None}
    usage = usage or as_json(_field(answer, "usage")) or {}
    found = described({"model": _field(answer, "model"), "usage": usage}, "ollama")
    if "eval_count" in usage and "prompt_eval_count" not in usage:
        found[names.USAGE_INCOMPLETE] = True
    if reason := _field(answer, "done_reason"):
        found[names.GEN_AI_RESPONSE_FINISH_REASONS] = (reason,)
    return found


def _part(learned: Attributes, part: Any) -> int:
    if _field(part, "done") is not True:
        return PART
    learned.update(_response(part))
    return LAST


def _text(part: Any) -> str | None:
    message = _field(part, "message") or part
    found = [_field(message, name) for name in ("content", "response", "thinking")]
    return "".join(each for each in found if isinstance(each, str)) or None


_CHAT: Final = Method(
    "chat",
    _request,
    _response,
    _part,
    _server,
    answer=_answer,
    body=_body,
    text=_text,
    is_lazy=_is_streamed,
    sends_once=True,
)
_OPERATIONS: Final = {
    "api/chat": "chat",
    "api/generate": "text_completion",
    "api/embed": "embeddings",
    "api/embeddings": "embeddings",
    "v1/systemone": "chat",
}
_METHODS: Final = {end: _CHAT._replace(operation=name) for end, name in _OPERATIONS.items()}


class OllamaInstrumentor(ClientInstrumentor):
    """Traces the `ollama` client."""

    library = "ollama"
    requirements = ("ollama >= 0.3",)
    gate = GATE

    def routes(self) -> Iterable[tuple[str, str, Mapping[str, Method]]]:
        for kind in ("", "Async"):
            for name in ("_request", "_stream"):
                yield "ollama._client", f"{kind}Client.{name}", _METHODS

    def sent(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Sent:
        return Sent(args[-1], args, kwargs)
