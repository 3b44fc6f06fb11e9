"""Small applications for the end-to-end tests: `python -m tests.e2e.caller SCENARIO [ARGUMENT…]`, always started under
`opentelemetry-instrument`. Like the demo they use the real `openai` client and OpenTelemetry's API, nothing of ours.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from openai import AsyncOpenAI, InternalServerError, OpenAI
from openai.types.chat import ChatCompletionChunk
from opentelemetry import baggage, context, trace
from opentelemetry.util.types import AttributeValue

__all__ = ["SCENARIOS", "tenant"]

MODEL: Final = "gpt-4o-mini"
CALL: Final[dict[str, AttributeValue]] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": MODEL,
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 10,
}
ABSURD: Final[tuple[dict[str, AttributeValue], ...]] = (
    {"gen_ai.usage.input_tokens": -5},
    {"gen_ai.usage.input_tokens": 10**18},
    {"gen_ai.usage.input_tokens": "a hundred"},
    {"gen_ai.usage.input_tokens": 1.5},
    {"gen_ai.usage.input_tokens": True},
    {"gen_ai.usage.output_tokens": [1, 2]},
    {"gen_ai.usage.reasoning.output_tokens": 1_000},
    {"gen_ai.request.model": "x" * 10_000_000},
    {"gen_ai.request.model": ["a", "b"]},
    {"gen_ai.request.model": "gpt-4o-mini\udcff"},
    {"gen_ai.provider.name": 7},
    {"gen_ai.usage.input_tokens": float("nan")},
    {"gen_ai.usage.input_tokens": "5", "tenant.id": "x" * 10_000_000},
)
"""Each replaces attributes of the sound CALL and makes it one whose price cannot be known."""


@contextmanager
def tenant(name: str) -> Generator[None]:
    """The tenant in baggage, as a team's own gateway would have put it there."""
    token = context.attach(baggage.set_baggage("tenant.id", name))
    try:
        yield
    finally:
        context.detach(token)


def _chat(client: OpenAI, text: str = "hello") -> str:
    answer = client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": text}]
    )
    return answer.id


def _stream(client: OpenAI) -> Iterable[ChatCompletionChunk]:
    return client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "hello"}], stream=True
    )


def sync_calls() -> None:
    """One call of each kind with the sync client."""
    client = OpenAI()
    with tenant("acme"):
        _chat(client)
        client.embeddings.create(model="text-embedding-3-small", input="hello")
        for _ in client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": "hello"}],
            stream=True,
            stream_options={"include_usage": True},
        ):
            pass


def async_calls() -> None:
    """One call of each kind with the async client."""

    async def call() -> None:
        client = AsyncOpenAI()
        await client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "hello"}]
        )
        await client.embeddings.create(model="text-embedding-3-small", input="hello")
        stream = await client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": "hello"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        async for _ in stream:
            pass

    with tenant("acme"):
        asyncio.run(call())


def stream_without_usage() -> None:
    """A stream that asks for no usage; says what the caller saw of it."""
    with tenant("acme"):
        chunks = list(_stream(OpenAI()))
    print("chunks", len(chunks))
    print("without choices", sum(not chunk.choices for chunk in chunks))
    print("with usage", sum(chunk.usage is not None for chunk in chunks))


def many(count: str) -> None:
    """So many chat calls, one after the other."""
    client = OpenAI()
    with tenant("acme"):
        for _ in range(int(count)):
            _chat(client)


def until_killed(count: str) -> None:
    """So many answered calls, then wait for somebody to kill this process."""
    many(count)
    print("answered", flush=True)
    signal.pause()


def answering(threads: str) -> None:
    """Calls without end; the id of each answer is written as soon as the caller has it."""
    client = OpenAI()

    def answer() -> None:
        with tenant("acme"):
            while True:
                os.write(1, f"{_chat(client)}\n".encode())

    with ThreadPoolExecutor(int(threads)) as pool:
        for _ in range(int(threads)):
            pool.submit(answer)


def hard_exit(count: str) -> None:
    """So many answered calls, then an exit that runs no handler."""
    many(count)
    os._exit(0)


def forks(children: str, count: str) -> None:
    """Calls before a fork, in each child (which ends without handlers), and in the parent after."""
    many(count)
    pids = [_forked(lambda: many(count)) for _ in range(int(children))]
    for pid in pids:
        os.waitpid(pid, 0)
    many(count)


def _forked(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    return pid


def two_tenants(count: str) -> None:
    """Two tenants at once, in threads and in tasks of one event loop; each names itself to the provider as well."""
    names = ["acme", "globex"] * int(count)
    client = OpenAI()

    def in_thread(name: str) -> None:
        with tenant(name):
            client.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": "hello"}], user=name
            )

    async def in_task(client: AsyncOpenAI, name: str) -> None:
        with tenant(name):
            await client.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": "hello"}], user=name
            )

    async def in_tasks() -> None:
        client = AsyncOpenAI()
        await asyncio.gather(*(in_task(client, name) for name in names))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(in_thread, names))
    asyncio.run(in_tasks())


def survives(count: str) -> None:
    """Calls that must work whatever is wrong with our configuration; says so at the end."""
    many(count)
    print("application is fine", flush=True)


def around_a_gate(count: str, gate: str) -> None:
    """Calls; then, once the file `gate` is there and the journal's once-a-second look is due, as many again."""
    many(count)
    print("answered", flush=True)
    while not Path(gate).exists():
        time.sleep(0.02)
    time.sleep(1.1)
    many(count)


def on_a_small_disk(count: str, limit_bytes: str) -> None:
    """Calls while no file may grow beyond a limit, as on a disk that runs full; the limit goes before the end."""
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit_bytes), unlimited[1]))
    many(count)
    resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    print("application is fine", flush=True)


def malformed() -> None:
    """Spans of an instrumentation gone wrong: absurd values, endings that are missing or come twice."""
    tracer = trace.get_tracer("some.instrumentation")
    with tenant("acme"):
        for absurd in ABSURD:
            tracer.start_span(f"chat {MODEL}", attributes={**CALL, **absurd}).end()
        for end_time in (-1, 0, 2**70):
            tracer.start_span(f"chat {MODEL}", attributes=CALL, start_time=-1).end(end_time)
        filler = {f"app.attribute.{n}": n for n in range(130)}
        tracer.start_span(f"chat {MODEL}", attributes={**filler, **CALL}).end()
        twice = tracer.start_span(f"chat {MODEL}", attributes=CALL)
        twice.end()
        twice.end()
        never = tracer.start_span(f"chat {MODEL}", attributes=CALL)
        try:
            with tracer.start_as_current_span(f"chat {MODEL}", attributes=CALL):
                raise ValueError("the application's own")
        except ValueError:
            print("application is fine", never.is_recording())


def span_across_a_fork() -> None:
    """A span that was started before a fork, and ends in the child and in the parent."""
    tracer = trace.get_tracer("some.instrumentation")
    with tenant("acme"):
        span = tracer.start_span(f"chat {MODEL}", attributes=CALL)
    os.waitpid(_forked(span.end), 0)
    span.end()


def failing() -> None:
    """A provider that answers 500 to every try, and one that is busy first."""
    client = OpenAI(max_retries=1)
    with tenant("acme"):
        try:
            _chat(client, "[500]")
        except InternalServerError as error:
            print("the caller sees", error.status_code)
        _chat(client, "[429]")


SCENARIOS: Final[dict[str, Callable[..., None]]] = {
    scenario.__name__: scenario
    for scenario in (
        sync_calls,
        async_calls,
        stream_without_usage,
        many,
        malformed,
        span_across_a_fork,
        until_killed,
        answering,
        hard_exit,
        forks,
        two_tenants,
        survives,
        around_a_gate,
        on_a_small_disk,
        failing,
    )
}

if __name__ == "__main__":
    SCENARIOS[sys.argv[1]](*sys.argv[2:])
