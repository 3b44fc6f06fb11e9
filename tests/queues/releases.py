"""The oldest and the newest release of every queue library, each in an environment of its own and through its cases of
the matrix:

    python -m tests.queues.releases [LIBRARY…]

prints a table, and exits 1 if a case failed or if the manifest's `tested` says otherwise. It needs uv, which knows the
oldest release that is claimed, and the services of `tests/services.sh`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Literal, NamedTuple

from otel_genai_instrumentors.manifest import MANIFEST, Row
from tests.demo.processes import ROOT
from tests.environments.made import interpreter, python_with
from tests.queues.packages import UPSTREAM

__all__ = ["RELEASES", "Release", "main", "rows", "run"]

End = Literal["oldest", "newest"]
_ENDS: Final[tuple[End, End]] = ("oldest", "newest")


class Release(NamedTuple):
    """What is run of a library.

    Args:
        cases: Of the matrix by their names, or paths of tests.
        cases_oldest: Those of the oldest release, if they are others.
        extra: What of the library is needed.
        beside: Other packages.
        beside_oldest: What the oldest release needs that knows no later ones.
        pythons: Interpreters by their versions, if not the one that runs this.
    """

    cases: tuple[str, ...]
    extra: str = ""
    cases_oldest: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    beside_oldest: tuple[str, ...] = ()
    pythons: Mapping[End, str] = {}


_SCHEDULES: Final = "tests/instrumentors/test_schedules.py"
_STREAMS: Final = "tests/instrumentors/test_local_streams.py::"
_PYTEST: Final = ("pytest", "pytest-timeout", "pytest-xdist", "hypothesis")
_PKG_RESOURCES: Final = ("setuptools < 81",)
"""What releases of some years ago import, and do not ask for."""

RELEASES: Final[Mapping[str, Release]] = {
    "rq": Release(("rq",), beside_oldest=("redis < 6",)),
    "dramatiq": Release(("dramatiq", "dramatiq-async"), "[redis]"),
    "arq": Release(("arq",)),
    "huey": Release(("huey",), beside=("redis",)),
    "saq": Release(("saq",), "[redis]"),
    "django-q2": Release(("django_q2",), beside=("redis",), beside_oldest=_PKG_RESOURCES),
    "nats-py": Release(("nats_py-callback", "nats_py-fetch")),
    "mcp": Release(
        ("mcp-stdio", "mcp-http"), cases_oldest=("mcp_1",), beside_oldest=("pydantic < 2.12",)
    ),
    "procrastinate": Release(("procrastinate",)),
    "remoulade": Release(
        ("remoulade", "remoulade-untraced"),
        "[rabbitmq,limits]",
        beside_oldest=("attrs",),
        pythons={"newest": "3.13"},
    ),
    "faststream": Release(("faststream-redis-bare", "faststream-nats-telemetry"), "[redis,nats]"),
    "kafka-python": Release(("kafka_python-loop", "kafka_python-poll")),
    "aiokafka": Release(("aiokafka-loop", "aiokafka-getmany")),
    "confluent-kafka": Release(("confluent_kafka-poll", "confluent_kafka-consume")),
    "pika": Release(("pika-callback", "pika-generator", "pika-get")),
    "aio-pika": Release(
        ("aio_pika-callback", "aio_pika-loop", "aio_pika-get"), beside_oldest=_PKG_RESOURCES
    ),
    "botocore": Release(("sqs-one", "sqs-batch", "sqs-sns"), beside=("boto3", "moto[server]")),
    "anyio": Release(
        (f"{_STREAMS}test_a_task_that_serves_everybody",), beside=(*_PYTEST, "janus", "trio")
    ),
    "janus": Release((f"{_STREAMS}test_janus",), beside=(*_PYTEST, "anyio", "trio")),
    "celery": Release(("celery-prefork", "celery-links"), beside_oldest=_PKG_RESOURCES),
    "google-cloud-pubsub": Release(
        ("pubsub-callback", "pubsub-pull"), beside_oldest=("setuptools < 80",)
    ),
    "temporalio": Release(("temporalio-scheduled", "temporalio-traced"), "[opentelemetry]"),
    "a2a-sdk": Release(
        ("a2a-active", "a2a-legacy"),
        "[http-server]",
        beside=(
            *("uvicorn", "grpcio"),
            *(f"opentelemetry-instrumentation-{name}" for name in ("starlette", "httpx")),
        ),
    ),
    "taskiq": Release(("taskiq", "taskiq-untraced"), beside=("taskiq-redis", "psutil")),
    "apscheduler": Release(
        (f"{_SCHEDULES}::test_a_scheduler_that_a_request_started",),
        beside=_PYTEST,
        beside_oldest=_PKG_RESOURCES,
    ),
    "gevent": Release(
        (f"{_SCHEDULES}::test_greenlets",),
        beside=(*_PYTEST, "apscheduler < 4"),
        beside_oldest=_PKG_RESOURCES,
        pythons={"oldest": "3.10"},
    ),
}


class Ran(NamedTuple):
    """A release, and what became of its cases."""

    library: str
    version: str
    python: str
    passed: tuple[str, ...]
    failed: tuple[str, ...]


def rows() -> dict[str, Row]:
    """The manifest's queues that have releases."""
    return {
        row.library: row for row in MANIFEST if row.kind == "queue" and row.versions != "Python's"
    }


def _python(version: str) -> str:
    found = interpreter(version)
    if found is None:
        raise SystemExit(f"no Python {version} here; install it, e.g. with pyenv")
    return found


def _version(library: str, claimed: str, end: End, python: str) -> str:
    """The first or last release that is claimed and that this interpreter takes."""
    order = "lowest-direct" if end == "oldest" else "highest"
    command = ("uv", "pip", "compile", "--quiet", "--no-deps", "--no-header", "--no-annotate")
    done = subprocess.run(
        [*command, "--resolution", order, "--python", python, "-"],
        input=f"{library} {claimed}",
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip().partition("==")[2]


def run(library: str, end: End, version: str = "") -> Ran:
    """One end of one library's releases.

    Args:
        library: as the manifest has it.
        end: which.
        version: Which release that is; empty to ask uv.
    """
    release = RELEASES[library]
    python = release.pythons.get(end, "")
    python = _python(python) if python else sys.executable
    version = version or _version(library, rows()[library].versions, end, python)
    beside = (*release.beside, *(release.beside_oldest if end == "oldest" else ()))
    wanted = (f"{library}{release.extra} == {version}", *beside, *UPSTREAM, "httpx")
    kept = Path(tempfile.gettempdir()) / "otel-genai-cost-releases"
    made = python_with(kept, *wanted, ours="[cli,fast]", python=python)
    cases = release.cases_oldest if end == "oldest" and release.cases_oldest else release.cases
    found = {case: _passes(case, made) for case in cases}
    ends = tuple(tuple(case for case in found if found[case] is wished) for wished in (True, False))
    named = subprocess.run([str(made), "-V"], capture_output=True, text=True, check=True).stdout
    return Ran(library, version, named.split()[-1], *ends)


def _passes(case: str, python: Path) -> bool:
    """Of the matrix, the tests run here and the case's two processes there; other tests run there."""
    is_case = "::" not in case
    test = f"tests/queues/test_matrix.py::test_right_tenant_or_none[{case}]" if is_case else case
    runner = sys.executable if is_case else str(python)
    done = subprocess.run(
        [runner, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", test],
        cwd=ROOT,
        env={**os.environ, "QUEUES_PYTHON": str(python)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print(f"--- {case}, {python}\n{done.stdout[-4000:]}{done.stderr[-1000:]}", file=sys.stderr)
    return done.returncode == 0


def wrong(ran: list[Ran]) -> Iterator[str]:
    """What does not hold."""
    for one in ran:
        for case in one.failed:
            yield f"{one.library} {one.version}: {case} failed"
    for library in {one.library for one in ran}:
        versions = tuple(one.version for one in ran if one.library == library)
        told = rows()[library].tested
        if versions != told:
            yield f"{library}: {' '.join(versions)} ran, and the manifest says {' '.join(told) or 'nothing'}"


def main(libraries: list[str]) -> int:
    """Run the named libraries, or all."""
    ran: list[Ran] = []
    for library in libraries or RELEASES:
        for end in _ENDS:
            one = run(library, end)
            ran.append(one)
            failed = " ".join(f"FAILED:{case}" for case in one.failed)
            cases = " ".join(filter(None, (*one.passed, failed)))
            print(f"{one.library:16} {one.version:9} {one.python:8} {cases}", flush=True)
    found = [*wrong(ran)]
    print("\n".join(found) or "as the manifest says")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
