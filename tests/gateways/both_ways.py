"""Calls of one tenant through a gateway and made directly, at once, under one cap."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

from tests.demo.processes import Child
from tests.gateways.standing import Standing, standing

__all__ = ["CALL", "HELD_AT_MOST", "BothWays", "both_ways"]

CALL: Final = Decimal("0.0000618")
"""What a call comes to: 12 tokens in and 100 out."""

HELD_AT_MOST: Final = Decimal("0.0006")
"""What may be held for one."""

_WITHIN_S: Final = 120


class BothWays(NamedTuple):
    """What came of it: how often a model was called, what that was charged, how many holds are left."""

    served: int
    charged: list[Decimal]
    tenants: set[str]
    holds: int
    said: list[str]


def both_ways(folder: Path, cap: Decimal, answers: int) -> BothWays:
    """Call until the cap is used up.

    Args:
        folder: for the ledger and logs.
        cap: of the tenant.
        answers: how many each way wants.
    """
    with standing(folder, [{"scope": {"tenant": "acme"}, "hard": str(cap)}]) as stands:
        running = list(_applications(stands, folder, answers))
        for one in running:
            if one.wait(_WITHIN_S) != 0:
                raise one.failed("failed")
        stands.stop()
        stands.gate.command("ship", "--drain")
        lines = stands.gate.command("charges", "--json").splitlines()
        charges = [json.loads(line) for line in lines]
        billed = [one for one in charges if one["reason"] != "not_billed"]
        return BothWays(
            len(stands.provider.served),
            [Decimal(one["total"]) for one in billed],
            {one["tenant"] for one in charges},
            len(stands.gate.holds()),
            [one.output().strip() for one in running],
        )


def _applications(stands: Standing, folder: Path, answers: int) -> Iterator[Child]:
    """One that holds by itself and calls the provider, and one that calls through Envoy."""
    home = {"OTEL_GENAI_COST_LEDGER": str(stands.gate.home)}
    no_gate = {"OTEL_GENAI_COST_GATE": ""}
    for name, url, more in (("direct", stands.aside, {}), ("gateway", stands.url, no_gate)):
        words = [f"{url}/v1", "change-me-acme", str(answers), "4"]
        command = [sys.executable, "-m", "tests.gateways.application", *words]
        own = {**stands.gate.environment, **home, **more}
        yield stands.family.start(name, command, folder / f"{name}.log", own)
