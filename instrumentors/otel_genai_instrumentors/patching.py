"""The base of every instrumentor here: patch a table of places, undo all of it, check the library's version.

No library is imported for it: a module is patched when the application imports it, at once if it has done so already.
What fails then is ours alone: counted, one log line, and the application's import goes on.

opentelemetry-instrument checks dependencies per distribution, and one distribution holds all of these; so each checks
its own library and raises DependencyConflictError, which the loader takes for "not here".
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Any, ClassVar, NamedTuple, cast

import wrapt
from opentelemetry.instrumentation.dependencies import DependencyConflict, DependencyConflictError

# Upstream's file opts out of type checking as a whole.
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]
from packaging.requirements import Requirement

from otel_genai_cost import in_place
from otel_genai_cost.errors import GenAICostError, guarded
from otel_genai_cost.switch import is_off
from otel_genai_cost.versions import version_of

__all__ = [
    "Patch",
    "PatchError",
    "PatchingInstrumentor",
    "Replacement",
    "Wrapper",
    "all_are_loaded",
]

Wrapper = Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]


Replacement = Callable[[Callable[..., Any]], Callable[..., Any]]


class PatchError(GenAICostError):
    """What should be patched is not where it was; the message names it."""


class Patch(NamedTuple):
    """A function to wrap: `module`, the `path` in it (`function`, `Class.method`, or deeper), and the wrapt wrapper.
    One that is `optional` is left out in a version of the library without it. One that is `outside` stands around what
    others have wrapped, instead of next to the function itself. One whose module is not `wanted` is left out. One that
    is `direct` is called with the function itself and gives the one that takes its place: for what is called so often
    that wrapt's own time counts."""

    module: str
    path: str
    wrapper: Wrapper
    optional: bool = False
    outside: bool = False
    wanted: Callable[[Any], bool] = bool
    direct: bool = False


class _Done(NamedTuple):
    """A wrapper that is in place: `holder` has it as `name`, where `original` was, its own or what it inherits."""

    holder: Any
    name: str
    original: Any
    inherited: bool

    def undo(self) -> None:
        if self.inherited:
            delattr(self.holder, self.name)
        else:
            setattr(self.holder, self.name, self.original)


_waiting: list[Callable[[], None]] = []
_loaded: list[bool] = []


def all_are_loaded() -> None:
    """Every instrumentation is in place that `opentelemetry-instrument` has found: now there is an outside of them."""
    _loaded.append(True)
    while _waiting:
        _waiting.pop()()


class PatchingInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Subclasses say what they need (`requirements`) and what they wrap (`patches`)."""

    requirements: tuple[str, ...] = ()
    library: ClassVar[str] = ""
    kind: ClassVar[in_place.PatchKind] = "client"

    def __init__(self) -> None:
        super().__init__()
        self._done: list[_Done] = getattr(self, "_done", [])
        self._turn: object = getattr(self, "_turn", None)

    def patches(self, **options: Any) -> Iterable[Patch]:
        """What to wrap; called at each instrument(), and must not import the library."""
        raise NotImplementedError

    def instrumentation_dependencies(self) -> Collection[str]:
        return self.requirements

    def instrument(self, **options: Any) -> Any:
        """As OpenTelemetry's instrumentors do. What `install()` has put in place gives way to who asks by name, and
        may name a tracer provider."""
        if getattr(self, in_place.BY_INSTALL, False):
            delattr(self, in_place.BY_INSTALL)
            self.uninstrument()
        return super().instrument(**options)

    def _instrument(self, **options: Any) -> None:
        if is_off():
            return
        for requirement in self.requirements:
            _demand(requirement)
        by_module: dict[str, list[Patch]] = {}
        for patch in self.patches(**options):
            by_module.setdefault(patch.module, []).append(patch)
        self._turn = turn = object()
        if by_module:
            in_place.note(self.kind, self.library, "waiting")
        for module, patches in by_module.items():
            wrapt.register_post_import_hook(partial(self._imported, turn, patches), module)

    def _uninstrument(self, **options: Any) -> None:
        self._turn = None
        in_place.forget(self.kind, self.library)
        while self._done:
            self._done.pop().undo()

    def _imported(self, turn: object, patches: list[Patch], module: Any) -> None:
        """A module of the library is there. Hooks cannot be taken back, so one of an earlier turn does nothing."""
        if turn is self._turn:
            apply = guarded(f"instrumentor.patch {self.library}", default=False)(self._apply)
            in_place.note(self.kind, self.library, "on" if apply(patches, module) else "failed")

    def _apply(self, patches: list[Patch], module: Any) -> bool:
        """Patch what is there. Raises PatchError if something is missing that isn't optional; the rest stays."""
        missing: list[str] = []
        for patch in (each for each in patches if each.wanted(module)):
            if patch.outside and not _loaded:
                _waiting.append(partial(self._imported, self._turn, [patch], module))
            elif (done := _wrap(module, patch)) is not None:
                self._done.append(done)
            elif not patch.optional:
                missing.append(patch.path)
        if missing:
            raise PatchError(f"{self.library}: no {', '.join(missing)} in {module.__name__}")
        return True


def _demand(requirement: str) -> None:
    wanted = Requirement(requirement)
    found = version_of(wanted.name)
    if found is None:
        raise DependencyConflictError(DependencyConflict(requirement))
    if not wanted.specifier.contains(found):
        raise DependencyConflictError(DependencyConflict(requirement, f"{wanted.name} {found}"))


def _owner(module: Any, path: str) -> tuple[Any, str]:
    """What has the function, and its name there. A class is patched in the module that defines it, whoever passes it
    on or has put a subclass in its place; what a module only loads when it is asked for is not asked for."""
    holder, _, name = path.rpartition(".")
    if not holder:
        return module, name
    found: Any = module
    for part in holder.split("."):
        found = cast("dict[str, Any]", vars(found)).get(part)
        if inspect.isclass(found):
            own = (kind for kind in found.__mro__ if kind.__module__ == module.__name__)
            found = next(own, None)
        if found is None:
            break
    return found, name


def _wrap(module: Any, patch: Patch) -> _Done | None:
    """Wrap one function, next to the function itself unless outside: what others have wrapped around it sees what it
    would without us, and we see what is really sent. None if it isn't there."""
    owner, name = _owner(module, patch.path)
    found: Any = getattr(owner, name, None)
    if found is None:
        return None
    own: Any = cast("dict[str, Any]", vars(owner)).get(name)
    holder: Any = owner
    original: Any = found if own is None else own
    while isinstance(original, wrapt.FunctionWrapper) and not patch.outside:
        holder, name = cast("Any", original), "__wrapped__"
        original = holder.__wrapped__
    place: Any = patch.wrapper
    if not patch.direct:
        place = partial(wrapt.FunctionWrapper, wrapper=patch.wrapper)
    setattr(holder, name, place(original))
    return _Done(holder, name, original, inherited=own is None and holder is owner)
