"""The view's mark: which later span tells of a response that was seen a moment ago."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.metering.recent import AGE_LIMIT_US, COUNT_LIMIT, Recent
from otel_genai_cost.vocabulary import Role
from tests.ledger.build import observe, tenant


def _marks(*observations: Observation) -> list[str | None]:
    recent = Recent()
    return [recent.note(one) for one in observations]


def test_same_response_id_with_equal_usage_and_a_poll() -> None:
    call = observe(1, response_id="r1")
    again = observe(2, trace=2, response_id="r1", end_s=2)
    poll = observe(3, trace=3, response_id="r1", role="poll", start_s=30, end_s=31)
    other = observe(4, trace=4, response_id="r1", tokens=(7, 7))
    later = observe(5, trace=5, response_id="r1", start_s=30, end_s=31)
    assert _marks(call, again, poll, other) == [None, call.id, call.id, None]
    assert _marks(call, later) == [None, None]


def test_span_above_that_repeats_sums_up_or_says_nothing() -> None:
    below = [observe(n, above=(1,), start_s=n, end_s=n + 1, tokens=(100 * n, 10)) for n in (2, 3)]
    first = below[0].id

    def above(tokens: tuple[int, int] | None, role: Role = "response") -> Observation:
        return observe(1, end_s=9, tokens=tokens, scope="framework", role=role)

    assert _marks(*below, above((300, 10)))[-1] == below[1].id
    assert _marks(*below, above((500, 20)))[-1] == first
    assert _marks(*below, above((450, 20)))[-1] is None
    assert _marks(*below, above((9_000, 20), "aggregate"))[-1] == first
    assert _marks(*below, above(None))[-1] is None
    assert _marks(below[0], above(None))[-1] == first
    assert (
        _marks(below[0], above((200, 10))._replace(trace_id="f" * 32, scope="client"))[-1] is None
    )


def test_another_scope_at_the_same_time_with_equal_tokens() -> None:
    def twin(**changes: Any) -> Observation:
        told: dict[str, Any] = {"trace": 2, "end_s": 2, "scope": "framework", **changes}
        return observe(2, **told)

    call = observe(1)
    assert _marks(call, twin())[-1] == call.id
    assert _marks(call, twin(scope="client"))[-1] is None
    assert _marks(call, twin(process="p2"))[-1] is None
    assert _marks(call, twin(tokens=(1_000, 99)))[-1] is None
    assert _marks(call, twin(attribution=tenant("globex")))[-1] is None
    assert _marks(call, twin(start_s=30, end_s=31))[-1] is None


def test_identical_parallel_calls_seen_by_two_scopes_have_two_costs() -> None:
    client = [observe(n, trace=n) for n in (1, 2)]
    framework = [observe(n, trace=n, end_s=2, scope="framework") for n in (3, 4)]
    third = observe(5, trace=5, end_s=2, scope="framework")
    assert _marks(*client, *framework, third) == [None, None, client[0].id, client[1].id, None]


def test_memory_is_bounded_by_count_and_evictions_are_counted() -> None:
    recent = Recent()
    for n in range(3 * COUNT_LIMIT):
        recent.note(observe(n + 1, trace=n, above=(10**9 + n,), response_id=f"r{n}", tokens=(n, 1)))
    for generation in (recent._young, recent._old):
        held = (generation.responses, generation.by_response, generation.below)
        assert {len(one) for one in held} == {COUNT_LIMIT // 2}
    assert recent.evicted == 2 * COUNT_LIMIT


def test_one_call_made_over_and_over_is_bounded_too() -> None:
    recent = Recent()
    for n in range(3 * COUNT_LIMIT):
        recent.note(observe(n + 1, trace=n, response_id="chatcmpl-1", tokens=(n % 7, 1)))
    recent.note(observe(9, trace=10**6, scope="framework", tokens=(5, 5)))
    for generation in (recent._young, recent._old):
        assert max(map(len, generation.twins.values()), default=0) <= 16
    assert len(recent) <= COUNT_LIMIT


def test_what_is_old_is_forgotten_and_not_counted_as_evicted() -> None:
    recent = Recent()
    recent.note(observe(1, above=(9,), response_id="r1", attribution=tenant(None)))
    assert recent.tenantless == 1
    assert recent.wants_tenant(f"{1:032x}", f"{9:016x}")
    late_s = AGE_LIMIT_US // 1_000_000 + 2
    recent.note(observe(2, trace=2, start_s=late_s, end_s=late_s + 1))
    assert (len(recent), recent.evicted, recent.tenantless) == (1, 0, 0)
    assert not recent.wants_tenant(f"{1:032x}", f"{9:016x}")


def test_any_response_below_without_a_tenant_wants_one() -> None:
    recent = Recent()
    recent.note(observe(1, above=(9,), attribution=tenant(None)))
    recent.note(observe(2, above=(9,), tokens=(5, 5)))
    assert recent.wants_tenant(f"{1:032x}", f"{9:016x}")


def test_threads_never_break_it() -> None:
    recent = Recent()

    def work(thread: int) -> None:
        for n in range(COUNT_LIMIT):
            told: dict[str, Any] = {
                "above": (n % 50 + 1,),
                "response_id": f"r{n}",
                "tokens": (n % 90, 1),
            }
            recent.note(observe(n + 1, trace=n, **told))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(work, range(3)))
    finally:
        sys.setswitchinterval(before)
    assert len(recent) <= COUNT_LIMIT
