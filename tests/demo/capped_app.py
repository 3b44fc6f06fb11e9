"""The demo's other service: every question is one call, and a tenant's budget may end before its questions do.

An ordinary FastAPI service again. What it says instead of an answer, once a budget is used up, is the only line of it
that knows of budgets.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Header
from openai import AsyncOpenAI, omit
from pydantic import BaseModel

import otel_genai_cost

__all__ = ["api"]

api = FastAPI(title="contract review")
llm = AsyncOpenAI()

MODEL = "gpt-4o"
MAX_TOKENS = 800


class Contract(BaseModel):
    """What a customer wants to have reviewed."""

    text: str


@api.post("/review")
async def review(
    contract: Contract, customer: Annotated[str | None, Header(alias="x-org-id")] = None
) -> dict[str, str]:
    """A review, or, where the customer's budget is used up, how to go on."""
    with otel_genai_cost.graceful() as outcome:
        answer = await llm.chat.completions.create(
            model=MODEL,
            max_tokens=MAX_TOKENS,
            messages=[{"role": "user", "content": contract.text}],
            user=customer or omit,
        )
        return {"review": answer.choices[0].message.content or ""}
    if outcome.block is None:
        return {}
    return {"declined": f"No review: {outcome.block.message}.", "why": outcome.block.type}
