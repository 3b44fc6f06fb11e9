"""A batch is settled part by part, from disk, and comes to what settling all of it at once comes to."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from typing import Any

import pytest

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.settlement.settle import settle
from otel_genai_cost.otlp.ancestry import span_key
from otel_genai_cost.otlp.json_request import json_request
from otel_genai_cost.replay import batch, in_order
from otel_genai_cost.replay.batch import Replayed, replay
from otel_genai_cost.replay.batch_file import BatchFile, Row
from otel_genai_cost.replay.components import Components
from otel_genai_cost.replay.recordings import Recording
from tests.ledger.build import BOOK, observe, tenant
from tests.ledger.world import world_of
from tests.replay.otlp import chat, request, span


def _parts(observations: Sequence[Observation], together: int = 1) -> list[list[Observation]]:
    """The components, as small as they get."""
    with closing(BatchFile()) as file:
        components = Components(file, together)
        for n, one in enumerate(observations):
            trace_id, above = int(one.trace_id, 16), [int(each, 16) for each in one.path]
            for below, parent in pairwise((int(one.span_id, 16), *above, 0)):
                file.put_span(span_key(trace_id, below), parent)
            file.put_observation(Row(n, 0, trace_id, above[0] if above else 0, one))
            components.note(one)
        file.end_spans()
        components.find()
        return [[observations[n] for n in numbers] for numbers, _ in components.parts()]


def _verdicts(observations: Sequence[Observation]) -> list[tuple[Any, ...]]:
    found = settle(observations)
    charged = [
        (one.charge_id, one.cost.total, one.attribution, _members(one)) for one in found.verdicts
    ]
    return [*charged, *found.ignored.items()]


def _members(verdict: Any) -> tuple[Any, ...]:
    return tuple((member.observation.id, member.rule) for member in verdict.members)


@pytest.mark.parametrize("seed", range(40))
def test_parts_come_to_what_the_whole_comes_to(seed: int) -> None:
    observations = world_of(seed, turns=25).observations
    random.Random(seed).shuffle(observations)
    parts = _parts(observations)
    assert sorted(one.id for part in parts for one in part) == sorted(
        one.id for one in observations
    )
    assert sorted(map(repr, _each(parts))) == sorted(map(repr, _verdicts(observations)))
    assert len(parts) > 1


def _each(parts: Sequence[Sequence[Observation]]) -> Iterator[tuple[Any, ...]]:
    for part in parts:
        yield from _verdicts(part)


def _spans(observations: Sequence[Sequence[Observation]]) -> list[list[int]]:
    return [[int(one.span_id, 16) for one in part] for part in observations]


def test_a_response_that_is_polled_days_later_is_one_component() -> None:
    call = observe(1, trace=1, response_id="r1")
    other = observe(2, trace=2, response_id="r1", start_s=90_000, end_s=90_001)
    poll = observe(3, trace=3, response_id="r1", start_s=180_000, end_s=180_001, role="poll")
    assert _spans(_parts([call, other])) == [[1], [2]]
    assert _spans(_parts([call, other, poll])) == [[1, 2, 3]]
    poll = observe(3, trace=3, response_id="r1", start_s=3, end_s=4, role="poll")
    assert _spans(_parts([other, call, poll])) == [[2, 1, 3]]


def test_hours_that_meet_in_turn_are_one_component() -> None:
    found = [
        observe(1, trace=1, response_id="r1", start_s=0, end_s=9_000),
        observe(2, trace=2, response_id="r1", start_s=8_000, end_s=18_000),
        observe(3, trace=3, response_id="r1", start_s=17_000, end_s=17_001),
        observe(4, trace=4, response_id="r1", start_s=90_000, end_s=90_001),
    ]
    assert _spans(_parts(found)) == [[1, 2, 3], [4]]


def test_twins_of_two_scopes_are_one_component_and_of_one_are_two() -> None:
    ours, theirs = observe(1, trace=1), observe(2, trace=2, scope="framework")
    assert _spans(_parts([ours, theirs])) == [[1, 2]]
    assert _spans(_parts([ours, observe(2, trace=2)])) == [[1], [2]]
    both = [ours, observe(3, trace=3), theirs]
    assert _spans(_parts(both)) == [[1, 3, 2]]


def test_responses_that_both_scopes_have_seen_are_no_twins_of_each_other() -> None:
    """In a process that two scopes see, else, nearly all calls would be settled together."""
    seen = [
        one
        for n in range(0, 40, 2)
        for one in (
            observe(n + 1, trace=n, scope="framework"),
            observe(n + 2, trace=n, above=(n + 1,)),
        )
    ]
    assert _spans(_parts(seen)) == [[n + 1, n + 2] for n in range(0, 40, 2)]
    assert _spans(_parts([*seen[:2], observe(50, trace=50)])) == [[1, 2], [50]]
    third = observe(60, trace=60, scope="gateway")
    assert _spans(_parts([*seen[:4], third])) == [[1, 2, 3, 4, 60]]


def _recorded(seed: int) -> list[Recording]:
    """Requests of several calls each, the spans of a trace far from each other, with tenants above some."""
    draw, spans = random.Random(seed), []
    for n in range(1, 60):
        trace = f"{n:032x}"
        named = {"genai_cost.tenant.id": f"t-{n % 3}"} if n % 2 else {}
        spans.append(span(n, named, trace_id=trace, end_s=9))
        spans.append(span(1_000 + n, chat(n), parent=n, trace_id=trace, end_s=9))
        spans.append(span(2_000 + n, chat(n), parent=1_000 + n, trace_id=trace, end_s=9))
    draw.shuffle(spans)
    parts = [spans[at : at + 7] for at in range(0, len(spans), 7)]
    return [Recording(n, json_request(request(*part))) for n, part in enumerate(parts, start=1)]


def _shown(found: Sequence[Replayed]) -> list[tuple[Any, ...]]:
    return [
        (
            one.recording,
            one.observation,
            one.kind,
            one.rule,
            one.ignored,
            one.verdict
            and (
                one.verdict.charge_id,
                one.verdict.cost.total_text,
                one.verdict.attribution,
                one.verdict.richest.reading,
            ),
        )
        for one in found
    ]


@pytest.mark.parametrize("waiting", [0, 3, 4_096])
def test_what_waits_on_disk_for_its_turn_comes_back_equal(
    waiting: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = list(replay(_recorded(1), BOOK))
    assert len(whole) > 100
    monkeypatch.setattr(in_order, "_WAITING_MAX", waiting)
    monkeypatch.setattr(batch, "Components", lambda file: Components(file, 1))
    assert _shown(list(replay(_recorded(1), BOOK))) == _shown(whole)


def test_a_full_disk_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: BatchFile) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(BatchFile, "end_spans", full)
    with pytest.raises(ConfigurationError, match="SQLITE_TMPDIR"):
        list(replay(_recorded(2), BOOK))


def test_tenants_above_are_seen_whatever_the_part() -> None:
    above = observe(1, trace=7, role="context", tokens=None, attribution=tenant("acme"))
    below = observe(2, trace=7, above=(1,), attribution=tenant(None))
    assert _spans(_parts([below, above])) == [[2, 1]]
