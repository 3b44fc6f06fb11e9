"""`genai-cost doctor` on what is known to lose a tenant: each trap holds where it should, and nowhere else."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.cli.doctor.pitfalls import PITFALLS, QUEUES, Pitfall
from otel_genai_cost.cli.doctor.settings import propagators
from otel_genai_cost.cli.doctor.surroundings import (
    Surroundings,
    judged_pitfall,
    judged_queue,
)
from otel_genai_cost.cli.home import Home
from otel_genai_instrumentors.manifest import MANIFEST
from tests.cli.command import run_installed

_NONE = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")}
_BY_NAME = {pitfall.name: pitfall for pitfall in PITFALLS}


def _around(
    installed: Mapping[str, str] | None = None,
    instrumentors: tuple[str, ...] = (),
    environ: Mapping[str, str] | None = None,
    place: str | None = None,
) -> Surroundings:
    found = installed or {}
    return Surroundings(found.get, frozenset(instrumentors), environ or {}, lambda _: place)


def _state(name: str, **around: Any) -> str | None:
    found = judged_pitfall(_BY_NAME[name], _around(**around))
    return None if found is None else found.state


@pytest.mark.parametrize(
    ("name", "around", "state"),
    [
        ("taskiq", {"installed": {"taskiq": "0.13.0"}}, "failure"),
        ("taskiq", {"installed": {"taskiq": "0.13.0", "psutil": "7"}}, None),
        ("taskiq", {"installed": {"psutil": "7"}}, None),
        (
            "taskiq",
            {"installed": {"taskiq": "0.13.0"}, "instrumentors": ("genai_cost_taskiq",)},
            None,
        ),
        ("gevent", {"installed": {"gevent": "25.1"}}, "warning"),
        ("gevent", {"installed": {"gevent": "25.1"}, "place": "Procfile:1"}, "failure"),
        ("Celery's span links", {"installed": {"celery": "5.7"}}, None),
        ("Celery's span links", {"installed": {"celery": "5.7"}, "place": "a.py:3"}, "failure"),
        (
            "Celery's span links",
            {
                "installed": {"celery": "5.7"},
                "place": "a.py:3",
                "instrumentors": ("genai_cost_celery",),
            },
            None,
        ),
        ("FastStream", {"installed": {"faststream": "0.7.8"}}, "warning"),
        ("FastStream", {"installed": {"faststream": "0.7.8"}, "place": "a.py:3"}, "failure"),
        ("Django", {"installed": {"django": "5.2"}}, None),
        ("Django", {"installed": {"django": "5.2"}, "instrumentors": ("django",)}, "warning"),
        ("MCP over HTTP", {"installed": {"mcp": "2.3.0"}}, "warning"),
    ],
)
def test_a_trap_holds_where_nothing_mends_it(
    name: str, around: dict[str, Any], state: str | None
) -> None:
    assert _state(name, **around) == state


def test_variables_mend_some() -> None:
    name = "OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH"
    gevent: dict[str, Any] = {"installed": {"gevent": "25.1"}}
    assert _state("gevent", **gevent, environ={name: "patch_all"}) is None
    assert _state("gevent", **gevent, environ={name: "patch_time"}) == "warning"
    django: dict[str, Any] = {"installed": {"django": "5.2"}, "instrumentors": ("django",)}
    assert _state("Django", **django, environ={"DJANGO_SETTINGS_MODULE": "shop.settings"}) is None


@pytest.mark.parametrize(
    ("name", "library", "broken", "newer"),
    [
        ("RQ", "opentelemetry-instrumentation-rq", "0.1.4", "0.2.0"),
        ("Dramatiq", "opentelemetry-instrumentor-dramatiq", "0.1.4", "0.1.5"),
        ("arq", "opentelemetry-instrumentation-arq", "0.50b1", "0.51b0"),
    ],
)
def test_broken_instrumentors_are_known_by_their_releases(
    name: str, library: str, broken: str, newer: str
) -> None:
    name = f"third-party instrumentor of {name}"
    assert _state(name, installed={library: broken}) == "failure"
    assert _state(name, installed={library: newer}) is None


def test_a_queue_library_that_nobody_instruments_is_named() -> None:
    by_library = {one.library: one for one in QUEUES}
    huey = _around({"huey": "3.5"})
    found = judged_queue(by_library["huey"], huey)
    assert found is not None and found.state == "warning"
    assert "huey 3.5" in found.seen and "`with job(headers):`" in found.remedy
    assert judged_queue(by_library["rq"], huey) is None
    mended = _around({"huey": "3.5"}, ("genai_cost_huey",))
    assert judged_queue(by_library["huey"], mended) is None
    celery = judged_queue(by_library["celery"], _around({"celery": "5.7"}))
    assert celery is not None and "opentelemetry-instrumentation-celery" in celery.remedy


def test_the_tables_agree_with_the_manifest() -> None:
    named = {library.library: library.instrumentors for library in QUEUES}
    ours = [row for row in MANIFEST if row.kind == "queue" and row.library in named]
    assert [row.library for row in ours if row.entry_point not in named[row.library]] == []
    assert len(ours) >= 5
    assert len({pitfall.name for pitfall in PITFALLS}) == len(PITFALLS)
    assert all(pitfall.fault and pitfall.remedy for pitfall in PITFALLS)


def _doctor(folder: Path, **changes: str) -> tuple[int, list[dict[str, Any]]]:
    done = run_installed(
        "doctor", "--json", "--ledger", str(folder / "home"), env={**_NONE, **changes}, cwd=folder
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def test_what_is_installed_and_written_here_is_found(tmp_path: Path) -> None:
    """A trap of a library that is installed in this environment, in an application of the folder."""
    site = tmp_path / "installed"
    for name, release in (("gevent", "25.1"), ("huey", "3.5"), ("pulsar_client", "3.9")):
        info = site / f"{name}-{release}.dist-info"
        info.mkdir(parents=True)
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {release}\n"
        (info / "METADATA").write_text(text, "utf-8")
    (tmp_path / "Procfile").write_text("web: x\nworker: celery -A a worker -P gevent\n", "utf-8")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "a.py").write_text("use_span_links=True", "utf-8")
    path = {"PYTHONPATH": str(site)}
    code, found = _doctor(tmp_path, **path)
    seen = {row["name"]: row for row in found}
    assert code == 1
    assert "(Procfile:2)" in seen["gevent"]["found"] and seen["gevent"]["state"] == "failure"
    assert "Celery's span links" not in seen, "tests are no application"
    queues = [row["found"] for row in found if row["name"] == "queue library"]
    assert any("pulsar-client 3.9" in each for each in queues)
    (tmp_path / "Procfile").unlink()
    (tmp_path / "app.py").write_text("\nCeleryInstrumentor().instrument(use_span_links = True)\n")
    seen = {row["name"]: row for row in _doctor(tmp_path, **path)[1]}
    assert seen["gevent"]["state"] == "warning"
    is_mended = any(row.library == "celery" for row in MANIFEST)
    assert is_mended or "(app.py:2)" in seen["Celery's span links"]["found"]


def test_a_propagator_that_is_not_there_is_named(tmp_path: Path) -> None:
    code, found = _doctor(tmp_path, OTEL_PROPAGATORS="tracecontext,bagage")
    [row] = [row for row in found if row["name"] == "propagators"]
    assert code == 1 and "no such propagator" in row["remedy"] and "bagage" in row["remedy"]


_KEY = "k1:hmac-sha256:c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"


@pytest.mark.parametrize(
    ("names", "keys", "faults"),
    [
        ("tracecontext,baggage", "", []),
        ("tracecontext,genai_cost", _KEY, []),
        ("genai_cost,tracecontext", _KEY, []),
        ("tracecontext", "", ["propagators"]),
        ("baggage,tracecontext", "", ["propagators"]),
        ("tracecontext,bagage", "", ["propagators"]),
        ("tracecontext,baggage,genai_cost", _KEY, ["propagators"]),
        ("tracecontext,genai_cost", "", ["token keys"]),
        ("tracecontext,baggage", _KEY, ["token keys"]),
    ],
)
def test_propagators_are_there_once_and_in_order(
    monkeypatch: pytest.MonkeyPatch, names: str, keys: str, faults: list[str]
) -> None:
    monkeypatch.setenv("OTEL_PROPAGATORS", names)
    monkeypatch.setenv("OTEL_GENAI_COST_TOKEN_KEYS", keys)
    found = list(propagators(Home.at(None)))
    assert [one.name for one in found if one.state != "ok"] == faults
    assert all(one.remedy for one in found if one.state != "ok")
    assert keys.rpartition(":")[2] not in str(found) or not keys


@pytest.mark.parametrize(
    ("pitfall", "text", "is_found"),
    [
        ("gevent", "celery -A app worker --pool=gevent", True),
        ("gevent", "worker_class = 'gevent'", True),
        ("gevent", "pip install gevent", False),
        ("eventlet", "celery worker -P eventlet -c 100", True),
        ("FastStream", "broker = KafkaBroker(middlewares=[KafkaTelemetryMiddleware()])", True),
        (
            "FastStream",
            "from faststream.kafka.opentelemetry import KafkaTelemetryMiddleware",
            False,
        ),
        ("Celery's span links", "CeleryInstrumentor().instrument(use_span_links=True)", True),
        ("Celery's span links", "use_span_links=False", False),
    ],
)
def test_what_is_written_is_recognised(pitfall: str, text: str, is_found: bool) -> None:
    found: Pitfall = _BY_NAME[pitfall]
    assert (re.search(found.written, text) is not None) is is_found
