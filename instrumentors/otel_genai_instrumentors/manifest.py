"""What is instrumented: one row a library. Makes the documentation's table and the contract tests."""

from __future__ import annotations

from typing import Final

from otel_genai_instrumentors.manifest_queues import QUEUES
from otel_genai_instrumentors.manifest_row import Row

__all__ = ["MANIFEST", "Row"]

MANIFEST: Final = (
    Row(
        "openai",
        "genai_cost_openai",
        ">= 1.40",
        "chat, completions (plain, streamed, `parse`, raw), responses (also in the background, read again, and by "
        "websocket), embeddings, images, speech, transcriptions, moderations, decisions, results of batches, realtime, "
        "and `client.post` to their paths; sync and async; Azure's client",
        tested=("1.40.0", "3.57.0"),
    ),
    Row(
        "google-genai",
        "genai_cost_google_genai",
        ">= 1.0",
        "content (plain, streamed, chats, each call of automatic function calling), embeddings, images, interactions "
        "(2.x and newer), Live, batches; Gemini's API and Vertex AI; sync and async",
        tested=("1.0.0", "3.6.1"),
    ),
    Row(
        "anthropic",
        "genai_cost_anthropic",
        ">= 0.45",
        "messages and their beta (plain, streamed, helpers, `parse`, tool runner, raw), the results of batches, "
        "legacy completions, `client.post` to their paths; sync and async; the clients of Bedrock, Vertex, Foundry, "
        "AWS and Google Cloud",
        tested=("0.45.0", "2.14.0"),
    ),
    Row(
        "litellm",
        "genai_cost_litellm",
        ">= 1.63",
        "every request that LiteLLM sends itself, whole or streamed, of any provider: chat, responses, Anthropic's "
        "messages, embeddings, rerank; each attempt of a retry or fall-back; what it sends by another client is that "
        "client's; sync and async",
        tested=("1.97.0",),
    ),
    Row(
        "mistralai",
        "genai_cost_mistralai",
        ">= 1.0",
        "chat, agents, fill-in-the-middle (plain, streamed, `parse`), conversations, responses, embeddings, OCR, "
        "transcriptions, speech, classifiers, results of batches; sync and async; the packages for Azure and Google "
        "Cloud",
        tested=("1.12.4", "3.7.0"),
    ),
    Row(
        "cohere",
        "genai_cost_cohere",
        ">= 5.0",
        "chat, generation (plain, streamed, raw), embeddings, rerank, classification, parsing, transcription, of both "
        "versions of the API, batches, jobs of embeddings; sync and async; the clients for Bedrock and SageMaker",
        tested=("5.0.0", "7.3.1"),
    ),
    Row(
        "ollama",
        "genai_cost_ollama",
        ">= 0.3",
        "chat, generation (plain, streamed), embeddings; sync and async",
        tested=("0.3.0", "0.6.3"),
    ),
    Row(
        "groq",
        "genai_cost_groq",
        ">= 0.9",
        "chat (plain, streamed, raw), embeddings, transcriptions, translations, speech, results of batches, and "
        "`client.post` to their paths; sync and async",
        tested=("0.9.0", "1.7.0"),
    ),
    Row(
        "together",
        "genai_cost_together",
        ">= 2.0",
        "chat, completions (plain, streamed, raw), embeddings, images, rerankings, transcriptions, translations, "
        "speech, results of batches, and `client.post` to their paths; sync and async",
        tested=("2.0.0", "3.1.1"),
    ),
    Row(
        "botocore",
        "genai_cost_botocore",
        ">= 1.34.116",
        "Amazon Bedrock by boto3 and aioboto3: Converse and InvokeModel of any model's body, streamed or not; images, "
        "Rerank, guardrails, jobs that are begun",
        tested=("1.34.116", "1.44.8"),
    ),
    Row(
        "opentelemetry-instrumentation-asgi",
        "genai_cost_asgi",
        ">= 0.61b0",
        "the tenant edge inside upstream's ASGI middleware, which those of FastAPI and Starlette use",
        kind="edge",
    ),
    Row(
        "opentelemetry-instrumentation-wsgi",
        "genai_cost_wsgi",
        ">= 0.61b0",
        "the tenant edge inside upstream's WSGI middleware",
        kind="edge",
    ),
    Row(
        "starlette",
        "genai_cost_starlette",
        ">= 0.27",
        "the tenant edge of Starlette and FastAPI, with any instrumentation or none; websockets; mounted applications",
        kind="edge",
    ),
    Row(
        "flask",
        "genai_cost_flask",
        ">= 2.2",
        "the tenant edge of Flask under any WSGI server; streamed bodies",
        kind="edge",
    ),
    Row(
        "django",
        "genai_cost_django",
        ">= 4.2",
        "the tenant edge of Django under any WSGI or ASGI server; streamed bodies",
        kind="edge",
    ),
    Row(
        "uvicorn",
        "genai_cost_uvicorn",
        ">= 0.20",
        "the tenant edge of whatever uvicorn serves, as a worker of gunicorn too",
        kind="edge",
    ),
    Row(
        "uvicorn",
        "genai_cost_uvicorn_end",
        ">= 0.20",
        "what it took is durable before the signal that it was asked to end by ends it, as since 0.29",
        kind="server",
    ),
    Row(
        "hypercorn",
        "genai_cost_hypercorn",
        ">= 0.15",
        "the tenant edge of whatever hypercorn serves",
        kind="edge",
    ),
    Row(
        "gunicorn",
        "genai_cost_gunicorn",
        ">= 20.1",
        "the tenant edge of whatever gunicorn's own workers serve: sync, gthread, gevent, asgi",
        kind="edge",
    ),
    Row(
        "werkzeug",
        "genai_cost_werkzeug",
        ">= 2.2",
        "the tenant edge of whatever werkzeug's server serves",
        kind="edge",
    ),
    Row(
        "waitress",
        "genai_cost_waitress",
        ">= 2.1",
        "the tenant edge of whatever waitress serves",
        kind="edge",
    ),
    Row(
        "aiohttp",
        "genai_cost_aiohttp_server",
        ">= 3.8",
        "the tenant edge of aiohttp's server; websockets; nested applications; streamed bodies",
        kind="edge",
    ),
    Row(
        "grpcio",
        "genai_cost_grpc_server",
        ">= 1.50",
        "the tenant edge of gRPC servers, sync and aio; all four kinds of calls",
        kind="edge",
    ),
    *QUEUES,
)
