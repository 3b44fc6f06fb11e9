"""A service that answers questions for many customers.

    OTEL_GENAI_COST_TENANT=header:x-org-id opentelemetry-instrument uvicorn service:app

Whom a request is for is read from the header at the edge; the functions below need not know. Two lines of ours say what
no header can: which part of the product a call belongs to, and that the summary is written after the answer was sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import openai
from fastapi import FastAPI, Header
from fastapi.responses import StreamingResponse

from otel_genai_cost import detached, tenant

app = FastAPI()
client = openai.AsyncOpenAI()
summaries: set[asyncio.Task[str]] = set()


async def ask(question: str) -> str:
    answer = await client.chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": question}]
    )
    return answer.choices[0].message.content or ""


@app.get("/answer")
async def answer(question: str, x_org_id: Annotated[str, Header()]) -> dict[str, str]:
    with tenant(x_org_id, feature="search"):
        found = await ask(question)
    with detached():  # the task may end after this request, and is still this tenant's
        task = asyncio.create_task(ask(f"Summarise: {question}"))
    summaries.add(task)
    task.add_done_callback(summaries.discard)
    return {"answer": found}


@app.get("/story")
async def story() -> StreamingResponse:
    async def words() -> AsyncIterator[str]:
        stream = await client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "Tell a story."}], stream=True
        )
        async for chunk in stream:
            if chunk.choices:
                yield chunk.choices[0].delta.content or ""

    return StreamingResponse(words(), media_type="text/plain")
