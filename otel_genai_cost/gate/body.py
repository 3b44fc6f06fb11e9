"""What a request's body has to be: one table for reading it, for saying all that is wrong with it, and for OpenAPI."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple, cast

from otel_genai_cost.pricing.money import ATTO, parse_money

__all__ = [
    "AMOUNT_MAX",
    "BodyError",
    "Field",
    "Fields",
    "amount",
    "flag",
    "identity",
    "labels",
    "read_body",
    "schema",
    "text",
    "texts",
    "whole",
]

AMOUNT_MAX: Final = 10**12 * ATTO
"""No call and no lease comes to more; a larger amount is a defect, and refused."""

_ID: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_AMOUNT: Final = r"^[0-9]{1,13}(\.[0-9]{1,18})?$"
_MONEY: Final = re.compile(_AMOUNT, re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SHOWN_MAX: Final = 60

_Problem = str


class BodyError(Exception):
    """A body that cannot be used; `problems` has everything that is wrong with it."""

    def __init__(self, problems: list[_Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


class Field(NamedTuple):
    """A member of a body.

    Attributes:
        read: makes the value of what JSON says, or raises ValueError.
        schema: its JSON Schema.
        is_required: whether it must be there, and not null.
    """

    read: Callable[[Any], Any]
    schema: Mapping[str, Any]
    is_required: bool = False

    @property
    def required(self) -> Field:
        """The same, but it must be there."""
        return self._replace(is_required=True)


Fields = Mapping[str, Field]


def text(about: str, length_max: int = 256) -> Field:
    """A text of one line.

    Args:
        about: what it says.
        length_max: in characters.
    """

    def read(value: object) -> str:
        if not isinstance(value, str) or not 0 < len(value) <= length_max:
            raise ValueError(f"not a text of 1 to {length_max} characters")
        if _CONTROL.search(value):
            raise ValueError("has characters that cannot be printed")
        return value

    shape = {"type": "string", "minLength": 1, "maxLength": length_max, "description": about}
    return Field(read, shape)


def identity(about: str) -> Field:
    """An observation's id.

    Args:
        about: what it stands for.
    """

    def read(value: object) -> str:
        if not isinstance(value, str) or not _ID.fullmatch(value):
            raise ValueError("not an observation's id: 32 hexadecimal digits in lower case")
        return value

    return Field(read, {"type": "string", "pattern": "^[0-9a-f]{32}$", "description": about})


def amount(about: str) -> Field:
    """Money, as a decimal text or a whole number of currency units; its value is atto.

    Args:
        about: what it is of.
    """

    def read(value: object) -> int:
        if isinstance(value, float):
            raise ValueError('a number with a fraction is not exact; write it as a text: "0.25"')
        if isinstance(value, bool) or not _MONEY.fullmatch(str(value)):
            raise ValueError("not an amount of 0 or more with at most 18 decimals")
        found = parse_money(value)
        if found > AMOUNT_MAX:
            raise ValueError("more than any call comes to")
        return found

    forms = [{"type": "string", "pattern": _AMOUNT}, {"type": "integer", "minimum": 0}]
    return Field(read, {"anyOf": forms, "description": about})


def whole(about: str, least: int = 0, most: int = 10**12) -> Field:
    """A whole number.

    Args:
        about: what it counts.
        least: the smallest that it may be.
        most: the largest.
    """

    def read(value: object) -> int:
        if type(value) is not int or not least <= value <= most:
            raise ValueError(f"not a whole number of {least} to {most}")
        return value

    shape = {"type": "integer", "minimum": least, "maximum": most, "description": about}
    return Field(read, shape)


def flag(about: str) -> Field:
    """Yes or no.

    Args:
        about: what.
    """

    def read(value: object) -> bool:
        if not isinstance(value, bool):
            raise ValueError("neither true nor false")
        return value

    return Field(read, {"type": "boolean", "description": about})


def labels(about: str, value: Callable[[Any], Any], shape: Mapping[str, Any]) -> Field:
    """Values by name, at most 16.

    Args:
        about: what they say.
        value: reads one, or raises ValueError.
        shape: the JSON Schema of one.
    """

    def read(given: object) -> Mapping[str, Any]:
        found = cast("dict[str, Any]", given) if isinstance(given, dict) else None
        if found is None or len(found) > 16 or any(len(name) > 64 for name in found):
            raise ValueError("not an object of at most 16 values by name")
        return {name: value(one) for name, one in found.items()}

    described = {
        "type": "object",
        "maxProperties": 16,
        "propertyNames": {"maxLength": 64},
        "additionalProperties": dict(shape),
        "description": about,
    }
    return Field(read, described)


def texts(about: str, among: tuple[str, ...]) -> Field:
    """A list of words.

    Args:
        about: what they say.
        among: those that there are.
    """

    def read(given: object) -> tuple[str, ...]:
        found = cast("list[object]", given) if isinstance(given, list) else None
        if found is None or len(found) > len(among) or any(one not in among for one in found):
            raise ValueError(f"not a list of {', '.join(among)}")
        return tuple(map(str, found))

    shape = {"type": "string", "enum": list(among)}
    return Field(
        read, {"type": "array", "maxItems": len(among), "items": shape, "description": about}
    )


def read_body(content: bytes, fields: Fields) -> Mapping[str, Any]:
    """The values of a body, None for what is not there.

    Args:
        content: JSON, as it came.
        fields: what it may have.

    Raises:
        BodyError: with everything that is wrong.
    """
    try:
        found = json.loads(content, parse_constant=_refuse, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise BodyError([f"not JSON: {str(error)[:_SHOWN_MAX]}"]) from None
    if not isinstance(found, dict):
        raise BodyError(["not a JSON object"])
    values = dict.fromkeys(fields)
    problems = list(_problems(cast("dict[str, Any]", found), fields, values))
    if problems:
        raise BodyError(problems)
    return values


def _problems(
    found: Mapping[str, Any], fields: Fields, values: dict[str, Any]
) -> Iterator[_Problem]:
    """Everything that is wrong; what is right is put into `values`."""
    for name in found:
        if name not in fields:
            yield f"{name[:_SHOWN_MAX]!r}: no such field; there are {', '.join(fields)}"
    for name, field in fields.items():
        given = found.get(name)
        if given is None:
            if field.is_required:
                yield f"{name}: is missing"
            continue
        try:
            values[name] = field.read(given)
        except ValueError as error:
            yield f"{name}: {error}: {json.dumps(given)[:_SHOWN_MAX]}"


def schema(fields: Fields) -> Mapping[str, Any]:
    """The JSON Schema of a body."""
    properties = {
        name: field.schema if field.is_required else _nullable(field.schema)
        for name, field in fields.items()
    }
    required = [name for name, field in fields.items() if field.is_required]
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _nullable(shape: Mapping[str, Any]) -> Mapping[str, Any]:
    about = shape.get("description", "")
    inner = {key: value for key, value in shape.items() if key != "description"}
    return {"anyOf": [inner, {"type": "null"}], "description": about}


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in an object")
    return found
