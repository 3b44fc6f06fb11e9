"""A Dockerfile's first stage, done without Docker: what it copies, and what its commands make of that.

Only the instructions that ours have are known; any other is a failure, so that nothing is tested that was not built.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from tests.demo.processes import ROOT

__all__ = ["Image", "build", "image"]

IMAGES: Final = ROOT / "kubernetes" / "images"


class Image(NamedTuple):
    """What an image is, by its Dockerfile.

    Attributes:
        steps: the first stage's instructions and what they say, in order.
        taken: where the last stage puts the first one's `/build/tree`.
        environment: its variables.
        user: who it runs as.
        entrypoint: its command.
    """

    steps: tuple[tuple[str, str], ...]
    taken: tuple[str, ...]
    environment: Mapping[str, str]
    user: str | None
    entrypoint: tuple[str, ...]


def image(name: str) -> Image:
    """The image of a folder in `kubernetes/images`."""
    lines = (IMAGES / name / "Dockerfile").read_text(encoding="utf-8").splitlines()
    said = [_instruction(line) for line in lines if line and not line.startswith("#")]
    second = [place for place, (word, _) in enumerate(said) if word == "FROM"][1]
    final = said[second + 1 :]
    assert {word for word, _ in final} <= {"COPY", "ENV", "USER", "ENTRYPOINT"}
    copied = [re.fullmatch(r"--from=build /build/tree (\S+)", text) for text in _all(final, "COPY")]
    users, points = _all(final, "USER"), _all(final, "ENTRYPOINT")
    return Image(
        tuple(said[1:second]),
        tuple(found[1] for found in copied if found is not None),
        dict(_variable(text) for text in _all(final, "ENV")),
        users[0] if users else None,
        tuple(json.loads(points[0])) if points else (),
    )


def build(name: str, folder: Path, python: str) -> Path:
    """Do what the first stage does.

    Args:
        name: of the image.
        folder: an empty one, for `/build`.
        python: the interpreter that stands for the stage's.

    Returns:
        Its `tree`.
    """
    programs = folder / "programs"
    programs.mkdir(parents=True)
    (programs / "pip").write_text(f'#!/bin/sh\nexec {python} -m pip "$@"\n', encoding="utf-8")
    (programs / "pip").chmod(0o755)
    for word, text in image(name).steps:
        if word == "COPY":
            _copy(text.split(), folder)
        elif word == "RUN":
            _run(text, folder, programs)
        else:
            assert (word, text) == ("WORKDIR", "/build")
    return folder / "tree"


def _instruction(line: str) -> tuple[str, str]:
    word, _, text = line.partition(" ")
    return word, text


def _all(said: list[tuple[str, str]], word: str) -> list[str]:
    return [text for found, text in said if found == word]


def _variable(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def _copy(paths: list[str], folder: Path) -> None:
    *sources, destination = paths
    target = folder / destination
    for source in sources:
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__"))
        elif destination.endswith("/"):
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / source, target)
        else:
            shutil.copy(ROOT / source, target)


def _run(command: str, folder: Path, programs: Path) -> None:
    import os

    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
