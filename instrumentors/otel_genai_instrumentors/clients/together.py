"""The `together` client, 2.0 and newer (before that it was another code base): chat, completions, embeddings, images,
rerankings, transcriptions, translations, speech; sync and async, raw responses, `client.post`."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from otel_genai_cost import attributes as names
from otel_genai_instrumentors.answers import as_json, described
from otel_genai_instrumentors.gates.together import GATE
from otel_genai_instrumentors.method import PART, Attributes
from otel_genai_instrumentors.openai_answers import read_chat
from otel_genai_instrumentors.openai_media import read_images
from otel_genai_instrumentors.openai_posts import PostingInstrumentor, posts
from otel_genai_instrumentors.stainless import Stainless

__all__ = ["TogetherInstrumentor"]

_LIBRARY: Final = Stainless("together")


def _part_of_text(found: Attributes, chunk: Any) -> int:
    """A chunk of a streamed completion says itself why it ended, not its choice."""
    usage = getattr(chunk, "usage", None)
    answer = {"id": getattr(chunk, "id", None), "model": getattr(chunk, "model", None)}
    found.update(described({**answer, "usage": as_json(usage) or {}}))
    if reason := getattr(chunk, "finish_reason", None):
        found[names.GEN_AI_RESPONSE_FINISH_REASONS] = [reason]
    return PART


def _read_images(answer: Any) -> Attributes:
    return {**read_chat(answer), **read_images(answer)}


def _text(chunk: Any) -> str | None:
    choices = getattr(chunk, "choices", None)
    return getattr(choices[0], "text", None) if choices else None


_PROVIDER: Final = "together_ai"
_POSTS: Final = posts(_LIBRARY, _PROVIDER)


class TogetherInstrumentor(PostingInstrumentor):
    """Traces the `together` client."""

    library = "together"
    requirements = ("together >= 2.0",)
    gate = GATE
    stainless = _LIBRARY
    provider = _PROVIDER
    posted: ClassVar = {
        **_POSTS.common,
        "completions": _POSTS.chat._replace(
            operation="text_completion", part=_part_of_text, text=_text
        ),
        "rerank": _POSTS.chat._replace(operation="rerank"),
        "images/generations": _POSTS.heard._replace(
            operation="image_generation", response=_read_images
        ),
    }
