"""Alertmanager as Debian has it: the same labels are one alert, it ends with its period, and a resolved one is over."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from otel_genai_cost.alerts.channel import Sent
from otel_genai_cost.alerts.render import render
from otel_genai_cost.limits.notice import NOTICE_KINDS, Notice
from otel_genai_cost.pricing.instants import microseconds, rfc3339
from otel_genai_exporters.notices.alertmanager import AlertmanagerSender, alerts_of
from tests.alerts.receiver import receiving

_COMMAND: Final = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
_HOUR_US: Final = 3_600_000_000
_NOW_US: Final = time.time_ns() // 1000
_FACTS: Final = {
    "budget": "b",
    "scope": "tenant=acme",
    "period_from_us": _NOW_US - _HOUR_US,
    "period_to_us": _NOW_US + 5 * _HOUR_US,
    "percent": 82,
    "thresholds": [50, 80],
}


def _notice(kind: Any = "crossed", at_us: int = _NOW_US, **facts: Any) -> Notice:
    return Notice(kind, "k", "acme", "team", at_us, {**_FACTS, **facts})


def test_an_alert_for_each_threshold_ends_with_the_period() -> None:
    fifty, eighty = alerts_of(render(_notice(), "id"), {"team": "ml"})
    assert fifty["labels"] == {
        "alertname": "GenAICostBudget",
        "tenant": "acme",
        "budget": "b",
        "scope": "tenant=acme",
        "team": "ml",
        "threshold": "50",
    }
    assert eighty["labels"]["threshold"] == "80"
    assert eighty["endsAt"] == rfc3339(_NOW_US + 5 * _HOUR_US)


@pytest.mark.parametrize("kind", NOTICE_KINDS)
def test_every_kind_is_an_alert_that_begins_before_it_ends(kind: Any) -> None:
    for facts in ({}, {"period_to_us": 1 << 62, "last_us": _NOW_US + _HOUR_US}, _FACTS):
        for one in alerts_of(render(Notice(kind, "k", None, "team", _NOW_US, facts), "id"), {}):
            assert microseconds(one["startsAt"]) <= microseconds(one["endsAt"])


def test_settings_that_cannot_be_used_are_all_named() -> None:
    problems = AlertmanagerSender.problems(
        {"url": "ftp://x", "labels": {"a": 1}, "secrets": []}, "tenant"
    )
    assert len(problems) == 4


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[tuple[str, Any]]:
    """Its address, and the receiver of what it sends on."""
    if _COMMAND is None:
        pytest.skip("no Alertmanager here")
    with receiving(lambda _: (200, {})) as receiver:
        config = tmp_path / "alertmanager.yml"
        config.write_text(
            "route: {receiver: r, group_by: [alertname, budget, threshold], group_wait: 200ms, group_interval: 500ms}\n"
            f"receivers: [{{name: r, webhook_configs: [{{url: '{receiver.url}'}}]}}]\n"
        )
        url = f"http://127.0.0.1:{_free_port()}"
        process = subprocess.Popen(
            [
                _COMMAND,
                f"--config.file={config}",
                f"--storage.path={tmp_path}",
                f"--web.listen-address={url.removeprefix('http://')}",
                "--cluster.listen-address=",
                "--log.level=error",
            ]
        )
        try:
            _until(lambda: _get(f"{url}/-/ready") is not None)
            yield url, receiver
        finally:
            process.terminate()
            process.wait(10)


def _free_port() -> int:
    with receiving() as found:
        return int(found.port)


def _get(url: str) -> bytes | None:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bytes(answer.read())
    except OSError:
        return None


def _until(holds: Any, within_s: float = 15) -> None:
    end_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end_s, "it never came"
        time.sleep(0.05)


def _sent(url: str, notice: Notice) -> Sent:
    async def send() -> Sent:
        sender = AlertmanagerSender({"url": url}, "team")
        try:
            return await sender.send(render(notice, "id"))
        finally:
            await sender.close()

    return asyncio.run(send())


@pytest.mark.service
def test_a_real_alertmanager_deduplicates_and_resolves(alertmanager: tuple[str, Any]) -> None:
    url, receiver = alertmanager

    def alerts() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(_get(f"{url}/api/v2/alerts") or b"[]")
        return found

    for _ in range(3):
        assert _sent(url, _notice()) == Sent("delivered")
    _until(lambda: len(alerts()) == 2)
    ends = {microseconds(one["endsAt"]) for one in alerts()}
    assert all(abs(end - _NOW_US - 5 * _HOUR_US) < 1_000_000 for end in ends)

    def received(status: str) -> list[str]:
        bodies = [json.loads(came.body) for came in receiver.came]
        return sorted(
            one["labels"]["threshold"]
            for body in bodies
            for one in body["alerts"]
            if one["status"] == status
        )

    _until(lambda: received("firing") == ["50", "80"])
    assert _sent(url, _notice("resolved", _NOW_US + 1_000, thresholds=[80])) == Sent("delivered")
    _until(lambda: received("resolved") == ["80"])
    assert [one["labels"]["threshold"] for one in alerts()] == ["50"]
