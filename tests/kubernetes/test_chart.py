"""The chart, the plain manifests and the examples of applications: what Helm and Kubernetes' own code say of them, that
no container may do more than it needs, and that nothing is set that nobody reads. No cluster has run them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import pytest

from otel_genai_cost.metering import environment_variables
from tests.kubernetes.chart import (
    APPLICATIONS,
    FOLDER,
    MANIFESTS,
    VALUES,
    judged,
    lint,
    objects,
    plain,
    rendered,
)
from tests.kubernetes.commands import parse

pytestmark = pytest.mark.service

_OURS: Final = re.compile(r"OTEL_GENAI_COST_\w+")
_UPSTREAM: Final = frozenset(
    (
        "OTEL_SERVICE_NAME",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_METRICS_EXPORTER",
        "OTEL_LOGS_EXPORTER",
    )
)
_LEDGERS: Final = frozenset(("OTEL_GENAI_COST_SINKS",))
"""What only the ledger's commands read."""


class _Container(NamedTuple):
    """A container, and the pod that it is in."""

    owner: str
    pod: Mapping[str, Any]
    spec: Mapping[str, Any]


def _texts() -> Iterator[tuple[str, str]]:
    for values in VALUES:
        yield values, rendered(values)
    for path in APPLICATIONS:
        yield path.stem, path.read_text(encoding="utf-8")


def _containers() -> Iterator[_Container]:
    for source, text in _texts():
        for found in objects(text):
            pod = found.get("spec", {}).get("template", {}).get("spec")
            if pod is not None:
                for spec in [*pod.get("initContainers", ()), *pod["containers"]]:
                    yield _Container(f"{source}: {found['metadata']['name']}", pod, spec)


def _is_ours(container: _Container) -> bool:
    return "genai-cost" in container.spec["image"]


@pytest.mark.parametrize("values", VALUES)
def test_helm_has_nothing_against_the_chart(values: str) -> None:
    done = lint(values)
    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout and "[ERROR]" not in done.stdout


@pytest.mark.parametrize("values", VALUES)
def test_an_api_server_would_take_each_object_and_a_restricted_namespace_each_pod(
    values: str, tmp_path: Path
) -> None:
    file = tmp_path / "manifests.yaml"
    file.write_text(rendered(values), encoding="utf-8")
    seen = judged(file)
    assert not [each for each in seen if each.problems]
    assert {each.kind for each in seen if each.checked != "validated"} <= {"ServiceMonitor"}
    assert {"StatefulSet", "Service", "NetworkPolicy", "PodDisruptionBudget"} <= {
        each.kind for each in seen if each.checked == "validated"
    }


def test_it_would_take_the_examples_of_applications() -> None:
    seen = judged(*APPLICATIONS)
    assert not [each for each in seen if each.problems]
    assert [each.kind for each in seen if each.checked == "validated"] == ["Deployment"] * 3
    assert [each.kind for each in seen if each.checked == "unknown"] == ["Instrumentation"]


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("accessModes: [ReadWriteMany]", "accessModes: [ReadWriteMny]"),
        ("readOnlyRootFilesystem", "readOnlyRootFilesystemm"),
        ("replicas: 1", "replicas: one"),
        ("runAsNonRoot: true", "runAsNonRoot: false"),
        ("mountPath: /tmp}", "mountPath: /etc/genai-cost/senders}"),
        ("targetPort: http", "targetPort: 123456"),
        ("maxUnavailable: 1\n  unhealthy", "maxUnavailable: 1\n  minAvailable: 1\n  unhealthy"),
    ],
)
def test_what_is_wrong_with_a_manifest_is_found(broken: str, said: str, tmp_path: Path) -> None:
    text = rendered("standby")
    assert broken in text
    file = tmp_path / "broken.yaml"
    file.write_text(text.replace(broken, said, 1), encoding="utf-8")
    assert len([each for each in judged(file) if each.problems]) == 1


@pytest.mark.parametrize("name", MANIFESTS)
def test_the_plain_manifests_are_what_the_chart_makes(name: str) -> None:
    kept = (FOLDER / "manifests" / f"{name}.yaml").read_text(encoding="utf-8")
    assert kept == plain(name), "run `make kubernetes`"


def test_no_container_can_write_to_its_image_or_be_more_than_it_is() -> None:
    for owner, pod, spec in _containers():
        may = spec["securityContext"]
        assert may["readOnlyRootFilesystem"] is True, owner
        assert may["allowPrivilegeEscalation"] is False, owner
        assert may["capabilities"] == {"drop": ["ALL"]}, owner
        assert pod["automountServiceAccountToken"] is False, owner
        assert not [each for each in pod["volumes"] if "hostPath" in each], owner
        assert "hostNetwork" not in pod and "hostPID" not in pod, owner


def test_each_of_our_containers_says_what_it_takes() -> None:
    ours = [each for each in _containers() if _is_ours(each)]
    assert ours
    for owner, _, spec in ours:
        assert set(spec["resources"]["requests"]) == {"cpu", "memory"}, owner
        assert set(spec["resources"]["limits"]) == {"memory"}, owner


def test_on_openshift_no_user_or_group_is_named() -> None:
    text = rendered("openshift")
    assert "runAsUser" not in text and "fsGroup" not in text and "runAsGroup" not in text


def test_every_variable_is_one_that_somebody_reads() -> None:
    known = {name for name in vars(environment_variables) if _OURS.fullmatch(name)} | _LEDGERS
    for source, text in _texts():
        named = {each for each in re.findall(r"OTEL_\w+", text) if not each.endswith("_")}
        assert named <= known | _UPSTREAM, source


def test_every_command_and_flag_is_one_that_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = [each for each in _containers() if _is_ours(each)]
    assert {each.spec["args"][0] for each in ours} == {"ledger", "agent", "collector"}
    for _, _, spec in ours:
        with monkeypatch.context() as environment:
            for each in spec["env"]:
                environment.setenv(each["name"], each["value"])
            parse(spec["args"])


def test_a_hop_that_is_sent_nowhere_is_refused() -> None:
    with pytest.raises(AssertionError, match=r"hop\.to: where priced spans go"):
        rendered("collector", "--set", "hop.to=")


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("ledger.backups.enabled=false", "it follows the ledger's backups"),
        ("ledger.backups.accessMode=ReadWriteOnce", "have the volume of backups at once"),
    ],
)
def test_a_standby_that_can_follow_nothing_is_refused(option: str, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        rendered("standby", "--set", option)


def test_backups_and_a_standby_are_off_unless_they_are_asked_for() -> None:
    text = rendered("agents")
    assert "backup" not in text and "standby" not in text


def _sets(*options: str, values: str = "standby") -> dict[str, Mapping[str, Any]]:
    """The stateful sets' pods, by component."""
    found = [each for each in objects(rendered(values, *options)) if each["kind"] == "StatefulSet"]
    return {
        each["metadata"]["labels"]["app.kubernetes.io/component"]: each["spec"]["template"]["spec"]
        for each in found
    }


def _backups(pod: Mapping[str, Any]) -> tuple[str, str, str]:
    """The claim that a pod keeps backups on, where that is in it, and which folder of it."""
    (volume,) = [each for each in pod["volumes"] if each["name"] == "backups"]
    (mount,) = [each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "backups"]
    claim = volume["persistentVolumeClaim"]["claimName"]
    return claim, mount["mountPath"], mount.get("subPath", "")


@pytest.mark.parametrize(
    ("values", "claim", "folder"),
    [("standby", "genai-cost-ledger-backups", ""), ("everything", "shared", "cell-1")],
)
def test_a_standby_follows_what_the_ledger_writes(values: str, claim: str, folder: str) -> None:
    pods = _sets(values=values)
    ledger, standby = pods["ledger"], pods["standby"]
    assert _backups(ledger) == _backups(standby)
    said, place, within = _backups(ledger)
    assert (said, within) == (claim, folder)
    serves, follows = (each["containers"][0]["args"] for each in (ledger, standby))
    assert f"--backups={place}" in serves and follows[:3] == ["ledger", "standby", place]
    assert serves[3:] == follows[3:], "promoted, it serves as the ledger did"
    made = [
        each["metadata"]["name"]
        for each in objects(rendered(values))
        if each["kind"] == "PersistentVolumeClaim"
    ]
    assert made == ([] if claim == "shared" else [claim])


def test_what_stands_by_is_not_probed_for_answers_that_only_a_ledger_gives() -> None:
    probes = {"startupProbe", "livenessProbe", "readinessProbe"}
    for part, pod in _sets().items():
        assert (probes <= pod["containers"][0].keys()) == (part == "ledger")
    (pod,) = _sets("--set", "ledger.enabled=false").values()
    assert probes <= pod["containers"][0].keys()


@pytest.mark.parametrize(
    ("options", "leads_to"), [((), "ledger"), (("--set", "ledger.enabled=false"), "standby")]
)
def test_the_ledger_s_address_leads_to_one_of_the_two(
    options: tuple[str, ...], leads_to: str, tmp_path: Path
) -> None:
    text = rendered("standby", *options)
    (service,) = [
        each
        for each in objects(text)
        if each["kind"] == "Service" and each["metadata"]["name"] == "genai-cost-ledger"
    ]
    assert service["spec"]["selector"]["app.kubernetes.io/component"] == leads_to
    assert set(_sets(*options)) == {"ledger", "standby"} - ({"ledger"} if options else set())
    file = tmp_path / "manifests.yaml"
    file.write_text(text, encoding="utf-8")
    assert not [each for each in judged(file) if each.problems]


def test_what_is_written_to_is_a_volume() -> None:
    for owner, pod, spec in _containers():
        mounted = {each["mountPath"]: each for each in spec["volumeMounts"]}
        for each in spec.get("env", ()):
            if each["name"] in ("OTEL_GENAI_COST_LEDGER", "OTEL_GENAI_COST_JOURNAL"):
                places = [path for path in mounted if each["value"].startswith(path)]
                assert len(places) == 1 and "readOnly" not in mounted[places[0]], owner
        claims = {"ledger", "journal"}
        assert set(_volumes(mounted)) <= {each["name"] for each in pod["volumes"]} | claims


def _volumes(mounted: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [each["name"] for each in mounted.values()]


def test_what_applications_send_to_is_a_service_of_the_chart() -> None:
    made = [found for values in MANIFESTS for found in objects(rendered(values))]
    services = {
        f"http://{found['metadata']['name']}.{found['metadata']['namespace']}.svc:{port['port']}"
        for found in made
        if found["kind"] == "Service"
        for port in found["spec"]["ports"]
    }
    for path in APPLICATIONS:
        named = re.findall(r"http://genai-cost[^\"\s]+", path.read_text(encoding="utf-8"))
        assert named and set(named) <= services, path


def test_services_policies_and_budgets_select_pods_of_the_chart() -> None:
    for values in VALUES:
        found = list(objects(rendered(values)))
        pods = [
            each["spec"]["template"]["metadata"]["labels"]
            for each in found
            if "template" in each["spec" if "spec" in each else "metadata"]
        ]
        for each in found:
            selector = _selector(each)
            if selector is not None:
                assert [pod for pod in pods if selector.items() <= pod.items()], each["metadata"]


def _selector(found: Mapping[str, Any]) -> Mapping[str, str] | None:
    spec = found.get("spec", {})
    if found["kind"] == "Service":
        return cast("Mapping[str, str]", spec["selector"])
    chosen = spec.get("podSelector") if found["kind"] == "NetworkPolicy" else spec.get("selector")
    if chosen is None or found["kind"] == "ServiceMonitor":
        return None
    return cast("Mapping[str, str]", chosen["matchLabels"])
