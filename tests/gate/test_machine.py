"""Whatever happens to calls, holds, prices and the gate, in any order: what is committed is what a model says."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from otel_genai_cost.gate.gate import Options
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.posting.run import unlink
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.cost import unpriced
from otel_genai_cost.pricing.money import format_money, parse_money
from tests.gate.opened import Opened, check_sums, opened, post
from tests.ledger.build import START_US, observe, tenant
from tests.limits.build import budget

_CAP = parse_money("0.05")
_NEVER_BEHIND = Options(max_lag_s=1 << 40)
"""The clock is set by hand, and the gate looks at it every second of ours: how far behind the books are is chance."""


class Calls(RuleBasedStateMachine):
    """A tenant's calls. `open` is what each hold that counts has to be, `spent` what was booked."""

    def __init__(self) -> None:
        super().__init__()
        self.stack, self.folder = ExitStack(), ExitStack()
        self.number = 0
        self.open: dict[str, int] = {}
        self.calls: dict[str, Observation] = {}
        self.waiting: list[Observation] = []
        self.in_part: set[str] = set()

    @initialize()
    def begin(self) -> None:
        self.home = Path(self.folder.enter_context(tempfile.TemporaryDirectory()))
        self._open()

    def _open(self) -> None:
        cap = budget("acme", scope={"tenant": "acme"}, hard=format_money(_CAP))
        self.gate: Opened = self.stack.enter_context(opened(self.home, cap, options=_NEVER_BEHIND))

    @rule(tokens=st.integers(1, 2_000), spare=st.integers(0, 1_000), sent=st.booleans())
    def reserve(self, tokens: int, spare: int, sent: bool) -> None:
        self.number += 1
        one = observe(
            self.number, trace=self.number, tokens=(tokens, 10), attribution=tenant("acme")
        )
        said = {"provider": "openai", "model": "gpt-4o-2024-08-06", "modalities": ["text"]}
        answer = self.gate.post(
            "reserve",
            id=one.id,
            tenant="acme",
            input_tokens=tokens + spare,
            max_tokens=10,
            dispatched=sent,
            ttl_s=60,
            **said,
        )
        fits = answer.status_code == 200
        held = parse_money(answer.json().get("held", "0") if fits else answer.json()["amount"])
        assert fits == (self._booked() + sum(self.open.values()) + held <= _CAP)
        if fits:
            self.open[one.id], self.calls[one.id] = held, one

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        hold_id = data.draw(st.sampled_from(sorted(self.open)))
        state = self.gate.post("release", id=hold_id).json()["state"]
        if state == "void":
            del self.open[hold_id]

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), priced=st.sampled_from(["in full", "in part", "not"]))
    def observe(self, data: st.DataObject, priced: str) -> None:
        """The call's end is in the journal, and read; it may have no price, or one of its parts none."""
        hold_id = data.draw(st.sampled_from(sorted(self.calls)))
        one = self.calls.pop(hold_id)
        if priced == "not":
            one = one._replace(cost=unpriced("unknown_model"))
        elif priced == "in part":
            one = self._again(one, {"input_audio": 1})
            assert one.cost.status == "partial"
        post(self.home, one, settle=False)
        self.waiting.append(one)
        total = one.cost.total
        if total is not None:
            self.open[hold_id] = total
        elif hold_id not in self.open:
            self.open[hold_id] = self._amount(hold_id)

    @rule()
    def book(self) -> None:
        post(self.home)
        for one in self.waiting:
            if one.cost.total is not None:
                self.open.pop(one.id, None)
            elif one.id not in self.in_part:
                self.in_part.add(one.id)
                self.open[one.id] = max(self.open[one.id] - one.cost.lines_total, 0)
        self.waiting = [one for one in self.waiting if one.cost.total is None]

    @precondition(lambda self: any(one.cost.total is None for one in self.waiting))
    @rule()
    def rate_again(self) -> None:
        """A book that knows the model: the charges get a price, and their holds end."""
        post(self.home)
        again = [one for one in self.waiting if one.cost.total is None]
        known = [self._again(one) for one in again]
        post(self.home, *known)
        for one in self.waiting:
            self.open.pop(one.id, None)
        self.waiting = []

    @rule()
    def time_passes(self) -> None:
        """What was not sent is void, what was is lost and counts."""
        before = {hold.id: hold for hold in self.gate.open_holds()}
        self.gate.sweep(later_s=61)
        for hold_id, hold in before.items():
            if hold.state == "held":
                del self.open[hold_id]

    @rule()
    def crash(self) -> None:
        """The gate is gone, and another one opens; what it has said holds."""
        now_us = self.gate.clock.now_us
        self.stack.pop_all().close()
        self._open()
        self.gate.clock.now_us = now_us

    @precondition(lambda self: self.number)
    @rule()
    def unlink(self) -> None:
        """Entries are reversed and posted anew; holds that ended stay so."""
        with closing(Ledger(self.home / LEDGER_FILE)) as ledger, ledger.transaction():
            for entry in list(ledger.entries)[:1]:
                unlink(ledger, entry.charge_id, START_US, lambda _, __: None)

    @invariant()
    def what_is_committed_is_what_is_known(self) -> None:
        if not hasattr(self, "gate"):
            return
        found = {hold.id: hold.left for hold in self.gate.open_holds()}
        assert found == self.open
        standing = self.gate.budgets()[0]
        assert parse_money(standing["held"]) == sum(self.open.values())
        assert parse_money(standing["booked"]) == self._booked()
        check_sums(self.gate)

    def _booked(self) -> int:
        with closing(Ledger(self.home / LEDGER_FILE, readonly=True)) as ledger:
            return sum(entry.amount for entry in ledger.entries)

    def _amount(self, hold_id: str) -> int:
        found = self.gate.gate.store.submit(lambda within: within.find(hold_id)).result()
        assert found is not None
        return found.amount

    def _again(self, one: Observation, parts: Mapping[str, int] | None = None) -> Observation:
        usage: Any = one.reading.usage
        tokens = usage.input_total, usage.output_total
        return observe(
            int(one.span_id, 16),
            trace=int(one.trace_id, 16),
            tokens=tokens,
            parts=parts,
            attribution=one.attribution,
        )

    def teardown(self) -> None:
        self.stack.close()
        self.folder.close()


Calls.TestCase.settings = settings(
    max_examples=6,
    stateful_step_count=15,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestCalls = Calls.TestCase
