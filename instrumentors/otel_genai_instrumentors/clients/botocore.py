"""Amazon Bedrock by botocore 1.34.116 and newer, which boto3 is made of, and by aiobotocore: Converse and InvokeModel,
streamed or not, images, Rerank, guardrails, and jobs that are begun.

To count tokens is free. What a guardrail bills that looks at a call is not counted: its answer says that there is more.
botocore has no InvokeModelWithBidirectionalStream.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from otel_genai_cost import attributes as names
from otel_genai_instrumentors import bedrock_requests as requests
from otel_genai_instrumentors import bedrock_units as units
from otel_genai_instrumentors import boto
from otel_genai_instrumentors.bedrock_methods import OPERATIONS
from otel_genai_instrumentors.client import ClientInstrumentor
from otel_genai_instrumentors.gates.botocore import gate_of
from otel_genai_instrumentors.method import Answer, Method
from otel_genai_instrumentors.patching import Patch, Wrapper
from otel_genai_instrumentors.spans import CallTracer
from otel_genai_instrumentors.traced import traced

__all__ = ["BotocoreInstrumentor"]


def _guarded(method: Method) -> Method:
    """The same, where a guardrail looks at the call, and is not the call."""
    if method.operation == units.GUARDRAIL:
        return method

    def answer(result: Any) -> Answer:
        found = method.answer(result)
        return found._replace(head={**found.head, names.USAGE_INCOMPLETE: True})

    return method._replace(answer=answer)


def _route(tracer: CallTracer, name: str, service: str, methods: tuple[Method, ...]) -> boto.Route:
    methods = tuple(each._replace(gate=gate_of(name)) for each in methods)
    usual = methods[0].operation
    ways = {(each.operation, False): traced(each, tracer) for each in methods}
    ways |= {(each.operation, True): traced(_guarded(each), tracer) for each in methods}

    def chosen(params: Mapping[str, Any]) -> Wrapper:
        operation = requests.operation_of(params) if len(methods) > 1 else usual
        return ways[operation, requests.is_guarded(params)]

    return boto.Route(service, chosen)


class BotocoreInstrumentor(ClientInstrumentor):
    """Traces the clients of Amazon Bedrock."""

    library = "botocore"
    requirements = ("botocore >= 1.34.116",)

    def patches(self, **options: Any) -> Iterable[Patch]:
        yield from super().patches(**options)
        tracer = CallTracer(self.library, options.get("tracer_provider"))
        yield from boto.patches(
            lambda: {name: _route(tracer, name, *each) for name, each in OPERATIONS.items()}
        )
