"""Every queue with its real library and a real broker: producer and worker in separate processes under
`opentelemetry-instrument`, for two tenants and for none."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.demo.processes import ROOT, children
from tests.demo.stage import clean_environment
from tests.e2e.rig import observations_in
from tests.environments.made import python_with
from tests.queues.application import PLACES, TENANTS
from tests.queues.brokers import running

pytestmark = [pytest.mark.service, pytest.mark.timeout(300)]


class Case(NamedTuple):
    """A driver, its broker, what is set for it, whether jobs that fail are retried, further calls (each is for
    whom its message was), and the libraries of an environment of its own."""

    driver: str
    broker: str
    environment: Mapping[str, str] = {}
    retries: bool = False
    further: Sequence[str] = ()
    packages: tuple[str, ...] = ()


_SIDES: Final = ("produce", "consume")
_NOBODYS_TOO: Final[Mapping[str, tuple[None]]] = {"sqs-full": (None,), "sqs-sns": (None,)}
"""Where a call before the next message may be nobody's, instead of the worker's own: upstream's span for receiving
stands around what ends the message that was taken by its index."""
_OFF: Final = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
"""Names of instrumentations of others; with none, messages carry what we put into them."""


def _messages(*numbers: str) -> list[str]:
    return [f"{name or 'none'}-{number}" for number in numbers for name in TENANTS]


_ASKED: Final = [
    f"{one}/{asked}" for one in _messages("0", "1") for asked in ("sampled", "elicited")
]

CASES: Final = {
    "rq": Case("rq", "redis", retries=True),
    "dramatiq": Case("dramatiq", "redis", retries=True),
    "dramatiq-async": Case("dramatiq", "redis", {"QUEUE_ASYNC": "1"}, retries=True),
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
            {"QUEUE_WAY": way, _OFF: "celery" if way == "links" else ""},
            retries=True,
            further=tuple(f"{one}/next" for one in _messages("0", "1", "retry")),
        )
        for way in ("prefork", "threads", "links")
    },
    "saq": Case("saq", "redis", retries=True),
    "saq-threads": Case("saq", "redis", {"QUEUE_WAY": "threads"}, retries=True),
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
            {"QUEUE_WAY": way, "OTEL_GENAI_COST_TENANT": "header:x-org-id"},
            further=_ASKED,
        )
        for way in ("stdio", "http")
    },
    **{
        kind: Case(
            "remoulade",
            "rabbitmq",
            {_OFF: upstream},
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
            {"QUEUE_WAY": way},
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
        f"nats_py-{way}": Case("nats_py", "nats", {"QUEUE_WAY": way})
        for way in ("callback", "loop", "next", "pushed", "fetch")
    },
    **{
        f"{library}-{way}": Case(library, broker, {"QUEUE_WAY": way})
        for library, broker, ways in (
            ("kafka_python", "kafka", ("loop", "next", "poll")),
            ("aiokafka", "kafka", ("loop", "getone", "getmany")),
            ("confluent_kafka", "kafka", ("poll", "consume", "deserializing", "asyncio")),
            ("pika", "rabbitmq", ("callback", "generator", "get")),
            ("aio_pika", "rabbitmq", ("callback", "loop", "get")),
            ("sqs", "moto", ("one", "batch", "full", "sns", "sns-raw")),
        )
        for way in ways
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
    *("boto3", "moto[server]", "celery"),
)
_UPSTREAM: Final = (
    "opentelemetry-distro",
    *(
        f"opentelemetry-instrumentation-{name}"
        for name in (
            *("threading", "celery", "pika", "aio-pika", "boto3sqs", "botocore"),
            *("kafka-python", "aiokafka", "confluent-kafka", "remoulade"),
        )
    ),
)


@pytest.fixture
def python(kind: str) -> Path:
    """An environment with the case's libraries, made once; or one that is named, to run a case by hand."""
    if given := os.environ.get("QUEUES_PYTHON"):
        return Path(given)
    kept = Path(tempfile.gettempdir()) / "otel-genai-cost-environments"
    libraries = CASES[kind].packages or _LIBRARIES
    return python_with(kept, *libraries, *_UPSTREAM, "httpx", ours="[cli,fast]")


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
        "QUEUE_FURTHER": str(len(case.further)),
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


def _right(case: Case) -> dict[str, str | None]:
    names = [*case.further]
    for message in _messages("0", "1", *(["retry"] if case.retries else [])):
        places = (*PLACES, "first") if message.endswith("retry") else PLACES
        names += (f"{message}/{place}" for place in places)
    return {name: _tenant_of(name) for name in names}


def _tenant_of(name: str) -> str | None:
    tenant = name.partition("-")[0]
    return tenant if tenant in TENANTS else None


@pytest.mark.parametrize("kind", CASES)
def test_right_tenant_or_none(python: Path, tmp_path: Path, kind: str) -> None:
    case = CASES[kind]
    with running(case.broker, tmp_path, python.parent) as address:
        output = _run(python, case, tmp_path, address)
    found = {
        one.reading.response_id or "": one.attribution.tenant
        for one in observations_in(tmp_path / "journal")
        if one.reading.role != "context"
    }
    outside = {name: found.pop(name) for name in [*found] if name.startswith("outside/")}
    assert found == _right(case), output
    assert set(outside.values()) <= {"worker", *_NOBODYS_TOO.get(kind, ())}, output


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
    ),
)
def test_a_worker_without_instrumentation_runs_the_same_jobs(
    python: Path, tmp_path: Path, kind: str
) -> None:
    case = CASES[kind]
    until_all_read = {"OTEL_GENAI_COST_QUEUE_ARGUMENTS": "read"}
    case = case._replace(environment={**case.environment, **until_all_read})
    with running(case.broker, tmp_path, python.parent) as address:
        output = _run(python, case, tmp_path, address, sides=("produce",))
    assert len([*tmp_path.glob("done-*")]) == len(_messages("0", "1")) + 3 * case.retries
    assert not observations_in(tmp_path / "journal"), output
