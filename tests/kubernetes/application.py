"""An application as a pod would run it: FastAPI and the `openai` client, and not a word of telemetry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from openai import OpenAI
from openai.types.chat import ChatCompletionUserMessageParam

app = FastAPI()
client = OpenAI()
_ASKED: Final = ChatCompletionUserMessageParam(role="user", content="Say hello in five languages.")


@app.get("/whole")
def whole() -> str | None:
    """A plain call."""
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=[_ASKED])
    return answer.choices[0].message.content


@app.get("/streamed")
def streamed() -> StreamingResponse:
    """A call whose answer is passed on as it comes."""
    return StreamingResponse(_chunks())


def _chunks() -> Iterator[str]:
    chunks = client.chat.completions.create(model="gpt-4o-mini", messages=[_ASKED], stream=True)
    for chunk in chunks:
        if chunk.choices:
            yield chunk.choices[0].delta.content or ""
