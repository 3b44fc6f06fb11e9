"""The same as tasks of Celery, whose messages go through a folder."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery

from tests.faults.server_program import work

__all__ = ["app", "tasks_in"]


def tasks_in(folder: str) -> Any:
    """The application whose messages are in this folder."""
    kind: Any = Celery
    made = kind("tasks", broker="filesystem://")
    made.conf.broker_transport_options = {
        "data_folder_in": folder,
        "data_folder_out": folder,
        "control_folder": folder,
    }
    made.conf.worker_enable_remote_control = False
    made.task(name="work")(work)
    return made


app = tasks_in(os.environ.get("FAULTS_TASKS", "."))
