"""A program beside a distribution of OpenTelemetry that makes calls until it is ended: `SET_UP`."""

from __future__ import annotations

import itertools
import signal
import sys

from tests.environments.distribution_program import calling
from tests.faults.said import made


def main(set_up: str) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # as a worker does that is asked to end
    call = calling(set_up)
    for number in itertools.count():
        made(call(number))


if __name__ == "__main__":
    main(sys.argv[1])
