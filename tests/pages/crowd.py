"""A ledger of many tenants, each with names, amounts and counts that are nobody else's, and pages for any viewer."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.tenants.directory import Directory, directory_of
from otel_genai_cost.ledger.tenants.row import TenantRow
from otel_genai_cost.pages.access.access import Access, cookie_name
from otel_genai_cost.pages.access.limits import Limits
from otel_genai_cost.pages.access.options import AccessOptions, OidcOptions
from otel_genai_cost.pages.access.rates import Rate
from otel_genai_cost.pages.access.sessions import Sessions, link_text
from otel_genai_cost.pages.access.who import Row
from otel_genai_cost.pages.data import Source
from otel_genai_cost.pages.figures import Figures, Reading
from otel_genai_cost.pages.viewer import Viewer
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.reports.selection import EVERYTHING
from otel_genai_cost.reports.tables import Group, report
from tests.cli.command import run
from tests.cli.homes import home_of, seconds_of
from tests.ledger.build import observe, tenant
from tests.pages.signing import signer_of

__all__ = ["COUNT", "FIRST", "NOW_US", "OWN", "URL", "Crowd", "crowd", "name_of"]

COUNT: Final = 12
"""Tenants; the first is the one that looks."""

CALLS: Final = 6
FIRST: Final = "2026-11-18T12:00:00Z"
NOW_US: Final = microseconds("2099-01-01T00:00:00Z")
"""After whatever a test decides: budgets hold from when they are set."""

URL: Final = "https://cost.example.com"
_TRACE: Final = 0xABC0000
_DAY_US: Final = 86_400_000_000


def name_of(n: int) -> str:
    """A tenant's id: no other text has it in it."""
    return f"zq{n:02}-{'abcdefghijkl'[n] * 5}"


OWN: Final = name_of(0)
_SOLD: Final = "zqsold-id"
"""An id that was the first tenant's, and is the second's since before the last calls."""


class Crowd(NamedTuple):
    """What a test has.

    Attributes:
        home: the ledger's folder.
        source: of the pages.
        own: texts that the first tenant may see.
        foreign: texts of which none may be seen by it: names, sums, counts and ids.
    """

    home: Path
    source: Source
    own: tuple[str, ...]
    foreign: tuple[str, ...]

    def access(self) -> Access:
        """Of pages that people sign in to, as often as they like."""
        options = AccessOptions(
            public_url=URL,
            oidc=OidcOptions("https://login.example.com", "genai-cost"),
            who=(Row("groups", None, "finance"),),
            embed=("https://app.example.com",),
        )
        fast = Limits(*(Rate(10**9, 1.0) for _ in range(4)))
        return Access(options, signer_of(lambda: NOW_US), fast)

    def cookie(self, viewer: Viewer) -> str:
        """The header of whoever is signed in as this viewer."""
        access = self.access()
        text, _ = Sessions(access.signer, 3_600).begin(viewer)
        return f"{cookie_name(access.options)}={text}"

    def link(self, whose: str) -> str:
        """What a link to a tenant's own page has."""
        return link_text(self.access().signer, whose, 900)

    def close(self) -> None:
        """Let go of the figures."""
        self.source.figures.close()


def crowd(folder: Path) -> Crowd:
    """Make it.

    Args:
        folder: for the ledger.
    """
    first = seconds_of(FIRST)
    found = [_call(n, call, first) for n in range(COUNT) for call in range(CALLS)]
    found.append(_sold(first))
    home = home_of(folder, found)
    _limits(home)
    directory = _registry(home)
    figures = Figures(home)
    figures.refresh()
    journals = (home / "journal",)
    source = Source(figures, home, journals, lambda _: None, lambda: NOW_US, lambda: directory)
    with closing(figures.reading()) as reading:
        return Crowd(home, source, *_marks(reading, directory))


def _call(n: int, call: int, first: int) -> Observation:
    """Each tenant's counts of tokens are seven digits that nobody else has."""
    number = 1 + n * CALLS + call
    return observe(
        number,
        trace=_TRACE + number,
        start_s=first + 3_600 * call,
        end_s=first + 3_600 * call + 1 + n,
        tokens=(2_000_003 + 70_001 * number, 1_000_007 + 30_011 * number),
        model="gpt-4o-2024-08-06" if call % 2 else f"zqmodel{n:02}",
        attribution=tenant(name_of(n), feature=f"zqfeat{n:02}", action=f"zqact{n:02}-{call}"),
        response_id=f"zqresp{n:02}-{call}",
    )


def _sold(first: int) -> Observation:
    """A call under the id that has changed hands, after it did: it is the second tenant's."""
    at_s = first + 30 * 3_600
    return observe(
        9_000,
        trace=0xABCFFFF,
        start_s=at_s,
        end_s=at_s + 1,
        tokens=(4_444_441, 3_333_331),
        attribution=tenant(_SOLD, feature="zqfeatsold", action="zqactsold"),
        response_id="zqrespsold",
    )


def _limits(home: Path) -> None:
    grants = "".join(
        f'[[grant]]\nref = "zqref{n:02}"\ntenant = "{name_of(n)}"\ncurrency = "USD"\n'
        f'amount = "{54_321 + 1_111 * n}.5{n:02}"\n\n'
        for n in range(COUNT)
    )
    (home / "grants.toml").write_text(grants)
    run("credits", "grant", "--file", str(home / "grants.toml"), "--ledger", str(home))
    budgets = "".join(
        f'[[budget]]\nid = "zqbudget{n:02}"\nscope = {{ tenant = "{name_of(n)}" }}\nperiod = "month"\n'
        f'currency = "USD"\nside = "{"price" if n % 2 == 0 else "cost"}"\nhard = "{98_765 + 1_111 * n}.25"\n\n'
        for n in range(COUNT)
    )
    (home / "budgets.toml").write_text(f'schema = "otel-genai-cost-budgets/1"\n{budgets}')
    run("budgets", "set", "--file", str(home / "budgets.toml"), "--ledger", str(home))


def _registry(home: Path) -> Directory:
    begin_us, sold_us = microseconds("2026-01-01T00:00:00Z"), microseconds(FIRST) + _DAY_US
    rows = [
        TenantRow(name_of(n), begin_us, None, {"name": f"Zqname{n:02}"}) for n in range(2, COUNT)
    ]
    rows += [
        TenantRow(OWN, begin_us, sold_us, {"name": "Zqname00"}, aliases=(_SOLD,)),
        TenantRow(OWN, sold_us, None, {"name": "Zqname00"}),
        TenantRow(name_of(1), begin_us, sold_us, {"name": "Zqname01"}),
        TenantRow(name_of(1), sold_us, None, {"name": "Zqname01"}, aliases=(_SOLD,)),
    ]
    return directory_of(rows)


def _marks(store: Reading, directory: Directory) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What tenants' own rows have, told apart by whose they are; what the first one has too is nobody's alone."""
    by_tenant: dict[str, set[str]] = {name_of(n): set() for n in range(COUNT)}
    for name, marks in by_tenant.items():
        for side in ("cost", "price"):
            selection = EVERYTHING._replace(tenants=(name,), side=side, directory=directory)
            for by in (["tenant"], ["feature"], ["model"], ["day"], ["hour"], ["action"]):
                marks.update(_texts(report(store, by, selection)))
    for n, marks in enumerate(by_tenant.values()):
        marks |= {f"zqref{n:02}", f"zqbudget{n:02}", f"Zqname{n:02}", f"zqresp{n:02}"}
        marks |= {f"{_TRACE + 1 + n * CALLS + call:032x}" for call in range(CALLS)}
        marks |= {f"{54_321 + 1_111 * n}.5{n:02}", f"{98_765 + 1_111 * n}.25"}
    sql = "SELECT tenant, charge_id, input_tokens, output_tokens FROM entries"
    for booked, charge, inward, outward in store.query(sql).rows:
        marks = by_tenant[name_of(1) if booked == _SOLD else booked]
        marks |= {charge, str(inward), f"{inward:,}", str(outward), f"{outward:,}"}
    by_tenant[name_of(1)] |= {_SOLD, "zqfeatsold", "zqactsold", "zqrespsold"}
    own = by_tenant.pop(OWN)
    foreign = set().union(*by_tenant.values()) - own
    return tuple(sorted(own)), tuple(sorted(foreign))


def _texts(groups: Iterable[Group]) -> Iterable[str]:
    for group in groups:
        yield from (key for key in group.keys.values() if key and key.lower().startswith("zq"))
        for amount in (group.total, group.at_least):
            if amount is not None and len(str(amount.normalize()).replace(".", "")) >= 6:
                yield format(amount.normalize(), "f")
