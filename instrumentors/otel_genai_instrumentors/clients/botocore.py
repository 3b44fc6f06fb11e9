"""Amazon Bedrock by botocore 1.34.116 and newer, which boto3 is made of, and by aiobotocore: Converse and InvokeModel,
streamed or not, and Rerank.

To count tokens is free. What a guardrail bills is not counted: an answer that one looked at says that there is more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from otel_genai_cost import attributes as names
from otel_genai_instrumentors import bedrock_answers as answers
from otel_genai_instrumentors import bedrock_requests as requests
from otel_genai_instrumentors import boto
from otel_genai_instrumentors.client import ClientInstrumentor
from otel_genai_instrumentors.method import Answer, Method
from otel_genai_instrumentors.patching import Patch, Wrapper
from otel_genai_instrumentors.spans import CallTracer
from otel_genai_instrumentors.traced import traced

__all__ = ["BotocoreInstrumentor"]


def _streamed(answer: Mapping[str, Any]) -> Answer:
    """The events of ConverseStream stand in `stream`, those of InvokeModelWithResponseStream in `body`."""
    stream = answer.get("stream", answer.get("body"))
    return boto.answer_of_stream(stream, answers.head_of(answer))


def _invoked(answer: Mapping[str, Any]) -> Answer:
    head, is_counted = answers.head_of(answer), answers.is_counted(answer)
    return boto.answer_of_body(answer.get("body"), head, is_counted=is_counted)


_CONVERSE: Final = Method(
    "chat",
    requests.request,
    answers.read_converse,
    answers.part_of_converse,
    boto.server,
    shows_attempts=boto.shows_attempts,
    unpack=answers.unpacked,
    may_wait=answers.is_a_delta,
    body=requests.conversation,
    text=answers.text_of,
)
_CONVERSE_STREAM: Final = _CONVERSE._replace(request=requests.streamed, answer=_streamed)
_INVOKE: Final = _CONVERSE._replace(
    response=answers.read_invoked, answer=_invoked, body=requests.body
)
_INVOKE_STREAM: Final = _INVOKE._replace(
    request=requests.streamed,
    part=answers.part_of_invoked,
    answer=_streamed,
    may_wait=answers.brings_words,
)
_RERANK: Final = _CONVERSE._replace(
    operation="rerank",
    request=requests.reranked,
    body=requests.nothing,
    uses=requests.searches,
)
_INVOKED: Final = (
    _INVOKE,
    _INVOKE._replace(operation="embeddings", body=requests.nothing),
    _INVOKE._replace(operation="rerank", body=requests.nothing, uses=requests.searches_of_body),
)
_OPERATIONS: Final[Mapping[str, tuple[str, tuple[Method, ...]]]] = {
    "Converse": ("bedrock-runtime", (_CONVERSE,)),
    "ConverseStream": ("bedrock-runtime", (_CONVERSE_STREAM,)),
    "InvokeModel": ("bedrock-runtime", _INVOKED),
    "InvokeModelWithResponseStream": ("bedrock-runtime", (_INVOKE_STREAM,)),
    "Rerank": ("bedrock-agent-runtime", (_RERANK,)),
}
"""Operation -> service, and the facts; of several, those of what the call is for."""


def _guarded(method: Method) -> Method:
    """The same, where a guardrail looks at the call."""

    def answer(result: Any) -> Answer:
        found = method.answer(result)
        return found._replace(head={**found.head, names.USAGE_INCOMPLETE: True})

    return method._replace(answer=answer)


def _route(tracer: CallTracer, service: str, methods: tuple[Method, ...]) -> boto.Route:
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
            lambda: {name: _route(tracer, *each) for name, each in _OPERATIONS.items()}
        )
