"""Words of familiar calls are compared as they are read."""

from __future__ import annotations

from tests.metering.test_familiar import Make, assert_equal, pair, play, usual


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
