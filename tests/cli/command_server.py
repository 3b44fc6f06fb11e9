"""`genai-cost` for many runs, imported once: each is a fork of this process that has the arguments, streams,
environment, folder and umask of whoever asks, and from there on is what the installed program is.

`python -m tests.cli.command_server SOCKET`, in a folder of its own; ends, and takes that away, with its standard input.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import select
import shutil
import signal
import socket
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

_LATE = ("pydantic.fields", "pydantic.type_adapter")
"""What most commands, or typer, import only once they run."""

_DUCKDB = "duckdb"
"""Likewise; but before 2.0 it starts a thread when it is imported, which no fork has."""

STREAMS = 4
"""The request, then standard input, output and error."""

_ENDED: Final[list[int]] = []
"""The exit code of a command that has ended."""


def _until_asked(address: str) -> None:
    """Serve; returns only in a fork that is to run the command."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        print("ready", flush=True)
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in ready:
                shutil.rmtree(Path(address).parent)
                sys.exit(0)
            connection, _ = listener.accept()
            with connection:
                if os.fork() == 0:
                    listener.close()
                    if _is_command(connection):
                        return
                    os._exit(0)


def _is_command(connection: socket.socket) -> bool:
    """In the process of one run: True in the one that is to be the command; the other waits for it and says how it
    ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, streams, _, _ = socket.recv_fds(connection, 1, STREAMS)
    child = os.fork()
    if child == 0:
        connection.close()
        _become(streams)
        return True
    for stream in streams:
        os.close(stream)
    _, status = os.waitpid(child, 0)
    connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    return False


def _become(streams: list[int]) -> None:
    with os.fdopen(streams[0], encoding="utf-8") as request:
        asked: dict[str, Any] = json.load(request)
    for number, stream in enumerate(streams[1:]):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    os.umask(asked["umask"])
    sys.argv = asked["command"]


def _import() -> None:
    """All that a command needs; nothing of it is collected, which would copy it for each fork."""
    for late in (*_LATE, *([] if version(_DUCKDB).startswith(("0.", "1.")) else [_DUCKDB])):
        importlib.import_module(late)
    program = importlib.import_module("otel_genai_cost.cli.app").command()
    for name in program.list_commands(None):
        program.get_command(None, name)
    gc.collect()
    gc.freeze()


def _run() -> None:
    try:
        importlib.import_module("otel_genai_cost.cli").main()
    except SystemExit as end:
        _ENDED.append(end.code if isinstance(end.code, int) else 0)
        raise


def _leave() -> None:
    """Spare a command that has ended the end of its interpreter, which takes longer than most commands: it would free
    module by module what a fork has of its parent, and copy it by that. Registered before anything is imported, it runs
    after all else that runs at exit."""
    if _ENDED:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(_ENDED[0])


if __name__ == "__main__":
    atexit.register(_leave)
    _import()
    _until_asked(sys.argv[1])
    _run()
