"""The base of every instrumentor here: patch a table of places, undo all of it, check the library's version.

opentelemetry-instrument checks dependencies per distribution, and one distribution holds all of these; so each checks
its own library and raises DependencyConflictError, which the loader takes for "not here". A patch that fails raises
PatchError, an ImportError: the loader logs it and goes on, where any other exception would stop every later one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from importlib import import_module
from typing import Any, NamedTuple, cast

import wrapt
from opentelemetry.instrumentation.dependencies import (
    DependencyConflictError,
    get_dependency_conflicts,
)

# Upstream's file opts out of type checking as a whole.
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

__all__ = ["Patch", "PatchError", "PatchingInstrumentor", "Wrapper"]

Wrapper = Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]


class PatchError(ImportError):
    """A place that should be patched is not where it was; the message names it."""


class Patch(NamedTuple):
    """A function to wrap: `module`, the dotted `path` in it, and the wrapt wrapper."""

    module: str
    path: str
    wrapper: Wrapper


class _Done(NamedTuple):
    owner: Any
    name: str
    original: Any


class PatchingInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Subclasses say what they need (`requirements`) and what they wrap (`patches`)."""

    requirements: tuple[str, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        self._done: list[_Done] = getattr(self, "_done", [])

    def patches(self, **options: Any) -> Iterable[Patch]:
        """What to wrap; called at each instrument()."""
        raise NotImplementedError

    def instrumentation_dependencies(self) -> Collection[str]:
        return self.requirements

    def _instrument(self, **options: Any) -> None:
        conflict = get_dependency_conflicts(self.requirements)
        if conflict is not None:
            raise DependencyConflictError(conflict)
        try:
            for patch in self.patches(**options):
                self._done.append(_apply(patch))
        except (ImportError, AttributeError) as error:
            self._uninstrument()
            raise PatchError(f"{type(self).__name__} cannot patch: {error}") from error

    def _uninstrument(self, **options: Any) -> None:
        while self._done:
            owner, name, original = self._done.pop()
            setattr(owner, name, original)


def _apply(patch: Patch) -> _Done:
    owner: Any = import_module(patch.module)
    *parents, name = patch.path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    namespace = cast("dict[str, Any]", vars(owner))
    original: Any = namespace.get(name) or getattr(owner, name)
    wrapt.wrap_function_wrapper(owner, name, patch.wrapper)
    return _Done(owner, name, original)
