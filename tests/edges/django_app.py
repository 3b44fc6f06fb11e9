"""A Django application in one file, for WSGI and ASGI servers."""

# mypy: disable-error-code="import-not-found, untyped-decorator"
# pyright: reportMissingImports=false, reportUntypedFunctionDecorator=false

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path

from tests.edges.calls import call, consume

__all__ = ["asgi", "wsgi"]


def _now(request: Any) -> HttpResponse:
    return HttpResponse(call(request.GET["id"]))


async def _later(request: Any) -> HttpResponse:
    return HttpResponse(call(request.GET["id"]))


def _stream(request: Any) -> StreamingHttpResponse:
    name = request.GET["id"]

    def body() -> Iterator[str]:
        yield "1"
        yield call(name)

    async def abody() -> AsyncIterator[str]:
        yield "1"
        yield call(name)

    return StreamingHttpResponse(abody() if os.environ.get("EDGE_ASGI") else body())


def _consume(request: Any) -> HttpResponse:
    consume(request.GET["id"])
    return HttpResponse("1")


urlpatterns = [
    path("now", _now),
    path("later", _later),
    path("stream", _stream),
    path("consume", _consume),
]
wsgi = get_wsgi_application()
asgi = get_asgi_application()
