"""The base of every LLM client's instrumentor: wraps its methods, and knows who else tells of its calls."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from otel_genai_cost import shared_calls
from otel_genai_instrumentors.call import traced
from otel_genai_instrumentors.method import Method
from otel_genai_instrumentors.others import OTHERS
from otel_genai_instrumentors.patching import Patch, PatchingInstrumentor
from otel_genai_instrumentors.spans import CallTracer

__all__ = ["ClientInstrumentor"]


class ClientInstrumentor(PatchingInstrumentor):
    """Subclasses name their `library` and list its `methods`."""

    def methods(self) -> Iterable[tuple[str, str, Method]]:
        """(module, dotted path, facts). What a version of the library lacks is left out."""
        raise NotImplementedError

    def patches(self, **options: Any) -> Iterable[Patch]:
        shared_calls.watch(OTHERS.get(self.library, ()))
        tracer = CallTracer(self.library, options.get("tracer_provider"))
        for module, path, method in self.methods():
            yield Patch(module, path, traced(method, tracer), optional=True)
