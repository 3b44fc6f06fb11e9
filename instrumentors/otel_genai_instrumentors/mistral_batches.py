"""The results of Mistral's batch jobs, whose files are like those of OpenAI's batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from otel_genai_cost.hosts import place_of
from otel_genai_instrumentors.bodies import whole
from otel_genai_instrumentors.openai_batches import Batches, Provider
from otel_genai_instrumentors.spans import CallTracer

__all__ = ["beside_calls"]

_JOBS: Final = "/batch/jobs"


def beside_calls(tracer: CallTracer, packages: Mapping[str, str]) -> Callable[[str, Any], None]:
    """What is shown the responses that are none of a model's.

    Args:
        tracer: starts the spans of the results.
        packages: of the clients, and whose they are, where the host is nobody else's.
    """
    batches = Batches(tracer)

    def seen(package: str, response: Any) -> None:
        url = response.request.url
        job = whole(response.content) if _JOBS in url.path else None
        provider = place_of(url.host).provider or packages[package]
        batches.answered(Provider(provider, url.host), url.path, response, job)

    return seen
