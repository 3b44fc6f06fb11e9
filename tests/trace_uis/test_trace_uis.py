"""A trace of the demo, priced between two pipelines of a real collector, as people look at it: the figure on the screen
is the charge's. Its prices are the tests' own, so that no trace UI can have worked it out itself."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Generator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.request import Request, urlopen

import pytest
from opentelemetry.exporter.zipkin.json import ZipkinExporter
from opentelemetry.sdk.trace.export import SpanExportResult

from otel_genai_cost.otlp.protobuf_request import parsed
from tests.collector.otelcol import require_otelcol
from tests.collector.receiving import receiving
from tests.demo.processes import Children, children, wait_until
from tests.trace_uis.browser import Page, page
from tests.trace_uis.readable import readable
from tests.trace_uis.rig import SPANS, TENANT, TRACE_ID, priced
from tests.trace_uis.servers import mlflow, phoenix, zipkin

_ARRIVES_WITHIN_S: Final = 30
_CHAT: Final = "^chat gpt-4o-mini$"
_RUNS_LONG: Final = pytest.mark.timeout(600)


class Screen(NamedTuple):
    """What a test runs in: its folder, its processes and where it keeps pictures."""

    folder: Path
    family: Children
    pictures: Path


@pytest.fixture
def screen(tmp_path: Path) -> Generator[Screen]:
    require_otelcol()
    pictures = Path(os.environ.get("TRACE_UIS_PICTURES") or tmp_path)
    with children() as family:
        yield Screen(tmp_path, family, pictures)


def _total(charges: Sequence[dict[str, Any]]) -> str:
    total = sum(Decimal(one["total"]) for one in charges)
    assert total == round(total, 2), "the tests' prices make whole cents"
    return f"{total:.2f}"


def _shown_charge(page: Page, charges: Sequence[dict[str, Any]]) -> str:
    """What the charge costs whose id is on the screen."""
    charge_id = re.split(r"\s+", page.until(r"genai_cost\.charge_id\s+[0-9a-f]{32}"))[1]
    return next(str(one["total"]) for one in charges if one["charge_id"] == charge_id)


@pytest.mark.service
@_RUNS_LONG
def test_zipkin_shows_what_the_call_cost_among_its_tags(screen: Screen) -> None:
    url = zipkin(screen.family, screen.folder)
    with receiving() as received:
        settings = {"endpoint": received.endpoint, "tls": {"insecure": True}}
        charges = priced(screen.family, screen.folder, "default", "otlp_grpc/screen", settings)
        wait_until(lambda: len(received.spans) == SPANS, "the spans", _ARRIVES_WITHIN_S)
    spans = [span for one in received.requests for span in readable(parsed(one))]
    exporter: Any = ZipkinExporter(endpoint=f"{url}/api/v2/spans")
    for span in spans:  # it takes all for spans of the first one's service
        assert exporter.export([span]) is SpanExportResult.SUCCESS
    with page(screen.family, screen.folder) as lens:
        lens.open(f"{url}/zipkin/traces/{TRACE_ID}")
        lens.click("^app: chat gpt-4o-mini$")
        total = _shown_charge(lens, charges)
        lens.until(rf"genai_cost\.total\s+{re.escape(total)}\n")
        lens.until(rf"gen_ai\.usage\.cost\s+{re.escape(total)}\n")
        lens.until(rf"tenant\.id\s+{TENANT}")
        lens.scroll(r"^genai_cost\.status$")
        lens.picture(screen.pictures / "trace-zipkin.png")


@pytest.mark.trace_uis
@_RUNS_LONG
def test_mlflow_adds_up_what_the_calls_cost(screen: Screen) -> None:
    url = mlflow(screen.family, screen.folder)
    headers = {"x-mlflow-experiment-id": "0"}
    settings = {"endpoint": url, "compression": "none", "headers": headers}
    charges = priced(screen.family, screen.folder, "default,mlflow", "otlp_http/screen", settings)
    with page(screen.family, screen.folder) as ui:
        ui.open(f"{url}/#/experiments/0/traces?selectedEvaluationId=tr-{TRACE_ID}")
        ui.until("run/summarise")
        for charge in charges:
            ui.until(re.escape(f"\n${_total([charge])}\n"))
        ui.until(rf"tokens\n{re.escape('$' + _total(charges))}\n")
        ui.click(_CHAT)
        ui.until(rf"genai_cost\.total\s+{re.escape(_shown_charge(ui, charges))}\n")
        ui.picture(screen.pictures / "trace-mlflow.png")
        ui.open(f"{url}/#/experiments/0/overview/usage")
        ui.until(re.escape(f"${_total(charges)} Total Cost"))


@pytest.mark.trace_uis
@_RUNS_LONG
def test_phoenix_shows_it_as_an_attribute_beside_its_own_figure(screen: Screen) -> None:
    """If this fails at `<$0.01`, Phoenix may have begun to believe costs that spans bring: say so in the docs."""
    url = phoenix(screen.family, screen.folder)
    settings = {"endpoint": url, "compression": "none"}
    profiles = "default,openinference"
    charges = priced(screen.family, screen.folder, profiles, "otlp_http/screen", settings)
    with page(screen.family, screen.folder) as ui:
        ui.open(f"{url}/projects/{_phoenix_project(url)}/traces/{TRACE_ID}")
        ui.until("Total Cost\n<\\$0.01\n")
        ui.click(_CHAT)
        ui.click("^Attributes$")
        total = re.escape(_shown_charge(ui, charges))
        ui.until(rf"gen_ai\.usage\.cost\s+{total}\n")
        ui.until(rf"llm\.cost\.total\s+{total}\n")
        ui.scroll(r"^gen_ai\.usage\.cost$")
        ui.picture(screen.pictures / "trace-phoenix.png")


def _phoenix_project(url: str) -> str:
    query = json.dumps({"query": "{projects{edges{node{id}}}}"}).encode()
    asked = Request(f"{url}/graphql", query, {"content-type": "application/json"})
    with urlopen(asked, timeout=30) as answer:
        return str(json.load(answer)["data"]["projects"]["edges"][0]["node"]["id"])
