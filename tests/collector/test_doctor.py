"""`genai-cost collector doctor`: what it says of what passes, and that it changes nothing."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.request import Request, urlopen

import pytest

from otel_genai_cost.cli.collector.findings import Finding, findings
from otel_genai_cost.collector.tap import Tap
from otel_genai_cost.collector.tenants import TenantFrom
from otel_genai_cost.pricing.load import load_book
from tests.cli.command import PROGRAM, run
from tests.collector.receiving import export, receiving
from tests.demo.stage import clean_environment
from tests.replay.otlp import chat, protobuf, request, span

_BOOK: Final = load_book()
_TRACE: Final = "{:032x}"


@contextmanager
def _tapped(*options: str) -> Generator[tuple[subprocess.Popen[str], str]]:
    """The command, and where it listens."""
    command = [PROGRAM, "collector", "doctor", "--listen", "127.0.0.1:0", *options]
    pipes: Mapping[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=clean_environment(), **pipes) as tapping:
        assert tapping.stderr is not None
        line = tapping.stderr.readline()
        found = re.match(r"reading spans that come to (\S+), for", line)
        assert found is not None, line + tapping.stderr.read()
        try:
            yield tapping, found[1]
        finally:
            tapping.kill()


def _ended(tapping: subprocess.Popen[str]) -> dict[str, dict[str, Any]]:
    tapping.send_signal(signal.SIGINT)
    out, _ = tapping.communicate(timeout=30)
    return {one["name"]: one for one in map(json.loads, out.splitlines())}


def _wire(*spans: Mapping[str, Any], **more: Any) -> bytes:
    message: bytes = protobuf(request(*spans, **more)).SerializeToString()
    return message


def _seen(*requests: bytes, metadata: Sequence[tuple[str, str]] = ()) -> dict[str, Finding]:
    tap = Tap(_BOOK, TenantFrom())
    for one in requests:
        assert tap.passed_on(one, metadata) == one
    return {one.found.name: one for one in findings(tap.tally, 10.0)}


def test_what_passes_goes_on_as_it_came_and_is_said_in_json_lines() -> None:
    """By gRPC; no folder is made, no span changed."""
    call = _wire(span(1, chat(tenant__id="acme"), trace_id=_TRACE.format(1)))
    with receiving() as received, _tapped("--to", received.endpoint, "--json") as (tapping, at):
        export(at, call)
        export(at, _wire(span(2, {"http.route": "/"}), scope="http"))
        said = _ended(tapping)
    assert received.requests[0] == call
    assert tapping.returncode == 0
    assert said["spans"]["figures"]["spans"] == 2
    assert said["calls"]["figures"] == {"calls": 1, "repeats": 0, "share_percent": 50.0}
    assert said["tenants"]["found"] == "all calls name theirs: 1 by span"
    for one in said.values():
        assert one.keys() == {"name", "ok", "state", "found", "remedy", "figures"}
        assert one["ok"] is True


def test_without_a_receiver_spans_end_here_by_http_too() -> None:
    with _tapped("--listen-http", "127.0.0.1:0", "--json") as (tapping, _):
        assert tapping.stderr is not None
        url = tapping.stderr.readline().split()[-1]
        headers = {"content-type": "application/x-protobuf"}
        with urlopen(Request(url, _wire(span(1, chat())), headers), timeout=10) as answer:
            assert answer.status == 200
        said = _ended(tapping)
    assert said["tenants"]["state"] == "warning"


def test_it_ends_by_itself_and_nothing_that_came_is_wrong(tmp_path: Path) -> None:
    done = run("collector", "doctor", "--tap", "1s", "--listen", "127.0.0.1:0", cwd=tmp_path)
    assert done.returncode == 1
    assert "nothing came in 1 s" in " ".join(done.stdout.split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--tap", "soon"), "--tap is no length of time: 'soon'; write 60s, 5m or 1h"),
        (("--tap", "0s"), "--tap is no length of time: '0s'"),
        (("--listen", "203.0.113.1:1"), "the address cannot be had"),
        (("--tenant-from", "luck"), "nobody who could name a tenant: 'luck'"),
    ],
)
def test_what_cannot_be_done_is_one_line(arguments: tuple[str, ...], said: str) -> None:
    done = run("collector", "doctor", *arguments)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert said in done.stderr


def test_a_call_is_counted_once_and_each_instrumentation_is_named() -> None:
    outer = span(1, chat(gen_ai__response__id="r1"), start_s=0, end_s=3)
    inner = span(2, chat(gen_ai__response__id="r1"), parent=1, start_s=1, end_s=2)
    seen = _seen(_wire(inner), _wire(outer, scope="house.assistant"))
    assert seen["calls"].figures == {"calls": 1, "repeats": 1, "share_percent": 100.0}
    dialects = [one for name, one in seen.items() if name.startswith("dialect")]
    assert {one.figures["scope"]: one.found.state for one in dialects} == {
        "opentelemetry.instrumentation.genai.openai": "ok",
        "house.assistant": "warning",
    }


def test_calls_without_a_tenant_are_named_with_what_mends_them() -> None:
    one = _wire(span(1, chat(), trace_id=_TRACE.format(1)), resource={"service.name": "checkout"})
    other = _wire(span(2, chat(), trace_id=_TRACE.format(2)), resource={"service.name": "search"})
    root = _wire(span(3, {"tenant.id": "acme"}, trace_id=_TRACE.format(2)), scope="http")
    tenants = _seen(one, other, root)["tenants"]
    assert tenants.found.seen == "2 of 2 calls name none (checkout: 1; search: 1)"
    assert "--tenant-from trace: for 1, another span of the trace names one" in tenants.found.remedy
    assert "copy the tenant from baggage to spans" in tenants.found.remedy
    headers = [("x-scope-orgid", "acme"), ("user-agent", "otel")]
    remedy = _seen(one, metadata=headers)["tenants"].found.remedy
    assert "--tenant-from metadata:x-scope-orgid" in remedy


def test_calls_without_a_price_say_why() -> None:
    strange = chat(gen_ai__request__model="house-7b", gen_ai__response__model="house-7b")
    prices = _seen(_wire(span(1, strange), span(2, chat(), trace_id=_TRACE.format(9))))["prices"]
    assert prices.found.seen == "1 of 2 calls have none (openai house-7b, unknown_model: 1)"
    assert "add a row" in prices.found.remedy
    assert prices.figures == {"unpriced": 1, "reasons": {"unknown_model": 1}}


def test_claims_samples_and_small_requests_are_said() -> None:
    claim = {**span(1, chat(gen_ai__usage__cost=1.5)), "traceState": "ot=th:8"}
    requests = [
        _wire({**claim, "traceId": _TRACE.format(n), "spanId": f"{n:016x}"}) for n in range(1, 12)
    ]
    seen = _seen(*requests)
    assert seen["claims"].figures == {"spans": 11}
    assert seen["sampling"].figures == {"services": {"shop": 11}}
    assert "put a batch processor in front" in seen["spans"].found.remedy


def test_spans_of_no_model_are_a_finding_of_their_own() -> None:
    seen = _seen(_wire(span(1, {"http.route": "/"}), scope="http"))
    assert [*seen] == ["spans", "calls"]
    assert seen["calls"].found.state == "failure"


def test_what_is_no_request_is_refused_and_counted_nowhere() -> None:
    tap = Tap(_BOOK, TenantFrom())
    with pytest.raises(ValueError, match=r"\S"):
        tap.passed_on(b"\xff\xff", ())
    assert tap.tally.requests == 0
