"""The real collector, as `make collector` builds it, with the configurations of `collector-config/`.

A configuration names what it listens at, and whom it sends to, by variables with a default:
`${env:OTLP_GRPC:-127.0.0.1:4317}`. Of those that a test does not set itself, each address of this host gets a free
port.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from functools import lru_cache
from http.client import HTTPException
from pathlib import Path
from typing import Final, NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.demo.processes import ROOT, Child, Children, wait_until

__all__ = ["SCENARIOS", "Otelcol", "otelcol", "require_otelcol", "start", "validated"]

SCENARIOS: Final = ROOT / "collector-config"
_LOCAL: Final = re.compile(r"\$\{env:(\w+):-127\.0\.0\.1:\d+\}")
_ANY: Final = ("127.0.0.1", 0)
_HEALTH: Final = "HEALTH"
"""The variable for the address of the health check, that every scenario has."""

_READY_WITHIN_S: Final = 30
_QUIET: Final = ("--set", "service::telemetry::metrics::level=none")
"""Its own metrics have a fixed port."""


class Otelcol(NamedTuple):
    """A collector that runs, and the addresses (host:port) or other values of its variables."""

    child: Child
    at: Mapping[str, str]

    def stop(self) -> str:
        """End it as an operator does, with what it still holds exported; gives what it wrote."""
        code = self.child.stop()
        assert code == 0, self.child.failed(f"ended with {code}")
        return self.child.output()


@lru_cache(maxsize=1)
def otelcol() -> Path:
    """Where the collector is, or would be."""
    said = subprocess.run(
        [SCENARIOS / "build.sh", "--path"], check=True, capture_output=True, text=True
    )
    return Path(said.stdout.strip())


def require_otelcol() -> None:
    """Skip the test where the collector is not built; in continuous integration that is a failure."""
    if not otelcol().exists():
        reason = "the collector is not built: run make collector"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


def validated(
    *configs: Path, environment: Mapping[str, str] | None = None, folder: Path = ROOT
) -> str:
    """What the collector has against configurations, taken together; empty if nothing.

    Args:
        configs: Files; later ones add to and replace what earlier ones say.
        environment: Variables for them.
        folder: Where it is run.
    """
    done = subprocess.run(
        [otelcol(), "validate", *_chosen(configs)],
        env=_environment(environment or {}),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else done.stderr or f"exit code {done.returncode}"


def start(
    family: Children, folder: Path, *configs: Path, environment: Mapping[str, str] | None = None
) -> Otelcol:
    """Start the collector, and wait until it is healthy.

    Args:
        family: Ends it, whatever happens.
        folder: Takes its log.
        configs: Files; later ones add to and replace what earlier ones say.
        environment: Variables for them. Addresses of this host that it leaves out get free ports.
    """
    at = {**_addresses(configs), **(environment or {})}
    command = [str(otelcol()), *_chosen(configs), *_QUIET]
    log = folder / f"otelcol-{len(list(folder.glob('otelcol-*')))}.log"
    child = family.start("otelcol", command, log, _environment(at))
    wait_until(lambda: _is_healthy(at[_HEALTH]), "to be healthy", _READY_WITHIN_S, (child,))
    return Otelcol(child, at)


def _chosen(configs: tuple[Path, ...]) -> list[str]:
    return [f"--config={config}" for config in configs]


def _addresses(configs: tuple[Path, ...]) -> dict[str, str]:
    found = {name for config in configs for name in _LOCAL.findall(config.read_text("utf-8"))}
    with ExitStack() as held:  # together, or one could be given twice
        probes = [held.enter_context(socket.create_server(_ANY)) for _ in found]
        ports = [probe.getsockname()[1] for probe in probes]
    return {name: f"127.0.0.1:{port}" for name, port in zip(sorted(found), ports, strict=True)}


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    return {**clean, **more}


def _is_healthy(address: str) -> bool:
    try:
        with urlopen(f"http://{address}/", timeout=1) as answer:
            return bool(answer.status == 200)
    except (URLError, HTTPException, OSError):
        return False
