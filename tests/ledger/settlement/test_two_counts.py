"""A provider that counts in two ways: two readings of one response are one charge, by what is billed."""

from __future__ import annotations

import pytest

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.settlement.settle import settle
from tests.ledger.build import observe


def _of_cohere(one: Observation, response_id: str = "c-1") -> Observation:
    reading = one.reading._replace(provider="cohere", response_id=response_id)
    return one._replace(reading=reading)


@pytest.mark.parametrize("above", [(2,), ()])
def test_two_counts_of_one_response_of_coheres_are_one_charge_by_what_is_billed(
    above: tuple[int, ...],
) -> None:
    """Theirs has the tokens, of the provider's template as well, and says that none were cached."""
    ours = observe(1, above=above, tokens=(12, 88), scope="otel_genai_instrumentors.cohere")
    theirs = observe(2, end_s=2, tokens=(69, 89), parts={"cache_read": 0}, scope="theirs")
    [verdict] = settle([_of_cohere(ours), _of_cohere(theirs)]).verdicts
    assert verdict.richest.reading.usage.leaves == ours.reading.usage.leaves
    assert verdict.cost.total == ours.cost.total
    assert len(settle([_of_cohere(ours), _of_cohere(theirs, "c-2")]).verdicts) == 2


def test_two_counts_under_one_id_of_others_are_two_responses() -> None:
    ours = observe(1, above=(2,), tokens=(12, 88), response_id="r")
    theirs = observe(2, end_s=2, tokens=(69, 89), response_id="r", scope="theirs")
    assert len(settle([ours, theirs]).verdicts) == 2
