"""A cluster of Flink: the distribution in PyFlink's wheel, its JobManager and each TaskManager a process of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.request import Request, urlopen

from tests.demo.processes import ROOT, Child, Children, children, wait_until
from tests.environments.made import base_requirements, python_with
from tests.queues.brokers import Brokers, free_port
from tests.streams.java import jars_of

__all__ = ["Cluster", "flink_cluster", "flink_over_kafka", "pyflink"]

_FLINK: Final = "apache-flink==2.3.0"
_CONNECTOR: Final = "flink-connector-kafka-4.0.1-2.0"
_ICEBERG: Final = "iceberg-flink-2.1-1.11.0"
"""The newest there is; it is made for Flink 2.1, and runs on 2.3."""

_CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "otel-genai-cost"
_EXAMPLE: Final = ROOT / "stream-config" / "flink" / "config.yaml"
_QUICK: Final = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""Tests start many virtual machines that do little."""

_READY_WITHIN_S: Final = 300
_SUBMITTED_WITHIN_S: Final = 300


def pyflink() -> Path:
    """An interpreter with PyFlink, made if it is not there: 730 MB."""
    return python_with(_CACHE / "environments", _FLINK, *base_requirements(), ours=None)


class Cluster:
    """A JobManager, and TaskManagers of one slot each, as they are started.

    Args:
        family: ends its processes.
        folder: where its files, logs and checkpoints are.
        python: an interpreter with PyFlink.
        quick: whether machines start fast rather than run fast.
        iceberg: whether it has the connector for Iceberg.
    """

    def __init__(
        self, family: Children, folder: Path, python: Path, *, quick: bool, iceberg: bool
    ) -> None:
        self._family, self._folder, self._python = family, folder, python
        self._java = _QUICK if quick else ""
        self._home = _home_of(python)
        self._rest, self._rpc = free_port(), free_port()
        self._managers = 0
        for name in ("conf", "io", "lib", "log"):
            (folder / name).mkdir()
        self._link_jars((self._home / "lib").iterdir())
        self._link_jars((self._home / "opt").glob("flink-python-*.jar"))
        self._link_jars(jars_of(_CONNECTOR).iterdir())
        if iceberg:
            self._link_jars(jars_of(_ICEBERG).iterdir())
        self._configure()
        self._start("jobmanager")
        wait_until(self._answers, "the JobManager to answer", _READY_WITHIN_S, tuple(family))

    def start_taskmanager(self) -> Child:
        """One more TaskManager, which registers when it is up."""
        return self._start("taskmanager")

    def taskmanagers(self) -> list[Child]:
        """Those that run, in the order in which they were started."""
        running = (child for child in self._family if child.process.poll() is None)
        return [child for child in running if child.name.startswith("taskmanager")]

    def submit(self, job: Path, *arguments: str, options: Sequence[str] = ()) -> str:
        """The id of a job that was taken.

        Args:
            job: the program.
            arguments: of it.
            options: of `flink run`.
        """
        flink = str(self._home / "bin" / "flink")
        command = [flink, "run", "-d", *options, "-py", str(job), *arguments]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env=self._environment(),
            timeout=_SUBMITTED_WITHIN_S,
        )
        found = re.search("JobID ([0-9a-f]{32})", done.stdout)
        assert found, f"{done.stdout}\n{done.stderr}"
        return found.group(1)

    def ask(self, path: str) -> Any:
        """What the JobManager says to that."""
        with urlopen(f"http://127.0.0.1:{self._rest}/{path}", timeout=30) as answer:
            return json.load(answer)

    def cancel(self, job: str) -> None:
        """End a job, and wait until it has."""
        with urlopen(
            Request(f"http://127.0.0.1:{self._rest}/jobs/{job}", method="PATCH"), timeout=30
        ):
            pass
        wait_until(lambda: self.state(job) == "CANCELED", "the job to be cancelled", 60)

    def stop(self, job: str) -> str:
        """End a job with a savepoint, and wait until it is there: its place."""
        where = {"targetDirectory": f"file://{self._folder}/savepoints", "drain": False}
        request = Request(
            f"http://127.0.0.1:{self._rest}/jobs/{job}/stop",
            json.dumps(where).encode(),
            {"Content-Type": "application/json"},
        )
        with urlopen(request, timeout=30) as answer:
            asked = json.load(answer)["request-id"]
        path = f"jobs/{job}/savepoints/{asked}"
        wait_until(lambda: self.ask(path)["status"]["id"] == "COMPLETED", "the savepoint", 120)
        done = self.ask(path)["operation"]
        assert "location" in done, done
        return str(done["location"])

    def state(self, job: str) -> str:
        """The state of a job: `RUNNING` if all of it does, `STARTING` if some of it does not yet."""
        found = self.ask(f"jobs/{job}")
        tasks = {vertex["status"] for vertex in found["vertices"]}
        said = str(found["state"])
        return "STARTING" if said == "RUNNING" and tasks != {"RUNNING"} else said

    def checkpoints(self, job: str) -> int:
        """How many checkpoints were completed."""
        counts = self.ask(f"jobs/{job}/checkpoints")["counts"]
        return int(counts["completed"])

    def last_checkpoint(self, job: str) -> str:
        """Where the last one that was completed is."""
        return str(self.ask(f"jobs/{job}/checkpoints")["latest"]["completed"]["external_path"])

    def failures(self, job: str) -> str:
        """Why it failed, at last."""
        entries = self.ask(f"jobs/{job}/exceptions")["exceptionHistory"]["entries"]
        return "\n".join(str(entry["stacktrace"]) for entry in entries[:1])

    def _answers(self) -> bool:
        try:
            return bool(self.ask("overview"))
        except OSError:
            return False

    def _link_jars(self, jars: Iterable[Path]) -> None:
        """What all jobs share: Python in a JVM can be loaded once, hence not by a job's own class loader."""
        for jar in jars:
            (self._folder / "lib" / jar.name).symlink_to(jar)

    def _configure(self) -> None:
        """The configuration that we hand out, with the ports, folders and sizes of a test."""
        conf = self._folder / "conf"
        for name in ("log4j-console.properties", "log4j-cli.properties"):
            shutil.copy(self._home / "conf" / name, conf)
        opens = re.search("all: (--add.*)", (self._home / "conf" / "config.yaml").read_text())
        assert opens
        own = {
            "env.java.opts.all": f"{opens.group(1)} {self._java}",
            "jobmanager.rpc.address": "127.0.0.1",
            "jobmanager.bind-host": "127.0.0.1",
            "jobmanager.rpc.port": self._rpc,
            "jobmanager.memory.process.size": "800m",
            "taskmanager.host": "127.0.0.1",
            "taskmanager.bind-host": "127.0.0.1",
            "taskmanager.memory.process.size": "1500m",
            "taskmanager.memory.managed.size": "256m",
            # A TaskManager that is killed leaves its state there.
            "io.tmp.dirs": self._folder / "io",
            "rest.address": "127.0.0.1",
            "rest.port": self._rest,
            "execution.checkpointing.dir": f"file://{self._folder}/checkpoints",
            "execution.checkpointing.interval": "2s",
            "execution.checkpointing.min-pause": "1s",
            "restart-strategy.fixed-delay.delay": "500ms",
            "heartbeat.interval": "1000",
            "heartbeat.timeout": "20000",
            "python.executable": self._python,
            "python.client.executable": self._python,
        }
        ours = [line for line in _EXAMPLE.read_text().splitlines() if line.split(":")[0] not in own]
        lines = [*ours, *(f"{key}: {value}" for key, value in own.items())]
        (conf / "config.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _start(self, kind: str) -> Child:
        self._managers += 1
        name = f"{kind}-{self._managers}"
        script = self._home / "bin" / f"{kind}.sh"
        log = self._folder / "log" / f"{name}.log"
        return self._family.start(name, [script, "start-foreground"], log, self._environment())

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": f"{self._python.parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'exporters'}",
            "FLINK_CONF_DIR": str(self._folder / "conf"),
            "FLINK_LIB_DIR": str(self._folder / "lib"),
            "FLINK_LOG_DIR": str(self._folder / "log"),
        }


@contextmanager
def flink_cluster(
    folder: Path, taskmanagers: int, *, quick: bool = True, iceberg: bool = False
) -> Generator[Cluster]:
    """A cluster with so many TaskManagers of one slot, for the length of the block.

    Args:
        folder: for its files.
        taskmanagers: how many to begin with.
        quick: whether virtual machines start fast rather than run fast.
        iceberg: whether it has the connector for Iceberg.
    """
    with children() as family:
        cluster = Cluster(family, folder, pyflink(), quick=quick, iceberg=iceberg)
        for _ in range(taskmanagers):
            cluster.start_taskmanager()
        wait_until(
            lambda: cluster.ask("overview")["slots-total"] >= taskmanagers,
            "the TaskManagers to register",
            _READY_WITHIN_S,
            tuple(family),
        )
        yield cluster


@contextmanager
def flink_over_kafka(
    taskmanagers: int, *, quick: bool = True
) -> Generator[tuple[Cluster, str, Path]]:
    """Such a cluster, the address of a Kafka of its own, and a folder, which goes with the block.

    Args:
        taskmanagers: how many to begin with.
        quick: whether virtual machines start fast rather than run fast.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = Brokers(folder, stack).address("kafka", folder)
        cluster = stack.enter_context(flink_cluster(folder, taskmanagers, quick=quick))
        yield cluster, server, folder


def _home_of(python: Path) -> Path:
    """Where PyFlink keeps the distribution."""
    code = "import importlib.util as u; print(u.find_spec('pyflink').submodule_search_locations[0])"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())
