"""Pairs that look alike and were not joined."""

from __future__ import annotations

from collections.abc import Iterable

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.settlement.settle import settle
from otel_genai_cost.ledger.storage.store import Stored
from otel_genai_cost.ledger.suspects import suspects
from tests.ledger.build import observe, tenant


def _found(observations: Iterable[Observation]) -> list[tuple[str, str, str]]:
    stored = [
        Stored(n, member.observation, 0, verdict.charge_id, member.rule, None)
        for n, verdict in enumerate(settle(observations).verdicts)
        for member in verdict.members
    ]
    return [
        (one.why, one.first.observation.span_id[-1], one.second.observation.span_id[-1])
        for one in suspects(stored)
    ]


def test_gateway_without_the_trace_is_suspicious() -> None:
    gateway = observe(2, trace=2, end_s=2, scope="gateway", process="p2")
    assert _found([observe(1), gateway]) == [("two_processes", "1", "2")]


def test_twins_of_two_tenants_are_suspicious() -> None:
    other = observe(2, trace=2, end_s=2, scope="framework", attribution=tenant("globex"))
    assert _found([observe(1), other]) == [("two_tenants", "1", "2")]


def test_equal_id_that_did_not_join_is_suspicious() -> None:
    later = observe(2, trace=2, start_s=900, end_s=901, response_id="r1")
    assert _found([observe(1, response_id="r1"), later]) == [("same_response_id", "1", "2")]


def test_silent_twin_is_suspicious_and_a_failed_call_is_not() -> None:
    silent = observe(2, trace=2, end_s=2, scope="framework", tokens=None)
    assert _found([observe(1), silent]) == [("no_usage", "1", "2")]
    failed = observe(2, trace=2, end_s=2, scope="framework", tokens=None, error="Timeout")
    assert _found([observe(1), failed]) == []


def test_what_is_joined_or_merely_equal_is_not() -> None:
    joined = [observe(1), observe(2, trace=2, end_s=2, scope="framework")]
    parallel = [observe(1), observe(2, trace=2)]
    elsewhere = [observe(1), observe(2, trace=2, process="p2")]
    apart = [observe(1), observe(2, trace=2, start_s=60, end_s=61, scope="gateway", process="p2")]
    assert [_found(one) for one in (joined, parallel, elsewhere, apart)] == [[]] * 4
