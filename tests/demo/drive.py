"""`make demo`: three customers of a small application, what each of them cost, and whether the figures hold; and a
fourth one, whose budget holds (`capped.py`).

    receiver <── OTLP/gRPC ── app (FastAPI) ── queue (a folder) ──> worker (Celery) ── OTLP/gRPC ──> receiver
                               └──────────────> LLM stand-in <─────────────┘
                                                └─ bill: provider.jsonl

Everything stays in `.demo/` (or the folder given). Exit code 1 if a figure does not hold, 2 if somebody did not play
their part.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from tests.demo import capped, show
from tests.demo.command import CommandError
from tests.demo.judge import judge, judge_capped
from tests.demo.processes import ROOT, ChildError, Children, children
from tests.demo.stage import FOLDER, Stage, empty_folder, provider, set_up
from tests.demo.traffic import Outcome, await_summaries, drive

__all__ = ["main"]

_SUMMARY_TIMEOUT_S = 30


class _Progress:
    """One line a step, with the time since the start."""

    def __init__(self) -> None:
        self._started_s = time.monotonic()

    def __call__(self, text: str) -> None:
        print(f"[{time.monotonic() - self._started_s:5.1f} s] {text}", flush=True)


def main(folder: Path = FOLDER) -> int:
    """Run the demo; gives the exit code."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    say = _Progress()
    real = os.environ.get("DEMO_REAL_OPENAI") == "1"
    if real and not os.environ.get("OPENAI_API_KEY"):
        print(
            "DEMO_REAL_OPENAI=1 needs a key; export OPENAI_API_KEY and run it again",
            file=sys.stderr,
        )
        return 2
    try:
        empty_folder(folder)
        with children() as started:
            _perform(started, folder, real, say)
        return _account(folder, real, say)
    except (ChildError, CommandError) as error:
        print(error, file=sys.stderr)
        return 2


def _end(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _perform(started: Children, folder: Path, real: bool, say: _Progress) -> None:
    """Start everybody, let the customers work, and end everybody in order."""
    llm = provider(started, folder, real)
    say(f"LLM: {'the real OpenAI' if real else 'a stand-in at ' + llm['OPENAI_BASE_URL']}")
    stage = set_up(started, folder, llm)
    say(f"application at {stage.app_url} and its worker, both under opentelemetry-instrument")
    for line in stage.app.output().splitlines():
        if line.startswith("genai-cost: "):
            say(f"  it says: {line}")
    outcomes = drive(stage.app_url, stand_in=not real)
    _check_replies(outcomes, stage, say if real else None)
    say(f"{len(outcomes)} requests of three tenants and of nobody, answered")
    handed_in = [done.reply for done in outcomes if done.action.path == "/documents"]
    jobs = [str(reply.body["job"]) for reply in handed_in if reply.status == 200]
    await_summaries(stage.app_url, jobs, _SUMMARY_TIMEOUT_S)
    say(f"{len(jobs)} documents summarised by the worker")
    if not real:
        capped.perform(started, folder / capped.FOLDER, stage.receiver.find(r"http://\S+"), say)
    _wind_down(stage)
    say("application, worker and receiver ended")


def _check_replies(outcomes: list[Outcome], stage: Stage, forgive: _Progress | None) -> None:
    """The stand-in does as it is told; the real provider may refuse a model, which is said and no fault."""
    for tenant, action, reply in outcomes:
        if reply.status == action.status:
            continue
        if forgive is None:
            raise stage.app.failed(f"answered {tenant}'s {action.path} with {reply}")
        forgive(f"  {tenant}'s {action.path} with {action.model}: {reply.status} {reply.body}")


def _wind_down(stage: Stage) -> None:
    """End the application as Ctrl-C does (uvicorn dies of SIGTERM before OpenTelemetry can flush), and the worker
    as an orchestrator does."""
    stage.app.process.send_signal(signal.SIGINT)
    stage.worker.process.terminate()
    for child in (stage.app, stage.worker):
        child.wait(20)
    stage.receiver.stop()


def _account(folder: Path, real: bool, say: _Progress) -> int:
    """Ship, show and judge what was left in the folder."""
    say(f"genai-cost ship --drain: {show.ship(folder)}")
    show.trace_of_a_document(folder)
    show.reports(folder)
    show.receipts(folder)
    states = show.statements(folder)
    problems = judge(folder, None if real else folder / "provider.jsonl")
    if not real:
        problems += judge_capped(folder / capped.FOLDER)
    for problem in problems:
        print(f"  WRONG  {problem}")
    left = ", ".join(sorted(path.name for path in folder.iterdir() if path.suffix != ".log"))
    say(f"left in {_shown(folder)}/: {left}")
    say(f"in a browser: genai-cost serve --ledger {_shown(folder)}")
    say(f"once the day is over, a statement for each customer: {states}")
    say(_verdict(problems, real))
    return 1 if problems else 0


def _shown(folder: Path) -> str:
    return str(folder.relative_to(ROOT)) if folder.is_relative_to(ROOT) else str(folder)


def _verdict(problems: list[str], real: bool) -> str:
    if problems:
        return f"VERDICT: {len(problems)} figure(s) do not hold"
    if real:
        return "VERDICT: totals re-add exactly (the real provider's bill comes later: not compared)"
    return (
        "VERDICT: totals re-add exactly, and equal what the provider billed, for every tenant and model; "
        "no cap was exceeded"
    )


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
