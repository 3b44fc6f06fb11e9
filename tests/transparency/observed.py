"""What an application program is given, and what it notes: in the application's own process, with nothing but the
standard library, so that it runs in every environment.

A program notes what it sees with `say`; how it ended, what was logged and what it left open is noted for it.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import logging
import re
import sys
import threading
import time
import warnings
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple

__all__ = ["CLOSING", "PROGRAMS", "App", "Program", "load", "observe", "program"]

MODEL: Final = "gpt-4o-mini"
_ADDRESS: Final = re.compile(r"0x[0-9a-f]{6,}|port \d+|\d+\.\d+ ?s(econds)?\b")
_TEXT_MAX: Final = 300
_THREADS_END_WITHIN_S: Final = 1.0
CLOSING: Final = "an error occurred during closing of asynchronous generator"
"""What asyncio logs, or not, of open generators: it closes them in the order of their addresses."""


class Program(NamedTuple):
    """A program: what the provider's habit is, and from which version of which client on it is one."""

    name: str
    run: Callable[[App], Awaitable[None] | None]
    habit: str = "std"
    since: tuple[int, ...] = (1, 40)
    library: str = "openai"


PROGRAMS: Final[dict[str, Program]] = {}


def program(
    habit: str = "std", since: tuple[int, ...] = (1, 40), library: str = "openai"
) -> Callable[[Callable[[App], Any]], Callable[[App], Any]]:
    """Register a program under its function's name."""

    def register(run: Callable[[App], Any]) -> Callable[[App], Any]:
        name = run.__name__
        PROGRAMS[name] = Program(name, run, habit, since, library)
        return run

    return register


def load(*modules: str) -> None:
    """Import the programs of `tests/transparency/programs/`."""
    for module in modules:
        import_module(f"tests.transparency.programs.{module}")


class App:
    """One run of one program."""

    def __init__(self, url: str, run: str, name: str, habit: str) -> None:
        self.root = f"{url}/{run}/{name}"
        self.base_url = f"{self.root}/{habit}/v1"
        self.said: list[Any] = []

    def say(self, *values: Any) -> None:
        """Note what the application sees: plain values as they are, types by name, others by their type."""
        self.said.append([_plain(value) for value in values])

    def at(self, habit: str) -> str:
        """The base URL of another habit."""
        return f"{self.root}/{habit}/v1"

    def client(self, **options: Any) -> Any:
        """A sync client of the provider, as the application would make it."""
        return self._make("OpenAI", options)

    def async_client(self, **options: Any) -> Any:
        return self._make("AsyncOpenAI", options)

    def _make(self, kind: str, options: dict[str, Any]) -> Any:
        wanted = {"api_key": "sk-test", "base_url": self.base_url, "max_retries": 0, **options}
        return getattr(import_module("openai"), kind)(**wanted)

    def http(self) -> Any:
        """The HTTP library that the client stands on."""
        version = int(import_module("openai").__version__.split(".")[0])
        return import_module("httpx" if version < 3 else "httpx2")

    def chat(self, **more: Any) -> dict[str, Any]:
        """The arguments of a chat call."""
        return {"model": MODEL, "messages": [{"role": "user", "content": "hello"}], **more}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return _steady(value) if isinstance(value, str) else value
    if isinstance(value, (list, tuple, set, frozenset)):
        items: Any = sorted(value, key=str) if isinstance(value, (set, frozenset)) else value
        return [_plain(item) for item in items]
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, BaseException):
        return _error(value)
    kind: Any = value if isinstance(value, type) else type(value)
    return f"{kind.__module__}.{kind.__qualname__}"


def _steady(text: str) -> str:
    """Without what differs from one run to the next of the same program."""
    return _ADDRESS.sub("*", re.sub(r"/(plain|metered)/", "/RUN/", text))[:_TEXT_MAX]


def _error(error: BaseException | None) -> list[Any] | None:
    if error is None:
        return None
    kind = type(error)
    text = _steady(str(error))
    return [f"{kind.__module__}.{kind.__qualname__}", text, _error(error.__cause__)]


class _Noted(logging.Handler):
    """Warnings and errors of all loggers, warnings, and errors that nobody could raise."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if CLOSING not in text:
            self.lines.append(_steady(f"{record.name} {record.levelname} {text}"))

    def warned(self, message: Any, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, (RuntimeWarning, ResourceWarning)):
            text = re.sub(r"<.*>", "<…>", str(message))
            self.lines.append(_steady(f"{category.__name__} {text}"))

    def unraisable(self, told: Any) -> None:
        self.lines.append(f"unraisable {_plain(told.exc_value)}")


def observe(app: App, run: Callable[[App], Awaitable[None] | None]) -> dict[str, Any]:
    """Run a program; gives what it said, how it ended and what it left open, before and after a garbage collection."""
    with _noting() as lines:
        gc.collect()
        gc.freeze()  # what was there before is not looked at again: collections are most of what a program costs
        gc.disable()
        threads, sockets = threading.active_count(), _sockets()
        tasks: list[int] = []
        error = _ended(app, run, tasks)
        left = [_sockets() - sockets, _threads_above(threads), *tasks]
        gc.collect()
        after = [_sockets() - sockets, _threads_above(threads)]
        gc.enable()
    return {
        "said": app.said,
        "error": error,
        "logged": lines,
        "left open: sockets, threads, tasks": left,
        "after a collection": after,
    }


@contextmanager
def _noting() -> Generator[list[str], None, None]:
    """What is logged, warned and could not be raised meanwhile."""
    noted = _Noted()
    kept = sys.unraisablehook
    logging.getLogger().addHandler(noted)
    with warnings.catch_warnings():
        warnings.simplefilter("always", ResourceWarning)
        warnings.showwarning, sys.unraisablehook = noted.warned, noted.unraisable
        try:
            yield noted.lines
        finally:
            logging.getLogger().removeHandler(noted)
            sys.unraisablehook = kept


def _ended(
    app: App, run: Callable[[App], Awaitable[None] | None], tasks: list[int]
) -> list[Any] | None:
    """The error that the program ended with, in plain values: the error itself would keep its frames alive."""
    try:
        if inspect.iscoroutinefunction(run):
            asyncio.run(_counting_tasks(app, run, tasks))
        else:
            run(app)
    except BaseException as error:
        return _error(error)
    return None


async def _counting_tasks(app: App, run: Callable[[App], Any], tasks: list[int]) -> None:
    try:
        await run(app)
    finally:
        await asyncio.sleep(0)
        tasks.append(len(asyncio.all_tasks()) - 1)


def _threads_above(before: int) -> int:
    """How many threads are left, once those that are ending have ended."""
    deadline_s = time.monotonic() + _THREADS_END_WITHIN_S
    while threading.active_count() > before and time.monotonic() < deadline_s:
        time.sleep(0.01)
    return max(0, threading.active_count() - before)


def _sockets() -> int:
    """How many sockets this process has open (Linux)."""
    found = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found += str(descriptor.readlink()).startswith("socket:")
    return found
