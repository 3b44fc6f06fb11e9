"""Builds what is released: `make release`, or `python -m tests.release.build [--draft] [--key FILE] [--out FOLDER]`.

The wheel and the source distribution are built twice, each time from a fresh export of the commit in another folder,
and must be equal byte by byte: who builds the same commit with the tools of `constraints.txt` gets the same files.
Their digests stand in `SHA256SUMS`, signed with an SSH key where one is given. `--draft` builds what is not ready.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Final

from tests.demo.processes import ROOT
from tests.formats.record import HERE as FORMATS
from tests.formats.record import version

__all__ = ["NAMESPACE", "SUMS", "ReleaseError", "build", "problems", "verified"]

SUMS: Final = "SHA256SUMS"
NAMESPACE: Final = "otel-genai-cost-release"
"""What a signature says that it is of, so that one of something else is none of a release."""

_CONSTRAINTS: Final = Path(__file__).with_name("constraints.txt")
_NO_CHANGE: Final = {"README.md", "template.md.jinja", ".gitignore"}


class ReleaseError(RuntimeError):
    """Why there is no release; the message says what to do."""


def problems(root: Path, number: str) -> Iterator[str]:
    """What is not ready for a release.

    Args:
        root: The work tree.
        number: The version.
    """
    if _git(root, "status", "--porcelain"):
        yield "the work tree has changes: commit them"
    changes = (root / "CHANGELOG.md").read_text("utf-8")
    if not re.search(rf"^## {re.escape(number)} \(", changes, re.MULTILINE):
        yield f"CHANGELOG.md has no {number}: towncrier build --version {number}"
    left = {path.name for path in (root / "changelog.d").iterdir()} - _NO_CHANGE
    if left:
        yield f"changelog.d has {len(left)} changes that are in no release: towncrier build"
    if not (FORMATS / number / "figures.json").exists():
        yield f"the formats of {number} are not recorded: python -m tests.formats.record"


def build(root: Path, out: Path, key: Path | None = None) -> Sequence[Path]:
    """Build a release of the commit that is checked out.

    Args:
        root: The work tree.
        out: Where the files go.
        key: The SSH key, private or in an agent, that the digests are signed with.

    Returns:
        The files.

    Raises:
        ReleaseError: if two builds differ, or something cannot be built or signed.
    """
    with tempfile.TemporaryDirectory() as folder:
        first, second = (_built(root, Path(folder) / name) for name in ("one", "another-place"))
        differing = sorted(
            name for name in {*first, *second} if first.get(name) != second.get(name)
        )
        if differing:
            raise ReleaseError(f"two builds of one commit differ: {', '.join(differing)}")
    out.mkdir(parents=True, exist_ok=True)
    for name, content in first.items():
        (out / name).write_bytes(content)
    sums = "".join(f"{sha256(content).hexdigest()}  {name}\n" for name, content in first.items())
    (out / SUMS).write_text(sums, encoding="utf-8")
    signed = [] if key is None else [_sign(out / SUMS, key)]
    return [*(out / name for name in first), out / SUMS, *signed]


def verified(folder: Path, signers: Path, who: str) -> bool:
    """Whether files are those whose digests somebody signed.

    Args:
        folder: With the files, their digests and the signature.
        signers: The keys that are known, as `ssh-keygen` takes them (`allowed_signers`).
        who: Whose signature it must be.
    """
    command = ("ssh-keygen", "-Y", "verify", "-f", str(signers), "-I", who, "-n", NAMESPACE)
    signature = ("-s", str(folder / f"{SUMS}.sig"))
    with (folder / SUMS).open("rb") as sums:
        done = subprocess.run((*command, *signature), stdin=sums, capture_output=True, check=False)
    lines = (folder / SUMS).read_text("utf-8").splitlines()
    pairs = [line.split("  ", 1) for line in lines]
    return done.returncode == 0 and all(
        sha256((folder / name).read_bytes()).hexdigest() == digest for digest, name in pairs
    )


def _built(root: Path, folder: Path) -> Mapping[str, bytes]:
    """The content of each file of a release, by name."""
    tree, out = folder / "tree", folder / "out"
    tree.mkdir(parents=True)
    with tarfile.open(fileobj=BytesIO(_git_bytes(root, "archive", "HEAD"))) as archive:
        archive.extractall(tree, filter="data")
    _run(
        tree,
        (sys.executable, "-m", "build", "--outdir", str(out), str(tree)),
        {
            "SOURCE_DATE_EPOCH": _git(root, "log", "-1", "--format=%ct"),
            "PIP_CONSTRAINT": str(_CONSTRAINTS),
            "PYTHONHASHSEED": "0",
        },
    )
    return {path.name: path.read_bytes() for path in sorted(out.iterdir())}


def _sign(sums: Path, key: Path) -> Path:
    signature = sums.with_name(f"{sums.name}.sig")
    signature.unlink(missing_ok=True)
    _run(sums.parent, ("ssh-keygen", "-Y", "sign", "-f", str(key), "-n", NAMESPACE, str(sums)), {})
    return signature


def _git(root: Path, *arguments: str) -> str:
    return _git_bytes(root, *arguments).decode().strip()


def _git_bytes(root: Path, *arguments: str) -> bytes:
    return _run(root, ("git", "-C", str(root), *arguments), {})


def _run(folder: Path, command: Sequence[str], more: Mapping[str, str]) -> bytes:
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **more}, capture_output=True, check=False
    )
    if done.returncode:
        said = (done.stdout + done.stderr).decode(errors="replace")
        raise ReleaseError(f"{' '.join(command)} ended with {done.returncode}: {said[-2_000:]}")
    return done.stdout


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Builds what is released.")
    parser.add_argument("--draft", action="store_true", help="build it though it is not ready")
    parser.add_argument("--key", type=Path, help="the SSH key to sign with")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="where the files go")
    asked = parser.parse_args(arguments)
    found = [*problems(ROOT, version())]
    for problem in found:
        print(problem, file=sys.stderr)
    if found and not asked.draft:
        return 1
    try:
        for path in build(ROOT, asked.out, asked.key):
            print(path)
    except ReleaseError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
