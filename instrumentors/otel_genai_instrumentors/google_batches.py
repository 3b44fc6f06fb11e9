"""The results of Gemini's batches: each that an answer or a file brings is a response of its own, read once a process.

Results stand in the batch itself, or in a file. Those of Vertex AI are in the storage of the team, which this client
does not read.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from otel_genai_cost import attributes as names
from otel_genai_cost.errors import guarded
from otel_genai_cost.hosts import place_of
from otel_genai_instrumentors.answers import as_object
from otel_genai_instrumentors.batch_owners import BatchOwners
from otel_genai_instrumentors.gemini_answers import read_embedded, read_generated
from otel_genai_instrumentors.google_internals import bound, content_of, downloads, server
from otel_genai_instrumentors.method import Attributes
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.spans import CallTracer

__all__ = ["GoogleBatches"]

_MADE: Final = (":batchGenerateContent", ":asyncBatchEmbedContent")
_BATCH: Final = "batches/"
_FIRST: Final = (b'{"response"', b'{"key"', b'{"metadata"')
"""How a file of results may begin."""

_READ_MAX: Final = 10_000
_EMBEDDED: Final = "embedding"


class GoogleBatches:
    """The batches of one process's clients.

    Args:
        tracer: starts the spans of the results.
    """

    def __init__(self, tracer: CallTracer) -> None:
        self._tracer = tracer
        self._owners = BatchOwners()
        self._read: dict[str, None] = {}

    def sent(self, wrapped: Callable[..., Any], client: Any, args: Any, kwargs: Any) -> Any:
        """The wrapper of the transport for what is no call of a model.

        Args:
            wrapped: sends it.
            client: whose it is.
            args: by place.
            kwargs: by name.
        """
        path = bound(args, kwargs).path
        result = wrapped(*args, **kwargs)
        if inspect.iscoroutine(result):
            return self._awaited(result, client, path)
        self._seen(client, path, result)
        return result

    async def _awaited(self, pending: Any, client: Any, path: str) -> Any:
        result = await pending
        self._seen(client, path, result)
        return result

    def patches(self) -> Iterable[Patch]:
        """Where files are read."""
        return downloads(self._downloaded)

    @guarded("instrumentor.batch", None)
    def _seen(self, client: Any, path: str, result: Any) -> None:
        """A batch that was made, or asked about."""
        is_new = path.endswith(_MADE)
        if not is_new and not path.startswith(_BATCH):
            return
        batch = content_of(result)
        name, metadata = str(batch.get("name") or ""), as_object(batch.get("metadata"))
        output = as_object(metadata.get("output")) or as_object(batch.get("response"))
        self._owners.note(name, output.get("responsesFile"), is_new=is_new)
        results = [*_inlined(output)]
        if name and results:
            self._emit(client, name, results, str(metadata.get("model") or ""))

    @guarded("instrumentor.batch", None)
    def _downloaded(self, client: Any, path: str, content: Any) -> None:
        """A file was read, perhaps one of results."""
        if not isinstance(content, bytes) or not content.lstrip()[:12].startswith(_FIRST):
            return
        file = path.partition(":")[0]
        self._emit(client, file[file.find("files/") :], list(_lines(content)), "")

    def _emit(self, client: Any, key: str, results: list[Mapping[str, Any]], model: str) -> None:
        """A span for each result, unless they were read before."""
        if key in self._read:
            return
        self._read[key] = None
        while len(self._read) > _READ_MAX:
            del self._read[next(iter(self._read))]
        host, _ = server(client, (), {})
        start: Attributes = {
            names.GEN_AI_PROVIDER_NAME: place_of(host or "").provider or "gcp.gemini",
            names.BATCH: True,
        }
        if host:
            start[names.SERVER_ADDRESS] = host
        if model:
            start[names.GEN_AI_REQUEST_MODEL] = model.removeprefix("models/")
        with self._owners.on_behalf(key):
            for n, result in enumerate(results):
                found = {**start, **_used(result, f"{key}/{n}")}
                name = f"{found[names.GEN_AI_OPERATION_NAME]} {model}".strip()
                self._tracer.start_span(name, attributes=found).end()


def _inlined(output: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What was answered of what the batch itself holds."""
    for kind in ("inlinedResponses", "inlinedEmbedContentResponses"):
        held: list[Any] = as_object(output.get(kind)).get("inlinedResponses") or []
        for each in held:
            if response := as_object(as_object(each).get("response")):
                yield response


def _lines(content: bytes) -> Iterator[Mapping[str, Any]]:
    for line in content.splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if response := as_object(as_object(found).get("response")):
            yield response


def _used(response: Mapping[str, Any], otherwise: str) -> Attributes:
    """What a result used; one without an id is known by its place. Its tier is the batch."""
    if _EMBEDDED in response:
        count = response.get("tokenCount")
        usage = {"promptTokenCount": int(count)} if count is not None else None
        found = read_embedded({"usageMetadata": usage, **response})
        found[names.GEN_AI_OPERATION_NAME] = "embeddings"
    else:
        found = read_generated(response)
        found[names.GEN_AI_OPERATION_NAME] = "generate_content"
    found.pop(names.SERVICE_TIER, None)
    found.setdefault(names.GEN_AI_RESPONSE_ID, otherwise)
    return found
