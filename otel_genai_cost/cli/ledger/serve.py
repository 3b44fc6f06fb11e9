"""`ledger serve`: journals in, over the network, and booked: a receiver and the shipper in one process."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from itertools import chain
from pathlib import Path
from threading import Event
from typing import Annotated, Final, NamedTuple

import typer

from otel_genai_cost.cli.home import ContractsOption, Home, HomeOption, watched_book
from otel_genai_cost.cli.ledger.senders import SenderTokensOption
from otel_genai_cost.cli.output import note
from otel_genai_cost.cli.tls_files import TlsCert, TlsClientCa, TlsKey, server_tls
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.intake.backing_up import BackingUp, Schedule
from otel_genai_cost.intake.disk import Disk
from otel_genai_cost.intake.receiver import Receiver
from otel_genai_cost.intake.replica import Replica
from otel_genai_cost.intake.sender_tokens import SENDERS_FILE, SenderTokens
from otel_genai_cost.intake.serving import ADDRESS, Limits, Serving
from otel_genai_cost.intake.shipping import Shipping, booked_bytes
from otel_genai_cost.intake.spent_figures import SpentFigures
from otel_genai_cost.ledger.daemon import Shipped
from otel_genai_cost.ledger.storage.identity import identity_of
from otel_genai_cost.ledger.storage.keeping import refuse_half_restored, refuse_standby
from otel_genai_cost.ledger.storage.lock import exclusive
from otel_genai_cost.transport.listening import ServerTls

__all__ = [
    "ENDS",
    "BackupEvery",
    "BackupsKept",
    "BackupsOption",
    "InFlightMax",
    "Listen",
    "ListenGrpc",
    "MetricsTenants",
    "RequestMax",
    "RequestsMax",
    "Reserve",
    "Retire",
    "ServeOptions",
    "note_begun",
    "receiver_lock",
    "register",
    "serve_until_ended",
]

_GRACE_S: Final = 10.0
_ROUND_S: Final = 20.0
"""How long the round that is going on at the end has."""

ENDS: Final = (signal.SIGTERM, signal.SIGINT)

Listen = Annotated[
    list[str] | None,
    typer.Option(
        help=f"Where journals come by HTTP: host:port or unix:///path; default: {ADDRESS}."
    ),
]
ListenGrpc = Annotated[str | None, typer.Option(help="Where they come by gRPC: host:port.")]
RequestsMax = Annotated[
    int, typer.Option(min=1, help="Requests at once; more are told to come again.")
]
InFlightMax = Annotated[
    int, typer.Option(min=1, help="MiB of requests at once; more are told to come again.")
]
RequestMax = Annotated[int, typer.Option(min=1, help="The largest request, in MiB, unpacked.")]
Reserve = Annotated[
    int, typer.Option(min=0, help="MiB of the disk that are left to the ledger's own file.")
]
Retire = Annotated[bool, typer.Option(help="Delete segments that are ingested and finished.")]
MetricsTenants = Annotated[
    int,
    typer.Option(
        min=0,
        max=1_000,
        help="How many tenants /metrics names with what they spent; those who read it see them. Default: none.",
    ),
]
BackupsOption = Annotated[
    Path | None,
    typer.Option("--backups", help="A folder for a backup from time to time; default: none."),
]
BackupEvery = Annotated[float, typer.Option(min=0.01, help="Minutes between two backups.")]
BackupsKept = Annotated[int, typer.Option(min=1, help="How many of them are kept.")]


class ServeOptions(NamedTuple):
    """How a ledger is served.

    Attributes:
        listen: where by HTTP; None for the usual place.
        listen_grpc: where by gRPC.
        tokens: the file of tokens; None for the one beside the ledger.
        tls: how callers are served; None for no TLS.
        limits: how much there may be at once.
        reserve_bytes: how much of the disk is left to the ledger's own file.
        retire: whether segments are deleted that are ingested.
        contracts: a file of them.
        schedule: of backups; None for none.
        metrics_tenants: how many tenants are named in the metrics.
    """

    listen: list[str] | None
    listen_grpc: str | None
    tokens: Path | None
    tls: ServerTls | None
    limits: Limits
    reserve_bytes: int
    retire: bool
    contracts: Path | None
    schedule: Schedule | None = None
    metrics_tenants: int = 0


def register(group: typer.Typer) -> None:
    """Add the command to `genai-cost ledger`."""
    group.command(name="serve")(_serve)


def _serve(
    listen: Listen = None,
    listen_grpc: ListenGrpc = None,
    tokens: SenderTokensOption = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    tls_client_ca: TlsClientCa = None,
    requests_max: RequestsMax = 64,
    in_flight_max_mib: InFlightMax = 256,
    request_max_mib: RequestMax = 48,
    reserve_mib: Reserve = 128,
    retire: Retire = False,
    contracts: ContractsOption = None,
    backups: BackupsOption = None,
    backup_every: BackupEvery = 15.0,
    backups_kept: BackupsKept = 24,
    metrics_tenants: MetricsTenants = 0,
    ledger: HomeOption = None,
) -> None:
    """Take journals from applications, agents and collectors, and book them, until SIGTERM or Ctrl-C. What is
    acknowledged is on this disk. Reports and other commands work on the same ledger meanwhile."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
    limits = Limits(requests_max, in_flight_max_mib << 20, request_max_mib << 20)
    tls = server_tls(tls_cert, tls_key, tls_client_ca)
    options = ServeOptions(
        listen=listen,
        listen_grpc=listen_grpc,
        tokens=tokens,
        tls=tls,
        limits=limits,
        reserve_bytes=reserve_mib << 20,
        retire=retire,
        contracts=contracts,
        schedule=_schedule(backups, backup_every, backups_kept),
        metrics_tenants=metrics_tenants,
    )
    serve_until_ended(ledger, options)


def _schedule(backups: Path | None, every_min: float, kept: int) -> Schedule | None:
    if backups is None:
        return None
    if not backups.is_dir():
        raise ConfigurationError(
            "no such folder",
            value=str(backups),
            where="--backups",
            remedy="make one, of this ledger alone, best on another disk",
        )
    return Schedule(backups, every_min * 60, kept)


def serve_until_ended(ledger: Path | None, options: ServeOptions) -> None:
    """Serve a ledger until SIGTERM or Ctrl-C, which are blocked.

    Args:
        ledger: its folder; None for the configured one.
        options: how.

    Raises:
        GenAICostError: if that cannot be begun, or another ledger has taken its place.
    """
    home = Home.at(ledger)
    refuse_standby(home.folder)
    refuse_half_restored(home.folder)
    with receiver_lock(home.folder, "ledger"):
        replica = Replica(
            home.journals[0],
            Disk(),
            reserve_bytes=options.reserve_bytes,
            gone_bytes=partial(booked_bytes, home.folder),
        )
        note_begun(replica)
        receiver = Receiver(replica, identity_of(home.folder))
        rounds = _rounds(home, options.contracts, options.retire)
        shipping = Shipping(home.folder, home.journals, rounds)
        backing = options.schedule and BackingUp(home.folder, options.schedule)
        known = SenderTokens(options.tokens or home.folder / SENDERS_FILE)
        more = [shipping.figures, *((backing.figures,) if backing else ())]
        if options.metrics_tenants:
            more.append(SpentFigures(home.folder, options.metrics_tenants).figures)
        serving = Serving(
            receiver, known, options.limits, lambda: chain.from_iterable(one() for one in more)
        )
        for line in serving.start(options.listen or [ADDRESS], options.listen_grpc, options.tls):
            note(line)
        identity = receiver.identity
        note(f"ledger {identity.id[:12]}, epoch {identity.epoch}, in {home.folder}")
        shipping.start()
        _wait_for_end(backing)
        serving.stop(_GRACE_S)
        if not shipping.stop(_ROUND_S):
            note("the last round was cut short; the next start goes on from there")
    if backing and backing.followed:
        raise backing.followed
    note(f"{replica.taken_bytes:,} bytes of journals taken")


def _wait_for_end(backing: BackingUp | None) -> None:
    """Until it is asked for, or this is not the ledger any more."""
    if backing is None:
        signal.sigwait(ENDS)
        return
    backing.start()
    while backing.followed is None and signal.sigtimedwait(ENDS, 0.5) is None:
        pass
    backing.stop()


def _rounds(
    home: Home, contracts: Path | None, retire: bool
) -> Callable[[Event, Callable[[Shipped], None]], object]:
    def follow(stop: Event, on_round: Callable[[Shipped], None]) -> object:
        with home.further_sinks() as sinks:
            return home.ship(
                book=watched_book(),
                contracts=contracts,
                sinks=sinks.values(),
                follow=True,
                stop=stop,
                retire_segments=retire,
                on_round=on_round,
            )

    return follow


def receiver_lock(home: Path, what: str) -> AbstractContextManager[None]:
    """Be the one receiver of a folder for the length of a block.

    Args:
        home: the ledger's folder, or an agent's.
        what: it is, for the refusal.

    Raises:
        LedgerLockedError: if another process is.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    refusal = (
        f"another process receives journals into {home}; let senders use that one, or give this {what} a folder of its "
        "own"
    )
    return exclusive(home / "receiver.lock", refusal)


def note_begun(replica: Replica) -> None:
    """Make a receiver ready, and say what it cut off."""
    for cut in replica.begin():
        note(
            f"{cut.segment}: {cut.before - cut.after} bytes that were not acknowledged are cut off; they come again"
        )
