"""What is released is built the same twice, has digests, and a signature that somebody else can check."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.demo.processes import ROOT
from tests.formats.record import version
from tests.release.build import SUMS, ReleaseError, build, problems, verified


def _repository(folder: Path) -> Path:
    """A small project of one commit, whose version nobody has released."""
    root = folder / "project"
    (root / "changelog.d").mkdir(parents=True)
    (root / "CHANGELOG.md").write_text("# Changes\n")
    (root / "changelog.d" / "it.added.md").write_text("It.\n")
    for command in (
        ("init", "--quiet"),
        ("add", "."),
        ("-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "--quiet", "-m", "x"),
    ):
        subprocess.run(("git", "-C", str(root), *command), check=True)
    return root


def test_what_is_not_ready_is_told(tmp_path: Path) -> None:
    root = _repository(tmp_path)
    found = [*problems(root, "9.9.9")]
    assert len(found) == 3
    assert "CHANGELOG.md has no 9.9.9" in found[0]
    assert "1 changes" in found[1] and "tests.formats.record" in found[2]
    (root / "CHANGELOG.md").write_text(f"# Changes\n\n## {version()} (2026-11-29)\n")
    (root / "changelog.d" / "it.added.md").unlink()
    assert [*problems(root, version())] == ["the work tree has changes: commit them"]


def test_what_cannot_be_built_is_told(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="ended with"):
        build(_repository(tmp_path), tmp_path / "dist")


@pytest.fixture
def signers(tmp_path: Path) -> tuple[Path, Path]:
    """A key that is thrown away, and the file that names it."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("no ssh-keygen here")
    key = tmp_path / "key"
    command = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key))
    subprocess.run(command, check=True)
    known = tmp_path / "allowed_signers"
    known.write_text(f"releases@example.com {key.with_suffix('.pub').read_text('utf-8')}")
    return key, known


@pytest.mark.environments
@pytest.mark.timeout(600)
def test_release_is_built_twice_the_same_and_signed(
    tmp_path: Path, signers: tuple[Path, Path]
) -> None:
    key, known = signers
    out = tmp_path / "dist"
    files = build(ROOT, out, key)
    names = [path.name for path in files]
    stem = f"otel_genai_cost-{version()}"
    assert names == [f"{stem}-py3-none-any.whl", f"{stem}.tar.gz", SUMS, f"{SUMS}.sig"]
    with zipfile.ZipFile(files[0]) as wheel:
        assert "otel_genai_cost/ledger/storage/schema.sql" in wheel.namelist()
    with tarfile.open(files[1]) as source:
        assert f"{stem}/tests/formats/0.1.0/figures.json" in source.getnames()
    subprocess.run(("sha256sum", "--check", "--quiet", SUMS), cwd=out, check=True)
    assert verified(out, known, "releases@example.com")
    assert not verified(out, known, "somebody@example.com")
    files[0].write_bytes(files[0].read_bytes() + b"\n")
    assert not verified(out, known, "releases@example.com")
    sums = (out / SUMS).read_text("utf-8")
    (out / SUMS).write_text(sums.replace("  ", "   ", 1))
    assert not verified(out, known, "releases@example.com")
