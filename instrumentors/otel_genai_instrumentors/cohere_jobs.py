"""Cohere's jobs, which say themselves what they used when they are done: batches, and jobs of embeddings. Their results
are datasets, whose lines say less.

A job is one response, for whom it was made, if this process made it, else for whoever asks for it. It is reported once
a process, and joined by its id in the ledger.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from otel_genai_cost import attributes as names
from otel_genai_cost.errors import guarded
from otel_genai_cost.hosts import place_of
from otel_genai_instrumentors.answers import described
from otel_genai_instrumentors.batch_owners import BatchOwners
from otel_genai_instrumentors.cohere_answers import read
from otel_genai_instrumentors.fern import base_url_of
from otel_genai_instrumentors.method import Attributes
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.spans import CallTracer
from otel_genai_instrumentors.traced import showing

__all__ = ["CohereJobs"]

_HOMES: Final = (
    ("batches", "BatchesClient", ("create", "retrieve", "list", "cancel")),
    ("embed_jobs", "EmbedJobsClient", ("create", "get", "list")),
)
_ENDED: Final = frozenset(
    {"BATCH_STATUS_COMPLETED", "BATCH_STATUS_FAILED", "BATCH_STATUS_CANCELED", "complete"}
)
_SEVERAL: Final = ("batches", "embed_jobs")
_SIDES: Final = ("input_tokens", "output_tokens")
_REPORTED_MAX: Final = 10_000


class CohereJobs:
    """The jobs that the clients of one process make and ask for.

    Args:
        tracer: starts their spans.
    """

    def __init__(self, tracer: CallTracer) -> None:
        self._tracer = tracer
        self._owners = BatchOwners()
        self._reported: dict[str, None] = {}

    def patches(self) -> Iterable[Patch]:
        """Where jobs are seen, in newer versions and in older ones."""
        for package, kind, functions in _HOMES:
            for prefix in ("", "Async"):
                for name in functions:
                    yield Patch(
                        f"cohere.{package}.raw_client",
                        f"{prefix}Raw{kind}.{name}",
                        self._asked,
                        optional=True,
                    )
                    yield Patch(
                        f"cohere.{package}.client",
                        f"{prefix}{kind}.{name}",
                        self._asked,
                        optional=True,
                    )

    def _asked(self, wrapped: Callable[..., Any], resource: Any, args: Any, kwargs: Any) -> Any:
        is_new = wrapped.__name__ == "create"
        result = wrapped(*args, **kwargs)
        if inspect.iscoroutine(result):
            return showing(result, lambda found: self._seen(resource, found, is_new))
        self._seen(resource, result, is_new)
        return result

    @guarded("instrumentor.batch", None)
    def _seen(self, resource: Any, result: Any, is_new: bool) -> None:
        for job in _jobs_in(getattr(result, "data", result)):
            job_id = _id_of(job)
            if job_id is not None:
                self._owners.note(job_id, is_new=is_new)
                if getattr(job, "status", None) in _ENDED and job_id not in self._reported:
                    self._report(resource, job, job_id)

    def _report(self, resource: Any, job: Any, job_id: str) -> None:
        self._reported[job_id] = None
        while len(self._reported) > _REPORTED_MAX:
            del self._reported[next(iter(self._reported))]
        host = urlsplit(base_url_of(resource)).hostname or ""
        found = {
            **_used(job),
            names.GEN_AI_PROVIDER_NAME: place_of(host).provider or "cohere",
            names.GEN_AI_RESPONSE_ID: job_id,
            names.GEN_AI_RESPONSE_MODEL: job.model,
            names.SERVER_ADDRESS: host,
            names.BATCH: True,
        }
        with self._owners.on_behalf(job_id):
            name = f"{found[names.GEN_AI_OPERATION_NAME]} {job.model}"
            self._tracer.start_span(name, attributes=found).end()


def _jobs_in(data: Any) -> Iterator[Any]:
    """A job, or those of a list."""
    yield from (data, getattr(data, "batch", None))
    for name in _SEVERAL:
        yield from getattr(data, name, None) or ()


def _id_of(job: Any) -> str | None:
    found = getattr(job, "job_id", None) or getattr(job, "id", None)
    return found if isinstance(found, str) else None


def _used(job: Any) -> Attributes:
    """What a job of embeddings was billed, or how much a batch of chats read and wrote."""
    if hasattr(job, "job_id"):
        return {**read(job), names.GEN_AI_OPERATION_NAME: "embeddings"}
    counts = {side: getattr(job, side, None) for side in _SIDES}
    known = {side: int(count) for side, count in counts.items() if count is not None}
    found = described({"usage": {"tokens": known}}, "cohere")
    return {**found, names.GEN_AI_OPERATION_NAME: "chat"}
