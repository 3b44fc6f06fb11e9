"""Starts receivers in processes of their own, and reads what they keep."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Running", "running"]

_ROOT = Path(__file__).resolve().parents[2]


class Running:
    """A receiver that runs, or was killed.

    Args:
        folder: what it keeps is there.
        address: a port, 0 for a free one, or the path of a socket.
        more: a certificate, its key, and who vouches for callers.
    """

    def __init__(self, folder: Path, address: str = "0", *more: str) -> None:
        self.folder, self._address, self._more = folder, address, more
        self.folder.mkdir(exist_ok=True)
        self._process: subprocess.Popen[str] | None = None
        self.start()

    def start(self) -> None:
        """Start it, at the same address again."""
        command = [sys.executable, "-m", "tests.forwarding.receiver", str(self.folder)]
        Path(self._address).unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [*command, self._address, *self._more], cwd=_ROOT, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        port = self._process.stdout.readline().strip()
        assert port
        if port != "0":
            self._address = port

    @property
    def url(self) -> str:
        """Its address."""
        if self._address.startswith("/"):
            return f"unix://{self._address}"
        return f"http{'s' if self._more else ''}://127.0.0.1:{self._address}"

    def kill(self) -> None:
        """As `kill -9` does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def answer(self, what: str) -> None:
        """Let it answer something else; nothing for what is so."""
        path = self.folder / "answer"
        if what:
            path.write_text(what)
        else:
            path.unlink(missing_ok=True)

    def kept(self) -> dict[str, bytes]:
        """What it has of which segment."""
        return {path.stem: path.read_bytes() for path in self.folder.glob("*.jsonl")}

    def finished(self) -> set[str]:
        return {path.stem for path in self.folder.glob("*.finished")}


@contextmanager
def running(folder: Path, address: str = "0", *more: str) -> Generator[Running]:
    """A receiver, as long as the block."""
    receiver = Running(folder, address, *more)
    try:
        yield receiver
    finally:
        receiver.kill()
