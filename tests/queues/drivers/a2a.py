"""A2A over JSON-RPC: an agent that works when each request has ended, on half of the messages in tasks of their own, on
the others in tasks that somebody else began. What it tells by push notifications comes as requests, too. The older
handler has every message in a task of its own, and tells nobody."""

from __future__ import annotations

import asyncio
import os
import re
import threading
from typing import Any

import httpx
import uvicorn
from a2a.client import ClientConfig, create_client
from a2a.helpers import new_task_from_user_message, new_text_message
from a2a.server.agent_execution import AgentExecutor
from a2a.server.context import ServerCallContext
from a2a.server.request_handlers import DefaultRequestHandler, LegacyRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import (
    BasePushNotificationSender,
    InMemoryPushNotificationConfigStore,
    InMemoryTaskStore,
    TaskUpdater,
)
from a2a.types import (
    AgentCapabilities,
    AgentCard,
    AgentInterface,
    Role,
    SendMessageConfiguration,
    SendMessageRequest,
    TaskPushNotificationConfig,
)
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from tests.queues.application import awork, further, main, sending, wait_until_finished

__all__: list[str] = []

_URL = f"http://{os.environ['QUEUE_ADDRESS']}"
_IS_LEGACY = os.environ["QUEUE_WAY"] == "legacy"
_CARD = AgentCard(
    name="q",
    version="1",
    description="q",
    capabilities=AgentCapabilities(push_notifications=True),
    supported_interfaces=[
        AgentInterface(protocol_binding="JSONRPC", url=f"{_URL}/", protocol_version="1.0")
    ],
    default_input_modes=["text/plain"],
    default_output_modes=["text/plain"],
)


_PUSH = TaskPushNotificationConfig(id="p", url=f"{_URL}/told")


class Agent(AgentExecutor):
    async def execute(self, context: Any, event_queue: Any) -> None:
        if context.current_task is None:
            await event_queue.enqueue_event(new_task_from_user_message(context.message))
        updater = TaskUpdater(event_queue, context.task_id, context.context_id)
        await asyncio.sleep(0.1)  # the request ends meanwhile
        message = context.get_user_input()
        await awork(message)
        await updater.requires_input(message=new_text_message(message))

    async def cancel(self, context: Any, event_queue: Any) -> None:
        raise NotImplementedError


async def _told(request: Any) -> Response:
    found = re.search(r'"statusUpdate".*"text": *"([a-z0-9-]+)"', (await request.body()).decode())
    if found:
        further(f"{found[1]}/told")
    return Response()


async def produce() -> None:
    async with httpx.AsyncClient(timeout=60) as http:
        await _up(http)
        client = await create_client(_CARD, ClientConfig(httpx_client=http, streaming=False))
        begun: list[str] = []
        for message in sending():
            task = None if _IS_LEGACY or message.endswith("-0") else begun.pop()
            sent = new_text_message(message, task_id=task, role=Role.ROLE_USER)
            configuration = SendMessageConfiguration(return_immediately=True)
            if task is None and not _IS_LEGACY:
                configuration.task_push_notification_config.CopyFrom(_PUSH)
            request = SendMessageRequest(message=sent, configuration=configuration)
            answers = [answer async for answer in client.send_message(request)]
            if task is None:
                begun.append(answers[-1].task.id)


async def _up(http: httpx.AsyncClient) -> None:
    while True:
        try:
            await http.get(f"{_URL}/")
            return
        except httpx.ConnectError:
            await asyncio.sleep(0.1)


def consume() -> None:
    store = InMemoryPushNotificationConfigStore()
    handler: Any = LegacyRequestHandler if _IS_LEGACY else DefaultRequestHandler
    anybody = ServerCallContext()  # what 1.0 demands
    sender = BasePushNotificationSender(httpx.AsyncClient(), store, anybody)
    handler = handler(
        Agent(), InMemoryTaskStore(), _CARD, push_config_store=store, push_sender=sender
    )
    routes = [
        Route("/told", _told, methods=["POST"]),
        *create_agent_card_routes(_CARD),
        *create_jsonrpc_routes(handler, "/"),
    ]
    port = int(_URL.rpartition(":")[2])
    running = uvicorn.Server(
        uvicorn.Config(Starlette(routes=routes), port=port, log_level="warning")
    )

    def stop() -> None:
        wait_until_finished()
        running.should_exit = True

    threading.Thread(target=stop).start()
    running.run()


if __name__ == "__main__":
    main(produce, consume)
