"""The thread that keeps the pages' copy up to the ledger."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from otel_genai_cost.errors import GenAICostError, Seldom, fence
from otel_genai_cost.pages.figures import Figures

__all__ = ["Following"]

_logger = logging.getLogger("otel_genai_cost")

_EVERY_S: Final = 1.0


class Following:
    """The one writer of the copy.

    Args:
        figures: that follow.
        ship: brings the ledger itself up to date, where nobody else does.
        warm: asks what people will ask first, after the first time.
        every_s: how often it is looked at.
    """

    def __init__(
        self,
        figures: Figures,
        ship: Callable[[], None] = lambda: None,
        warm: Callable[[], None] = lambda: None,
        every_s: float = _EVERY_S,
    ) -> None:
        self._figures, self._ship, self._warm, self._every_s = figures, ship, warm, every_s
        self._stop, self._looked = threading.Event(), threading.Event()
        self._seldom = Seldom()
        self._thread = threading.Thread(target=self._run, name="genai-cost-pages", daemon=True)

    def start(self, wait_s: float = 0.0) -> None:
        """Begin.

        Args:
            wait_s: how long to wait for what the ledger has at first, so that nobody is shown an empty page of it.
        """
        self._thread.start()
        self._looked.wait(wait_s)

    def stop(self) -> None:
        """End after what is at hand."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            with fence("pages.follow"):
                self._step()
            self._stop.wait(self._every_s)

    def _step(self) -> None:
        try:
            self._ship()
            is_new = self._figures.refresh()
            self._looked.set()
            if is_new:
                self._warm()
                self._warm = _nothing
        except (GenAICostError, OSError) as error:
            if self._seldom.may_say(str(error)):
                _logger.error("the pages cannot be brought up to date: %s", error)


def _nothing() -> None:
    """It was done."""
