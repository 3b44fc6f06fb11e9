"""The chart as Helm renders it, and the plain manifests that are made of it: `python -m tests.kubernetes.chart` writes
them."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import yaml

from tests.demo.processes import ROOT

__all__ = [
    "APPLICATIONS",
    "MANIFESTS",
    "VALUES",
    "Judged",
    "judged",
    "lint",
    "objects",
    "plain",
    "rendered",
    "tool",
]

FOLDER: Final = ROOT / "kubernetes"
VALUES: Final = sorted(path.stem for path in (FOLDER / "values").glob("*.yaml"))
APPLICATIONS: Final = sorted((FOLDER / "applications").glob("*.yaml"))
MANIFESTS: Final = ("agents", "collector", "standby")
_OLDEST: Final = "1.29"
"""The oldest Kubernetes that the chart is for. Helm takes it for what it renders for, where no cluster is asked."""

_SOURCE: Final = re.compile(r"^# Source: .*\n", re.MULTILINE)


class Judged(NamedTuple):
    """What Kubernetes' own code says of an object."""

    kind: str
    name: str
    checked: str
    problems: tuple[str, ...]


@lru_cache(maxsize=1)
def _tools() -> Path:
    script = Path(__file__).with_name("tools.sh")
    return Path(subprocess.check_output([script, "--path"], text=True).strip())


def tool(name: str) -> Path:
    """`helm`, or the `checker` of manifests; a test without it is skipped, and fails where tools are promised."""
    found = _tools() / name
    if not found.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{found} is missing: run tests/services.sh")
        pytest.skip(f"{name} is missing: tests/services.sh builds it")
    return found


def rendered(values: str, *options: str) -> str:
    """What the chart makes of a file of values.

    Args:
        values: its name in `kubernetes/values`, without the ending.
        options: further ones of `helm template`.
    """
    done = _helm("template", "genai-cost", *_with(values), "--namespace", "genai-cost", *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def lint(values: str) -> subprocess.CompletedProcess[str]:
    """What Helm has against the chart with a file of values."""
    return _helm("lint", "--strict", *_with(values))


def plain(values: str) -> str:
    """The plain manifests of a file of values."""
    heading = (
        f"# Made of kubernetes/chart with kubernetes/values/{values}.yaml by `make kubernetes`: change those.\n"
        "# Name your image, and a namespace `genai-cost`; docs/kubernetes.md has the secrets.\n"
    )
    return heading + _SOURCE.sub("", rendered(values))


def objects(manifests: str) -> Iterator[Mapping[str, Any]]:
    """The objects of a text of manifests."""
    return (found for found in yaml.safe_load_all(manifests) if found)


def judged(*files: Path) -> list[Judged]:
    """What Kubernetes' own code says of each object in some files."""
    done = subprocess.run(
        [tool("checker"), *files], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    lines = map(json.loads, done.stdout.splitlines())
    return [
        Judged(line["kind"], line["name"], line["checked"], tuple(line["problems"]))
        for line in lines
    ]


def _with(values: str) -> tuple[str, ...]:
    file = FOLDER / "values" / f"{values}.yaml"
    return (str(FOLDER / "chart"), "--kube-version", _OLDEST, "--values", str(file))


def _helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tool("helm"), *arguments], capture_output=True, text=True, check=False, timeout=120
    )


def _write() -> None:
    for name in MANIFESTS:
        (FOLDER / "manifests" / f"{name}.yaml").write_text(plain(name), encoding="utf-8")


if __name__ == "__main__":
    _write()
