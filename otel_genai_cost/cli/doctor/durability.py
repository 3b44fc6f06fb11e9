"""How durable calls are, and whether whoever is to have them answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from otel_genai_cost.cli.doctor.check import Found, failed, fine
from otel_genai_cost.cli.home import Home
from otel_genai_cost.forwarding.http_sender import HttpReceiver
from otel_genai_cost.forwarding.wire import Refusal, RefusalReason
from otel_genai_cost.metering.config import load_settings
from otel_genai_cost.metering.delivery import destination_of
from otel_genai_cost.metering.ship_options import level_problem

__all__ = ["durability"]

_WITHIN_S: Final = 3.0
_TOKEN: Final = (
    "set OTEL_GENAI_COST_SHIP_TOKEN or OTEL_GENAI_COST_SHIP_TOKEN_FILE to one that it knows"
)
_REMEDIES: Final[dict[RefusalReason | None, str]] = {
    "UNAUTHENTICATED": _TOKEN,
    "FORBIDDEN": _TOKEN,
    None: "start `genai-cost agent` or `genai-cost ledger serve` there, or mend OTEL_GENAI_COST_SHIP_TO",
}


def durability(_: Home) -> Iterator[Found]:
    """The level, and an empty request to the receiver: nothing is sent for it."""
    settings = load_settings().settings
    problem = level_problem(settings.durability, settings.ship_to)
    if problem is not None:
        yield failed("durability", f"{settings.durability}, and sent nowhere", problem.remedy)
        return
    destination = destination_of(settings)
    if destination is None:
        yield fine("durability", settings.durability)
        return
    receiver = HttpReceiver(destination, _WITHIN_S)
    answer = receiver.send((), None)
    receiver.close()
    seen = f"{settings.durability}, sent to {destination.address}"
    if answer.life is not None and answer.refusal is None:
        ledger, epoch = answer.life
        yield fine("durability", f"{seen}: ledger {ledger} of epoch {epoch} answers")
        return
    refusal = answer.refusal or Refusal(None, "it is no receiver of journals")
    remedy = _REMEDIES.get(refusal.reason, "look into its log")
    why = refusal.reason or (f"HTTP {answer.status}" if answer.status else "no answer")
    yield failed("durability", f"{seen}: {why}: {refusal.message}", remedy)
