"""What an id means at a time: one tenant or none, through merges, aliases and parents."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_genai_cost.errors import TenantsError
from otel_genai_cost.ledger.tenants.directory import Directory, directory_of
from otel_genai_cost.ledger.tenants.row import FOREVER_US, TenantRow


def row(tenant: str, from_us: int, to_us: int | None = None, **more: object) -> TenantRow:
    name = more.pop("name", None)
    words = {"name": str(name)} if name else {}
    return TenantRow(tenant, from_us, to_us, words, file="f", line=from_us, **more)  # type: ignore[arg-type]


def meaning(directory: Directory, name: str, us: int) -> tuple[str, str | None, str] | None:
    """The tenant, its name, and who stands at the top of it."""
    piece = directory.at(name, us)
    return piece and (piece.row.tenant, piece.row.words.get("name"), piece.top)


def test_a_rename_is_a_row() -> None:
    found = directory_of([row("a", 10, name="Old"), row("a", 20, name="New")])
    assert [meaning(found, "a", us) for us in (9, 10, 19, 20, FOREVER_US - 1)] == [
        None,
        ("a", "Old", "a"),
        ("a", "Old", "a"),
        ("a", "New", "a"),
        ("a", "New", "a"),
    ]
    assert meaning(found.as_of(25), "a", 10) == ("a", "New", "a")
    assert meaning(found.as_of(5), "a", 30) is None


def test_its_own_row_holds_until_its_end_or_the_next() -> None:
    first, second, merged = row("a", 10, 20), row("a", 30), row("b", 5, merged_into="a")
    found = directory_of([second, row("aa", 0), merged, first])
    assert [found.own("a", us) for us in (0, 9, 10, 19, 20, 29, 30, FOREVER_US - 1)] == [
        *(None, None, first, first, None, None, second, second)
    ]
    assert [found.own("b", us) for us in (4, 5)] == [None, merged]
    assert [found.own(name, 100) for name in ("", "Z", "az", "c")] == [None] * 4


def test_aliases_and_merges_hold_from_their_day() -> None:
    found = directory_of(
        [
            row("a", 0),
            row("a", 10, aliases=("org-7",)),
            row("b", 0),
            row("b", 10, merged_into="a"),
            row("c", 0, merged_into="b"),
        ]
    )
    assert [meaning(found, "org-7", us) for us in (9, 10)] == [None, ("a", None, "a")]
    assert [meaning(found, "b", us) for us in (9, 10)] == [("b", None, "b"), ("a", None, "a")]
    assert [meaning(found, "c", us) for us in (9, 10)] == [("b", None, "b"), ("a", None, "a")]


def test_parents_roll_up_to_the_top_of_their_time() -> None:
    found = directory_of(
        [
            row("team", 0, parent="firm"),
            row("firm", 0),
            row("firm", 10, 20, parent="group"),
            row("firm", 30, parent="holding"),
            row("group", 0, 15, parent="world"),
        ]
    )
    tops = {us: found.at("team", us).top for us in (0, 9, 10, 14, 15, 19, 20, 29, 30)}  # type: ignore[union-attr]
    assert tops == {
        0: "firm",
        9: "firm",
        10: "world",
        14: "world",
        15: "group",
        19: "group",
        20: "firm",
        29: "firm",
        30: "holding",
    }


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([row("a", 0, 11), row("a", 10)], "f:10: 'a' has two meanings at one time"),
        ([row("a", 10), row("a", 10)], "two meanings at one time: this row of 'a' and one of 'a'"),
        ([row("a", 0, aliases=("b",)), row("b", 5)], "'b' has two meanings at one time"),
        (
            [row("a", 0, aliases=("x",)), row("b", 5, aliases=("x",))],
            "this row of 'b' and one of 'a'",
        ),
        ([row("a", 0, parent="b"), row("b", 0, parent="a")], "its own parent: b -> a -> b"),
        ([row("a", 0, merged_into="b"), row("b", 0, merged_into="a")], "into itself: b -> a -> b"),
        ([row("a", 0, merged_into="b")], "merged into 'b', which has no row; add one"),
        (
            [row("a", 0, parent="b"), row("b", 5, merged_into="a")],
            "'a' is its own parent: a -> a",
        ),
        ([row(f"t{n}", 0, parent=f"t{n + 1}") for n in range(2_000)], "under more than 64 others"),
        ([row(f"t{n}", 0, merged_into=f"t{n + 1}") for n in range(99)], "more than 64 others"),
    ],
)
def test_what_contradicts_itself_is_refused(rows: Sequence[TenantRow], says: str) -> None:
    with pytest.raises(TenantsError) as caught:
        directory_of(rows)
    assert says in str(caught.value)


def test_a_cycle_that_never_holds_at_one_time_is_none() -> None:
    directory_of([row("a", 0, 10, parent="b"), row("b", 10, parent="a"), row("b", 0, 10)])


_NAMES = ("a", "b", "c", "d")
_ROWS = st.lists(
    st.builds(
        lambda tenant, begin, length, parent, alias, into: row(
            tenant,
            begin,
            begin + length if length else None,
            parent=None if parent == tenant else parent,
            aliases=(alias,) if alias else (),
            merged_into=None if into == tenant else into,
        ),
        st.sampled_from(_NAMES),
        st.integers(0, 9),
        st.sampled_from([0, 0, 1, 3]),
        st.sampled_from([None, None, *_NAMES]),
        st.sampled_from([None, None, None, "x", "y"]),
        st.sampled_from([None, None, None, *_NAMES]),
    ),
    max_size=5,
)


def _naive(rows: Sequence[TenantRow], name: str, us: int) -> TenantRow | None:
    """The row that an id means, looked for at one instant."""
    for _ in range(10):
        found = [
            one for one in rows if name in (one.tenant, *one.aliases) and _holds(rows, one, us)
        ]
        if not found:
            return None
        (one,) = found
        if one.merged_into is None:
            return one
        name = one.merged_into
    raise AssertionError("a cycle")


def _holds(rows: Sequence[TenantRow], one: TenantRow, us: int) -> bool:
    later = [other.from_us for other in rows if other.tenant == one.tenant]
    ends = [begin for begin in later if begin > one.from_us]
    to_us = one.to_us if one.to_us is not None else min(ends, default=FOREVER_US)
    return one.from_us <= us < to_us


def _top(rows: Sequence[TenantRow], one: TenantRow, us: int) -> str:
    while one.parent is not None:
        above = _naive(rows, one.parent, us)
        if above is None:
            return one.parent
        one = above
    return one.tenant


@given(_ROWS)
def test_every_instant_is_as_one_would_look_it_up(rows: list[TenantRow]) -> None:
    try:
        found = directory_of(rows)
    except TenantsError:
        return
    for us in range(-1, 14):
        for name in (*_NAMES, "x", "y", "z"):
            one = _naive(rows, name, us)
            piece = found.at(name, us)
            assert (piece and piece.row) == one
            if piece is not None and one is not None:
                assert piece.top == _top(rows, one, us)
                assert found.as_of(us).at(name, 99) == piece._replace(
                    from_us=-FOREVER_US, to_us=FOREVER_US
                )
