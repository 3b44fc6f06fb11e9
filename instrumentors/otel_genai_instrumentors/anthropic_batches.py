"""The results of Anthropic's batches: each that succeeded is a message of its own, known once it is read.

It is for whom the batch was made, if this process made it, else for whoever reads it. Results that are read twice are
the same messages, which the ledger joins by their ids.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from threading import Lock
from typing import Any, Final

from opentelemetry import context

from otel_genai_cost import attributes as names
from otel_genai_cost.errors import guarded
from otel_genai_cost.hosts import place_of
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.tenancy.binding import attribution_of, bind, capture
from otel_genai_instrumentors.anthropic_answers import read_message
from otel_genai_instrumentors.generators import generated
from otel_genai_instrumentors.spans import CallTracer
from otel_genai_instrumentors.traced import showing
from otel_genai_instrumentors.unseen import Unseen

__all__ = ["Batches"]

_RESULTS: Final = re.compile(r"/batches/([^/]+)/results$")
_KEPT_MAX: Final = 10_000
_OPERATION: Final = "chat"


class Batches:
    """The batches that the clients of one process make and read.

    Args:
        tracer: starts the spans of the results.
    """

    def __init__(self, tracer: CallTracer) -> None:
        self._tracer = tracer
        self._owners: dict[str, Attribution] = {}
        self._lock = Lock()

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
        if owner is None or owner.tenant is None or not isinstance(batch_id, str):
            return
        with self._lock:
            self._owners[batch_id] = owner
            while len(self._owners) > _KEPT_MAX:
                del self._owners[next(iter(self._owners))]

    def _lines(self, decoder: Any) -> Unseen:
        return self._results(decoder) or Unseen(None)

    @guarded("instrumentor.batch", None)
    def _results(self, decoder: Any) -> Unseen | None:
        url = decoder.http_response.request.url
        found = _RESULTS.search(url.path)
        if found is None:
            return None
        with self._lock:
            owner = self._owners.get(found[1])
        return _Results(self._tracer, url.host, owner)


class _Results(Unseen):
    """The results of one batch, as they are read."""

    def __init__(self, tracer: CallTracer, host: str, owner: Attribution | None) -> None:
        super().__init__(host)
        self._tracer, self._owner = tracer, owner
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
        token = None if self._owner is None else context.attach(bind(self._owner))
        try:
            model = found.get(names.GEN_AI_RESPONSE_MODEL, "")
            self._tracer.start_own_span(f"{_OPERATION} {model}".strip(), attributes=found).end()
        finally:
            if token is not None:
                context.detach(token)


@guarded("instrumentor.batch", None)
def _whom() -> Attribution | None:
    return attribution_of(capture(None))
