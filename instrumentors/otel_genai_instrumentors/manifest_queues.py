"""The queues that are instrumented, and what else carries work to somewhere else."""

from __future__ import annotations

from typing import Final

from otel_genai_instrumentors.manifest_row import Row

__all__ = ["QUEUES"]

QUEUES: Final = (
    Row(
        "rq",
        "genai_cost_rq",
        ">= 1.16",
        "jobs, their callbacks, retries, schedules and repetitions, in every kind of worker",
        kind="queue",
        tested=("1.16.0", "3.0.0"),
    ),
    Row(
        "dramatiq",
        "genai_cost_dramatiq",
        ">= 1.15",
        "actors, sync and async, by any broker, with delays, retries, pipelines, groups and callbacks",
        kind="queue",
        tested=("1.15.0", "2.2.1"),
    ),
    Row(
        "arq",
        "genai_cost_arq",
        ">= 0.25",
        "jobs and the hooks around them, deferred jobs, retries; a worker without it runs the same jobs",
        kind="queue",
        tested=("0.25.0", "0.28.0"),
    ),
    Row(
        "huey",
        "genai_cost_huey",
        ">= 2.5",
        "tasks with their hooks and signals, retries, schedules, pipelines, groups and chords, with huey's own "
        "serializers; periodic tasks are nobody's; a worker without it runs the same tasks",
        kind="queue",
        tested=("2.5.0", "3.5.4"),
    ),
    Row(
        "saq",
        "genai_cost_saq",
        ">= 0.20",
        "jobs, sync and async, and the hooks around them, retries; cron jobs are nobody's",
        kind="queue",
        tested=("0.20.0", "0.26.4"),
    ),
    Row(
        "django-q2",
        "genai_cost_django_q2",
        ">= 1.6.2",
        "tasks, their hooks, groups and chains, with any broker; what a schedule starts is nobody's",
        kind="queue",
        tested=("1.6.2", "1.11.1"),
    ),
    Row(
        "nats-py",
        "genai_cost_nats_py",
        ">= 2.2",
        "publishers; subscribers by callback, in a loop and by `next_msg`; JetStream by callback and by `fetch` (each "
        "message of a batch in its own tenant's name)",
        kind="queue",
        tested=("2.2.0", "2.16.0"),
    ),
    Row(
        "mcp",
        "genai_cost_mcp",
        ">= 1.10",
        "what a server is asked over stdio; what a client is asked while it waits, over stdio and HTTP: sampling, "
        "elicitation, roots. Over streamable HTTP with MCP 2, a request is for whom the edge says",
        kind="queue",
        tested=("1.10.0", "2.3.0"),
    ),
    Row(
        "procrastinate",
        "genai_cost_procrastinate",
        ">= 3.2",
        "tasks, sync and async, batches, retries, once `OTEL_GENAI_COST_QUEUE_ARGUMENTS=send` says that all workers "
        "read what their jobs carry; periodic tasks are nobody's",
        kind="queue",
        tested=("3.2.1", "3.10.0"),
    ),
    Row(
        "remoulade",
        "genai_cost_remoulade",
        ">= 3.0",
        "actors with delays, retries, pipelines and groups, by any broker",
        kind="queue",
        tested=("3.0.0", "7.1.3"),
    ),
    Row(
        "faststream",
        "genai_cost_faststream",
        ">= 0.6",
        "publishers, requests and handlers of any broker, with its telemetry middleware or without; a batch that a "
        "handler takes at once is its tenant's if it has only one",
        kind="queue",
        tested=("0.6.0", "0.7.8"),
    ),
    Row(
        "kafka-python",
        "genai_cost_kafka_python",
        ">= 2.0",
        "producers, also in transactions; consumers in a loop, by `next` and by `poll` (each message of a batch in "
        "its own tenant's name)",
        kind="queue",
        tested=("2.0.0", "3.0.12"),
    ),
    Row(
        "aiokafka",
        "genai_cost_aiokafka",
        ">= 0.10",
        "producers, also in transactions and by batches of their own; consumers in a loop, by `getone` and by "
        "`getmany` (each message of a batch in its own tenant's name)",
        kind="queue",
        tested=("0.10.0", "0.14.0"),
    ),
    Row(
        "pika",
        "genai_cost_pika",
        ">= 1.0",
        "publishing on every kind of connection; consuming on a blocking one by a callback, by the `consume` "
        "generator and by `basic_get`",
        kind="queue",
        tested=("1.0.0", "1.4.4"),
    ),
    Row(
        "aio-pika",
        "genai_cost_aio_pika",
        ">= 9.0",
        "publishing; consuming by a callback, in a loop over a queue and by `get`, with robust connections and "
        "without",
        kind="queue",
        tested=("9.0.0", "10.2.1"),
    ),
    Row(
        "apscheduler",
        "genai_cost_apscheduler",
        ">= 3.7, < 4",
        "jobs that run once, for whoever added them in this process, in threads, an event loop or processes; jobs that "
        "recur are nobody's until they say whose, whatever the scheduler was started in",
        kind="queue",
        tested=("3.7.0", "3.11.3"),
    ),
    Row(
        "gevent",
        "genai_cost_gevent",
        ">= 21.12",
        "greenlets, spawned now or later, of pools too, and the pool of threads",
        kind="queue",
        tested=("21.12.0", "26.9.0"),
    ),
    Row(
        "queue",
        "genai_cost_queue",
        "Python's",
        "`queue.Queue` between threads: from whoever puts an item to a worker that serves everybody",
        kind="queue",
    ),
    Row(
        "asyncio.queues",
        "genai_cost_asyncio_queues",
        "Python's",
        "`asyncio.Queue` between tasks: from whoever puts an item to a worker that serves everybody",
        kind="queue",
    ),
    Row(
        "anyio",
        "genai_cost_anyio",
        ">= 4.0",
        "memory object streams between tasks, under asyncio and trio: from whoever sends an item to a worker that "
        "serves everybody",
        kind="queue",
        tested=("4.0.0", "4.16.0"),
    ),
    Row(
        "janus",
        "genai_cost_janus",
        ">= 1.0",
        "queues between threads and tasks: from whoever puts an item to a worker that serves everybody",
        kind="queue",
        tested=("1.0.0", "2.0.0"),
    ),
    Row(
        "multiprocessing",
        "genai_cost_multiprocessing",
        "Python's",
        "processes by fork, spawn and forkserver, while the request that started them is open; ProcessPoolExecutor and "
        "both kinds of Pool, each task for whoever submitted it",
        kind="queue",
    ),
    Row(
        "concurrent.futures",
        "genai_cost_futures",
        "Python's",
        "callbacks of futures, for whoever added them",
        kind="queue",
    ),
    Row(
        "botocore",
        "genai_cost_sqs",
        ">= 1.34",
        "Amazon SQS and SNS by boto3 and aioboto3: single messages and batches (each message in its own tenant's "
        "name), SNS to SQS raw and not; the tenant keeps its place among the ten attributes",
        kind="queue",
        tested=("1.34.0", "1.44.8"),
    ),
    Row(
        "confluent-kafka",
        "genai_cost_confluent_kafka",
        ">= 2.0",
        "producers, also in transactions, `SerializingProducer`; `Consumer`, `DeserializingConsumer`, `AIOConsumer` "
        "and share consumers, by `poll` and by `consume` (each message of a batch in its own tenant's name). "
        "`AIOProducer` and `produce_batch` send no headers, so that what they send is nobody's",
        kind="queue",
        tested=("2.0.2", "2.16.1"),
    ),
    Row(
        "google-cloud-pubsub",
        "genai_cost_pubsub",
        ">= 2.10",
        "publishers; subscribers by a callback, whatever request they were opened in, and by `pull` (each message of a "
        "batch in its own tenant's name), with the library's own tracing and without",
        kind="queue",
        tested=("2.10.0", "2.44.0"),
    ),
    Row(
        "temporalio",
        "genai_cost_temporalio",
        ">= 1.9",
        "workflows in the sandbox and out of it, their children and next runs, for whoever started them; signals, "
        "updates and queries for whoever sent them; activities, sync and async, local ones, their retries; beside the "
        "SDK's tracing, too; schedules and cron workflows are nobody's",
        kind="queue",
        tested=("1.9.0", "1.35.0"),
    ),
    Row(
        "a2a-sdk",
        "genai_cost_a2a",
        ">= 1.1",
        "agents, for whoever sent each message, until they are done with it, whoever began its task; what they tell by "
        "push notifications. A message is for whom the edge says",
        kind="queue",
        tested=("1.1.0", "1.3.0"),
    ),
    Row(
        "taskiq",
        "genai_cost_taskiq",
        ">= 0.11.7",
        "tasks, sync and async, and their retries, by any broker, beside taskiq's own instrumentation or without; "
        "tasks that are scheduled for once; what recurs is nobody's",
        kind="queue",
        tested=("0.11.7", "0.13.0"),
    ),
    Row(
        "celery",
        "genai_cost_celery",
        ">= 5.2",
        "tasks in every kind of worker, greenlets too, with upstream's instrumentation or without: retries, chains, "
        "groups, callbacks; with `use_span_links`, too; what beat sends is nobody's",
        kind="queue",
        tested=("5.2.0", "5.7.0"),
    ),
)
