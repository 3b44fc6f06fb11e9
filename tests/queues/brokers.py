"""Real brokers, each in a folder of its own and on a free port: one of a kind serves all tests of a process."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import uuid
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple

from tests.demo.processes import children, wait_until

__all__ = ["BROKERS", "Brokers", "Started"]


class Started(NamedTuple):
    """How a broker is started: its command, where it is found then, and what is set for it."""

    command: list[str]
    address: str
    environment: Mapping[str, str] = {}


_READY_WITHIN_S: Final = 90


def _redis(folder: Path, port: int) -> Started:
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    command = ["redis-server", *options, "--databases", "1000"]
    return Started(command, f"redis://127.0.0.1:{port}/0")


def _nats(folder: Path, port: int) -> Started:
    return Started(
        ["nats-server", "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(folder / "nats")],
        f"nats://127.0.0.1:{port}",
    )


def _rabbitmq(folder: Path, port: int) -> Started:
    """Erlang's own ports are kept off others', and nobody else's settings are read."""
    enabled = folder / "enabled_plugins"
    enabled.write_text("[].\n", encoding="utf-8")
    settings = folder / "rabbitmq.conf"
    settings.write_text("loopback_users = none\n", encoding="utf-8")
    more = {
        "HOME": str(folder),
        "RABBITMQ_NODENAME": f"test{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(enabled),
        "RABBITMQ_CONFIG_FILE": str(settings),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
    }
    command = ["/usr/lib/rabbitmq/bin/rabbitmq-server"]
    return Started(command, f"amqp://guest:guest@127.0.0.1:{port}/", more)


def _kafka(folder: Path, port: int) -> Started:
    """One node, its own controller. Its store is formatted first."""
    return _kafka_node(folder, port, "PLAINTEXT", "", [])


def _kafka_with_users(folder: Path, port: int) -> Started:
    """One that asks who it is, anew every two seconds; `admin` may make users, by a password of the same name."""
    module = "org.apache.kafka.common.security.scram.ScramLoginModule"
    mechanism = "listener.name.sasl_plaintext.scram-sha-256"
    settings = f"""listener.security.protocol.map=CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT
security.inter.broker.protocol=SASL_PLAINTEXT
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-256
sasl.enabled.mechanisms=SCRAM-SHA-256
{mechanism}.sasl.jaas.config={module} required username="admin" password="admin";
{mechanism}.connections.max.reauth.ms=2000
"""
    admin = ["--add-scram", "SCRAM-SHA-256=[name=admin,password=admin]"]
    return _kafka_node(folder, port, "SASL_PLAINTEXT", settings, admin)


def _kafka_node(folder: Path, port: int, protocol: str, more: str, formatted: list[str]) -> Started:
    controller = free_port()
    settings = folder / "server.properties"
    settings.write_text(
        f"""process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners={protocol}://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={protocol}://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={folder / "kafka"}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
{more}""",
        encoding="utf-8",
    )
    jars = _cache() / "kafka"
    assert jars.is_dir(), "Kafka is not installed: run tests/services.sh"
    java = ["java", "-Xmx384m", "-cp", f"{jars}/*"]
    name = base64.urlsafe_b64encode(b"0" + uuid.uuid4().bytes[1:]).decode().rstrip("=")  # no option
    format_store = [*java, "kafka.tools.StorageTool", "format", "-t", name, "-c", str(settings)]
    format_store += ["--feature", "share.version=1", *formatted]  # before Kafka 4.2 it is off
    subprocess.run(format_store, check=True, capture_output=True, timeout=_READY_WITHIN_S)
    return Started([*java, "kafka.Kafka", str(settings)], f"127.0.0.1:{port}")


def _cache() -> Path:
    """Where `tests/services.sh` keeps what it has made."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "otel-genai-cost"


def _built(server: str) -> Callable[[Path, int], Started]:
    return lambda _, port: Started([str(_cache() / server), str(port)], f"127.0.0.1:{port}")


def _moto(folder: Path, port: int) -> Started:
    """A stand-in for SQS and SNS."""
    return Started(["moto_server", "-H", "127.0.0.1", "-p", str(port)], f"http://127.0.0.1:{port}")


def _postgresql(folder: Path, port: int) -> Started:
    """It refuses to run as root: then it has a namespace in which it is somebody else."""
    programs = _postgresql_programs()
    is_root = os.geteuid() == 0
    prefix = ["unshare", "--user", "--map-user=1000", "--map-group=1000"] if is_root else []
    data = str(folder / "postgresql")
    initdb = [*prefix, str(programs / "initdb"), "-D", data, "-U", "test", "-A", "trust", "-N"]
    subprocess.run(initdb, check=True, capture_output=True, timeout=_READY_WITHIN_S)
    options = ["-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", "", "-F"]
    command = [*prefix, str(programs / "postgres"), *options]
    return Started(command, f"postgresql://test@127.0.0.1:{port}/postgres")


def _postgresql_programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    assert found, "PostgreSQL is not installed: run tests/services.sh"
    return found[-1]


BROKERS: Final[Mapping[str, Callable[[Path, int], Started]]] = {
    "redis": _redis,
    "nats": _nats,
    "rabbitmq": _rabbitmq,
    "kafka": _kafka,
    "kafka_with_users": _kafka_with_users,
    "pubsub": _built("pubsub"),
    "temporal": _built("temporal"),
    "moto": _moto,
    "postgresql": _postgresql,
}


class Brokers:
    """Brokers that are started when they are first asked for, and serve one test after the other.

    Args:
        folder: where each has a folder.
        stack: ends them.
    """

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._addresses: dict[str, str] = {}
        self._numbers = count(1)

    def address(self, kind: str, programs: Path) -> str:
        """The address of a broker that is up: where it has databases, of one that is empty.

        Args:
            kind: which; `none` gives an address at which the driver may listen itself.
            programs: where those stand that come with Python's packages.
        """
        if kind == "none":
            return f"127.0.0.1:{free_port()}"
        if kind not in self._addresses:
            folder = self._folder / kind
            folder.mkdir()
            started = _running(kind, folder, programs)
            self._addresses[kind] = self._stack.enter_context(started)
        return _empty(kind, self._addresses[kind], next(self._numbers))


def _empty(kind: str, address: str, number: int) -> str:
    """Of a broker without databases, a test has queues of its own."""
    server = address.rpartition("/")[0]
    if kind == "redis":
        return f"{server}/{number}"
    if kind == "postgresql":
        createdb = str(_postgresql_programs() / "createdb")
        command = [createdb, f"--maintenance-db={address}", f"test{number}"]
        # It listens a while before it lets anybody in.
        wait_until(
            lambda: subprocess.run(command, capture_output=True, check=False).returncode == 0,
            "a database to be made",
            _READY_WITHIN_S,
        )
        return f"{server}/test{number}"
    return address


@contextmanager
def _running(kind: str, folder: Path, programs: Path) -> Generator[str]:
    port = free_port()
    command, address, more = BROKERS[kind](folder, port)
    program = shutil.which(command[0], path=f"{programs}{os.pathsep}{os.environ['PATH']}")
    assert program, f"{command[0]} is not installed: run tests/services.sh"
    command[0] = program
    with children() as family:
        child = family.start(kind, command, folder / f"{kind}.log", {**os.environ, **more})
        wait_until(lambda: answers(port), f"{kind} to listen", _READY_WITHIN_S, (child,))
        yield address


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
