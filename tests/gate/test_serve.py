"""`genai-cost gate` in processes of its own: served, asked, stopped, killed and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.projections.budgets import BUDGET
from otel_genai_cost.ledger.storage.decided import decide
from otel_genai_cost.limits.budget import budget_record
from otel_genai_cost.pricing.money import format_money
from tests.demo.processes import Child, children, wait_until
from tests.gate.opened import hold_id
from tests.ledger.build import observe
from tests.limits.build import budget
from tests.queues.brokers import free_port

_COMMAND = str(Path(sys.executable).with_name("genai-cost"))


def command(home: Path, *words: str) -> str:
    done = subprocess.run(
        [_COMMAND, *words, "--ledger", str(home)], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@contextmanager
def served(home: Path, port: int, *more: str) -> Generator[Child]:
    with children() as started:
        words = [_COMMAND, "gate", "serve", "--port", str(port), "--ledger", str(home), *more]
        child = started.start("gate", words, home / "gate.log", os.environ)
        wait_until(lambda: _is_up(port), "the gate", 30, [child])
        yield child


def _is_up(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def ask(port: int, token: str, path: str, **body: Any) -> tuple[int, Mapping[str, Any]]:
    data = json.dumps(body).encode() if body else None
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_a_gate_is_asked_beside_a_shipper_and_is_killed(tmp_path: Path) -> None:
    decide(tmp_path, {"type": BUDGET, **budget_record(budget(scope={"tenant": "acme"}, hard="1"))})
    one, port = observe(1, tokens=(100_000, 100)), free_port()
    total = one.cost.total
    assert total is not None
    token = command(tmp_path, "gate", "tokens", "add", "--team")
    command(tmp_path, "ship", "--drain")
    said = {"tenant": "acme", "provider": "openai", "model": "gpt-4o", "input_tokens": 110_000}
    with served(tmp_path, port) as child:
        status, answer = ask(port, token, "/v1/reserve", id=one.id, max_tokens=200, **said)
        assert (status, answer["decision"]) == (200, "allow")
        child.process.send_signal(signal.SIGKILL)
        child.wait(10)
    with served(tmp_path, port) as child:
        assert ask(port, token, "/v1/reserve", id=one.id, max_tokens=200, **said)[1] == answer
        Journal([tmp_path / "journal"]).append(to_record(one))
        command(tmp_path, "ship", "--drain")
        (found,) = ask(port, token, "/v1/budgets?tenant=acme")[1]["budgets"]
        assert (found["held"], found["booked"]) == ("0", format_money(total))
        late = command(tmp_path, "gate", "tokens", "add", "--tenant", "acme")
        assert ask(port, late, "/v1/reserve", id=hold_id(2), amount="0.5")[0] == 200
        child.process.send_signal(signal.SIGTERM)
        assert child.wait(15) == 0
    assert child.output() == ""


def test_tokens_are_given_out_and_revoked(tmp_path: Path) -> None:
    given = json.loads(
        command(tmp_path, "gate", "tokens", "add", "--tenant", "acme", "--lasts", "1d", "--json")
    )
    (known,) = map(json.loads, command(tmp_path, "gate", "tokens", "list", "--json").splitlines())
    assert (known["id"], known["tenant"]) == (given["id"], "acme")
    file = tmp_path / "gate-tokens.json"
    assert given["token"] not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    command(tmp_path, "gate", "tokens", "revoke", given["id"])
    assert command(tmp_path, "gate", "tokens", "list", "--json") == ""
