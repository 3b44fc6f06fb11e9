"""Who is alone is settled without looking for anybody else, and comes to the same."""

from __future__ import annotations

import random

import pytest

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.settlement import settle as settlement
from otel_genai_cost.ledger.settlement.settle import settle
from otel_genai_cost.ledger.settlement.strangers import strangers
from tests.ledger.build import observe
from tests.ledger.world import world_of


@pytest.mark.parametrize("seed", range(40))
def test_it_comes_to_the_same_as_settling_all_together(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(seed)
    observations = [
        *world_of(seed).observations,
        *(_lone(10**6 + n, draw) for n in range(draw.randrange(30))),
    ]
    draw.shuffle(observations)
    unlinks = frozenset(one.id for one in draw.sample(observations, 3))
    apart = settle(observations, unlinks)
    assert strangers(observations) or seed
    monkeypatch.setattr(settlement, "strangers", lambda ordered: frozenset())
    assert settle(observations, unlinks) == apart


def _lone(n: int, draw: random.Random) -> Observation:
    """A call of its own trace; some say nothing of usage, some failed, some share a process or an id with others."""
    return observe(
        n,
        trace=n,
        above=(n + 500,),
        start_s=draw.randrange(200),
        end_s=draw.randrange(200, 210),
        tokens=draw.choice([(1_000, 100), (239, 7), None]),
        process=draw.choice(["p1", f"p{n}"]),
        error=draw.choice([None, None, "timeout"]),
        response_id=draw.choice([None, f"r{n}", "r120"]),
    )


def test_who_shares_anything_is_not_alone() -> None:
    alone = observe(1, trace=1, response_id="r1", process="p1")
    assert strangers([alone]) == {0}
    for other in (
        observe(2, trace=1, process="p2"),
        observe(2, trace=2, response_id="r1", process="p2"),
        observe(2, trace=2, scope="gateway", process="p1"),
        alone._replace(trace_id="f" * 32, scope="client"),
    ):
        assert strangers([alone, other]) <= {1}
    assert strangers([alone, observe(2, trace=2, process="p1")]) == {0, 1}
    assert not strangers([alone.in_role("poll")])
    assert not strangers([alone._replace(path=(alone.span_id,))])
