"""How uvicorn ends: once it has wound up, it lets the signal that asked it to end the process, past all that Python
would do then. What is to be done is done before that."""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from otel_genai_cost import endings
from otel_genai_cost.errors import guarded
from otel_genai_instrumentors.patching import Patch, PatchingInstrumentor

__all__ = ["UvicornEndInstrumentor"]


@contextmanager
def _caught(
    wrapped: Callable[..., Any], server: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Generator[None]:
    """Around a server's run, inside of what raises the signals once more: those that are to end the process then are
    those that nobody had a handler for before."""
    unhandled = {
        each for each in signal.valid_signals() if signal.getsignal(each) is signal.SIG_DFL
    }
    with wrapped(*args, **kwargs):
        try:
            yield
        finally:
            if not unhandled.isdisjoint(getattr(server, "_captured_signals", ())):
                _end()


@guarded("endings.uvicorn", default=None)
def _end() -> None:
    endings.end()


class UvicornEndInstrumentor(PatchingInstrumentor):
    """What uvicorn took is sent before a signal ends it."""

    library = "uvicorn"
    kind = "server"
    requirements = ("uvicorn >= 0.20",)

    def patches(self, **options: Any) -> tuple[Patch, ...]:
        """Before 0.29 it ends as any program."""
        return (Patch("uvicorn.server", "Server.capture_signals", _caught, optional=True),)
