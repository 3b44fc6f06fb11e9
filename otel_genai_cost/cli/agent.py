"""`agent`: journals of a node, or of a pod, on their way to a ledger."""

from __future__ import annotations

import signal
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from otel_genai_cost.cli.ledger.senders import SenderTokensOption
from otel_genai_cost.cli.ledger.serve import (
    ENDS,
    InFlightMax,
    Listen,
    ListenGrpc,
    RequestMax,
    RequestsMax,
    note_begun,
    receiver_lock,
)
from otel_genai_cost.cli.output import note
from otel_genai_cost.cli.tls_files import TlsCert, TlsClientCa, TlsKey, server_tls
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.forwarding.destination import Destination, parse_address
from otel_genai_cost.intake.disk import Disk
from otel_genai_cost.intake.passing import Passing
from otel_genai_cost.intake.receiver import Receiver
from otel_genai_cost.intake.replica import Replica
from otel_genai_cost.intake.sender_tokens import SENDERS_FILE, SenderTokens
from otel_genai_cost.intake.serving import ADDRESS, Limits, Serving
from otel_genai_cost.intake.unshipped import Left, Unshipped
from otel_genai_cost.journal.bound import Bound
from otel_genai_cost.journal.ingested import MARKS
from otel_genai_cost.ledger.storage.identity import identity_of
from otel_genai_cost.ledger.storage.lock import exclusive
from otel_genai_cost.metering.config import load_settings

__all__ = ["register"]

_GRACE_S: Final = 2.0
_DRAIN_S: Final = 9.0
"""Less than the ten seconds that a pod has at least."""

_LOOK_EVERY_S: Final = 0.5

To = Annotated[
    str,
    typer.Option(
        help="The ledger, or another agent: http://HOST:PORT, https://HOST or unix:///PATH.",
        envvar="OTEL_GENAI_COST_SHIP_TO",
    ),
]
JournalOption = Annotated[
    Path | None,
    typer.Option(help="Forward this journal, which others write, and receive nothing: a sidecar."),
]
FolderOption = Annotated[
    Path | None,
    typer.Option(
        help="Where received journals are until they have gone on; default: the state folder."
    ),
]
LimitOption = Annotated[
    int, typer.Option("--limit-mib", min=1, help="How many MiB the folder of each sender may hold.")
]
ToTokenFile = Annotated[
    Path | None,
    typer.Option(help="A file with the token for it.", envvar="OTEL_GENAI_COST_SHIP_TOKEN_FILE"),
]
ToCa = Annotated[
    Path | None, typer.Option(help="Who vouches for it, PEM.", envvar="OTEL_GENAI_COST_SHIP_CA")
]
ToCert = Annotated[
    Path | None,
    typer.Option(help="Our certificate for it, PEM.", envvar="OTEL_GENAI_COST_SHIP_CERT"),
]
ToKey = Annotated[
    Path | None, typer.Option(help="Its key, PEM.", envvar="OTEL_GENAI_COST_SHIP_KEY")
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="agent")(_agent)


def _agent(
    to: To,
    journal: JournalOption = None,
    listen: Listen = None,
    listen_grpc: ListenGrpc = None,
    folder: FolderOption = None,
    limit_mib: LimitOption = 256,
    tokens: SenderTokensOption = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    tls_client_ca: TlsClientCa = None,
    to_token_file: ToTokenFile = None,
    to_ca: ToCa = None,
    to_cert: ToCert = None,
    to_key: ToKey = None,
    requests_max: RequestsMax = 64,
    in_flight_max_mib: InFlightMax = 128,
    request_max_mib: RequestMax = 48,
) -> None:
    """Take journals from the applications of a node and send them on to a ledger, until SIGTERM or Ctrl-C; or, with
    --journal, send on what one pod's applications write. Exit code 1 if something was left."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
    destination = _destination(to, to_token_file, to_ca, to_cert, to_key)
    if journal is not None:
        if listen or listen_grpc or folder is not None:
            raise ConfigurationError(
                "--journal forwards a folder and receives nothing",
                remedy="leave --listen, --listen-grpc and --folder out, or --journal",
            )
        _sidecar(journal, destination)
        return
    own = folder or load_settings().settings.home / "agent"
    with receiver_lock(own, "agent"):
        passing = Passing(own / "journal", destination)
        replica = Replica(own / "journal", Disk(), bound=Bound(limit_bytes=limit_mib << 20))
        note_begun(replica)
        receiver = Receiver(replica, identity_of(own), passed=passing.passed)
        known = SenderTokens(tokens or own / SENDERS_FILE)
        limits = Limits(requests_max, in_flight_max_mib << 20, request_max_mib << 20)
        serving = Serving(receiver, known, limits, Unshipped(passing.folders).figures)
        tls = server_tls(tls_cert, tls_key, tls_client_ca)
        for line in serving.start(listen or [ADDRESS], listen_grpc, tls):
            note(line)
        passing.start()
        note(f"agent {receiver.identity.id[:12]}, in {own}, sending on to {to}")
        signal.sigwait(ENDS)
        asked_s = time.monotonic()
        serving.stop(_GRACE_S)
        _say_left(passing.end(_DRAIN_S - _GRACE_S), own / "journal", asked_s)


def _destination(
    to: str, token_file: Path | None, ca: Path | None, cert: Path | None, key: Path | None
) -> Destination:
    address = parse_address(to)
    if address is None:
        raise ConfigurationError(
            "where journals go is empty", value=to, remedy="pass --to https://LEDGER"
        )
    token = load_settings().settings.ship_token
    return Destination(
        address=address,
        asked="node",
        token=token,
        token_file=token_file,
        ca=ca,
        cert=cert,
        key=key,
    )


def _sidecar(journal: Path, destination: Destination) -> None:
    """Forward one folder, which its writer may not have made yet."""
    is_ending = _ends_before(journal)
    if not journal.is_dir():
        note("nothing was written")
        return
    with _one_agent(journal):
        passing = Passing(journal, destination)
        passing.start()
        note(f"sending {journal} on to {destination.address}")
        if not is_ending:
            signal.sigwait(ENDS)
        asked_s = time.monotonic()
        _say_left(passing.end(_DRAIN_S), journal, asked_s)


def _ends_before(journal: Path) -> bool:
    """Wait for a folder; whether the end was asked for meanwhile. It may have come since the last look."""
    if journal.is_dir():
        return False
    note(f"waiting for {journal}")
    while not journal.is_dir():
        if signal.sigtimedwait(ENDS, _LOOK_EVERY_S) is not None:
            return True
    return False


@contextmanager
def _one_agent(journal: Path) -> Generator[None]:
    """Be the one agent of a folder.

    Raises:
        LedgerLockedError: if another one is.
    """
    place = journal / MARKS
    place.mkdir(mode=0o700, exist_ok=True)
    refusal = (
        f"another agent sends {journal} on; one is enough: stop it, or give each its own folder"
    )
    with exclusive(place / ".agent.lock", refusal):
        yield


def _say_left(left: Sequence[Left], journal: Path, asked_s: float) -> None:
    """Say what was not acknowledged, which stays where it is, and how long that took. Raises Exit."""
    after = f"{time.monotonic() - asked_s:.1f} s after the end was asked for"
    if not left:
        note(f"everything has gone on, {after}")
        return
    count = sum(one.bytes for one in left)
    note(
        f"{count:,} bytes of {len(left)} segment(s) were not acknowledged and stay in {journal}, {after}: the next "
        "agent sends them, if the volume lasts"
    )
    raise typer.Exit(1)
