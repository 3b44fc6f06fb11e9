"""The application's settings: what `install()` and `attach()` take, and the environment sets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple, TypeAlias, TypedDict, get_args

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.forwarding.destination import Address, Durability
from otel_genai_cost.gate_protocol import OnGateDown
from otel_genai_cost.journal.bound import WhenFull
from otel_genai_cost.journal.location import journal_folders
from otel_genai_cost.metering.gate_options import GateOptions
from otel_genai_cost.metering.journal_options import Access, JournalOptions, Starts
from otel_genai_cost.metering.parsers import (
    parse_audience,
    parse_hosts,
    parse_profiles,
    parse_tenant,
)
from otel_genai_cost.metering.profiles import PROFILES
from otel_genai_cost.metering.ship_options import Flush, ShipOptions
from otel_genai_cost.settings import (
    Setting,
    boolean,
    defaults,
    environment,
    given,
    of_file,
    one_of,
    optional_path,
    paths,
    read,
    settings_of,
    whole_number,
    words,
)
from otel_genai_cost.tenancy.carriers import QueueArguments
from otel_genai_cost.tenancy.edge import TenantSource
from otel_genai_cost.tenancy.tokens import Keys, parse_keys

__all__ = [
    "DEFAULTS",
    "SETTINGS",
    "Loaded",
    "Options",
    "Settings",
    "keeps_content",
    "load_settings",
    "replace_settings",
]

Strict = Literal["off", "raise"]
"""What becomes of a call without a tenant."""

Tasks = Literal["request", "follow"]
"""Whom a task or thread is for once the request that started it has ended: nobody, or still its tenant."""


_Words: TypeAlias = str | tuple[str, ...] | list[str]
_Paths: TypeAlias = str | tuple[str | Path, ...] | list[str | Path]
"""Text is split at its commas."""


class _CallOptions(TypedDict, total=False):
    """How calls are metered."""

    tenant: Annotated[
        str | TenantSource | None,
        Setting(
            "",
            parse_tenant,
            "where a request's tenant is: `header:NAME`, `baggage:KEY`, `span:ATTRIBUTE` or `callable:MODULE:FUNCTION`",
            newcomer=True,
        ),
    ]
    journal: Annotated[
        str | Path | None,
        Setting(
            "",
            optional_path,
            "folder of the journal; default `$XDG_STATE_HOME/otel-genai-cost/journal`, or `journal/` in the ledger's",
            newcomer=True,
        ),
    ]
    ledger: Annotated[
        str | Path | None,
        Setting(
            "",
            optional_path,
            "the ledger's home: `journal/`, `ledger.sqlite`, `charges.duckdb`; default "
            "`$XDG_STATE_HOME/otel-genai-cost`",
            newcomer=True,
        ),
    ]
    book: Annotated[
        str | Path | None,
        Setting(
            "",
            optional_path,
            "price book: a `.toml`, a folder of them or a `.json` lock; default the wheel's",
            newcomer=True,
        ),
    ]
    overlays: Annotated[
        _Paths | None,
        Setting(
            "",
            paths,
            "price files or folders laid over the book, comma-separated, later ones win: rows, models, aliases "
            "of your own",
        ),
    ]
    enabled: Annotated[
        bool | None,
        Setting("true", boolean, "`false` switches everything off", newcomer=True),
    ]
    record_unsampled: Annotated[
        bool | None,
        Setting(
            "true",
            boolean,
            "meter LLM calls that the sampler drops; `false` meters sampled calls only",
            newcomer=True,
        ),
    ]
    attributes: Annotated[
        _Words | None,
        Setting(
            "default",
            parse_profiles,
            f"cost attributes on spans, comma-separated: {', '.join(f'`{p}`' for p in PROFILES)} or `off`",
            newcomer=True,
        ),
    ]
    egress_hosts: Annotated[
        _Words | None,
        Setting(
            "",
            words,
            "LLM hosts that may receive baggage, such as your own gateway: `gw.example.com,.internal`",
            newcomer=True,
        ),
    ]
    stream_usage_hosts: Annotated[
        _Words | None,
        Setting(
            "",
            words,
            "further hosts whose streams are asked for their usage, such as your own gateway: "
            "`gw.example.com,.internal`",
        ),
    ]
    hosts: Annotated[
        _Words | None,
        Setting(
            "",
            parse_hosts,
            "whose endpoints your own hosts are, where it is not that of the client's provider: "
            "`llm.example.com=azure.ai.openai,.gpu.internal=vllm`",
        ),
    ]
    baggage: Annotated[
        _Words | None,
        Setting(
            "", words, "further baggage keys to keep as labels, comma-separated", newcomer=True
        ),
    ]
    token_keys: Annotated[
        str | None,
        Setting(
            "",
            of_file(parse_keys),
            "for the propagator `genai_cost`: keys whose tokens vouch for tenants, `ID:ALGORITHM:BASE64` with commas, "
            "or `file:PATH` with one a line; `hmac-sha256`, `ed25519` or `ed25519-public`; all verify, the first that "
            "can sign mints",
            is_secret=True,
        ),
    ]
    token_audience: Annotated[
        str | None,
        Setting(
            "",
            parse_audience,
            "for whom tokens are minted and have to be, such as `prod-eu`; up to 64 of `A-Za-z0-9_.-`",
        ),
    ]
    token_expires_s: Annotated[
        int | None,
        Setting(
            "0",
            whole_number,
            "seconds for which a token holds; `0` always, which jobs that wait for long need",
        ),
    ]
    forward_baggage: Annotated[
        _Words | None,
        Setting(
            "",
            words,
            "baggage of other names that goes on to other services and into messages, comma-separated; `*` all. "
            "Without it, all with W3C's propagator, none with `genai_cost`; the tenant goes first in any case",
        ),
    ]
    tasks: Annotated[
        Tasks | None,
        Setting(
            "request",
            one_of(get_args(Tasks)),
            "a call that starts after its request has ended, in a task or thread that the request started, is nobody's "
            "(`stale`); `follow`: still its tenant's, for teams whose tasks serve one request each",
        ),
    ]
    queue_arguments: Annotated[
        QueueArguments | None,
        Setting(
            "read",
            one_of(get_args(QueueArguments)),
            "procrastinate's jobs carry their tenant as an argument, which workers `read`; `send`: and producers put, "
            "once all workers do",
        ),
    ]
    local_queues: Annotated[
        bool | None,
        Setting("true", boolean, "queues inside the process carry tenants from put to get"),
    ]
    stale_after_s: Annotated[
        int | None,
        Setting(
            "0",
            whole_number,
            "seconds after the end of its request for which a tenant's context holds for calls that start then",
        ),
    ]
    stale_book_days: Annotated[
        int | None,
        Setting(
            "90",
            whole_number,
            "a provider whose prices nobody has looked at for more days is named by `doctor`; a book that is older as "
            "a whole has a `!` in the start-up line",
        ),
    ]
    reload_every_s: Annotated[
        int | None,
        Setting(
            "5",
            whole_number,
            "how often a thread looks whether `BOOK` or `OVERLAYS` changed; `0` never",
        ),
    ]
    strict: Annotated[
        Strict | None,
        Setting(
            "off",
            one_of(get_args(Strict)),
            "`raise`: a call of an instrumented client that has no tenant raises `UnattributedCallError` before it is "
            "sent, for use in tests; `off`: it is made, and is nobody's",
        ),
    ]
    personal_labels: Annotated[
        bool | None,
        Setting(
            "false",
            boolean,
            "keep the user, session and conversation ids that spans carry, as labels",
        ),
    ]
    quiet: Annotated[
        bool | None,
        Setting("false", boolean, "no start-up line"),
    ]


class Options(_CallOptions, JournalOptions, GateOptions, ShipOptions, total=False):
    """Settings by name. They are defined where this inherits them: variables, defaults and documentation are read off
    it."""


class Settings(NamedTuple):
    """The values of the options, parsed."""

    tenant: TenantSource | None
    journal: Path | None
    ledger: Path | None
    book: Path | None
    overlays: tuple[Path, ...]
    enabled: bool
    record_unsampled: bool
    attributes: tuple[str, ...]
    egress_hosts: tuple[str, ...]
    stream_usage_hosts: tuple[str, ...]
    hosts: tuple[str, ...]
    baggage: tuple[str, ...]
    token_keys: Keys
    token_audience: str
    token_expires_s: int
    forward_baggage: tuple[str, ...]
    tasks: Tasks
    queue_arguments: QueueArguments
    local_queues: bool
    stale_after_s: int
    stale_book_days: int
    reload_every_s: int
    strict: Strict
    personal_labels: bool
    quiet: bool
    journal_access: Access
    journal_limit_mib: int
    journal_full: WhenFull
    journal_block_s: int
    registry: Path
    starts: Starts
    fsync: bool
    gate: str
    gate_token: str
    gate_timeout_ms: int
    gate_wait_s: int
    gate_down: OnGateDown
    durability: Durability
    ship_to: Address | None
    ship_token: str
    ship_token_file: Path | None
    ship_ca: Path | None
    ship_cert: Path | None
    ship_key: Path | None
    flush: Flush
    flush_timeout_ms: int

    @property
    def home(self) -> Path:
        """The ledger's folder: `journal/`, `ledger.sqlite` and `charges.duckdb` are in it."""
        return self.ledger or journal_folders(None, environment())[0].parent

    @property
    def grace_s(self) -> float | None:
        """How long a tenant's binding holds after the end of its request; None for as long as its tasks live."""
        return None if self.tasks == "follow" else self.stale_after_s

    @property
    def providers_of_hosts(self) -> dict[str, str]:
        """Whose endpoints the team's own hosts are, as `hosts.configure` takes it: by whoever reads spans."""
        return dict(each.split("=", 1) for each in self.hosts)

    @property
    def configured_journal(self) -> Path | None:
        """The journal's folder, if somebody named one."""
        return self.journal or (self.ledger / "journal" if self.ledger else None)

    @property
    def journal_folders(self) -> tuple[Path, ...]:
        """Where the journal may be, first choice first."""
        return journal_folders(self.configured_journal, environment())


SETTINGS: Final = settings_of(Options)
DEFAULTS: Final = Settings(**defaults(SETTINGS))


class Loaded(NamedTuple):
    """Settings, where each came from (`default` or the variable), and what was wrong."""

    settings: Settings
    origins: Mapping[str, str]
    problems: tuple[ConfigurationError, ...]


_CAPTURE_CONTENT: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_ON_SPANS: Final = frozenset({"true", "1", "span_only", "span_and_event"})


def keeps_content() -> bool:
    """Whether OpenTelemetry's own switch for GenAI content lets spans keep what was asked and answered."""
    return environment().get(_CAPTURE_CONTENT, "").strip().lower() in _ON_SPANS


def load_settings(environ: Mapping[str, str] | None = None) -> Loaded:
    """The settings of an environment, default: the process's; a bad value is a problem, and its default holds."""
    found = read(SETTINGS, environ)
    return Loaded(Settings(**found.values), found.origins, found.problems)


def replace_settings(base: Settings, options: Mapping[str, object]) -> Settings:
    """Settings with what code gives by name.

    Args:
        base: what holds where nothing is given.
        options: as text or as what a setting holds; None and "" are the default.

    Raises:
        ConfigurationError: for an unknown name or a bad value.
    """
    return base._replace(**given(SETTINGS, options, where="install() or attach()"))
