"""The thread that forwards: a round twice a second, sooner for whoever waits, later after failures.

Nobody else's thread ever sends. Who waits for acknowledgement waits for an event, so that it is back in time even if
the receiver hangs, or its name is looked up for ever. A forked child has no thread until it has something to send.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from otel_genai_cost.errors import guarded
from otel_genai_cost.forks import here
from otel_genai_cost.forwarding.answer import Receiver
from otel_genai_cost.forwarding.destination import Destination
from otel_genai_cost.forwarding.folder import JournalFolder
from otel_genai_cost.forwarding.forwarder import Forwarder
from otel_genai_cost.forwarding.http_sender import HttpReceiver
from otel_genai_cost.forwarding.messages import SOON, Complaints
from otel_genai_cost.forwarding.pace import Pace
from otel_genai_cost.forwarding.wire import REQUEST_MAX_BYTES

__all__ = ["EVERY_S", "Forwarding", "sizes_of"]

EVERY_S: Final = 0.5
_AGAIN_S: Final = 0.02
"""While somebody waits, and the receiver answers."""

_LOOK_EVERY_S: Final = 5.0
"""How long another process that holds the folder has to send what is ours."""


def sizes_of(segments: Iterable[Path]) -> dict[Path, int]:
    """How many bytes each has, of those that are there.

    Args:
        segments: their files.
    """
    found: dict[Path, int] = {}
    for segment in segments:
        with suppress(OSError):
            found[segment] = segment.stat().st_size
    return found


class _Awaited:
    """What somebody waits for: so many bytes of these segments."""

    def __init__(self, sizes: Mapping[Path, int], whole: bool) -> None:
        self.sizes, self.whole = dict(sizes), whole
        self.done, self.is_tried = threading.Event(), False


class Forwarding:
    """Forwards folders to a receiver, from a thread of its own.

    Args:
        folders: the journals' folders, asked for each round.
        destination: where they go.
        own: segments of this process. They go first while somebody waits, and without the folder's lock.
        on_round: called before each round, by the thread.
        request_bytes: how many bytes of lines a request has at most.
        connect: makes the receiver; another one in tests.
    """

    def __init__(
        self,
        folders: Callable[[], Iterable[Path]],
        destination: Destination,
        *,
        own: Callable[[], Sequence[Path]] = tuple,
        on_round: Callable[[], object] = lambda: None,
        request_bytes: int = REQUEST_MAX_BYTES,
        connect: Callable[[Destination], Receiver] = HttpReceiver,
    ) -> None:
        self._folders, self._own, self._on_round = folders, own, on_round
        self._destination, self._connect = destination, connect
        self._request_bytes = request_bytes
        self._begin()

    def _begin(self) -> None:
        """As a process begins."""
        self._process = here()
        self._lock, self._wake = threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None
        self._is_ending = False
        self._awaited: list[_Awaited] = []
        self._forwarders: dict[Path, tuple[JournalFolder, Forwarder]] = {}
        self._receiver = self._connect(self._destination)
        self._complain = Complaints(str(self._destination.address))
        self._pace = Pace()
        self._is_there = False
        self._looked: dict[Path, int] = {}
        self._looked_s = time.monotonic()

    @property
    def is_well(self) -> bool:
        """Whether the receiver took what it was sent last, or says that it will."""
        return self._pace.is_well or self._is_there

    def start(self) -> None:
        """Start the thread of this process, once. One that cannot be started is tried again with the next call."""
        if self._process is not here():
            self._begin()
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(
                    target=self._run, name="genai-cost-forwarding", daemon=True
                )
                try:
                    thread.start()
                except RuntimeError:  # the machine has no thread left, or the interpreter ends
                    return
                self._thread = thread

    def wait(self, sizes: Mapping[Path, int], timeout_s: float, *, whole: bool = False) -> bool:
        """Wait until the receiver has acknowledged what there is now; whether it has.

        Args:
            sizes: how many bytes of which segments.
            timeout_s: for how long at most.
            whole: whether the receiver is to know as well that nothing follows.
        """
        deadline_s = time.monotonic() + timeout_s
        self.start()
        awaited = _Awaited(sizes, whole)
        with self._lock:
            self._awaited.append(awaited)
        self._wake.set()
        try:
            return awaited.done.wait(max(0.0, deadline_s - time.monotonic()))
        finally:
            with self._lock:
                self._awaited.remove(awaited)

    def drain(self, timeout_s: float) -> bool:
        """Wait until all that the folders hold now is acknowledged; whether it is.

        Args:
            timeout_s: for how long at most.
        """
        sizes: dict[Path, int] = {}
        for path in self._folders():
            for segment, size in JournalFolder(path).segments():
                sizes[path / f"{segment}.jsonl"] = size
        return self.wait(sizes, timeout_s)

    def stop(self, timeout_s: float = EVERY_S) -> None:
        """End the thread, and let another process take over.

        Args:
            timeout_s: for how long to wait for that; what is being sent may take a while.
        """
        self._is_ending = True
        self._wake.set()
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)

    def acknowledged(self, segment: Path, size_bytes: int, *, whole: bool = False) -> bool:
        """Whether the receiver has so many bytes of a segment. Asked by `on_round`.

        Args:
            segment: the file.
            size_bytes: how many.
            whole: whether it is to know as well that nothing follows.
        """
        _, forwarder = self._forwarder(segment.parent)
        return forwarder.acknowledged(segment.stem, size_bytes, whole=whole)

    def _run(self) -> None:
        while not self._is_ending:
            self._step()
            self._wake.wait(self._pause_s())
            self._wake.clear()
        for folder, _ in self._forwarders.values():
            folder.release()
        self._receiver.close()

    def _pause_s(self) -> float:
        left_s = self._pace.due_s - time.monotonic()
        if self._awaited:
            return min(EVERY_S, max(_AGAIN_S, left_s))
        return EVERY_S

    @guarded("forwarding.round", default=None)
    def _step(self) -> None:
        self._say_begun()
        with self._lock:
            awaited = list(self._awaited)
        is_new = not all(one.is_tried for one in awaited)
        for one in awaited:
            one.is_tried = True
        if is_new or time.monotonic() >= self._pace.due_s:
            self._round()
        for one in awaited:
            if all(self.acknowledged(*each, whole=one.whole) for each in one.sizes.items()):
                one.done.set()

    @guarded("forwarding.on_round", default=None)
    def _say_begun(self) -> None:
        self._on_round()

    def _round(self) -> None:
        own = tuple(self._own())
        if not self._awaited and not self._is_left_alone(own):
            own = ()
        for path in dict.fromkeys(self._folders()):
            mine = {segment.stem for segment in own if segment.parent == path}
            try:
                _, forwarder = self._forwarder(path)
                failed = forwarder.round(mine, is_urgent=self._is_urgent)
            except FileNotFoundError:  # nothing was written there yet
                continue
            except OSError as error:
                self._complain.failed(error)
                self._is_there = False
                self._pace.failed(time.monotonic(), None)
                return
            if failed is not None:
                self._is_there = failed.refusal is not None and failed.refusal.reason in SOON
                self._pace.failed(time.monotonic(), failed.retry_after_s)
                return
        self._pace.succeeded()

    def _is_left_alone(self, own: Sequence[Path]) -> bool:
        """Whether whoever holds the folder does not send what is ours: it is stopped, perhaps."""
        now_s = time.monotonic()
        if now_s - self._looked_s < _LOOK_EVERY_S:
            return False
        is_behind = any(not self.acknowledged(*each) for each in self._looked.items())
        self._looked, self._looked_s = sizes_of(own), now_s
        return is_behind

    def _is_urgent(self) -> bool:
        return not all(one.is_tried for one in tuple(self._awaited))

    def _forwarder(self, path: Path) -> tuple[JournalFolder, Forwarder]:
        found = self._forwarders.get(path)
        if found is None:
            folder = JournalFolder(path)
            forwarder = Forwarder(folder, self._receiver, self._complain, self._request_bytes)
            found = self._forwarders[path] = (folder, forwarder)
        return found
