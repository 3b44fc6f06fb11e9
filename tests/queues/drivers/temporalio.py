"""Temporal: workflows with activities of all kinds, which are retried, a child, a next run, a signal and an update, in
the sandbox; one that a schedule starts says whose its work is. Their histories are kept for `replay`."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio import activity, workflow
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleSpec,
    WorkflowHistory,
)
from temporalio.common import RetryPolicy
from temporalio.contrib.opentelemetry import TracingInterceptor
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, Worker

from otel_genai_cost import tenant

with workflow.unsafe.imports_passed_through():
    from tests.queues.application import (
        NAME,
        awork,
        finished,
        further,
        main,
        outside,
        sending,
        work,
    )

__all__: list[str] = []

_WAY = os.environ["QUEUE_WAY"]
_HISTORIES = Path(os.environ["QUEUE_FOLDER"]) / "histories"
_SOON: dict[str, Any] = {
    "start_to_close_timeout": timedelta(seconds=30),
    "retry_policy": RetryPolicy(initial_interval=timedelta(milliseconds=10), maximum_attempts=3),
}


@activity.defn
async def ajob(message: str) -> None:
    await awork(message)


@activity.defn
def job(message: str) -> None:
    work(message)


@activity.defn
def step(name: str) -> None:
    further(name)


@workflow.defn
class Child:
    @workflow.run
    async def run(self, message: str) -> None:
        await workflow.execute_activity(step, f"{message}/child", **_SOON)


@workflow.defn
class Job:
    def __init__(self) -> None:
        self._told = 0

    @workflow.run
    async def run(self, message: str, is_next: bool) -> None:
        if is_next:
            await workflow.execute_activity(step, f"{message}/next", **_SOON)
            return
        await workflow.execute_activity(job if message.endswith("-1") else ajob, message, **_SOON)
        await workflow.execute_local_activity(step, f"{message}/local", **_SOON)
        await workflow.execute_child_workflow(Child.run, message, id=f"{NAME}-{message}-child")
        await workflow.wait_condition(lambda: self._told == 2)
        await workflow.sleep(timedelta(milliseconds=1))
        workflow.continue_as_new(args=[message, True])

    @workflow.signal
    async def signal(self, name: str) -> None:
        await workflow.execute_activity(step, name, **_SOON)
        self._told += 1

    @workflow.update
    async def update(self, name: str) -> None:
        await workflow.execute_activity(step, name, **_SOON)
        self._told += 1

    @workflow.query
    def told(self) -> int:
        return self._told


@workflow.defn
class Scheduled:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(step, "none-cron/body", **_SOON)
        with tenant("globex"):
            await workflow.execute_activity(step, "globex-cron/named", **_SOON)


def _interceptors() -> list[Any]:
    return [TracingInterceptor()] if _WAY == "traced" else []


async def _client() -> Client:
    return await Client.connect(os.environ["QUEUE_ADDRESS"], interceptors=_interceptors())


async def produce() -> None:
    client = await _client()
    if _WAY == "scheduled":
        await _schedule(client)
    handles = [
        await client.start_workflow(
            Job.run, args=[message, False], id=f"{NAME}-{message}", task_queue=NAME
        )
        for message in sending()
    ]
    for message, handle in zip(sending(), reversed(handles), strict=True):  # somebody else's
        await handle.signal(Job.signal, f"{message}/signal")
        await handle.execute_update(Job.update, f"{message}/update")
        await handle.query(Job.told)
    for handle in handles:
        await handle.result()
    await _keep_histories(client, handles)


async def _schedule(client: Client) -> None:
    with tenant("acme"):
        action = ScheduleActionStartWorkflow(Scheduled.run, id=f"{NAME}-scheduled", task_queue=NAME)
        schedule = await client.create_schedule(NAME, Schedule(action=action, spec=ScheduleSpec()))
        await schedule.trigger()


async def _keep_histories(client: Client, handles: Sequence[Any]) -> None:
    folder = _HISTORIES.with_suffix(".part")
    folder.mkdir()
    for handle in handles:
        for name, run in (("first", handle.first_execution_run_id), ("next", None)):
            history = await client.get_workflow_handle(handle.id, run_id=run).fetch_history()
            (folder / f"{name}-{handle.id}").write_text(history.to_json(), encoding="utf-8")
    folder.rename(_HISTORIES)


async def replay() -> None:
    """Raises for a history that the workflows of today did not make."""
    assert [*_HISTORIES.iterdir()]
    replayer = Replayer(workflows=[Job, Child], interceptors=_interceptors())
    for kept in sorted(_HISTORIES.iterdir()):
        await replayer.replay_workflow(
            WorkflowHistory.from_json(kept.name, kept.read_text("utf-8"))
        )


async def consume() -> None:
    runner: Any = {"workflow_runner": UnsandboxedWorkflowRunner()} if _WAY == "bare" else {}
    with ThreadPoolExecutor(4) as pool:
        async with Worker(
            await _client(),
            task_queue=NAME,
            workflows=[Job, Child, Scheduled],
            activities=[job, ajob, step],
            activity_executor=pool,
            **runner,
        ):
            while not (finished() and _HISTORIES.is_dir()):
                await asyncio.sleep(0.05)
            outside("worked")
    outside("closed")


if __name__ == "__main__":
    if sys.argv[1] == "replay":
        asyncio.run(replay())
    else:
        main(produce, consume)
    sys.stdout.flush()
    # The client's own threads abort an interpreter that they find finalizing, now and then.
    os._exit(0)
