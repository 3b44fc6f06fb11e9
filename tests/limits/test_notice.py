"""What a notice is known by, and what of it a tenant may see."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from otel_genai_cost.limits.notice import MONEY_FACTS, Notice, notice_id, visible_facts

_COST: Final = "98765.4321"
_MARGIN: Final = "12345.6789"


def _notice(facts: dict[str, Any]) -> Notice:
    return Notice("crossed", "b1|acme|80", "acme", "tenant", 1, facts)


def test_an_id_follows_from_key_and_channel() -> None:
    assert notice_id("a", "b") == notice_id("a", "b") != notice_id("a", "c")
    assert notice_id("a", "bc") != notice_id("ab", "c")
    assert len(notice_id("\ud800", "b")) == 32


_NAMES = st.one_of(st.sampled_from(sorted(MONEY_FACTS)), st.text(max_size=20))


@given(st.dictionaries(_NAMES, st.sampled_from([_COST, _MARGIN])), st.sampled_from(["cost", None]))
def test_a_tenant_sees_no_sum_unless_it_is_of_its_price(
    facts: dict[str, Any], side: str | None
) -> None:
    tenants = ("scope", "period", "zone", "direction", "currency", "thresholds", "percent")
    drawn = {name: value for name, value in facts.items() if name not in tenants}
    inner = {**drawn, "side": side, "percent": 80}
    seen = repr(visible_facts(_notice({**inner, "notices": [inner]})))
    assert _COST not in seen
    assert _MARGIN not in seen
    assert "80" in seen


def test_a_tenant_sees_its_price_and_the_team_all() -> None:
    facts = {"side": "price", "booked": "80.00", "margin": "3.00", "cost": "77.00", "budget": "b1"}
    assert visible_facts(_notice(facts)) == {"booked": "80.00"}
    assert visible_facts(_notice(facts)._replace(audience="team")) == facts
