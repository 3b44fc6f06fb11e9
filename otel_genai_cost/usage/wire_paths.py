"""What the end of a URL says of a request, whichever library sends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["PATHS"]

PATHS: Final[Mapping[str, tuple[str, str]]] = {
    "chat/completions": ("chat", "openai"),
    "completions": ("text_completion", "openai"),
    "embeddings": ("embeddings", "openai"),
    "responses": ("chat", "openai"),
    "responses/compact": ("chat", "openai"),
    "images/generations": ("image_generation", "openai"),
    "images/edits": ("image_generation", "openai"),
    "audio/transcriptions": ("transcription", "openai"),
    "audio/speech": ("speech", "openai"),
    "messages": ("chat", "anthropic"),
    ":rawPredict": ("chat", "gcp.vertex_ai"),
    ":streamRawPredict": ("chat", "gcp.vertex_ai"),
    ":generateContent": ("chat", "gcp.gemini"),
    ":streamGenerateContent": ("chat", "gcp.gemini"),
    ":embedContent": ("embeddings", "gcp.gemini"),
    ":batchEmbedContents": ("embeddings", "gcp.gemini"),
    "converse": ("chat", "aws.bedrock"),
    "converse-stream": ("chat", "aws.bedrock"),
    "invoke": ("chat", "aws.bedrock"),
    "invoke-with-response-stream": ("chat", "aws.bedrock"),
    "v1/chat": ("chat", "cohere"),
    "v2/chat": ("chat", "cohere"),
    "embed": ("embeddings", "cohere"),
    "rerank": ("rerank", "cohere"),
    "api/chat": ("chat", "ollama"),
    "api/generate": ("chat", "ollama"),
    "api/embed": ("embeddings", "ollama"),
    "api/embeddings": ("embeddings", "ollama"),
}
"""End of a path -> operation, and whose format it is, who answers unless something else is known."""
