"""The machinery of queues: what a library's own functions give and take stays what it is, and each message is its own
tenant's."""

from __future__ import annotations

import asyncio
import copy
import inspect
import json
import pickle
import sys
from collections.abc import AsyncIterator, Iterator
from types import ModuleType
from typing import Any

import pytest
import wrapt

from otel_genai_cost import inject, tenant
from otel_genai_cost.errors import failures
from otel_genai_cost.tenancy.binding import attribution_of, capture
from otel_genai_cost.tenancy.rolling import Reader
from otel_genai_instrumentors import patching
from otel_genai_instrumentors.header_pairs import copies, pairs_at
from otel_genai_instrumentors.message_batch import MessageBatch
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.queueing import (
    Call,
    QueueInstrumentor,
    by_key,
    ends,
    iterates,
    makes,
    reads,
    reads_batch,
    releases,
    sends,
    works,
)


def _now() -> str | None:
    found = attribution_of(capture(None))
    return found.tenant or found.absent


class _Consumer:
    """A library's consumer, which reads by what applications call, too."""

    def __init__(self, messages: list[dict[str, Any]]) -> None:
        self.messages = messages

    def send(self, topic: str, value: object = None, headers: Any = None) -> Any:
        return (topic, value, headers)

    def __iter__(self) -> _Consumer:
        return self

    def __next__(self) -> dict[str, Any]:
        found = self.poll(1)
        if not found:
            raise StopIteration
        (message,) = found["q"]
        return message

    def poll(self, most: int) -> dict[str, list[dict[str, Any]]]:
        assert _now() == "worker", "the next is asked for in nobody's name"
        found, self.messages = self.messages[:most], self.messages[most:]
        return {"q": found} if found else {}

    async def getone(self) -> dict[str, Any] | None:
        await asyncio.sleep(0)
        return self.messages.pop(0) if self.messages else None

    def consume(self) -> Iterator[dict[str, Any]]:
        while self.messages:
            yield self.messages.pop(0)

    def close(self) -> str:
        return "closed"

    def perform(self, message: dict[str, Any]) -> str | None:
        return _now()

    async def aperform(self, message: dict[str, Any]) -> str | None:
        await asyncio.sleep(0)
        return _now()

    async def astream(self, message: dict[str, Any]) -> AsyncIterator[str | None]:
        yield _now()


def _headers(message: Any) -> Any:
    return message["headers"]


class _Instrumentor(QueueInstrumentor):
    library = "some-queue"
    places = (
        Patch("some_queue", "_Consumer.send", sends(pairs_at(2, "headers"))),
        Patch("some_queue", "_Consumer.__next__", reads(_headers)),
        Patch("some_queue", "_Consumer.poll", reads_batch(_headers, by_key)),
        Patch("some_queue", "_Consumer.getone", reads(_headers)),
        Patch("some_queue", "_Consumer.consume", iterates(_headers)),
        Patch("some_queue", "_Consumer.close", ends),
        *(
            Patch("some_queue", f"_Consumer.{name}", works(lambda call: _headers(call.args[0])))
            for name in ("perform", "aperform", "astream")
        ),
    )


@pytest.fixture(autouse=True)
def _instrumented(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    module = ModuleType("some_queue")
    setattr(module, "_Consumer", _Consumer)  # noqa: B010
    monkeypatch.setattr(_Consumer, "__module__", "some_queue")
    monkeypatch.setitem(sys.modules, "some_queue", module)
    instrumentor = _Instrumentor()
    instrumentor._instrument()
    with tenant("worker"):
        yield
    instrumentor._uninstrument()


def _message(name: str | None) -> dict[str, Any]:
    if name is None:
        return {"headers": []}
    with tenant(name):
        return {"headers": inject([])}


_NAMES = ("acme", None, "globex")
_RIGHT = ["acme", "missing", "globex"]


@pytest.fixture
def consumer() -> Any:
    return _Consumer([_message(name) for name in _NAMES])


def test_what_is_sent_carries_the_tenant_and_what_was_given_stays_as_it_was(consumer: Any) -> None:
    given = [("mine", b"1")]
    envelope = ("baggage", b"tenant.id=worker")
    assert consumer.send("t", 1, given) == ("t", 1, [*given, envelope])
    assert consumer.send("t", headers=given) == ("t", None, [*given, envelope])
    assert consumer.send("t") == ("t", None, [envelope])
    assert given == [("mine", b"1")]


def test_headers_that_are_none_are_the_librarys_to_refuse(consumer: Any) -> None:
    assert consumer.send("t", 1, 7) == ("t", 1, 7)
    assert failures.pop("queue.send") == 1


def test_a_loop(consumer: Any) -> None:
    assert [_now() for _ in consumer] == _RIGHT
    assert _now() == "worker"


def test_next_and_close(consumer: Any) -> None:
    next(consumer)
    assert _now() == "acme"
    assert consumer.close() == "closed"
    assert _now() == "worker"


def test_a_batch_by_partition(consumer: Any) -> None:
    (messages,) = consumer.poll(3).values()
    assert isinstance(messages, list) and _now() == "worker"
    assert [_now() for _ in messages] == _RIGHT
    assert _now() == "worker"


def test_asynchronous_reads(consumer: Any) -> None:
    async def run() -> list[str | None]:
        assert inspect.iscoroutinefunction(consumer.getone)
        seen = []
        while await consumer.getone() is not None:
            seen.append(_now())
        return [*seen, _now()]

    assert asyncio.run(run()) == [*_RIGHT, "worker"]


def test_a_generator_stays_one_and_is_closed(consumer: Any) -> None:
    steps = consumer.consume()
    assert inspect.isgenerator(steps)
    next(steps)
    assert _now() == "acme"
    steps.close()
    assert _now() == "worker"
    assert [_now() for _ in consumer.consume()] == _RIGHT[1:]


def test_what_the_library_calls(consumer: Any) -> None:
    async def run(message: Any) -> list[str | None]:
        steps = [each async for each in consumer.astream(message)]
        return [await consumer.aperform(message), *steps]

    for name, right in zip(_NAMES, _RIGHT, strict=True):
        message = _message(name)
        assert consumer.perform(message) == right
        assert asyncio.run(run(message)) == [right] * 2
        assert _now() == "worker"


def test_a_fact_that_does_not_hold_costs_the_tenant_and_nothing_else(consumer: Any) -> None:
    assert consumer.perform({}) == "missing"
    consumer.messages = [{}]
    assert (next(consumer), _now()) == ({}, "missing")
    assert failures.pop("tenancy.carrier") == 1
    assert failures.pop("queue.carrier") == 1


def test_what_a_library_raises_is_its_own_and_ends_the_message(consumer: Any) -> None:
    next(consumer)
    consumer.messages = None
    with pytest.raises(TypeError, match="not subscriptable"):
        next(consumer)
    assert _now() == "worker"


def test_what_was_made_may_be_given_its_envelope_afterwards() -> None:
    made = makes(lambda call, job: job.update(inject({}) | {"place": call.args[0]}))
    assert made(lambda _: {}, None, (7,), {}) == {"baggage": "tenant.id=worker", "place": 7}
    replaced = makes(lambda _, made: made + b" and more")
    assert replaced(lambda: b"a job", None, (), {}) == b"a job and more"
    broken = makes(lambda _, job: job.nothing)
    assert broken(lambda: 1, None, (), {}) == 1
    assert failures.pop("queue.send") == 1


def test_a_function_within_which_a_message_becomes_current() -> None:
    from otel_genai_cost.tenancy import rolling

    reader = Reader()

    def run() -> str | None:
        rolling.enter(reader, _headers(_message("acme")))
        return _now()

    assert releases(reader)(run, None, (), {}) == "acme"
    assert _now() == "worker"


def test_an_argument_by_its_place_or_name() -> None:
    by_place, by_name = Call(None, (1, 2), {}), Call(None, (1,), {"b": 2})
    assert (by_place.argument(1, "b"), by_name.argument(1, "b")) == (2, 2)
    assert by_place.argument(2, "c") is None
    assert by_place.replaced(1, "b", 3) == Call(None, (1, 3), {})
    assert by_name.replaced(1, "b", 3) == Call(None, (1,), {"b": 3})


class _Batch:
    """A batch of plain values, whose carrier is made of them."""

    def __init__(self) -> None:
        self.messages = ["acme", "globex", "acme"]
        self.batch = MessageBatch(self.messages, Reader(), lambda name: _headers(_message(name)))


def test_a_batch_is_a_list_in_all_that_applications_see() -> None:
    one = _Batch()
    batch, messages = one.batch, one.messages
    assert isinstance(batch, list) and batch == messages and len(batch) == 3
    assert (batch[0], batch[-1], batch[1:], batch[::-1]) == ("acme", "acme", batch[1:], batch[::-1])
    assert json.loads(json.dumps({"batch": batch})) == {"batch": messages}
    assert type(pickle.loads(pickle.dumps(batch))) is list
    assert pickle.loads(pickle.dumps(batch)) == messages == copy.copy(batch) == copy.deepcopy(batch)
    assert [*reversed(batch)] == messages[::-1] and sorted(batch) == sorted(messages)
    assert repr(batch) == repr(messages) and "globex" in batch and batch.index("globex") == 1
    assert _now() == "worker"


def test_a_slice_and_a_pop_and_the_only_message_are_worked_on_too() -> None:
    batch = _Batch().batch
    assert [_now() for _ in batch[1:]] == ["globex", "acme"]
    assert (batch[0], _now()) == ("acme", "worker"), "of several, an index says little"
    assert (batch.pop(1), _now()) == ("globex", "globex")
    assert (batch.pop(), _now()) == ("acme", "acme")
    assert (batch[0], _now()) == ("acme", "acme")
    assert [_now() for _ in batch] == ["acme"]
    assert _now() == "worker"


def test_what_others_append_to_headers_goes_into_a_copy(
    consumer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As upstream's instrumentation of Kafka does, whenever it was loaded."""

    def appending(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
        args[2].append(("theirs", b"1"))
        return wrapped(*args, **kwargs)

    class Outer(QueueInstrumentor):
        library = "some-queue-outside"
        places = (copies("some_queue", "_Consumer.send", 2, "headers"),)

    monkeypatch.setattr(patching, "_loaded", [])
    monkeypatch.setattr(patching, "_waiting", [])
    outer = Outer()
    outer._instrument()
    inner = vars(_Consumer)["send"]
    theirs = wrapt.FunctionWrapper(inner, appending)
    monkeypatch.setattr(_Consumer, "send", theirs)
    patching.all_are_loaded()
    given = [("mine", b"1")]
    for _ in range(2):
        envelope = ("baggage", b"tenant.id=worker")
        assert consumer.send("t", 1, given)[2] == [("mine", b"1"), ("theirs", b"1"), envelope]
    assert given == [("mine", b"1")]
    outer._uninstrument()
    assert vars(_Consumer)["send"] is theirs
    monkeypatch.setattr(_Consumer, "send", inner)
