"""What the demo's customers do: three of them at once, and a few calls that nobody put a name on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.demo.processes import wait_until

__all__ = ["PLANNED", "TENANTS", "Action", "Outcome", "Reply", "await_summaries", "drive", "send"]

TENANTS: Final = ("acme", "globex", "initech")
_PARALLEL = 6
_REPLY_TIMEOUT_S = 30


class Action(NamedTuple):
    """One request of a customer. `stand_in_only`: the real provider cannot be asked to misbehave."""

    path: str
    text: str
    model: str | None = None
    stand_in_only: bool = False
    status: int = 200


class Reply(NamedTuple):
    """What the application answered; `body` is JSON, or text where it streamed."""

    status: int
    body: Any


class Outcome(NamedTuple):
    """Who asked for what, and what came back."""

    tenant: str | None
    action: Action
    reply: Reply


_DOCUMENT = "Terms of service, revision 7. " * 24
_EVERYBODY: Final = (
    Action("/ask", "How do I reset my password?"),
    Action("/ask", "Which plan includes single sign-on?", "gpt-4o"),
    Action("/ask", f"Plan the migration of 40 users by these rules: {_DOCUMENT}", "o4-mini"),
    Action("/ask/stream", "Explain the invoice of last month."),
    Action("/ask/stream?usage=true", "Explain it again, shorter."),
    Action("/search", "late payment"),
    Action("/agent", "Open a ticket for the broken export."),
    Action("/documents", _DOCUMENT),
)
PLANNED: Final[Mapping[str | None, tuple[Action, ...]]] = {
    "acme": (
        *_EVERYBODY,
        *_EVERYBODY,
        Action("/ask", "Is anybody there? [429]", stand_in_only=True),
        Action("/ask", "Draft a reply to our largest customer.", "gpt-4.1"),
    ),
    "globex": (
        *_EVERYBODY,
        Action("/ask", "What broke? [500]", stand_in_only=True, status=502),
        Action("/documents", _DOCUMENT * 3),
    ),
    "initech": (
        *_EVERYBODY,
        Action("/ask", "Translate the cover sheet.", "house-model-7b", stand_in_only=True),
    ),
    None: (Action("/ask", "A health probe that forgot its header."), Action("/search", "probe")),
}


def drive(app: str, *, stand_in: bool) -> list[Outcome]:
    """Send everything that is planned, customers interleaved and in parallel."""
    queues = [
        [(tenant, action) for action in actions if stand_in or not action.stand_in_only]
        for tenant, actions in PLANNED.items()
    ]
    turns = range(max(map(len, queues)))
    interleaved = [queue[turn] for turn in turns for queue in queues if turn < len(queue)]

    def outcome(item: tuple[str | None, Action]) -> Outcome:
        return Outcome(*item, send(app, *item))

    with ThreadPoolExecutor(_PARALLEL) as pool:
        return list(pool.map(outcome, interleaved))


def send(
    app: str, tenant: str | None, action: Action, headers: Mapping[str, str] | None = None
) -> Reply:
    """One request, as a customer's client sends it."""
    question = {"text": action.text} | ({"model": action.model} if action.model else {})
    named = {"x-org-id": tenant} if tenant else {}
    return _call(
        Request(
            app + action.path,
            json.dumps(question).encode(),
            {"content-type": "application/json", **named, **(headers or {})},
        )
    )


def _call(request: Request) -> Reply:
    try:
        with urlopen(request, timeout=_REPLY_TIMEOUT_S) as response:
            return Reply(response.status, _body(response.read()))
    except HTTPError as error:
        with error:
            return Reply(error.code, _body(error.read()))


def _body(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content.decode()


def await_summaries(app: str, jobs: Sequence[str], timeout_s: float) -> list[str]:
    """The background worker's summaries, once they are all there."""

    return [
        wait_until(partial(_summary, app, job), f"the summary of {job}", timeout_s) for job in jobs
    ]


def _summary(app: str, job: str) -> str | None:
    text: str | None = _call(Request(f"{app}/documents/{job}")).body["summary"]
    return text
