"""Ledgers of actions: agents' runs of 15 to 50 calls, some of which fail, are sent again or fall back."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Final

from otel_genai_cost.journal.observation import Observation
from tests.cli.homes import home_of
from tests.ledger.build import observe, tenant

__all__ = ["make_actions", "observed_actions"]

_TENANTS: Final = ("acme", "globex", "initech")
_FEATURES: Final = ("draft", "search")
_MODELS: Final = ("gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18")


def observed_actions(count: int, seed: int = 1) -> list[Observation]:
    """The calls of so many actions, each of which is a trace."""
    random = Random(seed)
    found: list[Observation] = []
    for trace in range(1, count + 1):
        who = tenant(_TENANTS[trace % 3], feature=_FEATURES[trace % 2])
        for call in range(random.randint(15, 50)):
            at_s = trace * 200 + call * 3
            one = observe(
                call + 1,
                trace=trace,
                start_s=at_s,
                end_s=at_s + 1,
                attribution=who,
                tokens=(random.randint(1, 90_000), random.randint(0, 4_000)),
                model=random.choice(_MODELS),
                response_id=f"r-{trace}-{call}",
            )
            found.append(_troubled(one, random.random()))
    return found


def _troubled(one: Observation, chance: float) -> Observation:
    if chance < 0.02:
        return one._replace(reading=one.reading._replace(error="openai.APIConnectionError"))
    if chance < 0.04:
        return one._replace(reading=one.reading._replace(attempts=3))
    if chance < 0.06:
        return one._replace(reading=one.reading._replace(model_asked="o4-mini"))
    return one


def make_actions(folder: Path, count: int) -> tuple[Path, list[Observation]]:
    """A ledger of them, and what it was made of."""
    found = observed_actions(count)
    return home_of(folder, found), found
