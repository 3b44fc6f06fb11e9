"""`make collector-versions`: whether the collector could be built of newer versions than its manifest names.

Go is asked for the versions of each module; where all have one of a newer release, the packages that those need are
listed, which shows whether each can be had: what is listed is not always served. Nothing is built or changed.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from tests.collector.otelcol import SCENARIOS

__all__ = ["Version", "candidates", "listed", "manifest", "refusals", "report"]

_MODULE: Final = re.compile(r"gomod: (\S+) v(\d+)\.(\d+)\.(\d+)$", re.MULTILINE)
_UNREAD: Final = re.compile(r"([\w./-]+)@(v[\w.+-]+): reading ")
_PACKAGES: Final = {
    "go.opentelemetry.io/collector/service": "go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"
}
"""Which package of a module is used, where it is not that of its name."""

_RELEASE: Final = re.compile(r"v(\d+)\.(\d+)\.(\d+)$")


class Version(NamedTuple):
    """Of a module. All modules of a release of the collector count their minor versions up together."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return "v" + ".".join(map(str, self))


def manifest(text: str) -> dict[str, Version]:
    """The modules that a builder's manifest names."""
    return {name: Version(*map(int, version)) for name, *version in _MODULE.findall(text)}


def listed(text: str) -> dict[str, list[Version]]:
    """What `go list -m -versions` printed: the releases of each module, not those before one."""
    lines = (line.split() for line in text.splitlines())
    return {
        name: [
            Version(*map(int, found.groups())) for one in versions if (found := _RELEASE.match(one))
        ]
        for name, *versions in lines
    }


def candidates(
    used: Mapping[str, Version], there: Mapping[str, list[Version]]
) -> Iterator[tuple[dict[str, Version], list[str]]]:
    """Newer releases, the newest first: the version of each module that has one of it, and the modules that have none.

    Args:
        used: The manifest's.
        there: What the proxy lists.
    """
    steps = {
        version.minor - used[name].minor
        for name in used
        for version in there.get(name, [])
        if version.major == used[name].major
    }
    for step in sorted((step for step in steps if step > 0), reverse=True):
        found = {
            name: max(of_release)
            for name, now in used.items()
            if (
                of_release := [
                    one for one in there.get(name, []) if one[:2] == (now.major, now.minor + step)
                ]
            )
        }
        yield found, [name for name in used if name not in found]


def report(
    used: Mapping[str, Version],
    there: Mapping[str, list[Version]],
    refused: Callable[[Mapping[str, Version]], str],
) -> Iterator[str]:
    """What is said of each newer release, the newest first, down to one that can be had.

    Args:
        used: The manifest's.
        there: What the proxy lists.
        refused: What of a release's requirements cannot be had; empty if all can.
    """
    for found, missing in candidates(used, there):
        release = _release(found)
        if missing:
            yield f"{release}: {len(missing)} of {len(used)} modules are not there, such as {missing[0]}"
        elif why := refused(found):
            yield f"{release}: {why}"
        else:
            yield f"{release}: all is there. Put it into builder-config.yaml and build.sh, and run the tests"
            return
    yield f"{_release(used)}, which the manifest names, is the newest that can be had"


def _release(versions: Mapping[str, Version]) -> Version:
    """The version by which a release is called: most modules have no major one yet."""
    return max(versions.values(), key=lambda one: (one.major == 0, one))


def _refused(versions: Mapping[str, Version]) -> str:
    """The modules behind these that cannot be had, or whatever else Go has against them."""
    requirements = "".join(f"require {name} {version}\n" for name, version in versions.items())
    imports = "".join(f'import _ "{_PACKAGES.get(name, name)}"\n' for name in versions)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "go.mod").write_text(f"module versions\n\ngo 1.26\n\n{requirements}", "utf-8")
        Path(folder, "main.go").write_text(f"package main\n\n{imports}", "utf-8")
        done = _go("list", "-mod=mod", "-deps", ".", cwd=folder)
    if done.returncode == 0:
        return ""
    return refusals(done.stderr) or done.stderr.strip().splitlines()[-1]


def refusals(text: str) -> str:
    """The modules that Go could not read, by what it printed."""
    found = sorted({"@".join(one) for one in _UNREAD.findall(text)})
    return f"needs {', '.join(found)}, not to be had" if found else ""


def _go(*arguments: str, cwd: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["go", *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=300
    )


def main() -> int:
    used = manifest((SCENARIOS / "builder-config.yaml").read_text("utf-8"))
    asked = _go("list", "-m", "-versions", *used)
    if asked.returncode:
        sys.stderr.write(asked.stderr)
        return 1
    for line in report(used, listed(asked.stdout), _refused):
        sys.stdout.write(f"{line}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
