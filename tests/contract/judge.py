"""Whether what was charged is what was billed, and what was sent what it is without us."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from otel_genai_cost.pricing.cost import quality_of
from otel_genai_cost.testing.standin import StandIn
from otel_genai_cost.usage.leaves import INPUT_LEAVES, OUTPUT_LEAVES, Usage
from tests.contract.driver import Driver
from tests.contract.meter import Charged, cost_of_bill, usage_of_bill

__all__ = ["JUDGES", "Bills", "requests_of"]

_NEW: Final = frozenset({"traceparent"})
Bills = list[dict[str, Any]]


def requests_of(standin: StandIn, driver: Driver) -> list[Any]:
    """What arrived, comparable: of a header that is new in every request its presence, and in an order of its own."""
    new = _NEW | driver.volatile
    return sorted(
        (
            request.method,
            _fixed(request.path),
            sorted(
                (name, "" if name in new else _fixed(value))
                for name, value in request.headers.items()
            ),
            _fixed(repr(request.body)),
        )
        for request in standin.received
    )


def _fixed(text: str) -> str:
    """Without what is new in every run: the numbers of the stand-in's ids, and where a form's parts are cut."""
    return re.sub(r"(standin\d+x)\d+|(boundary=)\S+", r"\1\2", text)


def _billed(driver: Driver, bills: Bills, charged: list[Charged]) -> None:
    """Each response is charged once, to the leaf."""
    assert len(charged) == len(bills), (bills, charged)
    for line, found in zip(_by_response(bills), _by_reading(charged), strict=True):
        usage, cost = usage_of_bill(line), cost_of_bill(line, found.position.occurred_us)
        assert found.reading.usage.quality == "reported"
        assert found.position.quality == quality_of(usage, cost)
        assert _used(found.reading.usage.leaves) == _used(usage.leaves)
        assert _used(found.position.usage) == _used(usage.leaves)
        _is_of(line, found)
        is_priced = driver.batch_is_priced if "batch" in line["context"] else driver.is_priced
        assert cost.status == ("priced" if is_priced else "unpriced"), (line, cost)
        assert found.position.amount == (cost.total or 0)
        assert found.position.reason == cost.reason


def _retried(driver: Driver, bills: Bills, charged: list[Charged]) -> None:
    """The refused request is an attempt of the same call."""
    _billed(driver, bills, charged)
    assert [found.reading.attempts for found in charged] == [2]


def _estimated(driver: Driver, bills: Bills, charged: list[Charged]) -> None:
    """One charge, marked, between bounds that hold the truth."""
    (line,), (found,) = bills, charged
    assert found.position.quality == "estimated"
    _is_of(line, found)
    _holds(line, found.reading.usage)


def _unknown(driver: Driver, bills: Bills, charged: list[Charged]) -> None:
    """One charge without a price; it has bounds that hold what a provider may bill."""
    (line,), (found,) = bills, charged
    assert found.position.quality == "unknown"
    assert found.position.unpriced == found.position.calls == 1
    assert found.position.attribution.tenant == line["tenant"]
    _holds(line, found.reading.usage)


def _unasked(driver: Driver, bills: Bills, charged: list[Charged]) -> None:
    """Some providers report it all the same; then it is charged."""
    is_reported = [found.reading.usage.quality for found in charged] == ["reported"]
    (_billed if is_reported else _unknown)(driver, bills, charged)


def _failed(driver: Driver, bills: Bills, charged: list[Charged]) -> None:
    """One charge of nothing."""
    (found,) = charged
    assert bills == []
    assert found.position.reason == "not_billed"
    assert (found.position.amount, found.position.unpriced) == (0, 0)
    assert found.position.attribution.tenant == "acme"
    assert found.reading.error


def _is_of(line: Mapping[str, Any], found: Charged) -> None:
    assert found.position.attribution.tenant == line["tenant"]
    assert (found.reading.model_returned or found.reading.model_requested) == line["model"]
    assert found.reading.response_id == line["response_id"]
    assert line["context"].items() <= found.reading.context.items()


def _holds(line: Mapping[str, Any], usage: Usage) -> None:
    """What was billed lies between the bounds. Nothing bounds an output that nobody limits."""
    assert usage.low is not None
    assert usage.high is not None
    for total, leaves in (("input_tokens", INPUT_LEAVES), ("output_tokens", OUTPUT_LEAVES)):
        billed = line["usage"][total]
        assert sum(usage.low.get(leaf, 0) for leaf in leaves) <= billed
        assert billed <= sum(usage.high.get(leaf, 0) for leaf in leaves)


def _used(leaves: Mapping[str, int]) -> dict[str, int]:
    return {leaf: n for leaf, n in leaves.items() if n}


def _by_response(bills: Bills) -> Bills:
    return sorted(bills, key=lambda line: (line["response_id"] or "", line["tenant"] or ""))


def _by_reading(charged: list[Charged]) -> list[Charged]:
    def key(found: Charged) -> tuple[str, str]:
        return found.reading.response_id or "", found.position.attribution.tenant or ""

    return sorted(charged, key=key)


JUDGES: Final[Mapping[str, Callable[[Driver, Bills, list[Charged]], None]]] = {
    "billed": _billed,
    "retried": _retried,
    "estimated": _estimated,
    "failed": _failed,
    "unknown": _unknown,
    "unasked": _unasked,
}
"""How the charges of a case are judged: against its bill."""
