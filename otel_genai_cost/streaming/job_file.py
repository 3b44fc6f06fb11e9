"""What the TOML file of a job says, checked by the names and kinds that the job has."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from otel_genai_cost.errors import ConfigurationError, Problem
from otel_genai_cost.pricing.toml_text import tables_of, text_of

__all__ = ["job_values"]


def job_values(
    path: Path, needed: Collection[str], optional: Collection[str], kinds: Mapping[str, type]
) -> dict[str, Any]:
    """The values in a file, by name.

    Args:
        path: the file.
        needed: what has to be in it.
        optional: what may be in it.
        kinds: of what is no text.

    Raises:
        ConfigurationError: if the file cannot be read, or says something else.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from None
    text = text_of(content, str(path))
    found = text if isinstance(text, Problem) else tables_of(text, str(path))
    if isinstance(found, Problem):
        raise ConfigurationError(str(found))
    wrong = sorted({*needed} - found.keys() | found.keys() - {*needed, *optional})
    if wrong:
        raise ConfigurationError(f"{path}: missing or unknown: {', '.join(wrong)}")
    for name, value in found.items():
        kind = kinds.get(name, str)
        if type(value) is not kind:
            raise ConfigurationError(f"{path}: {name} is {value!r}; it must be {kind.__name__}")
    return found
