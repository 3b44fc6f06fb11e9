"""What is known to lose a tenant, or to give it to somebody else, by the libraries that are installed: one table."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["PITFALLS", "QUEUES", "Pitfall", "QueueLibrary"]


class Pitfall(NamedTuple):
    """A trap, and when it holds: all that is given has to.

    Attributes:
        name: What `doctor` calls it.
        library: The distribution that has to be installed.
        fault: What goes wrong.
        remedy: What to do.
        releases: Of the library, as a requirement spells them: those that are known to be so.
        without: It does not hold if this distribution is installed.
        mended_by: Nor if this instrumentor is there and not disabled.
        through: It does not hold unless this instrumentor is there.
        unless_set: Nor if this variable is set, to this value if one is given: `NAME` or `NAME=VALUE`.
        written: What code, command lines and configuration look like that run into it, a regular expression. Found in
            the folder where `doctor` runs, it is wrong; without it, it is worth knowing.
        only_written: It holds nowhere but where that is found.
        is_wrong: It is wrong wherever it holds.
    """

    name: str
    library: str
    fault: str
    remedy: str
    releases: str = ""
    without: str = ""
    mended_by: str = ""
    through: str = ""
    unless_set: str = ""
    written: str = ""
    only_written: bool = False
    is_wrong: bool = False


_DISABLE: Final = "uninstall it, or name it in OTEL_PYTHON_DISABLED_INSTRUMENTATIONS; ours does it"

PITFALLS: Final[tuple[Pitfall, ...]] = (
    Pitfall(
        "taskiq",
        "taskiq",
        "its instrumentor does nothing without psutil, and says so nowhere",
        "pip install psutil",
        without="psutil",
        mended_by="genai_cost_taskiq",
        is_wrong=True,
    ),
    Pitfall(
        "gevent",
        "gevent",
        "opentelemetry-instrument imports libraries before gevent patches them: such a worker hangs at its first pool",
        "OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH=patch_all where workers run on gevent",
        unless_set="OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH=patch_all",
        written=r"(?:-P|--pool|-k|--worker-class|worker_class|worker_pool)[\s='\"]{1,4}gevent",
    ),
    Pitfall(
        "eventlet",
        "eventlet",
        "under opentelemetry-instrument a worker on eventlet stops at its first thread",
        "run workers on processes, threads or gevent",
        written=r"(?:-P|--pool|-k|--worker-class|worker_class|worker_pool)[\s='\"]{1,4}eventlet",
    ),
    Pitfall(
        "FastStream",
        "faststream",
        "its TelemetryMiddleware sends the trace without the tenant, and takes away what the broker's library carried",
        "leave TelemetryMiddleware out, or `inject(headers)` and `with job(message.headers):`",
        mended_by="genai_cost_faststream",
        written=r"\b\w*TelemetryMiddleware\(",
    ),
    Pitfall(
        "Celery's span links",
        "celery",
        "with use_span_links tasks get the trace as a link, and no tenant",
        "leave use_span_links out",
        mended_by="genai_cost_celery",
        written=r"use_span_links\s*=\s*True",
        only_written=True,
    ),
    Pitfall(
        "third-party instrumentor of RQ",
        "opentelemetry-instrumentation-rq",
        "it carries the trace alone, by a propagator of its own, and fails with RQ 3",
        _DISABLE,
        releases="<= 0.1.4",
        is_wrong=True,
    ),
    Pitfall(
        "third-party instrumentor of Dramatiq",
        "opentelemetry-instrumentor-dramatiq",
        "a message without a tenant runs as whoever's came before, and options such as max_retries are lost",
        _DISABLE,
        releases="<= 0.1.4",
        is_wrong=True,
    ),
    Pitfall(
        "third-party instrumentor of arq",
        "opentelemetry-instrumentation-arq",
        "it reads the trace and drops the tenant; a worker without it fails at the argument that it adds",
        _DISABLE,
        releases="<= 0.50b1",
        is_wrong=True,
    ),
    Pitfall(
        "MCP over HTTP",
        "mcp",
        "it comes through Starlette, which FastAPI's instrumentation does not cover: its requests carry no tenant",
        "pip install opentelemetry-instrumentation-starlette",
        without="opentelemetry-instrumentation-starlette",
    ),
    Pitfall(
        "A2A",
        "a2a-sdk",
        "it comes through Starlette, which FastAPI's instrumentation does not cover: its requests carry no tenant",
        "pip install opentelemetry-instrumentation-starlette",
        without="opentelemetry-instrumentation-starlette",
    ),
    Pitfall(
        "Django",
        "django",
        "without DJANGO_SETTINGS_MODULE its instrumentor configures empty settings, and an application of Django ends",
        "set DJANGO_SETTINGS_MODULE before opentelemetry-instrument starts it, if this is one",
        through="django",
        unless_set="DJANGO_SETTINGS_MODULE",
    ),
    Pitfall(
        "Google Pub/Sub",
        "google-cloud-pubsub",
        "its own tracing writes the trace alone, by a propagator that nobody can set",
        "`inject(attributes)` where it is published and `with job(message.attributes):` where it is worked on",
        mended_by="genai_cost_pubsub",
    ),
)


class QueueLibrary(NamedTuple):
    """A library that carries work to somewhere else, and the instrumentors of which any one carries its tenant."""

    library: str
    instrumentors: tuple[str, ...] = ()


QUEUES: Final[tuple[QueueLibrary, ...]] = (
    QueueLibrary("celery", ("genai_cost_celery", "celery")),
    QueueLibrary("taskiq", ("genai_cost_taskiq", "taskiq")),
    QueueLibrary("rq", ("genai_cost_rq",)),
    QueueLibrary("dramatiq", ("genai_cost_dramatiq",)),
    QueueLibrary("arq", ("genai_cost_arq",)),
    QueueLibrary("huey", ("genai_cost_huey",)),
    QueueLibrary("saq", ("genai_cost_saq",)),
    QueueLibrary("procrastinate", ("genai_cost_procrastinate",)),
    QueueLibrary("django-q2", ("genai_cost_django_q2",)),
    QueueLibrary("remoulade", ("genai_cost_remoulade",)),
    QueueLibrary("kafka-python", ("genai_cost_kafka_python",)),
    QueueLibrary("aiokafka", ("genai_cost_aiokafka",)),
    QueueLibrary("confluent-kafka", ("genai_cost_confluent_kafka",)),
    QueueLibrary("pika", ("genai_cost_pika", "pika")),
    QueueLibrary("aio-pika", ("genai_cost_aio_pika", "aio-pika")),
    QueueLibrary("nats-py", ("genai_cost_nats_py",)),
    QueueLibrary("temporalio", ("genai_cost_temporalio", "genai_cost_temporal")),
    QueueLibrary("google-cloud-pubsub", ("genai_cost_pubsub",)),
    QueueLibrary("apscheduler", ("genai_cost_apscheduler",)),
    QueueLibrary("azure-servicebus"),
    QueueLibrary("google-cloud-tasks"),
    QueueLibrary("pulsar-client"),
    QueueLibrary("stomp-py"),
)
