"""The base of every LLM client's instrumentor: wraps its methods, and stands back where another does so too."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from importlib.metadata import version
from typing import Any, Final, cast

import wrapt
from opentelemetry import trace

from otel_genai_instrumentors.call import Method, traced
from otel_genai_instrumentors.patching import Patch, PatchingInstrumentor

__all__ = ["ClientInstrumentor"]

_OURS: Final = "_genai_cost"


class ClientInstrumentor(PatchingInstrumentor):
    """Subclasses name their `library` and list its `methods`."""

    def methods(self) -> Iterable[tuple[str, str, Method]]:
        """(module, dotted path, facts). What a version of the library lacks is left out."""
        raise NotImplementedError

    def patches(self, **options: Any) -> Iterable[Patch]:
        tracer = trace.get_tracer(
            f"otel_genai_instrumentors.{self.library}",
            version("otel-genai-cost"),
            tracer_provider=options.get("tracer_provider"),
        )
        for module, path, method in self.methods():
            wrapper = traced(method, tracer, _others_active(module, path))
            setattr(wrapper, _OURS, True)
            yield Patch(module, path, wrapper, optional=True)


def _others_active(module: str, path: str) -> Callable[[], bool]:
    """Whether somebody else wraps the method too, before us or after: asked at each call, since load order varies."""
    *parents, name = path.split(".")

    def others_active() -> bool:
        owner: Any = sys.modules.get(module)
        for parent in parents:
            owner = getattr(owner, parent, None)
        layer: Any = cast("dict[str, Any]", vars(owner)).get(name)
        while isinstance(layer, wrapt.FunctionWrapper):
            wrapper = getattr(cast("Any", layer), "_self_wrapper", None)
            if not hasattr(wrapper, _OURS):
                return True
            layer = cast("Any", layer).__wrapped__
        return False

    return others_active
