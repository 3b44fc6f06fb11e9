"""The instrumentors' entry points. They are asked for by name: if we are off, or an instrumentor cannot be loaded here,
what is given does nothing, since the loader ends with the first error that it does not expect."""

from __future__ import annotations

from collections.abc import Callable, Collection
from importlib import import_module
from typing import Any, Final

from otel_genai_cost.switch import is_off

_HOMES: Final = {
    "OpenAIInstrumentor": "otel_genai_instrumentors.clients.openai",
    "GoogleGenAIInstrumentor": "otel_genai_instrumentors.clients.google_genai",
    "AnthropicInstrumentor": "otel_genai_instrumentors.clients.anthropic",
    "LiteLLMInstrumentor": "otel_genai_instrumentors.clients.litellm",
    "MistralInstrumentor": "otel_genai_instrumentors.clients.mistralai",
    "CohereInstrumentor": "otel_genai_instrumentors.clients.cohere",
    "OllamaInstrumentor": "otel_genai_instrumentors.clients.ollama",
    "GroqInstrumentor": "otel_genai_instrumentors.clients.groq",
    "TogetherInstrumentor": "otel_genai_instrumentors.clients.together",
    "BotocoreInstrumentor": "otel_genai_instrumentors.clients.botocore",
    "AsgiEdgeInstrumentor": "otel_genai_instrumentors.edges.asgi",
    "WsgiEdgeInstrumentor": "otel_genai_instrumentors.edges.wsgi",
    "StarletteEdgeInstrumentor": "otel_genai_instrumentors.edges.starlette",
    "FlaskEdgeInstrumentor": "otel_genai_instrumentors.edges.flask",
    "DjangoEdgeInstrumentor": "otel_genai_instrumentors.edges.django",
    "UvicornEdgeInstrumentor": "otel_genai_instrumentors.edges.uvicorn",
    "UvicornEndInstrumentor": "otel_genai_instrumentors.edges.uvicorn_end",
    "HypercornEdgeInstrumentor": "otel_genai_instrumentors.edges.hypercorn",
    "GunicornEdgeInstrumentor": "otel_genai_instrumentors.edges.gunicorn",
    "WerkzeugEdgeInstrumentor": "otel_genai_instrumentors.edges.werkzeug",
    "WaitressEdgeInstrumentor": "otel_genai_instrumentors.edges.waitress",
    "AiohttpServerEdgeInstrumentor": "otel_genai_instrumentors.edges.aiohttp",
    "GrpcServerEdgeInstrumentor": "otel_genai_instrumentors.edges.grpc",
    "QueueQueueInstrumentor": "otel_genai_instrumentors.queues.standard",
    "AsyncioQueueInstrumentor": "otel_genai_instrumentors.queues.standard",
    "AnyioInstrumentor": "otel_genai_instrumentors.queues.anyio",
    "JanusInstrumentor": "otel_genai_instrumentors.queues.janus",
    "RqInstrumentor": "otel_genai_instrumentors.queues.rq",
    "DramatiqInstrumentor": "otel_genai_instrumentors.queues.dramatiq",
    "ArqInstrumentor": "otel_genai_instrumentors.queues.arq",
    "HueyInstrumentor": "otel_genai_instrumentors.queues.huey",
    "SaqInstrumentor": "otel_genai_instrumentors.queues.saq",
    "DjangoQ2Instrumentor": "otel_genai_instrumentors.queues.django_q2",
    "NatsPyInstrumentor": "otel_genai_instrumentors.queues.nats_py",
    "McpInstrumentor": "otel_genai_instrumentors.queues.mcp",
    "ProcrastinateInstrumentor": "otel_genai_instrumentors.queues.procrastinate",
    "RemouladeInstrumentor": "otel_genai_instrumentors.queues.remoulade",
    "FastStreamInstrumentor": "otel_genai_instrumentors.queues.faststream",
    "KafkaPythonInstrumentor": "otel_genai_instrumentors.queues.kafka_python",
    "AiokafkaInstrumentor": "otel_genai_instrumentors.queues.aiokafka",
    "PikaInstrumentor": "otel_genai_instrumentors.queues.pika",
    "AioPikaInstrumentor": "otel_genai_instrumentors.queues.aio_pika",
    "APSchedulerInstrumentor": "otel_genai_instrumentors.queues.apscheduler",
    "GeventInstrumentor": "otel_genai_instrumentors.queues.gevent",
    "MultiprocessingInstrumentor": "otel_genai_instrumentors.queues.multiprocessing",
    "FuturesInstrumentor": "otel_genai_instrumentors.queues.futures",
    "SqsInstrumentor": "otel_genai_instrumentors.queues.sqs",
    "ConfluentKafkaInstrumentor": "otel_genai_instrumentors.queues.confluent_kafka",
    "PubSubInstrumentor": "otel_genai_instrumentors.queues.pubsub",
    "TemporalInstrumentor": "otel_genai_instrumentors.queues.temporalio",
    "A2AInstrumentor": "otel_genai_instrumentors.queues.a2a",
    "TaskiqInstrumentor": "otel_genai_instrumentors.queues.taskiq",
    "CeleryInstrumentor": "otel_genai_instrumentors.queues.celery",
}


class Nothing:
    """An instrumentor of nothing."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """None."""
        return ()

    def instrument(self, **options: Any) -> None:
        """Nothing."""

    def uninstrument(self, **options: Any) -> None:
        """Nothing."""


def post_instrument() -> None:
    """After every instrumentor is loaded, others' included."""
    if is_off():
        return
    from otel_genai_cost.errors import guarded
    from otel_genai_instrumentors.patching import all_are_loaded

    guarded("instrumentor.post_instrument", default=None)(all_are_loaded)()


def __getattr__(name: str) -> Callable[[], Any]:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if is_off():
        return Nothing
    from otel_genai_cost.errors import guarded

    return guarded(f"instrumentor.load {name}", default=Nothing)(_load)(name)


def _load(name: str) -> Callable[[], Any]:
    found: Callable[[], Any] = getattr(import_module(_HOMES[name]), name)
    return found
