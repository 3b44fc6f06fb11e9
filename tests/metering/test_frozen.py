"""A function that is frozen or killed as soon as it has answered, in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forwarding.receivers import Running, running
from tests.metering.programs import FUNCTION, PRELUDE, run


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path / "there") as made:
        yield made


def _at(receiver: Running, **more: str) -> dict[str, str]:
    return {
        "OTEL_GENAI_COST_QUIET": "true",
        "OTEL_GENAI_COST_DURABILITY": "node",
        "OTEL_GENAI_COST_SHIP_TO": receiver.url,
        **more,
    }


def _calls(receiver: Running) -> int:
    """How many observations it keeps."""
    lines = b"".join(receiver.kept().values()).splitlines()
    return sum(b'"type"' not in line for line in lines)


def test_a_function_that_is_frozen_or_killed_after_its_answer_has_lost_nothing(
    tmp_path: Path, receiver: Running
) -> None:
    """Invocation by invocation: frozen as soon as it has answered, thawed for the next, and killed at last."""
    settings = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "OTEL_GENAI_COST_JOURNAL": str(tmp_path / "journal"),
        "OTEL_GENAI_COST_REGISTRY": str(tmp_path / "registry"),
        "OTEL_GENAI_COST_FLUSH_TIMEOUT_MS": "15000",
        **_at(receiver),
    }
    process = subprocess.Popen(
        [sys.executable, "-c", PRELUDE + FUNCTION],
        env=settings,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    for number in range(1, 6):
        process.stdin.write(f"{number}\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline()) == number
        os.kill(process.pid, signal.SIGSTOP)
        assert _calls(receiver) == number
        if number == 3:  # the receiver is restarted while nobody runs
            receiver.kill()
            receiver.start()
        if number < 5:
            os.kill(process.pid, signal.SIGCONT)
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()
    journal = (tmp_path / "journal").glob("*.jsonl")
    assert receiver.kept() == {path.stem: path.read_bytes() for path in journal}


def test_a_function_has_no_more_time_than_it_has(tmp_path: Path, receiver: Running) -> None:
    receiver.answer("silence")
    ran = run(
        """
import asyncio, time
trace.set_tracer_provider(TracerProvider())
install()
from otel_genai_cost import flushed
class Context:
    def __init__(self, left): self.left = left
    def get_remaining_time_in_millis(self): return self.left
class Odd:
    def get_remaining_time_in_millis(self): raise ValueError
@flushed
def handler(event, context):
    call()
    return event
@flushed
async def later(event, context=None): return handler.__wrapped__(event, context)
@flushed
def broken(event): raise KeyError(event)
def timed(run):
    begun = time.monotonic()
    answer = run()
    return [answer, time.monotonic() - begun]
say(timed(lambda: handler(1, Context(400))))
say(timed(lambda: handler(2, Context(0))))
say(timed(lambda: handler(3, Odd())))
say(timed(lambda: asyncio.run(later(4))))
try: broken("x")
except KeyError as error: say(error.args)
os._exit(0)
""",
        tmp_path,
        _at(receiver, OTEL_GENAI_COST_FLUSH_TIMEOUT_MS="700"),
    )
    answers = [each[0] for each in ran.said]
    waited_s = [each[1] for each in ran.said[:4]]
    assert answers == [1, 2, 3, 4, "x"]
    assert waited_s[0] >= 0.3 and waited_s[2] >= 0.7 and waited_s[3] >= 0.7
    assert waited_s[1] < waited_s[0] + 5
