"""Each server that applications run under, asked to end and killed while it serves, at each durability."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.demo.processes import ROOT, Child, Children, children
from tests.faults.ended import Stage, rows_of
from tests.faults.row import Row
from tests.queues.brokers import free_port

__all__ = ["rows"]

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


def _start(
    server: str, programs: Path, own: Children, folder: Path, environment: dict[str, str]
) -> tuple[Child, AbstractContextManager[object]]:
    (folder / "tasks").mkdir()
    port = free_port()
    words = [word.format(port=port) for word in _SERVERS[server].split()]
    command: list[str | Path] = [
        programs / "opentelemetry-instrument",
        programs / words[0],
        *words[1:],
    ]
    environment["FAULTS_TASKS"] = str(folder / "tasks")
    child = own.start(server, command, folder / "log", environment)
    return child, _loading(server, folder, port)


@contextmanager
def _loading(server: str, folder: Path, port: int) -> Generator[None, None, None]:
    stop = threading.Event()
    load = threading.Thread(target=_load, args=(server, folder, port, stop))
    load.start()
    try:
        yield
    finally:
        stop.set()
        load.join()


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


def rows(short: bool) -> Iterator[Row]:
    """A row for each server and each way to end, over all levels."""
    with tempfile.TemporaryDirectory(prefix="servers-") as name, children() as started:
        folder = Path(name)
        programs = Path(_python(folder, short)).parent
        servers = _SHORT if short else tuple(_SERVERS)
        starts = {one: partial(_start, one, programs) for one in servers}
        yield from rows_of(Stage(folder, started, programs), starts)


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
