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
        "chat, completions (plain, streamed, `parse`, raw), responses, embeddings, and `client.post` to their paths; "
        "sync and async; Azure's client",
    ),
    Row(
        "google-genai",
        "genai_cost_google_genai",
        ">= 1.0",
        "content (plain, streamed, chats, each call of automatic function calling), embeddings, images; Gemini's API "
        "and Vertex AI; sync and async",
    ),
    Row(
        "anthropic",
        "genai_cost_anthropic",
        ">= 0.45",
        "messages and their beta (plain, streamed, helpers, `parse`, tool runner, raw), legacy completions, "
        "`client.post` to their paths; sync and async; the clients of Bedrock, Vertex, Foundry, AWS and Google Cloud",
    ),
    Row(
        "litellm",
        "genai_cost_litellm",
        ">= 1.63",
        "every request that LiteLLM sends itself, whole or streamed, of any provider: chat, responses, Anthropic's "
        "messages, embeddings, rerank; each attempt of a retry or fall-back; what it sends by another client is that "
        "client's; sync and async",
    ),
    Row(
        "opentelemetry-instrumentation-asgi",
        "genai_cost_asgi",
        ">= 0.61b0",
        "the tenant edge inside upstream's ASGI middleware, which those of FastAPI and Starlette use",
    ),
    Row(
        "opentelemetry-instrumentation-wsgi",
        "genai_cost_wsgi",
        ">= 0.61b0",
        "the tenant edge inside upstream's WSGI middleware",
    ),
    Row(
        "starlette",
        "genai_cost_starlette",
        ">= 0.27",
        "the tenant edge of Starlette and FastAPI, with any instrumentation or none; websockets; mounted applications",
    ),
    Row(
        "flask",
        "genai_cost_flask",
        ">= 2.2",
        "the tenant edge of Flask under any WSGI server; streamed bodies",
    ),
    Row(
        "django",
        "genai_cost_django",
        ">= 4.2",
        "the tenant edge of Django under any WSGI or ASGI server; streamed bodies",
    ),
    Row(
        "uvicorn",
        "genai_cost_uvicorn",
        ">= 0.20",
        "the tenant edge of whatever uvicorn serves, as a worker of gunicorn too",
    ),
    Row(
        "hypercorn",
        "genai_cost_hypercorn",
        ">= 0.15",
        "the tenant edge of whatever hypercorn serves",
    ),
    Row(
        "gunicorn",
        "genai_cost_gunicorn",
        ">= 20.1",
        "the tenant edge of whatever gunicorn's own workers serve: sync, gthread, gevent, asgi",
    ),
    Row(
        "werkzeug",
        "genai_cost_werkzeug",
        ">= 2.2",
        "the tenant edge of whatever werkzeug's server serves",
    ),
    Row(
        "waitress",
        "genai_cost_waitress",
        ">= 2.1",
        "the tenant edge of whatever waitress serves",
    ),
    Row(
        "aiohttp",
        "genai_cost_aiohttp_server",
        ">= 3.8",
        "the tenant edge of aiohttp's server; websockets; nested applications; streamed bodies",
    ),
    Row(
        "grpcio",
        "genai_cost_grpc_server",
        ">= 1.50",
        "the tenant edge of gRPC servers, sync and aio; all four kinds of calls",
    ),
)
