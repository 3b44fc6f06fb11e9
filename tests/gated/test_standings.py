"""What a process does while it cannot ask its gate: what was said of such calls, and what a lease still pays for."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, cast

import pytest

from otel_genai_cost.blocks import Block
from otel_genai_cost.gate_connection import GateConnections
from otel_genai_cost.gate_down import Standings
from otel_genai_cost.gate_protocol import Admitted, Ask, GateDownError, OnGateDown, Reply, Who

_LEASE = {"on_gate_down": "lease", "currency": "USD"}
_CLOSED = {"on_gate_down": "closed"}
_HELD = Admitted("allow", Decimal("0.5"), 100)


class _Posts:
    """Takes every request, but for those to paths that are `down`."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, Mapping[str, Any]]] = []
        self.down: set[str] = set()

    def post(self, path: str, body: Mapping[str, Any]) -> Reply:
        if path in self.down:
            raise GateDownError("it is down")
        self.taken.append((path, body))
        return Reply(200, {})


def _standings(posts: _Posts, default: OnGateDown = "closed") -> Standings:
    return Standings(cast("GateConnections", posts), default)


def _ask(n: int = 1, *, tenant: str = "acme", model: str = "gpt-4o", **labels: str) -> Ask:
    return Ask(Who(f"{n:032x}", tenant, labels), "openai", model, "chat", 100, 100)


def _leased(posts: _Posts) -> Standings:
    """A process that holds a lease for 16 calls."""
    standings = _standings(posts)
    assert standings.learn(_ask(), _HELD, _LEASE)
    standings.lease("acme", _HELD.held, "USD")
    return standings


def test_a_call_that_is_for_later_says_nothing_of_no_budget() -> None:
    """An answer without a hold is none of a call to which no budget applies."""
    standings = _standings(_Posts())
    standings.learn(_ask(), _HELD, _CLOSED)
    standings.learn(_ask(), Admitted("defer"), {"decision": "defer"})
    assert standings.passes(_ask()) is None


@pytest.mark.parametrize("default", ["closed", "open"])
def test_a_refusal_says_what_holds_as_well(default: OnGateDown) -> None:
    standings = _standings(_Posts(), default)
    standings.learn(_ask(), Block("budget_exceeded", 402), _CLOSED)
    assert standings.passes(_ask()) is None


def test_what_was_said_of_other_calls_of_a_tenant_opens_no_budget() -> None:
    standings = _standings(_Posts())
    standings.learn(_ask(feature="batch", action="a"), _HELD, _CLOSED)
    standings.learn(_ask(feature="chat", action="b"), Admitted("allow"), {})
    assert standings.passes(_ask(feature="batch", action="c")) is None
    assert standings.passes(_ask(feature="chat", action="d")) == "open"
    assert standings.passes(_ask(feature="search")) is None, "the strictest, where nothing was said"
    assert standings.passes(_ask(model="gpt-4o-mini", feature="chat")) is None
    standings.learn(_ask(feature="batch"), Admitted("allow"), {})
    assert standings.passes(_ask(feature="batch")) == "open", "the last word holds"


def test_a_lease_pays_for_sixteen_calls_like_the_last_one() -> None:
    posts = _Posts()
    standings = _leased(posts)
    made = [standings.passes(_ask(n)) for n in range(20)]
    assert made == ["lease"] * 16 + [None] * 4
    standings.lease("acme", None, None)
    drawn = next(body for path, body in posts.taken if path == "/v1/leases/draw")
    assert [one["id"] for one in drawn["calls"]] == [f"{n:032x}" for n in range(16)]


@pytest.mark.parametrize("down", ["/v1/leases", "/v1/release"])
def test_a_lease_that_was_given_back_pays_for_nothing(down: str) -> None:
    """The gate goes down between one lease and the next: it may have let go of the last one."""
    posts = _Posts()
    standings = _leased(posts)
    posts.down = {down}
    standings.lease("acme", _HELD.held, "USD")
    assert standings.passes(_ask()) is None
    posts.down = set()
    assert standings.learn(_ask(), _HELD, _LEASE), "another is taken at once"
    standings.lease("acme", _HELD.held, "USD")
    assert standings.passes(_ask()) == "lease"


def test_a_lease_that_could_not_be_given_back_pays_on() -> None:
    posts = _Posts()
    standings = _leased(posts)
    assert standings.passes(_ask(1)) == "lease"
    posts.down = {"/v1/leases/draw"}
    standings.lease("acme", _HELD.held, "USD")
    assert [standings.passes(_ask(n)) for n in range(2, 18)] == ["lease"] * 15 + [None]


def test_each_kind_of_call_has_what_its_budgets_allow() -> None:
    """All that is made meanwhile counts, so that a tenant's calls together keep to an allowance of all of them."""
    standings = _standings(_Posts())
    for feature, allowance in (("batch", "0.5"), ("chat", "1.5")):
        fields = {"on_gate_down": "open", "allowance": allowance}
        standings.learn(_ask(feature=feature), _HELD, fields)
    assert standings.passes(_ask(1, feature="batch")) == "open"
    assert standings.passes(_ask(2, feature="batch")) is None
    assert standings.passes(_ask(3, feature="search")) is None, "the least, where nothing was said"
    assert [standings.passes(_ask(n, feature="chat")) for n in (4, 5, 6)] == ["open", "open", None]


def test_an_allowance_beside_a_lease_takes_nothing_of_it() -> None:
    standings = _leased(_Posts())
    fields = {"on_gate_down": "open", "allowance": "0.5"}
    standings.learn(_ask(feature="free"), _HELD, fields)
    assert [standings.passes(_ask(n, feature="free")) for n in (1, 2)] == ["open", None]
    assert [standings.passes(_ask(n)) for n in range(20)].count("lease") == 16
