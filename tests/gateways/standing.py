"""All of it as it stands where it runs: a gate, a shipper, our service for Envoy, an Envoy and a provider."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.cli.command import PROGRAM
from tests.demo.processes import Child, Children, children
from tests.gateways.gates import RealGate, gate_of
from tests.gateways.provider import Provider, providing
from tests.gateways.proxies import envoy
from tests.limits.build import budget

__all__ = ["Standing", "standing"]


class Standing(NamedTuple):
    """What runs, and where it is. `aside` is the same provider without Envoy, `status` where `service`, ours
    for Envoy, says how it is doing."""

    gate: RealGate
    provider: Provider
    url: str
    aside: str
    status: str
    family: Children
    shipper: Child
    service: Child

    def stop(self) -> None:
        """End the shipper in order, so that another may come."""
        self.shipper.stop()


@contextmanager
def standing(
    folder: Path,
    budgets: Sequence[dict[str, Any]],
    *options: str,
    keys: Mapping[str, str] | None = None,
) -> Generator[Standing]:
    """Start everything.

    Args:
        folder: of the test.
        budgets: as `tests.limits.build.budget` takes them.
        options: of the gate.
        keys: the tenants by their keys, in the place of those in the file.
    """
    with ExitStack() as stack:
        family = stack.enter_context(children())
        provider = stack.enter_context(providing())
        home = folder / "ledger"
        made = [budget(str(n), **said) for n, said in enumerate(budgets)]
        gate = gate_of(family, home, made, *options)
        own = gate.environment
        ship: list[str | Path] = [PROGRAM, "ship", "--follow", "--ledger", home]
        shipper = family.start("ship", ship, folder / "ship.log", own)
        serve: list[str | Path] = [
            PROGRAM,
            "gate",
            "ext-proc",
            "--listen",
            "127.0.0.1:0",
            "--listen-status",
            "127.0.0.1:0",
            "--ledger",
            home,
        ]
        service = family.start("ext-proc", serve, folder / "ext-proc.log", own)
        port = int(service.find(r"answering Envoy at \S+:(\d+)"))
        clusters = {"genai_cost": port, "openai": provider.port, "anthropic": provider.port}
        _, at = envoy(family, folder, "envoy-ext-proc.yaml", clusters, keys=keys)
        status = service.find(r"status: (http://\S+)/healthz")
        urls = (f"http://127.0.0.1:{at}", f"http://127.0.0.1:{provider.port}", status)
        yield Standing(gate, provider, *urls, family, shipper, service)
