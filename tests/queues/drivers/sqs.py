"""Amazon SQS: one message at a time or batches of several tenants, sent to it or to SNS in front of it."""

from __future__ import annotations

import json
import os
from typing import Any

import boto3

from tests.queues.application import EXPECTED, NAME, main, outside, sending, work

__all__: list[str] = []

_WAY = os.environ.get("QUEUE_WAY", "one")
_ATTRIBUTES = {
    f"mine{n}": {"DataType": "String", "StringValue": "1"}
    for n in range({"full": 9, "one": 1}.get(_WAY, 0))
}


def _client(service: str) -> Any:
    where = {"endpoint_url": os.environ["QUEUE_ADDRESS"], "region_name": "eu-central-1"}
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return boto3.client(service, **where, **keys)


def _queue(sqs: Any) -> str:
    url: str = sqs.create_queue(QueueName=NAME)["QueueUrl"]
    return url


def produce() -> None:
    sqs = _client("sqs")
    url = _queue(sqs)
    if _WAY.startswith("sns"):
        _publish(sqs, url)
        return
    for message in sending():
        if _WAY == "batch":
            sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": "1", "MessageBody": message}])
        else:
            sqs.send_message(QueueUrl=url, MessageBody=message, MessageAttributes=dict(_ATTRIBUTES))


def _publish(sqs: Any, url: str) -> None:
    sns = _client("sns")
    topic = sns.create_topic(Name=NAME)["TopicArn"]
    asked = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    sns.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=asked["Attributes"]["QueueArn"],
        Attributes={"RawMessageDelivery": "true" if _WAY == "sns-raw" else "false"},
    )
    for message in sending():
        sns.publish(TopicArn=topic, Message=message)


def consume() -> None:
    sqs = _client("sqs")
    url = _queue(sqs)
    most, worked = (10 if _WAY == "batch" else 1), 0
    while worked < EXPECTED:
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=most, WaitTimeSeconds=1)
        found = answer.get("Messages", [])
        outside(f"received-{worked}")
        if found and _WAY in ("full", "sns"):
            found = [found[0]]
        for message in found:
            body = message["Body"]
            handle = message["ReceiptHandle"]
            if _WAY == "full":  # what comes after is the message's, too
                sqs.delete_message(QueueUrl=url, ReceiptHandle=handle)
            work(json.loads(body)["Message"] if _WAY == "sns" else body)
            if _WAY != "full":
                sqs.delete_message(QueueUrl=url, ReceiptHandle=handle)
            worked += 1
        if _WAY not in (
            "full",
            "sns",
        ):  # where the only message stays current until the next is asked for
            outside(f"worked-{worked}")


if __name__ == "__main__":
    main(produce, consume)
