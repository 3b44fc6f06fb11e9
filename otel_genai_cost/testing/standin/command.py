"""The command line of a stand-in."""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from otel_genai_cost.testing.standin.server import StandIn

__all__ = ["serve"]


def serve(description: str, standin: Callable[[Path | None, int], StandIn]) -> None:
    """Serve until SIGTERM or SIGINT; the first line printed is the URL.

    Args:
        description: what the help says.
        standin: makes the stand-in from the file of its bill and its port.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, default=0, help="where to listen; 0 for a free port")
    parser.add_argument("--bill", type=Path, help="a file that gets the bill, as JSON Lines")
    options = parser.parse_args()
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    with standin(options.bill, options.port) as serving:
        print(serving.url, flush=True)  # noqa: T201 -- whoever starts it reads the URL here
        stop.wait()
