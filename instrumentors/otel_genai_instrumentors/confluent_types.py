"""What confluent-kafka does not promise: that its producer and consumers are types of C, whose functions cannot be
wrapped, where its asynchronous consumer keeps the one that reads for it in threads, and where the messages of a share
consumer keep their list.

A subclass takes such a type's place in the package, as upstream's instrumentation has it, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any, Final, cast

from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.queueing import Call, MakesBatch, makes

__all__ = ["READS_IN_THREADS", "in_messages", "is_asked_directly", "replace_type"]

_INNER: Final = "_genai_cost_inner"
"""On a consumer that another one asks."""


def replace_type(module: Any, name: str, functions: Iterable[str]) -> None:
    """Put a subclass in a type's place, if it is one of C.

    Args:
        module: where it stands.
        name: its name.
        functions: those that are to be wrapped.
    """
    original = getattr(module, name, None)
    if original is None:  # in an older version
        return
    kinds = cast("tuple[type, ...]", original.__mro__)
    if any(isinstance(vars(kind).get(one), FunctionType) for kind in kinds for one in functions):
        return
    members: dict[str, Any] = {one: _passed_on(original, one) for one in functions}
    described = {"__module__": module.__name__, "__doc__": original.__doc__}
    setattr(module, name, type(name, (original,), {**members, **described}))


def _passed_on(original: type, name: str) -> Callable[..., Any]:
    function = getattr(original, name)

    def passed_on(self: Any, *args: Any, **kwargs: Any) -> Any:
        return function(self, *args, **kwargs)

    passed_on.__name__, passed_on.__doc__ = name, function.__doc__
    return passed_on


def _mark(call: Call, _: Any) -> None:
    setattr(call.instance._consumer, _INNER, True)


def is_asked_directly(call: Call) -> bool:
    """Whether the application reads from this consumer itself."""
    return not getattr(call.instance, _INNER, False)


def in_messages(answer: Any, made: MakesBatch) -> Any:
    """For `reads_batch`: the messages of a share consumer.

    Args:
        answer: what it gave.
        made: makes a batch of a list.
    """
    answer._records = made(answer._records)
    return answer


READS_IN_THREADS: Final = Patch(
    "confluent_kafka.aio._AIOConsumer", "AIOConsumer.__init__", makes(_mark), optional=True
)
"""What such a thread reads must not stay current there."""
