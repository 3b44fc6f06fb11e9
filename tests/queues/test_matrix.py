"""Every queue with its real library and a real broker: producer and worker in separate processes under
`opentelemetry-instrument`, for two tenants and for none."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from tests.demo.processes import ROOT, children
from tests.demo.stage import clean_environment
from tests.e2e.rig import observations_in
from tests.environments.made import python_with
from tests.queues.application import LEFT, PLACES, PLACES_ELSEWHERE, TENANTS
from tests.queues.brokers import Brokers
from tests.queues.cases import CASES, LIBRARIES, NOBODYS, RECURS, TASKS, Case, messages
from tests.queues.packages import UPSTREAM

pytestmark = [pytest.mark.service, pytest.mark.timeout(300)]


_SIDES: Final = ("produce", "consume")


@pytest.fixture
def python(kind: str) -> Path:
    """An environment with the case's libraries, made once; or one that is named, to run a case by hand."""
    if given := os.environ.get("QUEUES_PYTHON"):
        return Path(given)
    kept = Path(tempfile.gettempdir()) / "otel-genai-cost-environments"
    libraries = CASES[kind].packages or LIBRARIES
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
    return [f"{one}/{place}" for one in messages("0") for place in LEFT if case.leaves]


def _right(case: Case) -> dict[str, str | None]:
    names = [*case.further, *_left(case)]
    everywhere = (*PLACES, *(PLACES_ELSEWHERE if "QUEUE_PROCESSES" in case.environment else ()))
    for message in messages("0", "1", *(["retry"] if case.retries else [])):
        places = (*everywhere, "first") if message.endswith("retry") else everywhere
        names += (f"{message}/{place}" for place in places)
    follows = case.environment.get(TASKS) == "follow"
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
    assert found == (dict.fromkeys(right) if kind in NOBODYS else right), output
    assert set(outside.values()) <= {None if kind == RECURS else "worker"}, output


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
    assert len([*tmp_path.glob("done-*")]) == len(messages("0", "1")) + 3 * case.retries
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
