"""Words of familiar calls are compared as they are read."""

from __future__ import annotations

from enum import Enum

import pytest

from otel_genai_cost.journal.codec import decode
from tests.metering.test_familiar import Make, assert_equal, pair, play, told, usual


class _Loose(str):
    """Text that calls itself equal to others."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return hash("acme")


def test_words_are_compared_by_their_characters(make: Make) -> None:
    one, other = pair(make)
    calls = [{**usual(n), "tenant.id": "acme"} for n in range(3)]
    calls += [{**usual(3), "tenant.id": _Loose("globex")}, {**usual(4), "tenant.id": "a\0b"}]
    for metered in (one, other):
        play(metered, calls, [])
    assert_equal(one, other)
    assert [found.attribution.tenant for found in one.journalled][-2:] == ["globex", None]


class _Tier(str, Enum):
    FLEX = "flex"


class _Named(str, Enum):
    """Python takes a member's hash from its name, so this one is found where its text is."""

    flex = "flex"


@pytest.mark.parametrize("member", [_Tier.FLEX, _Named.flex])
def test_a_member_of_an_enum_is_its_text(make: Make, member: str) -> None:
    one, other = pair(make)
    tiers = [member, member, "flex", "flex", "flex", member, "flex"]
    calls = [{**usual(n), "openai.response.service_tier": t} for n, t in enumerate(tiers)]
    for metered in (one, other):
        play(metered, calls, [])
    assert_equal(one, other)
    tiers_told = [decode(line)["context"]["service_tier"] for line in told(one.folder)]
    assert tiers_told == ["flex"] * len(tiers)
