"""Every setting, in one table: its variable, default and meaning. The only place that reads the environment.

A bad value in the environment never stops an application: it is one ERROR line, and the default holds. The same value
given in code raises.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, cast, get_args

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.journal.location import journal_folders
from otel_genai_cost.metering.profiles import PROFILES, decorator
from otel_genai_cost.switch import FALSE_WORDS, TRUE_WORDS
from otel_genai_cost.tenancy.edge import TenantSource, parse_tenant_source

__all__ = [
    "SETTINGS",
    "Loaded",
    "Setting",
    "Settings",
    "environment",
    "keeps_content",
    "load_settings",
    "replace_settings",
]


Access = Literal["owner", "group"]
"""Who may read a journal."""

Starts = Literal["streams", "all", "off"]
"""Of which calls the beginning is journalled."""

Tasks = Literal["request", "follow"]
"""Whom a task or thread is for once the request that started it has ended: nobody, or still its tenant."""


class Settings(NamedTuple):
    """The settings' values."""

    tenant: TenantSource | None = None
    journal: Path | None = None
    ledger: Path | None = None
    book: Path | None = None
    overlays: tuple[Path, ...] = ()
    contracts: Path | None = None
    enabled: bool = True
    record_unsampled: bool = True
    attributes: tuple[str, ...] = ("default",)
    egress_hosts: tuple[str, ...] = ()
    stream_usage_hosts: tuple[str, ...] = ()
    baggage: tuple[str, ...] = ()
    tasks: Tasks = "request"
    stale_after_s: int = 0
    stale_book_days: int = 90
    reload_every_s: int = 5
    journals: tuple[Path, ...] = ()
    journal_access: Access = "owner"
    registry: Path = Path("/var/tmp/otel-genai-cost")
    starts: Starts = "streams"
    fsync: bool = False
    personal_labels: bool = False
    quiet: bool = False

    @property
    def home(self) -> Path:
        """The ledger's folder: `journal/`, `ledger.sqlite` and `charges.duckdb` are in it."""
        return self.ledger or journal_folders(None, environment())[0].parent

    @property
    def grace_s(self) -> float | None:
        """How long a tenant's binding holds after the end of its request; None for as long as its tasks live."""
        return None if self.tasks == "follow" else self.stale_after_s

    @property
    def configured_journal(self) -> Path | None:
        """The journal's folder, if somebody named one."""
        return self.journal or (self.ledger / "journal" if self.ledger else None)

    @property
    def journal_folders(self) -> tuple[Path, ...]:
        """Where the journal may be, first choice first."""
        return journal_folders(self.configured_journal, environment())


class Setting(NamedTuple):
    """One row: `parse` takes the text of the variable and raises ConfigurationError or ValueError.

    `newcomer` marks those that matter from the first day, at most ten.
    """

    name: str
    default: str
    parse: Callable[[str], Any]
    doc: str
    newcomer: bool = True

    @property
    def env(self) -> str:
        """The environment variable."""
        return f"OTEL_GENAI_COST_{self.name.upper()}"


def _bool(text: str) -> bool:
    word = text.strip().lower()
    if word not in TRUE_WORDS | FALSE_WORDS:
        raise ValueError("use true or false")
    return word in TRUE_WORDS


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _profiles(text: str) -> tuple[str, ...]:
    words = _words(text)
    decorator(words)
    return words


def _one_of(words: tuple[str, ...]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"use {' or '.join(words)}")
        return text

    return parse


def _paths(text: str) -> tuple[Path, ...]:
    return tuple(map(Path, _words(text)))


def _whole(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text.strip()):
        raise ValueError("use a whole number")
    return int(text)


SETTINGS: Final = (
    Setting(
        "tenant",
        "",
        parse_tenant_source,
        "where a request's tenant is: `header:NAME`, `baggage:KEY`, `span:ATTRIBUTE` or `callable:MODULE:FUNCTION`",
    ),
    Setting(
        "journal",
        "",
        Path,
        "folder of the journal; default `$XDG_STATE_HOME/otel-genai-cost/journal`, or `journal/` in the ledger's",
    ),
    Setting(
        "ledger",
        "",
        Path,
        "the ledger's home: `journal/`, `ledger.sqlite`, `charges.duckdb`; default `$XDG_STATE_HOME/otel-genai-cost`",
    ),
    Setting(
        "book",
        "",
        Path,
        "price book: a `.toml`, a folder of them or a `.json` lock; default the wheel's",
    ),
    Setting(
        "overlays",
        "",
        _paths,
        "price files or folders laid over the book, comma-separated, later ones win: rows, models, aliases of your own",
        newcomer=False,
    ),
    Setting(
        "contracts",
        "",
        Path,
        "what customers have agreed, a `.toml` file: read by the ledger's commands only, never by an application",
        newcomer=False,
    ),
    Setting("enabled", "true", _bool, "`false` switches everything off"),
    Setting(
        "record_unsampled",
        "true",
        _bool,
        "meter LLM calls that the sampler drops; `false` meters sampled calls only",
    ),
    Setting(
        "attributes",
        "default",
        _profiles,
        f"cost attributes on spans, comma-separated: {', '.join(f'`{p}`' for p in PROFILES)} or `off`",
    ),
    Setting(
        "egress_hosts",
        "",
        _words,
        "LLM hosts that may receive baggage, such as your own gateway: `gw.example.com,.internal`",
    ),
    Setting(
        "stream_usage_hosts",
        "",
        _words,
        "further hosts whose streams are asked for their usage, such as your own gateway: `gw.example.com,.internal`",
        newcomer=False,
    ),
    Setting("baggage", "", _words, "further baggage keys to keep as labels, comma-separated"),
    Setting(
        "tasks",
        "request",
        _one_of(get_args(Tasks)),
        "a call that starts after its request has ended, in a task or thread that the request started, is nobody's "
        "(`stale`); `follow`: still its tenant's, for teams whose tasks serve one request each",
        newcomer=False,
    ),
    Setting(
        "stale_after_s",
        "0",
        _whole,
        "seconds after the end of its request for which a tenant's context holds for calls that start then",
        newcomer=False,
    ),
    Setting(
        "stale_book_days",
        "90",
        _whole,
        "a provider whose prices nobody has looked at for more days is told of at start-up and by `doctor`",
        newcomer=False,
    ),
    Setting(
        "reload_every_s",
        "5",
        _whole,
        "how often a thread looks whether `BOOK` or `OVERLAYS` changed; `0` never",
        newcomer=False,
    ),
    Setting(
        "journals",
        "",
        _paths,
        "further journal folders that the ledger's commands read, comma-separated: those of applications under other "
        "user ids, which `doctor` names",
        newcomer=False,
    ),
    Setting(
        "journal_access",
        "owner",
        _one_of(get_args(Access)),
        "who may read the journal: `owner`, or `group`: the folder's group as well, for a ledger under another user id",
        newcomer=False,
    ),
    Setting(
        "registry",
        "/var/tmp/otel-genai-cost",
        Path,
        "folder for all users of the machine where processes note where their journals are, for `ship` and `doctor`",
        newcomer=False,
    ),
    Setting(
        "starts",
        "streams",
        _one_of(get_args(Starts)),
        "of which calls the beginning is journalled, so that one whose process is killed is `unpriced (unfinished)`: "
        "`streams`, `all` (one more write a call) or `off`",
        newcomer=False,
    ),
    Setting(
        "fsync",
        "false",
        _bool,
        "flush each journal line to disk: survives a power cut, and is slow",
        newcomer=False,
    ),
    Setting(
        "personal_labels",
        "false",
        _bool,
        "keep the user, session and conversation ids that spans carry, as labels",
        newcomer=False,
    ),
    Setting("quiet", "false", _bool, "no start-up line", newcomer=False),
)


class Loaded(NamedTuple):
    """Settings, where each came from (`default` or the variable), and what was wrong."""

    settings: Settings
    origins: Mapping[str, str]
    problems: tuple[ConfigurationError, ...]


def environment() -> Mapping[str, str]:
    """The process's environment."""
    return os.environ


_CAPTURE_CONTENT: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_ON_SPANS: Final = frozenset({"true", "1", "span_only", "span_and_event"})


def keeps_content() -> bool:
    """Whether OpenTelemetry's own switch for GenAI content lets spans keep what was asked and answered."""
    return environment().get(_CAPTURE_CONTENT, "").strip().lower() in _ON_SPANS


def load_settings(environ: Mapping[str, str] | None = None) -> Loaded:
    """The settings of an environment; a bad value is a problem, and its default holds."""
    variables = environment() if environ is None else environ
    values: dict[str, Any] = {}
    origins = {row.name: "default" for row in SETTINGS}
    problems: list[ConfigurationError] = []
    for row in SETTINGS:
        text = variables.get(row.env, "")
        if not text:
            continue
        try:
            values[row.name] = row.parse(text)
            origins[row.name] = row.env
        except ValueError as error:  # ConfigurationError is one
            problems.append(_problem(row, text, error))
    return Loaded(Settings(**values), origins, tuple(problems))


def _problem(row: Setting, text: str, error: ValueError) -> ConfigurationError:
    return ConfigurationError(
        f"{row.env} is ignored",
        value=text[:200],
        where="the environment",
        remedy=f"{_remedy(error)}; until then the default holds"
        + (f" ({row.default})" if row.default else ""),
    )


def _remedy(error: ValueError) -> str:
    return error.remedy if isinstance(error, ConfigurationError) else str(error)


def replace_settings(base: Settings, given: Mapping[str, Any]) -> Settings:
    """`base` with values that code gives by name, as text or as what a setting holds; None and "" are the default.

    Raises ConfigurationError.
    """
    rows = {row.name: row for row in SETTINGS}
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in rows:
            raise ConfigurationError(
                "unknown setting", value=name, remedy=f"known: {', '.join(rows)}"
            )
        try:
            text = _as_text(value)
            values[name] = rows[name].parse(text) if text else Settings._field_defaults[name]
        except ValueError as error:
            raise ConfigurationError(
                f"setting {name}",
                value=value,
                where="install() or attach()",
                remedy=_remedy(error),
            ) from None
    return base._replace(**values)


def _as_text(value: object) -> str:
    """The value as the environment would spell it, so that it is checked in the same way."""
    if value is None:
        return ""
    if isinstance(value, TenantSource):
        return f"{value.kind}:{value.name}"
    if isinstance(value, (tuple, list)):
        return ",".join(map(_as_text, cast("list[object]", value)))
    if isinstance(value, (str, int, Path)):
        return str(value)
    raise ValueError(f"use text instead of a {type(value).__name__}")
