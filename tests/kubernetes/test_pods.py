"""What the manifests run, run: from the files that the image's Dockerfile makes, and shut in as their pods are."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from tests.demo.processes import children
from tests.environments.made import interpreter
from tests.kubernetes.chart import objects, rendered
from tests.kubernetes.dockerfile import build, image
from tests.kubernetes.pods import USER, Cluster

pytestmark = [pytest.mark.environments, pytest.mark.service, pytest.mark.timeout(600)]

_BUILT_WITH: Final = "3.13"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command's image holds."""
    python = interpreter(_BUILT_WITH)
    assert python is not None, f"Python {_BUILT_WITH} is missing, which the Dockerfile builds with"
    return build("command", tmp_path_factory.mktemp("image"), python)


@pytest.fixture
def cluster(tmp_path: Path) -> Generator[Cluster]:
    """Where nothing runs yet."""
    secrets = {"genai-cost-hop": {"token": "send_0_0"}}
    with children() as started:
        yield Cluster(tmp_path, secrets, started)


def _owner(values: str, kind: str, name: str) -> Mapping[str, Any]:
    found = [each for each in objects(rendered(values)) if each["kind"] == kind]
    return next(each for each in found if each["metadata"]["name"] == name)


def test_the_hop_serves_as_anybody_with_nothing_to_write_to_but_its_volumes(
    cluster: Cluster, tree: Path
) -> None:
    cluster.names("collector.observability.svc:4317", "127.0.0.1:1")
    hop = cluster.run(_owner("collector", "StatefulSet", "genai-cost-hop"), image("command"), tree)
    assert hop.is_well("livenessProbe") and hop.is_well("readinessProbe")
    status = Path(f"/proc/{hop.child.process.pid}/status").read_text(encoding="utf-8")
    assert f"Uid:\t{USER}" in status
    assert hop.child.stop(30) == 0
    assert f"journal: {hop.volumes['journal']}/hop/journal" in hop.child.output()
