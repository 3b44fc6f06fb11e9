"""The sums by tenant and model as metrics: they add up to the ledger, never fall, and outlive the shipper."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Generator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.errors import ConfigurationError, GenAICostError
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.sink import Mark
from otel_genai_cost.pricing.money import ATTO
from otel_genai_exporters.otlp.metrics_sink import OtlpMetricsSink
from otel_genai_exporters.otlp.series import Series, Shown
from otel_genai_exporters.otlp.sums import Key, Sums
from tests.exporters.entries import entries
from tests.exporters.otlp_receiver import (
    Receiver,
    Verdict,
    attributes_of,
    by_grpc,
    by_http,
    value_of,
)
from tests.ledger.build import tenant

COST = "genai_cost.ledger.cost"


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Generator[Receiver]:
    with by_grpc() as found:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.endpoint)
        yield found


def _entry(seq: int, tenant_id: str | None, cents: int, **more: Any) -> Entry:
    base = entries(1, first=seq)[0]
    changed = {"amount": cents * ATTO // 100, "attribution": tenant(tenant_id), **more}
    return base._replace(**changed)


def _published(sink: OtlpMetricsSink, batch: list[Entry]) -> None:
    sink.append("ledger-1", batch)
    sink.publish()


def test_cost_tokens_and_calls_by_tenant_and_model(receiver: Receiver, tmp_path: Path) -> None:
    sink = OtlpMetricsSink(tmp_path / "m.sqlite")
    _published(sink, [_entry(1, "acme", 25), _entry(2, "acme", 50), _entry(3, None, 1)])
    sink.close()
    named = {"genai_cost.model": "gpt-4o-2024-11-20", "gen_ai.provider.name": "openai"}
    model = dict(attributes_of(next(iter(receiver.points[COST].values()))))
    assert set(model) == {"tenant.id", *named, "genai_cost.currency"}
    costs = {
        attributes_of(point).get("tenant.id"): value_of(point)
        for point in receiver.points[COST].values()
    }
    assert costs == {"acme": 0.75, None: 0.01}
    tokens = {
        attributes_of(point)["gen_ai.token.type"]: value_of(point)
        for point in receiver.points["genai_cost.ledger.tokens"].values()
        if "tenant.id" in attributes_of(point)
    }
    assert tokens == {"input": 11 + 12, "output": 6}
    assert receiver.net("calls") == 3


def test_corrections_are_credits_and_no_series_falls(receiver: Receiver, tmp_path: Path) -> None:
    sink = OtlpMetricsSink(tmp_path / "m.sqlite", clock_s=iter(range(0, 10**6, 100)).__next__)
    _published(sink, [_entry(1, "acme", 50)])
    first = entries(1)[0].charge_id
    moved = [
        _entry(2, "acme", -50, calls=-1, charge_id=first, revision=1),
        _entry(3, "globex", 50, charge_id=first, revision=1),
    ]
    _published(sink, moved)
    sink.close()
    points = {
        (name, attributes_of(point)["tenant.id"]): value_of(point)
        for name in (COST, f"{COST}.credited")
        for point in receiver.points[name].values()
    }
    assert points == {
        (COST, "acme"): 0.5,
        (f"{COST}.credited", "acme"): 0.5,
        (COST, "globex"): 0.5,
        (f"{COST}.credited", "globex"): 0.0,
    }
    assert receiver.net("calls") == 1


def test_what_one_posting_books_anew_in_place_is_its_difference(tmp_path: Path) -> None:
    series = Series(tmp_path / "m.sqlite", 10)
    series.add("ledger-1", [_entry(1, "acme", 50, unpriced=1)])
    again = {"charge_id": entries(1)[0].charge_id, "revision": 1}
    series.add(
        "ledger-1",
        [
            _entry(2, "acme", -50, calls=-1, unpriced=-1, usage={"input": -11}, **again),
            _entry(3, "acme", 60, unpriced=0, usage={"input": 11}, **again),
        ],
    )
    shown = series.shown()
    assert shown is not None
    (sums,) = shown.own.values()
    cents = 60 * ATTO // 100
    assert sums == Sums((cents, 11, 3, 1, 1, cents), (0, 0, 0, 0, 1, 0))


def test_whatever_comes_all_series_add_up_to_the_ledger_and_none_falls(tmp_path: Path) -> None:
    draw = random.Random(1)
    for _ in range(8):
        path = tmp_path / f"{draw.random()}.sqlite"
        booked: list[Entry] = []
        before: dict[object, Sums] = {}
        for own_max in sorted(draw.randrange(4) for _ in range(6)):
            for _ in range(draw.randrange(8)):
                who = draw.choice(["a", "b", "c", "other", None])
                cents = draw.randrange(-300, 500)
                currency = draw.choice(["USD", "EUR"])
                booked.append(_entry(len(booked) + 1, who, cents, currency=currency))
            series = Series(path, own_max)  # the limit may grow, and a shipper may be a new one
            series.add("ledger-1", booked)
            shown = series.shown()
            if shown is None:
                continue
            now: dict[object, Sums] = dict(shown.own.items())
            now.update(shown.other.items())
            assert len(shown.own) <= own_max
            assert _is_no_less(before, now)
            for currency in ("USD", "EUR"):
                net = sum(_of(shown, currency))
                assert net == sum(one.amount for one in booked if one.currency == currency)
            before = now


def _of(shown: Shown, currency: str) -> list[int]:
    own = [sums.net[0] for key, sums in shown.own.items() if key.currency == currency]
    return own + [sums.net[0] for name, sums in shown.other.items() if name == currency]


def _is_no_less(before: dict[object, Sums], now: dict[object, Sums]) -> bool:
    return all(
        name in now
        and all(new >= old for new, old in zip(now[name].added, one.added, strict=True))
        and all(new >= old for new, old in zip(now[name].credited, one.credited, strict=True))
        for name, one in before.items()
    )


def test_the_greatest_are_series_and_the_rest_is_other(receiver: Receiver, tmp_path: Path) -> None:
    sink = OtlpMetricsSink(tmp_path / "m.sqlite", series_max=2)
    costs = {"small": 1, "great": 900, "other": 500, "tiny": 2}
    _published(sink, [_entry(n, who, c) for n, (who, c) in enumerate(costs.items(), start=1)])
    sink.close()
    found = {
        (attributes_of(point)["tenant.id"], "otel.metric.overflow" in attributes_of(point)): (
            value_of(point)
        )
        for point in receiver.points[COST].values()
    }
    assert found == {("great", False): 9.0, ("other", False): 5.0, ("other", True): 0.03}


def test_another_shipper_goes_on_where_the_last_one_was(receiver: Receiver, tmp_path: Path) -> None:
    path = tmp_path / "m.sqlite"
    for batch in ([_entry(1, "acme", 25)], [], [_entry(1, "acme", 25), _entry(2, "acme", 5)]):
        sink = OtlpMetricsSink(path)
        _published(sink, batch)
        sink.close()
    begins = {
        point.start_time_unix_nano for point in _all_points(receiver) if point.start_time_unix_nano
    }
    assert begins == {_entry(1, "acme", 25).booked_us * 1000}
    assert [value_of(point) for point in _all_points(receiver)] == [0.25, 0.25, 0.3]
    assert sink.mark() == Mark("ledger-1", 2)


def _all_points(receiver: Receiver) -> list[Any]:
    return [
        point
        for request in receiver.requests
        for block in request.resource_metrics
        for scope in block.scope_metrics
        for metric in scope.metrics
        if metric.name == COST
        for point in metric.sum.data_points
    ]


def test_sums_are_sent_when_they_are_due_though_nobody_called(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "30000")
    now_s = [0.0]
    sink = OtlpMetricsSink(tmp_path / "m.sqlite", clock_s=lambda: now_s[0])
    sink.publish()
    assert receiver.requests == []
    sent: list[int] = []
    sink.append("ledger-1", [_entry(1, "acme", 25)])
    for at_s in (0, 10, 29, 30, 45, 60):
        now_s[0] = float(at_s)
        sink.publish()
        sent.append(len(receiver.requests))
    sink.close()
    assert sent == [1, 1, 1, 2, 2, 3]


def test_rejected_points_are_said_and_sent_again(receiver: Receiver, tmp_path: Path) -> None:
    sink = OtlpMetricsSink(tmp_path / "m.sqlite")
    receiver.judge = lambda request: Verdict(4, "too old")
    with pytest.raises(GenAICostError, match="rejects 4 of 12 points: too old"):
        _published(sink, [_entry(1, "acme", 25)])
    receiver.judge = lambda request: Verdict()
    sink.publish()
    sink.close()
    assert len(receiver.requests) == 2


def test_by_http_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with by_http() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/protobuf")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
        sink = OtlpMetricsSink(tmp_path / "m.sqlite")
        _published(sink, [_entry(1, "acme", 25)])
        sink.close()
    assert Decimal(receiver.net("cost")) == Decimal("0.25")


def test_many_series_are_several_requests(receiver: Receiver, tmp_path: Path) -> None:
    sink = OtlpMetricsSink(tmp_path / "m.sqlite", series_max=1_000)
    _published(sink, [_entry(n, f"tenant-{n}", 1) for n in range(1, 902)])
    sink.close()
    assert len(receiver.requests) == 3
    assert max(len(one.SerializeToString()) for one in receiver.requests) < 2**21
    assert round(receiver.net("cost"), 9) == 9.01


@pytest.mark.parametrize("text", ["0", "soon", "-1"])
def test_interval_that_is_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", text)
    with pytest.raises(ConfigurationError, match="OTEL_METRIC_EXPORT_INTERVAL"):
        OtlpMetricsSink(tmp_path / "m.sqlite")


def test_key_survives_its_text(tmp_path: Path) -> None:
    series = Series(tmp_path / "m.sqlite", 1)
    odd = _entry(1, None, 1, model='a"],b', provider=None)
    series.add("ledger-1", [odd])
    shown = series.shown()
    assert shown is not None
    assert list(shown.own) == [Key(None, None, 'a"],b', "USD")]


def test_price_stands_in_its_own_currency(tmp_path: Path) -> None:
    line = entries(1)[0].lines[0]._replace(side="price", amount=3 * ATTO)
    series = Series(tmp_path / "m.sqlite", 10)
    series.add(
        "l",
        [
            _entry(1, "acme", 25, lines=(line,)),
            _entry(2, "globex", 25, lines=(line,), billed_in="ACU"),
        ],
    )
    shown = series.shown()
    assert shown is not None
    found = {
        (key.tenant, key.currency): (sums.net[0], sums.net[-1]) for key, sums in shown.own.items()
    }
    quarter = ATTO // 4
    assert found == {
        ("acme", "USD"): (quarter, quarter + 3 * ATTO),
        ("globex", "USD"): (quarter, 0),
        ("globex", "ACU"): (0, 3 * ATTO),
    }


def test_file_of_an_older_version_has_the_cost_as_its_price(tmp_path: Path) -> None:
    series = Series(tmp_path / "m.sqlite", 10)
    series.add("l", [_entry(1, "acme", 25)])
    with sqlite3.connect(tmp_path / "m.sqlite") as db:
        for table, column in (("series", "sums"), ("series", "in_other"), ("total", "sums")):
            for row, text in db.execute(f"SELECT rowid, {column} FROM {table}").fetchall():
                older = json.dumps([part[:5] for part in json.loads(text)])
                db.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (older, row))
    series.add("l", [_entry(2, "acme", 50)])
    shown = series.shown()
    assert shown is not None
    ((_, sums),) = shown.own.items()
    assert sums.net[-1] == sums.net[0] == ATTO * 3 // 4
