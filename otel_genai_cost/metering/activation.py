"""Switching on: beside any distro, by an entry point that opentelemetry-instrument calls, or from code.

`pre_instrument` runs after the tracer provider is configured and before any instrumentor. It adds a processor, wraps
the sampler, and never raises, since an error there would stop every instrumentor. It is no distro and no configurator:
the first of those that is found wins, and the team has its own.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from otel_genai_cost import admission, hosts
from otel_genai_cost.endings import at_end
from otel_genai_cost.errors import ConfigurationError, GenAICostError, failures, guarded
from otel_genai_cost.forks import in_child
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.metering import metrics
from otel_genai_cost.metering.config import (
    Options,
    Settings,
    keeps_content,
    load_settings,
    replace_settings,
)
from otel_genai_cost.metering.current_settings import use_settings
from otel_genai_cost.metering.delivery import Delivery
from otel_genai_cost.metering.instrumentors import put_in_place
from otel_genai_cost.metering.journals import journal_by
from otel_genai_cost.metering.origin import origin_of
from otel_genai_cost.metering.presence import presence, say, start_up_line
from otel_genai_cost.metering.prices import followed_prices, watched_prices
from otel_genai_cost.metering.processor import CostSpanProcessor
from otel_genai_cost.metering.profiles import decorator
from otel_genai_cost.metering.providers import add, is_of_sdk, processor_of, unwrapped
from otel_genai_cost.metering.sampler import recording
from otel_genai_cost.metering.sdk_span import tracers_of
from otel_genai_cost.metering.ship_options import level_problem
from otel_genai_cost.otel_api import after_provider_is_set
from otel_genai_cost.pricing.book import NO_BOOK, Book
from otel_genai_cost.pricing.watch import Watched, Watcher, reloads
from otel_genai_cost.switch import sdk_is_disabled
from otel_genai_cost.tenancy import (
    binding,
    carried,
    edge,
    egress,
    envelope,
    propagators,
    strict,
    trust,
)
from otel_genai_cost.tenancy.refusals import refusals
from otel_genai_cost.versions import own_version

if sys.version_info >= (3, 11):
    from typing import Unpack
else:
    from typing_extensions import Unpack

__all__ = ["attach", "install", "pre_instrument"]

_logger = logging.getLogger("otel_genai_cost")
_HOOKED: Final = "_genai_cost_processor"
_LINE_LIMIT: Final = 500


class _Runtime(NamedTuple):
    """What one process meters with, shared by its tracer providers."""

    settings: Settings
    journal: Journal
    processor: CostSpanProcessor
    prices: Watched[Book]
    said: set[bool]
    """Whether it was said that a provider is metered, or that none is: each at most once."""


_shared: dict[str, _Runtime] = {}
_instead: dict[str, edge.TenantSource] = {}
"""What tests say in the place of an environment that says nothing."""
_watchers: list[Watcher] = []


@guarded("activation.pre_instrument", default=None)
def pre_instrument(*, announces: bool = True) -> None:
    """What the entry point does. Nothing if OTEL_GENAI_COST_ENABLED is false. Without `announces` the start-up line is
    left to `post_instrument`, which knows what was instrumented."""
    _switch_on({}, announces=announces)


@guarded("activation.post_instrument", default=None)
def post_instrument() -> None:
    """Say what is there, after every instrumentor is loaded."""
    if "runtime" in _shared:
        _announce(_shared["runtime"])


def install(**options: Unpack[Options]) -> None:
    """Switch metering on for the global tracer provider, now or when one is set, and put our instrumentors in place, as
    `opentelemetry-instrument` does. Once is enough: later calls, and calls under it, change nothing.

    Args:
        **options: settings by name, `tenant="header:x-org-id"` for example, in place of what the environment says;
            None is the default. docs/reference/settings.md has all of them.

    Raises:
        ConfigurationError: for an unknown option or a bad value; bad values in the environment are logged instead.
        PriceBookError: if `book` or `overlays` is given and broken.
    """
    _switch_on(options, announces=True, instruments=True)


def attach(provider: TracerProvider, **options: Unpack[Options]) -> CostSpanProcessor | None:
    """Meter one tracer provider, global or not. Idempotent.

    Args:
        provider: of the OpenTelemetry SDK.
        **options: as for `install`; what is not given is as for the providers attached before.

    Returns:
        The processor that meters, None if metering is switched off.

    Raises:
        ConfigurationError: as `install`, and for a provider that is not the SDK's.
        PriceBookError: as `install`.
    """
    inner = unwrapped(provider)
    present = processor_of(inner)
    if present is not None:
        return present
    if not is_of_sdk(inner):
        raise ConfigurationError(
            "not a tracer provider of the OpenTelemetry SDK",
            value=type(provider).__qualname__,
            remedy="pass an opentelemetry.sdk.trace.TracerProvider",
        )
    settings = _given(options)
    if not settings.enabled or sdk_is_disabled():
        return None
    runtime = _shared.get("runtime")
    if options or runtime is None:
        runtime = _start(settings, demanding=_names_prices(options))
        if not options:
            _shared["runtime"] = runtime
    _attach(provider, runtime)
    _announce(runtime, provider)
    return runtime.processor


def _switch_on(
    options: Mapping[str, object], *, announces: bool, instruments: bool = False
) -> None:
    settings = _given(options)
    if settings.enabled and not sdk_is_disabled():
        if "runtime" not in _shared:
            _shared["runtime"] = _start(settings, demanding=_names_prices(options))
        _attach_or_wait()
        if instruments:
            put_in_place()
        if announces:
            _announce(_shared["runtime"])


@guarded("activation.announce", default=None)
def _announce(runtime: _Runtime, provider: TracerProvider | None = None) -> None:
    """The start-up line, once for what is so."""
    runtime.journal.open()
    found = presence(provider)
    if runtime.settings.quiet or True in runtime.said or found.is_metered in runtime.said:
        return
    runtime.said.add(found.is_metered)
    say(start_up_line(found, runtime.settings, runtime.prices.value, runtime.journal))


def _given(options: Mapping[str, object]) -> Settings:
    """The settings that hold, else those of the environment, with what is given in code. Each problem of the
    environment is logged once."""
    if "runtime" in _shared:
        return _kept_level(replace_settings(_shared["runtime"].settings, options), options)
    loaded = load_settings()
    for problem in loaded.problems:
        _logger.error("%s", problem)
    settings = loaded.settings
    if settings.tenant is None:
        settings = settings._replace(tenant=_instead.get("tenant"))
    return _kept_level(replace_settings(settings, options), options)


def _kept_level(settings: Settings, options: Mapping[str, object]) -> Settings:
    """Settings that promise what is kept: without a receiver no level but `process` is."""
    problem = level_problem(settings.durability, settings.ship_to)
    if problem is None:
        return settings
    if "durability" in options:
        raise problem
    _logger.error("%s", problem)
    return settings._replace(durability="process")


def _start(settings: Settings, *, demanding: bool) -> _Runtime:
    """Read the book, name the journal and set tenancy up. `demanding`: code named the book, so a broken one raises."""
    prices = _prices(settings, demanding)
    _configure_tenancy(settings)
    hosts.configure(settings.providers_of_hosts)
    egress.configure(
        settings.egress_hosts, settings.stream_usage_hosts, keep_content=keeps_content()
    )
    journal = journal_by(settings, lambda: prices.value, lambda: delivery.start())
    span_tenant = edge.span_attribute_of(settings.tenant)
    strict.configure(strict=settings.strict == "raise", span_tenant=span_tenant)
    processor = CostSpanProcessor(
        prices.value,
        journal,
        decorator(settings.attributes),
        span_tenant=span_tenant,
        personal=settings.personal_labels,
        starts=settings.starts,
    )
    _configure_gate(settings, processor)
    use_settings(settings)
    delivery = Delivery(settings, journal, lambda: processor.spend)
    processor.flush = delivery.flush
    metrics.register(processor, journal, delivery)
    watcher = followed_prices(settings, prices, journal, processor.use)
    if watcher is not None:
        _watchers.append(watcher)
        watcher.start()
    at_end(journal.close)
    return _Runtime(settings, journal, processor, prices, set())


def _configure_gate(settings: Settings, processor: CostSpanProcessor) -> None:
    if not settings.gate:
        admission.configure(None)
        return
    from otel_genai_cost.gate_connection import GateConnections  # and with it HTTP and TLS

    timeout_s = settings.gate_timeout_ms / 1000
    connections = GateConnections(settings.gate, settings.gate_token, timeout_s)
    admission.configure(
        admission.Gate(connections, settings.gate_down, settings.gate_wait_s, processor.who_of)
    )


def _configure_tenancy(settings: Settings) -> None:
    tenant = settings.tenant
    edge.configure(tenant)
    binding.configure(
        tenant_key=tenant.name if tenant and tenant.kind == "baggage" else binding.TENANT_KEY,
        labels=settings.baggage,
        grace_s=settings.grace_s,
        edge=f"{tenant.kind}:{tenant.name}" if tenant and tenant.kind in edge.ASKED else None,
        vouched=tenant is not None and tenant.kind == "baggage",
    )
    trust.configure(
        settings.token_keys,
        settings.token_audience,
        settings.token_expires_s,
        settings.forward_baggage,
    )
    envelope.configure(arguments=settings.queue_arguments)
    carried.configure(local_queues=settings.local_queues)
    propagators.watch()


def tenancy_alone(tenant_source: str = "") -> None:
    """Set up for whom calls are, and meter none: for tests. Nothing if calls are metered already.

    Args:
        tenant_source: Where requests name their tenant, for calls that are metered later, too, if the environment does
            not say.

    Raises:
        ConfigurationError: if there is no such source.
    """
    if tenant_source:
        _instead["tenant"] = edge.parse_tenant_source(tenant_source)
    if "runtime" not in _shared:
        _configure_tenancy(_given({}))


def _facts(runtime: _Runtime, provider: TracerProvider) -> Mapping[str, Any]:
    """What the journal need not say of each call: where it is made, what it is priced by, and our own version, which is
    that of our instrumentors' scopes."""
    facts: dict[str, Any] = {
        "origin": origin_of(provider.resource.attributes),
        "book": runtime.prices.value.digest or None,
    }
    own = own_version()
    if own is not None:
        facts["scope_version"] = own
    return facts


def _names_prices(options: Mapping[str, object]) -> bool:
    """Whether code names price files itself, so that a broken one raises."""
    return bool(options.keys() & {"book", "overlays"})


def _prices(settings: Settings, demanding: bool) -> Watched[Book]:
    """The book with its overlays. A layer that cannot be used makes every price doubtful, so there is none."""

    def instead(error: GenAICostError) -> Book:
        if demanding:
            raise error
        _logger.error(
            "the price book cannot be used, calls are journalled unpriced (no_price_book) and rated later; "
            "mend it or unset OTEL_GENAI_COST_BOOK and OTEL_GENAI_COST_OVERLAYS: %s",
            _one_line(error),
        )
        return NO_BOOK

    return watched_prices(settings, instead)


def _one_line(error: GenAICostError) -> str:
    """The first of the problems; a broken file may have thousands, and hold anything."""
    first, *more = str(error).splitlines()
    return first[:_LINE_LIMIT] + (f" (and {len(more)} more)" if more else "")


def _attach_or_wait() -> None:
    """Attach to the global provider, or wait for one: an application may set its own later."""
    runtime = _shared["runtime"]
    if _attach(trace.get_tracer_provider(), runtime) or hasattr(trace, _HOOKED):
        return
    if not after_provider_is_set(lambda: _attach_and_announce(runtime)):
        _logger.error(
            "no tracer provider to meter; set one first, then call otel_genai_cost.attach(provider)"
        )
        return
    setattr(trace, _HOOKED, True)


@guarded("activation.attach", default=None)
def _attach_and_announce(runtime: _Runtime) -> None:
    if _attach(trace.get_tracer_provider(), runtime):
        _announce(runtime)


def _attach(outer: Any, runtime: _Runtime) -> bool:
    """Add the processor and wrap the sampler, once; False if this is no provider of the SDK."""
    provider = unwrapped(outer)
    if processor_of(provider) is not None:
        return True
    if not is_of_sdk(provider):
        return False
    runtime.journal.open(_facts(runtime, provider))
    tracers = tracers_of(provider)
    add(provider, runtime.processor)
    if runtime.settings.record_unsampled:
        wrapped = recording(provider.sampler)
        provider.sampler = wrapped
        for tracer in tracers:
            if hasattr(tracer, "sampler"):
                tracer.sampler = wrapped
    return True


def _forked() -> None:
    failures.clear()
    refusals.clear()
    reloads.clear()
    for watcher in _watchers:
        watcher.start()


in_child(_forked)
