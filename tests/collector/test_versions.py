"""What `make collector-versions` says of what Go has printed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest

from tests.collector.otelcol import SCENARIOS
from tests.collector.versions import Version, listed, manifest, refusals, report

_MANIFEST: Final = """
receivers:
  - gomod: go.example/core/otlpreceiver v0.161.0
processors:
  - gomod: go.example/contrib/transform v0.161.0
providers:
  - gomod: go.example/core/envprovider v1.67.0
telemetry:
  gomod: go.example/core/service v0.161.0
"""
_OLDER: Final = """go.example/core/otlpreceiver v0.70.0 v0.161.0
go.example/contrib/transform v0.161.0 v0.162.0-rc.1
go.example/core/envprovider v1.66.0 v1.67.0
go.example/core/service v0.161.0
"""
_NEWER: Final = """go.example/core/otlpreceiver v0.161.0 v0.162.0 v0.163.0
go.example/contrib/transform v0.161.0 v0.162.0 v0.162.1
go.example/core/envprovider v1.67.0 v1.68.0
go.example/core/service v0.161.0 v0.162.0
"""


def _said(printed: str, refused: str = "") -> list[str]:
    asked: list[Mapping[str, Version]] = []

    def answer(versions: Mapping[str, Version]) -> str:
        asked.append(versions)
        return refused

    said = list(report(manifest(_MANIFEST), listed(printed), answer))
    assert all(len(one) == 4 for one in asked)
    return said


@pytest.mark.parametrize(
    ("printed", "refused", "said"),
    [
        (_OLDER, "", ["v0.161.0, which the manifest names, is the newest that can be had"]),
        (
            _NEWER,
            "",
            [
                "v0.163.0: 3 of 4 modules are not there, such as go.example/contrib/transform",
                "v0.162.1: all is there. Put it into builder-config.yaml and build.sh, and run the tests",
            ],
        ),
        (
            _NEWER,
            "needs x@v1, not to be had",
            [
                "v0.163.0: 3 of 4 modules are not there, such as go.example/contrib/transform",
                "v0.162.1: needs x@v1, not to be had",
                "v0.161.0, which the manifest names, is the newest that can be had",
            ],
        ),
    ],
)
def test_a_newer_release_is_told_of(printed: str, refused: str, said: list[str]) -> None:
    assert _said(printed, refused) == said


def test_what_cannot_be_read_is_named_once() -> None:
    line = "/go/pkg/mod/x/y.go:12:2: go.example/pkg/ottl@v1.2.0: reading https://a/b.zip: 403 Forbidden"
    assert refusals(f"{line}\n{line}\n") == "needs go.example/pkg/ottl@v1.2.0, not to be had"
    assert refusals("dial tcp: no such host") == ""


def test_the_manifest_is_read_whole() -> None:
    text = (SCENARIOS / "builder-config.yaml").read_text("utf-8")
    assert len(manifest(text)) == text.count("gomod: ") > 20
