"""Two services of a team, in one file: the one at the edge, which asks the one inside by HTTP and by messages."""

from __future__ import annotations

import os
from typing import Annotated

import httpx
from fastapi import Body, FastAPI

from otel_genai_cost import inject, job
from tests.edges.calls import call, consume

__all__ = ["api"]

api = FastAPI()


@api.get("/front")
async def front(id: str, path: str = "/now") -> str:  # noqa: A002 -- its name in the query
    """At the edge: a call of its own, and one that the service inside makes for it."""
    async with httpx.AsyncClient(base_url=os.environ["INNER_URL"]) as inner:
        (await inner.get(path, params={"id": f"{id}-inner"})).raise_for_status()
    return call(f"{id}-edge")


@api.get("/message")
def message(id: str) -> dict[str, str]:  # noqa: A002
    """At the edge: the headers of a message that it sends."""
    call(f"{id}-edge")
    return inject({})


@api.get("/now")
async def now(id: str) -> str:  # noqa: A002
    """Inside: a call in the request."""
    return call(id)


@api.get("/consume")
async def later(id: str) -> str:  # noqa: A002
    """Inside: a call by a consumer that the first request starts, after the request."""
    consume(id)
    return id


@api.post("/job")
def work(id: str, headers: Annotated[dict[str, str], Body()]) -> str:  # noqa: A002
    """Inside: what a worker does with a message."""
    with job(headers):
        return call(id)
