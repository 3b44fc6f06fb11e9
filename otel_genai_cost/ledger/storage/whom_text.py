"""For whom a call was, as a text that many rows share; and a row's own part of it: labels with a value for each call.

A label keeps its place: the text has `null` there, and the row the values in their order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

__all__ = ["labels_of", "shared_labels"]

_SHARED: Final = frozenset({"plan", "feature", "workflow", "agent"})
"""Labels of few values. An action, a conversation or a user is another in nearly every call."""


def shared_labels(labels: Mapping[str, str]) -> tuple[dict[str, str | None], list[str] | None]:
    """The labels with `None` for what is a row's own, and the row's values; None if it has none.

    Args:
        labels: whose values are all text.
    """
    own = [value for key, value in labels.items() if key not in _SHARED]
    if not own:
        return dict(labels), None
    return {key: value if key in _SHARED else None for key, value in labels.items()}, own


def labels_of(shared: Mapping[str, Any], own: Sequence[str] | None) -> dict[str, Any]:
    """The labels of `shared_labels`.

    Raises:
        IndexError: if the row has too few values.
    """
    if own is None:
        return dict(shared)
    values = list(reversed(own))
    return {key: values.pop() if value is None else value for key, value in shared.items()}
