"""Figures as Prometheus reads them: text, a family of one name and its values by their labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

__all__ = ["EXPOSITION", "by_label", "family", "labelled"]

EXPOSITION: Final = "text/plain; version=0.0.4; charset=utf-8"
"""The type of such a text."""

_ESCAPED: Final = {ord("\\"): "\\\\", ord('"'): '\\"', ord("\n"): "\\n"}


def by_label(label: str, values: Mapping[str, float]) -> dict[str, float]:
    """Values by the one label that tells them apart."""
    return {f'{label}="{word}"': value for word, value in values.items()}


def labelled(values: Mapping[str, str]) -> str:
    """Labels as they are written, whatever is in their values.

    Args:
        values: by name; an empty one is as good as none.
    """
    return ",".join(f'{name}="{value.translate(_ESCAPED)}"' for name, value in values.items())


def family(name: str, help_: str, values: Mapping[str, float]) -> Iterator[str]:
    """A metric with its values by their labels.

    Args:
        name: without our prefix; one that ends in `_total` is a counter.
        help_: what it says.
        values: by labels as they are written, "" for none.
    """
    name = f"genai_cost_{name}"
    kind = "counter" if name.endswith("_total") else "gauge"
    yield f"# HELP {name} {help_}\n# TYPE {name} {kind}\n"
    for labels, value in sorted(values.items()):
        yield f"{name}{{{labels}}} {value:.17g}\n" if labels else f"{name} {value:.17g}\n"
