"""What a client's driver supplies: how to make the calls of the contract with the real library.

A file of `drivers/`, named after the library, has `DRIVERS`: one a kind of call that the client has, such as chat
completions and responses. A driver has the methods that its client can serve; what the client lacks is one of its
`gaps`, with the reason. Cases without a method and without a gap fail.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Final, NamedTuple

from otel_genai_cost.testing.standin import Answer, Usage
from otel_genai_instrumentors.client import ClientInstrumentor

__all__ = ["Ask", "Driver", "drivers_of", "is_installed"]

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_FOLDER: Final = Path(__file__).resolve().parent / "drivers"


class Ask(NamedTuple):
    """What a call asks for. `tools`: the model may call the tool `weather`, of which `city` is a string. `tier` is a
    tier of service, `max_tokens` a limit of the output where the method can send one."""

    model: str
    text: str
    tools: bool = False
    tier: str | None = None
    max_tokens: int = 64


class Driver:
    """One kind of call of one client. Subclasses have, as methods, those of these that the client can serve:

    - `chat(client, ask)`: one answer, read to its end
    - `stream(client, ask)`: an iterable of the answer's parts, usage asked for where it comes only then
    - `stream_unasked(client, ask)`: the same, usage not asked for
    - `embeddings(client, ask)`, `images(client, ask)`, `audio(client, ask)`, `batch(client, ask)`
    - `async_chat(client, ask)`, `async_stream(client, ask)`: coroutines; the latter gives an async iterable

    `close(stream)` and `async_close(stream)` leave a stream half-way.
    """

    library: ClassVar[str]
    """The library, as the manifest names it."""
    name: ClassVar[str]
    """The kind of call, for the table."""
    provider: ClassVar[str]
    """As the stand-in's routes name it."""
    instrumentor: ClassVar[type[ClientInstrumentor]]
    model: ClassVar[str]
    models: ClassVar[Mapping[str, str]] = _NOTHING
    """Case -> its model, where it is not `model`."""
    usages: ClassVar[Mapping[str, Usage]] = _NOTHING
    """Case -> what is scripted for it, where the contract's own is not what the provider reports."""
    options: ClassVar[Mapping[str, Mapping[str, Any]]] = _NOTHING
    """Case -> options of its answer that the wire format has."""
    tier: ClassVar[str] = "flex"
    """A tier that is priced otherwise than the standard."""
    volatile: ClassVar[frozenset[str]] = frozenset()
    """Headers that differ from call to call."""
    stalls_after: ClassVar[int] = 2
    """After how many parts of the wire a stream that is left has given the application something."""
    is_priced: ClassVar[bool] = True
    """Whether the price book has the model's price."""
    batch_is_priced: ClassVar[bool] = True
    """Whether it has that of its batches."""
    gaps: ClassVar[Mapping[str, str]] = _NOTHING
    """Case -> why the client cannot do it."""

    def client(
        self, url: str, *, retries: int = 0, timeout_s: float = 30
    ) -> AbstractContextManager[Any]:
        """A client of the stand-in's `url`, which the path of the provider's own root is added to."""
        raise NotImplementedError

    def async_client(
        self, url: str, *, retries: int = 0, timeout_s: float = 30
    ) -> AbstractAsyncContextManager[Any]:
        """The same for `asyncio`."""
        raise NotImplementedError

    def does(self, method: str) -> Callable[..., Any]:
        """One of its methods, of which a driver has those that its client can serve."""
        found: Callable[..., Any] = getattr(self, method)
        return found

    def close(self, stream: Any) -> None:
        """Leave a stream."""
        stream.close()

    async def async_close(self, stream: Any) -> None:
        """Leave an async stream."""
        await stream.close()

    def answer(self, case: str, scripted: Answer) -> Answer:
        """What the stand-in answers in a case."""
        if scripted.stalls_after is not None:
            scripted = scripted._replace(stalls_after=self.stalls_after)
        if scripted.usage is None:
            return scripted
        usage = self.usages.get(case, scripted.usage)
        return scripted._replace(usage=usage, options=self.options.get(case, _NOTHING))

    def ask(self, case: str, text: str) -> Ask:
        """What a case asks for."""
        return Ask(self.models.get(case, self.model), text)


def is_installed(library: str) -> bool:
    """Whether a library is in this environment. Those that cannot live with others have environments of their own."""
    try:
        version(library)
    except PackageNotFoundError:
        return False
    return True


def drivers_of(library: str) -> tuple[Driver, ...]:
    """The drivers of a library; none if it has no file."""
    name = library.replace("-", "_")
    if not (_FOLDER / f"{name}.py").exists():
        return ()
    drivers: tuple[Driver, ...] = import_module(f"tests.contract.drivers.{name}").DRIVERS
    return drivers
