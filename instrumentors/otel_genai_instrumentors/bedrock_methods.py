"""The facts of each operation of Amazon Bedrock that is billed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from otel_genai_instrumentors import bedrock_answers as answers
from otel_genai_instrumentors import bedrock_requests as requests
from otel_genai_instrumentors import bedrock_units as units
from otel_genai_instrumentors import boto
from otel_genai_instrumentors.method import Answer, Method

__all__ = ["OPERATIONS"]


def _streamed(answer: Mapping[str, Any]) -> Answer:
    """The events of ConverseStream stand in `stream`, those of InvokeModelWithResponseStream in `body`."""
    stream = answer.get("stream", answer.get("body"))
    return boto.answer_of_stream(stream, answers.head_of(answer))


def _invoked(answer: Mapping[str, Any]) -> Answer:
    head, is_counted = answers.head_of(answer), answers.is_counted(answer)
    return boto.answer_of_body(answer.get("body"), head, is_counted=is_counted)


def _begun(answer: Mapping[str, Any]) -> Answer:
    """Of a body that nobody has to read."""
    return Answer(head=answers.id_of(answer))


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
_GUARDRAIL: Final = _CONVERSE._replace(
    operation=units.GUARDRAIL,
    request=units.guarded,
    response=units.read_guarded,
    body=requests.nothing,
)
_JOB: Final = _CONVERSE._replace(
    operation="async_invoke", response=units.read_job, body=requests.nothing, uses=units.video
)
_INVOKED: Final = (
    _INVOKE,
    _INVOKE._replace(operation="embeddings", body=requests.nothing),
    _INVOKE._replace(operation="rerank", body=requests.nothing, uses=requests.searches_of_body),
    _INVOKE._replace(
        operation="image_generation",
        answer=_begun,
        response=units.read_nothing,
        body=requests.nothing,
        uses=units.images,
    ),
)
OPERATIONS: Final[Mapping[str, tuple[str, tuple[Method, ...]]]] = {
    "Converse": ("bedrock-runtime", (_CONVERSE,)),
    "ConverseStream": ("bedrock-runtime", (_CONVERSE_STREAM,)),
    "InvokeModel": ("bedrock-runtime", _INVOKED),
    "InvokeModelWithResponseStream": ("bedrock-runtime", (_INVOKE_STREAM,)),
    "ApplyGuardrail": ("bedrock-runtime", (_GUARDRAIL,)),
    "InvokeGuardrailChecks": ("bedrock-runtime", (_GUARDRAIL,)),
    "StartAsyncInvoke": ("bedrock-runtime", (_JOB,)),
    "Rerank": ("bedrock-agent-runtime", (_RERANK,)),
}
"""Operation -> service, and the facts; of several, those of what the call is for."""
