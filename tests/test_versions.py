"""Versions are those that Python's own reading finds, of everything that is installed here."""

from __future__ import annotations

from importlib.metadata import distributions, version
from pathlib import Path

import pytest

from otel_genai_cost.versions import own_version, version_of


def test_every_version_here_is_as_python_reads_it() -> None:
    names = {one.metadata["Name"] for one in distributions()}
    assert len(names) > 20
    assert {name: version_of(name) for name in names} == {name: version(name) for name in names}
    assert own_version() == version("otel-genai-cost")
    assert version_of("No.Such_Thing") is None


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("Metadata-Version: 2.1\nName: odd\nVersion: 1.2\n\nVersion: 3 of the README\n", "1.2"),
        ("Metadata-Version: 2.1\nName: odd\n", None),
    ],
)
def test_only_the_first_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, found: str | None
) -> None:
    (tmp_path / "odd-1.dist-info").mkdir()
    (tmp_path / "odd-1.dist-info" / "METADATA").write_text(said)
    monkeypatch.syspath_prepend(tmp_path)
    assert version_of("odd") == found
