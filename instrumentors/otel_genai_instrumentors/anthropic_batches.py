"""The results of Anthropic's batches: each that succeeded is a message of its own, known once it is read.

It is for whom the batch was made, if this process made it, else for whoever reads it. Results that are read twice are
the same messages, which the ledger joins by their ids.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from otel_genai_cost import attributes as names
from otel_genai_cost.errors import guarded
from otel_genai_cost.hosts import place_of
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_instrumentors.anthropic_answers import read_message
from otel_genai_instrumentors.batch_owners import BatchOwners, owner_here
from otel_genai_instrumentors.generators import generated
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.spans import CallTracer
from otel_genai_instrumentors.traced import showing
from otel_genai_instrumentors.unseen import Unseen

__all__ = ["Batches"]

_RESULTS: Final = re.compile(r"/batches/([^/]+)/results$")
_OPERATION: Final = "chat"
_DECODERS: Final = "anthropic._decoders.jsonl"


class Batches:
    """The batches that the clients of one process make and read.

    Args:
        tracer: starts the spans of the results.
    """

    def __init__(self, tracer: CallTracer) -> None:
        self._tracer = tracer
        self._owners = BatchOwners()

    def patches(self, homes: Iterable[str]) -> Iterable[Patch]:
        """Where they are made, and their results read.

        Args:
            homes: the packages of the resources that have batches.
        """
        for kind in ("", "Async"):
            for home in homes:
                yield Patch(f"{home}.batches", f"{kind}Batches.create", self.made, optional=True)
            yield Patch(_DECODERS, f"{kind}JSONLDecoder.__decode__", self.decoded, optional=True)

    def made(
        self, wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """The wrapper of what makes a batch, sync or async.

        Args:
            wrapped: the client's method.
            args: what it is called with.
            kwargs: likewise, by name.
        """
        owner = _whom()
        batch = wrapped(*args, **kwargs)
        if inspect.iscoroutine(batch):
            return showing(batch, lambda made: self._remember(made, owner))
        self._remember(batch, owner)
        return batch

    def decoded(
        self, wrapped: Callable[..., Any], decoder: Any, args: tuple[Any, ...], kwargs: Any
    ) -> Any:
        """The wrapper of what makes a generator of the lines of an answer, sync or async.

        Args:
            wrapped: the client's method.
            decoder: what it is called on.
            args: what it is called with.
            kwargs: likewise, by name.
        """
        return generated(lambda: self._lines(decoder), wrapped(*args, **kwargs))

    @guarded("instrumentor.batch", None)
    def _remember(self, batch: Any, owner: Attribution | None) -> None:
        batch_id = getattr(batch, "id", None)
        if isinstance(batch_id, str):
            self._owners.note(batch_id, owner=owner)

    def _lines(self, decoder: Any) -> Unseen:
        return self._results(decoder) or Unseen(None)

    @guarded("instrumentor.batch", None)
    def _results(self, decoder: Any) -> Unseen | None:
        url = decoder.http_response.request.url
        found = _RESULTS.search(url.path)
        return None if found is None else _Results(self._tracer, self._owners, found[1], url.host)


class _Results(Unseen):
    """The results of one batch, as they are read."""

    def __init__(self, tracer: CallTracer, owners: BatchOwners, batch_id: str, host: str) -> None:
        super().__init__(host)
        self._tracer, self._owners, self._batch_id = tracer, owners, batch_id
        self._start = {
            names.GEN_AI_OPERATION_NAME: _OPERATION,
            names.GEN_AI_PROVIDER_NAME: place_of(host).provider or "anthropic",
            names.SERVER_ADDRESS: host,
            names.BATCH: True,
        }

    def learn(self, part: Any) -> bool:
        """A line."""
        self._emit(part)
        return False

    @guarded("instrumentor.batch", None)
    def _emit(self, line: Any) -> None:
        message = getattr(getattr(line, "result", None), "message", None)
        if message is None:
            return
        found = {**read_message(message), **self._start}
        with self._owners.on_behalf(self._batch_id):
            model = found.get(names.GEN_AI_RESPONSE_MODEL, "")
            self._tracer.start_own_span(f"{_OPERATION} {model}".strip(), attributes=found).end()


_whom = guarded("instrumentor.batch", None)(owner_here)
