"""Trace UIs as servers of their own, each on a free port of this host."""

from __future__ import annotations

import os
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Final
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.demo.processes import Children, wait_until
from tests.demo.stage import clean_environment
from tests.queues.brokers import free_port

__all__ = ["mlflow", "phoenix", "zipkin"]

_CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "otel-genai-cost"
_READY_WITHIN_S: Final = 120


def zipkin(family: Children, folder: Path) -> str:
    """Zipkin with its own page, Lens; its URL."""
    port = free_port()
    [jar] = _installed("zipkin", "*.jar")
    command = ["java", "-Xmx256m", "-jar", str(jar), f"--server.port={port}"]
    return _started(family, folder, "zipkin", command, f"http://127.0.0.1:{port}", "/health")


def mlflow(family: Children, folder: Path) -> str:
    """MLflow's tracking server; its URL."""
    port = free_port()
    [program] = _installed("trace-uis/mlflow", "bin/mlflow")
    options = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    store = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    command = [str(program), "server", *options, *store]
    environment = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "DO_NOT_TRACK": "true"}
    url = f"http://127.0.0.1:{port}"
    return _started(family, folder, "mlflow", command, url, "/health", environment)


def phoenix(family: Children, folder: Path) -> str:
    """Arize Phoenix; its URL."""
    port = free_port()
    [program] = _installed("trace-uis/phoenix", "bin/phoenix")
    environment = {
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(free_port()),
        "PHOENIX_WORKING_DIR": str(folder),
        "PHOENIX_TELEMETRY_ENABLED": "false",
    }
    url = f"http://127.0.0.1:{port}"
    return _started(
        family, folder, "phoenix", [str(program), "serve"], url, "/healthz", environment
    )


def _installed(name: str, pattern: str) -> list[Path]:
    """What is there of a UI; the test skips without it, which in continuous integration is a failure."""
    found = sorted((_CACHE / name).glob(pattern))
    if not found:
        reason = f"{name} is not installed: run make trace-uis"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found[-1:]


def _started(
    family: Children,
    folder: Path,
    name: str,
    command: list[str],
    url: str,
    health: str,
    environment: Mapping[str, str] | None = None,
) -> str:
    own = {**clean_environment(), "HOME": str(folder), **(environment or {})}
    child = family.start(name, command, folder / f"{name}.log", own)
    wait_until(lambda: _answers(url + health), "to be ready", _READY_WITHIN_S, (child,))
    return url


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (URLError, HTTPException, OSError):
        return False
