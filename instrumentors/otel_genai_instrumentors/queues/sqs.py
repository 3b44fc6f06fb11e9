"""Amazon SQS, and SNS in front of it, by botocore, which boto3 is made of, and by aiobotocore."""

from __future__ import annotations

from otel_genai_instrumentors import aws_messages as aws
from otel_genai_instrumentors import boto
from otel_genai_instrumentors.boto3sqs import BOTO3SQS
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.queueing import QueueInstrumentor, reads_batch, sends, where

__all__ = ["SqsInstrumentor"]

_RECEIVED = aws.is_operation("ReceiveMessage")


class SqsInstrumentor(QueueInstrumentor):
    """What is sent to SQS and SNS; what is received from SQS."""

    library = "botocore"
    requirements = ("botocore >= 1.34",)
    places = (
        *(
            Patch(module, path, where(condition, wrapper), optional=True)
            for module, path in boto.CLIENTS
            for condition, wrapper in (
                (aws.is_operation(*aws.SENT), sends(aws.with_envelopes)),
                (_RECEIVED, reads_batch(aws.carrier, aws.messages_in)),
                (_RECEIVED, sends(aws.for_envelopes)),
            )
        ),
        *BOTO3SQS,
    )
