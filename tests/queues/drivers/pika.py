"""pika: a callback, the generator, or `basic_get`."""

from __future__ import annotations

import os
from typing import Any

import pika

from tests.queues.application import EXPECTED, NAME, finished, main, outside, sending, work

__all__: list[str] = []

_WAY = os.environ.get("QUEUE_WAY", "callback")


def _channel() -> Any:
    channel = pika.BlockingConnection(pika.URLParameters(os.environ["QUEUE_ADDRESS"])).channel()
    channel.queue_declare(NAME)
    return channel


def produce() -> None:
    channel = _channel()
    for at, message in enumerate(sending()):
        properties = pika.BasicProperties(headers={"mine": 1}) if at % 2 else None
        channel.basic_publish("", NAME, message.encode(), properties)


def consume() -> None:
    channel = _channel()
    {"callback": _callback, "generator": _generator, "get": _get}[_WAY](channel)
    channel.close()
    outside("closed")


def _callback(channel: Any) -> None:
    def on_message(channel: Any, method: Any, properties: Any, body: bytes) -> None:
        work(body.decode())
        channel.basic_ack(method.delivery_tag)

    def look() -> None:
        if finished():
            channel.stop_consuming()
        else:
            channel.connection.call_later(0.1, look)

    look()
    channel.basic_consume(NAME, on_message)
    channel.start_consuming()


def _generator(channel: Any) -> None:
    steps = channel.consume(NAME, inactivity_timeout=1)
    while not finished():
        method, _, body = next(steps)
        if method is None:
            outside("waiting")
        else:
            work(body.decode())
            channel.basic_ack(method.delivery_tag)
    steps.close()


def _get(channel: Any) -> None:
    worked = 0
    while worked < EXPECTED:
        method, _, body = channel.basic_get(NAME, auto_ack=True)
        if method is None:
            outside("waiting")
            channel.connection.sleep(0.05)
        else:
            work(body.decode())
            worked += 1


if __name__ == "__main__":
    main(produce, consume)
