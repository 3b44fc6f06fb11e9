"""An application of a fleet: a process of its own, by user id and network namespace, that makes calls, waits now
and then until they are durable, and says of both. Processes are forked from one that has everything imported."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.util.types import AttributeValue

from otel_genai_cost import attach, force_flush
from tests.faults.cgroups import Group

__all__ = ["GROUP", "Pace", "Sender", "may_set_apart", "send"]

GROUP: Final = 20_000
"""Of all senders: whom an agent's socket is for."""

_NEW_NETWORK: Final = 0x40000000
_KEEP_CAPABILITIES: Final = 8
_CAPABILITIES_VERSION: Final = 0x20080522
_MAY_READ: Final = 1 << 2
_FLUSH_EVERY_S: Final = 0.4
_CALL: Final[dict[str, AttributeValue]] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 10,
}
_libc: Final = ctypes.CDLL(None, use_errno=True)


class Pace(NamedTuple):
    """How long an application pauses after each call; or how many it makes at once, on each of how many threads."""

    pause_s: float = 0.02
    calls: int = 0
    threads: int = 1


class Sender(NamedTuple):
    """Where it says what it did, when to be silent, its user id if it has one of its own, the group that it belongs to,
    its settings and its pace."""

    said: Path
    silent: Path
    user: int
    group: Group | None
    settings: dict[str, str]
    pace: Pace


def may_set_apart() -> bool:
    """Whether processes may have network namespaces and user ids of their own here; asked in a child."""
    child = os.fork()
    if not child:
        os._exit(os.geteuid() != 0 or _libc.unshare(_NEW_NETWORK) != 0)
    return os.waitpid(child, 0)[1] == 0


def send(sender: Sender) -> None:
    """Make calls until there is to be silence; then only wait until they are durable, until SIGTERM."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    said = os.open(sender.said, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(said, 1)
    os.dup2(said, 2)
    if sender.group is not None:
        sender.group.join()
    if sender.user:
        _set_apart(sender.user)
    os.environ.update(sender.settings)
    provider = TracerProvider()
    attach(provider)
    os.write(said, b"began\n")
    if sender.pace.calls:
        _burst(provider, sender, said)
    else:
        call = _caller(provider, said)
        flush = threading.Thread(target=_promise, args=(said, ended), daemon=True)
        flush.start()
        while not sender.silent.exists() and not ended.wait(sender.pace.pause_s):
            call()
    ended.wait()
    provider.shutdown()


def _burst(provider: TracerProvider, sender: Sender, said: int) -> None:
    def calls() -> None:
        call = _caller(provider, said)
        for _ in range(sender.pace.calls):
            call()

    threads = [threading.Thread(target=calls) for _ in range(sender.pace.threads)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    _flush(said)


def _caller(provider: TracerProvider, said: int) -> Callable[[], None]:
    """What makes one call, and says which it was once its span has ended."""
    context.attach(baggage.set_baggage("tenant.id", "acme"))
    tracer = provider.get_tracer("shop")

    def call() -> None:
        span = tracer.start_span("chat", kind=trace.SpanKind.CLIENT, attributes=_CALL)
        span_id = span.get_span_context().span_id
        span.set_attribute("gen_ai.response.id", f"r-{span_id:016x}")
        span.end()
        os.write(said, b"made %016x\n" % span_id)

    return call


def _promise(said: int, ended: threading.Event) -> None:
    while not ended.wait(_FLUSH_EVERY_S):
        _flush(said)


def _flush(said: int) -> None:
    """What was said before the first line is durable if the second comes."""
    began = b"%d" % time.monotonic_ns()
    os.write(said, b"asked " + began + b"\n")
    if force_flush(timeout_s=120):
        os.write(said, b"promised " + began + b"\n")


def _set_apart(user: int) -> None:
    """Take a network namespace and a user id. What it keeps of root is that it may read: the interpreter's own
    files may be where only root looks."""
    if _libc.unshare(_NEW_NETWORK) or _libc.prctl(_KEEP_CAPABILITIES, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no namespace of its own")
    os.setgroups([])
    os.setresgid(GROUP, GROUP, GROUP)
    os.setresuid(user, user, user)
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION, 0)
    sets = (ctypes.c_uint32 * 6)(_MAY_READ, _MAY_READ, 0, 0, 0, 0)
    if _libc.capset(header, sets):
        raise OSError(ctypes.get_errno(), "no capability to read")
