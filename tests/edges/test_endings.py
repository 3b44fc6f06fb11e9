"""Servers that are asked to end by SIGTERM, as Kubernetes and systemd do: what they took is sent first, to its end.

A process that a signal ends leaves no word that nothing follows; that is how these tests tell, whatever the pace.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from uvicorn import Config
from uvicorn import Server as UvicornServer

from otel_genai_cost import endings
from otel_genai_instrumentors.edges.uvicorn_end import UvicornEndInstrumentor
from tests.demo.processes import ROOT
from tests.edges.rig import serving
from tests.forwarding.receivers import Running, running

_UVICORN: Final = "uvicorn --port {port} tests.edges.endings:asgi"
_GUNICORN: Final = "gunicorn -b 127.0.0.1:{port} "
_OF_OTHERS: Final = {
    "uvicorn": _UVICORN,
    "uvicorn-workers": _UVICORN + " --workers 2",
    "gunicorn-sync": _GUNICORN + "tests.edges.endings:wsgi",
    "gunicorn-gthread": _GUNICORN + "--threads 2 tests.edges.endings:wsgi",
    "gunicorn-uvicorn": _GUNICORN + "-k uvicorn.workers.UvicornWorker tests.edges.endings:asgi",
    "hypercorn": "hypercorn -b 127.0.0.1:{port} tests.edges.endings:asgi",
}
_RELEASES: Final = {
    "oldest": ("uvicorn==0.20.0", "gunicorn==20.1.0", "hypercorn==0.15.0", "setuptools<80"),
    "0.29": ("uvicorn==0.29.0", "gunicorn", "hypercorn"),
    "newest": ("uvicorn", "gunicorn", "hypercorn", "uvicorn-worker"),
}
"""Uvicorn ends by the signal itself since 0.29."""


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path / "there") as made:
        yield made


@pytest.fixture(scope="session", params=_RELEASES)
def python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An environment with these servers of one release; or one that is named, to run a case by hand."""
    if given := os.environ.get("ENDINGS_PYTHON"):
        return given
    folder = tmp_path_factory.mktemp(request.param)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    inside = str(folder / "bin" / "python")
    install = [inside, "-m", "pip", "install", "--quiet", "--editable", str(ROOT)]
    subprocess.run([*install, "opentelemetry-distro", *_RELEASES[request.param]], check=True)
    return inside


def _ended(
    folder: Path, receiver: Running, command: str, python: str, **more: str
) -> tuple[int, dict[str, bytes], str]:
    """Asked once and ended: its exit code, the segments of its journal that have calls, and what it said."""
    settings = {
        "OTEL_GENAI_COST_DURABILITY": "node",
        "OTEL_GENAI_COST_SHIP_TO": receiver.url,
        **more,
    }
    with serving(folder, command.split(), settings, python) as server:
        urllib.request.urlopen(f"{server.url}/?only", timeout=30).close()
        code = server.child.stop(60)
        journal = {path.stem: path.read_bytes() for path in server.journal.glob("*.jsonl")}
        with_calls = {name: lines for name, lines in journal.items() if b'"only"' in lines}
        return code, with_calls, server.child.output()


def _assert_sent(receiver: Running, journal: dict[str, bytes], said: str) -> None:
    assert len(journal) == 1, said
    assert journal.items() <= receiver.kept().items(), said
    assert set(journal) <= receiver.finished(), said


def test_uvicorn_sends_what_it_took_before_the_signal_ends_it(
    tmp_path: Path, receiver: Running
) -> None:
    code, journal, said = _ended(tmp_path, receiver, _UVICORN, sys.executable)
    assert code == -signal.SIGTERM, said
    _assert_sent(receiver, journal, said)


@pytest.mark.environments
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", _OF_OTHERS)
def test_every_server_sends_what_it_took(
    python: str, tmp_path: Path, receiver: Running, kind: str
) -> None:
    _, journal, said = _ended(tmp_path, receiver, _OF_OTHERS[kind], python)
    _assert_sent(receiver, journal, said)


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN, lambda *_: None])
@pytest.mark.parametrize("caught", [[], [signal.SIGTERM]])
def test_only_a_signal_that_will_end_the_process_is_an_end(
    monkeypatch: pytest.MonkeyPatch, handler: Any, caught: list[signal.Signals]
) -> None:
    ended: list[bool] = []
    monkeypatch.setattr(endings, "end", lambda: ended.append(True))
    monkeypatch.setattr(UvicornServer, "_serve", _serving(caught))
    instrumentor = UvicornEndInstrumentor()
    instrumentor.instrument()
    before = signal.signal(signal.SIGTERM, handler)
    server = UvicornServer(Config(_nothing))
    monkeypatch.setattr(signal, "raise_signal", lambda _: ended.append(False))
    try:
        asyncio.run(server.serve())
    finally:
        signal.signal(signal.SIGTERM, before)
        instrumentor.uninstrument()
    ends = bool(caught) and handler is signal.SIG_DFL
    assert ended == [True] * ends + [False] * len(caught)


def _serving(caught: list[signal.Signals]) -> Any:
    async def serve(server: Any, sockets: Any) -> None:
        for each in caught:
            server.handle_exit(each, None)

    return serve


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    """An application."""
