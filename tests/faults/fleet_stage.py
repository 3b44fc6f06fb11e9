"""A fleet: applications on two nodes, an agent on each, and one ledger; what goes takes its folders along."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Final, NamedTuple

from otel_genai_cost.intake.unshipped import left_in
from otel_genai_cost.journal.receiving import with_senders
from tests.demo.processes import Child, Children, children, wait_until
from tests.demo.stage import clean_environment
from tests.faults.booked import booked
from tests.faults.cgroups import Group, may_have_groups
from tests.faults.fleet_sender import GROUP, Pace, Sender, may_set_apart, send
from tests.faults.row import Row
from tests.queues.brokers import free_port

__all__ = ["ENDS_WITHIN_S", "Fleet", "Kept", "Pod", "fleet", "row_of", "spoken"]

ENDS_WITHIN_S: Final = 300.0
_COMMAND: Final = str(Path(sys.executable).with_name("genai-cost"))
_STEADY: Final = Pace()
_NODES: Final = ("node-0", "node-1")
_forked: Final = multiprocessing.get_context("forkserver")
_forked.set_forkserver_preload(["__main__", "tests.faults.fleet_sender"])


class Kept(NamedTuple):
    """Calls that were made, promised, and are charged; those that were lost although they may not have been; those that
    were lost with a folder, and as many as may have been; charges that are too many."""

    made: int
    promised: int
    charged: int
    lost: int
    gone: int
    bound: int
    outlived: int
    doubled: int


class Pod:
    """An application's place: its node, its folder, and what it said while it had that folder.

    Args:
        number: of the pod.
        fleet: the folder of all.
        user: whom it runs as; 0 for nobody else.
        group: that its processes belong to.
    """

    def __init__(self, number: int, fleet: Path, user: int, group: Group | None) -> None:
        self.number, self.user, self.node = number, user, _NODES[number % len(_NODES)]
        self.group = group
        self.folder = fleet / self.node / f"pod-{number}"
        self.said = fleet / "said" / f"{number}-0"
        self.process: ForkServerProcess | None = None
        self.fates = dict[Path, str]()

    def kill(self) -> None:
        """Its process ends at once, and whatever else is in its group; its folder stays."""
        if self.group is not None:
            self.group.kill()
        if self.process is not None:
            self.process.kill()
            self.process.join()

    def remove(self, with_what: str) -> None:
        """Its folder goes: another life begins."""
        self.kill()
        shutil.rmtree(self.folder)
        self.fates[self.said] = with_what
        self.said = self.said.with_name(f"{self.number}-{len(self.fates)}")


class Fleet:
    """Everything that runs, and what it said.

    Args:
        folder: where all of it is.
        started: the servers.
        level: what the applications declare.
        pods: how many there are.
        ports: the ledger's, and the one that agents send to, 0 if it is the same.
    """

    def __init__(
        self, folder: Path, started: Children, level: str, pods: int, ports: tuple[int, int]
    ) -> None:
        self.folder, self.home, self.level = folder, folder / "ledger", level
        self.silent = folder / "silent"
        (self.port, self._relay), self._started = ports, started
        self.is_apart, self.has_groups = may_set_apart(), may_have_groups()
        (folder / "said").mkdir()
        for node in _NODES:
            self._make(folder / node / "run", GROUP)
        users = (30_000 + n if self.is_apart else 0 for n in range(pods))
        self.pods = [Pod(n, folder, user, self._group(n)) for n, user in enumerate(users)]
        self.servers = dict[str, Child]()

    def _group(self, number: int) -> Group | None:
        return Group(f"genai-cost-{os.getpid()}-{number}") if self.has_groups else None

    @property
    def apart(self) -> str:
        """How far the applications are set apart here."""
        own = "each a user and a network of its own" if self.is_apart else "one user, one network"
        return f"{own}, a control group each" if self.has_groups else f"{own}, no control groups"

    def start(self, pace: Pace = _STEADY) -> None:
        """Start the servers, then the applications."""
        for name in ("ledger", *_NODES):
            self.serve(name)
        for name, child in self.servers.items():
            child.find("on to http" if name in _NODES else str(self.port))
        for pod in self.pods:
            self.run(pod, pace)

    def _make(self, folder: Path, group: int = -1, user: int = -1) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if self.is_apart:
            os.chown(folder, user, group)
            folder.chmod(0o2770)

    def serve(self, name: str) -> None:
        """Start the ledger or a node's agent."""
        where = self.folder / name
        to = f"http://127.0.0.1:{self._relay or self.port}"
        command = (
            ["ledger", "serve", "--ledger", str(where), "--listen", f"127.0.0.1:{self.port}"]
            if name == "ledger"
            else [
                "agent",
                "--to",
                to,
                "--folder",
                str(where / "agent"),
                *("--listen", self._at(name)),
            ]
        )
        self.servers[name] = self.begin(name, *command)

    def begin(self, name: str, *command: str) -> Child:
        """Start one of our commands."""
        environment = {
            **clean_environment(),
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "OTEL_GENAI_COST_REGISTRY": str(self.folder / "registry"),
        }
        log = self.folder / f"{name}-{len(self._started)}.log"
        return self._started.start(name, [_COMMAND, *command], log, environment)

    def _at(self, node: str) -> str:
        return f"unix://{self.folder / node / 'run' / 'agent.sock'}"

    def run(self, pod: Pod, pace: Pace = _STEADY) -> None:
        """Start a pod's application."""
        self._make(pod.folder, GROUP, pod.user)
        settings = {
            "HOME": str(pod.folder),
            "TMPDIR": str(pod.folder),
            "OTEL_GENAI_COST_JOURNAL": str(pod.folder / "journal"),
            "OTEL_GENAI_COST_SHIP_TO": self._at(pod.node),
            "OTEL_GENAI_COST_DURABILITY": self.level,
            "OTEL_GENAI_COST_REGISTRY": str(self.folder / "registry"),
            "OTEL_GENAI_COST_TENANT": "baggage:tenant.id",
        }
        sender = Sender(pod.said, self.silent, pod.user, pod.group, settings, pace)
        pod.process = _forked.Process(target=send, args=(sender,), daemon=True)
        pod.process.start()

    def kill_server(self, name: str) -> None:
        """Kill the ledger or an agent at once."""
        one = self.servers[name].process
        one.send_signal(signal.SIGKILL)
        one.wait()

    def lose_node(self, node: str) -> None:
        """A node goes, with its agent, its pods and all their folders, and another comes."""
        self.kill_server(node)
        of_it = [pod for pod in self.pods if pod.node == node]
        for pod in of_it:
            pod.remove("node")
            pod.fates = dict.fromkeys(pod.fates, "node")  # the agent had what earlier ones left
        shutil.rmtree(self.folder / node / "agent")
        self.serve(node)
        for pod in of_it:
            self.run(pod)

    def settle(self) -> Kept:
        """Let everybody be silent, everything go on, and count."""
        self.silent.touch()
        servers = tuple(self.servers.values())
        journals = [pod.folder / "journal" for pod in self.pods]
        wait_until(
            lambda: not list(left_in(journals)), "that pods are left", ENDS_WITHIN_S, servers
        )
        for pod in self.pods:
            if pod.process is not None:
                pod.process.terminate()
        for pod in self.pods:
            if pod.process is not None:
                pod.process.join(60)
        agents = [self.folder / node / "agent" / "journal" for node in _NODES]
        wait_until(
            lambda: not list(left_in(with_senders(agents))),
            "that agents are left",
            ENDS_WITHIN_S,
            servers,
        )
        for one in reversed(servers):
            one.stop(60)
        drain = [_COMMAND, "ship", "--drain", "--ledger", str(self.home)]
        subprocess.run(drain, check=True, capture_output=True, timeout=ENDS_WITHIN_S)
        return self.counted()

    def counted(self) -> Kept:
        """What was said, beside what is charged."""
        done, made, promised = booked(self.home), set[str](), set[str]()
        lost, gone, bound, outlived = 0, 0, 0, 0
        for pod in self.pods:
            for said in (*pod.fates, pod.said):
                ended, kept = spoken(said)
                made |= ended
                promised |= kept
                may_go = _may_go(self.level, pod.fates.get(said), ended, kept)
                bound += len(may_go)
                gone += len(may_go - done.spans)
                outlived += len(ended & done.spans) if said in pod.fates else 0
                lost += len(ended - may_go - done.spans)
        return Kept(
            len(made), len(promised), done.charges, lost, gone, bound, outlived, done.doubled
        )

    def promise(self, pods: Sequence[Pod]) -> None:
        """Wait until each of these has been told that some of its calls are durable."""
        needs = tuple(self.servers.values())
        wait_until(
            lambda: all(spoken(pod.said)[1] for pod in pods), "a promise", ENDS_WITHIN_S, needs
        )


def _may_go(level: str, fate: str | None, made: set[str], promised: set[str]) -> set[str]:
    """What may be lost with what went: nothing if the folder is there; what was promised only if that went as well."""
    if fate is None:
        return set()
    covers = level == "node" or (level == "pod" and fate == "pod")
    return made - promised if covers else made


def spoken(said: Path) -> tuple[set[str], set[str]]:
    """The calls whose spans ended, and those among them that are durable, as a process said."""
    every, promised, asked = set[str](), set[str](), dict[str, set[str]]()
    own = set[str]()
    for kind, _, value in _lines(said):
        if kind == "began":
            own, asked = set(), {}
        elif kind == "made":
            own.add(value)
            every.add(value)
        elif kind == "asked":
            asked[value] = set(own)
        elif kind == "promised":
            promised |= asked.pop(value)
    return every, promised


def _lines(said: Path) -> Iterator[tuple[str, str, str]]:
    if said.exists():
        for line in said.read_text("utf-8", "replace").splitlines():
            yield line.partition(" ")


def row_of(what: str, wanted: str, done: Kept, began_s: float, also: bool = True) -> Row:
    """The row of what was done: it holds if there were promises, none was broken and nothing is there twice."""
    found = (
        f"{done.made} made, {done.promised} promised, {done.charged} charged, {done.lost} lost, "
        f"{done.gone} gone with folders (of {done.bound} that may; {done.outlived} outlived theirs), "
        f"{done.doubled} doubled"
    )
    held = also and done.made > 0 and done.promised > 0 and not done.lost and not done.doubled
    return Row(what, wanted, found, held, time.monotonic() - began_s)


@contextmanager
def fleet(level: str, pods: int, port: int = 0, relay: int = 0) -> Generator[Fleet]:
    """A fleet that is not there any more afterwards."""
    with tempfile.TemporaryDirectory(prefix="fleet-") as name, children() as started:
        folder = Path(name)
        folder.chmod(0o755)
        made = Fleet(folder, started, level, pods, (port or free_port(), relay))
        try:
            yield made
        finally:
            for pod in made.pods:
                pod.kill()
                if pod.group is not None:
                    pod.group.remove()
