"""The demo's second act: a customer with a budget. It is told of at 80 %, spent to the end by shorter answers, and then
declined politely; once its budget is raised, it goes on.

    app (FastAPI) ── reserve ──> gate ── holds ──> ledger <── ship
      └──> LLM stand-in                              └── crossings ──> alerts ── signed webhook ──> inbox
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.demo.command import genai_cost
from tests.demo.inbox import SECRET, receiving_notices
from tests.demo.processes import Child, Children, instrumented, wait_until
from tests.demo.stage import clean_environment, empty_folder, provider, telemetry
from tests.demo.traffic import Action, Reply, send
from tests.queues.brokers import free_port

__all__ = ["CROSSED", "FOLDER", "INBOX", "STORY", "perform"]

FOLDER: Final = "capped"
"""Of this act, within the demo's."""

TENANT: Final = "hooli"
CAP: Final = "0.2"
RAISED: Final = "0.4"
STORY: Final = "capped.json"
"""What happened, for the verdict."""

CROSSED: Final = "genai_cost.crossed"
"""The type of the notice that a budget's threshold is crossed."""

INBOX: Final = "inbox.jsonl"
"""The notices that the team got."""

_BUDGETS: Final = f"""\
schema = "otel-genai-cost-budgets/1"

[[budget]]
id = "{TENANT}"
scope = {{ tenant = "{TENANT}" }}
period = "month"
currency = "USD"
hard = {CAP}
thresholds = [80]
ladder = [{{ at = 80, do = "shrink" }}]
"""
_CONTRACT: Final = (
    "The supplier shall deliver within ten working days, or pay what it agreed to pay. " * 80
)
_ASKED_MAX: Final = 400
_ASK_AGAIN_S: Final = 0.1
_NOTICE_WITHIN_S: Final = 60


class _Service(NamedTuple):
    """Who takes part in this act."""

    app: Child
    app_url: str
    others: tuple[Child, ...]


def perform(started: Children, folder: Path, endpoint: str, say: Callable[[str], None]) -> None:
    """Play it, and leave what happened in the folder.

    Args:
        started: gets everybody who is started.
        folder: gets a ledger of its own, and a bill.
        endpoint: where spans go.
        say: prints a line.
    """
    empty_folder(folder)
    llm = provider(started, folder, real=False)
    with receiving_notices(folder / INBOX) as inbox:
        service = _set_up(started, folder, llm, endpoint, inbox)
        say(f"{TENANT} has a budget of {CAP} USD a month, held by a gate that its service asks")
        reviews, declined = _review_until_declined(service)
        say(f"{TENANT}: {reviews} reviews, then: {declined}")
        wait_until(
            lambda: _is_crossed(folder), "the notice of 80 %", _NOTICE_WITHIN_S, service.others
        )
        for notice in _notices(folder):
            say(f"the team's inbox got, signed: {notice['data']['title']}")
        genai_cost("budgets", "set", TENANT, "--hard", RAISED, "--ledger", folder)
        wait_until(lambda: "review" in _review(service).body, "the top-up to take effect", 10)
        say(f"{TENANT}'s budget is raised to {RAISED} USD, and its next contract is reviewed")
        story = {"cap": CAP, "raised": RAISED, "reviews": reviews}
        (folder / STORY).write_text(json.dumps(story), encoding="utf-8")
        for child in (service.app, *service.others):
            child.stop()


def _set_up(
    started: Children, folder: Path, llm: Mapping[str, str], endpoint: str, inbox: str
) -> _Service:
    budgets, home = folder / "budgets.toml", ("--ledger", folder)
    budgets.write_text(_BUDGETS, encoding="utf-8")
    genai_cost("budgets", "set", "--file", budgets, *home)
    genai_cost("alerts", "set", "team", "--url", inbox, "--secret", SECRET, *home)
    token = genai_cost("gate", "tokens", "add", "--team", *home).strip()
    port = free_port()
    others = (
        _command(started, folder, "ship", "--follow"),
        _command(started, folder, "gate", "serve", "--port", str(port)),
        _command(started, folder, "alerts", "serve"),
    )
    asks = {"OTEL_GENAI_COST_GATE": f"http://127.0.0.1:{port}", "OTEL_GENAI_COST_GATE_TOKEN": token}
    program = str(Path(sys.executable).with_name("uvicorn"))
    app = started.start(
        "capped-app",
        instrumented(program, "tests.demo.capped_app:api", "--port", "0", "--log-level", "info"),
        folder / "capped-app.log",
        {
            **clean_environment(),
            **llm,
            **telemetry("capped-app", endpoint, folder / "journal"),
            **asks,
        },
    )
    return _Service(app, app.find(r"running on (http://\S+)"), others)


def _command(started: Children, folder: Path, group: str, *arguments: str) -> Child:
    program = Path(sys.executable).with_name("genai-cost")
    return started.start(
        group,
        [program, group, *arguments, "--ledger", folder],
        folder / f"{group}.log",
        clean_environment(),
    )


def _review(service: _Service) -> Reply:
    return send(service.app_url, TENANT, Action("/review", _CONTRACT))


def _review_until_declined(service: _Service) -> tuple[int, str]:
    """How many reviews there were, and what was said in the place of the next. While what calls may come to fills the
    budget, and not what they came to, the customer asks again."""
    reviews = 0
    for _ in range(_ASKED_MAX):
        found = _review(service).body
        if found.get("why") == "budget_exceeded":
            return reviews, found["declined"]
        if "review" in found:
            reviews += 1
        else:
            time.sleep(_ASK_AGAIN_S)
    raise service.app.failed(f"declined none of {_ASKED_MAX} reviews")


def _notices(folder: Path) -> list[Any]:
    inbox = folder / INBOX
    lines = inbox.read_text("utf-8").splitlines() if inbox.exists() else []
    return [json.loads(line) for line in lines]


def _is_crossed(folder: Path) -> bool:
    """Whether the inbox has what is said once the calls are booked; that a call was blocked comes before."""
    return any(notice["type"] == CROSSED for notice in _notices(folder))
