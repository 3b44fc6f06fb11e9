"""Each server that applications run under, asked to end and killed while it serves, at each durability: what it took,
what it was promised, and what is charged. At `pod` and `node` its folder goes with it, as that of a pod does."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.forwarding.daemon import Forwarding
from otel_genai_cost.forwarding.destination import Destination, parse_address
from tests.demo.processes import ROOT, Child, Children, children, wait_until
from tests.demo.stage import clean_environment
from tests.faults.booked import Booked, booked
from tests.faults.row import Row
from tests.queues.brokers import free_port

__all__ = ["rows"]

_ENDS_WITHIN_S: Final = 120.0
_CALLS_MIN: Final = 30
_PROMISED_MIN: Final = 2
_LEVELS: Final = ("process", "pod", "node")
_ENDS: Final = {"SIGTERM": signal.SIGTERM, "SIGKILL": signal.SIGKILL}
_COMMAND: Final = str(Path(sys.executable).with_name("genai-cost"))
_PROGRAM: Final = "tests.faults.server_program"
_GUNICORN: Final = "gunicorn -b 127.0.0.1:{port} -w 2 "
_TASKS: Final = "celery -A tests.faults.server_tasks worker -P prefork -c 2 --loglevel WARNING"
_SERVERS: Final = {
    "uvicorn": f"uvicorn --port {{port}} {_PROGRAM}:asgi",
    "gunicorn, sync": f"{_GUNICORN} {_PROGRAM}:wsgi",
    "gunicorn, gthread": f"{_GUNICORN} --threads 4 {_PROGRAM}:wsgi",
    "gunicorn, uvicorn's worker": f"{_GUNICORN} -k uvicorn_worker.UvicornWorker {_PROGRAM}:asgi",
    "uvicorn, 2 workers": f"uvicorn --port {{port}} --workers 2 {_PROGRAM}:asgi",
    "hypercorn, 2 workers": f"hypercorn -b 127.0.0.1:{{port}} -w 2 {_PROGRAM}:asgi",
    "granian, 2 workers": f"granian --interface asgi --port {{port}} --workers 2 {_PROGRAM}:asgi",
    "uwsgi, 2 processes": "pyuwsgi --http-socket 127.0.0.1:{port} --master --processes 2 --enable-threads "
    f"--die-on-term --need-app --module {_PROGRAM}:wsgi",
    "celery, prefork": _TASKS,
}
_SHORT: Final = ("uvicorn", "gunicorn, sync")
_INSTALLED: Final = (
    *("uvicorn", "uvicorn-worker", "gunicorn", "hypercorn", "granian", "pyuwsgi", "celery"),
    "opentelemetry-distro",
)


class _Run(NamedTuple):
    """A server at a level that ended in a way, and the file in which it said what it did."""

    server: str
    level: str
    end: str
    said: Path


class _Stage:
    """A ledger and an agent for all of them.

    Args:
        folder: where everything is.
        started: the processes.
        python: of the environment that has the servers.
    """

    def __init__(self, folder: Path, started: Children, python: str) -> None:
        self.folder, self.home, self._started = folder, folder / "ledger", started
        self._bin = Path(python).parent
        self._at = {"ledger": free_port(), "agent": free_port()}
        self._environment = {
            **clean_environment(),
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "PATH": f"{self._bin}{os.pathsep}{os.environ['PATH']}",
            "OTEL_GENAI_COST_REGISTRY": str(folder / "registry"),
            "OTEL_GENAI_COST_TENANT": "baggage:tenant.id",
            **{f"OTEL_{one}_EXPORTER": "none" for one in ("TRACES", "METRICS", "LOGS")},
        }
        self._serve("ledger", "ledger", "serve", "--ledger", str(self.home))
        self._serve(
            "agent", "agent", "--to", self._url("ledger"), "--folder", str(folder / "agent")
        )

    def _url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._at[name]}"

    def _serve(self, name: str, *command: str) -> None:
        listen = ("--listen", f"127.0.0.1:{self._at[name]}")
        log = self.folder / f"{name}.log"
        child = self._started.start(name, [_COMMAND, *command, *listen], log, self._environment)
        child.find(rf"journals at .*:{self._at[name]}")

    def run(self, server: str, level: str, end: str) -> _Run:
        """Start it, let it work until there are promises, and end it while it works."""
        name = "-".join((server.replace(" ", "").replace("'", ""), level, end))
        folder = self.folder / name
        (folder / "tasks").mkdir(parents=True)
        said, port = folder / "said", free_port()
        with children() as own:
            child = self._started_server(own, server, level, folder, port)
            stop = threading.Event()
            load = threading.Thread(target=_load, args=(server, folder, port, stop))
            load.start()
            try:
                wait_until(lambda: _has_promises(said), "promises", _ENDS_WITHIN_S, (child,))
                self._end(child, _ENDS[end])
            finally:
                stop.set()
                load.join()
        if level != "process":
            shutil.rmtree(folder / "journal")
        return _Run(server, level, end, said)

    def _started_server(
        self, own: Children, server: str, level: str, folder: Path, port: int
    ) -> Child:
        words = [word.format(port=port) for word in _SERVERS[server].split()]
        sent = {
            "OTEL_GENAI_COST_DURABILITY": level,
            "OTEL_GENAI_COST_SHIP_TO": "" if level == "process" else self._url("agent"),
            "OTEL_GENAI_COST_JOURNAL": str(folder / "journal"),
            "FAULTS_SAID": str(folder / "said"),
            "FAULTS_TASKS": str(folder / "tasks"),
        }
        command: list[str | Path] = [
            self._bin / "opentelemetry-instrument",
            self._bin / words[0],
            *words[1:],
        ]
        return own.start(server, command, folder / "log", {**self._environment, **sent})

    def _end(self, child: Child, how: signal.Signals) -> None:
        """Asked, its first process passes it on; killed, all of them are, as those of a pod."""
        if how is signal.SIGTERM:
            child.stop(_ENDS_WITHIN_S)
        with suppress(ProcessLookupError):
            os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait()

    def settle(self) -> Booked:
        """Send what journals still have, as a sidecar does, let all of it be booked, and count."""
        address = parse_address(self._url("ledger"))
        assert address is not None
        journals = sorted(self.folder.glob("*/journal"))
        agents = [one for one in journals if one.parent.name == "agent"]
        sent = Forwarding(lambda: set(journals) - set(agents), Destination(address))
        assert sent.drain(_ENDS_WITHIN_S)
        sent.stop()
        for one in reversed(self._started):
            one.stop(60)
        drain = [_COMMAND, "ship", "--drain", "--ledger", str(self.home)]
        subprocess.run(drain, check=True, capture_output=True, timeout=_ENDS_WITHIN_S)
        return booked(self.home)


def _load(server: str, folder: Path, port: int, stop: threading.Event) -> None:
    """Requests on four threads, or tasks, until there is nobody who takes them."""
    if server.startswith("celery"):
        from tests.faults.server_tasks import tasks_in

        app: Any = tasks_in(str(folder / "tasks"))
        while not stop.wait(0.005):
            app.send_task("work")
        return
    threads = [threading.Thread(target=_requests, args=(port, stop)) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()


def _requests(port: int, stop: threading.Event) -> None:
    while not stop.wait(0.005):
        with suppress(OSError, urllib.error.URLError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()


def _spoken(said: Path) -> tuple[set[str], set[str]]:
    """What was made, and what of it was promised."""
    found: dict[str, set[str]] = {"made": set(), "promised": set()}
    if said.exists():
        for line in said.read_text().splitlines():
            word, _, span = line.partition(" ")
            found[word].add(span)
    return found["made"], found["promised"]


def _has_promises(said: Path) -> bool:
    made, promised = _spoken(said)
    return len(made) >= _CALLS_MIN and len(promised) >= _PROMISED_MIN


def rows(short: bool) -> Iterator[Row]:
    """A row for each server and each way to end, over all levels."""
    began_s = time.monotonic()
    names = _SHORT if short else tuple(_SERVERS)
    done: list[list[_Run]] = []
    took: list[float] = []
    with tempfile.TemporaryDirectory(prefix="servers-") as name, children() as started:
        folder = Path(name)
        stage = _Stage(folder, started, _python(folder, short))
        with ThreadPoolExecutor(len(_LEVELS)) as pool:
            for server in names:
                for end in _ENDS:
                    runs = [pool.submit(stage.run, server, level, end) for level in _LEVELS]
                    done.append([one.result() for one in runs])
                    took.append(time.monotonic() - began_s)
                    began_s = time.monotonic()
        counted = stage.settle()
        for ended, seconds in zip(done, took, strict=True):
            yield _row(ended, counted, seconds)


def _row(runs: list[_Run], counted: Booked, seconds: float) -> Row:
    told: list[str] = []
    held = not counted.doubled
    for one in runs:
        made, promised = _spoken(one.said)
        may_go = made - promised if one.end == "SIGKILL" and one.level != "process" else set()
        lost = made - may_go - counted.spans
        told.append(
            f"{one.level}: {len(made)} made, {len(promised)} promised, {len(made & counted.spans)} charged, "
            f"{len(lost)} lost, {len(may_go - counted.spans)} gone of {len(may_go)} that may"
        )
        held = held and not lost
    return Row(
        f"{runs[0].server}: {runs[0].end} while it serves",
        "0 lost, 0 doubled",
        f"{'; '.join(told)}; {counted.doubled} doubled",
        held,
        seconds,
    )


def _python(folder: Path, short: bool) -> str:
    """An environment with all of them; the short form's are in this one."""
    if given := os.environ.get("FAULTS_PYTHON"):
        return given
    if short:
        return sys.executable
    made = str(folder / "environment" / "bin" / "python")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "environment")], check=True)
    install = [made, "-m", "pip", "install", "--quiet", "--editable", f"{ROOT}[cli,fast]"]
    subprocess.run([*install, *_INSTALLED], check=True)
    return made
