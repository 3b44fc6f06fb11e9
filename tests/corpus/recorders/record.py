"""Records what other languages' instrumentations emit, with what the provider really reported, in the corpus's format.

    python -m tests.corpus.recorders.record js [--only PART] [--case NAME]

A recorder is a program in the folder of its language. Run with `list` it prints its table, {"instrumentations": {name:
{"cases", "provider" ("openai", "anthropic", "bedrock"), "packages", "runtime", "notes"}}}. Run with an instrumentation
and a case it makes that case's calls against OPENAI_BASE_URL, ANTHROPIC_BASE_URL or BEDROCK_BASE_URL, exports its spans
to OTEL_EXPORTER_OTLP_ENDPOINT, and prints {"exception", "returned", "spans_started", "spans_never_ended"}. All traffic
stays on loopback. One file an instrumentation is written: the same bytes for the same recordings.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_genai_cost.testing.standin import Answer, StandIn, Usage
from otel_genai_cost.testing.standin.handler import Received
from otel_genai_cost.testing.standin.openai import usage_on_the_wire
from otel_genai_cost.testing.standin.wire import Billed, Reply
from tests.corpus.recorders import clouds, messages

HERE: Final = Path(__file__).resolve().parent
COMMANDS: Final[Mapping[str, list[str]]] = {
    "js": ["node", "record.cjs"],
    "js_older": ["node", "record.cjs"],
    "go": ["go", "run", "."],
    "java": ["java", "-cp", "target/classes:target/jars/*", "Recorder"],
    "py": [sys.executable, "record.py"],
}
FOLDERS: Final[Mapping[str, str]] = {
    "js": "javascript",
    "js_older": "javascript",
    "go": "go",
    "java": "java",
    "py": "python",
}
_CASE_TIMEOUT_S: Final = 120
_ENVIRONMENT: Final = re.compile(r"/[^\s\"']*/site-packages")
"""Where a release was installed for the recording, in the traces of its errors."""


class _Standin(StandIn):
    """Remembers which request was answered with what."""

    def __init__(self) -> None:
        super().__init__("openai", routes=clouds.ROUTES)
        self._exchanged: list[tuple[Received, Billed | None]] = []

    def reply_to(self, request: Received) -> tuple[Answer, Reply]:
        answer, reply = super().reply_to(request)
        self._exchanged.append((request, reply.bills[0] if reply.bills else None))
        return answer, reply

    def exchanges(self) -> list[dict[str, Any]]:
        """Every request so far and its answer, as the corpus has them; then forgets them."""
        told = [
            _exchange(seq, request.path, request.body, billed)
            for seq, (request, billed) in enumerate(self._exchanged, 1)
        ]
        self.reset()
        self._exchanged.clear()
        return told


def _exchange(
    seq: int, path: str, body: Mapping[str, Any], billed: Billed | None
) -> dict[str, Any]:
    told: dict[str, Any] = {
        "api": path.removeprefix("/v1/").replace("/", "."),
        "model_requested": body.get("model"),
        "path": path,
        "provider": _provider(path),
        "request_fields": {key: body[key] for key in ("stream_options", "user") if key in body},
        "request_keys": sorted(body),
        "seq": seq,
        "status": 500 if "[500]" in json.dumps(body) else 429,
        "streaming": bool(body.get("stream")),
    }
    if billed is not None:
        told |= {
            "model_returned": billed.model,
            "response_id": billed.response_id,
            "service_tier": body.get("service_tier") or "default",
            "status": 200,
            "usage_normalised": _normalised(told["provider"], billed.usage),
            "usage_raw": _usage(path, billed),
            "usage_sent_on_wire": told["api"] != "chat.completions"
            or not told["streaming"]
            or bool((body.get("stream_options") or {}).get("include_usage")),
        }
    return told


def _provider(path: str) -> str:
    if "/models/" in path:
        return "google"
    if path.startswith("/model/"):
        return "bedrock"
    return "anthropic" if path.endswith("/messages") else "openai"


def _usage(path: str, billed: Billed) -> dict[str, Any]:
    """Usage as it went over the wire."""
    usage, provider = billed.usage, _provider(path)
    if provider == "google":
        return clouds.gemini_wire(usage)
    if provider == "bedrock" and path.endswith("/converse"):
        return clouds.converse_wire(usage)
    if provider != "openai":
        return messages.wire(usage)
    if path.endswith("/embeddings"):
        return {"prompt_tokens": usage.input_tokens, "total_tokens": usage.input_tokens}
    sides = ("input", "output") if path.endswith("/responses") else ("prompt", "completion")
    wire = clouds.grok_wire if billed.model.startswith("grok") else usage_on_the_wire
    return wire(usage, *sides)


def _normalised(provider: str, usage: Usage) -> dict[str, Any]:
    """Usage as the corpus has it, whoever reports it."""
    told: dict[str, Any] = {
        "cache_read": usage.cache_read_tokens,
        "input_total": usage.input_tokens,
        "output_total": usage.output_tokens,
        "raw_input_field": usage.input_tokens,
        "raw_input_includes_cache": True,
    }
    if provider in ("anthropic", "bedrock"):
        return {
            **told,
            "cache_write": usage.written,
            "cache_write_1h": usage.cache_write_1h_tokens,
            "cache_write_5m": usage.cache_write_5m_tokens,
            "raw_input_field": usage.fresh,
            "raw_input_includes_cache": False,
            "service_tier": "standard",
        }
    told["reasoning"] = usage.reasoning_tokens
    return (
        told if provider == "google" else {**told, "audio_in": 0, "audio_out": 0, "cache_write": 0}
    )


def _from_protobuf(data: bytes) -> dict[str, Any]:
    """As OTLP JSON, whose ids are hexadecimal."""
    message = ExportTraceServiceRequest.FromString(data)
    told: dict[str, Any] = MessageToDict(message, use_integers_for_enums=True)
    for one in told["resourceSpans"]:
        for span in (span for scope in one["scopeSpans"] for span in scope["spans"]):
            for key in {"traceId", "spanId", "parentSpanId"} & set(span):
                span[key] = base64.b64decode(span[key]).hex()
    return told


class _Receiver:
    """Takes OTLP/HTTP on loopback; `take` gives what came since, as one export request."""

    def __init__(self) -> None:
        self._got: list[dict[str, Any]] = []
        got = self._got

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Quiet."""

            def do_POST(self) -> None:
                data = b"".join(self._parts())
                if self.headers.get("content-encoding") == "gzip":
                    data = gzip.decompress(data)
                if self.path.endswith("/v1/traces"):
                    is_json = self.headers.get_content_type() == "application/json"
                    got.extend(
                        (json.loads(data) if is_json else _from_protobuf(data))["resourceSpans"]
                    )
                self.do_GET()

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def _parts(self) -> Iterator[bytes]:
                if self.headers.get("transfer-encoding") != "chunked":
                    yield self.rfile.read(int(self.headers.get("content-length") or 0))
                    return
                while size := int(self.rfile.readline(), 16):
                    yield self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def take(self) -> dict[str, Any]:
        taken, self._got[:] = list(self._got), []
        for one in taken:
            about = one.get("resource", {})
            if "attributes" in about:
                about["attributes"] = [
                    each
                    for each in about["attributes"]
                    if not each["key"].startswith(("host.", "process.", "service.instance"))
                ]
        return {"resourceSpans": taken}

    @contextmanager
    def serving(self) -> Generator[None, None, None]:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield
        finally:
            self._server.shutdown()
            self._server.server_close()


class Recorder:
    """One language's program, run case by case."""

    def __init__(self, language: str, standin: _Standin, receiver: _Receiver) -> None:
        self._folder = HERE / language
        self._command = COMMANDS[language]
        self._standin = standin
        self._receiver = receiver
        self._env = {
            "ANTHROPIC_API_KEY": "none",
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_REGION": "us-east-1",
            "AWS_SECRET_ACCESS_KEY": "none",
            "BEDROCK_BASE_URL": standin.url,
            "GEMINI_API_KEY": "none",
            "GEMINI_BASE_URL": standin.url,
            "ANTHROPIC_BASE_URL": standin.url,
            "OPENAI_API_KEY": "none",
            "OPENAI_BASE_URL": f"{standin.url}/v1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "OTEL_SERVICE_NAME": "corpus-app",
        }

    def _run(self, *arguments: str) -> dict[str, Any]:
        """What the program prints on its last line."""
        done = subprocess.run(
            [*self._command, *arguments],
            cwd=self._folder,
            env={**os.environ, **self._env},
            stdout=subprocess.PIPE,
            text=True,
            timeout=_CASE_TIMEOUT_S,
            check=True,
        )
        told: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return told

    def table(self) -> dict[str, Any]:
        """Instrumentation -> its cases and versions."""
        told: dict[str, Any] = self._run("list")["instrumentations"]
        return told

    def case(self, name: str, case: str, about: Mapping[str, Any]) -> dict[str, Any]:
        """One line of the corpus."""
        outcome = self._run(name, case)
        exchanges = self._standin.exchanges()
        billable = [one["usage_normalised"] for one in exchanges if one["status"] == 200]
        told = json.dumps(self._receiver.take()).replace(str(self._folder), "/app")
        otlp = json.loads(_ENVIRONMENT.sub("/site-packages", told))
        return {
            "case_id": f"{name}/{about['provider']}-{case}",
            "client_outcome": {key: outcome[key] for key in ("exception", "returned")},
            "expected": {
                "abandoned": "abandon" in case,
                "billable": billable,
                "error": outcome["exception"],
                "http_exchanges": exchanges,
                "http_requests": len(exchanges),
                "llm_calls_ok": len(billable),
                "streaming": any(one["streaming"] for one in exchanges),
            },
            "meta": {
                "case": case,
                "env": {"OTEL_SERVICE_NAME": "corpus-app"},
                "instrumentation": name,
                "notes": about.get("notes"),
                "packages": about["packages"],
                "provider": about["provider"],
                "runtime": about["runtime"],
            },
            "otlp": otlp,
            "spans_finished": _span_count(otlp),
            "spans_never_ended": outcome["spans_never_ended"],
            "spans_started": outcome["spans_started"],
        }


def _span_count(otlp: Mapping[str, Any]) -> int:
    return sum(len(scope["spans"]) for one in otlp["resourceSpans"] for scope in one["scopeSpans"])


def _write(path: Path, lines: list[dict[str, Any]]) -> None:
    text = "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{path.name}: {len(lines)} cases, {path.stat().st_size:,} bytes", flush=True)


def main() -> None:
    """Record all of a language's instrumentations, or those asked for."""
    parser = argparse.ArgumentParser(description="Record instrumentations of another language.")
    parser.add_argument("language", choices=sorted(COMMANDS))
    parser.add_argument("--only", help="instrumentations whose name has this in it")
    parser.add_argument("--case", help="this case; prints it instead of writing a file")
    options = parser.parse_args()
    standin, receiver = _Standin(), _Receiver()
    with standin, receiver.serving():
        recorder = Recorder(options.language, standin, receiver)
        files: dict[str, list[dict[str, Any]]] = {}
        for name, about in recorder.table().items():
            if (options.only or "") not in name:
                continue
            if options.case:
                print(json.dumps(recorder.case(name, options.case, about), indent=1))
                continue
            lines = files.setdefault(about.get("file", name), [])
            lines += [recorder.case(name, case, about) for case in about["cases"]]
        for name, lines in files.items():
            _write(HERE.parent / FOLDERS[options.language] / f"{name}.jsonl.gz", lines)


if __name__ == "__main__":
    main()
