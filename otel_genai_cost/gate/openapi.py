"""The service's own description, made from the routes that it answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from typing import Any, Final

from otel_genai_cost.gate.body import schema
from otel_genai_cost.gate.route import Route

__all__ = ["document"]

_ALWAYS: Final = {
    400: "the body or the query cannot be used: `problems` has everything that is wrong",
    401: "no bearer token that holds",
    403: "the token is of another tenant",
    413: "the body is too long",
    503: "`gate_unavailable`: nobody knows what may be spent",
}


def document(routes: Iterable[Route]) -> Mapping[str, Any]:
    """The OpenAPI document.

    Args:
        routes: of the service.
    """
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "genai-cost gate",
            "version": version("otel-genai-cost"),
            "description": "May this call be made, and what did it come to: holds of budgets.",
        },
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}],
        "paths": paths,
    }


def _operation(route: Route) -> Mapping[str, Any]:
    name = f"{route.method.lower()}{route.path.replace('/', '_')}"
    operation: dict[str, Any] = {
        "operationId": name.replace("{", "").replace("}", "").replace("-", "_"),
        "summary": route.about,
        "parameters": list(_parameters(route)),
        "responses": {
            str(status): _response(about)
            for status, about in sorted({**_ALWAYS, **route.answers}.items())
        },
    }
    if route.fields:
        content = {"application/json": {"schema": schema(route.fields)}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _response(about: str) -> Mapping[str, Any]:
    shape = {"type": "object"}
    return {"description": about, "content": {"application/json": {"schema": shape}}}


def _parameters(route: Route) -> Iterator[Mapping[str, Any]]:
    for part in route.path.split("/"):
        if part.startswith("{"):
            shape = {"type": "string"}
            yield {"name": part[1:-1], "in": "path", "required": True, "schema": shape}
    for name, field in route.query.items():
        yield {"name": name, "in": "query", "required": False, "schema": field.schema}
