"""Real generators of a client, lazy and not: what the caller gets behaves like the client's own, each step runs inside
the call, and the call ends once, whatever becomes of the generator."""

from __future__ import annotations

import asyncio
import gc
import inspect
import logging
from collections.abc import Generator
from typing import Any

import pytest
from opentelemetry import baggage, context, trace

from otel_genai_cost import tenant
from otel_genai_cost.errors import failures
from otel_genai_instrumentors import call, open_calls
from otel_genai_instrumentors.spans import CallTracer
from tests.instrumentors.conftest import Recorder
from tests.instrumentors.generating import (
    ERROR,
    UNFINISHED,
    Client,
    Traced,
    client,
    recorder,
    run,
    silent,
)

__all__ = ["client", "recorder", "silent"]


def _outside(recorder: Recorder) -> None:
    """In the consumer's code nothing of the call is current."""
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert call.current_call() is None


# --- a generator like the client's own ---


def test_it_looks_like_the_clients_own(client: Traced) -> None:
    ours: Any = client.stream()
    theirs: Any = Client().stream()
    assert inspect.isgenerator(ours) and type(ours) is type(theirs)
    assert (ours.__name__, ours.__qualname__) == (theirs.__name__, theirs.__qualname__)
    assert inspect.getgeneratorstate(ours) == inspect.getgeneratorstate(theirs)
    ours_async: Any = client.astream()
    theirs_async: Any = Client().astream()
    assert inspect.isasyncgen(ours_async) and type(ours_async) is type(theirs_async)
    assert ours_async.__qualname__ == theirs_async.__qualname__


def test_it_begins_when_it_is_first_asked(client: Traced, recorder: Recorder) -> None:
    stream = client.stream()
    assert client.log == []
    assert next(stream) == "a" and client.whats == ["sent", "a"]
    assert recorder.spans == ()
    assert list(stream) == ["b", "last"]
    assert recorder.only["gen_ai.usage.output_tokens"] == 3
    assert UNFINISHED not in recorder.only


def test_what_it_returns_is_returned(client: Traced, recorder: Recorder) -> None:
    def consumer() -> Generator[str, Any, str]:
        return (yield from client.stream())

    returned = consumer()
    assert list(returned) == ["a", "b", "last"]
    stream = client.stream()
    with pytest.raises(StopIteration) as end:
        while True:
            next(stream)
    assert end.value.value == "returned"
    assert next(stream, None) is None
    assert len(recorder.spans) == 2


@pytest.mark.parametrize("kind", [Client, Traced])
def test_what_is_sent_and_thrown_in_reaches_the_clients(
    kind: type[Client], recorder: Recorder
) -> None:
    own = kind()
    stream = own.stream()
    assert next(stream) == "a"
    assert stream.send("hello") == "b"
    assert stream.throw(KeyError("k")) == "last"
    stream.close()
    assert own.whats == ["sent", "a", "hello", "b", "mended", "last", "closed"]


@pytest.mark.parametrize("kind", [Client, Traced])
def test_what_is_sent_and_thrown_in_reaches_the_clients_async(
    kind: type[Client], recorder: Recorder
) -> None:
    own = kind()

    async def main() -> None:
        stream = own.astream()
        assert await anext(stream) == "a"
        assert await stream.asend("hello") == "b"
        assert await stream.athrow(KeyError("k")) == "last"
        await stream.aclose()

    run(main)
    assert own.whats == ["sent", "a", "hello", "b", "mended", "last", "closed"]


# --- where its steps run ---


def test_each_step_is_inside_and_the_consumer_outside(client: Traced, recorder: Recorder) -> None:
    with tenant("acme"):
        mine = context.get_current()
        for _ in client.stream():
            assert context.get_current() is mine
            assert baggage.get_baggage("tenant.id") == "acme"
            _outside(recorder)
    assert [entries for _, entries, _ in client.log] == [{}] * len(client.log)
    assert {span for what, _, span in client.log if what != "closed"} == {"chat"}


def test_each_step_is_inside_and_the_consumer_outside_async(
    client: Traced, recorder: Recorder
) -> None:
    async def main() -> None:
        with tenant("acme"):
            mine = context.get_current()
            async for _ in client.astream(model="m"):
                assert context.get_current() is mine
                _outside(recorder)
                await asyncio.sleep(0)
                assert context.get_current() is mine

    run(main)
    assert [entries for _, entries, _ in client.log] == [{}] * len(client.log)


def test_a_call_within_a_step_is_the_same_call_and_one_in_the_loop_is_another(
    client: Traced, recorder: Recorder
) -> None:
    for _ in client.stream():
        assert list(client.stream()) == ["a", "b", "last"]
    assert len(recorder.spans) == 4
    assert {span.parent for span in recorder.spans} == {None}


def test_nothing_of_the_tenants_leaves_where_no_call_could_begin(
    client: Traced, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise RuntimeError

    monkeypatch.setattr(CallTracer, "start_span", fails)
    monkeypatch.setattr(logging.getLogger("otel_genai_cost"), "disabled", True)

    async def main() -> None:
        assert [part async for part in client.astream()] == ["a", "b", "last"]
        assert [part async for part in await client.aeager()] == ["a", "b", "last"]

    with tenant("acme"):
        assert list(client.stream()) == ["a", "b", "last"]
        assert list(client.eager()) == ["a", "b", "last"]
        run(main)
    assert failures.pop("instrumentor.begin") == 4
    seen = [entries for what, entries, _ in client.log if what != "closed"]
    assert seen == [{}] * 18 and recorder.spans == ()


# --- how it ends ---


def test_a_break_ends_it(client: Traced, recorder: Recorder) -> None:
    for _ in client.stream():
        break
    open_calls.drain()
    assert recorder.only[UNFINISHED] is True and ERROR not in recorder.only
    assert client.whats == ["sent", "a", "closed"]


def test_closing_it_ends_it_at_once(client: Traced, recorder: Recorder) -> None:
    stream = client.stream()
    next(stream)
    stream.close()
    assert recorder.only[UNFINISHED] is True
    stream.close()
    assert client.whats == ["sent", "a", "closed"] and len(recorder.spans) == 1


def test_after_what_counts_has_come_it_is_not_unfinished(
    client: Traced, recorder: Recorder
) -> None:
    client.parts = ("a", "last", "more")
    stream = client.stream()
    assert [next(stream), next(stream)] == ["a", "last"]
    assert UNFINISHED not in recorder.only
    stream.close()
    assert len(recorder.spans) == 1


def test_the_collector_of_garbage_only_hands_over(client: Traced, recorder: Recorder) -> None:
    stream = client.stream()
    next(stream)
    cycle: list[Any] = [stream]
    cycle.append(cycle)
    del stream, cycle
    gc.collect()
    assert recorder.spans == () and client.whats == ["sent", "a", "closed"]
    open_calls.drain()
    assert recorder.only[UNFINISHED] is True


def test_the_end_of_the_process_ends_it(client: Traced, recorder: Recorder) -> None:
    stream = client.stream()
    next(stream)
    open_calls.end_all()
    assert recorder.only[UNFINISHED] is True
    assert list(stream) == ["b", "last"] and len(recorder.spans) == 1


@pytest.mark.parametrize("error", [OSError("gone"), KeyboardInterrupt(), SystemExit(3)])
def test_an_error_of_the_client_ends_it_and_is_the_same(
    client: Traced, recorder: Recorder, error: BaseException
) -> None:
    client.error = error
    stream = client.stream()
    next(stream)
    with pytest.raises(type(error)) as raised:
        next(stream)
    assert raised.value is error
    assert recorder.only[ERROR] == f"builtins.{type(error).__name__}"
    assert recorder.only[UNFINISHED] is True
    assert next(stream, "over") == "over"


def test_an_error_before_the_first_part(client: Traced, recorder: Recorder) -> None:
    client.parts, client.error = ("b",), OSError("gone")
    with pytest.raises(OSError):
        next(client.stream())
    assert recorder.only[ERROR] == "builtins.OSError" and UNFINISHED not in recorder.only


def test_an_error_that_the_consumer_throws_in_ends_it(client: Traced, recorder: Recorder) -> None:
    stream = client.stream()
    next(stream)
    mine = RuntimeError("mine")
    with pytest.raises(RuntimeError) as raised:
        stream.throw(mine)
    assert raised.value is mine
    assert recorder.only[UNFINISHED] is True and len(recorder.spans) == 1
    del raised, mine, stream


def test_an_error_of_the_consumers_own_leaves_it(client: Traced, recorder: Recorder) -> None:
    with pytest.raises(ZeroDivisionError):
        for _ in client.stream():
            raise ZeroDivisionError
    gc.collect()
    open_calls.drain()
    assert recorder.only[UNFINISHED] is True and ERROR not in recorder.only


@pytest.mark.parametrize("way", ["stream", "astream"])
def test_one_that_is_never_iterated_is_no_call(
    client: Traced, recorder: Recorder, way: str
) -> None:
    getattr(client, way)()
    gc.collect()
    open_calls.end_all()
    assert recorder.spans == () and client.log == []


def test_one_that_was_sent_and_is_never_iterated_was_left(
    client: Traced, recorder: Recorder
) -> None:
    stream = client.eager()
    assert client.whats == ["sent at once"]
    stream.close()
    del stream
    open_calls.drain()
    assert recorder.only[UNFINISHED] is True
    assert list(client.eager()) == ["a", "b", "last"]
    assert len(recorder.spans) == 2


def test_one_that_was_sent_by_a_coroutine(client: Traced, recorder: Recorder) -> None:
    async def main() -> None:
        stream: Any = await client.aeager()
        assert [part async for part in stream] == ["a", "b", "last"]
        await client.aeager()

    run(main)
    open_calls.drain()
    assert [UNFINISHED in (span.attributes or {}) for span in recorder.spans] == [False, True]
