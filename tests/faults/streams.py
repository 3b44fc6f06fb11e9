"""Streams that are cut through a real Envoy by a real gate, and one cap for calls through it and made directly."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import httpx

from tests.faults.row import Row
from tests.gateways.both_ways import CALL, both_ways
from tests.gateways.standing import Standing, standing

__all__ = ["rows"]

_AT_ONCE: Final = 5
_EVENTS: Final = 200
_CAP: Final = Decimal("0.0006")
"""Of each stream's tenant. It pays for less than the events that the provider would send."""


class _Cut(NamedTuple):
    """How a stream ended: events that its client got, whether cleanly, and how many the provider had sent by then."""

    got: int
    is_clean: bool
    sent: int


def rows(short: bool) -> Iterator[Row]:
    """Streams that outgrow what may be held for them; then a tenant's calls both ways.

    Args:
        short: whether ten streams, and fewer calls, will do.
    """
    with TemporaryDirectory() as folder:
        yield _streams(Path(folder), 10 if short else 100)
    with TemporaryDirectory() as folder:
        yield _together(Path(folder), Decimal("0.0012") if short else Decimal("0.006"))


def _streams(folder: Path, count: int) -> Row:
    began_s = time.monotonic()
    tenants = {f"key-{n}": f"tenant-{n}" for n in range(count)}
    budget = {"scope": {"tenant": "*"}, "hard": str(_CAP)}
    with standing(folder, [budget], "--output-limit", "50", keys=tenants) as stands:
        stands.provider.events, stands.provider.interval_s = _EVENTS, 0.05
        stands.provider.words = "word " * 16
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = list(pool.map(lambda key: _cut(stands, key), tenants))
        stands.stop()
        stands.gate.command("ship", "--drain")
        lines = stands.gate.command("charges", "--json").splitlines()
    charges = [json.loads(line) for line in lines]
    late = max(one.sent - one.got for one in found)
    clean = sum(one.is_clean and one.sent < _EVENTS for one in found)
    above = sum(Decimal(one["total"]) > _CAP for one in charges)
    return Row(
        f"{count} streams cut through Envoy",
        f"{count} clean ends, at most 1 event after the cut, 0 caps exceeded, {count} charges",
        f"{clean} clean ends, {late} after the cut, {above} exceeded, {len(charges)} charges",
        clean == count and late <= 1 and above == 0 and len(charges) == count,
        time.monotonic() - began_s,
    )


def _cut(stands: Standing, key: str) -> _Cut:
    body = {"model": "gpt-4o-mini", "stream": True, "user": key, "messages": [{"content": "hi"}]}
    headers = {"authorization": f"Bearer {key}"}
    try:
        got = httpx.post(
            f"{stands.url}/v1/chat/completions", json=body, headers=headers, timeout=60
        )
        is_clean = got.text.endswith("data: [DONE]\n\n") and '"finish_reason":"length"' in got.text
        events = got.text.count('"finish_reason": null')
    except httpx.HTTPError:
        events, is_clean = 0, False
    served = [one for one in stands.provider.served if one.body.get("user") == key]
    for one in served:
        one.is_over.wait(10)
    return _Cut(events, is_clean and len(served) == 1, sum(one.events for one in served))


def _together(folder: Path, cap: Decimal) -> Row:
    began_s = time.monotonic()
    found = both_ways(folder, cap, int(cap / CALL))
    total = sum(found.charged)
    return Row(
        f"one cap for {found.served} calls through Envoy and made directly at once",
        "exceeded by 0, each call charged once, 0 holds left",
        f"exceeded by {max(total - cap, Decimal(0))}, {len(found.charged)} charges, {found.holds} holds left",
        total <= cap and found.charged == [CALL] * found.served and found.holds == 0,
        time.monotonic() - began_s,
    )
