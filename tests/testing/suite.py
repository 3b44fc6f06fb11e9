"""A team's test suite: its application, a provider, and how it is run in a process of its own."""

from __future__ import annotations

from typing import Final

import pytest

__all__ = ["APP", "CONFTEST", "run"]

CONFTEST: Final = """
import pytest
from otel_genai_cost.testing.standin import StandIn

@pytest.fixture(autouse=True, scope="session")
def provider():
    with pytest.MonkeyPatch.context() as patch, StandIn("openai") as running:
        patch.setenv("OPENAI_BASE_URL", running.url + "/v1")
        patch.setenv("OPENAI_API_KEY", "any")
        yield running
"""
APP: Final = """
import queue, threading
from openai import AsyncOpenAI, OpenAI
from otel_genai_cost import inject, job

ASK = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}

def ask():
    with OpenAI() as client:
        return client.chat.completions.create(**ASK)

def ask_nicely() -> str:
    return ask().choices[0].message.content

async def ask_later():
    async with AsyncOpenAI() as client:
        return await client.chat.completions.create(**ASK)

jobs = queue.SimpleQueue()  # carries nothing
started = []

def micro_batch():
    '''A worker that the first one to need it starts.'''
    if not started:
        started.append(threading.Thread(target=serve, daemon=True))
        started[0].start()
    done = threading.Event()
    jobs.put(done)
    done.wait(10)

def serve():
    while True:
        done = jobs.get()
        ask()
        done.set()

mailbox = []

def send():
    mailbox.append({"body": "hello", "headers": inject({})})

def work():
    while mailbox:
        with job(mailbox.pop(0)["headers"]):
            ask()

def work_carelessly():
    while mailbox:
        mailbox.pop(0)
        ask()
"""


def run(suite: pytest.Pytester, tests: str, *options: str) -> tuple[dict[str, int], str]:
    """How many tests passed and failed, and what was printed."""
    suite.makepyfile(test_app=tests)
    done = suite.runpytest_subprocess("-rA", *options, timeout=120)
    return done.parseoutcomes(), str(done.stdout)
