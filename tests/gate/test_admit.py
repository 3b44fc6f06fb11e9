"""Proxies that ask: what they are answered, and how the holds of what they let through end."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from otel_genai_cost.gate.gate import Options
from otel_genai_cost.limits.budget import Rung
from tests.gate.opened import Opened, check_sums, opened
from tests.ledger.build import observe, tenant
from tests.limits.build import budget

_PATH: Final = "/v1/admit/v1/chat/completions"
_BODY: Final = {
    "model": "gpt-4o",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "hi"}],
}


@pytest.fixture
def gate(tmp_path: Path, address: str | None) -> Generator[Opened]:
    less = Rung(10, "shrink")
    budgets = (
        budget("acme", scope={"tenant": "acme"}, hard="10"),
        budget("tight", scope={"tenant": "tight"}, hard="0.01", ladder=(less,)),
        budget("blind", scope={"tenant": "blind"}, hard="1", unknown_price=10**17),
    )
    with opened(tmp_path, *budgets, address=address) as found:
        yield found
        check_sums(found)


def _ask(
    gate: Opened,
    headers: Mapping[str, str] | None = None,
    *,
    tenant: str | None = "acme",
    trace: int = 1,
    span: int = 1,
    path: str = _PATH,
    body: Any = _BODY,
) -> Any:
    own = {} if tenant is None else {"x-tenant-id": tenant}
    own["traceparent"] = f"00-{trace:032x}-{span:016x}-01"
    return gate.client.post(path, json=body, headers={**gate.team, **own, **(headers or {})})


def _states(gate: Opened, *answers: Any) -> list[str]:
    return [gate.state(int(one.headers["x-genai-cost-hold"], 16)) for one in answers]


def test_a_call_that_passes_is_held_until_the_applications_charge_of_it(gate: Opened) -> None:
    answer = _ask(gate, span=5)
    assert (answer.status_code, answer.headers["x-genai-cost-decision"]) == (200, "allow")
    assert _states(gate, answer) == ["sent"]
    gate.book(observe(5, attribution=tenant("acme")))
    assert _states(gate, answer) == ["closed"]


def test_a_span_of_an_http_library_between_them_changes_nothing(gate: Opened) -> None:
    answer = _ask(gate, span=99)
    gate.book(observe(5, attribution=tenant("acme")))
    assert _states(gate, answer) == ["closed"]


def test_each_charge_ends_one_hold_and_its_own_first(gate: Opened) -> None:
    asked: list[Any] = []
    for span in (7, 8, 9):
        gate.clock.now_us += 1_000
        asked.append(_ask(gate, span=span))
    first, second, third = asked
    gate.book(observe(8, attribution=tenant("acme")))
    assert _states(gate, first, second, third) == ["sent", "closed", "sent"]
    gate.book()
    assert _states(gate, first, second, third) == ["sent", "closed", "sent"], "once for all"
    gate.book(observe(20, tokens=(7, 7), attribution=tenant("acme")))
    assert _states(gate, first, second, third) == ["closed", "closed", "sent"]


@pytest.mark.parametrize(
    "other",
    [observe(5, trace=2), observe(5, start_s=60, end_s=61), observe(5, tokens=None)],
    ids=["trace", "time", "unpriced"],
)
def test_a_charge_of_another_call_ends_nothing(gate: Opened, other: Any) -> None:
    answer = _ask(gate, span=99)
    gate.book(other)
    assert _states(gate, answer) == ["sent"]


def test_a_charge_for_another_model_ends_nothing(gate: Opened) -> None:
    answer = _ask(gate, body={**_BODY, "model": "gpt-4o-mini"})
    gate.book(observe(5, attribution=tenant("acme")))
    assert _states(gate, answer) == ["sent"]


def test_what_nobody_observes_counts_as_spent(gate: Opened) -> None:
    answer = _ask(gate)
    gate.sweep(later_s=601)
    assert _states(gate, answer) == ["lost"]
    assert gate.budgets(tenant="acme")[0]["held"] != "0"


def test_a_refusal_says_why_and_shows_no_sums(gate: Opened) -> None:
    answer = _ask(gate, body={**_BODY, "max_tokens": 10**9})
    assert (answer.status_code, answer.headers["x-should-retry"]) == (402, "false")
    said = answer.json()
    assert (said["type"], said["scope"], said["error"]["code"]) == (
        "too_large",
        "tenant=acme",
        "too_large",
    )
    assert "amount" not in said
    named = _ask(gate, {"x-genai-cost-refuse-with": "403"}, body={**_BODY, "max_tokens": 10**9})
    assert (named.status_code, named.headers["x-genai-cost-status"]) == (403, "402")
    assert named.headers["x-genai-cost-type"] == "too_large"


def test_that_nobody_knows_is_no_refusal(gate: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that knows 403 alone has its own word for that, and shows no budget as full."""
    monkeypatch.setattr(gate.gate.store, "lag_us", lambda: 61_000_000)
    for headers in ({}, {"x-genai-cost-refuse-with": "403"}):
        answer = _ask(gate, headers)
        assert (answer.status_code, answer.json()["type"]) == (503, "gate_unavailable")


def test_a_change_is_made_by_who_says_that_he_makes_it_else_refused(gate: Opened) -> None:
    long = {**_BODY, "max_tokens": 5_000}
    refused = _ask(gate, tenant="tight", body=long)
    assert (refused.status_code, refused.json()["type"]) == (402, "budget_exceeded")
    assert gate.budgets(tenant="tight")[0]["held"] == "0"
    applied = _ask(gate, {"x-genai-cost-applies": "max_tokens"}, tenant="tight", body=long)
    assert (applied.status_code, applied.headers["x-genai-cost-decision"]) == (200, "shrink")
    assert 0 < int(applied.headers["x-genai-cost-max-tokens"]) < 5_000


def test_without_a_body_what_the_proxy_says_is_held_or_what_the_budget_says(gate: Opened) -> None:
    said = _ask(gate, {"x-genai-cost-amount": "9.5"}, body=None)
    assert said.status_code == 200
    assert _ask(gate, {"x-genai-cost-amount": "0.6"}, body=None).status_code == 429
    assert _ask(gate, body=None).status_code == 402, "acme's budget denies what has no price"
    assert _ask(gate, tenant="blind", body=None).status_code == 200
    assert gate.budgets(tenant="blind")[0]["held"] == "0.1"


def test_what_a_proxy_says_is_checked(gate: Opened) -> None:
    answer = _ask(gate, {"x-genai-cost-amount": "-1", "x-genai-cost-max-tokens": "many"})
    assert answer.status_code == 400
    assert len(answer.json()["problems"]) == 2


def test_where_a_request_goes_is_said_by_the_path_or_by_a_header(gate: Opened) -> None:
    assert "x-genai-cost-hold" in _ask(gate, path="/v1/admit").headers
    assert "x-genai-cost-hold" not in _ask(gate, path="/v1/admit/v1/models").headers
    elsewhere = {"x-original-uri": "/v1/models"}
    assert "x-genai-cost-hold" not in _ask(gate, elsewhere, path="/v1/admit").headers
    got = gate.client.get(
        "/v1/admit",
        headers={**gate.team, "x-forwarded-uri": "/v1/messages", "x-forwarded-method": "POST"},
    )
    assert "x-genai-cost-hold" in got.headers
    assert gate.client.options(_PATH, headers=gate.team).status_code == 200


def test_who_asks_has_a_token(gate: Opened) -> None:
    assert gate.client.post(_PATH, json=_BODY).status_code == 401
    own = gate.token(None)["Authorization"].removeprefix("Bearer ")
    headers = {"authorization": "Bearer of-the-caller", "x-genai-cost-token": own}
    assert gate.client.post(_PATH, json=_BODY, headers=headers).status_code == 200


def test_a_tenants_token_is_that_tenant(gate: Opened) -> None:
    answer = gate.client.post(
        _PATH, json=_BODY, headers={**gate.token("blind"), "x-tenant-id": "acme"}
    )
    assert answer.status_code == 200
    assert gate.budgets(tenant="acme")[0]["held"] == "0"
    assert gate.budgets(tenant="blind")[0]["held"] != "0"


def test_the_tenant_is_named_by_the_header_that_is_configured(tmp_path: Path) -> None:
    options = Options(tenant_header="x-org")
    with opened(tmp_path, budget("acme", scope={"tenant": "acme"}), options=options) as gate:
        _ask(gate, tenant="acme")
        assert gate.budgets(tenant="acme")[0]["held"] == "0"
        _ask(gate, {"x-org": "acme"}, tenant=None)
        assert gate.budgets(tenant="acme")[0]["held"] != "0"


def test_a_call_that_names_no_limit_passes_where_the_gates_own_fits(gate: Opened) -> None:
    body = {name: value for name, value in _BODY.items() if name != "max_tokens"}
    allowed = _ask(gate, body=body)
    assert (allowed.status_code, allowed.headers["x-genai-cost-decision"]) == (200, "allow")
    assert "x-genai-cost-max-tokens" not in allowed.headers
    assert _ask(gate, tenant="tight", body=body).status_code == 402
    applied = _ask(gate, {"x-genai-cost-applies": "max_tokens"}, tenant="tight", body=body)
    assert 0 < int(applied.headers["x-genai-cost-max-tokens"]) < 16_384


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 50_000, b'{"model": 1}'])
def test_a_body_that_nobody_can_read_is_one_of_unknown_price(gate: Opened, body: bytes) -> None:
    headers = {**gate.team, "x-tenant-id": "blind"}
    assert gate.client.post(_PATH, content=body, headers=headers).status_code == 200
    headers["x-tenant-id"] = "acme"
    assert gate.client.post(_PATH, content=body, headers=headers).status_code == 402
