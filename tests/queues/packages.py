"""What is installed beside a queue's library: OpenTelemetry's own launcher and instrumentations."""

from __future__ import annotations

from typing import Final

__all__ = ["UPSTREAM"]

UPSTREAM: Final = (
    "opentelemetry-distro",
    *(
        f"opentelemetry-instrumentation-{name}"
        for name in (
            *("threading", "celery", "pika", "aio-pika", "boto3sqs", "botocore"),
            *("kafka-python", "aiokafka", "confluent-kafka", "remoulade"),
        )
    ),
)
