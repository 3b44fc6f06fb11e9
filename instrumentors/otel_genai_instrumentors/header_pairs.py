"""Headers that are pairs of a name and bytes, such as Kafka's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from otel_genai_cost.tenancy.envelope import inject
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.queueing import Call, sends

__all__ = ["copies", "pairs_at", "sends_pairs"]


def pairs_at(place: int, name: str) -> Callable[[Call], Call]:
    """For `sends`: headers that are pairs of a name and bytes, such as Kafka's, or a mapping.

    Args:
        place: where the function takes them.
        name: under which it takes them.
    """

    def put(call: Call) -> Call:
        given: Any = call.argument(place, name) or ()
        headers: list[Any] = given.copy() if _is_copied(given) else [*given]
        return call.replaced(place, name, inject(headers))

    return put


def _is_copied(given: Any) -> bool:
    return isinstance(given, (list, dict))


def copies(module: str, path: str, place: int, name: str) -> Patch:
    """Give others a copy of what an application sends as headers: they append to it, and an application that keeps its
    list and sends it again would send whose it was the last time.

    Args:
        module: of the function that sends.
        path: of the function in there.
        place: where it takes headers.
        name: under which it takes them.
    """

    def put(call: Call) -> Call:
        given = call.argument(place, name)
        return call.replaced(place, name, given.copy()) if _is_copied(given) else call

    return Patch(module, path, sends(put), optional=True, outside=True)


def sends_pairs(module: str, path: str, place: int, name: str) -> tuple[Patch, Patch]:
    """A message is sent with such headers, which others may append to.

    Args:
        module: of the function that sends.
        path: of the function in there.
        place: where it takes headers.
        name: under which it takes them.
    """
    return Patch(module, path, sends(pairs_at(place, name))), copies(module, path, place, name)
