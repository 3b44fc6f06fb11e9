"""Virtual environments for the suite, each made once and kept in `build/environments/`, by what is installed in it."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.demo.processes import ROOT
from tests.transparency.rows import ENVIRONMENTS, HERE

__all__ = ["python_in"]

_KEPT: Final = ROOT / "build" / "environments"
_BASE: Final = ("opentelemetry-distro",)


def python_in(environment: str) -> Path:
    """The interpreter of an environment, which is made if it is not there. Two processes may ask at once."""
    if environment == HERE:
        return Path(sys.executable)
    wanted = (*_BASE, *ENVIRONMENTS[environment])
    ours = (ROOT / "pyproject.toml").read_text("utf-8").partition("\n[tool.")[0]
    described = "\n".join((sys.version, ours, *wanted))
    folder = _KEPT / hashlib.sha256(described.encode()).hexdigest()[:16]
    _KEPT.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            _make(folder, wanted)
            (folder / "made").write_text(f"{environment}\n", encoding="utf-8")
    return folder / "bin" / "python"


def _make(folder: Path, wanted: tuple[str, ...]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    python = str(folder / "bin" / "python")
    uv = shutil.which("uv")
    if uv is not None:
        _run(uv, "venv", "--quiet", "--python", sys.executable, str(folder))
        install: tuple[str, ...] = (uv, "pip", "install", "--quiet", "--python", python)
    else:
        _run(sys.executable, "-m", "venv", str(folder))
        install = (python, "-m", "pip", "install", "--quiet")
    _run(*install, "--editable", str(ROOT), *wanted)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
