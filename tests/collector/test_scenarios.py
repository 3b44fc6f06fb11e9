"""Each scenario of `collector-config/`, as it is: the real collector takes it, and does what it is for."""

from __future__ import annotations

from typing import Final

import pytest

from otel_genai_cost import attributes as names
from tests.collector.otelcol import SCENARIOS, validated
from tests.collector.scenarios import Hop, Scenario, calls, sent

pytestmark = pytest.mark.service
_FILES: Final = sorted(
    file.stem for file in SCENARIOS.glob("*.yaml") if file.stem != "builder-config"
)


@pytest.mark.parametrize("name", _FILES)
def test_the_collector_validates(name: str, scenario: Scenario) -> None:
    assert validated(SCENARIOS / f"{name}.yaml") == ""


def test_what_is_no_configuration_is_not_validated(scenario: Scenario) -> None:
    wrong = scenario.folder / "wrong.yaml"
    wrong.write_text("receivers: {unheard_of: {}}\n", encoding="utf-8")
    assert "unheard_of" in validated(wrong)


def test_cost_hop(scenario: Scenario, hop: Hop) -> None:
    """Spans of two services are priced between two pipelines, and are charges in the ledger."""
    running = scenario.run("cost-hop", hop.environment())
    made = calls({"tenant.id": "hop-a"}, {"tenant.id": "hop-b"})
    assert sent(running.at["OTLP_GRPC"], made)
    shown = {str(span.attributes.get("tenant.id")): span for span in scenario.spans(at_least=2)}
    charges = {one["tenant"]: one for one in hop.charges("hop-a", "hop-b")}
    assert charges.keys() == {"hop-a", "hop-b"}
    for tenant, charge in charges.items():
        attributes = shown[tenant].attributes
        assert attributes[names.COST_CHARGE_ID] == charge["charge_id"]
        assert attributes[names.COST_STATUS] == "priced"
