"""The pinned inputs of the default book, and a person's rules for reading them: `data/inputs.toml`."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple
from zipfile import BadZipFile, ZipFile

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.pricing.load import DATA

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["ARCHIVE", "Input", "Rules", "download", "read_inputs", "read_rules"]

ARCHIVE: Final = "inputs.tar.xz"
"""A folder may hold the members of all inputs in one archive, each under its input's id."""


class Input(NamedTuple):
    """One file of one released distribution. `day` is when its prices were current."""

    id: str
    package: str
    version: str
    member: str
    sha256: str
    day: str
    name: str
    url: str


class Rules(NamedTuple):
    """What `data/inputs.toml` says."""

    inputs: tuple[Input, ...]
    translate: Mapping[str, Mapping[str, str]]
    verdicts: Mapping[tuple[str, str], Mapping[str, Any]]
    trusted: frozenset[str]
    epochs: Mapping[str, str]
    meters: Mapping[str, list[str]]
    unsettled: Mapping[str, list[str]]

    def input(self, name: str) -> Input:
        """The input with that id."""
        return next(one for one in self.inputs if one.id == name)


def read_rules() -> Rules:
    """The pins, the providers' translations and the verdicts."""
    tables = tomllib.loads((DATA / "inputs.toml").read_text("utf-8"))
    verdicts = {
        (verdict["provider"], model.lower()): verdict
        for verdict in tables["verdict"]
        for model in verdict["models"]
    }
    return Rules(
        inputs=tuple(Input(**one) for one in tables["input"]),
        translate=tables["translate"],
        verdicts=verdicts,
        trusted=frozenset(tables["trusted"]),
        epochs={provider: day.isoformat() for provider, day in tables["epoch"].items()},
        meters=tables["meters"],
        unsettled=tables["unsettled"],
    )


def download(folder: Path, rules: Rules) -> None:
    """Fetch the pinned distributions with pip.

    Args:
        folder: gets a folder for each input, by its id.
        rules: name the inputs.

    Raises:
        ConfigurationError: if pip fails.
    """
    for one in rules.inputs:
        wanted = f"{one.package}=={one.version}"
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"]
        command += ["--only-binary", ":all:", "--dest", str(folder / one.id), wanted]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            raise ConfigurationError(
                "pip cannot download an input",
                value=wanted,
                where=run.stderr.strip()[-300:],
                remedy="name a folder that holds it: --inputs FOLDER",
            )


def read_inputs(folder: Path, rules: Rules) -> Mapping[str, bytes]:
    """Read the member of each input, from wheels or from the archive, and verify its hash.

    Args:
        folder: where the wheels and the archive are.
        rules: name the inputs and their SHA-256.

    Returns:
        Id of the input -> content.

    Raises:
        ConfigurationError: with everything that is missing or has another hash.
    """
    archived = dict(_archived(folder / ARCHIVE))
    found: dict[str, bytes] = {}
    wrong: list[str] = []
    for one in rules.inputs:
        content = archived[one.id] if one.id in archived else _in_wheel(folder, one)
        if content is None:
            wrong.append(f"{one.package} {one.version} is not there")
        elif sha256(content).hexdigest() != one.sha256:
            wrong.append(f"{one.member} of {one.package} {one.version} has another hash")
        else:
            found[one.id] = content
    if wrong:
        raise ConfigurationError(
            "the inputs are not the pinned ones",
            value="; ".join(wrong),
            where=str(folder),
            remedy="leave out --inputs, to download them",
        )
    return found


def _archived(path: Path) -> Iterator[tuple[str, bytes]]:
    if not path.is_file():
        return
    with tarfile.open(path, "r:xz") as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is not None:
                yield member.name, content.read()


def _in_wheel(folder: Path, one: Input) -> bytes | None:
    stem = f"{one.package.replace('-', '_')}-{one.version}-*.whl"
    for wheel in sorted(folder.rglob(stem)):
        try:
            with ZipFile(wheel) as opened:
                return opened.read(one.member)
        except (BadZipFile, KeyError, OSError):
            continue
    return None
