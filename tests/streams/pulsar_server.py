"""A real Pulsar standalone, which can be killed and started again on what it has stored."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.demo.processes import Child, Children, children, wait_until
from tests.queues.brokers import free_port
from tests.streams.java import jars_of, java_command

__all__ = ["PULSAR", "Pulsar", "admin", "pulsar"]

PULSAR: Final = "pulsar-4.0.0"
_OPENED: Final = (
    *("java.base/sun.net", "java.base/java.lang", "java.base/java.io", "java.base/java.util.zip"),
    *("java.base/sun.nio.ch", "java.base/java.nio", "java.management/sun.management"),
)
_SETTINGS: Final = """zookeeperServers=
configurationStoreServers=
bindAddress=127.0.0.1
advertisedAddress=127.0.0.1
clusterName=standalone
managedLedgerDefaultEnsembleSize=1
managedLedgerDefaultWriteQuorum=1
managedLedgerDefaultAckQuorum=1
loadManagerClassName=org.apache.pulsar.broker.loadbalance.NoopLoadManager
functionsWorkerEnabled=false
brokerDeduplicationSnapshotIntervalSeconds=5
brokerDeduplicationSnapshotFrequencyInSeconds=2
"""
"""Until it has noted what was sent, which it does every two minutes unless told otherwise, it deletes nothing."""
_READY_WITHIN_S: Final = 120


class Pulsar:
    """A Pulsar standalone.

    Args:
        folder: where it keeps everything.
        family: whose child it is.
        does_deduplicate: whether its broker leaves out what a producer sends again.
    """

    def __init__(self, folder: Path, family: Children, does_deduplicate: bool) -> None:
        self._folder, self._family = folder, family
        self._port, self._admin_port = free_port(), free_port()
        self._does_deduplicate = does_deduplicate
        self._child: Child | None = None

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"pulsar://127.0.0.1:{self._port}"

    @property
    def admin_url(self) -> str:
        """Where it is administered."""
        return f"http://127.0.0.1:{self._admin_port}"

    def start(self) -> None:
        """Start it, and wait until it can be asked."""
        jars = jars_of(PULSAR)
        settings = self._folder / "standalone.conf"
        said = f"brokerServicePort={self._port}\nwebServicePort={self._admin_port}\n"
        said += f"brokerDeduplicationEnabled={str(self._does_deduplicate).lower()}\n"
        settings.write_text(_SETTINGS + said, encoding="utf-8")
        options = [f"--add-opens={one}=ALL-UNNAMED" for one in _OPENED]
        options += ["-XX:MaxDirectMemorySize=384m", "-Dpulsar.allocator.pooled=false"]
        command = java_command(jars, self._folder, "512m", options)
        command += ["org.apache.pulsar.PulsarStandaloneStarter", "--config", str(settings)]
        command += ["--bookkeeper-dir", str(self._folder / "bookkeeper")]
        command += ["--metadata-dir", str(self._folder / "metadata")]
        command += ["--no-functions-worker", "--no-stream-storage"]
        log = self._folder / f"pulsar-{len(self._family)}.log"
        child = self._family.start("pulsar", command, log, os.environ)
        wait_until(self._is_healthy, "pulsar to be healthy", _READY_WITHIN_S, (child,))
        self._child = child

    def kill(self) -> None:
        """End it at once."""
        assert self._child is not None
        self._child.kill()

    def _is_healthy(self) -> bool:
        try:
            health = f"{self.admin_url}/admin/v2/brokers/health"
            with urllib.request.urlopen(health, timeout=10) as answer:
                return bool(answer.read() == b"ok")
        except OSError:
            return False


def admin(server: Pulsar, path: str, body: object = None, method: str = "PUT") -> None:
    """Have something administered.

    Args:
        server: whose.
        path: after `/admin/v2/`.
        body: sent as JSON.
        method: of the request.
    """
    request = urllib.request.Request(
        f"{server.admin_url}/admin/v2/{path}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=30):
        pass


@contextmanager
def pulsar(folder: Path, does_deduplicate: bool = True) -> Generator[Pulsar]:
    """A Pulsar of one's own, which is ended with the block.

    Args:
        folder: where it keeps everything.
        does_deduplicate: whether its broker leaves out what a producer sends again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with children() as family:
        found = Pulsar(folder, family, does_deduplicate)
        found.start()
        yield found
