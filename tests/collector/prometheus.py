"""A real Prometheus, that scrapes one address, or is written to."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from tests.demo.processes import Children, wait_until
from tests.queues.brokers import answers, free_port

__all__ = ["Prometheus", "prometheus", "require_prometheus"]

_READY_WITHIN_S: Final = 20
_SETTINGS: Final = """global:
  scrape_interval: 200ms
scrape_configs:
  - job_name: collector
    honor_labels: true
    static_configs:
      - targets: [TARGETS]
"""


class Prometheus:
    """Answers queries.

    Args:
        port: Where it listens.

    Attributes:
        write: The address for remote write.
    """

    def __init__(self, port: int) -> None:
        self._address = f"http://127.0.0.1:{port}"
        self.write = f"{self._address}/api/v1/write"

    def values(self, query: str, label: str) -> dict[str, float]:
        """What a query gives at this moment, by one label."""
        asked = urlencode({"query": query})
        with urlopen(f"{self._address}/api/v1/query?{asked}", timeout=5) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return {one["metric"].get(label, ""): float(one["value"][1]) for one in found}


def require_prometheus() -> None:
    """Skip the test where it is not installed; in continuous integration that is a failure."""
    if shutil.which("prometheus") is None:
        reason = "prometheus is not installed: run tests/services.sh"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


def prometheus(family: Children, folder: Path, target: str = "") -> Prometheus:
    """Start it, and wait until it answers.

    Args:
        family: Ends it, whatever happens.
        folder: Takes its data, its settings and its log.
        target: The host:port that it scrapes, if any.
    """
    settings, port = folder / "prometheus.yml", free_port()
    settings.write_text(_SETTINGS.replace("TARGETS", target), encoding="utf-8")
    options = {
        "config.file": settings,
        "storage.tsdb.path": folder / "prometheus",
        "web.listen-address": f"127.0.0.1:{port}",
    }
    command = ["prometheus", *(f"--{name}={value}" for name, value in options.items())]
    command.append("--web.enable-remote-write-receiver")
    child = family.start("prometheus", command, folder / "prometheus.log", os.environ)
    wait_until(lambda: answers(port), "prometheus to listen", _READY_WITHIN_S, (child,))
    return Prometheus(port)
