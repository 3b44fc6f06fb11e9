"""`serve`: where it listens, and where it does not."""

from __future__ import annotations

import re
import signal
import subprocess
import urllib.request
from pathlib import Path

import pytest

from tests.cli.command import PROGRAM, run
from tests.reports.fixture import make_home


def test_it_prints_its_address_and_answers_there(tmp_path: Path) -> None:
    home = make_home(tmp_path)
    command = [PROGRAM, "serve", "--port", "0", "--ledger", str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout is not None
        address = served.stdout.readline().strip()
        try:
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", address)
            with urllib.request.urlopen(f"{address}?period=all&format=csv", timeout=30) as answer:
                assert answer.read().startswith(b"tenant,calls")
        finally:
            served.send_signal(signal.SIGTERM)
    assert served.returncode == 0


def test_a_page_that_is_open_when_it_ends_is_no_error(tmp_path: Path) -> None:
    command = [PROGRAM, "serve", "--port", "0", "--ledger", str(make_home(tmp_path))]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as served:
        assert served.stdout is not None
        assert served.stderr is not None
        address = served.stdout.readline().strip()
        try:
            with urllib.request.urlopen(f"{address}live", timeout=30) as events:
                assert events.readline().startswith(b"data: ")
                served.send_signal(signal.SIGTERM)
                said = served.stderr.read()
        finally:
            served.send_signal(signal.SIGTERM)
    assert "Traceback" not in said
    assert served.returncode == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "pages.example"])
def test_elsewhere_somebody_has_to_be_asked(host: str, tmp_path: Path) -> None:
    done = run("serve", "--host", host, "--ledger", str(tmp_path))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert host in line
    assert "ssh -L" in line
