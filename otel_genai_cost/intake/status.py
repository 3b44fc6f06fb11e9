"""How a receiver is doing: `/healthz` whether it lives, `/readyz` whether it takes requests, `/metrics` for Prometheus.

No label has more values than a fixed list: no tenant, no model, no sender.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from otel_genai_cost.intake.receiver import Receiver
from otel_genai_cost.metering.process_figures import process_figures
from otel_genai_cost.transport.exposition import EXPOSITION, by_label, family
from otel_genai_cost.transport.http_server import Reply
from otel_genai_cost.transport.room import Room

__all__ = ["Status"]


class Status:
    """Says how a receiver is doing.

    Args:
        receiver: that answers requests.
        room: for those on their way.
        more: further families of figures, as text.

    Attributes:
        is_ending: whether it takes no more requests.
    """

    def __init__(
        self, receiver: Receiver, room: Room, more: Callable[[], Iterable[str]] = tuple
    ) -> None:
        self._receiver, self._room, self._more = receiver, room, more
        self.is_ending = False

    def reply(self, method: str, path: str) -> Reply:
        """What is answered to a question.

        Args:
            method: of the request.
            path: of the request, without its query.
        """
        if method not in ("GET", "HEAD") or path not in ("/healthz", "/readyz", "/metrics"):
            said = b"there are /v1/logs, /healthz, /readyz and /metrics\n"
            return Reply(404, said)
        if path == "/metrics":
            return Reply(200, "".join(self._metrics()).encode(), EXPOSITION)
        if path == "/healthz":
            return Reply(200, b"living\n")
        why = "ending" if self.is_ending else self._receiver.replica.why_full()
        return Reply(200, b"ready\n") if why is None else Reply(503, f"{why}\n".encode())

    def _metrics(self) -> Iterator[str]:
        replica = self._receiver.replica
        commits = replica.commits
        yield from family(
            "receiver_requests_total",
            "Requests with parts of journals, by what they were answered: taken, or why not.",
            by_label("answer", dict(self._receiver.answers)),
        )
        yield from family(
            "receiver_bytes_total", "Bytes of journals that were new.", {"": replica.taken_bytes}
        )
        yield from family(
            "receiver_books_total",
            "Price books that came with their bytes.",
            {"": replica.taken_books},
        )
        yield from family("receiver_requests", "Requests on their way.", {"": self._room.requests})
        yield from family("receiver_request_bytes", "Bytes of them.", {"": self._room.bytes})
        yield from family(
            "receiver_open_segments",
            "Segments of which more is to come.",
            {"": replica.open_segments()},
        )
        yield from family(
            "receiver_commits_total",
            "Rounds of bringing journals onto the disk, and segments that could not be.",
            by_label("outcome", {"done": commits.rounds, "failed": commits.failures}),
        )
        yield from family(
            "receiver_commit_seconds_total",
            "Seconds that these rounds took.",
            {"": commits.seconds},
        )
        if commits.last_s is not None:
            age_s = time.monotonic() - commits.last_s
            yield from family("receiver_commit_age_seconds", "Since the last round.", {"": age_s})
        yield from process_figures()
        yield from self._more()
