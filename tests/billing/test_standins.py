"""Each stand-in refuses what its vendor's documents refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe

from otel_genai_cost.billing.usage_event import UsageEvent
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.testing.standin.billing import (
    LagoClickHouseStandIn,
    LagoStandIn,
    MetronomeStandIn,
    OpenMeterStandIn,
    OrbStandIn,
    StripeStandIn,
)
from otel_genai_exporters.billing.stripe import StripeMeterEventStream
from tests.billing.ledgers import DAY_US, FIRST_US, HOUR_US, entry, post
from tests.billing.vendors import VENDORS, Clock, stage
from tests.cli.program import call

ALL = 2**62


def metronome(n: int, us: int = FIRST_US) -> dict[str, Any]:
    return {
        "transaction_id": f"id-{n}",
        "customer_id": "c",
        "event_type": "m",
        "timestamp": rfc3339(us),
        "properties": {"quantity": "1"},
    }


def orb(n: int, us: int = FIRST_US, quantity: float = 1) -> dict[str, Any]:
    return {
        "idempotency_key": f"id-{n}",
        "external_customer_id": "c",
        "event_name": "m",
        "timestamp": rfc3339(us),
        "properties": {"quantity": quantity},
    }


def lago(n: int, quantity: int = 1) -> dict[str, Any]:
    return {
        "transaction_id": f"id-{n}",
        "external_subscription_id": "c",
        "code": "m",
        "timestamp": FIRST_US // 1_000_000,
        "properties": {"quantity": str(quantity)},
    }


def event(n: int, us: int = FIRST_US) -> UsageEvent:
    return UsageEvent(f"id-{n}", "c", "c", "m", 10**18, us, HOUR_US, {}, 1)


def test_metronome() -> None:
    clock = Clock(FIRST_US)
    with MetronomeStandIn(clock) as standin:

        def send(*events: dict[str, Any]) -> int:
            return httpx.post(f"{standin.url}/v1/ingest", json=list(events)).status_code

        assert send() == send(*map(metronome, range(101))) == 400
        assert send(metronome(1, FIRST_US - 34 * DAY_US - 1)) == 400
        assert send(metronome(1, FIRST_US + DAY_US + 1)) == 400
        assert send(metronome(1), {**metronome(2), "customer_id": ""}) == 400
        assert standin.usage() == {}
        assert send(*map(metronome, range(100))) == send(metronome(1)) == 200
        assert standin.quantity("c", "m", 0, ALL) == 100
        clock.us += 34 * DAY_US - HOUR_US
        assert send(metronome(1)) == 200
        assert standin.quantity("c", "m", 0, ALL) == 100
        clock.us += 2 * HOUR_US
        assert send(metronome(1, clock.us)) == 200
        assert standin.quantity("c", "m", 0, ALL) == 101
        assert standin.doubled == 1


def test_orb() -> None:
    with OrbStandIn(Clock(FIRST_US)) as standin:

        def send(*events: dict[str, Any]) -> httpx.Response:
            return httpx.post(f"{standin.url}/ingest", json={"events": list(events)})

        late = send(orb(1), orb(2, FIRST_US - DAY_US), orb(3, FIRST_US + HOUR_US))
        assert late.status_code == 400
        failed = [one["idempotency_key"] for one in late.json()["validation_failed"]]
        assert failed == ["id-2", "id-3"]
        assert send(orb(1), orb(1, quantity=2)).status_code == 400
        offset = {**orb(1), "timestamp": "2026-11-20T01:00:00+01:00"}
        assert send(offset).status_code == 400
        assert send({**orb(1), "customer_id": "c"}).status_code == 400
        assert standin.usage() == {}
        assert send(orb(1), orb(1)).status_code == send(orb(1)).status_code == 200
        assert standin.quantity("c", "m", 0, ALL) == 1


def test_stripe_v1() -> None:
    clock = Clock(FIRST_US)
    with StripeStandIn(clock, "sk") as standin:
        client = stripe.StripeClient("sk", base_addresses={"api": standin.url})

        def send(n: int, us: int = FIRST_US, value: str = "1", customer: str = "c") -> str:
            asked: Any = {
                "event_name": "m",
                "identifier": f"id-{n}",
                "payload": {"stripe_customer_id": customer, "value": value},
                "timestamp": us // 1_000_000,
            }
            try:
                client.v1.billing.meter_events.create(asked)
            except stripe.InvalidRequestError as error:
                return str(error)
            return ""

        assert "35 days" in send(1, FIRST_US - 35 * DAY_US - 10**6)
        assert "5 minutes" in send(1, FIRST_US + 6 * 60 * 10**6)
        assert "whole number" in send(1, value="0.5")
        assert send(1) == send(2, value="-3") == ""
        assert "already exists" in send(1)
        assert standin.quantity("c", "m", 0, ALL) == -2
        first: Any = {"event_name": "m", "type": "cancel", "cancel": {"identifier": "id-1"}}
        cancel: Any = {"event_name": "m", "type": "cancel", "cancel": {"identifier": "id-2"}}
        client.v1.billing.meter_event_adjustments.create(cancel)
        assert standin.quantity("c", "m", 0, ALL) == 1
        clock.us += DAY_US + 1
        with pytest.raises(stripe.InvalidRequestError, match="24 hours"):
            client.v1.billing.meter_event_adjustments.create(first)
        assert send(1) == ""
        assert standin.doubled == 1


def test_stripe_v2_takes_and_looks_afterwards() -> None:
    clock = Clock(FIRST_US)
    with StripeStandIn(clock, "sk") as standin:
        settings = {"url": standin.url, "stream_url": standin.url, "meter_ids": {"m": "mtr_m"}}
        vendor = StripeMeterEventStream(settings, "sk", lambda: 0.0)
        sent = [event(n) for n in range(99)] + [event(99, FIRST_US - 36 * DAY_US)]
        assert {one.outcome for one in vendor.send(sent)} == {"accepted"}
        assert standin.quantity("c", "m", 0, ALL) == 99
        later = vendor.rejected_later([one.id for one in sent])
        assert later.keys() == {"id-99"}
        assert later["id-99"].startswith("timestamp_too_far_in_past")
        assert {one.outcome for one in vendor.send([*sent, event(100)])} == {"rejected"}

        clock.us += 16 * 60 * 10**6  # the session has ended, by another clock than ours
        assert [one.outcome for one in vendor.send([event(101)])] == ["accepted"]
        assert len(standin.sessions) == 2
        vendor.close()


def test_openmeter() -> None:
    clock = Clock(FIRST_US)
    body = {
        "specversion": "1.0",
        "id": "one",
        "source": "s",
        "type": "m",
        "subject": "c",
        "time": rfc3339(FIRST_US),
        "data": {"quantity": "2.5"},
    }
    with OpenMeterStandIn(clock) as standin:

        def send(one: dict[str, Any], kind: str = "application/cloudevents-batch+json") -> int:
            url, headers = f"{standin.url}/api/v1/events", {"content-type": kind}
            return httpx.post(url, json=[one], headers=headers).status_code

        assert send(body, "application/json") == 415
        assert send({**body, "subject": ""}) == send({**body, "data": {}}) == 400
        assert send(body) == send(body) == send({**body, "source": "t"}) == 204
        assert standin.quantity("c", "m", 0, ALL) == 5
        clock.us += 33 * DAY_US
        assert send(body) == 204
        assert standin.doubled == 1


@pytest.mark.parametrize("kind", [LagoStandIn, LagoClickHouseStandIn])
def test_lago(kind: type[LagoStandIn]) -> None:
    with kind(Clock(FIRST_US)) as standin:

        def send(*events: dict[str, Any]) -> httpx.Response:
            return httpx.post(f"{standin.url}/api/v1/events/batch", json={"events": list(events)})

        assert send(*map(lago, range(101))).status_code == 422
        assert send(lago(1), {**lago(2), "code": ""}).json()["error_details"].keys() == {"1"}
        assert standin.usage() == {}
        assert send(lago(1)).status_code == 200
        again = send(lago(1, 7), lago(2))
        if kind is LagoStandIn:
            assert again.status_code == 422
            assert again.json()["error_details"] == {
                "0": {"transaction_id": ["value_already_exist"]}
            }
            assert standin.quantity("c", "m", 0, ALL) == 1
        else:
            assert again.status_code == 200
            assert standin.quantity("c", "m", 0, ALL) == 8


@pytest.mark.parametrize("vendor", ["stripe", "stripe-stream"])
def test_a_cancelled_event_is_made_anew(tmp_path: Path, vendor: str, capsys: Any) -> None:
    (case,) = [one for one in VENDORS if one.vendor == vendor]
    with stage(tmp_path, case) as at:
        post(tmp_path, [entry(1, FIRST_US), entry(2, FIRST_US, amount=1)])
        at.run()
        (money,) = [one for one in at.in_state("accepted") if one.event.meter == "genai_cost"]
        file = tmp_path / "billing.toml"
        file.write_text(
            'schema = "otel-genai-cost-billing/1"\n[[meter]]\nname = "m"\ncounts = "calls"\n[[destination]]\n'
            f'name = "{vendor}"\nvendor = "{vendor}"\nfrom = 2026-11-01T00:00:00Z\nkey = "file:{tmp_path}/key"\n'
            f'url = "{at.standin.url}"\nstream_url = "{at.standin.url}"\n'
        )
        command = ["billing", "cancel", money.event.id, "--ledger", str(tmp_path)]
        assert call(capsys, *command).code == 0
        assert at.has("acme") == 0
        assert call(capsys, *command).code == 2, "it is cancelled"
        assert at.run().made == 1
        assert at.has("acme") == 3_500_000
        (again,) = [one for one in at.in_state("accepted") if one.event.meter == "genai_cost"]
        assert again.event.revision == 2
        at.clock.us += 2 * DAY_US
        late = call(capsys, "billing", "cancel", again.event.id, "--ledger", str(tmp_path))
        assert (late.code, "24 hours" in late.err) == (1, True)
