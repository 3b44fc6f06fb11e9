"""Virtual environments, each made once and kept by what is installed in it."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from tests.demo.processes import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["base_requirements", "interpreter", "python_with"]


def base_requirements() -> tuple[str, ...]:
    """What we need ourselves, for an environment that we are copied into later."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return tuple(project["dependencies"])


def interpreter(version: str) -> str | None:
    """The Python of that version: on the path, or one that pyenv keeps; None if there is none.

    Args:
        version: Such as `3.11`.
    """
    if found := shutil.which(f"python{version}"):
        probe = subprocess.run([found, "-c", "pass"], capture_output=True, check=False)
        if probe.returncode == 0:
            return found
    kept = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    return str(kept[-1]) if kept else None


def python_with(
    kept: Path, *packages: str, ours: str | None = "", python: str = sys.executable
) -> Path:
    """The interpreter of an environment, which is made if it is not there. Two processes may ask at once.

    Args:
        kept: The folder of such environments.
        packages: What is installed, as pip takes it.
        ours: Extras of the working tree, which is installed as well, such as `[fast]`; None to leave it out.
        python: The interpreter that it is made with.
    """
    project = (ROOT / "pyproject.toml").read_text("utf-8").partition("\n[tool.")[0]
    made_with = sys.version if python == sys.executable else python
    # The working tree is installed as a link, so an environment of one tree is of no use to another.
    tree = () if ours is None else (project, ours, str(ROOT))
    described = "\n".join((made_with, *packages, *tree))
    folder = kept / hashlib.sha256(described.encode()).hexdigest()[:16]
    kept.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            _make(
                folder, python, (() if ours is None else ("--editable", f"{ROOT}{ours}")) + packages
            )
            (folder / "made").write_text(" ".join(packages) + "\n", encoding="utf-8")
    return folder / "bin" / "python"


def _make(folder: Path, made_with: str, wanted: tuple[str, ...]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    python = str(folder / "bin" / "python")
    uv = shutil.which("uv")
    if uv is not None:
        _run(uv, "venv", "--quiet", "--python", made_with, str(folder))
        install: tuple[str, ...] = (uv, "pip", "install", "--quiet", "--python", python)
    else:
        _run(made_with, "-m", "venv", str(folder))
        install = (python, "-m", "pip", "install", "--quiet")
    _run(*install, *wanted)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
