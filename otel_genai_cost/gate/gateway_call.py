"""What a request that passes a gateway asks for, and the same request as it may be made: with less output, by another
model, with its usage. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from posixpath import normpath
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote

from otel_genai_cost.hosts import place_of
from otel_genai_cost.usage.asked import Asked, asked, lowered
from otel_genai_cost.usage.values import Object, as_object, word
from otel_genai_cost.usage.wire_paths import PATHS

__all__ = ["GatewayCall", "call_at", "with_body"]

_MODEL_IN_PATH: Final = re.compile(
    r"/(?:models?|deployments|engines)/(?P<model>[^/?]+?)(?=:[A-Za-z]+(?:\?|$)|/|\?|$)",
    re.IGNORECASE,
)
"""Gemini's and Vertex's `/models/M:generateContent`, Bedrock's `/model/M/converse`, Azure's `/deployments/M/…`."""

_ENDS: Final = {end.casefold(): end for end in PATHS}

_LIMITS: Final[Mapping[str, tuple[str, ...]]] = {
    "responses": ("max_output_tokens",),
    ":generateContent": ("generationConfig", "maxOutputTokens"),
    ":streamGenerateContent": ("generationConfig", "maxOutputTokens"),
    "converse": ("inferenceConfig", "maxTokens"),
    "converse-stream": ("inferenceConfig", "maxTokens"),
    "api/chat": ("options", "num_predict"),
    "api/generate": ("options", "num_predict"),
}
"""End of a path -> where its request says how much may be written, if not in `max_tokens`."""

_OPENAI_LIMIT: Final = ("max_completion_tokens",)
_LEAST: Final[Mapping[str, int]] = {"responses": 16}
"""A smaller limit is refused by the provider."""

_STREAMS: Final = frozenset(
    {
        ":streamGenerateContent",
        ":streamRawPredict",
        "converse-stream",
        "invoke-with-response-stream",
    }
)
"""Ends of paths that stream whatever the request says."""

_STREAMS_BY_DEFAULT: Final = frozenset({"api/chat", "api/generate"})
_ASKED_FOR_USAGE: Final = frozenset({"openai", "azure.ai.openai"})
"""Who says what a stream used only if asked, and understands being asked."""


class GatewayCall(NamedTuple):
    """A call on its way through a gateway.

    Attributes:
        end: the end of its path, which says what it is.
        path: all of it.
        operation: such as `chat`.
        provider: who is to answer.
        model: which is asked for; None if the request does not say.
        body: the request; empty while it is not known.
        asked: how much is to be read and written.
        hides_usage: whether a part of the answer was only asked for by us.
        is_changed: whether `content` is another than the body that came: a name that stands twice in that could mean
            one thing here and another to whoever answers.
    """

    end: str
    path: str
    operation: str
    provider: str | None
    model: str | None
    body: Object
    asked: Asked
    hides_usage: bool = False
    is_changed: bool = False

    @property
    def is_stream(self) -> bool:
        """Whether the answer comes in parts."""
        if self.end in _STREAMS:
            return True
        said = self.body.get("stream")
        return said is True or (said is None and self.end in _STREAMS_BY_DEFAULT)

    def content(self) -> bytes:
        """The body as it is sent."""
        return json.dumps(self.body, ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", "surrogatepass"
        )

    def with_usage(self) -> GatewayCall:
        """Asking for the usage of a stream, where that has to be asked for and was not."""
        options = as_object(self.body.get("stream_options"))
        if (
            self.end not in ("chat/completions", "completions")
            or not self.is_stream
            or self.provider not in _ASKED_FOR_USAGE
            or options.get("include_usage") is True
        ):
            return self
        body = {**self.body, "stream_options": {**options, "include_usage": True}}
        return self._replace(body=body, hides_usage=True, is_changed=True)

    def writing(self, tokens: int) -> GatewayCall | None:
        """With no more output than that; None if so little cannot be asked for.

        Args:
            tokens: in all answers together.
        """
        least = _LEAST.get(self.end, 1)
        body = lowered(self.body, self._limit(), tokens, least)
        return None if body is None else self._of(body)

    def by(self, model: str) -> GatewayCall | None:
        """Asking for another model; None if the request names none that could be replaced.

        Args:
            model: its name.
        """
        if isinstance(self.body.get("model"), str):
            return self._of({**self.body, "model": model})._replace(model=model)
        found = _model_in(self.path)
        if found is None:
            return None
        start, end = found.span("model")
        return self._replace(
            path=self.path[:start] + quote(model, safe="") + self.path[end:], model=model
        )

    def _limit(self) -> Sequence[str]:
        if self.end == "chat/completions" and self.provider in _ASKED_FOR_USAGE:
            return _OPENAI_LIMIT
        return _LIMITS.get(self.end, ("max_tokens",))

    def _of(self, body: Mapping[str, Any]) -> GatewayCall:
        return self._replace(body=body, asked=asked(body), is_changed=True)


def call_at(method: str, path: str, host: str, provider: str | None) -> GatewayCall | None:
    """The call that a request is by where it goes; None for anything that no model answers.

    Args:
        method: of HTTP.
        path: with its query.
        host: that it is for.
        provider: who answers, where somebody who knows says so.
    """
    if method != "POST":
        return None
    for end in map(_ENDS.get, _ends_of(path)):
        if end is not None:
            operation, whose = PATHS[end]
            found = _model_in(path)
            model = None if found is None else word(unquote(found["model"]))
            known = provider or place_of(host.partition(":")[0]).provider or whose
            return GatewayCall(
                end=end,
                path=path,
                operation=operation,
                provider=known,
                model=model,
                body={},
                asked=Asked(),
            )
    return None


def with_body(call: GatewayCall, content: bytes) -> GatewayCall | None:
    """The call with what its body asks for; None if that is no JSON object.

    Args:
        call: by its path.
        content: the body.
    """
    body, is_single = _read(content)
    if not body:
        return None
    model = word(body.get("model")) or call.model
    return call._replace(body=body, model=model, asked=asked(body), is_changed=not is_single)


def _read(content: bytes) -> tuple[Object, bool]:
    """The object that is written there, and whether every reader finds the same in it."""
    twice = False

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal twice
        found = dict(pairs)
        twice = twice or len(found) < len(pairs)
        return found

    try:
        found: object = json.loads(content, object_pairs_hook=once)
    except (ValueError, RecursionError):
        return {}, True
    return as_object(found), not twice


def _ends_of(path: str) -> tuple[str, ...]:
    """What a path may be known by, the most particular first: however it is written, as whoever answers may take it."""
    bare = normpath(_unquoted(path).strip()).casefold()
    *_, middle, last = ["", *bare.split("/")]
    verb = last.rpartition(":")[2]
    return (f"{middle}/{last}", last, f":{verb}") if ":" in last else (f"{middle}/{last}", last)


def _model_in(path: str) -> re.Match[str] | None:
    """Where a path names the model; None if it does not, or goes elsewhere in the end by a `..`."""
    return None if ".." in _unquoted(path).split("/") else _MODEL_IN_PATH.search(path)


def _unquoted(path: str) -> str:
    """Without its query, or what only a browser keeps to itself."""
    return unquote(re.split("[?#]", path, maxsplit=1)[0])
