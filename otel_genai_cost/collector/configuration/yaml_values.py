"""What a YAML document says: nothing but mappings, lists and text. A collector's types are the collector's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Final, TypeAlias, cast

from otel_genai_cost.errors import ConfigurationError, MissingExtraError

try:
    import yaml
except ImportError:
    raise MissingExtraError("the collector's configuration", "pyyaml", "collector") from None

__all__ = ["Path", "Value", "composed", "difference", "mapping_in", "texts_in", "value_of"]

Path: TypeAlias = tuple[str, ...]
Value: TypeAlias = "str | Sequence[str] | Mapping[str, Value]"

_VALUES_MAX: Final = 200_000
"""Of a document with its aliases followed. The configurations of large teams have some thousands."""

_MERGE: Final = "tag:yaml.org,2002:merge"
_NULL: Final = "tag:yaml.org,2002:null"


def composed(text: str, name: str) -> Any:
    """The nodes of a document, each with where it is in the text.

    Args:
        text: Of the file.
        name: Of the file, for messages.

    Raises:
        ConfigurationError: if it is no YAML, or its root is no mapping.
    """
    try:
        root: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigurationError(
            "not the YAML of one collector", where=_place(error, name), remedy="mend it there"
        ) from None
    if root is None or root.id != "mapping":
        raise ConfigurationError("no collector's configuration", where=name)
    return root


def _place(error: Exception, name: str) -> str:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or str(error) or type(error).__name__
    line = "" if mark is None else f":{mark.line + 1}"
    return f"{name}{line} ({' '.join(str(what).split())})"


def value_of(root: Any, name: str) -> dict[str, Any]:
    """What a document says; a scalar is its text, or None.

    Args:
        root: The document's node.
        name: Of the file, for messages.

    Raises:
        ConfigurationError: if it says one thing twice, or never ends.
    """
    counter = count(1)

    def value(node: Any) -> Any:
        if next(counter) > _VALUES_MAX:
            raise ConfigurationError("its aliases never end", where=name, remedy="write them out")
        if node.id == "scalar":
            return None if node.tag == _NULL else node.value
        if node.id == "sequence":
            return [value(one) for one in node.value]
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, inner in node.value:
            if key.tag == _MERGE:
                for one in inner.value if inner.id == "sequence" else [inner]:
                    merged = {**value(one), **merged}
            elif key.value in own:
                line = key.start_mark.line + 1
                raise ConfigurationError(
                    "said twice", value=key.value, where=f"{name}:{line}", remedy="keep one"
                )
            else:
                own[_key(key, name)] = value(inner)
        return {**merged, **own}

    try:
        found: dict[str, Any] = value(root)
    except RecursionError:
        raise ConfigurationError("nested too deep", where=name) from None
    return found


def _key(node: Any, name: str) -> str:
    if node.id != "scalar":
        raise ConfigurationError(
            "a key that is no word", where=f"{name}:{node.start_mark.line + 1}"
        )
    key: str = node.value
    return key


def mapping_in(values: Any, *path: str) -> Mapping[str, Any]:
    """The mapping at a path; an empty one if there is none."""
    for name in path:
        values = _mapping(values).get(name)
    return _mapping(values)


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def texts_in(value: Any) -> Iterator[str]:
    """All keys and scalars of a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in cast("Mapping[str, Any]", value).items():
            yield name
            yield from texts_in(inner)
    elif isinstance(value, list):
        for one in cast("Sequence[Any]", value):
            yield from texts_in(one)


def difference(one: Any, other: Any, path: str = "") -> str | None:
    """Where two documents differ.

    Args:
        one: What the first says.
        other: What the second says.
        path: Of both, within a larger one.

    Returns:
        The path of a value that is not the same in both; None if there is none.
    """
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return None if one == other else path.rstrip(".")
    left, right = _mapping(one), _mapping(other)
    for key in {**left, **right}:
        if key not in left or key not in right:
            return f"{path}{key}"
        found = difference(left[key], right[key], f"{path}{key}.")
        if found is not None:
            return found
    return None
