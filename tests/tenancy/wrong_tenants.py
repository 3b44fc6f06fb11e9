"""Where elsewhere somebody pays for another one's calls: what is seen, what becomes of it here, and the tests that hold
it. Makes a table of docs/tenancy.md."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["WRONG", "Wrong"]

_HERE: Final = "tests/tenancy/test_wrong_tenants.py"
_MATRIX: Final = "tests/queues/test_matrix.py"


class Wrong(NamedTuple):
    """One case; tests are named as pytest does."""

    seen: str
    here: str
    tests: tuple[str, ...]


WRONG: Final = (
    Wrong(
        "a thread that a request starts and that then serves everybody, such as a micro-batcher, bills whoever came "
        "first: upstream's instrumentation of threads gives it that request's context for as long as it lives",
        "each item of a `queue.Queue` is for whoever put it; what cannot be known is `stale` once the request has "
        "ended",
        (
            f"{_HERE}::test_thread_that_a_request_starts",
            f"{_HERE}::test_thread_that_nothing_is_carried_to",
            "tests/instrumentors/test_local_queues.py::test_a_thread_that_the_first_request_starts",
            "tests/edges/test_servers.py::test_consumer_started_in_a_request_is_nobodys",
        ),
    ),
    Wrong(
        "a task that a request starts and that then serves everybody does the same, by Python's own context",
        "each item of an `asyncio.Queue` is for whoever put it; otherwise `stale`",
        (
            f"{_HERE}::test_task_that_a_request_starts",
            "tests/instrumentors/test_local_queues.py::test_a_task_that_the_first_request_starts",
        ),
    ),
    Wrong(
        "a future's callback runs for whoever's work started the pool's thread",
        "it runs for whoever added it",
        (
            f"{_HERE}::test_callback_on_a_pool",
            "tests/instrumentors/test_processes.py::test_a_callback_is_for_whoever_adds_it",
        ),
    ),
    Wrong(
        "a worker of a ProcessPoolExecutor or a Pool that was forked in one customer's request bills that customer for "
        "ever",
        "its tasks are for whoever submits them",
        (
            f"{_HERE}::test_pools_that_are_forked",
            "tests/instrumentors/test_processes.py::test_a_pools_task_is_for_whoever_submits_it",
        ),
    ),
    Wrong(
        "a scheduler that a request starts runs its recurring jobs for that request; in an event loop, its timer is "
        "whoever's request set it last",
        "what recurs is nobody's, what runs once is for whoever added it",
        (
            f"{_HERE}::test_schedulers_that_a_request_starts",
            "tests/instrumentors/test_schedules.py::test_a_scheduler_that_a_request_started",
            "tests/instrumentors/test_schedules.py::test_a_scheduler_in_an_event_loop",
        ),
    ),
    Wrong(
        "what a server of MCP has its client sample is billed to whoever opened the session",
        "it is for whoever asked the server",
        (
            f"{_HERE}::test_sampling_by_mcp",
            f"{_MATRIX}::test_right_tenant_or_none[mcp-stdio]",
            f"{_MATRIX}::test_right_tenant_or_none[mcp-http]",
            f"{_MATRIX}::test_right_tenant_or_none[mcp_1]",
        ),
    ),
    Wrong(
        "a subscriber of Pub/Sub that is opened in a request works on everybody's messages for that request",
        "each message is for whom it was published",
        tuple(
            f"{_MATRIX}::test_right_tenant_or_none[pubsub-{way}]"
            for way in ("callback", "traced", "pull")
        ),
    ),
    Wrong(
        "a worker attaches a message's context and never detaches it: the next message without one is billed to the "
        "tenant before",
        "each message's context is built from its envelope alone, and ends with its work",
        (
            f"{_HERE}::test_worker_that_keeps_a_context",
            f"{_MATRIX}::test_right_tenant_or_none[dramatiq]",
        ),
    ),
    Wrong(
        "after a loop over messages the last one's context stays current, or threads detach each other's",
        "what stood before is restored, by each reader for itself",
        (
            f"{_MATRIX}::test_right_tenant_or_none[pika-generator]",
            f"{_MATRIX}::test_right_tenant_or_none[confluent_kafka-poll]",
            f"{_MATRIX}::test_right_tenant_or_none[sqs-batch]",
            "tests/tenancy/test_rolling.py::test_two_loops_in_two_tasks_of_one_reader",
        ),
    ),
    Wrong(
        "with `OTEL_PROPAGATORS=baggage,tracecontext`, in that order, a message without an envelope keeps the tenant "
        "that is around its worker",
        "a message is read into an empty context, whatever the order",
        (
            f"{_HERE}::test_context_around_a_worker",
            "tests/tenancy/test_propagator.py::test_nothing_is_taken_from_the_context_around",
        ),
    ),
    Wrong(
        "a header of a client's names a victim",
        "[nothing inbound is believed](reference/edges.md) that was not named",
        (
            f"{_HERE}::test_forged_headers_of_a_request",
            "tests/edges/test_asgi.py::test_right_tenant_or_none",
            "tests/edges/test_servers.py::test_right_tenant_or_none",
            "tests/edges/test_grpc.py::test_right_tenant_or_none",
        ),
    ),
    Wrong(
        "a header of a message names a victim, put there by somebody who can write to the queue",
        "nobody's, where a [token](reference/tokens.md) is demanded",
        (
            f"{_HERE}::test_forged_headers_of_a_message",
            "tests/edges/test_trusted.py::test_the_tenant_of_the_edge_holds_inside_and_nobody_elses",
        ),
    ),
)
