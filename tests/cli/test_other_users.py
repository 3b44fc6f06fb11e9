"""A ledger under another user id than the applications: it reads what it may, and says what it does not."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from otel_genai_cost.journal.reader import segments
from otel_genai_cost.journal.registry import places, register

_NOBODY = 65534
_CALL = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from otel_genai_cost import install, tenant
import otel_genai_cost.metering.activation, otel_genai_cost.pricing.layers
trace.set_tracer_provider(TracerProvider()); import email.parser, encodings.ascii

install(quiet=True)
with tenant("acme"):
    trace.get_tracer("app").start_span("chat", attributes={
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 100}).end()
"""

_BECOME = """
import os
os.setgroups([]); os.setgid({user}); os.setuid({user})
"""
"""After the imports: the interpreter may be in a folder that only root may look into."""

_COMMAND = """
import io, os, sys
from contextlib import redirect_stderr, redirect_stdout
from otel_genai_cost.cli import main
from otel_genai_cost.cli.app import run
own = dict(os.environ)
for name in ("LEDGER", "JOURNAL", "JOURNALS"):
    os.environ.pop("OTEL_GENAI_COST_" + name, None)
os.environ["OTEL_GENAI_COST_REGISTRY"], os.environ["HOME"] = {warm!r} + "/none", {warm!r}
with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
    for command in ("ship", "doctor"):
        run([command, "--ledger", {warm!r}])
os.environ.clear(); os.environ.update(own)
os.setgroups([]); os.setgid({user}); os.setuid({user})
main()
"""
"""Everything is imported by what comes first."""


class Machine:
    """Folders of a machine that users share."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.registry = folder, folder / "tmp" / "registry"
        for name in ("root", "app", "tmp"):
            (folder / name).mkdir()
        os.chown(folder / "app", _NOBODY, _NOBODY)
        (folder / "tmp").chmod(0o1777)
        folder.chmod(0o711)

    def environment(self, home: str, **settings: str) -> dict[str, str]:
        given = {f"OTEL_GENAI_COST_{name.upper()}": value for name, value in settings.items()}
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder / home),
            "TMPDIR": str(self.folder / "tmp"),
            "OTEL_GENAI_COST_REGISTRY": str(self.registry),
            "COLUMNS": "300",
            **given,
        }

    def call(self, *, user: int = _NOBODY, **settings: str) -> None:
        """A metered process of that user makes one call."""
        environment = self.environment("app", **settings)
        program = _BECOME.format(user=user) + _CALL.split("\n\n", 1)[1]
        subprocess.run(
            [sys.executable, "-c", _CALL.split("\n\n", 1)[0] + program],
            env=environment,
            check=True,
            timeout=60,
        )

    def run(
        self, *arguments: str, user: int = 0, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        warm = self.folder / "warm"
        return subprocess.run(
            [sys.executable, "-c", _COMMAND.format(warm=str(warm), user=user), *arguments],
            env=self.environment("root" if user == 0 else "app", **settings),
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def machine() -> Iterator[Machine]:
    if os.geteuid() != 0:
        pytest.skip("other user ids take root")
    with (
        tempfile.TemporaryDirectory() as folder
    ):  # nobody but their owner may look into pytest's own
        yield Machine(Path(folder))


def test_journal_of_another_user_is_named_and_read_when_asked(machine: Machine) -> None:
    machine.call()
    done = machine.run("ship", "--drain")
    assert done.returncode == 1
    (place,) = places(machine.registry)
    assert (place.owner, place.configured) == (_NOBODY, False)
    assert f"not read: {place.folder}, a journal of user id {_NOBODY}" in done.stderr
    assert "OTEL_GENAI_COST_JOURNALS" in done.stderr
    doctor = machine.run("doctor")
    assert (doctor.returncode, str(place.folder) in doctor.stdout) == (1, True)
    done = machine.run("ship", "--drain", journals=str(place.folder))
    assert (done.returncode, done.stdout.split()[0]) == (0, "1")


def test_fall_back_of_another_user_for_the_same_ledger_is_named(machine: Machine) -> None:
    """The folder that both were told of cannot be written by the application."""
    journal = machine.folder / "root" / "journal"
    journal.mkdir()
    machine.call(journal=str(journal))
    assert segments(journal) == []
    done = machine.run("ship", "--drain", "--ledger", str(machine.folder / "root"))
    assert (done.returncode, "not read" in done.stderr) == (1, True)
    (place,) = places(machine.registry)
    for named, at, calls in ((False, "tmp", "0"), (True, "tmp", "0"), (True, "root", "1")):
        journals = str(place.folder) if named else ""  # as that line says
        ledger = str(machine.folder / at)
        done = machine.run("ship", "--drain", "--ledger", ledger, journals=journals)
        assert (done.returncode, done.stderr) == (0, ""), "another ledger has nothing to do with it"
        assert done.stdout.split()[0] == calls


def test_own_fall_back_is_read_without_being_told(machine: Machine) -> None:
    (machine.folder / "file").touch()
    meant = str(machine.folder / "file" / "journal")
    machine.call(user=0, journal=meant)
    (place,) = places(machine.registry)
    assert str(place.meant) == meant
    done = machine.run("ship", "--drain", journal=meant, ledger=str(machine.folder / "root"))
    assert (done.returncode, done.stdout.split()[0]) == (0, "1")


def test_ledger_without_rights_says_so(machine: Machine) -> None:
    """The shipper is nobody, the application root: it may look into nothing."""
    ledger = str(machine.folder / "app" / "ledger")
    machine.call(user=0)
    (place,) = places(machine.registry)
    for settings in ({}, {"journals": str(place.folder)}):
        done = machine.run("ship", "--drain", user=_NOBODY, ledger=ledger, **settings)
        assert done.returncode == 1, done.stderr
        assert "Traceback" not in done.stderr
        doctor = machine.run("doctor", user=_NOBODY, ledger=ledger, **settings)
        assert (doctor.returncode, "Traceback" in doctor.stderr) == (1, False)


def test_group_may_read(machine: Machine) -> None:
    journal = machine.folder / "app" / "journal"
    machine.call(user=0, journal=str(journal), journal_access="group")
    os.chown(journal, 0, _NOBODY)  # what an administrator does once
    machine.call(user=0, journal=str(journal), journal_access="group")
    done = machine.run(
        "ship",
        "--drain",
        user=_NOBODY,
        journals=str(journal),
        ledger=str(machine.folder / "app" / "ledger"),
    )
    assert done.stdout.split()[:1] == ["1"], (
        done.stderr
    )  # the second: the first belongs to root's group still
    assert "cannot read the journal segment" in done.stderr
    assert done.returncode == 1


def test_registry_believes_no_link_and_nothing_strange(tmp_path: Path) -> None:
    shared_folder = tmp_path / "registry"
    register(shared_folder, tmp_path / "meant", tmp_path, configured=True)
    assert shared_folder.stat().st_mode & 0o7777 == 0o1777
    (good,) = shared_folder.iterdir()
    (shared_folder / "link.json").symlink_to(good)
    os.mkfifo(shared_folder / "pipe.json")
    (shared_folder / "folder.json").mkdir()
    for n, content in enumerate((b"", b"[]", b"{}", b"x" * 100_000, b'{"meant": 5}')):
        (shared_folder / f"{n}.json").write_bytes(content)
    assert [place.folder for place in places(shared_folder)] == [tmp_path]


def test_registry_forgets_folders_that_are_gone(tmp_path: Path) -> None:
    shared_folder, folder = tmp_path / "registry", tmp_path / "journal"
    folder.mkdir()
    register(shared_folder, folder, folder, configured=False)
    assert len(places(shared_folder)) == 1
    folder.rmdir()
    assert places(shared_folder) == []
    assert list(shared_folder.iterdir()) == []
