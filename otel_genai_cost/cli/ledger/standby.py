"""`ledger standby`: a second machine follows a ledger's backups, and is the ledger once it is told to."""

from __future__ import annotations

import signal
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from otel_genai_cost.cli.home import ContractsOption, Home, HomeOption
from otel_genai_cost.cli.ledger.senders import SenderTokensOption
from otel_genai_cost.cli.ledger.serve import (
    ENDS,
    BackupEvery,
    BackupsKept,
    InFlightMax,
    Listen,
    ListenGrpc,
    MetricsTenants,
    RequestMax,
    RequestsMax,
    Reserve,
    Retire,
    ServeOptions,
    receiver_lock,
    serve_until_ended,
)
from otel_genai_cost.cli.output import note
from otel_genai_cost.cli.tls_files import TlsCert, TlsClientCa, TlsKey, server_tls
from otel_genai_cost.errors import ConfigurationError, LedgerError, Seldom
from otel_genai_cost.intake.backing_up import Schedule
from otel_genai_cost.intake.serving import Limits
from otel_genai_cost.ledger.daemon import writer_lock
from otel_genai_cost.ledger.storage.keeping import Backup
from otel_genai_cost.ledger.storage.retention import unmark_all
from otel_genai_cost.ledger.storage.standby import (
    Standby,
    has_taken_place,
    is_asked_to_promote,
    stand_up,
)
from otel_genai_cost.pricing.instants import rfc3339

__all__ = ["register"]

_LOOK_EVERY_S: Final = 0.5


def register(group: typer.Typer) -> None:
    """Add the command to `genai-cost ledger`."""
    group.command(name="standby")(_standby)


def _standby(
    backups: Annotated[
        Path, typer.Argument(help="The folder that the ledger's backups are written to.")
    ],
    every: Annotated[
        float, typer.Option(min=0.1, help="Seconds between two looks for a newer backup.")
    ] = 10.0,
    once: Annotated[
        bool, typer.Option("--once", help="Follow the newest backup, and end.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Move a ledger that is there aside.")
    ] = False,
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
    backup_every: BackupEvery = 15.0,
    backups_kept: BackupsKept = 24,
    metrics_tenants: MetricsTenants = 0,
    ledger: HomeOption = None,
) -> None:
    """Restore each newer backup of a ledger elsewhere into this folder, until SIGTERM or Ctrl-C; on `genai-cost ledger
    promote` be that ledger: serve as `ledger serve` does, with these options, and back up into the same folder."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
    _refuse_none(backups)
    options = ServeOptions(
        listen=listen,
        listen_grpc=listen_grpc,
        tokens=tokens,
        tls=server_tls(tls_cert, tls_key, tls_client_ca),
        limits=Limits(requests_max, in_flight_max_mib << 20, request_max_mib << 20),
        reserve_bytes=reserve_mib << 20,
        retire=retire,
        contracts=contracts,
        schedule=Schedule(backups, backup_every * 60, backups_kept),
        metrics_tenants=metrics_tenants,
    )
    home = Home.at(ledger)
    if _is_ledger(home.folder, backups, replace):
        if not once:
            serve_until_ended(ledger, options)
        return
    with receiver_lock(home.folder, "standby"), writer_lock(home.folder):
        following = Standby(home.folder, backups, replace=replace)
        if once:
            _follow_once(following, backups)
            return
        note(f"standing by in {home.folder} for the ledger whose backups are in {backups}")
        if not _follows_until_it_is_ledger(home, following, every):
            return
    serve_until_ended(ledger, options)


def _refuse_none(backups: Path) -> None:
    if not backups.is_dir():
        raise ConfigurationError(
            "no such folder",
            value=str(backups),
            remedy="name the folder that `genai-cost ledger serve --backups` writes to",
        )


def _is_ledger(home: Path, backups: Path, replace: bool) -> bool:
    """Whether what stood by is the ledger by now, and stays it, however it was told to stand by; that is said. Raises
    LedgerError if another one has taken its place since, and it may not be replaced."""
    try:
        if not has_taken_place(home, backups):
            return False
    except LedgerError:
        if not replace:
            raise
        return False
    note(f"{home} was promoted, and is the ledger")
    return True


def _follow_once(following: Standby, backups: Path) -> None:
    _follow(following)
    if following.followed is None:
        raise LedgerError(f"there is no backup in {backups} that can be followed")


def _follows_until_it_is_ledger(home: Home, following: Standby, every_s: float) -> bool:
    """Follow until the copy has been made the ledger; False if the end comes first."""
    due_s, seldom = 0.0, Seldom()
    while True:
        try:
            if is_asked_to_promote(home.folder):
                taken = stand_up(home.folder, first=partial(unmark_all, home.journals))
                note(f"this is the ledger from now on, epoch {taken.identity.epoch}")
                return True
            if time.monotonic() >= due_s:
                due_s = time.monotonic() + every_s
                _follow(following)
        except (LedgerError, OSError) as error:
            if seldom.may_say(str(error)):
                note(f"it goes on standing by: {error}")
        if signal.sigtimedwait(ENDS, min(every_s, _LOOK_EVERY_S)) is not None:
            return False


def _follow(following: Standby) -> None:
    made = following.follow()
    if made is not None:
        note(_said(made))


def _said(made: Backup) -> str:
    return f"ready: the ledger of {rfc3339(made.made_us)}, up to entry {made.seq:,}"
