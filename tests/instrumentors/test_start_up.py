"""Starting under `opentelemetry-instrument`: off is off, nothing is imported for others, and nobody is taken down."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NoOpTracer

from otel_genai_cost import switch
from otel_genai_instrumentors.manifest import MANIFEST
from tests.demo.stage import clean_environment

_OFF = [{"OTEL_GENAI_COST_ENABLED": "false"}, {"OTEL_SDK_DISABLED": "true"}]
_ENTRIES = {
    "otel_genai_cost",
    "otel_genai_cost.entry",
    "otel_genai_cost.switch",
    "otel_genai_instrumentors",
    "otel_genai_instrumentors.entry",
}
_MODULES = "import json, sys; print(json.dumps(sorted(sys.modules)))"
_CALLS = """
import openai
client = openai.OpenAI(base_url="{url}", api_key="k", max_retries=0)
asked = dict(model="gpt-4o", messages=[{{"role": "user", "content": "hi"}}])
print(type(client.chat.completions.create), client.chat.completions.create(**asked).id)
print([chunk.id for chunk in client.chat.completions.create(stream=True, **asked)])
print(client.chat.completions.with_raw_response.create(**asked).text)
"""
_ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "choices": [],
    "created": 1,
    "model": "m",
}


class _Provider(ThreadingHTTPServer):
    """Answers every call in the same way, and keeps each request as it came."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[tuple[str, list[tuple[str, str]], bytes]] = []

    def taken(self) -> list[tuple[str, list[tuple[str, str]], bytes]]:
        taken, self.requests = self.requests, []
        return taken


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.requests.append((self.requestline, self.headers.items(), body))  # type: ignore[attr-defined]
        streamed = bool(json.loads(body).get("stream"))
        told = json.dumps(_ANSWER)
        data = (f"data: {told}\n\ndata: [DONE]\n\n" if streamed else told).encode()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if streamed else "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the base names it so
        pass


@pytest.fixture(scope="module")
def provider() -> Iterator[_Provider]:
    server = _Provider()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def _run(
    code: str, folder: Path, changes: Mapping[str, str] | None = None, *, launcher: bool = True
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    if launcher:
        command = [str(Path(sys.executable).with_name("opentelemetry-instrument")), *command]
    environment = {
        **clean_environment(),
        "HOME": str(folder),
        "OTEL_GENAI_COST_JOURNAL": str(folder / "journal"),
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "httpx,httpx2,fastapi,celery",
        **(changes or {}),
    }
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("off", _OFF, ids=lambda off: next(iter(off)))
def test_off_is_off(tmp_path: Path, provider: _Provider, off: dict[str, str]) -> None:
    modules = _run(_MODULES, tmp_path, off)
    ours = {name for name in json.loads(modules.stdout) if name.startswith("otel_genai_")}
    assert ours == _ENTRIES
    calls = _CALLS.format(url=f"http://127.0.0.1:{provider.server_port}")
    plain, asked = _run(calls, tmp_path, launcher=False), provider.taken()
    ran, asked_off = _run(calls, tmp_path, off), provider.taken()
    assert len(asked) == 3 and asked_off == asked
    assert (ran.stdout, ran.returncode) == (plain.stdout, plain.returncode)
    assert "chatcmpl-1" in plain.stdout and "genai-cost" not in ran.stderr
    assert not (tmp_path / "journal").exists()


_LOADED = """
import sys, wrapt
import openai.resources.chat.completions as chat
print(isinstance(vars(chat.Completions)["create"], wrapt.BaseObjectProxy))
print("otel_genai_cost.metering.activation" in sys.modules)
"""


@pytest.mark.parametrize(
    ("variable", "value", "is_wrapped", "is_metering"),
    [
        ("OTEL_GENAI_COST_ENABLED", " 0 ", False, False),
        ("OTEL_GENAI_COST_ENABLED", "perhaps", True, True),
        ("OTEL_SDK_DISABLED", "1", True, True),
        ("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "genai_cost_openai", False, True),
        ("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "*", False, True),
    ],
)
def test_what_each_switch_leaves(
    tmp_path: Path, variable: str, value: str, *, is_wrapped: bool, is_metering: bool
) -> None:
    """Spans of others are metered where only our client is left out; a word that is none leaves us on, and says so."""
    ran = _run(_LOADED, tmp_path, {variable: value})
    assert ran.stdout == f"{is_wrapped}\n{is_metering}\n", ran.stderr
    assert ("OTEL_GENAI_COST_ENABLED is ignored: 'perhaps'" in ran.stderr) is (value == "perhaps")


@pytest.mark.parametrize(
    ("word", "is_off"),
    [
        *(("FALSE", True), (" 0 ", True), ("no", True), ("off", True)),
        *(("true", False), ("", False), ("perhaps", False), ("00", False)),
    ],
)
def test_words_that_switch_off(monkeypatch: pytest.MonkeyPatch, word: str, *, is_off: bool) -> None:
    monkeypatch.delenv("OTEL_SDK_DISABLED", raising=False)
    monkeypatch.setenv("OTEL_GENAI_COST_ENABLED", word)
    assert switch.is_off() is is_off


@pytest.mark.parametrize("value", ["true", "TRUE", " True ", "1", "yes", "on", "false", "", "t"])
def test_the_sdk_is_off_where_it_says_so_itself(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.delenv("OTEL_GENAI_COST_ENABLED", raising=False)
    monkeypatch.setenv("OTEL_SDK_DISABLED", value)
    is_disabled = isinstance(TracerProvider().get_tracer("any"), NoOpTracer)
    assert (switch.sdk_is_disabled(), switch.is_off()) == (is_disabled, is_disabled)


def test_an_instrumentor_in_code_is_off_too(tmp_path: Path) -> None:
    code = """
import openai.resources.chat.completions as c; before = c.Completions.create
from otel_genai_instrumentors.clients.openai import OpenAIInstrumentor
from otel_genai_cost import install
install(); OpenAIInstrumentor().instrument(); print(c.Completions.create is before)
"""
    for off in _OFF:
        assert _run(code, tmp_path, off, launcher=False).stdout == "True\n"


def test_nothing_is_imported_before_the_application_does(tmp_path: Path) -> None:
    on = set(json.loads(_run(_MODULES, tmp_path).stdout))
    off = set(json.loads(_run(_MODULES, tmp_path, _OFF[0]).stdout))
    more = {name.partition(".")[0] for name in on - off}
    assert "otel_genai_instrumentors" in more
    assert not more & {"openai", "httpx", "ssl", "_ssl", "http", "asyncio", "pydantic", "duckdb"}
    ours = {name for name in on - off if name.startswith("otel_genai_")}
    assert len(on - off - ours) < 25
    assert len(ours) < 110 + 4 * len(
        MANIFEST
    )  # a client is its facts, its answers, and what it does not promise


def test_a_client_loads_what_it_would_without_us_and_in_that_order(tmp_path: Path) -> None:
    """Its packages are loaded when something is first taken out of them; the order decides, at the end of a process,
    whether a client that a module holds can still close its connections."""
    code = """
import openai.resources.chat.completions, openai.resources.responses, sys
def loaded():
    return [name for name in sys.modules if name.startswith("openai.resources")]
print(loaded())
openai.OpenAI(api_key="k").chat.completions.create
print(loaded())
"""
    plain = _run(code, tmp_path, launcher=False).stdout
    assert "openai.resources.chat.completions.completions" in plain
    assert _run(code, tmp_path).stdout == plain


def test_metering_brings_in_neither_ssl_nor_asyncio(tmp_path: Path) -> None:
    """wrapt does, which upstream's launcher imports; but that may be told to let gevent patch first."""
    code = """
import opentelemetry.sdk.trace, sys
from otel_genai_cost.entry import post_instrument, pre_instrument
pre_instrument(); post_instrument()
print(sorted({"ssl", "asyncio", "openai", "httpx", "duckdb"} & set(sys.modules)))
"""
    ran = _run(code, tmp_path, launcher=False)
    assert ran.stdout == "[]\n" and "genai-cost: NOT METERING" in ran.stderr


@pytest.mark.parametrize("error", ["TypeError('no')", "SystemError()", "KeyboardInterrupt()"])
def test_a_library_that_fails_at_import_fails_where_the_application_imports_it(
    tmp_path: Path, error: str
) -> None:
    (tmp_path / "openai").mkdir()
    (tmp_path / "openai" / "__init__.py").write_text(f"raise {error}\n")
    code = """
try:
    import openai
except BaseException as error:
    print(repr(error))
from opentelemetry.instrumentation.threading import ThreadingInstrumentor
print(ThreadingInstrumentor().is_instrumented_by_opentelemetry)
"""
    ran = _run(code, tmp_path, {"PYTHONPATH": str(tmp_path)})
    assert ran.stdout == f"{error}\nTrue\n" and "Traceback" not in ran.stderr


def test_a_platform_without_forks_loses_nothing(tmp_path: Path, provider: _Provider) -> None:
    code = """
import os, random, uuid
del os.register_at_fork
from opentelemetry.instrumentation.auto_instrumentation import initialize
initialize(swallow_exceptions=False)
from opentelemetry.instrumentation.threading import ThreadingInstrumentor
print(ThreadingInstrumentor().is_instrumented_by_opentelemetry)
"""
    calls = _CALLS.format(url=f"http://127.0.0.1:{provider.server_port}")
    ran = _run(code + calls, tmp_path, launcher=False)
    assert ran.stdout.startswith("True\n") and "chatcmpl-1" in ran.stdout, ran.stderr
    assert ran.stderr.count("\n") == 1 and len(list((tmp_path / "journal").iterdir())) >= 1


def test_an_instrumentor_that_cannot_be_loaded_takes_nobody_down(tmp_path: Path) -> None:
    (tmp_path / "fault.py").write_text(
        "import sys\nclass Refuse:\n  def find_spec(self, name, path=None, target=None):\n"
        "    if name == 'otel_genai_instrumentors.call': raise TypeError('broken')\n"
        "sys.meta_path.insert(0, Refuse())\n"
    )
    code = """
import fault
from opentelemetry.instrumentation.auto_instrumentation import initialize
initialize(swallow_exceptions=False)
from opentelemetry.instrumentation.threading import ThreadingInstrumentor
print(ThreadingInstrumentor().is_instrumented_by_opentelemetry)
"""
    ran = _run(code, tmp_path, {"PYTHONPATH": str(tmp_path)}, launcher=False)
    assert ran.stdout == "True\n" and "OpenAIInstrumentor failed 1 time" in ran.stderr
