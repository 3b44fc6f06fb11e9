"""How often somebody may ask, in bounded memory."""

from __future__ import annotations

import pytest

from otel_genai_cost.pages.access.rates import Rate, address_key


def test_so_many_at_once_and_so_many_a_second() -> None:
    rate = Rate(3, 0.5)
    assert [rate.take("a", 100.0) for _ in range(4)] == [0, 0, 0, 2.0]
    assert rate.take("b", 100.0) == 0
    assert rate.take("a", 101.0) == 1.0
    assert rate.take("a", 102.0) == 0
    assert rate.take("a", 102.0) == 2.0
    assert [rate.take("a", 1e6) for _ in range(4)] == [0, 0, 0, 2.0]


def test_memory_is_bounded() -> None:
    rate = Rate(1, 1, keys_max=100)
    for n in range(10_000):
        rate.take(str(n), 1.0)
    assert len(rate._left) == 100


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "", True),
        ("fe80::1%eth0", "fe80::2%eth0", True),
    ],
)
def test_addresses_of_one_caller(one: str, other: str, is_same: bool) -> None:
    assert (address_key(one) == address_key(other)) == is_same
