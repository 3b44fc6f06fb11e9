"""Each scenario of `collector-config/`, as it is: the real collector takes it, and does what it is for."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from otel_genai_cost import attributes as names
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.otlp.span import WireSpan
from tests.cli.command import rows, run
from tests.collector.clickhouse import ClickHouse
from tests.collector.identity_provider import IdentityProvider
from tests.collector.otelcol import SCENARIOS, validated
from tests.collector.prometheus import Prometheus, prometheus, require_prometheus
from tests.collector.receiving import receiving
from tests.collector.scenarios import Hop, Scenario, calls, made, port_to_keep, sent, serving
from tests.demo.processes import Child, wait_until
from tests.ledger.build import observe, tenant

pytestmark = pytest.mark.service
_FILES: Final = sorted(
    file.stem for file in SCENARIOS.glob("*.yaml") if file.stem != "builder-config"
)
_WHOLE: Final = [
    name for name in _FILES if "prices.yaml" not in (SCENARIOS / f"{name}.yaml").read_text("utf-8")
]
"""Those that need no other file, such as compiled prices."""

_INDEX: Final = SCENARIOS / "README.md"
_TENANTS: Final = "genai-telemetry"
_SERVICES: Final = "genai-telemetry-services"
"""Audiences of tokens."""

_JSON: Final = {"Content-Type": "application/json"}
_UNPRICED: Final[Mapping[str, object]] = {
    "gen_ai.request.model": "unheard-of",
    "gen_ai.response.model": "unheard-of",
}


def _also(scenario: Scenario, name: str) -> Path:
    """The second configuration that the index has for a scenario, in a file of the test's."""
    also = scenario.folder / f"{name}-also.yaml"
    also.write_text(_block(name, "yaml"), encoding="utf-8")
    return also


def _select(name: str, database: str) -> str:
    """The query that the index has for a scenario, of another database."""
    return _block(name, "sql").replace("FROM otel.", f"FROM {database}.")


def _block(name: str, language: str) -> str:
    section = _INDEX.read_text("utf-8").partition(f"\n## `{name}.yaml`\n")[2].partition("\n## ")[0]
    (block,) = re.findall(rf"```{language}\n(.+?)```", section, re.DOTALL)
    return str(block)


def _totals(spans: Iterable[WireSpan]) -> list[Any]:
    return [one.attributes[names.COST_TOTAL] for one in spans]


@pytest.mark.parametrize("name", _FILES)
def test_the_collector_validates(name: str, scenario: Scenario) -> None:
    config, *more = scenario.configs(name)
    assert validated(config, *more, environment=scenario.files(config)) == ""


@pytest.mark.parametrize("name", _WHOLE)
def test_it_validates_where_it_lies_with_nothing_set(name: str, scenario: Scenario) -> None:
    """The key set that lies there is one that nobody has the other half of."""
    assert validated(Path(f"{name}.yaml"), folder=SCENARIOS) == ""


def test_what_is_no_configuration_is_not_validated(scenario: Scenario) -> None:
    wrong = scenario.folder / "wrong.yaml"
    wrong.write_text("receivers: {unheard_of: {}}\n", encoding="utf-8")
    assert "unheard_of" in validated(wrong)


def test_every_scenario_stands_in_the_index() -> None:
    index = _INDEX.read_text("utf-8")
    rows_of_table = re.findall(r"^\| \[`(.+)\.yaml`\]", index, re.MULTILINE)
    assert rows_of_table == re.findall(r"^## `(.+)\.yaml`$", index, re.MULTILINE)
    assert sorted(rows_of_table) == _FILES


def test_cost_hop(scenario: Scenario, hop: Hop) -> None:
    """Spans are priced between two pipelines, and are charges in the ledger."""
    running = scenario.run("cost-hop", hop.environment())
    assert sent(running.at["OTLP_GRPC"], calls({"tenant.id": "hop-a"}, {"tenant.id": "hop-b"}))
    shown = scenario.spans(at_least=2)
    assert [one.attributes[names.COST_STATUS] for one in shown] == ["priced"] * 2
    assert [one["tenant"] for one in hop.charges(shown)] == ["hop-a", "hop-b"]


def test_sidecar(scenario: Scenario) -> None:
    """What is behind the agent, here the hop, is killed, then the agent; both come back: nothing is lost, and
    what is sent twice, because its answer was lost, is charged once."""
    gateway = f"127.0.0.1:{port_to_keep()}"
    queued = {"GATEWAY_GRPC": gateway, "RETRY_AFTER": "100ms"}
    with receiving() as received:

        def hop() -> Hop:
            return serving(scenario.family, scenario.folder, to=received.endpoint, listen=gateway)

        def arrived(count: int) -> None:
            def found() -> int:
                return len({one.span_id for one in received.spans})

            wait_until(lambda: found() >= count, f"{count} spans to arrive", 20)

        before, agent = hop(), scenario.run("sidecar", queued)
        assert sent(agent.at["OTLP_GRPC"], calls({"tenant.id": "before"}))
        arrived(1)
        scenario.kill(before.child)
        assert sent(agent.at["OTLP_GRPC"], calls(*[{"tenant.id": "away"}] * 20))
        scenario.kill(agent.child)
        after, agent = hop(), scenario.run("sidecar", queued)
        assert sent(agent.at["OTLP_GRPC"], calls({"tenant.id": "after"}))
        arrived(22)
        charges = {one["charge_id"]: one for one in after.charges(received.spans)}
    tenants = Counter(one["tenant"] for one in charges.values())
    assert tenants == {"before": 1, "away": 20, "after": 1}
    assert len(after.charges_of("away")) == 20


def test_sidecar_of_a_gateway_that_asks_for_a_credential(
    scenario: Scenario, hop: Hop, provider: IdentityProvider
) -> None:
    """As the index says."""
    gateway = scenario.run("gateway-tenants", hop.environment())
    token = provider.header(audience=_TENANTS, tenant_id="side")["authorization"].split()[1]
    (scenario.folder / "token").write_text(token, encoding="utf-8")
    also = _also(scenario, "sidecar")
    also.write_text(also.read_text("utf-8").replace("file:", f"file:{scenario.folder}/"))
    queue = {"QUEUE_FOLDER": str(scenario.folder / "agent")}
    to = {"GATEWAY_GRPC": gateway.at["OTLP_GRPC"], **queue}
    assert sent(scenario.run("sidecar", to, also).at["OTLP_GRPC"], calls({"tenant.id": "other"}))
    assert [one["tenant"] for one in hop.charges(scenario.spans())] == ["side"]


def test_gateway_with_a_credential_for_each_tenant(
    scenario: Scenario, hop: Hop, provider: IdentityProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """Whom spans are for is what a token says, and nothing that spans say of tenants and costs is left."""
    running = scenario.run("gateway-tenants", hop.environment())
    gateway = running.at["OTLP_GRPC"]
    lies = {"tenant.id": "other", "gen_ai.usage.cost": 0.0, names.COST_TOTAL: "0"}
    lies |= {"llm.cost.total": 0.0, "tenant.plan": "free"}
    resource = {"tenant.id": "other", "gen_ai.usage.cost": "0"}
    for claim in ("gate-a", "gate-b", "gate-a;gate-b"):
        token = provider.header(audience=_TENANTS, tenant_id=claim)
        assert sent(gateway, calls(lies, {}, resource=resource), token)
    shown = scenario.spans(at_least=6)
    charges = hop.charges(shown)
    named = Counter((one["tenant"], one["absent"]) for one in charges)
    assert named == {("gate-a", None): 2, ("gate-b", None): 2, (None, "invalid"): 2}
    assert {one.attributes["tenant.id"] for one in shown} == {"gate-a", "gate-b", ""}
    assert _totals(shown) == [one["amount"] for one in charges]
    assert not resource.keys() & {name for one in shown for name in one.resource}
    assert not {"llm.cost.total", "tenant.plan"} & {
        name for one in shown for name in one.attributes
    }
    for header in _refused(provider):
        assert not sent(gateway, calls({}), header)
        assert "UNAUTHENTICATED" in caplog.messages[-1]
    by_http = f"http://{running.at['OTLP_HTTP']}/v1/traces"
    urlopen(Request(by_http, b"{}", {**_JSON, **token}), timeout=5).close()
    with pytest.raises(HTTPError, match="401"):
        urlopen(Request(by_http, b"{}", _JSON), timeout=5)


def _refused(provider: IdentityProvider) -> Iterator[dict[str, str]]:
    """What lets nobody in: no token, one without a tenant, with two, of a service, that has expired, that another
    provider signed."""
    yield {}
    yield provider.header(audience=_TENANTS)
    yield provider.header(audience=_TENANTS, tenant_id=["gate-a", "gate-b"])
    yield provider.header(audience=_SERVICES, tenant_id="gate-a")
    yield provider.header(audience=_TENANTS, tenant_id="gate-a", lifetime_s=-60)
    yield IdentityProvider().header(audience=_TENANTS, tenant_id="gate-a")


def test_gateway_for_services_of_many_tenants(
    scenario: Scenario, provider: IdentityProvider
) -> None:
    """A service names tenants itself, on the span of a call, or on another of its trace, which may come later; a
    tenant's token does not let it."""
    to = f"127.0.0.1:{port_to_keep()}"
    hop = serving(scenario.family, scenario.folder, "--tenant-from", "trace", to=to)
    gateway = scenario.run("gateway-service", hop.environment()).at["OTLP_GRPC"]
    token = provider.header(audience=_SERVICES)
    assert sent(gateway, calls({"tenant.id": "many-a"}, {"tenant.id": "many-b"}, {}), token)
    assert sent(gateway, calls({}, trace_id=7), token)
    scenario.spans(at_least=4)
    assert sent(gateway, made({"http.route": "/", "tenant.id": "many-c"}, trace_id=7), token)
    shown = [one for one in scenario.spans(at_least=5) if names.COST_CHARGE_ID in one.attributes]
    tenants = Counter(one["tenant"] for one in hop.charges(shown))
    assert tenants == {"many-a": 1, "many-b": 1, None: 1, "many-c": 1}
    for header in ({}, provider.header(audience=_TENANTS, tenant_id="many-a")):
        assert not sent(gateway, calls({"tenant.id": "many-a"}), header)


def test_tail_sampling(scenario: Scenario, hop: Hop) -> None:
    """What is left out of traces is charged all the same."""
    only_policies = {"DECISION_WAIT": "500ms", "SHARE_PERCENT": "0"}
    running = scenario.run("tail-sampling", {**hop.environment(), **only_policies})
    expensive: dict[str, object] = {"gen_ai.usage.output_tokens": 1_000_000}
    every = calls(*({"tenant.id": "tail", **more} for more in (expensive, _UNPRICED, *[{}] * 10)))
    assert sent(running.at["OTLP_GRPC"], every)
    kept = scenario.spans(at_least=2)
    assert {one.attributes[names.COST_STATUS] for one in kept} == {"priced", "unpriced"}
    assert max(one.attributes.get(names.GEN_AI_USAGE_COST, 0) for one in kept) > 0.10
    running.stop()
    assert len(scenario.spans()) == 2
    assert len(hop.charges_of("tail")) == 12


def _becomes(
    asked: Prometheus, query: str, wanted: Mapping[str, float], needs: Sequence[Child]
) -> None:
    """Wait until a query gives these numbers by tenant."""

    def is_there() -> bool:
        found = asked.values(f"sum by (tenant_id) ({query})", "tenant_id")
        return bool(found == pytest.approx(wanted))

    wait_until(is_there, f"{query} to be {wanted}", 20, needs)


def test_tenant_metrics(scenario: Scenario, hop: Hop) -> None:
    """Prometheus has a counter of what each tenant has cost, and keeps that of one that is quiet."""
    require_prometheus()
    running = scenario.run("tenant-metrics", hop.environment())
    asked = prometheus(scenario.family, scenario.folder, running.at["PROMETHEUS"])
    busy, quiet = {"tenant.id": "busy"}, {"tenant.id": "quiet"}
    assert sent(running.at["OTLP_GRPC"], calls(quiet, busy, {}))
    (cost,) = {float(total) for total in _totals(scenario.spans(at_least=3))}
    every = {"quiet": cost, "busy": cost, "": cost}
    _becomes(asked, "gen_ai_client_cost_USD_total", every, scenario.family)
    assert sent(running.at["OTLP_GRPC"], calls(busy, busy, {**busy, **_UNPRICED}))
    every["busy"] = 3 * cost
    _becomes(asked, "gen_ai_client_cost_USD_total", every, scenario.family)
    _becomes(asked, "gen_ai_client_unpriced_total", {"busy": 1}, scenario.family)
    spent = sum(float(one["amount"] or 0) for one in hop.charges_of("busy"))
    assert spent == pytest.approx(3 * cost)


def test_tenant_metrics_can_be_pushed(scenario: Scenario, hop: Hop) -> None:
    """As the index says."""
    require_prometheus()
    asked = prometheus(scenario.family, scenario.folder)
    environment = {**hop.environment(), "REMOTE_WRITE": asked.write}
    running = scenario.run("tenant-metrics", environment, _also(scenario, "tenant-metrics"))
    assert sent(running.at["OTLP_GRPC"], calls({"tenant.id": "pushed"}))
    cost = float(_totals(scenario.spans())[0])
    _becomes(asked, "gen_ai_client_cost_USD_total", {"pushed": cost}, scenario.family)


def test_quiet_tenants_are_kept_for_as_long_as_the_scenario_says(
    scenario: Scenario, hop: Hop
) -> None:
    """The same with a second in place of a year: this setting is what keeps them."""
    running = scenario.run("tenant-metrics", {**hop.environment(), "KEPT": "1s"})
    assert sent(running.at["OTLP_GRPC"], calls({"tenant.id": "quiet"}))

    def scraped() -> str:
        with urlopen(f"http://{running.at['PROMETHEUS']}/metrics", timeout=5) as answer:
            text: str = answer.read().decode()
            return text

    wait_until(lambda: 'tenant_id="quiet"' in scraped(), "a series", 20, scenario.family)
    wait_until(lambda: 'tenant_id="quiet"' not in scraped(), "no series", 20, scenario.family)


def test_fan_out(scenario: Scenario, hop: Hop, store: ClickHouse) -> None:
    """The same spans are in each place, in ClickHouse with every digit of what they cost."""
    scenario.run("fan-out", {**hop.environment(), **store.environment("spans")})
    assert sent(hop.address, calls({"tenant.id": "fan-a"}, {"tenant.id": "fan-b"}))
    shown = scenario.spans(at_least=2)
    charges = {one["tenant"]: one["amount"] for one in hop.charges(shown)}
    store.becomes(_select("fan-out", "spans"), charges)
    assert charges.keys() == {"fan-a", "fan-b"}
    again = rows("replay", str(scenario.folder / "traces.jsonl"), "--json")
    assert {one["charge_id"] for one in again} == {one["charge_id"] for one in hop.charges(shown)}
    assert (scenario.folder / "traces.zst").stat().st_size > 0


def test_a_store_that_is_away_holds_up_no_other(scenario: Scenario, hop: Hop) -> None:
    away = {"CLICKHOUSE": f"tcp://127.0.0.1:{port_to_keep()}"}
    running = scenario.run("fan-out", {**hop.environment(), **away})
    assert sent(hop.address, calls({"tenant.id": "fan"}))
    assert hop.charges(scenario.spans())[0]["tenant"] == "fan"
    assert running.child.process.poll() is None


def test_ledger(scenario: Scenario, store: ClickHouse) -> None:
    """The ledger's entries come as log events from its own sink, twice too, and its sums as metrics; ClickHouse and
    Prometheus have what the ledger has, and nothing that somebody else says."""
    require_prometheus()
    running = scenario.run("ledger", store.environment("ledger"))
    asked = prometheus(scenario.family, scenario.folder, running.at["PROMETHEUS"])
    other = (
        b'{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "hi"}}]}]}]}'
    )
    urlopen(Request(f"http://{running.at['OTLP_HTTP']}/v1/logs", other, _JSON), timeout=5).close()
    home = scenario.folder / "home"
    journal = Journal([home / "journal"])
    for n in range(1, 5):
        one = observe(n, trace=n, start_s=n, end_s=n + 1)
        journal.append(to_record(one._replace(attribution=tenant("a" if n < 3 else None))))
    journal.close()
    environment = {
        "OTEL_GENAI_COST_SINKS": "otlp,otlp_metrics",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{running.at['OTLP_GRPC']}",
    }
    for command in (("ship", "--drain"), ("sinks", "refill", "otlp"), ("ship", "--drain")):
        done = run(*command, "--ledger", str(home), env=environment)
        assert done.returncode == 0, done.stderr
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for entry in rows("entries", "--json", "--ledger", str(home)):
        sums[entry["tenant"] or ""] += Decimal(entry["amount"])
    assert sums.keys() == {"a", ""}
    exact = {who: str(amount.normalize()) for who, amount in sums.items()}
    store.becomes(_select("ledger", "ledger"), exact)
    every = "SELECT EventName, count() FROM ledger.otel_logs GROUP BY 1"
    store.becomes(every, {"genai_cost.entry": "8"})
    doubles = {who: float(amount) for who, amount in sums.items()}
    _becomes(asked, "genai_cost_ledger_cost_total", doubles, scenario.family)
