"""Runs `genai-cost` in a process of its own, without the caller's settings."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Final

PROGRAM: Final = str(Path(sys.executable).with_name("genai-cost"))
"""As it is installed; `run` does the same in less time."""


def run(
    *arguments: str, stdin: str = "", env: dict[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """What the program did with these arguments."""
    request = {
        "command": [PROGRAM, *arguments],
        "environment": _environment(env),
        "folder": str(cwd or Path.cwd()),
        "umask": _umask(),
    }
    with _file(json.dumps(request)) as asked, _file(stdin) as given, _file() as out, _file() as err:
        code = _exit_code(*(stream.fileno() for stream in (asked, given, out, err)))
        return subprocess.CompletedProcess([PROGRAM, *arguments], code, _text(out), _text(err))


def run_installed(
    *arguments: str, env: dict[str, str], cwd: Path
) -> subprocess.CompletedProcess[str]:
    """The same by an interpreter of its own, for settings that one reads as it starts."""
    return subprocess.run(
        [PROGRAM, *arguments],
        capture_output=True,
        text=True,
        env=_environment(env),
        cwd=cwd,
        check=False,
    )


def rows(*arguments: str, **options: Any) -> list[dict[str, Any]]:
    """The JSON lines of a run that has to succeed."""
    done = run(*arguments, **options)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def _environment(changes: dict[str, str] | None = None) -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
    return {**clean, "COLUMNS": "100", **(changes or {})}


@contextmanager
def _file(content: str = "") -> Generator[IO[bytes]]:
    with tempfile.TemporaryFile() as file:
        file.write(content.encode())
        file.seek(0)
        yield file


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _exit_code(*streams: int) -> int:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(_server(os.getpid()))
        socket.send_fds(connection, [b"!"], streams)
        return int(connection.recv(16) or b"-1")


@lru_cache(maxsize=1)
def _server(pid: int) -> str:
    """The address of this process's own server; it ends when this process does, since its standard input does then."""
    folder = tempfile.mkdtemp(prefix="genai-cost-")
    address = f"{folder}/commands"
    read, write = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.cli.command_server", address],
        stdin=read,
        stdout=subprocess.PIPE,
        env=_environment(),
        cwd=Path(__file__).parents[2],
    )
    os.close(read)
    _OPEN.append((process, write))
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.stdout.close()
    return address


_OPEN: Final[list[tuple[subprocess.Popen[bytes], int]]] = []
"""Servers with the ends of pipes that keep them."""
