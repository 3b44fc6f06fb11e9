"""anyio: memory object streams, under asyncio and trio. All clones of one are one queue."""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from typing import Any, Final

from otel_genai_instrumentors.local_queues import LocalQueueInstrumentor, direct
from otel_genai_instrumentors.local_streams import receives, receives_later, sends, sends_later

__all__ = ["AnyioInstrumentor"]

_MODULE: Final = "anyio.streams.memory"
_state: Final = attrgetter("_state")


def _is_empty(state: Any) -> bool:
    return not state.buffer and not state.waiting_senders


class AnyioInstrumentor(LocalQueueInstrumentor):
    """Memory object streams."""

    library = "anyio"
    requirements = ("anyio >= 4.0",)
    places = tuple(
        direct(_MODULE, path, replacement)
        for path, replacement in (
            ("MemoryObjectSendStream.send_nowait", partial(sends, owner=_state)),
            ("MemoryObjectSendStream.send", partial(sends_later, owner=_state)),
            ("MemoryObjectReceiveStream.receive_nowait", partial(receives, owner=_state)),
            (
                "MemoryObjectReceiveStream.receive",
                partial(receives_later, owner=_state, is_empty=_is_empty),
            ),
        )
    )
