"""`genai-cost collector init`: what it adds to configurations, that all else stays, and what it says of them."""

from __future__ import annotations

import difflib
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from otel_genai_cost.collector.configuration.addition import Addition, Wanted, addition
from otel_genai_cost.errors import ConfigurationError
from tests.cli.command import rows, run
from tests.collector.configurations import DROPPING, ODD, USUAL
from tests.collector.otelcol import require_otelcol, start, validated
from tests.collector.scenarios import Scenario, calls, sent, serving
from tests.queues.brokers import free_port

_RECEIVERS = "      receivers:\n        - otlp  # all of them"
_WANTED = Wanted("127.0.0.1:5317", "127.0.0.1:5319")


def _added(text: str, **wanted: Any) -> Addition:
    return addition(text, "otelcol.yaml", _WANTED._replace(**wanted))


def _pipelines(text: str) -> dict[str, Any]:
    pipelines: dict[str, Any] = yaml.safe_load(text)["service"]["pipelines"]
    return pipelines


def _applied(diff: str, before: str, folder: Path) -> str:
    """The file once `patch`, or git in its place, has taken the diff."""
    file = folder / "otelcol.yaml"
    file.write_bytes(before.encode())
    tool = ["patch", "--binary", str(file)] if shutil.which("patch") else ["git", "apply", "-p0"]
    subprocess.run(tool, input=diff.encode(), cwd=folder, check=True, capture_output=True)
    return file.read_bytes().decode()


def test_the_hop_stands_before_what_drops_spans_and_behind_what_names_tenants() -> None:
    pipelines = _pipelines(_added(USUAL).text)
    assert pipelines["traces/genai_cost"] == {
        "receivers": ["otlp"],
        "processors": ["memory_limiter", "attributes/tenant"],
        "exporters": ["otlp/genai_cost"],
    }
    assert pipelines["traces"] == {
        "receivers": ["otlp/genai_cost"],
        "processors": ["memory_limiter", "tail_sampling", "batch"],
        "exporters": ["otlp/backend", "debug"],
    }
    assert pipelines["metrics"] == {"receivers": ["otlp"], "exporters": ["debug"]}


def test_lines_that_are_not_ours_stay_as_they_are() -> None:
    compared = difflib.ndiff(USUAL.splitlines(), _added(USUAL).text.splitlines())
    gone = [line[2:] for line in compared if line.startswith("- ")]
    assert gone == ["        - otlp  # all of them", "        - attributes/tenant  # who"]


@pytest.mark.parametrize("form", ODD)
def test_the_diff_makes_of_the_file_what_was_checked(form: str, tmp_path: Path) -> None:
    """And a second time there is nothing to add."""
    (tmp_path / "otelcol.yaml").write_bytes(ODD[form].encode())
    done = run("collector", "init", "--from", "otelcol.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "otelcol.yaml").read_bytes() == ODD[form].encode()
    diff = "".join(re.findall(r".*\n", done.stdout))
    after = _added(ODD[form]).text
    if "\r" not in after:  # the test's own reader would change the ends of lines
        assert _applied(diff, ODD[form], tmp_path) == after
    again = _added(after)
    assert again.text == after
    assert again.notes == ["otelcol.yaml has otlp/genai_cost in its pipelines: nothing to add"]


@pytest.mark.service
@pytest.mark.parametrize("form", ["usual", *ODD])
def test_a_collector_takes_what_comes_out(form: str, tmp_path: Path) -> None:
    require_otelcol()
    text = USUAL if form == "usual" else ODD[form]
    (tmp_path / "before.yaml").write_bytes(text.encode())
    (tmp_path / "after.yaml").write_bytes(_added(text, queue=str(tmp_path / "q")).text.encode())
    assert validated(tmp_path / "before.yaml") == ""
    assert validated(tmp_path / "after.yaml") == ""


@pytest.mark.service
def test_calls_that_a_collector_drops_are_charged(scenario: Scenario) -> None:
    receiver = f"127.0.0.1:{free_port()}"
    hop = serving(scenario.family, scenario.folder, to=receiver)
    config = scenario.folder / "otelcol.yaml"
    queue = str(scenario.folder / "queue")
    config.write_text(_added(DROPPING, hop=hop.address, back=receiver, queue=queue).text, "utf-8")
    traces = str(scenario.folder / "traces.jsonl")
    collector = start(scenario.family, scenario.folder, config, environment={"TRACES_FILE": traces})
    model = "gen_ai.request.model"
    assert sent(collector.at["OTLP_GRPC"], calls({}, {}, {model: "kept"}, {"tenant.id": "other"}))
    [kept] = scenario.spans()
    assert kept.attributes[model] == "kept"
    assert kept.attributes["genai_cost.status"] == "priced"
    charges = rows("charges", "--json", "--ledger", str(hop.ledger))
    assert [one["tenant"] for one in charges] == ["acme"] * 4, "the processor in front names it"


def test_pipelines_with_the_same_receivers_have_one_hop() -> None:
    pipelines = _pipelines(_added(ODD["two of the same"]).text)
    assert pipelines["traces/genai_cost"]["processors"] == ["memory_limiter", "resource"]
    assert pipelines["traces/genai_cost"]["exporters"] == ["otlp_grpc/genai_cost"]
    for name, processors in (
        ("traces", ["memory_limiter", "batch"]),
        ("traces/all", ["memory_limiter"]),
    ):
        assert pipelines[name]["receivers"] == ["otlp/genai_cost"]
        assert pipelines[name]["processors"] == processors


def test_a_pipeline_behind_a_connector_is_left_alone() -> None:
    pipelines = _pipelines(_added(ODD["behind a connector"]).text)
    assert pipelines["traces/in"]["receivers"] == ["otlp/genai_cost"]
    assert pipelines["traces/out"]["receivers"] == ["forward"]


_TWO = USUAL.replace(
    "    metrics:\n", "    traces/zipkin: {receivers: [zipkin], exporters: [debug]}\n    metrics:\n"
)


def test_of_several_pipelines_one_is_chosen_and_a_second_hop_has_a_name() -> None:
    once = _added(_TWO, pipelines=["traces"]).text
    twice = _added(
        once, pipelines=["traces/zipkin"], name="second", hop="127.0.0.1:5417", back="[::1]:5419"
    )
    pipelines = _pipelines(twice.text)
    assert pipelines["traces"]["receivers"] == ["otlp/genai_cost"]
    assert pipelines["traces/zipkin"]["receivers"] == ["otlp/second"]
    receivers = yaml.safe_load(twice.text)["receivers"]
    assert receivers["otlp/second"]["protocols"]["grpc"]["endpoint"] == "[::1]:5419"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (USUAL, "traces: spans are priced before tail_sampling"),
        (USUAL, "otlp/backend: the queue is in memory"),
        (USUAL, "file_storage/genai_cost keeps /var/lib/otelcol/genai_cost"),
        (DROPPING, "traces: it has no memory_limiter, which should be its first processor"),
        (USUAL.replace("tenant.id", "region"), "nothing before the hop sets tenant.id"),
        (
            USUAL.replace("        - attributes/tenant  # who\n", "").replace(
                "        - batch\n", "        - batch\n        - attributes/tenant\n"
            ),
            "traces: attributes/tenant has tenant.id, behind the hop",
        ),
        (
            USUAL.replace("- memory_limiter\n", "- batch\n        - memory_limiter\n", 1),
            "traces: memory_limiter stands behind batch; it should be first",
        ),
        (
            USUAL.replace("- tail_sampling\n        - batch", "- batch\n        - tail_sampling"),
            "traces: batch stands before tail_sampling",
        ),
        (
            USUAL.replace("value: acme", "from_context: auth.claims.tenant").replace(
                "- memory_limiter\n        - attributes", "- batch\n        - attributes"
            ),
            "traces: attributes/tenant asks who sent a request behind batch, which forgets it",
        ),
        (
            USUAL.replace("    metrics:\n", "    traces/two: {receivers: [otlp], exporters: [debug]}\n    metrics:\n"),
            None,
        ),
    ],
)  # fmt: skip
def test_what_its_owner_should_know_is_said(text: str, said: str | None) -> None:
    notes = _added(text).notes
    if said is None:
        assert not any("takes from" in one for one in notes)
        notes = _added(text, pipelines=["traces"]).notes
        said = "traces/two takes from otlp too, and gets spans without a price"
    assert sum(one.startswith(said) for one in notes) == 1, notes


_LAUGHS = "a0: &a0 [x]\n" + "".join(
    f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]\n" for n in range(9)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (_TWO, "its pipelines of traces take from different receivers (traces/zipkin from zipkin; traces from otlp)"),
        (USUAL.replace("    traces:", "    logs:"), "no pipeline of traces (pipelines: metrics, logs)"),
        ("receivers: {otlp: }\n", "no service; in otelcol.yaml"),
        (
            "apiVersion: v1\nkind: ConfigMap\ndata: {relay: 'service: {}'}\n",
            "a resource of Kubernetes, around a configuration: 'ConfigMap'; in otelcol.yaml",
        ),
        ("service: ${file:service.yaml}\n", "service is not written out: '${file:service.yaml}'"),
        (USUAL.replace("[otlp/backend, debug]", "${env:EXPORTERS}"), "service.pipelines.traces.exporters is not"),
        (USUAL.replace("exporters:\n  otlp", "exporters: ${file:e.yaml}\nx:\n  otlp"), "exporters is not written out"),
        (USUAL.replace("4999", "5319"), "exporters.otlp/backend has this port: '127.0.0.1:5319'"),
        (USUAL.replace("otlp/backend", "otlp/genai_cost"), "it has a component of this name: 'otlp/genai_cost'"),
        (USUAL + "service: {}\n", "said twice: 'service'; in otelcol.yaml:34"),
        (
            USUAL.replace(_RECEIVERS, "      receivers: [\n        # all of them\n        otlp]"),
            "a comment within a list would go; in otelcol.yaml, line",
        ),
        ("receivers:\n\totlp:\n", "not the YAML of one collector; in otelcol.yaml:2 ("),
        ("a: 1\n---\nb: 2\n", "not the YAML of one collector; in otelcol.yaml:2 ("),
        ("a: &a [*a]\n", "nested too deep"),
        ("a: " + "[" * 4000, "otelcol.yaml"),
        (_LAUGHS, "its aliases never end"),
        ("- otlp\n", "no collector's configuration"),
        ("", "no collector's configuration"),
        (
            ODD["an alias that stays"].replace("traces: {", "traces: &t {").replace("*all", "[otlp]")
            + "x: {y: *t}\n",
            "x.y.receivers cannot be changed where it is written without a change elsewhere",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_changed_exactly_is_said(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        _added(text)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("content", "arguments", "said"),
    [
        (b"a: \xff\n", (), "not UTF-8 at byte 3"),
        (USUAL.encode(), ("--pipeline", "traces/no"), "no such pipeline of traces: 'traces/no'"),
        (None, (), "No such file"),
    ],
)
def test_a_refusal_is_one_line(
    content: bytes | None, arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    file = tmp_path / "otelcol.yaml"
    if content is not None:
        file.write_bytes(content)
    done = run("collector", "init", "--from", str(file), *arguments)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert said in done.stderr


@given(
    st.lists(st.sampled_from(["# a", "", "   ", "# ä: [", "\t# b"]), max_size=4),
    st.sampled_from(["usual", *ODD]),
    st.integers(0, 40),
)
def test_whatever_stands_between_lines_comes_out_as_it_went_in_or_is_refused(
    between: list[str], form: str, at: int
) -> None:
    lines = (USUAL if form == "usual" else ODD[form]).split("\n")
    text = "\n".join([*lines[:at], *between, *lines[at:]])
    try:
        after = _added(text).text
    except ConfigurationError:
        return
    left = after.replace("\r", "").split("\n")
    for line in filter(str.strip, between):  # empty ones go with what stood before them in a list
        assert line in left
        left.remove(line)
