"""A real Druid, each of its processes: ZooKeeper, a coordinator that is overlord too, historical, broker, indexer."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.demo.processes import Child, Children, children, wait_until
from tests.queues.brokers import answers, free_port
from tests.streams.java import jars_of, java_command

__all__ = ["DRUID", "Druid", "druid"]

DRUID: Final = "druid-33.0.0"
_OPENED: Final = (
    *("java.base/java.nio", "java.base/sun.nio.ch", "java.base/jdk.internal.ref"),
    *("java.base/java.io", "java.base/java.lang", "jdk.management/com.sun.management.internal"),
)
_EXPORTED: Final = ("java.base/jdk.internal.misc", "java.base/jdk.internal.ref")
_SMALL: Final = {
    "druid.processing.buffer.sizeBytes": "25000000",
    "druid.processing.numMergeBuffers": "2",
    "druid.processing.numThreads": "1",
}
_READY_WITHIN_S: Final = 240
_ROLES: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "coordinator": (
        "320m",
        {
            "druid.coordinator.asOverlord.enabled": "true",
            "druid.coordinator.asOverlord.overlordService": "druid/overlord",
            "druid.coordinator.startDelay": "PT2S",
            "druid.coordinator.period": "PT2S",
            "druid.manager.segments.pollDuration": "PT2S",
            "druid.indexer.queue.startDelay": "PT2S",
            "druid.indexer.runner.type": "httpRemote",
            "druid.indexer.runner.taskCleanupTimeout": "PT5S",
            "druid.indexer.storage.type": "metadata",
        },
    ),
    "historical": ("320m", _SMALL),
    "broker": ("320m", _SMALL),
    "indexer": (
        "448m",
        {
            **_SMALL,
            "druid.worker.capacity": "4",
            "druid.worker.globalIngestionHeapLimitBytes": "100000000",
        },
    ),
}


class Druid:
    """A Druid that is up.

    Args:
        folder: where it keeps everything.
        family: whose children its processes are.
    """

    def __init__(self, folder: Path, family: Children) -> None:
        self._folder, self._family = folder, family
        self._ports = {role: free_port() for role in ("zookeeper", "derby", *_ROLES)}
        self._running: dict[str, Child] = {}

    @property
    def processes(self) -> Sequence[Child]:
        """Those of its processes that run."""
        return tuple(self._running.values())

    def start(self, role: str) -> None:
        """Start a process.

        Args:
            role: which.
        """
        jars, folder = jars_of(DRUID), self._folder
        log = folder / f"{role}-{len(self._family)}.log"
        own = _zookeeper if role == "zookeeper" else _server
        command = own(jars, folder, role, self._ports)
        self._running[role] = self._family.start(role, command, log, os.environ)

    def kill(self, role: str) -> None:
        """End a process at once.

        Args:
            role: which.
        """
        self._running.pop(role).kill()

    def wait_for(self, role: str) -> None:
        """Wait until a process says that it is well.

        Args:
            role: which.
        """
        wait_until(partial(self._is_ready, role), role, _READY_WITHIN_S, self.processes)

    def _is_ready(self, role: str) -> bool:
        try:
            if role == "zookeeper":
                return answers(self._ports[role])
            return self.ask(role, "/status/health") is True
        except OSError:
            return False

    def ask(self, role: str, path: str, body: object = None, method: str | None = None) -> Any:
        """What a process answers, as JSON; None where it says nothing.

        Args:
            role: which process.
            path: where.
            body: sent as JSON; None for none.
            method: GET, or POST where there is a body, if not given.

        Raises:
            OSError: if it refuses or does not answer.
        """
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._ports[role]}{path}",
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise OSError(f"{role}{path}: {error.code} {error.read().decode()[:2000]}") from error
        try:
            return json.loads(text) if text else None
        except ValueError:
            return text.decode()

    def sql(self, statement: str, *parameters: str) -> list[list[Any]]:
        """The rows of a statement.

        Args:
            statement: as Druid's SQL.
            parameters: texts that stand for its question marks.
        """
        asked = {
            "query": statement,
            "resultFormat": "array",
            "context": {"useApproximateTopN": False, "useCache": False},
            "parameters": [{"type": "VARCHAR", "value": one} for one in parameters],
        }
        rows: list[list[Any]] = self.ask("broker", "/druid/v2/sql", asked)
        return rows


@contextmanager
def druid(folder: Path) -> Generator[Druid]:
    """A Druid of one's own, which is ended with the block.

    Args:
        folder: empty; where it keeps everything.
    """
    jars_of(DRUID)
    folder.mkdir(parents=True, exist_ok=True)
    with children() as family:
        found = Druid(folder, family)
        found.start("zookeeper")
        found.wait_for("zookeeper")
        for role in _ROLES:
            found.start(role)
        for role in _ROLES:
            found.wait_for(role)
        wait_until(lambda: _is_whole(found), "Druid to find itself", _READY_WITHIN_S, family)
        yield found


def _is_whole(found: Druid) -> bool:
    """Whether the overlord has a worker, and the broker answers SQL."""
    try:
        return bool(found.ask("coordinator", "/druid/indexer/v1/workers")) and found.sql(
            "SELECT 1"
        ) == [[1]]
    except OSError:
        return False


def _zookeeper(jars: Path, folder: Path, role: str, ports: Mapping[str, int]) -> list[str]:
    settings = folder / "zoo.cfg"
    said = f"tickTime=2000\ndataDir={folder / role}\nclientPort={ports[role]}\n"
    settings.write_text(
        said + "clientPortAddress=127.0.0.1\nadmin.enableServer=false\n", encoding="utf-8"
    )
    main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
    return [*java_command(jars, folder, "96m", []), main, str(settings)]


def _server(jars: Path, folder: Path, role: str, ports: Mapping[str, int]) -> list[str]:
    heap, own = _ROLES[role]
    settings = {**_common(folder, ports), **own}
    settings |= {"druid.service": f"druid/{role}", "druid.plaintextPort": str(ports[role])}
    options = [f"--add-opens={one}=ALL-UNNAMED" for one in _OPENED]
    options += [f"--add-exports={one}=ALL-UNNAMED" for one in _EXPORTED]
    options += ["-XX:MaxDirectMemorySize=192m", "-Duser.timezone=UTC", "-Dfile.encoding=UTF-8"]
    options += [f"-Dderby.stream.error.file={folder / 'derby.log'}"]
    options += [f"-D{key}={value}" for key, value in settings.items()]
    command = java_command(jars, folder, heap, options)
    return [*command, "org.apache.druid.cli.Main", "server", role]


def _common(folder: Path, ports: Mapping[str, int]) -> dict[str, str]:
    var, derby = folder / "var", ports["derby"]
    metadata = f"jdbc:derby://127.0.0.1:{derby}/{var / 'metadata.db'};create=true"
    cache = [{"path": str(var / "segment-cache"), "maxSize": "1g"}]
    return {
        "druid.extensions.loadList": "[]",
        "druid.zk.service.host": f"127.0.0.1:{ports['zookeeper']}",
        "druid.host": "127.0.0.1",
        "druid.metadata.storage.type": "derby",
        "druid.metadata.storage.connector.connectURI": metadata,
        "druid.metadata.storage.connector.host": "127.0.0.1",
        "druid.metadata.storage.connector.port": str(derby),
        "druid.storage.type": "local",
        "druid.storage.storageDirectory": str(var / "segments"),
        "druid.segmentCache.locations": json.dumps(cache),
        "druid.indexer.task.baseDir": str(var / "tasks"),
        "druid.indexer.logs.type": "file",
        "druid.indexer.logs.directory": str(var / "indexing-logs"),
        "druid.selectors.indexing.serviceName": "druid/overlord",
        "druid.selectors.coordinator.serviceName": "druid/coordinator",
        "druid.monitoring.monitors": "[]",
        "druid.lookup.enableLookupSyncOnStartup": "false",  # which would wait for the coordinator
        "druid.sql.enable": "true",
    }
