"""Servers and frameworks that the tests' own environment doesn't have, in one of their own: right tenant or none.

Upstream's instrumentations are installed there; each case runs with them, and with them switched off by name, since an
edge must not need them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.demo.processes import ROOT
from tests.edges.rig import Told, asked, serving, told
from tests.edges.test_grpc import METHODS, asked_by_grpc

pytestmark = [pytest.mark.environments, pytest.mark.timeout(900)]

_WANTED: Final = (
    *("flask", "django", "gunicorn", "gevent", "aiohttp", "hypercorn", "waitress", "pyuwsgi"),
    "grpcio",
    *("uvicorn", "uvicorn-worker", "fastapi", "opentelemetry-distro"),
    *(f"opentelemetry-instrumentation-{name}" for name in ("flask", "django", "wsgi", "asgi")),
    *(f"opentelemetry-instrumentation-{name}" for name in ("aiohttp-server", "fastapi", "grpc")),
    "opentelemetry-instrumentation-threading",
)
_UPSTREAM: Final = "flask,django,wsgi,asgi,fastapi,aiohttp-server"
_WSGI: Final = ("/now", "/stream", "/later", "/sub/now")
_PLAIN: Final = ("/now", "/stream")
_DJANGO: Final = ("/now", "/stream", "/later")
_AIOHTTP: Final = ("/now", "/stream", "/sub/now", "/ws")
_ASGI: Final = ("/now", "/stream", "/later", "/sub/now")
_GUNICORN: Final = "gunicorn -b 127.0.0.1:{port} "
_WAITRESS: Final = "waitress-serve --listen 127.0.0.1:{port} "
_UWSGI: Final = "pyuwsgi --http-socket 127.0.0.1:{port} --enable-threads --die-on-term --need-app "
_SERVERS: Final = {
    "flask-gunicorn-sync": (_GUNICORN + "tests.edges.flask_app:app", _WSGI),
    "flask-gunicorn-gthread": (_GUNICORN + "--threads 2 tests.edges.flask_app:app", _WSGI),
    "flask-gunicorn-gevent": (_GUNICORN + "-k gevent tests.edges.flask_app:app", _WSGI),
    "flask-werkzeug": ("flask --app tests.edges.flask_app run -p {port}", _WSGI),
    "flask-waitress": (_WAITRESS + "tests.edges.flask_app:app", _WSGI),
    "flask-uwsgi": (_UWSGI + "--module tests.edges.flask_app:app", _WSGI),
    "plain-gunicorn": (_GUNICORN + "--threads 2 tests.edges.flask_app:plain", _PLAIN),
    "plain-waitress": (_WAITRESS + "tests.edges.flask_app:plain", _PLAIN),
    "plain-hypercorn": ("hypercorn -b 127.0.0.1:{port} wsgi:tests.edges.flask_app:plain", _PLAIN),
    "django-gunicorn": (_GUNICORN + "tests.edges.django_app:wsgi", _DJANGO),
    "django-uvicorn": ("uvicorn --port {port} tests.edges.django_app:asgi", _DJANGO),
    "fastapi-gunicorn-uvicorn": (
        _GUNICORN + "-w 2 -k uvicorn_worker.UvicornWorker tests.edges.asgi:api",
        _ASGI,
    ),
    "fastapi-uvicorn-workers": (
        "uvicorn --port {port} --workers 2 --timeout-worker-healthcheck 60 tests.edges.asgi:api",
        _ASGI,
    ),
    "fastapi-hypercorn": ("hypercorn -b 127.0.0.1:{port} tests.edges.asgi:api", _ASGI),
    "asgi-hypercorn": ("hypercorn -b 127.0.0.1:{port} tests.edges.asgi:plain", _ASGI),
    "asgi-gunicorn": (_GUNICORN + "-k asgi tests.edges.asgi:plain", _ASGI),
    "aiohttp": ("python -m tests.edges.aiohttp_app {port}", _AIOHTTP),
}


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An environment with all of these servers, made once; or one that is named, to run a case by hand."""
    if given := os.environ.get("EDGE_PYTHON"):
        return given
    folder = tmp_path_factory.mktemp("servers")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    inside = str(folder / "bin" / "python")
    install = [inside, "-m", "pip", "install", "--quiet"]
    subprocess.run([*install, "--editable", f"{ROOT}[cli,fast]", *_WANTED], check=True)
    return inside


def _environment(kind: str, disabled: str) -> dict[str, str]:
    return {
        "OTEL_GENAI_COST_TENANT": "header:x-org-id",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": disabled,
        "DJANGO_SETTINGS_MODULE": "tests.edges.django_settings",
        **({"EDGE_ASGI": "1"} if kind == "django-uvicorn" else {}),
    }


@pytest.mark.parametrize("disabled", ["", _UPSTREAM], ids=["traced", "untraced"])
@pytest.mark.parametrize("kind", _SERVERS)
def test_right_tenant_or_none(python: str, tmp_path: Path, kind: str, disabled: str) -> None:
    command, paths = _SERVERS[kind]
    with serving(tmp_path, command.split(), _environment(kind, disabled), python) as server:
        right = asked(server, paths)
        assert told(server, right) == right, server.child.output()
        assert "edge_bypassed" not in server.child.output()


@pytest.mark.parametrize("kind", METHODS)
@pytest.mark.parametrize("off", [False, True], ids=["edge", "no edge"])
def test_grpc_traced_by_upstream(python: str, tmp_path: Path, kind: str, off: bool) -> None:
    environment = _environment(kind, "genai_cost_grpc_server" if off else "")
    command = ["python", "-m", "tests.edges.grpc_app", kind, "{port}"]
    with serving(tmp_path, command, environment, python) as server:
        # Upstream's interceptor breaks the aio server's other kinds of functions, with us or without.
        right = asked_by_grpc(server, ("now", "stream"))
        nobody = {name: Told(None, "edge_bypassed") for name in right}
        found = told(server, right)
        assert found == (nobody if off else right), server.child.output()


@pytest.mark.parametrize("kind", ["flask-gunicorn-gthread", "django-gunicorn", "aiohttp"])
def test_consumer_started_in_a_request_is_nobodys(python: str, tmp_path: Path, kind: str) -> None:
    command, _ = _SERVERS[kind]
    with serving(tmp_path, command.split(), _environment(kind, ""), python) as server:
        names = asked(server, ("/consume",))
        assert {one.tenant for one in told(server, names).values()} == {None}


@pytest.mark.parametrize("kind", ["flask-gunicorn-sync", "django-gunicorn", "aiohttp"])
def test_edge_that_is_not_in_the_way(python: str, tmp_path: Path, kind: str) -> None:
    names = ("flask", "django", "gunicorn", "wsgi", "aiohttp_server")
    off = ",".join(f"genai_cost_{name}" for name in names)
    command, _ = _SERVERS[kind]
    with serving(tmp_path, command.split(), _environment(kind, off), python) as server:
        found = told(server, asked(server, ("/now",)))
        assert {one.tenant for one in found.values()} == {None}
        assert found["now-acme"] == found["now-nobody"] == Told(None, "edge_bypassed")
        assert server.child.output().count("(edge_bypassed)") == 1
