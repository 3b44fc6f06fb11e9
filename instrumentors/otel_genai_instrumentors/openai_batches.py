"""The results of batches in OpenAI's format, of every client that makes such batches. Each line of a file of results is
a response of its own, known once it is read.

It is for whom the batch is: the tenant that the batch's own metadata names, else whom it was made for in this process,
else whoever reads it. A file that is read twice holds the same responses, which the ledger joins by their ids.
"""

from __future__ import annotations

import io
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, NamedTuple, cast

from opentelemetry import context

from otel_genai_cost import attributes as names
from otel_genai_cost.errors import guarded
from otel_genai_cost.tenancy.attribution import Attribution, tenant_id_of
from otel_genai_instrumentors.answers import as_json, as_object
from otel_genai_instrumentors.batch_lines import (
    SEEN_ENCODINGS,
    Lines,
    is_of_results,
    result_in,
    result_of,
)
from otel_genai_instrumentors.batch_owners import BatchOwners
from otel_genai_instrumentors.bodies import Kept
from otel_genai_instrumentors.method import Attributes
from otel_genai_instrumentors.spans import CallTracer
from otel_genai_instrumentors.streams import Unheeded, watch_body

__all__ = ["Batches", "Provider"]

_CONTENT: Final = re.compile(r"(?:^|/)files/([^/]+)/content$")
_MADE: Final = re.compile(r"(?:^|/)(?:batches|batch/jobs)$")
_ASKED: Final = re.compile(r"(?:^|/)(?:batches|batch/jobs)(?:/[^/]+){0,2}$")
_AT_ONCE_MAX: Final = 20
"""Lines of a file that came as a whole, which are read before its reader has it: a few milliseconds."""


class Provider(NamedTuple):
    """Whose batches they are, and the host that was asked."""

    name: str
    host: str


class Batches:
    """The batches and files of one process's clients.

    Args:
        tracer: starts the spans of the results.
        provider: names whose batches a client's are, by the client and the host; for `seen`.
    """

    def __init__(self, tracer: CallTracer, provider: Any = None) -> None:
        self._tracer, self._provider = tracer, provider
        self._owners = BatchOwners()

    def seen(self, client: Any, path: str, response: Any, result: Any) -> None:
        """A client that Stainless generates has got an answer that is none of a model's.

        Args:
            client: the client.
            path: of the request.
            response: the HTTP response.
            result: what the client made of it.
        """
        host = client.base_url.host
        self.answered(Provider(self._provider(client, host), host), path, response, result)

    def answered(self, provider: Provider, path: str, response: Any, result: Any) -> None:
        """An answer that is none of a model's.

        Args:
            provider: whose it is.
            path: of the request.
            response: the HTTP response.
            result: the batch that it is, or has several of, as an object with attributes.
        """
        path = path.partition("?")[0].rstrip("/")
        found = _CONTENT.search(path)
        if found is not None:
            self._downloaded(_File(self, provider, found[1]), response)
        elif _ASKED.search(path):
            is_new = response.request.method == "POST" and _MADE.search(path) is not None
            for batch in _batches_in(result):
                self._note(provider, batch, is_new)

    def _note(self, provider: Provider, batch: Any, is_new: bool) -> None:
        """Whom a batch, and the file of its results, is for; Mistral's may hold the results themselves."""
        output = getattr(batch, "output_file_id", None) or getattr(batch, "output_file", None)
        self._owners.note(batch.id, output, owner=_named_by(batch), is_new=is_new)
        for line in _listed(getattr(batch, "outputs", None)):
            self.emit(provider, batch.id, result_of(as_object(as_json(line)), provider.name))

    def _downloaded(self, file: _File, response: Any) -> None:
        if response.is_closed:
            file.read(response.content)
            return
        encoding = response.headers.get("content-encoding", "identity")
        watch_body(response, file, file.by_line(encoding) if encoding in SEEN_ENCODINGS else None)

    def emit(self, provider: Provider, key: str, found: Attributes | None) -> None:
        """A result is a call, of whom its batch is for.

        Args:
            provider: whose it is.
            key: the id of its file, or of its batch.
            found: what it used; None if there is nothing to bill.
        """
        if found is None:
            return
        attributes = {
            **found,
            names.GEN_AI_PROVIDER_NAME: provider.name,
            names.SERVER_ADDRESS: provider.host,
            names.BATCH: True,
        }
        model = found.get(names.GEN_AI_RESPONSE_MODEL, "")
        name = f"{found[names.GEN_AI_OPERATION_NAME]} {model}".strip()
        with self._owners.on_behalf(key):
            self._tracer.start_span(name, attributes=attributes).end()


class _File(Unheeded):
    """A file that is read, perhaps one of results. One that is encoded in a way whose lines cannot be seen as they pass
    is read at its end, as far as `Kept` keeps it."""

    def __init__(self, batches: Batches, provider: Provider, file_id: str) -> None:
        self._batches, self._provider, self._file_id = batches, provider, file_id
        self._is_of_results: bool | None = None
        self._lines: Lines | None = None
        self._kept: Kept | None = None

    def by_line(self, encoding: str) -> Lines:
        """What is shown its bytes as they pass."""
        self._lines = Lines(self._line, encoding)
        return self._lines

    def keep(self, kept: Kept) -> None:
        """What is read is kept there."""
        self._kept = kept

    @guarded("instrumentor.batch", None)
    def complete(self) -> None:
        """The file has been read, or closed."""
        lines, self._lines = self._lines, None
        kept, self._kept = self._kept, None
        if lines is not None:
            lines.end()
        elif kept is not None:
            self.read(kept.content())

    def read(self, content: bytes) -> None:
        """All of it is there. The first lines are read at once, the others by a thread that the process waits for, so
        that nobody who reads a long file does."""
        lines = iter(io.BytesIO(content))
        self._read(islice(lines, _AT_ONCE_MAX))
        if not self._is_of_results:
            return
        first = next(lines, None)
        if first is not None:
            self._line(first, is_cut=False)
            self._read_later(lines)

    def _read_later(self, lines: Iterator[bytes]) -> None:
        here = context.get_current()

        def read() -> None:
            context.attach(here)
            while self._read(islice(lines, _AT_ONCE_MAX)):
                time.sleep(0)  # others' turn

        try:
            threading.Thread(target=read, name="genai-cost-batch").start()
        except RuntimeError:  # the process ends
            read()

    def _read(self, lines: Iterable[bytes]) -> int:
        """How many lines it has read."""
        n = 0
        for line in lines:
            self._line(line, is_cut=False)
            n += 1
        return n

    @guarded("instrumentor.batch", None)
    def _line(self, line: bytes, is_cut: bool) -> None:
        if self._is_of_results is None and line.strip():
            self._is_of_results = is_of_results(line)
        if self._is_of_results:
            provider = self._provider
            found = result_in(line, provider.name, is_cut=is_cut)
            self._batches.emit(provider, self._file_id, found)


def _batches_in(result: Any) -> Iterator[Any]:
    """A batch, or those of a list or a page; Together says beside a new one what is the matter with it."""
    several = [*_listed(result), *_listed(getattr(result, "data", None))]
    found = (result, getattr(result, "job", None), *several)
    yield from (each for each in found if isinstance(getattr(each, "id", None), str))


def _listed(value: Any) -> Iterable[Any]:
    return cast("Iterable[Any]", value) if isinstance(value, (list, tuple)) else ()


def _named_by(batch: Any) -> Attribution | None:
    """The tenant that a batch's own metadata names."""
    metadata: Any = as_json(getattr(batch, "metadata", None))
    if not isinstance(metadata, Mapping):
        return None
    tenant = tenant_id_of(cast("Mapping[str, Any]", metadata).get(names.TENANT_ID))
    return None if tenant is None else Attribution(tenant, "for_tenant", None)
