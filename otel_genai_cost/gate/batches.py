"""One thread that runs what many ask for, many at a time: a transaction that syncs to disk costs the same for 256."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar, cast

from otel_genai_cost.errors import fence
from otel_genai_cost.gate.store import Operation, StoreUnavailableError

__all__ = ["Batches", "Pending"]

_T = TypeVar("_T")
_BATCH_MAX: Final = 256
_WAITING_MAX: Final = 20_000
"""Operations that wait; more would wait for longer than a caller does."""


class Pending:
    """An operation that waits to be run, and the future of whoever asked for it."""

    def __init__(self, operation: Operation[Any]) -> None:
        self.operation, self.future = operation, Future[Any]()

    def begins(self) -> bool:
        """Whether anybody still waits for it: else it is not run, so that nobody's call is held for."""
        return self.future.set_running_or_notify_cancel()

    def done(self, result: object) -> None:
        """Let whoever asked have the result, or the error. The first one counts."""
        if self.future.done():
            return
        if isinstance(result, BaseException):
            self.future.set_exception(result)
        else:
            self.future.set_result(result)


class Batches:
    """The thread.

    Args:
        name: of the thread.
        run: runs a batch in order, and answers each with `Pending.done` once that has taken effect.
        end: called in the thread when nothing more comes.
    """

    def __init__(
        self,
        name: str,
        run: Callable[[Sequence[Pending]], None],
        end: Callable[[], None],
    ) -> None:
        self._run, self._end = run, end
        self._waiting: SimpleQueue[Pending | None] = SimpleQueue()
        self._is_closed = False
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self._thread.start()

    def submit(self, operation: Operation[_T]) -> Future[_T]:
        """Have an operation run."""
        pending = Pending(operation)
        if self._is_closed or self._waiting.qsize() >= _WAITING_MAX:
            pending.done(StoreUnavailableError("more is asked for than can be answered in time"))
        else:
            self._waiting.put(pending)
        return cast("Future[_T]", pending.future)

    def close(self) -> None:
        """Run what waits, and end the thread."""
        if not self._is_closed:
            self._is_closed = True
            self._waiting.put(None)
        self._thread.join()

    def _loop(self) -> None:
        is_open = True
        while is_open:
            batch, is_open = self._next()
            batch = [pending for pending in batch if pending.begins()]
            if batch:
                with fence("gate.batch"):
                    self._run(batch)
                for pending in batch:
                    pending.done(StoreUnavailableError("the store failed"))
        self._end()

    def _next(self) -> tuple[list[Pending], bool]:
        """What waits, at most a batch; and whether more may come."""
        batch: list[Pending] = []
        one = self._waiting.get()
        while one is not None:
            batch.append(one)
            if len(batch) == _BATCH_MAX:
                return batch, True
            try:
                one = self._waiting.get_nowait()
            except Empty:
                return batch, True
        return batch, False
