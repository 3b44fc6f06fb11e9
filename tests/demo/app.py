"""The demo's application: a help desk for several customers, answered by an LLM.

An ordinary FastAPI service. It uses OpenTelemetry's API where any team may (baggage for the feature, one span of
its own), and knows nothing of cost. `user` is passed because the provider's bill carries it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from typing import Annotated

from fastapi import FastAPI, Header, HTTPException
from fastapi.responses import StreamingResponse
from openai import APIStatusError, AsyncOpenAI, AsyncStream, omit
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from opentelemetry import baggage, context, trace
from pydantic import BaseModel

from tests.demo.worker import result_of, summarise

__all__ = ["api"]

api = FastAPI(title="help desk")
llm = AsyncOpenAI(max_retries=2)
tracer = trace.get_tracer("help_desk.assistant")

Customer = Annotated[str | None, Header(alias="x-org-id")]


class Question(BaseModel):
    """What a customer asks, and the model their plan includes."""

    text: str
    model: str = "gpt-4o-mini"


@contextmanager
def feature(name: str) -> Generator[None]:
    """Say in OpenTelemetry baggage which part of the product is at work; queues carry it along."""
    token = context.attach(baggage.set_baggage("genai_cost.feature", name))
    try:
        yield
    finally:
        context.detach(token)


@api.get("/health")
async def health() -> dict[str, str]:
    """Whether the service is up."""
    return {"status": "ok"}


@api.post("/ask")
async def ask(question: Question, customer: Customer = None) -> dict[str, str]:
    """One question, one answer. A provider that stays broken is the caller's 502."""
    with feature("assistant"):
        try:
            answer = await _chat(question, customer)
        except APIStatusError as error:
            raise HTTPException(502, f"the model answered {error.status_code}") from error
    return {"answer": answer.choices[0].message.content or ""}


@api.post("/ask/stream")
async def ask_stream(
    question: Question, usage: bool = False, customer: Customer = None
) -> StreamingResponse:
    """The same, word by word; `usage` asks the provider to report its tokens at the end."""
    with feature("assistant"):
        chunks = await llm.chat.completions.create(
            model=question.model,
            messages=[{"role": "user", "content": question.text}],
            stream=True,
            stream_options={"include_usage": True} if usage else omit,
            user=customer or omit,
        )
    return StreamingResponse(_words(chunks), media_type="text/plain")


async def _words(chunks: AsyncStream[ChatCompletionChunk]) -> AsyncIterator[str]:
    async for chunk in chunks:
        if chunk.choices:
            yield chunk.choices[0].delta.content or ""


@api.post("/search")
async def search(question: Question, customer: Customer = None) -> dict[str, int]:
    """Embed the question for the customer's index."""
    with feature("search"):
        found = await llm.embeddings.create(
            model="text-embedding-3-small", input=question.text, user=customer or omit
        )
    return {"dimensions": len(found.data[0].embedding)}


@api.post("/agent")
async def agent(question: Question, customer: Customer = None) -> dict[str, str]:
    """A team's own assistant that traces itself by the conventions, as agent frameworks do: its span reports the
    usage that the client's span reports as well."""
    with feature("agent"), tracer.start_as_current_span("chat assistant") as span:
        answer = await _chat(question, customer)
        span.set_attribute("gen_ai.operation.name", "chat")
        span.set_attribute("gen_ai.provider.name", "openai")
        span.set_attribute("gen_ai.request.model", question.model)
        if answer.usage is not None:
            span.set_attribute("gen_ai.usage.input_tokens", answer.usage.prompt_tokens)
            span.set_attribute("gen_ai.usage.output_tokens", answer.usage.completion_tokens)
    return {"answer": answer.choices[0].message.content or ""}


@api.post("/documents")
async def hand_in(question: Question, customer: Customer = None) -> dict[str, str]:
    """Hand a document to the background worker, and check its language meanwhile."""
    with feature("documents"):
        job = summarise.delay(question.text, customer)
        await _chat(Question(text=f"Which language is this? {question.text}"), customer)
    return {"job": job.id}


@api.get("/documents/{job_id}")
async def summary(job_id: str) -> dict[str, str | None]:
    """The summary, or null while the worker is at it."""
    job = result_of(job_id)
    return {"summary": job.get() if job.ready() else None}


async def _chat(question: Question, customer: str | None) -> ChatCompletion:
    return await llm.chat.completions.create(
        model=question.model,
        messages=[
            {"role": "system", "content": "You answer for a help desk, briefly."},
            {"role": "user", "content": question.text},
        ],
        user=customer or omit,
    )
