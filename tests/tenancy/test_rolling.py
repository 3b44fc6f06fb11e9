"""Loops over messages: each in its own tenant's name until the next, wherever the loop goes on, and nobody's after."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider

from otel_genai_cost import detached, each, inject, tenant
from otel_genai_cost.errors import failures
from otel_genai_cost.tenancy import rolling
from otel_genai_cost.tenancy.binding import attribution_of, capture, configure


def _now() -> str | None:
    found = attribution_of(capture(None))
    return found.tenant or found.absent


def _message(name: str | None) -> dict[str, str]:
    if name is None:
        return {}
    with tenant(name):
        return inject({})


_NAMES = ("acme", "globex", None, "acme")
_RIGHT = ["acme", "globex", "missing", "acme"]


@pytest.fixture
def batch() -> list[dict[str, str]]:
    return [_message(name) for name in _NAMES]


def test_each_message_is_its_own_tenants_and_what_follows_is_as_before(
    batch: list[dict[str, str]],
) -> None:
    with tenant("worker"):
        before = context.get_current()
        assert [_now() for _ in each(batch, carrier=dict)] == _RIGHT
        assert context.get_current() is before


def test_a_message_without_an_envelope_is_never_the_workers(batch: list[dict[str, str]]) -> None:
    with tenant("worker"):
        assert [_now() for _ in each([{}], carrier=dict)] == ["missing"]


def test_a_loop_that_is_left_early_leaves_nothing(batch: list[dict[str, str]]) -> None:
    for _ in each(batch, carrier=dict):
        break
    assert _now() == "missing"
    with pytest.raises(KeyError):
        for _ in each(batch, carrier=dict):
            raise KeyError
    assert _now() == "missing"


def test_a_source_that_fails_leaves_nothing(batch: list[dict[str, str]]) -> None:
    def source() -> Iterator[dict[str, str]]:
        yield batch[0]
        assert _now() == "missing", "the next message is read in nobody's name"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        for _ in each(source(), carrier=dict):
            assert _now() == "acme"
    assert _now() == "missing"


def test_asynchronous_loops(batch: list[dict[str, str]]) -> None:
    async def source() -> AsyncIterator[dict[str, str]]:
        for message in batch:
            await asyncio.sleep(0)
            yield message

    async def run() -> list[str | None]:
        seen = []
        async for _ in each(source(), carrier=dict):
            await asyncio.sleep(0)
            seen.append(await asyncio.create_task(_later()))
        async for _ in each(source(), carrier=dict):
            break
        return [*seen, _now()]

    async def _later() -> str | None:
        return _now()

    assert asyncio.run(run()) == [*_RIGHT, "missing"]


def test_loops_within_loops() -> None:
    outer = [_message("acme"), _message(None)]
    inner = [_message("globex"), {}]
    seen = [
        (_now(), [_now() for _ in each(inner, carrier=dict)], _now())
        for _ in each(outer, carrier=dict)
    ]
    within = ["globex", "missing"]
    assert seen == [("acme", within, "acme"), ("missing", within, "missing")]


def test_two_loops_in_two_tasks_of_one_reader() -> None:
    async def read(reader: object, name: str) -> list[str | None]:
        seen = []
        for _ in range(3):
            rolling.enter(reader, _message(name))
            await asyncio.sleep(0)
            seen.append(_now())
        rolling.leave(reader)
        return [*seen, _now()]

    async def run() -> list[list[str | None]]:
        reader = rolling.Reader()
        return list(await asyncio.gather(read(reader, "acme"), read(reader, "globex")))

    assert asyncio.run(run()) == [[*["acme"] * 3, "missing"], [*["globex"] * 3, "missing"]]


def test_what_is_handed_to_a_thread_is_the_messages_while_it_is_current(
    batch: list[dict[str, str]],
) -> None:
    def in_context(current: Context) -> str | None:
        token = context.attach(current)
        try:
            return _now()
        finally:
            context.detach(token)

    with ThreadPoolExecutor(1) as pool:
        seen, kept = [], []
        for _ in each(batch, carrier=dict):
            kept.append(context.get_current())
            seen.append(pool.submit(in_context, kept[-1]).result())
        late = [pool.submit(in_context, one).result() for one in kept]
    assert seen == _RIGHT
    assert late == ["stale", "stale", "missing", "stale"], "nobody's once the next was read"


@pytest.mark.parametrize("follows", [False, True])
def test_tasks_that_outlive_their_message_are_its_own_if_somebody_says_so(follows: bool) -> None:
    async def later(wait: asyncio.Event) -> str | None:
        await wait.wait()
        return _now()

    async def run() -> list[str | None]:
        wait, tasks = asyncio.Event(), []
        for _ in each([_message("acme"), _message("globex")], carrier=dict):
            if follows:
                tasks.append(asyncio.create_task(later(wait)))
            else:
                with detached():
                    tasks.append(asyncio.create_task(later(wait)))
        wait.set()
        return [await task for task in tasks]

    configure(grace_s=None if follows else 0.0)
    try:
        assert asyncio.run(run()) == ["acme", "globex"]
    finally:
        configure()


def test_what_the_application_made_current_since_stays_and_contexts_do_not_pile_up() -> None:
    reader, key = rolling.Reader(), context.create_key("application")
    before = context.get_current()
    for at in range(3):
        rolling.enter(reader, _message("acme"))
        context.attach(context.set_value(key, at))
    rolling.leave(reader)
    assert (context.get_value(key), _now()) == (2, "stale")
    rolling.enter(reader, _message("globex"))
    rolling.leave(reader)
    assert context.get_current() is before


def test_a_reader_is_not_kept_alive() -> None:
    class Consumer:
        gone = False

        def __del__(self) -> None:
            Consumer.gone = True

    consumer = Consumer()
    rolling.enter(consumer, _message("acme"))
    kept = context.get_current()
    rolling.leave(consumer)
    del consumer
    gc.collect()
    assert Consumer.gone
    assert kept is not None


def test_a_reader_that_nothing_can_refer_to_weakly() -> None:
    reader = (1, 2)
    rolling.enter(reader, _message("acme"))
    assert _now() == "acme"
    rolling.leave(reader)
    assert _now() == "missing"


def test_a_carrier_that_cannot_be_read_is_nobodys() -> None:
    def broken(message: int) -> object:
        raise TypeError(message)

    with tenant("worker"):
        assert [_now() for _ in each([1], carrier=broken)] == ["missing"]
    assert failures.pop("tenancy.carrier") == 1


def test_a_consumers_span_stays_current_if_it_is_the_messages() -> None:
    tracer = TracerProvider().get_tracer("upstream")
    with tracer.start_as_current_span("send"), tenant("acme"):
        message = inject({})
        sent_in = trace.get_current_span().get_span_context()
    kinds = {
        "same trace": tracer.start_span("receive", trace.set_span_in_context(_remote(sent_in))),
        "linked": tracer.start_span("receive", links=[trace.Link(sent_in)], context=Context()),
    }
    for span in kinds.values():
        with trace.use_span(span):
            assert [trace.get_current_span() for _ in each([message], carrier=dict)] == [span]
    with tracer.start_as_current_span("of a request", context=Context()):
        (current,) = [trace.get_current_span() for _ in each([message], carrier=dict)]
    assert current.get_span_context().span_id == sent_in.span_id


def test_of_a_message_without_a_trace_only_a_span_with_nothing_above_it_stays() -> None:
    tracer = TracerProvider().get_tracer("upstream")
    consumer = trace.SpanKind.CONSUMER
    with tracer.start_as_current_span("receive", context=Context(), kind=consumer) as span:
        assert [trace.get_current_span() for _ in each([{}], carrier=dict)] == [span]
    with (
        tracer.start_as_current_span("of a request", context=Context()),
        tracer.start_as_current_span("receive", kind=consumer),
    ):
        (current,) = [trace.get_current_span() for _ in each([{}], carrier=dict)]
    assert not current.get_span_context().is_valid


def _remote(of: trace.SpanContext) -> trace.Span:
    return trace.NonRecordingSpan(of)
