"""How settings are defined, and read from the environment or from code. The only place that reads the environment.

A room defines its settings as a `TypedDict` whose keys are annotated with a `Setting` each: that one definition is what
editors complete in `install()`, and gives the variables, the defaults and the documentation.

A bad value in the environment never stops an application: it is one ERROR line, and the default holds. The same value
given in code raises.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast, get_args, get_type_hints

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.switch import FALSE_WORDS, TRUE_WORDS

__all__ = [
    "Found",
    "Setting",
    "as_text",
    "boolean",
    "defaults",
    "environment",
    "given",
    "is_kept_elsewhere",
    "key_at",
    "of_file",
    "one_of",
    "optional_path",
    "paths",
    "read",
    "settings_of",
    "value_at",
    "whole_number",
    "words",
]


class Setting(NamedTuple):
    """One setting.

    `default` is text, as the variable would have it. `parse` takes such text, the default's too, and raises
    ConfigurationError, or ValueError with what to use instead. `newcomer` marks those that matter from the first day,
    at most ten. `name` is that of the key which it annotates. What `is_secret` is named in no message.
    """

    default: str
    parse: Callable[[str], Any]
    doc: str
    newcomer: bool = False
    name: str = ""
    is_secret: bool = False

    @property
    def env(self) -> str:
        """The environment variable."""
        return f"OTEL_GENAI_COST_{self.name.upper()}"


class Found(NamedTuple):
    """Values by name, where each came from (`default` or the variable), and what was wrong."""

    values: Mapping[str, Any]
    origins: Mapping[str, str]
    problems: tuple[ConfigurationError, ...]


def settings_of(options: type) -> tuple[Setting, ...]:
    """The settings that a `TypedDict` defines, in its order."""
    hints = get_type_hints(options, include_extras=True)
    return tuple(
        setting._replace(name=name)
        for name, hint in hints.items()
        for setting in get_args(hint)[1:]
        if isinstance(setting, Setting)
    )


def defaults(settings: Sequence[Setting]) -> dict[str, Any]:
    """The default of each, by name."""
    return {one.name: one.parse(one.default) for one in settings}


def environment() -> Mapping[str, str]:
    """The process's environment."""
    return os.environ


def key_at(place: str, where: str) -> str:
    """The key of an interface, from where somebody keeps it.

    Args:
        place: `env:NAME` or `file:PATH`; never the key itself, so that it may be shown.
        where: who named that, for messages.

    Raises:
        ConfigurationError: if there is none.
    """
    kind, _, name = place.partition(":")
    found = ""
    if kind == "env":
        found = environment().get(name, "").strip()
    elif kind == "file":
        try:
            found = Path(name).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                "the key cannot be read",
                value=name,
                where=where,
                remedy=f"make it readable for this user ({type(error).__name__})",
            ) from None
    if not found or not found.isprintable():
        raise ConfigurationError(
            "no key",
            value=name if kind in ("env", "file") else None,
            where=where,
            remedy="write env:NAME of a variable that is set, or file:PATH",
        )
    return found


def is_kept_elsewhere(value: str) -> bool:
    """Whether a value only says where it is kept, as `key_at` takes it."""
    return value.startswith(("env:", "file:"))


def value_at(value: str, where: str) -> str:
    """A value that may be kept elsewhere; else itself.

    Args:
        value: it, or where it is kept.
        where: who named that, for messages.

    Raises:
        ConfigurationError: if there is none where it is said to be.
    """
    return key_at(value, where) if is_kept_elsewhere(value) else value


def read(settings: Sequence[Setting], environ: Mapping[str, str] | None = None) -> Found:
    """Read settings from an environment.

    Args:
        settings: which.
        environ: the environment; default: the process's.

    Returns:
        A value for each; a bad one is a problem, and its default holds.
    """
    variables = environment() if environ is None else environ
    values = defaults(settings)
    origins = dict.fromkeys(values, "default")
    problems: list[ConfigurationError] = []
    for one in settings:
        text = variables.get(one.env, "")
        if not text:
            continue
        try:
            values[one.name] = one.parse(text)
            origins[one.name] = one.env
        except ValueError as error:  # ConfigurationError is one
            problems.append(_problem(one, text, error))
    return Found(values, origins, tuple(problems))


def _problem(setting: Setting, text: str, error: ValueError) -> ConfigurationError:
    return ConfigurationError(
        f"{setting.env} is ignored",
        value=_shown(setting, text[:200]),
        where="the environment",
        remedy=f"{_remedy(error)}; until then the default holds"
        + (f" ({setting.default})" if setting.default else ""),
    )


def _shown(setting: Setting, value: object) -> object:
    return "(not shown)" if setting.is_secret else value


def _remedy(error: ValueError) -> str:
    return error.remedy if isinstance(error, ConfigurationError) else str(error)


def given(
    settings: Sequence[Setting], values: Mapping[str, object], *, where: str
) -> dict[str, Any]:
    """Check values that code gives by name.

    Args:
        settings: those that may be given.
        values: as text, or as what a setting holds; None and "" are the default.
        where: who takes them, for the error.

    Raises:
        ConfigurationError: for an unknown name, with the nearest known one, or a bad value.
    """
    known = {one.name: one for one in settings}
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            raise _unknown(name, known, where)
        try:
            found[name] = known[name].parse(as_text(value) or known[name].default)
        except ValueError as error:
            raise ConfigurationError(
                f"setting {name}",
                value=_shown(known[name], value),
                where=where,
                remedy=_remedy(error),
            ) from None
    return found


def _unknown(name: str, known: Mapping[str, Setting], where: str) -> ConfigurationError:
    from difflib import get_close_matches  # few names are misspelled

    near = get_close_matches(name, known, n=1)
    meant = f"write {near[0]}; " if near else ""
    return ConfigurationError(
        "unknown setting", value=name, where=where, remedy=f"{meant}known: {', '.join(known)}"
    )


def as_text(value: object) -> str:
    """A value as the environment would spell it.

    Raises:
        ValueError: for a type that no setting has.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if type(value) in (tuple, list):
        return ",".join(map(as_text, cast("list[object]", value)))
    if isinstance(value, (str, int, Path, tuple)):
        return str(value)  # pyright: ignore[reportUnknownArgumentType] -- a named tuple that has a text
    raise ValueError(f"use text instead of a {type(value).__name__}")


def boolean(text: str) -> bool:
    """`true` or `false`, or other words for them."""
    word = text.strip().lower()
    if word not in TRUE_WORDS | FALSE_WORDS:
        raise ValueError("use true or false")
    return word in TRUE_WORDS


def whole_number(text: str) -> int:
    """A number of at most nine digits, without a sign."""
    if not re.fullmatch(r"[0-9]{1,9}", text.strip()):
        raise ValueError("use a whole number")
    return int(text)


def words(text: str) -> tuple[str, ...]:
    """What stands between commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def of_file(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """A parser of what a setting says, or of the file that it names as `file:PATH`."""

    def parse_it(text: str) -> Any:
        if not text.startswith("file:"):
            return parse(text)
        path = Path(text.removeprefix("file:"))
        try:
            content = path.read_text("utf-8")
        except OSError as error:
            raise ValueError(f"name a file that can be read: {path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ValueError(f"name a file of text: {path} is none") from None
        return parse(content)

    return parse_it


def paths(text: str) -> tuple[Path, ...]:
    """Paths between commas."""
    return tuple(map(Path, words(text)))


def optional_path(text: str) -> Path | None:
    """A path; None for nothing."""
    return Path(text) if text else None


def one_of(known: tuple[str, ...]) -> Callable[[str], str]:
    """A parser of one of these words."""

    def parse(text: str) -> str:
        if text not in known:
            raise ValueError(f"use {' or '.join(known)}")
        return text

    return parse
