"""Proxies that ask before they let a request through: Envoy's ext_authz, nginx's auth_request, Traefik's forwardAuth.

They send the request as it is, or its headers alone, and do what the status says. None of them can change what is sent
on, unless it says so (`x-genai-cost-applies`): what could only be made with less output or by another model is refused.
What such a proxy lets through nobody measures there: the hold ends with the charge that the application's own
observation comes to, by their trace (`ledger.projections.gateway_holds`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route as Served

from otel_genai_cost.blocks import Block, BlockType
from otel_genai_cost.gate.body import BodyError, Fields
from otel_genai_cost.gate.calls import CALL
from otel_genai_cost.gate.gate import Gate
from otel_genai_cost.gate.gateway import dimensions_of, labels_in_headers, place_of_request
from otel_genai_cost.gate.gateway_call import GatewayCall, call_at, with_body
from otel_genai_cost.gate.holding import happen
from otel_genai_cost.gate.holds_api import reserved
from otel_genai_cost.gate.refusals import refusal
from otel_genai_cost.gate.route import Answer, Route
from otel_genai_cost.gate.store import StoreUnavailableError
from otel_genai_cost.gate.tokens import Bearer
from otel_genai_cost.tenancy.attribution import tenant_id_of

__all__ = ["ROUTES", "served"]

_PREFIX: Final = "x-genai-cost-"
_TOKEN: Final = f"{_PREFIX}token"
"""The gate's token, where a proxy passes the caller's own `Authorization` on."""

_SAID: Final = ("provider", "model", "input_tokens", "max_tokens", "amount", "currency")
"""What a proxy may say of a call that it does not send, as `x-genai-cost-max-tokens: 500`."""

_APPLIES: Final = f"{_PREFIX}applies"
_REFUSE_WITH: Final = f"{_PREFIX}refuse-with"
_UNKNOWN: Final = 503
_BODY_MAX: Final = 1 << 24
_WAITS_AT_MOST_S: Final = 5
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD")
_PATHS: Final = ("x-original-uri", "x-forwarded-uri")
"""Where nginx (as configured) and Traefik say what the request is for; Envoy adds it to our own path."""

_ORIGINAL_METHODS: Final = ("x-original-method", "x-forwarded-method")
_HOSTS: Final = ("x-original-host", "x-forwarded-host", "host")
_HERE: Final = "/v1/admit"
_BY_BODY: Final = "/chat/completions"
"""What a request is taken for that says nothing of where it goes."""


async def _admit(gate: Gate, request: Request) -> Response:
    headers = dict(request.headers)
    bearer = _bearer(gate, headers)
    if bearer is None:
        return Response(b'{"type":"unauthorized"}', 401, media_type="application/json")
    call = _call(request, headers)
    if call is None:
        return Response(status_code=200)
    call = await _read(request, call)
    try:
        return await _answer(gate, bearer, _values(gate, bearer, call, headers), headers)
    except BodyError as error:
        said = json.dumps({"type": "malformed", "problems": error.problems}).encode()
        return Response(said, 400, media_type="application/json")
    except StoreUnavailableError:
        return _refused(Block("gate_unavailable", 503, retry_after_s=5.0), headers)


async def _answer(
    gate: Gate, bearer: Bearer, values: Mapping[str, Any], headers: Mapping[str, str]
) -> Response:
    answer = await reserved(gate, bearer, values)
    block = await _block(gate, values, headers, answer)
    gate.passes["passed" if block is None else block.type] += 1
    if block is not None:
        return _refused(block, headers)
    return Response(status_code=200, headers=_granted(gate, answer, values))


def _bearer(gate: Gate, headers: Mapping[str, str]) -> Bearer | None:
    own = headers.get(_TOKEN)
    return gate.tokens.bearer(headers.get("authorization", "") if own is None else f"Bearer {own}")


def _call(request: Request, headers: Mapping[str, str]) -> GatewayCall | None:
    """What the proxied request asks for by where it goes; None if no model answers there."""
    path = _first(headers, _PATHS) or request.url.path.partition(_HERE)[2]
    method = _first(headers, _ORIGINAL_METHODS) or request.method
    host = _first(headers, _HOSTS) or ""
    return call_at(method, path or _BY_BODY, host, headers.get(f"{_PREFIX}provider"))


async def _read(request: Request, call: GatewayCall) -> GatewayCall:
    """The call with what its body asks for, as far as the proxy sends that."""
    content = bytearray()
    try:
        async for part in request.stream():
            content += part
            if len(content) > _BODY_MAX:
                return call
    except ClientDisconnect:
        return call
    return with_body(call, bytes(content)) or call


def _values(
    gate: Gate, bearer: Bearer, call: GatewayCall, headers: Mapping[str, str]
) -> dict[str, Any]:
    """What is to be held for it. What the proxy says goes before what the request does."""
    place = place_of_request(headers, gate.clock_us())
    tenant = bearer.tenant or tenant_id_of(headers.get(gate.options.tenant_header))
    return {
        **dimensions_of(labels_in_headers(headers), place),
        "tenant": tenant,
        "provider": call.provider,
        "model": call.model,
        "input_tokens": call.asked.input_max,
        "max_tokens": call.asked.output_max,
        **_said(headers),
        "id": place.id,
        "dispatched": True,
        "trace_id": f"{place.trace_id:032x}",
        "parent_id": f"{place.parent_id:016x}",
        "at_us": place.start_us,
    }


def _said(headers: Mapping[str, str]) -> dict[str, Any]:
    fields: Fields = CALL
    found: dict[str, Any] = {}
    problems: list[str] = []
    for name in _SAID:
        text = headers.get(_PREFIX + name.replace("_", "-"))
        if not text:
            continue
        try:
            is_count = name.endswith("_tokens") and text.isdecimal()
            found[name] = fields[name].read(int(text) if is_count else text)
        except ValueError as error:
            problems.append(f"{_PREFIX}{name}: {error}")
    if problems:
        raise BodyError(problems)
    return found


async def _block(
    gate: Gate, values: Mapping[str, Any], headers: Mapping[str, str], answer: Answer
) -> Block | None:
    """Why the call is not to pass; None if it may, once its time has come."""
    said = answer.body
    if answer.status != 200:
        kind = said.get("type", "gate_unavailable")
        after = answer.headers.get("Retry-After")
        return _because(kind, answer.status, said, None if after is None else float(after))
    wait_s = said.get("retry_after_s") or 0
    if said["decision"] == "defer":
        return _because("deferred", 429, said, wait_s)
    if wait_s > _WAITS_AT_MOST_S:
        await _release(gate, values["id"])
        return _because("paced", 429, said, wait_s)
    if not _may_apply(_changes(gate, values, said), headers):
        await _release(gate, values["id"])
        return _because("budget_exceeded", 402, said, None)
    await asyncio.sleep(wait_s)
    return None


def _may_apply(changes: Mapping[str, Any], headers: Mapping[str, str]) -> bool:
    """Whether the proxy, or what is behind it, makes the call as it was admitted."""
    return changes.keys() <= set(headers.get(_APPLIES, "").replace(",", " ").split())


def _changes(gate: Gate, values: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """How the call is to be made otherwise than it was asked for. One that names no limit of output was held as one
    with the gate's own, and needs none."""
    limit = values.get("max_tokens") or gate.options.output_limit
    asked = {"model": values.get("model"), "max_tokens": limit}
    return {name: said[name] for name, was in asked.items() if said.get(name) not in (None, was)}


def _because(kind: BlockType, status: int, said: Mapping[str, Any], after_s: float | None) -> Block:
    return Block(
        kind,
        status,
        scope=said.get("scope"),
        reset_at=said.get("reset_at"),
        retry_after_s=after_s,
    )


async def _release(gate: Gate, hold_id: str) -> None:
    await gate.run(lambda transaction: happen(transaction, hold_id, "release"))


def _granted(gate: Gate, answer: Answer, values: Mapping[str, Any]) -> dict[str, str]:
    """What the proxy may send on: the hold, and how the call is to be made."""
    said = answer.body
    found = {"hold": values["id"], "decision": said["decision"]}
    for name, value in _changes(gate, values, said).items():
        found[name.replace("_", "-")] = str(value)
    return {_PREFIX + name: value for name, value in found.items()}


def _refused(block: Block, headers: Mapping[str, str]) -> Response:
    """A refusal, by the one status that a proxy knows as such, if it knows no other. That nobody knows is no refusal,
    and such a proxy has its own word for it."""
    status, own, content = refusal(block)
    more = {"type": block.type, "status": str(status), "scope": block.scope or ""}
    own |= {_PREFIX + name: value for name, value in more.items()}
    if block.reset_at:
        own[f"{_PREFIX}reset-at"] = block.reset_at
    shown = headers.get(_REFUSE_WITH, "")
    is_said_so = shown == "403" and status != _UNKNOWN
    return Response(content, 403 if is_said_so else status, own)


def _first(headers: Mapping[str, str], names: Iterable[str]) -> str | None:
    return next((headers[name] for name in names if headers.get(name)), None)


ROUTES: Final = (
    Route(
        "POST",
        _HERE,
        "Whether a proxy may let a request through; its path, if there is one, is added to this",
        raw=_admit,
        answers={
            200: "it may, held as `x-genai-cost-hold` says",
            402: "it does not fit into a budget",
            429: "it is to come again",
        },
    ),
)


def served(gate: Gate) -> list[Served]:
    """The paths by which proxies ask, whatever the request is that they ask about.

    Args:
        gate: that is asked.
    """
    paths = (_HERE, _HERE + "/{rest:path}")
    return [Served(path, partial(_admit, gate), methods=list(_METHODS)) for path in paths]
