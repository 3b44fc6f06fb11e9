"""The base of every queue's instrumentor, and the ways in which libraries send and read messages.

A queue's file names its `places`, each with one of the hooks below and a fact: what carries the envelope there.

    sends(put)              a message is sent: `put` gives the call's arguments with an envelope in them
    makes(put)              a message is made: `put` puts an envelope into it
    works(carrier)          the library calls what works on a message, of whatever kind: its context holds for that call
    calls_back(…, carrier)  the library is given what it is to call for each message
    reads(carrier)          the application asks for the next message: its context holds until the next is asked for
    reads_batch(carrier)    several at once: each message's context holds while the application is at it
    iterates(carrier)       the library gives a generator of messages
    ends                    the application asks for no more

Our wrappers stand next to the library's own functions, inside of those that others have wrapped around them: what
others have injected is there already when a message is made, and what they make current for a message that was read
is laid over ours.

Nothing here raises, and without an envelope a message is nobody's.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar, Final, NamedTuple

from otel_genai_cost import in_place
from otel_genai_cost.errors import guarded
from otel_genai_cost.tenancy.envelope import job, tenant_job
from otel_genai_cost.tenancy.rolling import Reader, enter, leave
from otel_genai_cost.tenancy.scoped import Scoped
from otel_genai_instrumentors.message_batch import MessageBatch
from otel_genai_instrumentors.patching import Patch, PatchingInstrumentor, Wrapper

__all__ = [
    "NO_MESSAGE",
    "Call",
    "MakesBatch",
    "QueueInstrumentor",
    "by_key",
    "calls_back",
    "ends",
    "is_reading",
    "iterates",
    "makes",
    "reads",
    "reads_batch",
    "releases",
    "sends",
    "where",
    "works",
]


class Call(NamedTuple):
    """A call of the library: on what, and with what."""

    instance: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def argument(self, place: int, name: str) -> Any:
        """An argument, given by its place or name; None if it is not given."""
        return self.args[place] if len(self.args) > place else self.kwargs.get(name)

    def replaced(self, place: int, name: str, value: object) -> Call:
        """The same call with another value of an argument.

        Args:
            place: where it stands, if it is given by its place.
            name: its name.
            value: the other.
        """
        if len(self.args) > place:
            args = (*self.args[:place], value, *self.args[place + 1 :])
            return self._replace(args=args)
        return self._replace(kwargs={**self.kwargs, name: value})


NO_MESSAGE: Final = object()
"""What a fact gives for an answer that is no message, such as that there is none."""

MakesBatch = Callable[[Any], MessageBatch]


def _itself(answer: Any, made: MakesBatch) -> Any:
    return made(answer)


_is_reading: ContextVar[bool] = ContextVar("genai-cost-reading", default=False)
"""Whether the library is reading, by other functions of its own that applications call, too."""


def is_reading() -> bool:
    """Whether a library is reading a message."""
    return _is_reading.get()


class QueueInstrumentor(PatchingInstrumentor):
    """Subclasses name their `library` and list their `places`."""

    kind: ClassVar[in_place.PatchKind] = "queue"
    places: ClassVar[tuple[Patch, ...]] = ()

    def patches(self, **options: Any) -> Iterable[Patch]:
        return self.places


def sends(put: Callable[[Call], Call]) -> Wrapper:
    """A message is sent.

    Args:
        put: Gives the call with an envelope in its arguments. What the application gave stays as it is.
    """
    changed = guarded("queue.send", default=None)(put)

    def wrapper(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        call = changed(Call(instance, args, kwargs))
        return wrapped(*args, **kwargs) if call is None else wrapped(*call.args, **call.kwargs)

    return wrapper


def where(condition: Callable[[Call], bool], wrapper: Wrapper) -> Wrapper:
    """One of the other hooks, for some of a function's calls.

    Args:
        condition: Whether a call is one.
        wrapper: The hook.
    """
    holds = guarded("queue.where", default=False)(condition)

    def chosen(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if holds(Call(instance, args, kwargs)):
            return wrapper(wrapped, instance, args, kwargs)
        return wrapped(*args, **kwargs)

    return chosen


def calls_back(place: int, name: str, carrier: Callable[[Call], object]) -> Wrapper:
    """The library takes what it is to call for each message.

    Args:
        place: where it takes that.
        name: under which it takes it.
        carrier: Of such a call, what carries the envelope.
    """

    def put(call: Call) -> Call:
        function = call.argument(place, name)
        if not callable(function):
            return call
        decorate = tenant_job(carrier=lambda *args, **kwargs: carrier(Call(None, args, kwargs)))
        return call.replaced(place, name, decorate(function))

    return sends(put)


def makes(put: Callable[[Call, Any], object]) -> Wrapper:
    """The library makes what is sent, or a part of it.

    Args:
        put: Puts an envelope into what was made, or takes one out of it; gives what replaces it, or None.
    """
    done = guarded("queue.send", default=None)(put)

    def wrapper(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        made = wrapped(*args, **kwargs)
        changed = done(Call(instance, args, kwargs), made)
        return made if changed is None else changed

    return wrapper


def works(carrier: Callable[[Call], object]) -> Wrapper:
    """The library calls a function, coroutine or generator for a message.

    Args:
        carrier: Of that call, what carries the envelope.
    """

    found = guarded("tenancy.carrier", default=None)(carrier)

    def wrapper(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        scoped = Scoped(lambda *args, **kwargs: job(found(Call(instance, args, kwargs))))
        return scoped.around(wrapped)(*args, **kwargs)

    return wrapper


def reads(carrier: Callable[[Any], object]) -> Wrapper:
    """The application asks for the next message; None if there is none.

    Args:
        carrier: Of a message, what carries the envelope.
    """
    found = guarded("queue.carrier", default=None)(carrier)

    def read(reader: object, message: Any) -> Any:
        carrier = NO_MESSAGE if message is None else found(message)
        if carrier is not NO_MESSAGE:
            enter(reader, carrier)
        return message

    return _reading(read)


def reads_batch(
    carrier: Callable[[Any], object], within: Callable[[Any, MakesBatch], Any] = _itself
) -> Wrapper:
    """The application asks for several messages at once.

    Args:
        carrier: Of a message, what carries the envelope.
        within: Gives the answer with each list of messages in it replaced by what is made of it, if it is no list.
    """
    found = guarded("queue.carrier", default=None)(carrier)
    replaced = guarded("queue.batch", default=None)(within)

    def read(reader: object, answer: Any) -> Any:
        made = replaced(answer, lambda messages: MessageBatch(messages, reader, found))
        return answer if made is None else made

    return _reading(read)


def by_key(found: Any, made: MakesBatch) -> Any:
    """For `reads_batch`: lists of messages by what they are of, such as Kafka's partitions.

    Args:
        found: The answer.
        made: Makes a batch of a list.
    """
    for key, messages in found.items():
        found[key] = made(messages)
    return found


def _reading(read: Callable[[object, Any], Any]) -> Wrapper:
    """The wrapper of a function or coroutine that gives what `read` gets to see."""

    def wrapper(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if _is_reading.get():
            return wrapped(*args, **kwargs)
        if inspect.iscoroutinefunction(wrapped):
            return awaited(wrapped, instance, args, kwargs)
        leave(instance)
        with _inside():
            found = wrapped(*args, **kwargs)
        return read(instance, found)

    async def awaited(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        leave(instance)
        with _inside():
            found = await wrapped(*args, **kwargs)
        return read(instance, found)

    return wrapper


@contextmanager
def _inside() -> Generator[None, None, None]:
    token = _is_reading.set(True)
    try:
        yield
    finally:
        _is_reading.reset(token)


def iterates(carrier: Callable[[Any], object]) -> Wrapper:
    """The library gives a generator of messages.

    Args:
        carrier: Of a message, what carries the envelope.
    """
    found = guarded("queue.carrier", default=None)(carrier)

    def steps(messages: Any) -> Generator[Any, Any, Any]:
        reader = Reader()
        try:
            for message in messages:
                carrier = found(message)
                if carrier is not NO_MESSAGE:
                    enter(reader, carrier)
                yield message
                leave(reader)
        finally:
            leave(reader)
            messages.close()

    def wrapper(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        return steps(wrapped(*args, **kwargs))

    return wrapper


def releases(reader: object) -> Wrapper:
    """The library's function within which a message is made current.

    Args:
        reader: In whose name that is.
    """

    @contextmanager
    def left() -> Generator[None, None, None]:
        try:
            yield
        finally:
            leave(reader)

    scoped = Scoped(lambda *_, **__: left())

    def wrapper(
        wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        return scoped.around(wrapped)(*args, **kwargs)

    return wrapper


def ends(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """The application asks for no more: the last message has been worked on.

    Args:
        wrapped: the library's function.
        instance: who read.
        args: its positional arguments.
        kwargs: its keyword arguments.
    """
    leave(instance)
    return wrapped(*args, **kwargs)
