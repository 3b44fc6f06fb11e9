"""What is instrumented: one row a library. Makes the documentation's table and the contract tests."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["MANIFEST", "Row"]


class Row(NamedTuple):
    """One library: the entry point, the versions that are tested, and what is covered."""

    library: str
    entry_point: str
    versions: str
    covers: str


MANIFEST: Final = (
    Row(
        "openai",
        "genai_cost_openai",
        ">= 1.40",
        "chat (plain, streamed, `parse`), responses, embeddings; sync and async; Azure's client",
    ),
    Row(
        "opentelemetry-instrumentation-asgi",
        "genai_cost_asgi",
        ">= 0.61b0",
        "the tenant edge of FastAPI, Starlette and other ASGI applications",
    ),
)
