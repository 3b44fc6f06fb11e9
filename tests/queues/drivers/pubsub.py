"""Google Pub/Sub: a subscriber's callback, with the library's own tracing or without, and `pull` with messages of
several tenants, by either client. A message that is refused is delivered again."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

import grpc
from google.api_core.exceptions import NotFound
from google.cloud import pubsub_v1
from google.cloud.pubsub_v1 import types
from google.pubsub_v1.services.subscriber.async_client import SubscriberAsyncClient
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcAsyncIOTransport

from tests.queues.application import NAME, Failed, awork, finished, main, outside, sending, work

__all__: list[str] = []

_WAY = os.environ.get("QUEUE_WAY", "callback")
_TOPIC = f"projects/p/topics/{NAME}"
_SUBSCRIPTION = f"projects/p/subscriptions/{NAME}"

os.environ["PUBSUB_EMULATOR_HOST"] = os.environ["QUEUE_ADDRESS"]


def _options(side: str) -> dict[str, Any]:
    if _WAY != "traced":
        return {}
    kind = getattr(types, f"{side.capitalize()}Options")
    return {f"{side}_options": kind(enable_open_telemetry_tracing=True)}


def produce() -> None:
    publisher = pubsub_v1.PublisherClient(**_options("publisher"))
    publisher.create_topic(request={"name": _TOPIC})
    with pubsub_v1.SubscriberClient() as subscriber:
        subscriber.create_subscription(request={"name": _SUBSCRIPTION, "topic": _TOPIC})
    sent = [publisher.publish(_TOPIC, message.encode(), mine="1") for message in sending()]
    for future in sent:
        future.result(timeout=30)


def consume() -> None:
    with pubsub_v1.SubscriberClient(**_options("subscriber")) as subscriber:
        while not _is_there(subscriber):
            time.sleep(0.1)
        if _WAY == "pull-async":
            asyncio.run(_pull_async())
        else:
            (_pull if _WAY == "pull" else _callback)(subscriber)
    outside("closed")


def _is_there(subscriber: Any) -> bool:
    try:
        subscriber.get_subscription(request={"subscription": _SUBSCRIPTION})
    except NotFound:
        return False
    return True


def _callback(subscriber: Any) -> None:
    def worked(message: Any) -> None:
        try:
            work(message.data.decode())
        except Failed:
            message.nack()
        else:
            message.ack()

    future = subscriber.subscribe(_SUBSCRIPTION, callback=worked)
    while not finished():
        time.sleep(0.05)
    future.cancel()
    future.result()


def _pull(subscriber: Any) -> None:
    while not finished():
        answer = subscriber.pull(request={"subscription": _SUBSCRIPTION, "max_messages": 4})
        outside(f"pulled-{len(answer.received_messages)}")
        for received in answer.received_messages:
            done = True
            try:
                work(received.message.data.decode())
            except Failed:
                done = False
            request: dict[str, Any] = {"subscription": _SUBSCRIPTION, "ack_ids": [received.ack_id]}
            if done:
                subscriber.acknowledge(request=request)
            else:
                subscriber.modify_ack_deadline(request={**request, "ack_deadline_seconds": 0})
        outside("worked")


async def _pull_async() -> None:
    channel = grpc.aio.insecure_channel(os.environ["QUEUE_ADDRESS"])
    subscriber = SubscriberAsyncClient(transport=SubscriberGrpcAsyncIOTransport(channel=channel))
    while not finished():
        answer = await subscriber.pull(subscription=_SUBSCRIPTION, max_messages=4)
        for received in answer.received_messages:
            request: dict[str, Any] = {"subscription": _SUBSCRIPTION, "ack_ids": [received.ack_id]}
            try:
                await awork(received.message.data.decode())
            except Failed:
                await subscriber.modify_ack_deadline(request={**request, "ack_deadline_seconds": 0})
            else:
                await subscriber.acknowledge(request=request)
        outside("worked")
    await channel.close()


if __name__ == "__main__":
    main(produce, consume)
