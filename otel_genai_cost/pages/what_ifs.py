"""Questions of what calls would have cost, which take longer than a page may: asked once, worked on in a thread, seen
while they are, and given up after a while, with what is known by then."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Final, TypeVar

from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.reports.what_if import Impact, ImpactKey

__all__ = ["Run", "Runs", "Sums"]

_Part = TypeVar("_Part")
Sums = dict[ImpactKey, Impact]

_logger = logging.getLogger("otel_genai_cost")

_AT_ONCE: Final = 2
_KEPT: Final = 32
"""How many are remembered, the newest of them."""

_LONGEST_S: Final = 30.0


class Run:
    """A question that is worked on, or was.

    Args:
        asked: what tells it from others, and whose it is.
        longest_s: after which it is given up.

    Attributes:
        id: by which it is found again.
        done: how many parts of it are.
        of: how many there are.
        has_more: whether there are others, which are not worked on.
        result: of the parts that are done; None until then, and where there is none.
        is_cut: whether some parts are not in it: they were too many, or it was given up or stopped.
    """

    def __init__(self, asked: Hashable, longest_s: float = _LONGEST_S) -> None:
        self.id, self.asked = secrets.token_hex(8), asked
        self.done, self.of, self.is_cut, self.has_more = 0, 0, False, False
        self.result: Sums | None = None
        self._longest_s, self._ends_s = longest_s, 0.0
        self._stopped, self._over = threading.Event(), threading.Event()

    def parts(self, found: Iterable[_Part], of: int, *, has_more: bool = False) -> Iterator[_Part]:
        """Parts as they are done, until it is given up.

        Args:
            found: makes each as it is asked for.
            of: how many there are.
            has_more: whether there are others beside these.
        """
        self.of, self.has_more, self.is_cut = of, has_more, has_more
        for one in found:
            if self._stopped.is_set() or time.monotonic() > self._ends_s:
                self.is_cut = True
                return
            self.done += 1
            yield one
        self.done = of

    @property
    def percent(self) -> int:
        """How much of it is done, rounded down."""
        return 100 * self.done // self.of if self.of else 0

    @property
    def whole(self) -> str:
        """How many parts there are, in words."""
        return f"more than {self.of:,}" if self.has_more else f"{self.of:,}"

    @property
    def is_over(self) -> bool:
        """Whether nothing is worked on any more."""
        return self._over.is_set()

    def stop(self) -> None:
        """Give it up."""
        self._stopped.set()

    def wait(self, seconds: float) -> bool:
        """Until it is over; whether it is.

        Args:
            seconds: at the most.
        """
        return self._over.wait(seconds)

    def work(self, question: Callable[[Run], Sums]) -> None:
        """Answer it; of a thread.

        Args:
            question: what is to be done.
        """
        self._ends_s = time.monotonic() + self._longest_s
        try:
            self.result = question(self)
        except GenAICostError as error:
            _logger.error("a question cannot be answered: %s", error)
        finally:
            self._over.set()


class Runs:
    """The questions of a server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self._slots = threading.Semaphore(_AT_ONCE)

    def begin(self, asked: Hashable, question: Callable[[Run], Sums]) -> Run:
        """Begin to work on a question, or on the one that is the same and is worked on already.

        Args:
            asked: what tells it from others, and whose it is.
            question: what is to be done.
        """
        with self._lock:
            for known in self._runs.values():
                if known.asked == asked and not known.is_over:
                    return known
            run = Run(asked)
            self._runs[run.id] = run
            while len(self._runs) > _KEPT:
                _, oldest = self._runs.popitem(last=False)
                oldest.stop()
        threading.Thread(
            target=self._work, args=(run, question), name="genai-cost-what-if", daemon=True
        ).start()
        return run

    def _work(self, run: Run, question: Callable[[Run], Sums]) -> None:
        with self._slots:
            run.work(question)

    def find(self, run_id: str, asked: Hashable) -> Run | None:
        """A question that was begun; None if it is not remembered, or another.

        Args:
            run_id: of the run.
            asked: what it was begun with.
        """
        with self._lock:
            run = self._runs.get(run_id)
        return run if run is not None and run.asked == asked else None

    def close(self) -> None:
        """Give all of them up."""
        with self._lock:
            for run in self._runs.values():
                run.stop()
