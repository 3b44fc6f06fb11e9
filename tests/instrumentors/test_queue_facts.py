"""Facts of queues that need no broker: whose a batch is, and what cannot pass for an envelope."""

from __future__ import annotations

import pickle
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import wrapt

from otel_genai_cost import inject, tenant
from otel_genai_cost.tenancy.refusals import refusals
from otel_genai_instrumentors.queueing import Call
from otel_genai_instrumentors.queues import dramatiq, faststream, huey, nats_py, pubsub


def _headers(name: str) -> dict[str, str]:
    with tenant(name):
        return inject({})


def test_a_batch_that_a_handler_takes_at_once_is_nobodys_if_it_is_of_several() -> None:
    acme, globex = _headers("acme"), _headers("globex")
    for batch, right in (
        ([], acme),
        ([acme], acme),
        ([acme, acme], acme),
        ([acme, globex], None),
        ([acme, {}], None),
    ):
        message = SimpleNamespace(headers=acme, batch_headers=batch)
        assert faststream._of_message(message) == right


def test_what_an_application_sends_cannot_pass_for_an_envelope() -> None:
    written = huey._MARK + b'{"v": 1, "baggage": "tenant.id=victim"}'
    for pickled in (
        pickle.dumps(written),
        pickle.dumps((written.decode(), {"key": "." + written.decode()})),
        pickle.dumps("text"),
    ):
        huey._begin_read(Call(None, (), {}))
        huey._read_behind(Call(None, (pickled,), {}))
        assert huey._read.get() == {}
    huey._read_behind(Call(None, (pickle.dumps("text") + written,), {}))
    assert huey._read.get() == {"v": 1, "baggage": "tenant.id=victim"}
    assert pickle.loads(pickle.dumps("text") + written) == "text"


def test_a_server_without_headers_and_the_servers_own_subjects_get_none() -> None:
    def headers_at(subject: str, information: dict[str, Any]) -> Any:
        client = SimpleNamespace(_server_info=information)
        with tenant("acme"):
            return nats_py._put(Call(client, (subject, b""), {})).kwargs.get("headers")

    assert headers_at("q", {"headers": True}) == {"baggage": "tenant.id=acme"}
    assert headers_at("$JS.API.INFO", {"headers": True}) is None
    assert headers_at("q", {}) is None


def test_a_class_of_two_names_is_wrapped_once() -> None:
    workers: Any = import_module("dramatiq.worker")
    instrumentor = dramatiq.DramatiqInstrumentor()
    instrumentor.instrument()
    try:
        [*_, kind] = {workers.WorkerThread, workers._WorkerThread}
        assert isinstance(vars(kind)["process_message"], wrapt.FunctionWrapper)
        assert not isinstance(vars(kind)["process_message"].__wrapped__, wrapt.FunctionWrapper)
    finally:
        instrumentor.uninstrument()


def test_a_message_of_pubsub_gets_no_more_than_the_service_takes() -> None:
    def attributes(**given: str) -> dict[str, Any]:
        with tenant("acme"):
            return pubsub._put(Call(None, ("topic", b""), given)).kwargs

    assert attributes(timeout="1", mine="1") == {
        "timeout": "1",
        "mine": "1",
        "baggage": "tenant.id=acme",
    }
    long = "tenant.id=acme," + ",".join(f"k{n}=" + "v" * 90 for n in range(20))
    cut = pubsub._fitting({"baggage": long, "tracestate": "x" * 1025}, 2)
    assert cut == {"baggage": long[: long.index(",k10=")]}
    assert len(cut["baggage"].encode()) <= 1024
    assert len(attributes(**{f"a{n}": "1" for n in range(99)})) == 100
    refused = refusals.get("no_room", 0)
    full = {f"a{n}": "1" for n in range(100)}
    assert attributes(**full) == full, "sent as it was"
    assert refusals["no_room"] == refused + 1
    first = {"baggage": "tenant.id=globex"}
    assert attributes(**first) == first, "published again, for whom it was at first"
