"""Credit that will soon be void and spending that is unusual: from booked calls to a receiver, and once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from otel_genai_cost.alerts.render import render
from otel_genai_cost.alerts.serving import serve
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.projections.notices import Queued
from otel_genai_cost.ledger.storage.decided import decide
from otel_genai_cost.ledger.storage.granting import grant_credit
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.notice import Audience
from otel_genai_cost.pricing.instants import rfc3339
from tests.alerts.receiver import Receiver, receiving
from tests.ledger.build import START_US, observe, tenant

_HOUR_US: Final = 3_600_000_000
_DAY_H: Final = 24
_FIRST_H: Final = START_US // _HOUR_US
_SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_USUAL: Final = 100_000
"""Tokens an hour, 0.25 USD."""

_DAYS: Final = 16
_MANY: Final = 40 * _USUAL


def _at_us(hour: float) -> int:
    return round((_FIRST_H + hour) * _HOUR_US)


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    with receiving() as found:
        settings = {"url": found.url, "secrets": [_SECRET]}
        channel = {"type": "channel_set", "name": "ops", "kind": "webhook", "settings": settings}
        decide(tmp_path, {**channel, "audience": "team", "at_us": 1})
        yield found


def _call(home: Path, name: str, hours: range, tokens: int = _USUAL) -> None:
    journal = Journal([home / "journal"])
    for n in hours:
        one = observe(
            n + 1,
            trace=ord(name[0]) * 100_000 + 10 * n + (tokens != _USUAL) + 1,
            start_s=n * 3_600,
            end_s=n * 3_600 + 1,
            tokens=(tokens, 0),
            attribution=tenant(name),
        )
        journal.append(to_record(one))
    journal.close()


def _turn(home: Path, hour: float) -> None:
    """What is booked, what becomes due, and what is delivered, at a time."""
    ship(home, [home / "journal"], drain=True, clock_us=lambda: _at_us(hour))
    serve(home, once=True, clock_us=lambda: _at_us(hour))


def _came(receiver: Receiver) -> list[dict[str, Any]]:
    return [json.loads(one.body) for one in receiver.came]


def _queued(home: Path, audience: Audience, name: str | None = None) -> list[Queued]:
    opened = Ledger(home / LEDGER_FILE, readonly=True)
    try:
        return opened.notices.since(0, audience, name)
    finally:
        opened.close()


def _lose(home: Path) -> None:
    for one in home.glob(f"{LEDGER_FILE}*"):
        one.unlink()


def test_unusual_spending_is_told_to_the_team_once_by_a_webhook(
    tmp_path: Path, receiver: Receiver
) -> None:
    for name in ("acme", "globex"):
        _call(tmp_path, name, range(_DAYS * _DAY_H))
    _turn(tmp_path, _DAYS * _DAY_H + 0.5)
    assert receiver.came == [], "nothing is unusual yet"
    _call(tmp_path, "acme", range(_DAYS * _DAY_H, _DAYS * _DAY_H + 1), _MANY)
    _turn(tmp_path, _DAYS * _DAY_H + 0.9)
    assert receiver.came == [], "the hour is not over"
    for hour in (1.1, 1.2, 2.1):
        _turn(tmp_path, _DAYS * _DAY_H + hour)
    (document,) = _came(receiver)
    assert document["type"] == "genai_cost.anomaly"
    assert document["data"]["title"] == "Unusual cost of acme: organisation_share"
    facts = document["data"]["facts"]
    assert (facts["scope"], facts["currency"], facts["window_h"]) == ("tenant=acme", "USD", 6)
    assert Decimal(facts["observed"]) == Decimal("11.25")  # 10 and five usual hours
    assert Decimal(facts["expected"]) == Decimal("1.5")
    (queued,) = _queued(tmp_path, "team", "acme")
    assert not _queued(tmp_path, "tenant", "acme")
    seen = render(queued.notice._replace(audience="tenant"), "id")
    assert not {"observed", "expected", "rule"} & seen.facts.keys()
    assert "11.25" not in f"{seen.title}{seen.text}"

    _lose(tmp_path)
    _turn(tmp_path, _DAYS * _DAY_H + 2.5)
    (again,) = _queued(tmp_path, "team", "acme")
    assert (again.id, again.notice) == (queued.id, queued.notice)
    assert len(receiver.came) == 1


def test_what_is_booked_late_or_corrected_does_not_tell_an_episode_again(
    tmp_path: Path, receiver: Receiver
) -> None:
    _call(tmp_path, "acme", range(_DAYS * _DAY_H))
    _call(tmp_path, "acme", range(_DAYS * _DAY_H + 3, _DAYS * _DAY_H + 4), _MANY)
    _turn(tmp_path, _DAYS * _DAY_H + 4.1)
    assert len(receiver.came) == 1
    _call(tmp_path, "acme", range(_DAYS * _DAY_H, _DAYS * _DAY_H + 1), _MANY)  # came late
    _turn(tmp_path, _DAYS * _DAY_H + 5.1)
    assert len(receiver.came) == 1


def test_calls_without_a_tenant_are_unusual_as_a_tenants_are(
    tmp_path: Path, receiver: Receiver
) -> None:
    journal = Journal([tmp_path / "journal"])
    for n in range(_DAYS * _DAY_H):
        start_s = n * 3_600
        tokens = (_MANY if n == _DAYS * _DAY_H - 1 else _USUAL, 0)
        nobodys = observe(
            1,
            trace=n + 1,
            start_s=start_s,
            end_s=start_s + 1,
            tokens=tokens,
            attribution=tenant(None),
        )
        journal.append(to_record(nobodys))
    journal.close()
    _turn(tmp_path, _DAYS * _DAY_H + 0.1)
    (document,) = _came(receiver)
    assert document["data"]["tenant"] == "unattributed"


def test_credit_that_will_soon_be_void_is_said_once_by_a_webhook(
    tmp_path: Path, receiver: Receiver
) -> None:
    _call(tmp_path, "acme", range(2))
    ship(tmp_path, [tmp_path / "journal"], drain=True, clock_us=lambda: _at_us(2))
    ends_us = _at_us(30 * _DAY_H)
    written = {"ref": "a", "tenant": "acme", "currency": "USD", "amount": "10"}
    times = {"from": rfc3339(_at_us(0)), "expires": rfc3339(ends_us)}
    grant_credit(tmp_path / LEDGER_FILE, [{**written, **times}], _at_us(2), place="grant")
    _turn(tmp_path, 22 * _DAY_H)
    assert receiver.came == []
    for hour in (23 * _DAY_H, 23.5 * _DAY_H, 29 * _DAY_H):
        _turn(tmp_path, hour)
    (document,) = _came(receiver)
    assert document["type"] == "genai_cost.expiring"
    assert document["data"]["text"] == f"9.5 USD on {rfc3339(ends_us)}"
    (team,), (theirs,) = _queued(tmp_path, "team"), _queued(tmp_path, "tenant", "acme")
    assert render(theirs.notice, "id").text == document["data"]["text"]

    _lose(tmp_path)
    _turn(tmp_path, 29.5 * _DAY_H)
    (again,) = _queued(tmp_path, "team")
    assert (again.id, again.notice) == (team.id, team.notice)
    assert len(receiver.came) == 1
