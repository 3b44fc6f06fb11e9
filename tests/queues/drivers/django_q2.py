"""django-q2: a cluster of processes, with a hook, a chain and a schedule."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import django
from django.conf import settings

if not settings.configured:  # the cluster imports this once more
    settings.configure(
        INSTALLED_APPS=["django_q"],
        SECRET_KEY="test",
        USE_TZ=True,
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": str(Path(os.environ["QUEUE_FOLDER"]) / "results.sqlite"),
            }
        },
        Q_CLUSTER={
            "name": "q",
            "workers": 1,
            "timeout": 60,
            "retry": 90,
            "poll": 0.1,
            "guard_cycle": 0.1,
            "redis": os.environ["QUEUE_ADDRESS"],
        },
    )
    django.setup()

from django.core.management import call_command
from django_q.cluster import Cluster
from django_q.models import Schedule
from django_q.scheduler import scheduler
from django_q.tasks import async_chain, async_task, schedule

from tests.queues.application import further, main, sending, wait_until_finished, work

__all__: list[str] = []

_HERE = "tests.queues.drivers.django_q2"


def hook(task: Any) -> None:
    further(f"{task.args[0]}/hook")


def step(message: str) -> None:
    further(f"{message}/step")


def cron() -> None:
    further("none-cron/body")


def produce() -> None:
    for message in sending():
        if message.endswith("-1"):
            async_task(work, message, hook=f"{_HERE}.hook")
        else:
            async_chain([(work, (message,)), (step, (message,))])


def consume() -> None:
    call_command("migrate", verbosity=0)
    schedule(f"{_HERE}.cron", schedule_type=Schedule.ONCE)
    cluster = Cluster()
    cluster.start()
    scheduler()  # as the cluster does every 30 seconds
    wait_until_finished()
    cluster.stop()


if __name__ == "__main__":
    main(produce, consume)
