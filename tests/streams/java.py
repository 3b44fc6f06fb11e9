"""What the servers from Maven's jars have in common: where the jars are, and how quiet the servers are told to be."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

import pytest

__all__ = ["jars_of", "java_command"]

_QUIET: Final = """<Configuration><Appenders><Console name="c"><PatternLayout pattern="%d %p %c{1} %m%n"/></Console>
</Appenders><Loggers><Root level="warn"><AppenderRef ref="c"/></Root></Loggers></Configuration>
"""


def jars_of(name: str) -> Path:
    """The folder of jars that `tests/streams/heavy.sh` made; without it the test is skipped, or fails under CI.

    Args:
        name: of the folder in the cache.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    found = cache / "otel-genai-cost" / name
    if not found.is_dir() or not shutil.which("java"):
        missing = (
            f"{name} or Java is not installed: run tests/services.sh and tests/streams/heavy.sh"
        )
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return found


def java_command(jars: Path, folder: Path, heap: str, options: list[str]) -> list[str]:
    """The command of a Java program up to its main class; what it logs are warnings.

    Args:
        jars: its class path.
        folder: where its temporary files are.
        heap: the most that it may take, as `-Xmx` says it.
        options: more of the virtual machine's.
    """
    quiet = folder / "log4j2.xml"
    quiet.write_text(_QUIET, encoding="utf-8")
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    settled = [f"-Xmx{heap}", f"-Dlog4j.configurationFile={quiet}", f"-Djava.io.tmpdir={temporary}"]
    return [
        "java",
        *settled,
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        *options,
        "-cp",
        f"{jars}/*",
    ]
