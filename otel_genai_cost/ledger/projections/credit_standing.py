"""What a tenant has of credit in all currencies, as it is kept in stores elsewhere, too."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from otel_genai_cost.ledger.projections.credits import Balance, Credits, Outside

__all__ = ["NO_CREDIT", "CreditStanding", "credit_standings", "standing_of_text"]


class CreditStanding(NamedTuple):
    """A tenant's balances, one a currency, and what no credit is of the currency of."""

    balances: tuple[Balance, ...]
    outside: tuple[Outside, ...]

    @property
    def text(self) -> str:
        """As JSON, to the last digit: what a store gives back to `standing_of_text`."""
        return json.dumps(self, separators=(",", ":"))

    def as_of(self, seq: int, held: Mapping[str, int]) -> CreditStanding:
        """With what is held where the holds are.

        Args:
            seq: the last entry that is counted.
            held: atto by currency.
        """
        every = (
            one._replace(held=held.get(one.currency, 0), as_of_seq=seq) for one in self.balances
        )
        return self._replace(balances=tuple(every))


NO_CREDIT = CreditStanding((), ())


def standing_of_text(text: str) -> CreditStanding:
    """The standing of `CreditStanding.text`.

    Args:
        text: as a store has it.
    """
    balances, outside = json.loads(text)
    return CreditStanding(
        tuple(Balance._make(one) for one in balances), tuple(Outside._make(one) for one in outside)
    )


def credit_standings(
    credit: Credits, now_us: int, seq: int, tenants: Iterable[str] | None = None
) -> dict[str, CreditStanding]:
    """The standings of these tenants, or of all; of those who were granted anything.

    Args:
        credit: of an open ledger.
        now_us: unix microseconds.
        seq: the last entry of the ledger.
        tenants: their ids; None for all.
    """
    if tenants is None:
        every = credit.balances(now_us, seq)
    else:
        every = [one for tenant in tenants for one in credit.balances(now_us, seq, tenant)]
    found: dict[str, list[Balance]] = {}
    for one in every:
        found.setdefault(one.tenant, []).append(one)
    return {
        tenant: CreditStanding(tuple(balances), tuple(credit.outside(tenant)))
        for tenant, balances in found.items()
    }
