"""Every queue with its real library and a real broker: producer and worker in separate processes under
`opentelemetry-instrument`, for two tenants and for none."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.demo.processes import ROOT, children
from tests.demo.stage import clean_environment
from tests.e2e.rig import observations_in
from tests.environments.made import python_with
from tests.queues.application import LEFT, PLACES, PLACES_ELSEWHERE, TENANTS
from tests.queues.brokers import Brokers
from tests.queues.packages import UPSTREAM

pytestmark = [pytest.mark.service, pytest.mark.timeout(300)]


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


_SIDES: Final = ("produce", "consume")
_RECURS: Final = "in_process-scheduler"
"""Its calls while no message is worked on are what it does again and again, and nobody's."""
_OFF: Final = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
"""Names of instrumentations of others; with none, messages carry what we put into them."""
_TASKS: Final = "OTEL_GENAI_COST_TASKS"
_GEVENT: Final = "OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH"
"""Patched before anything else is imported: a worker of greenlets hangs without it."""


_OF_CONFLUENT: Final = ("poll", "consume", "deserializing", "asyncio", "share", "headless")
_NOBODYS: Final = ("confluent_kafka-headless",)
"""What is sent without any place for an envelope."""


_FOLLOWS: Final = {_TASKS: "follow"}
"""One way of each library runs so."""
_MORE: Final[Mapping[str, Mapping[str, str]]] = {
    "next": _FOLLOWS,
    "getone": _FOLLOWS,
    "deserializing": _FOLLOWS,
    "get": _FOLLOWS,
    "sns-raw": _FOLLOWS,
}


def _messages(*numbers: str) -> list[str]:
    return [f"{name or 'none'}-{number}" for number in numbers for name in TENANTS]


_ASKED: Final = [
    f"{one}/{asked}" for one in _messages("0", "1") for asked in ("sampled", "elicited")
]
_BELIEVES: Final = {"OTEL_GENAI_COST_TENANT": "baggage:tenant.id"}
"""Of services that know each other."""

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
    "rq": Case("rq", "redis", retries=True, leaves=False),
    "dramatiq": Case("dramatiq", "redis", {"QUEUE_PROCESSES": "fork"}, retries=True),
    "dramatiq-async": Case("dramatiq", "redis", {"QUEUE_ASYNC": "1", **_FOLLOWS}, retries=True),
    "arq": Case("arq", "redis", retries=True),
    "huey": Case(
        "huey",
        "redis",
        retries=True,
        further=(*(f"{one}/step" for one in _messages("0", "1", "retry")), "none-cron/body"),
    ),
    **{
        f"celery-{way}": Case(
            "celery",
            "rabbitmq",
            {"QUEUE_WAY": way, **more},
            retries=True,
            further=(
                *(f"{one}/next" for one in _messages("0", "1", "retry")),
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
    "django_q2": Case(
        "django_q2",
        "redis",
        further=(
            *(f"{one}/step" for one in _messages("0")),
            *(f"{one}/hook" for one in _messages("1")),
            "none-cron/body",
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
            further=[f"{one}/step" for one in _messages("0", "1", "retry")],
            packages=("remoulade[rabbitmq,limits]",),  # its AMQP does not go with aio-pika's
        )
        for kind, upstream in (("remoulade", ""), ("remoulade-untraced", "remoulade"))
    },
    **{
        f"faststream-{broker}-{way}": Case(
            "faststream",
            broker,
            {"QUEUE_WAY": way, **(_FOLLOWS if way == "telemetry" else {})},
            further=[f"{one}/step" for one in _messages("0", "1")],
        )
        for broker in ("redis", "nats")
        for way in ("bare", "telemetry")
    },
    "procrastinate": Case(
        "procrastinate",
        "postgresql",
        {"OTEL_GENAI_COST_QUEUE_ARGUMENTS": "send"},
        retries=True,
        further=[f"{one}/batch-{n}" for one in _messages("0", "1", "retry") for n in range(2)],
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
        for way, more in (("callback", {}), ("traced", {_TASKS: "follow"}), ("pull", {}))
    },
    **{
        f"temporalio-{way}": Case(
            "temporalio",
            "temporal",
            {"QUEUE_WAY": way, **more},
            retries=True,
            further=(
                *(f"{one}/{place}" for one in _messages("0", "1", "retry") for place in _STEPS),
                *(("none-cron/body", "globex-cron/named") if way == "scheduled" else ()),
            ),
            packages=_SERVICES,
        )
        for way, more in (("scheduled", {}), ("traced", {}), ("bare", {_TASKS: "follow"}))
    },
    **{
        kind: Case(
            "taskiq",
            "redis",
            upstream,
            retries=True,
            further=(
                *(f"{one}/once" for one in _messages("0", "1", "retry")),
                *(f"none-acme-{number}/cron" for number in ("0", "1", "retry")),
            ),
            packages=_SERVICES,
        )
        for kind, upstream in (
            ("taskiq", {}),
            ("taskiq-untraced", {_OFF: "taskiq", _TASKS: "follow"}),
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
            further=[f"{one}/told" for one in _messages("0", "1") if way == "active"],
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

_LIBRARIES: Final = (
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


@pytest.fixture
def python(kind: str) -> Path:
    """An environment with the case's libraries, made once; or one that is named, to run a case by hand."""
    if given := os.environ.get("QUEUES_PYTHON"):
        return Path(given)
    kept = Path(tempfile.gettempdir()) / "otel-genai-cost-environments"
    libraries = CASES[kind].packages or _LIBRARIES
    return python_with(kept, *libraries, *UPSTREAM, "httpx", ours="[cli,fast]")


def _environment(case: Case, folder: Path, address: str) -> dict[str, str]:
    return {
        **clean_environment(),
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder),
        **{f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")},
        "OTEL_GENAI_COST_JOURNAL": str(folder / "journal"),
        "QUEUE_ADDRESS": address,
        "QUEUE_FOLDER": str(folder),
        "QUEUE_RETRIES": "1" if case.retries else "",
        "QUEUE_FURTHER": str(len(case.further) + len(_left(case))),
        "QUEUE_LEAVES": "1" if case.leaves else "",
        "QUEUE_NAME": folder.name,
        **case.environment,
    }


def _run(
    python: Path, case: Case, folder: Path, address: str, sides: tuple[str, ...] = _SIDES
) -> str:
    """Both sides of the queue at once; gives what the worker wrote once both have ended by themselves.

    Args:
        sides: Those that run under `opentelemetry-instrument`.
    """
    environment = _environment(case, folder, address)
    launcher = str(python.with_name("opentelemetry-instrument"))
    program = [str(python), "-m", f"tests.queues.drivers.{case.driver}"]
    with children() as family:
        producer, worker = (
            family.start(
                side,
                [*([launcher] if side in sides else []), *program, side],
                folder / f"{side}.log",
                environment,
            )
            for side in _SIDES
        )
        assert producer.wait(120) == 0, producer.output()
        assert worker.wait(120) == 0, worker.output()
    return worker.output()


def _left(case: Case) -> list[str]:
    return [f"{one}/{place}" for one in _messages("0") for place in LEFT if case.leaves]


def _right(case: Case) -> dict[str, str | None]:
    names = [*case.further, *_left(case)]
    everywhere = (*PLACES, *(PLACES_ELSEWHERE if "QUEUE_PROCESSES" in case.environment else ()))
    for message in _messages("0", "1", *(["retry"] if case.retries else [])):
        places = (*everywhere, "first") if message.endswith("retry") else everywhere
        names += (f"{message}/{place}" for place in places)
    follows = case.environment.get(_TASKS) == "follow"
    ended = () if follows else ("/left",)
    return {name: None if name.endswith(ended) else _tenant_of(name) for name in names}


def _tenant_of(name: str) -> str | None:
    tenant = name.partition("-")[0]
    return tenant if tenant in TENANTS else None


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    with ExitStack() as stack:
        yield Brokers(tmp_path_factory.mktemp("brokers"), stack)


@pytest.mark.parametrize("kind", CASES)
def test_right_tenant_or_none(python: Path, tmp_path: Path, brokers: Brokers, kind: str) -> None:
    case = CASES[kind]
    output = _run(python, case, tmp_path, brokers.address(case.broker, python.parent))
    found = {
        one.reading.response_id or "": one.attribution.tenant
        for one in observations_in(tmp_path / "journal")
        if one.reading.role != "context"
    }
    outside = {name: found.pop(name) for name in [*found] if name.startswith("outside/")}
    right = _right(case)
    assert found == (dict.fromkeys(right) if kind in _NOBODYS else right), output
    assert set(outside.values()) <= {None if kind == _RECURS else "worker"}, output


@pytest.mark.parametrize(
    "kind",
    (
        "rq",
        "dramatiq",
        "remoulade",
        "arq",
        "huey",
        "saq",
        "django_q2",
        "nats_py-pushed",
        "procrastinate",
        "pubsub-pull",
        "temporalio-traced",
        "taskiq",
    ),
)
def test_a_worker_without_instrumentation_runs_the_same_jobs(
    python: Path, tmp_path: Path, brokers: Brokers, kind: str
) -> None:
    case = CASES[kind]
    until_all_read = {"OTEL_GENAI_COST_QUEUE_ARGUMENTS": "read"}
    case = case._replace(environment={**case.environment, **until_all_read})
    address = brokers.address(case.broker, python.parent)
    output = _run(python, case, tmp_path, address, sides=("produce",))
    assert len([*tmp_path.glob("done-*")]) == len(_messages("0", "1")) + 3 * case.retries
    assert not observations_in(tmp_path / "journal"), output


@pytest.mark.parametrize("kind", ("temporalio-traced",))
def test_histories_of_before_are_replayed(
    python: Path, tmp_path: Path, brokers: Brokers, kind: str
) -> None:
    case = CASES[kind]
    address = brokers.address(case.broker, python.parent)
    _run(python, case, tmp_path, address, sides=())
    launcher = str(python.with_name("opentelemetry-instrument"))
    program = [launcher, str(python), "-m", f"tests.queues.drivers.{case.driver}", "replay"]
    environment = _environment(case, tmp_path, address)
    with children() as family:
        replayed = family.start("replay", program, tmp_path / "replay.log", environment)
        assert replayed.wait(120) == 0, replayed.output()
