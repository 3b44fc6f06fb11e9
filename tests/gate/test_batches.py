"""Operations that wait, fail, or are not waited for any more."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from otel_genai_cost.gate.batches import Batches, Pending
from otel_genai_cost.gate.store import StoreUnavailableError


def test_what_waits_is_run_together() -> None:
    sizes: list[int] = []
    may_go = threading.Event()

    def run(batch: Sequence[Pending]) -> None:
        may_go.wait(10)
        sizes.append(len(batch))
        for one in batch:
            one.done(len(sizes))

    batches = Batches("test", run, lambda: None)
    futures = [batches.submit(lambda within: 0) for _ in range(600)]
    may_go.set()
    assert [future.result(10) for future in futures] == sorted(
        future.result() for future in futures
    )
    batches.close()
    assert sum(sizes) == 600
    assert max(sizes) == 256


def test_what_nobody_waits_for_is_not_run() -> None:
    """A caller that was told that the gate is down makes no call: nothing may be held for it."""
    ran: list[Pending] = []
    busy, may_go = threading.Event(), threading.Event()

    def run(batch: Sequence[Pending]) -> None:
        busy.set()
        may_go.wait(10)
        ran.extend(batch)
        for one in batch:
            one.done(None)

    batches = Batches("test", run, lambda: None)
    first = batches.submit(lambda within: None)
    busy.wait(10)
    second = batches.submit(lambda within: None)
    assert second.cancel()
    may_go.set()
    first.result(10)
    batches.close()
    assert [one.future for one in ran] == [first]


def test_a_batch_that_fails_is_said_and_the_next_is_run() -> None:
    fails = [True]

    def run(batch: Sequence[Pending]) -> None:
        if fails.pop() if fails else False:
            raise KeyError("what nobody thought of")
        for one in batch:
            one.done("well")

    batches = Batches("test", run, lambda: None)
    with pytest.raises(StoreUnavailableError):
        batches.submit(lambda within: None).result(10)
    assert batches.submit(lambda within: None).result(10) == "well"
    batches.close()
    with pytest.raises(StoreUnavailableError):
        batches.submit(lambda within: None).result(10)
