"""For whom the results of batches are: whoever the batch was made for in this process, where nobody else is named."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock
from typing import Final

from opentelemetry import context

from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.tenancy.binding import attribution_of, bind, capture

__all__ = ["BatchOwners", "owner_here"]

_KEPT_MAX: Final = 10_000


def owner_here() -> Attribution | None:
    """For whom this code runs."""
    return attribution_of(capture(None))


class BatchOwners:
    """Batches, and the files of their results, by the provider's ids. The oldest are forgotten."""

    def __init__(self) -> None:
        self._owners: dict[str, Attribution] = {}
        self._lock = Lock()

    def note(
        self, *keys: str | None, owner: Attribution | None = None, is_new: bool = False
    ) -> None:
        """Note whom a batch is for.

        Args:
            keys: its id, and those of its files; None where there is none yet.
            owner: whom it names itself.
            is_new: it was made here and now, so that it is for whom this code runs.
        """
        if owner is None and is_new:
            owner = owner_here()
        with self._lock:
            if owner is None or owner.tenant is None:
                owner = self._owners.get(keys[0] or "")
            if owner is not None:
                self._owners.update({key: owner for key in keys if key})
            while len(self._owners) > _KEPT_MAX:
                del self._owners[next(iter(self._owners))]

    @contextmanager
    def on_behalf(self, key: str) -> Generator[None, None, None]:
        """Around what is for the owner of this; if nobody is known, for whom this code runs."""
        with self._lock:
            owner = self._owners.get(key)
        token = None if owner is None else context.attach(bind(owner))
        try:
            yield
        finally:
            if token is not None:
                context.detach(token)
