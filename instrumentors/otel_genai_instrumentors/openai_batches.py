"""The results of OpenAI's batches. Each line of a batch's output file is a response of its own, known once it is read.

It is for whom the batch is: the tenant that the batch's own metadata names, else whom it was made for in this process,
else whoever reads it. A file that is read twice holds the same responses, which the ledger joins by their ids.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, cast

from otel_genai_cost import attributes as names
from otel_genai_cost.errors import guarded
from otel_genai_cost.tenancy.attribution import Attribution, tenant_id_of
from otel_genai_instrumentors.answers import as_object, described
from otel_genai_instrumentors.batch_owners import BatchOwners
from otel_genai_instrumentors.bodies import Kept
from otel_genai_instrumentors.method import Attributes
from otel_genai_instrumentors.spans import CallTracer
from otel_genai_instrumentors.streams import Unheeded, watch_body

__all__ = ["Batches"]

_BATCH: Final = "batch"
_CONTENT: Final = re.compile(r"(?:^|/)files/([^/]+)/content$")
_FIRST: Final = re.compile(rb'\s*\{\s*"id"\s*:\s*"batch_req_')
"""How an output file begins; no other file does."""

_ANSWERED: Final = 200
_OPERATIONS: Final[Mapping[str | None, str]] = {
    "chat.completion": "chat",
    "response": "chat",
    "text_completion": "text_completion",
    "list": "embeddings",
}


class Batches:
    """The batches and files of one process's clients.

    Args:
        tracer: starts the spans of the results.
        provider: names whose batches a client's are, by the client and the host.
    """

    def __init__(self, tracer: CallTracer, provider: Any) -> None:
        self._tracer, self._provider = tracer, provider
        self._owners = BatchOwners()

    def seen(self, client: Any, path: str, response: Any, result: Any) -> None:
        """The client has got an answer that is none of a model's.

        Args:
            client: the client.
            path: of the request.
            response: the HTTP response.
            result: what the client made of it.
        """
        found = _CONTENT.search(path.partition("?")[0])
        if found is None:
            for batch in _batches_in(result):
                self._remember(batch, _is_new(path, response))
        elif response.is_closed:
            self.read(client, found[1], response.content)
        else:
            watch_body(response, _Download(self, client, found[1]))

    def _remember(self, batch: Any, is_new: bool) -> None:
        """Whom a batch, and the file of its results, is for."""
        file_id = getattr(batch, "output_file_id", None)
        self._owners.note(batch.id, file_id, owner=_named_by(batch), is_new=is_new)

    def read(self, client: Any, file_id: str, content: bytes) -> None:
        """A file has been read; if it is one of results, each is a call.

        Args:
            client: whose file it is.
            file_id: the provider's.
            content: all of it.
        """
        if _FIRST.match(content) is None:
            return
        with self._owners.on_behalf(file_id):
            host = client.base_url.host
            start = {
                names.GEN_AI_PROVIDER_NAME: self._provider(client, host),
                names.SERVER_ADDRESS: host,
                names.BATCH: True,
            }
            for found in _answered(content):
                self._emit({**start, **found})

    def _emit(self, found: Attributes) -> None:
        name = f"{found[names.GEN_AI_OPERATION_NAME]} {found.get(names.GEN_AI_RESPONSE_MODEL, '')}"
        self._tracer.start_span(name.strip(), attributes=found).end()


class _Download(Unheeded):
    """A file that is read part by part, as `watch_body` shows it. Of one that is longer than what that keeps, the lines
    in the middle are lost."""

    def __init__(self, batches: Batches, client: Any, file_id: str) -> None:
        self._batches, self._client, self._file_id = batches, client, file_id
        self._kept: Kept | None = None

    def keep(self, kept: Kept) -> None:
        """What is read is kept there."""
        self._kept = kept

    @guarded("instrumentor.batch", None)
    def complete(self) -> None:
        """The file has been read, or closed."""
        kept, self._kept = self._kept, None
        if kept is not None:
            self._batches.read(self._client, self._file_id, kept.content())


def _batches_in(result: Any) -> Iterator[Any]:
    """A batch, or those of a page."""
    if getattr(result, "object", None) == _BATCH:
        yield result
        return
    data: Any = getattr(result, "data", None)
    for each in cast("Iterable[Any]", data) if isinstance(data, list) else ():
        if getattr(each, "object", None) == _BATCH:
            yield each


def _is_new(path: str, response: Any) -> bool:
    """Whether the answer is to the making of a batch."""
    return response.request.method == "POST" and path.rstrip("/").endswith("/batches")


def _named_by(batch: Any) -> Attribution | None:
    """The tenant that a batch's own metadata names."""
    metadata: Any = getattr(batch, "metadata", None)
    if not isinstance(metadata, Mapping):
        return None
    tenant = tenant_id_of(cast("Mapping[str, Any]", metadata).get(names.TENANT_ID))
    return None if tenant is None else Attribution(tenant, "for_tenant", None)


def _answered(content: bytes) -> Iterator[Attributes]:
    """What each line that was answered used."""
    for line in content.splitlines():
        try:
            found: Any = json.loads(line)
        except ValueError:
            continue
        response = as_object(as_object(found).get("response"))
        body = as_object(response.get("body"))
        if body and response.get("status_code") == _ANSWERED:
            yield _result(found.get("id"), body)


def _result(line_id: Any, body: Mapping[str, Any]) -> Attributes:
    """A response; one without an id is known by its line's. Its tier is the batch."""
    found = described({"id": line_id, **body}, "openai")
    found.pop(names.SERVICE_TIER, None)
    found[names.GEN_AI_OPERATION_NAME] = _OPERATIONS.get(body.get("object"), "batch")
    return found
