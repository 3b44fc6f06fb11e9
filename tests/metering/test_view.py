"""One cost for one response on a trace, as far as a bounded memory can tell."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.settlement.settle import Settlement, settle
from otel_genai_cost.metering import recent as recent_module
from otel_genai_cost.metering.recent import AGE_LIMIT_US, COUNT_LIMIT, Recent
from otel_genai_cost.tenancy.attribution import Attribution
from tests.ledger.build import observe
from tests.ledger.world import world_of

_NOBODY = Attribution()
_SPAN_3 = f"{3:016x}"


def _observed(span: int, **fields: Any) -> Observation:
    """A response of the trace 1 with the id `r`, unless told otherwise."""
    fields.setdefault("response_id", "r")
    return observe(span, **fields)


def _other_provider(one: Observation) -> Observation:
    return one._replace(reading=one.reading._replace(provider="azure"))


def _held(recent: Recent, index: str) -> set[Any]:
    """The keys of an index, of all that is remembered."""
    return {*getattr(recent._young, index), *getattr(recent._old, index)}


def test_a_second_span_of_the_same_response_names_the_first() -> None:
    recent = Recent()
    first = _observed(1)
    assert recent.note(first) is None
    assert recent.note(_observed(2)) == first.id
    assert recent.note(_observed(3, trace=9)) == first.id  # another service's trace of it


def test_all_later_spans_name_the_first_one() -> None:
    recent = Recent()
    first = _observed(1, above=(2, 3))
    recent.note(first)
    assert recent.note(_observed(2, above=(3,))) == first.id
    assert recent.note(_observed(3, response_id=None)) == first.id


@pytest.mark.parametrize(
    "later",
    [
        _observed(2, tokens=(999, 100)),
        _observed(2, start_s=10, end_s=11),
        _observed(2, response_id="other"),
        _observed(2, response_id=None),
        _other_provider(_observed(2)),
    ],
    ids=["other usage", "no overlap", "other id", "no id", "other provider"],
)
def test_an_equal_id_alone_proves_nothing(later: Observation) -> None:
    recent = Recent()
    recent.note(_observed(1))
    assert recent.note(later) is None


def test_clocks_may_differ_by_two_seconds() -> None:
    for start_s, same in ((3, True), (4, False)):
        recent = Recent()
        first = _observed(1, start_s=0, end_s=1)
        recent.note(first)
        later = _observed(2, start_s=start_s, end_s=start_s + 1, scope="gateway", process="p2")
        assert (recent.note(later) == first.id) == same


def test_outputs_may_differ() -> None:
    recent = Recent()
    recent.note(first := _observed(1))
    assert recent.note(_observed(2, tokens=(1_000, 0))) == first.id


def test_what_reports_no_usage_repeats_what_does_and_not_the_other_way_round() -> None:
    recent = Recent()
    recent.note(first := _observed(1))
    assert recent.note(_observed(2, tokens=None)) == first.id
    recent = Recent()
    recent.note(silent := _observed(1, tokens=None))
    assert recent.note(_observed(2, role="poll", start_s=9, end_s=10)) == silent.id
    assert recent.note(_observed(3)) is None  # the trace would show no cost
    recent = Recent()
    recent.note(_observed(1, role="poll"))
    assert recent.note(_observed(2)) is None


def test_results_of_a_batch_are_fetched_at_any_time() -> None:
    recent = Recent()
    recent.note(first := _observed(1, batch=True))
    assert recent.note(_observed(2, batch=True, start_s=30, end_s=31)) == first.id


def test_one_tracer_for_every_library_is_several_reporters() -> None:
    def about(library: str, span: int) -> Observation:
        one = _observed(span, trace=span, response_id=None)
        return one._replace(reading=one.reading._replace(reporter=library))

    recent = Recent()
    recent.note(first := about("openai", 1))
    assert recent.note(about("openai", 2)) is None
    assert recent.note(about("langchain", 3)) == first.id


def test_an_id_that_a_later_span_knows_is_the_responses() -> None:
    recent = Recent()
    recent.note(first := _observed(1, above=(2,), response_id=None))
    assert recent.note(_observed(2)) == first.id
    assert recent.note(_observed(3, trace=9, role="poll", start_s=9, end_s=10)) == first.id


def test_a_failed_attempt_is_no_part_of_the_answer_below_it() -> None:
    for error, same in ((None, True), ("RateLimitError", False)):
        recent = Recent()
        recent.note(first := _observed(1, above=(2,)))
        above = _observed(2, tokens=None, response_id=None, error=error)
        assert (recent.note(above) == first.id) == same


def test_marks_are_what_the_ledger_joins() -> None:
    """But for some of the ledger's reasons that come later, as a tenant that only a span above knows."""
    right = wrong = 0
    for seed in range(30):
        recent, seen = Recent(), list[Observation]()
        for one in sorted(world_of(seed).observations, key=lambda one: (one.end_us, one.id)):
            if one.origin.process != "p0":
                continue
            seen.append(one)
            mark = recent.note(one)
            if mark is not None:
                joined = _are_joined(settle(seen), one.id, mark)
                right, wrong = right + joined, wrong + (not joined)
    assert right > 100
    assert wrong <= right / 25


def _are_joined(settled: Settlement, one: str, other: str) -> bool:
    charges = [{member.observation.id for member in v.members} for v in settled.verdicts]
    return one in settled.ignored or any({one, other} <= charge for charge in charges)


def test_a_poll_repeats_the_response_whenever_it_comes() -> None:
    recent = Recent()
    recent.note(first := _observed(1))
    poll = _observed(2, role="poll", start_s=50, end_s=51, tokens=(1, 1))
    assert recent.note(poll) == first.id
    assert recent.note(_other_provider(poll)) is None


def test_a_span_above_with_equal_usage_repeats_what_is_below() -> None:
    recent = Recent()
    recent.note(first := _observed(1, above=(2, 3), response_id=None))
    assert recent.note(_observed(3, response_id=None)) == first.id
    assert recent.note(_observed(2, above=(3,), response_id=None, tokens=(7, 1))) is None


def test_a_span_above_in_another_trace_is_another_span() -> None:
    recent = Recent()
    recent.note(_observed(1, above=(2,), response_id=None))
    assert recent.note(_observed(2, trace=5, response_id=None)) is None


def test_an_aggregate_above_a_response_shows_no_cost_of_its_own() -> None:
    recent = Recent()
    recent.note(first := _observed(1, above=(3,), response_id=None))
    recent.note(second := _observed(2, above=(3,), response_id=None, start_s=5, end_s=6))
    above = _observed(3, role="aggregate", tokens=(2_000, 200), response_id=None)
    assert recent.note(above) in (first.id, second.id)


def test_parallel_twins_are_two_responses() -> None:
    recent = Recent()
    assert recent.note(_observed(1, above=(9,), response_id="a")) is None
    assert recent.note(_observed(2, above=(9,), response_id="b")) is None


def test_what_is_too_old_is_forgotten() -> None:
    recent, age_s = Recent(), AGE_LIMIT_US // 1_000_000
    recent.note(_observed(1, end_s=1))
    assert recent.note(_observed(2, role="poll", start_s=age_s, end_s=age_s + 1)) is not None
    assert recent.note(_observed(3, role="poll", start_s=age_s, end_s=age_s + 2)) is None


def test_the_oldest_of_too_many_is_forgotten() -> None:
    recent = Recent()
    for n in range(COUNT_LIMIT + 10):
        recent.note(_observed(n + 1, above=(10**6 + n,), response_id=f"r{n}", attribution=_NOBODY))
    assert COUNT_LIMIT // 2 <= len(recent) == recent.tenantless <= COUNT_LIMIT
    assert recent.note(_observed(10**7, response_id="r9")) is None
    for kept in (COUNT_LIMIT // 2, COUNT_LIMIT + 9):
        assert recent.note(_observed(10**7, response_id=f"r{kept}")) is not None


def test_what_is_forgotten_leaves_nothing_behind() -> None:
    recent = Recent()
    for n in range(50):
        recent.note(_observed(n + 1, above=(100 + n, 7), response_id=f"r{n}", attribution=_NOBODY))
    recent.note(_observed(999, response_id="last", start_s=200, end_s=201))
    assert (len(recent), recent.tenantless) == (1, 0)
    assert _held(recent, "by_response") == {"last"}
    assert _held(recent, "below") == set()


def test_a_clock_that_jumps_does_not_grow_the_memory() -> None:
    recent = Recent()
    recent.note(_observed(1, response_id="future", start_s=10**6, end_s=10**6))
    for n in range(COUNT_LIMIT * 2):
        recent.note(_observed(n + 2, response_id=f"r{n}"))
    assert len(recent) <= COUNT_LIMIT


def test_a_tenant_is_wanted_above_a_response_without_one() -> None:
    recent = Recent()
    trace = _observed(1).trace_id
    recent.note(_observed(1, above=(2, 3), attribution=_NOBODY))
    assert recent.tenantless == 1
    assert recent.wants_tenant(trace, _SPAN_3)
    assert not recent.wants_tenant(trace, f"{4:016x}")
    assert not recent.wants_tenant(f"{5:032x}", _SPAN_3)


def test_no_tenant_is_wanted_where_all_have_one() -> None:
    recent = Recent()
    recent.note(_observed(1, above=(3,)))
    assert recent.tenantless == 0
    assert not recent.wants_tenant(_observed(1).trace_id, _SPAN_3)
    recent.note(_observed(2, above=(3,), response_id="b", attribution=_NOBODY))
    recent.note(_observed(4, above=(3,), response_id="c"))
    assert recent.wants_tenant(_observed(1).trace_id, _SPAN_3)


def test_a_span_without_a_call_is_no_response_to_repeat() -> None:
    recent = Recent()
    assert recent.note(_observed(1, role="context", above=(2,))) is None
    assert recent.note(_observed(2)) is None
    assert recent.tenantless == 0


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_remembers_nothing() -> None:
    recent = Recent()
    recent.note(_observed(1, attribution=_NOBODY))
    pid = os.fork()
    if pid == 0:
        recent.forked()
        forgotten = recent.note(_observed(2)) is None and recent.tenantless == 0
        os._exit(0 if forgotten else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert recent.note(_observed(2)) is not None


def _note_from_threads(recent: Recent, responses: int) -> list[str]:
    """Four threads note so many responses each, and each again at once; the names of those not recognised."""
    missed: list[str] = []

    def work(t: int) -> None:
        for n in range(responses):
            span = t * 10_000 + 2 * n + 1
            name = f"{t}-{n}"
            first = _observed(span, response_id=name, above=(span + 1,), attribution=_NOBODY)
            recent.note(first)
            if recent.note(_observed(span + 1, response_id=name)) != first.id:
                missed.append(name)

    threads = [threading.Thread(target=work, args=(t,)) for t in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return missed


@pytest.mark.parametrize("overtaken_before", [1, 2])
def test_what_is_noted_while_another_thread_replaces_the_full_generation_is_kept(
    monkeypatch: pytest.MonkeyPatch, overtaken_before: int
) -> None:
    """A thread that found the first half full is overtaken by others just before it puts a new one in its place."""
    recent = Recent()
    for n in range(COUNT_LIMIT // 2):
        recent.note(_observed(n + 1, response_id=f"r{n}"))
    make_generation = recent_module._Generation
    pending = [None] * overtaken_before
    between: list[Observation] = []

    def overtaken(until_us: int = 0) -> Any:
        if pending:
            pending.pop()
            between.append(_observed(90_000 + len(between), response_id=f"between-{len(between)}"))
            recent.note(between[-1])
        return make_generation(until_us)

    monkeypatch.setattr(recent_module, "_Generation", overtaken)
    late = _observed(80_000, response_id="late")
    recent.note(late)
    assert len(between) == overtaken_before
    for one in (*between, late, _observed(1, response_id="r0")):
        again = _observed(70_000, response_id=one.reading.response_id)
        assert recent.note(again) == one.id
    assert recent.evicted == 0
    assert len(recent) == COUNT_LIMIT // 2 + overtaken_before + 1


def test_threads_miss_nothing_that_fits() -> None:
    """All of them fit: a thread that had to wait long would otherwise rightly find its response forgotten."""
    assert _note_from_threads(Recent(), COUNT_LIMIT // 4 - 10) == []


def test_threads_stay_within_the_bounds() -> None:
    recent = Recent()
    _note_from_threads(recent, 1_500)
    assert len(recent) <= COUNT_LIMIT + 4
    assert len(_held(recent, "by_response")) <= COUNT_LIMIT + 4
