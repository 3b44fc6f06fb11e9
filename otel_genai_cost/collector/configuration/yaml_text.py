"""A YAML document as text that is edited in places: comments, order, quotes and anchors of all else stay.

Each edit is made twice, in the text and in the values that the text stands for. If the edited text does not mean
exactly the edited values (an anchor's value changed where an alias repeats it, say), nothing comes of it.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from otel_genai_cost.collector.configuration.yaml_values import (
    Path,
    Value,
    composed,
    difference,
    value_of,
)
from otel_genai_cost.errors import ConfigurationError

__all__ = ["YamlText"]

_Edit: TypeAlias = tuple[int, int, str]
_UNQUOTED: Final = re.compile(r"[A-Za-z0-9_./][\w./:-]*")
_ALIAS: Final = re.compile(r"\s*:\s*(\*[^\s,\]}]+)")
_LAST_COMMA: Final = re.compile(r",[ \t]*$")
_COMMENT: Final = re.compile(r"(?:^|\s)#")


class YamlText:
    """A document and the edits to it.

    Args:
        text: Of the file.
        name: Of the file, for messages.

    Attributes:
        values: What the document says, with all edits so far.

    Raises:
        ConfigurationError: if it is no YAML, or no mapping.
    """

    def __init__(self, text: str, name: str) -> None:
        self._text, self._name = text, name
        self._root = composed(text, name)
        self.values: dict[str, Any] = value_of(self._root, name)
        self._edits: list[_Edit] = []
        self._newline = "\r\n" if "\r\n" in text else "\n"

    def add(self, path: Path, name: str, value: Value, comment: str = "") -> None:
        """Add an entry to a mapping, as its first; sections that do not exist are made.

        Args:
            path: Of the mapping.
            name: The entry's key, which the mapping lacks.
            value: What it is.
            comment: Above it.
        """
        within = self.values
        for depth, key in enumerate(path):
            if key not in within:
                return self.add(path[:depth], key, _nested(path[depth + 1 :], name, value))
            within[key] = {} if within[key] in (None, "") else within[key]
            within = within[key]
        within[name] = copy.deepcopy(value)
        self._edits.append(self._added(path, name, value, comment))
        return None

    def list(self, path: Path, items: Sequence[str]) -> None:
        """Say what is in a list: items it has stay as they are written, others go, new ones come first."""
        within = self.values
        for key in path[:-1]:
            within = within[key]
        old, within[path[-1]] = within.get(path[-1]), [*items]
        if old != [*items]:
            self._edits += self._listed(path, items)

    def result(self) -> str:
        """The document with all edits.

        Raises:
            ConfigurationError: if it cannot be edited so that nothing else changes.
        """
        text = self._text
        for start, end, new in reversed(sorted(dict.fromkeys(self._edits), key=_by_place)):
            text = text[:start] + new + text[end:]
        try:
            differs = difference(value_of(composed(text, self._name), self._name), self.values)
        except ConfigurationError:
            differs = "a part of it"
        if differs is None:
            return text
        raise ConfigurationError(
            f"{differs} cannot be changed where it is written without a change elsewhere",
            where=self._name,
            remedy="write it out there, without anchors or on lines of its own, and try again",
        )

    def _added(self, path: Path, name: str, value: Value, comment: str) -> _Edit:
        if not path:
            lines = "".join(_block(name, value, 0, comment, self._newline))
            if self._root.flow_style:
                return self._in_flow(self._root, name, value)
            gap = self._newline * (1 if self._text.endswith("\n") else 2)
            return len(self._text), len(self._text), gap + lines
        key, node = self._pair(path)
        if node.start_mark.index < key.end_mark.index:
            raise ConfigurationError(
                f"{'.'.join(path)} is an alias", where=self._name, remedy="write it out there"
            )
        if node.id == "mapping" and node.flow_style:
            return self._in_flow(node, name, value)
        indent = key.start_mark.column + 2 if node.id == "scalar" else node.start_mark.column
        end = self._line_end(key.end_mark.index)
        at_end = self._text[end - 1 : end] != "\n"
        lines = "".join(_block(name, value, indent, comment, self._newline))
        return end, end, self._newline + lines if at_end else lines

    @staticmethod
    def _in_flow(node: Any, name: str, value: Value) -> _Edit:
        start = node.start_mark.index + 1
        return start, start, f"{name}: {_flow(value)}" + (", " if node.value else "")

    def _listed(self, path: Path, items: Sequence[str]) -> Iterator[_Edit]:
        own = self._own_pair(path)
        if own is None:
            yield self._added(path[:-1], path[-1], [*items], "")
            return
        key, node = own
        alias = _ALIAS.match(self._text, key.end_mark.index)
        if alias is not None:
            yield *alias.span(1), _flow([*items])
        elif node.id != "sequence" or not node.value or node.flow_style:
            yield self._flow_list(node, items)
        else:
            yield from self._block_list(key, node, items)

    def _flow_list(self, node: Any, items: Sequence[str]) -> _Edit:
        nodes: list[Any] = node.value if node.id == "sequence" else []
        starts: list[int] = [one.start_mark.index for one in nodes] + [node.end_mark.index - 1]
        kept: list[str] = []
        gone: list[str] = []
        for one, start, end in zip(nodes, starts, starts[1:], strict=False):
            (kept if one.value in items else gone).append(self._text[start:end])
        whole = self._text[node.start_mark.index : node.end_mark.index]
        if any(map(_COMMENT.search, gone if kept else [whole])):
            raise ConfigurationError(
                "a comment within a list would go",
                where=f"{self._name}, line {node.start_mark.line + 1}",
                remedy="move it out of the brackets, and try again",
            )
        had: set[str] = {one.value for one in nodes}
        new = [item for item in items if item not in had]
        if not kept:
            gap = " " if self._text[node.start_mark.index - 1] == ":" else ""
            return node.start_mark.index, node.end_mark.index, gap + _flow(new)
        kept[-1] = _LAST_COMMA.sub("", kept[-1])
        first = "".join(f"{_scalar(item)}, " for item in new)
        return starts[0], starts[-1], first + "".join(kept)

    def _block_list(self, key: Any, node: Any, items: Sequence[str]) -> Iterator[_Edit]:
        had = {one.value for one in node.value}
        first = self._line_start(node.start_mark.index)
        dash = " " * node.start_mark.column + "- "
        for item in items:
            if item not in had:
                yield first, first, f"{dash}{_scalar(item)}{self._newline}"
        for one in node.value:
            if one.value not in items:
                start = self._line_start(one.start_mark.index)
                yield start, self._line_end(one.end_mark.index), ""
        if not items:
            colon = self._text.index(":", key.end_mark.index) + 1
            yield colon, colon, " []"

    def _line_start(self, index: int) -> int:
        return self._text.rfind("\n", 0, index) + 1

    def _line_end(self, index: int) -> int:
        end = self._text.find("\n", index)
        return len(self._text) if end < 0 else end + 1

    def _pair(self, path: Path) -> tuple[Any, Any]:
        found = self._own_pair(path)
        if found is None:
            raise ConfigurationError(
                f"{'.'.join(path)} comes from an alias", where=self._name, remedy="write it out"
            )
        return found

    def _own_pair(self, path: Path) -> tuple[Any, Any] | None:
        """The key and the value at a path; None if its mapping does not say it itself, but merges one that does."""
        node: Any = self._root
        found: tuple[Any, Any] | None = None
        for name in path:
            pairs: list[tuple[Any, Any]] = node.value if node.id == "mapping" else []
            found = next((pair for pair in pairs if pair[0].value == name), None)
            if found is None:
                return None
            node = found[1]
        return found


def _by_place(edit: _Edit) -> tuple[int, int]:
    return edit[:2]


def _nested(path: Path, name: str, value: Value) -> Value:
    for key in reversed((*path, name)):
        value = {key: value}
    return value


def _block(name: str, value: Value, indent: int, comment: str, newline: str) -> Iterator[str]:
    space = " " * indent
    if comment:
        yield f"{space}# {comment}{newline}"
    if isinstance(value, Mapping):
        yield f"{space}{name}:{newline}"
        for key, inner in value.items():
            yield from _block(key, inner, indent + 2, "", newline)
    else:
        yield f"{space}{name}: {_flow(value)}{newline}"


def _flow(value: Value) -> str:
    if isinstance(value, str):
        return _scalar(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(inner)}" for key, inner in value.items()) + "}"
    return "[" + ", ".join(map(_scalar, value)) + "]"


def _scalar(value: str) -> str:
    return value if _UNQUOTED.fullmatch(value) else json.dumps(value, ensure_ascii=False)
