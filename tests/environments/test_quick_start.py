"""The README's first block, as it is written, in an environment that is made for it from the newest releases.

Only the project itself comes from the working tree, and the two ports are free ones.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.environments, pytest.mark.timeout(600)]


class _Fresh(NamedTuple):
    """An environment with nothing in it but pip."""

    folder: Path

    def run(self, script: str, **more: str) -> subprocess.CompletedProcess[str]:
        """A shell script, in a clean environment; what it started in the background ends with it."""
        install = _pip(self.folder)
        return subprocess.run(
            ["bash", "-c", f"trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n{install}\n{script}"],
            cwd=self.folder,
            env={
                "PATH": f"{self.folder}/venv/bin:/usr/bin:/bin",
                "HOME": str(self.folder),
                "VIRTUAL_ENV": f"{self.folder}/venv",
                **more,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=550,
        )


def _pip(folder: Path) -> str:
    """What installs: as it is set up for whoever runs the tests. uv does what pip does, faster."""
    uv = shutil.which("uv")
    python = f"{folder}/venv/bin/python"
    ours = " ".join(
        f"{name}={shlex.quote(value)}" for name, value in os.environ.items() if _is_of_pip(name)
    )
    command = f'{uv} pip "$@" --quiet --python {python}' if uv else f'{python} -m pip "$@" --quiet'
    return f"pip() {{ env {ours} {command}; }}"


def _is_of_pip(name: str) -> bool:
    return name == "HOME" or name.startswith(("UV_", "PIP_", "SSL_", "HTTP", "http", "XDG_CONFIG"))


@pytest.fixture
def fresh(tmp_path: Path) -> _Fresh:
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    return _Fresh(tmp_path)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _quick_start() -> tuple[str, str, list[str]]:
    """The application, the commands, and what is shown of their output."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = readme.partition("<!-- quick start -->")[2].partition("<!-- /quick start -->")[0]
    [program] = re.findall(r"```python\n(.*?)```", block, re.DOTALL)
    [console] = re.findall(r"```console\n(.*?)```", block, re.DOTALL)
    commands = "".join(line[2:] + "\n" for line in console.splitlines() if line.startswith("$ "))
    for port in ("8000", "8001"):
        commands = commands.replace(port, str(_free_port()))
    assert commands.count("'otel-genai-cost[quickstart]'") == 1
    shown = [line for line in console.splitlines() if not line.startswith("$ ")]
    return program, commands.replace("otel-genai-cost[quickstart]", f"{ROOT}[quickstart]"), shown


def test_the_first_block_ends_in_a_number(fresh: _Fresh) -> None:
    program, commands, shown = _quick_start()
    (fresh.folder / "app.py").write_text(program, encoding="utf-8")
    ran = fresh.run(commands + "genai-cost doctor --json > doctor.jsonl; echo doctor $?\n")
    assert "Traceback" not in ran.stderr, ran.stderr
    header, _, row = shown
    assert header.startswith("tenant ") and row.startswith("acme ") and row.endswith(" USD")
    assert header in ran.stdout and f"\n{row}\n" in ran.stdout, ran.stdout + ran.stderr
    [line] = [line for line in ran.stderr.splitlines() if line.startswith("genai-cost: ")]
    assert line.startswith("genai-cost: metering every LLM call, sampled or not; spans to no exp")
    assert "clients openai; tenant from header:x-org-id at " in line
    assert "doctor 0" in ran.stdout, (fresh.folder / "doctor.jsonl").read_text(encoding="utf-8")


_CALL: Final = "opentelemetry-instrument python -c 'print(1)'; genai-cost doctor --json"


def test_without_a_distro_the_line_and_doctor_say_so(fresh: _Fresh) -> None:
    ran = fresh.run(f"pip install '{ROOT}[cli,fast,openai]'; {_CALL}; echo doctor $?")
    assert "genai-cost: NOT METERING: no tracer provider" in ran.stderr
    assert "pip install opentelemetry-distro" in ran.stdout and "doctor 1" in ran.stdout
    assert "Traceback" not in ran.stderr


def test_without_an_exporter_the_launcher_and_doctor_say_so(fresh: _Fresh) -> None:
    ran = fresh.run(
        f"pip install '{ROOT}[cli,fast,openai]' opentelemetry-distro; {_CALL}; echo doctor $?"
    )
    assert "genai-cost: OTEL_TRACES_EXPORTER=otlp" in ran.stderr
    assert "cannot start: RuntimeError" in ran.stdout and "doctor 1" in ran.stdout
    told = fresh.run(
        "export OTEL_TRACES_EXPORTER=none OTEL_METRICS_EXPORTER=none OTEL_LOGS_EXPORTER=none; "
        + _CALL.replace("genai-cost doctor --json", "true")
    )
    assert "genai-cost: metering every LLM call" in told.stderr
    assert "Traceback" not in told.stderr and "EXPORTER" not in told.stderr
