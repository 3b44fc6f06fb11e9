"""Who takes part in the demo, and how each is started: by environment variables only."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.demo.processes import ROOT, Child, Children, instrumented

__all__ = [
    "FOLDER",
    "Stage",
    "clean_environment",
    "empty_folder",
    "provider",
    "set_up",
    "telemetry",
]

FOLDER = ROOT / ".demo"
_NOT_INHERITED = ("OTEL_", "OPENAI_", "DEMO_", "PYTHONPATH", "XDG_STATE_HOME")


class Stage(NamedTuple):
    """Everybody who is running, and where the application answers."""

    receiver: Child
    worker: Child
    app: Child
    app_url: str


def clean_environment() -> dict[str, str]:
    """The caller's environment without what would configure telemetry or the LLM client."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)
    }


def telemetry(service: str, endpoint: str, journal: Path) -> dict[str, str]:
    """What an operator sets on a service: three standard OpenTelemetry variables, and two of ours."""
    return {
        "OTEL_SERVICE_NAME": service,
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_GENAI_COST_TENANT": "header:x-org-id",
        "OTEL_GENAI_COST_JOURNAL": str(journal),
        "OTEL_GENAI_COST_STREAM_USAGE_HOSTS": "127.0.0.1",
    }


def empty_folder(folder: Path) -> None:
    """Start from nothing: what an earlier run left is deleted."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def provider(started: Children, folder: Path, real: bool) -> dict[str, str]:
    """Where the LLM end is: the real one's key, or a stand-in that is started here."""
    if real:
        names = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID")
        return {name: os.environ[name] for name in names if name in os.environ}
    bill = str(folder / "provider.jsonl")
    command = [sys.executable, "-m", "otel_genai_cost.testing.standin.openai"]
    stand_in = started.start(
        "stand-in",
        [*command, "--port", "0", "--bill", bill],
        folder / "stand-in.log",
        clean_environment(),
    )
    return {"OPENAI_BASE_URL": stand_in.find(r"http://\S+"), "OPENAI_API_KEY": "sk-demo"}


def set_up(started: Children, folder: Path, llm: Mapping[str, str]) -> Stage:
    """Start receiver, worker and application, and wait until they are ready."""
    receiver = started.start(
        "receiver",
        [sys.executable, "-m", "tests.demo.receiver", folder / "spans.jsonl"],
        folder / "receiver.log",
        clean_environment(),
    )
    endpoint = receiver.find(r"http://\S+")
    common = {**clean_environment(), **llm, "DEMO_QUEUE": str(folder / "queue")}
    worker = _service(started, folder, "worker", _WORKER, common, endpoint)
    app = _service(started, folder, "app", _APP, common, endpoint)
    app_url = app.find(r"running on (http://\S+)")
    worker.find(r"celery@\S+ ready")
    return Stage(receiver, worker, app, app_url)


_APP = ("uvicorn", "tests.demo.app:api", "--port", "0", "--log-level", "info")
_WORKER = (
    *("celery", "--app", "tests.demo.worker:queue", "worker", "--pool", "prefork"),
    *("--concurrency", "2", "--loglevel", "INFO"),
    *("--without-gossip", "--without-mingle", "--without-heartbeat"),
)


def _service(
    started: Children,
    folder: Path,
    name: str,
    command: tuple[str, ...],
    common: Mapping[str, str],
    endpoint: str,
) -> Child:
    program = str(Path(sys.executable).with_name(command[0]))
    env = {**common, **telemetry(name, endpoint, folder / "journal")}
    return started.start(name, instrumented(program, *command[1:]), folder / f"{name}.log", env)
