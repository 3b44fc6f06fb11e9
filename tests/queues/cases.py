"""The cases of the matrix: libraries, brokers, and the ways in which each is used."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from tests.queues.application import TENANTS

__all__ = ["CASES", "LIBRARIES", "NOBODYS", "RECURS", "TASKS", "Case", "messages"]


class Case(NamedTuple):
    """A driver, its broker, what is set for it, whether jobs that fail are retried, further calls (each is for
    whom its message was), the libraries of an environment of its own, and whether what a job leaves running outlives
    it."""

    driver: str
    broker: str
    environment: Mapping[str, str] = {}
    retries: bool = False
    further: Sequence[str] = ()
    packages: tuple[str, ...] = ()
    leaves: bool = True


RECURS: Final = "in_process-scheduler"
"""Its calls while no message is worked on are what it does again and again, and nobody's."""
_OFF: Final = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
"""Names of instrumentations of others; with none, messages carry what we put into them."""
TASKS: Final = "OTEL_GENAI_COST_TASKS"
_GEVENT: Final = "OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH"
"""Patched before anything else is imported: a worker of greenlets hangs without it."""


_PREVIEWS: Final = ("share",) if os.environ.get("QUEUES_PREVIEWS") else ()
"""Run when they are asked for: Kafka 4.1 has share groups as a preview, and refuses fetches now and then for good."""
_OF_CONFLUENT: Final = ("poll", "consume", "deserializing", "asyncio", "headless", *_PREVIEWS)
NOBODYS: Final = ("confluent_kafka-headless",)
"""What is sent without any place for an envelope."""


_FOLLOWS: Final = {TASKS: "follow"}
"""One way of each library runs so."""
_MORE: Final[Mapping[str, Mapping[str, str]]] = {
    "next": _FOLLOWS,
    "getone": _FOLLOWS,
    "deserializing": _FOLLOWS,
    "get": _FOLLOWS,
    "sns-raw": _FOLLOWS,
}


def messages(*numbers: str) -> list[str]:
    """Those of all tenants, and of nobody, by their numbers."""
    return [f"{name or 'none'}-{number}" for number in numbers for name in TENANTS]


def _composed(*names: str) -> list[str]:
    """The calls of what is sent beside the first message of each tenant."""
    return [f"{one}/{name}" for one in messages("0") for name in names]


_COMPOSED: Final = ("step", "last", "one", "other", "later")
"""Of a chain, of a group, and of what is sent for later."""

_ASKED: Final = [
    f"{one}/{asked}" for one in messages("0", "1") for asked in ("sampled", "elicited")
]
_BELIEVES: Final = {"OTEL_GENAI_COST_TENANT": "baggage:tenant.id"}
"""Of services that know each other."""


def _both(name: str, case: Case) -> dict[str, Case]:
    """A library that is used in one way, in the two that work which is left running may be counted."""
    follows = case._replace(environment={**case.environment, **_FOLLOWS})
    return {name: case, f"{name}-follows": follows}


_STEPS: Final = ("local", "child", "next", "signal", "update")
_SERVICES: Final = (
    *("google-cloud-pubsub", "temporalio", "a2a-sdk[http-server]", "taskiq-redis", "psutil"),
    *("grpcio", "fastapi", "flask", "uvicorn", "requests", "aiohttp"),
    *(
        f"opentelemetry-instrumentation-{name}"
        for name in (
            *("grpc", "fastapi", "flask", "starlette"),
            *("requests", "httpx", "aiohttp-client", "urllib"),
        )
    ),
)
"""In an environment of their own, for what they demand of other libraries."""

CASES: Final = {
    "rq": Case(
        "rq",
        "redis",
        retries=True,
        further=_composed("step", "success", "last", "later"),
        leaves=False,
    ),
    **{
        kind: Case("dramatiq", "redis", more, retries=True, further=_composed(*_COMPOSED))
        for kind, more in (
            ("dramatiq", {"QUEUE_PROCESSES": "fork"}),
            ("dramatiq-async", {"QUEUE_ASYNC": "1", **_FOLLOWS}),
        )
    },
    **_both("arq", Case("arq", "redis", retries=True)),
    **_both(
        "huey",
        Case(
            "huey",
            "redis",
            retries=True,
            further=(*(f"{one}/step" for one in messages("0", "1", "retry")), "none-cron/body"),
        ),
    ),
    **{
        f"celery-{way}": Case(
            "celery",
            "rabbitmq",
            {"QUEUE_WAY": way, **more},
            retries=True,
            further=(
                *(f"{one}/next" for one in messages("0", "1", "retry")),
                *_composed(*_COMPOSED),
                *(["none-cron/body"] if way == "threads" else []),
            ),
        )
        for way, more in (
            ("prefork", {}),
            ("threads", _FOLLOWS),
            ("links", {_OFF: "celery"}),  # it is instrumented by the driver
            ("untraced", {_OFF: "celery"}),
            ("gevent", {_GEVENT: "patch_all"}),
            ("gevent-untraced", {_GEVENT: "patch_all", _OFF: "celery"}),
        )
    },
    "saq": Case("saq", "redis", retries=True),
    "saq-threads": Case("saq", "redis", {"QUEUE_WAY": "threads", **_FOLLOWS}, retries=True),
    **{
        f"in_process-{way}": Case(
            "in_process",
            "none",
            {"QUEUE_WAY": way, **({_GEVENT: "patch_all"} if way == "greenlets" else {})},
        )
        for way in (
            *("queue", "asyncio", "janus", "anyio", "scheduler", "scheduler-loop"),
            *("greenlets", "process", "pool", "callback"),
        )
    },
    **_both(
        "django_q2",
        Case(
            "django_q2",
            "redis",
            further=(
                *(f"{one}/step" for one in messages("0")),
                *(f"{one}/hook" for one in messages("1")),
                "none-cron/body",
            ),
        ),
    ),
    **{
        f"mcp-{way}": Case(
            "mcp",
            "none",
            {
                "QUEUE_WAY": way,
                "OTEL_GENAI_COST_TENANT": "header:x-org-id",
                **(_FOLLOWS if way == "http" else {}),
            },
            further=_ASKED,
        )
        for way in ("stdio", "http")
    },
    **{
        kind: Case(
            "remoulade",
            "rabbitmq",
            {_OFF: upstream, **(_FOLLOWS if upstream else {})},
            retries=True,
            further=[f"{one}/step" for one in messages("0", "1", "retry")],
            packages=("remoulade[rabbitmq,limits]",),  # its AMQP does not go with aio-pika's
        )
        for kind, upstream in (("remoulade", ""), ("remoulade-untraced", "remoulade"))
    },
    **{
        f"faststream-{broker}-{way}": Case(
            "faststream",
            broker,
            {"QUEUE_WAY": way, **(_FOLLOWS if way == "telemetry" else {})},
            further=[f"{one}/step" for one in messages("0", "1")],
        )
        for broker in ("redis", "nats")
        for way in ("bare", "telemetry")
    },
    **_both(
        "procrastinate",
        Case(
            "procrastinate",
            "postgresql",
            {"OTEL_GENAI_COST_QUEUE_ARGUMENTS": "send"},
            retries=True,
            further=[f"{one}/batch-{n}" for one in messages("0", "1", "retry") for n in range(2)],
        ),
    ),
    "mcp_1": Case("mcp_1", "none", further=_ASKED, packages=("mcp < 2",)),
    **{
        f"nats_py-{way}": Case("nats_py", "nats", {"QUEUE_WAY": way, **more})
        for way, more in (
            ("callback", {}),
            ("loop", {}),
            ("next", _FOLLOWS),
            ("pushed", {}),
            ("fetch", _FOLLOWS),
        )
    },
    **{
        f"{library}-{way}": Case(library, broker, {"QUEUE_WAY": way, **_MORE.get(way, {})})
        for library, broker, ways in (
            ("kafka_python", "kafka", ("loop", "next", "poll")),
            ("aiokafka", "kafka", ("loop", "getone", "getmany")),
            ("confluent_kafka", "kafka", _OF_CONFLUENT),
            ("pika", "rabbitmq", ("callback", "generator", "get")),
            ("aio_pika", "rabbitmq", ("callback", "loop", "get")),
            ("sqs", "moto", ("one", "batch", "full", "sns", "sns-raw")),
        )
        for way in ways
    },
    **{
        f"pubsub-{way}": Case(
            "pubsub", "pubsub", {"QUEUE_WAY": way, **more}, retries=True, packages=_SERVICES
        )
        for way, more in (
            *(("callback", {}), ("traced", {TASKS: "follow"})),
            *(("pull", {}), ("pull-async", {})),
        )
    },
    **{
        f"temporalio-{way}": Case(
            "temporalio",
            "temporal",
            {"QUEUE_WAY": way, **more},
            retries=True,
            further=(
                *(f"{one}/{place}" for one in messages("0", "1", "retry") for place in _STEPS),
                *(("none-cron/body", "globex-cron/named") if way == "scheduled" else ()),
            ),
            packages=_SERVICES,
        )
        for way, more in (("scheduled", {}), ("traced", {}), ("bare", {TASKS: "follow"}))
    },
    **{
        kind: Case(
            "taskiq",
            "redis",
            upstream,
            retries=True,
            further=(
                *(f"{one}/once" for one in messages("0", "1", "retry")),
                *(f"none-acme-{number}/cron" for number in ("0", "1", "retry")),
            ),
            packages=_SERVICES,
        )
        for kind, upstream in (
            ("taskiq", {}),
            ("taskiq-untraced", {_OFF: "taskiq", TASKS: "follow"}),
        )
    },
    **{
        f"{driver}-{way}": Case(driver, "none", {"QUEUE_WAY": way, **_BELIEVES}, packages=_SERVICES)
        for driver, ways in (("grpc", ("sync", "aio")), ("http", ("fastapi", "flask")))
        for way in ways
    },
    **{
        f"a2a-{way}": Case(
            "a2a",
            "none",
            {"QUEUE_WAY": way, **_BELIEVES},
            further=[f"{one}/told" for one in messages("0", "1") if way == "active"],
            packages=_SERVICES,
        )
        for way in ("active", "legacy")
    },
    **{
        f"{library}-untraced": Case(library, broker, {"QUEUE_WAY": way, _OFF: upstream})
        for library, broker, way, upstream in (
            ("kafka_python", "kafka", "poll", "kafka"),
            ("aiokafka", "kafka", "loop", "aiokafka"),
            ("confluent_kafka", "kafka", "consume", "confluent_kafka"),
            ("pika", "rabbitmq", "callback", "pika"),
            ("aio_pika", "rabbitmq", "callback", "aio-pika"),
            ("sqs", "moto", "batch", "boto3,botocore"),
        )
    },
}

LIBRARIES: Final = (
    *("rq", "dramatiq[redis]", "arq >= 0.28", "redis < 6"),
    *(
        "huey",
        "saq[redis]",
        "django-q2",
        "nats-py",
        "mcp >= 2",
        "procrastinate",
        "faststream[redis,nats]",
    ),
    *("kafka-python", "aiokafka", "confluent-kafka", "pika", "aio-pika"),
    *("boto3", "moto[server]", "celery", "gevent", "apscheduler < 4", "anyio", "janus"),
)
