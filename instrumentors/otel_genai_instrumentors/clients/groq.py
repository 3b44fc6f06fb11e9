"""The `groq` client, 0.9 and newer: chat, embeddings, transcriptions, translations, speech; sync and async, raw
responses, `client.post`; the results of batches."""

from __future__ import annotations

from typing import Final

from otel_genai_instrumentors.gates.groq import GATE
from otel_genai_instrumentors.openai_posts import PostingInstrumentor, posts
from otel_genai_instrumentors.stainless import Stainless

__all__ = ["GroqInstrumentor"]

_LIBRARY: Final = Stainless("groq")


class GroqInstrumentor(PostingInstrumentor):
    """Traces the `groq` client."""

    library = "groq"
    requirements = ("groq >= 0.9",)
    gate = GATE
    stainless = _LIBRARY
    provider = "groq"
    posted = posts(_LIBRARY, provider).common
