"""The words of notices: facts where they are known, nothing that a receiver obeys, and no cost for a tenant."""

from __future__ import annotations

import json
import unicodedata
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_genai_cost.alerts.render import inert, render
from otel_genai_cost.limits.notice import MONEY_FACTS, NOTICE_KINDS, Notice
from otel_genai_exporters.notices.alertmanager import alerts_of
from otel_genai_exporters.notices.webhook import body_of

_AT_US: Final = 1_795_000_000_000_000
_CROSSED: Final[dict[str, Any]] = {
    "budget": "acme-monthly",
    "scope": "tenant=acme",
    "period": "month",
    "period_from_us": _AT_US,
    "period_to_us": _AT_US + 86_400_000_000,
    "zone": "Europe/Berlin",
    "currency": "USD",
    "side": "cost",
    "hard": "100",
    "booked": "82.5",
    "thresholds": [50, 80],
    "percent": 82,
    "direction": "up",
    "episode": 1,
}
_COST: Final = "777123.456"


def _notice(kind: Any = "crossed", audience: Any = "team", **facts: Any) -> Notice:
    return Notice(kind, "k", "acme", audience, _AT_US, {**_CROSSED, **facts})


def test_the_team_reads_all_thresholds_in_one() -> None:
    message = render(_notice(), "id")
    assert message.title == "Budget acme-monthly of acme is at 82 %"
    assert message.text.splitlines() == [
        "Crossed: 50 %, 80 %",
        "82.5 USD of 100 USD are used.",
        "Scope: tenant=acme",
        "Period: 2026-11-18T11:06:40Z to 2026-11-19T11:06:40Z, Europe/Berlin",
        "Counted: cost",
    ]


def test_a_tenant_reads_its_price_or_a_per_cent() -> None:
    assert "82.5 USD of 100 USD" in render(_notice(audience="tenant", side="price"), "id").text
    of_cost = render(_notice(audience="tenant"), "id")
    assert of_cost.title == "82 % of your limit are used"
    assert "82.5" not in of_cost.text


@pytest.mark.parametrize("kind", NOTICE_KINDS)
@pytest.mark.parametrize("audience", ["team", "tenant"])
def test_every_kind_has_words_with_and_without_facts(kind: Any, audience: Any) -> None:
    for facts in ({}, _CROSSED, {"notices": [_CROSSED], "count": 1}):
        message = render(Notice(kind, "k", None, audience, _AT_US, facts), "id")
        assert message.title
        assert "{" not in message.title + message.text


_FACTS = st.dictionaries(
    st.one_of(
        st.sampled_from(sorted({*MONEY_FACTS, "cost", "margin", "budget"})), st.text(max_size=9)
    ),
    st.just(_COST),
    max_size=8,
)


@given(st.sampled_from(NOTICE_KINDS), _FACTS, st.sampled_from(["cost", None, "costs"]))
def test_no_rendering_for_a_tenant_has_a_figure_of_cost(
    kind: Any, facts: dict[str, Any], side: str | None
) -> None:
    kept = {"scope", "zone", "period", "currency", "count", "percent", "kind", "direction"}
    drawn = {name: value for name, value in facts.items() if name not in kept}
    inner = {**_CROSSED, "hard": _COST, "booked": _COST, **drawn, "side": side}
    message = render(
        Notice(kind, "k", "acme", "tenant", _AT_US, {**inner, "notices": [inner]}), "id"
    )
    rendered = [message.title, message.text, body_of(message), json.dumps(alerts_of(message, {}))]
    assert not any(_COST in one for one in rendered)
    assert all("acme-monthly" not in one for one in rendered), "what the team calls it is its own"


_HOSTILE: Final = (
    "<script>alert(1)</script>",
    "<!channel> <@U123> <http://evil.example|click>",
    "@everyone *bold* [click](http://evil.example) `code`",
    "a\r\nBcc: victim@example.com",
    "\x1b[31mred\x9b2J",
    "{booked} {0.__class__} {{",
    "%s ${HOME} {% raw %} {{7*7}}",
    "safe\u202egnp.exe",
)


@pytest.mark.parametrize("name", _HOSTILE)
def test_nothing_in_a_name_is_obeyed(name: str) -> None:
    notice = _notice(budget=name, scope=f"feature={name}", zone=name)._replace(tenant=name)
    message = render(notice, "id")
    text = message.title + message.text
    assert not set(text) & set("<>&@*`[](){}|\\$#\r\x1b\x9b\u202e")
    assert "\n" not in message.title
    assert len(message.text.splitlines()) == 5
    assert "http://" not in text
    assert "82.5 USD" in text, "what the template says is left as it is"
    assert json.loads(body_of(message))["data"]["tenant"] == name, "a program gets it as it is"


@given(st.text())
def test_an_inert_name_is_one_printable_line_that_reads_the_same(name: str) -> None:
    found = inert(name)
    assert found.isprintable()
    assert len(found) <= 120
    if name.isprintable() and name.isascii() and len(name) < 120:
        assert unicodedata.normalize("NFKC", found) == name
