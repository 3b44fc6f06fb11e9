"""Balances and grants over HTTP: who may see and grant what, and whether what was booked or granted is seen."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.ledger.daemon import LEDGER_FILE, writer_lock
from otel_genai_cost.ledger.storage.store import Ledger
from tests.gate.opened import Opened, opened
from tests.ledger.build import START_US
from tests.ledger.projections.credit_entries import UNIT, entry

_GRANT: dict[str, Any] = {"ref": "order-17", "currency": "USD", "amount": "10"}


@pytest.fixture
def gate(tmp_path: Path) -> Generator[Opened]:
    with opened(tmp_path) as found:
        yield found


def _book(home: Path, charge: int, amount: int, currency: str = "USD") -> None:
    ledger = Ledger(home / LEDGER_FILE)
    with ledger.transaction():
        made = entry(charge, amount, currency=currency, occurred_us=START_US, booked_us=START_US)
        ledger.entries.append([made])
    ledger.close()


def _balance(gate: Opened, tenant: str = "acme", token: Any = None, **query: Any) -> Any:
    path = f"/v1/tenants/{tenant}/balance"
    return gate.client.get(path, params=query, headers=token or gate.team)


def test_a_grant_is_seen_at_once_and_given_once(gate: Opened) -> None:
    first = gate.post("tenants/acme/grants", **_GRANT, expires="2030-01-01T00:00:00+01:00")
    assert first.status_code == 201, first.text
    assert first.json()["seen"] and first.json()["expires"] == "2029-12-31T23:00:00Z"
    again = gate.post("tenants/acme/grants", **_GRANT, expires="2030-01-01T00:00:00+01:00")
    assert again.status_code == 200
    assert again.json() == {**first.json(), "new": False}
    assert gate.post("tenants/acme/grants", **_GRANT).json()["type"] == "conflict"
    assert gate.post("tenants/acme/grants", **_GRANT).status_code == 409
    _book(gate.home, 1, 4 * UNIT)
    found = _balance(gate).json()
    assert found == {
        "tenant": "acme",
        "currency": "USD",
        "granted": "10",
        "burnt": "4",
        "expired": "0",
        "held": "0",
        "available": "6",
        "overdraft": "0",
        "upcoming": "0",
        "expiring": {"at": "2029-12-31T23:00:00Z", "amount": "6"},
        "unpriced": 0,
        "outside": [],
        "as_of_seq": 1,
    }


def test_a_grant_is_written_down_though_another_process_ships(
    gate: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("otel_genai_cost.gate.balance._WAIT_S", 0.2)
    with writer_lock(gate.home):
        granted = gate.post("tenants/acme/grants", **_GRANT).json()
    assert (granted["new"], granted["seen"]) == (True, False)
    again = gate.post("tenants/acme/grants", **_GRANT).json()
    assert again == {**granted, "new": False, "seen": True}


def test_every_problem_of_a_grant_is_said(gate: Opened) -> None:
    bad = {"ref": "a", "currency": "XQX", "amount": "-1", "kind": "gift", "expires": "soon"}
    refused = gate.post("tenants/a b/grants", **bad)
    assert refused.status_code == 400
    said = " ".join(refused.json()["problems"])
    words = (
        "tenant is 'a b'",
        "currency is 'XQX'",
        "amount is '-1'",
        "kind is 'gift'",
        "expires is",
    )
    assert [word in said for word in words] == [True] * len(words)
    assert gate.post("tenants/acme/grants", ref="a", amount="1e30", x=1).status_code == 400
    assert gate.post("tenants/acme/grants", **{**_GRANT, "amount": 1.5}).status_code == 400
    assert _balance(gate).status_code == 404


def test_a_tenant_sees_its_own_and_grants_nothing(gate: Opened) -> None:
    gate.post("tenants/acme/grants", **_GRANT)
    acme, globex = gate.token("acme"), gate.token("globex")
    assert _balance(gate, token=acme).json()["available"] == "10"
    assert _balance(gate, token=globex).json() == {"type": "not_your_tenant"}
    assert _balance(gate, "globex", globex).json() == {"type": "no_credit"}
    refused = gate.post("tenants/acme/grants", acme, **{**_GRANT, "ref": "mine"})
    assert (refused.status_code, refused.json()) == (403, {"type": "team_only"})
    forged = {"Authorization": acme["Authorization"][:-1] + "x"}
    assert _balance(gate, token=forged).status_code == 401


def test_a_currency_is_named_where_there_are_several(gate: Opened) -> None:
    for currency in ("USD", "ACU"):
        gate.post("tenants/acme/grants", **{**_GRANT, "ref": currency, "currency": currency})
    refused = _balance(gate)
    assert (refused.status_code, refused.json()["currencies"]) == (400, ["ACU", "USD"])
    assert _balance(gate, currency="ACU").json()["currency"] == "ACU"
    assert _balance(gate, currency="EUR").status_code == 404


def test_who_has_seen_an_entry_sees_it_in_the_balance(gate: Opened) -> None:
    gate.post("tenants/acme/grants", **_GRANT)
    booking = threading.Timer(0.3, _book, (gate.home, 1, 4 * UNIT))
    booking.start()
    assert _balance(gate, min_seq="1").json()["available"] == "6"
    booking.join()
    begun_s = time.monotonic()
    refused = _balance(gate, min_seq="2")
    assert (refused.status_code, refused.json()) == (
        409,
        {"type": "not_booked_yet", "as_of_seq": 1},
    )
    assert 1.9 < time.monotonic() - begun_s < 5
    assert _balance(gate, min_seq="-1").status_code == 400
