"""What an envelope costs beside W3C's propagators, which OpenTelemetry has by default, and what a message costs more
with one, by the real libraries."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from queue import PriorityQueue
from typing import Any, Final

from opentelemetry import context, propagate, trace
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from otel_genai_cost import inject, job, tenant
from otel_genai_cost.tenancy import binding, trust
from otel_genai_cost.tenancy.propagator import GenAICostPropagator
from otel_genai_cost.tenancy.propagators import watch
from otel_genai_cost.tenancy.tokens import Key, Keys
from otel_genai_instrumentors.queues.dramatiq import DramatiqInstrumentor
from otel_genai_instrumentors.queues.kafka_python import KafkaPythonInstrumentor
from tests.bench.measure import Pair, Result, alternate, relative
from tests.bench.tokens import PlainBaggage

__all__ = ["envelopes", "messages"]

_KEYS: Final = (Key("k1", "hmac-sha256", b"s" * 32), Key("e1", "ed25519", b"s" * 32))
_SPAN: Final = NonRecordingSpan(SpanContext(7, 7, is_remote=False, trace_flags=TraceFlags(1)))
_BATCH: Final = 100


_PLAIN: Final = (TraceContextTextMapPropagator(), PlainBaggage())


def _their_inject() -> dict[str, str]:
    headers: dict[str, str] = {}
    for one in _PLAIN:
        one.inject(headers)
    return headers


def _their_job(headers: dict[str, str]) -> None:
    found = Context()
    for one in _PLAIN:
        found = one.extract(headers, found)
    context.detach(context.attach(found))


def _our_job(carrier: object) -> None:
    with job(carrier):
        pass


@contextmanager
def _request() -> Generator[None]:
    """Of a tenant with two labels, in a trace; propagators are watched as in an application."""
    watch()
    with trace.use_span(_SPAN), tenant("acme", plan="pro", feature="chat"):
        yield


def envelopes() -> Iterator[Result]:
    """Out and in; then with tokens, which are signed once a request and verified for each message."""
    with _request():
        yield _row("inject", lambda: inject({}), _their_inject, "inject", "<= 4.00")
        headers = _their_inject()
        for name, carrier in (("headers", headers), ("pairs of bytes", _pairs(headers))):
            yield _job(f"job of {name}", carrier, headers, "<= 6.00")
        for key, bound in zip(_KEYS, ("<= 9.00", "<= 25.00"), strict=True):
            with _tokens(key), tenant("acme", plan="pro", feature="chat"):
                yield _job(f"job, verified by {key.algorithm}", inject({}), headers, bound)


def _pairs(headers: dict[str, str]) -> list[tuple[str, bytes]]:
    return [(name, value.encode()) for name, value in headers.items()]


def _job(name: str, carrier: object, headers: dict[str, str], bound: str) -> Result:
    """Beside the same without tokens."""
    return _row(name, lambda: _our_job(carrier), lambda: _their_job(headers), "extract", bound)


def _row(
    name: str,
    ours: Callable[[], object],
    theirs: Callable[[], object],
    function: str,
    bound: str,
) -> Result:
    pair = alternate(ours, theirs, calls=200, rounds=30)
    return relative(f"envelope: {name}", pair, f"W3C's propagators, {function}", bound)


@contextmanager
def _tokens(key: Key) -> Generator[None]:
    before = propagate.get_global_textmap()
    ours = [TraceContextTextMapPropagator(), GenAICostPropagator()]
    propagate.set_global_textmap(CompositePropagator(ours))
    trust.configure(Keys((key,)))
    yield
    propagate.set_global_textmap(before)
    trust.configure()
    trust._Settings.is_on = False
    binding.demand_tokens(demanded=False)


def messages() -> Iterator[Result]:
    """A message from where it is made to the end of its work, and one of a batch that is read in a loop: what is added
    to the library's own time, beside what W3C's propagators take for the same."""
    logging.disable(logging.CRITICAL)
    with _request():
        headers = _their_inject()
        ours, alone = _actors()
        pair = alternate(ours, alone, calls=50, rounds=30)
        name = "a message of Dramatiq, sent and worked on"
        yield relative(name, pair, "dramatiq alone", "<= 6.00")
        both = alternate(ours, lambda: _their_job(_their_inject()), calls=50, rounds=30)
        yield _added("a message of Dramatiq: added", pair, both, "inject, extract", 1)
        ours, alone = _consumers()
        pair = alternate(ours, alone, calls=5, rounds=30)
        one_way = alternate(ours, _loop_by_hand(headers), calls=5, rounds=30)
        yield _added("a message of kafka-python: added", pair, one_way, "extract", _BATCH)
    logging.disable(logging.NOTSET)


def _added(name: str, alone: Pair, theirs: Pair, functions: str, messages: int) -> Result:
    """By message."""
    added_us, theirs_us = (
        (alone.ours_us - alone.theirs_us) / messages,
        theirs.theirs_us / messages,
    )
    found = Pair(added_us, theirs_us, added_us / theirs_us, theirs.noise)
    return relative(name, found, f"W3C's propagators, {functions}", "<= 10.00")


def _loop_by_hand(headers: dict[str, str]) -> Callable[[], None]:
    def read() -> None:
        for _ in range(_BATCH):
            _their_job(headers)

    return read


def _actors() -> tuple[Callable[[], None], Callable[[], None]]:
    """By its broker for tests, and one of its worker's threads that is asked instead of started."""
    stub: Any = importlib.import_module("dramatiq.brokers.stub")
    worker: Any = importlib.import_module("dramatiq.worker")
    plain_broker = type("Plain", (stub.StubBroker,), {"emit_before": stub.StubBroker.emit_before})
    process = {"process_message": worker.WorkerThread.process_message}
    plain_thread = type("PlainThread", (worker.WorkerThread,), process)
    DramatiqInstrumentor().instrument()
    kinds = ((stub.StubBroker, worker.WorkerThread), (plain_broker, plain_thread))
    ours, theirs = (_actor(broker(), thread) for broker, thread in kinds)
    return ours, theirs


def _actor(broker: Any, thread: Any) -> Callable[[], None]:
    work: Any = importlib.import_module("dramatiq").actor(_work, broker=broker)
    consumer, waiting = broker.consume("default", timeout=0), PriorityQueue[Any]()
    ended = type("Ended", (), {"post_process_message": lambda _, message: consumer.ack(message)})()
    one: Any = thread(
        broker=broker, consumers={"default": ended}, work_queue=waiting, worker_timeout=100
    )

    def send_and_work() -> None:
        work.send("a text")
        waiting.put(0)
        one.process_message(next(consumer))

    return send_and_work


def _work(_: str) -> None:
    """What is measured is the way there."""


def _consumers() -> tuple[Callable[[], None], Callable[[], None]]:
    """Its consumer without a connection: what was fetched is there already."""
    consumer: Any = importlib.import_module("kafka.consumer.group").KafkaConsumer
    plain = type("Plain", (consumer,), {"poll": consumer.poll})
    KafkaPythonInstrumentor().instrument()
    ours, theirs = (_loop(kind) for kind in (consumer, plain))
    return ours, theirs


def _loop(kind: Any) -> Callable[[], None]:
    record: Any = importlib.import_module("kafka.consumer.fetcher").ConsumerRecord
    fields = dict.fromkeys(record._fields) | {"headers": _pairs(_their_inject())}
    fetched = {("topic", 0): [record(**fields) for _ in range(_BATCH)]}
    offline: Any = type("Offline", (kind,), {"_poll_once": lambda *_, **__: dict(fetched)})
    one = offline.__new__(offline)
    one._closed, one.config = False, {"max_poll_records": _BATCH}

    def read() -> None:
        for batch in one.poll().values():
            for message in batch:
                _work(message)

    return read
