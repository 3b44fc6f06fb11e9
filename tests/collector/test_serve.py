"""`genai-cost collector serve` as it is run: a process between an exporter and a receiver, with a ledger behind it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path
from typing import IO

import pytest

from tests.cli.command import PROGRAM, rows, run
from tests.collector.receiving import Received, export
from tests.replay.otlp import chat, protobuf, request, span


def _address(stderr: IO[str]) -> str:
    line = stderr.readline()
    found = re.match(r"pricing spans that come to (\S+), and", line)
    assert found is not None, line + stderr.read()
    return found[1]


def test_spans_become_charges_on_their_way(received: Received, tmp_path: Path) -> None:
    to = ("--to", received.endpoint, "--listen", "127.0.0.1:0", "--ledger", str(tmp_path))
    env = {**os.environ, "OTEL_GENAI_COST_HOSTS": "llm.example.com=azure.ai.openai"}
    with subprocess.Popen(
        [PROGRAM, "collector", "serve", *to], stderr=subprocess.PIPE, text=True, env=env
    ) as serving:
        assert serving.stderr is not None
        endpoint = _address(serving.stderr)
        for n in range(3):
            host = "api.openai.com" if n else "llm.example.com"
            told = chat(tenant__id="acme", server__address=host)
            call = span(n + 1, told, start_s=9 * n, end_s=9 * n + 1)
            export(endpoint, protobuf(request(call)).SerializeToString())
        serving.send_signal(signal.SIGTERM)
        said = serving.stderr.read()
    assert serving.returncode == 0, said
    assert said.splitlines()[-1] == "3 priced"
    shown = {one.attributes["genai_cost.charge_id"] for one in received.spans}
    charges = rows("charges", "--json", "--ledger", str(tmp_path))
    assert {one["charge_id"] for one in charges} == shown
    assert [one["tenant"] for one in charges] == ["acme"] * 3
    whose = sorted(one["provider"] for one in charges)  # as where the call is made
    assert whose == ["azure.ai.openai", "openai", "openai"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--to", "127.0.0.1:1", "--listen", "203.0.113.1:1"), "the address cannot be had"),
        (("--to", "127.0.0.1:1", "--tls-key", __file__), "TLS needs a certificate and its key"),
        (("--to", "127.0.0.1:1", "--to-ca", "/nowhere/ca.pem"), "/nowhere/ca.pem"),
        (("--to", "127.0.0.1:1", "--to-ca", __file__), "a certificate or key cannot be used"),
        (("--to", "127.0.0.1:1", "--tls-cert", __file__, "--tls-key", __file__), "pass PEM files"),
        (("--to", "http://", "--listen", "127.0.0.1:0"), "write http://HOST:PORT"),
        (("--to", "http://h:x", "--listen", "127.0.0.1:0"), "write http://HOST:PORT"),
        (("--to", "127.0.0.1:1", "--listen", "here"), "the address cannot be had: 'here'"),
        (("--to", "127.0.0.1:1", "--request-max-mib", "300"), "would never find room"),
        (("--to", "127.0.0.1:1", "--tenant-from", "header:X"), "write span, trace or metadata"),
    ],
)
def test_what_cannot_be_served_is_one_line(
    arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    done = run("collector", "serve", *arguments, "--ledger", str(tmp_path))
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert said in done.stderr


def test_a_setting_that_is_ignored_is_said(tmp_path: Path) -> None:
    """Else every call would be nobody's, and nobody would know why."""
    asked = ("--to", "127.0.0.1:1", "--tenant-from", "nobody", "--ledger", str(tmp_path))
    done = run("collector", "serve", *asked, env={"OTEL_GENAI_COST_TENANT": "span=account.id"})
    ignored, refused = done.stderr.splitlines()
    assert "OTEL_GENAI_COST_TENANT is ignored: 'span=account.id'" in ignored
    assert "nobody who could name a tenant" in refused
