"""The instrumentors' entry points. They are asked for by name: if we are off, or an instrumentor cannot be loaded here,
what is given does nothing, since the loader ends with the first error that it does not expect."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from importlib import import_module
from typing import Any, Final, NamedTuple

from otel_genai_cost.switch import is_off


class _Home(NamedTuple):
    """Where an instrumentor is, and of which distribution; none for what is Python's own."""

    module: str
    library: str = ""


_HOMES: Final = {
    "OpenAIInstrumentor": _Home("clients.openai", "openai"),
    "GoogleGenAIInstrumentor": _Home("clients.google_genai", "google-genai"),
    "AnthropicInstrumentor": _Home("clients.anthropic", "anthropic"),
    "LiteLLMInstrumentor": _Home("clients.litellm", "litellm"),
    "MistralInstrumentor": _Home("clients.mistralai", "mistralai"),
    "CohereInstrumentor": _Home("clients.cohere", "cohere"),
    "OllamaInstrumentor": _Home("clients.ollama", "ollama"),
    "GroqInstrumentor": _Home("clients.groq", "groq"),
    "TogetherInstrumentor": _Home("clients.together", "together"),
    "BotocoreInstrumentor": _Home("clients.botocore", "botocore"),
    "AsgiEdgeInstrumentor": _Home("edges.asgi", "opentelemetry-instrumentation-asgi"),
    "WsgiEdgeInstrumentor": _Home("edges.wsgi", "opentelemetry-instrumentation-wsgi"),
    "StarletteEdgeInstrumentor": _Home("edges.starlette", "starlette"),
    "FlaskEdgeInstrumentor": _Home("edges.flask", "flask"),
    "DjangoEdgeInstrumentor": _Home("edges.django", "django"),
    "UvicornEdgeInstrumentor": _Home("edges.uvicorn", "uvicorn"),
    "UvicornEndInstrumentor": _Home("edges.uvicorn_end", "uvicorn"),
    "HypercornEdgeInstrumentor": _Home("edges.hypercorn", "hypercorn"),
    "GunicornEdgeInstrumentor": _Home("edges.gunicorn", "gunicorn"),
    "WerkzeugEdgeInstrumentor": _Home("edges.werkzeug", "werkzeug"),
    "WaitressEdgeInstrumentor": _Home("edges.waitress", "waitress"),
    "AiohttpServerEdgeInstrumentor": _Home("edges.aiohttp", "aiohttp"),
    "GrpcServerEdgeInstrumentor": _Home("edges.grpc", "grpcio"),
    "QueueQueueInstrumentor": _Home("queues.standard"),
    "AsyncioQueueInstrumentor": _Home("queues.standard"),
    "AnyioInstrumentor": _Home("queues.anyio", "anyio"),
    "JanusInstrumentor": _Home("queues.janus", "janus"),
    "RqInstrumentor": _Home("queues.rq", "rq"),
    "DramatiqInstrumentor": _Home("queues.dramatiq", "dramatiq"),
    "ArqInstrumentor": _Home("queues.arq", "arq"),
    "HueyInstrumentor": _Home("queues.huey", "huey"),
    "SaqInstrumentor": _Home("queues.saq", "saq"),
    "DjangoQ2Instrumentor": _Home("queues.django_q2", "django-q2"),
    "NatsPyInstrumentor": _Home("queues.nats_py", "nats-py"),
    "McpInstrumentor": _Home("queues.mcp", "mcp"),
    "ProcrastinateInstrumentor": _Home("queues.procrastinate", "procrastinate"),
    "RemouladeInstrumentor": _Home("queues.remoulade", "remoulade"),
    "FastStreamInstrumentor": _Home("queues.faststream", "faststream"),
    "KafkaPythonInstrumentor": _Home("queues.kafka_python", "kafka-python"),
    "AiokafkaInstrumentor": _Home("queues.aiokafka", "aiokafka"),
    "PikaInstrumentor": _Home("queues.pika", "pika"),
    "AioPikaInstrumentor": _Home("queues.aio_pika", "aio-pika"),
    "APSchedulerInstrumentor": _Home("queues.apscheduler", "apscheduler"),
    "GeventInstrumentor": _Home("queues.gevent", "gevent"),
    "MultiprocessingInstrumentor": _Home("queues.multiprocessing"),
    "FuturesInstrumentor": _Home("queues.futures"),
    "SqsInstrumentor": _Home("queues.sqs", "botocore"),
    "ConfluentKafkaInstrumentor": _Home("queues.confluent_kafka", "confluent-kafka"),
    "PubSubInstrumentor": _Home("queues.pubsub", "google-cloud-pubsub"),
    "TemporalInstrumentor": _Home("queues.temporalio", "temporalio"),
    "A2AInstrumentor": _Home("queues.a2a", "a2a-sdk"),
    "TaskiqInstrumentor": _Home("queues.taskiq", "taskiq"),
    "CeleryInstrumentor": _Home("queues.celery", "celery"),
}


class Nothing:
    """An instrumentor of nothing."""

    is_instrumented_by_opentelemetry: Final = False

    def instrumentation_dependencies(self) -> Collection[str]:
        """None."""
        return ()

    def instrument(self, **options: Any) -> None:
        """Nothing."""

    def uninstrument(self, **options: Any) -> None:
        """Nothing."""


class Absent(Nothing):
    """The instrumentor of a library that is not here: it is loaded for who asks, and for nobody else.

    Args:
        name: the instrumentor's.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def instrumentation_dependencies(self) -> Collection[str]:
        """What is missing."""
        found: Collection[str] = _load(self._name)().instrumentation_dependencies()
        return found


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

    return guarded(f"instrumentor.load {name}", default=Nothing)(_found)(name)


def _found(name: str) -> Callable[[], Any]:
    from otel_genai_cost.versions import version_of

    library = _HOMES[name].library
    if library and version_of(library) is None:
        return partial(Absent, name)
    return _load(name)


def _load(name: str) -> Callable[[], Any]:
    module = import_module(f"otel_genai_instrumentors.{_HOMES[name].module}")
    found: Callable[[], Any] = getattr(module, name)
    return found
