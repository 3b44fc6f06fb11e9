"""`make collector`, as far as it is no matter of minutes: what it says without Go, and what it has built before."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.collector.otelcol import SCENARIOS


def _built(
    folder: Path, *arguments: str, go: str | None = None
) -> subprocess.CompletedProcess[str]:
    """The build with a cache of its own, and a Go that says that it is of this version."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    if go is not None:
        (programs / "go").write_text(f"#!/bin/sh\necho {go}\n", encoding="utf-8")
        (programs / "go").chmod(0o755)
    environment = {"PATH": f"{programs}{os.pathsep}/usr/bin:/bin", "XDG_CACHE_HOME": str(folder)}
    return subprocess.run(
        [SCENARIOS / "build.sh", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("go", "found"), [("", "none"), ("go1.9.7", "1.9.7"), ("go1.25.4", "1.25.4")]
)
def test_without_a_go_that_is_new_enough_it_says_so(tmp_path: Path, go: str, found: str) -> None:
    done = _built(tmp_path, go=go)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"The collector is built with Go 1.26 or newer; found: {found}.")
    assert len(done.stderr.splitlines()) == 1


def test_what_is_built_needs_no_go(tmp_path: Path) -> None:
    program = Path(_built(tmp_path, "--path", go="").stdout.strip())
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    done = _built(tmp_path, go="")
    assert (done.returncode, done.stdout.strip()) == (0, str(program))


def test_another_manifest_is_another_collector(tmp_path: Path) -> None:
    folder = tmp_path / "collector-config"
    folder.mkdir()
    for name in ("build.sh", "builder-config.yaml"):
        (folder / name).write_bytes((SCENARIOS / name).read_bytes())
    with (folder / "builder-config.yaml").open("a", encoding="utf-8") as manifest:
        manifest.write("# more\n")
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    said = subprocess.run(
        ["bash", folder / "build.sh", "--path"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout != _built(tmp_path, "--path").stdout
