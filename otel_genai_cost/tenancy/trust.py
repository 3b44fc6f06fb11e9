"""Whose word counts in baggage: what comes in is believed if a token of a known key vouches for it, and what a binding
of this process says goes out with one.

Nothing here asks who sent it, or by what: a request, a message and a call of a colleague's service are read alike.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple
from urllib.parse import quote, quote_plus, unquote_plus

from otel_genai_cost import attributes as names
from otel_genai_cost.tenancy.attribution import Attribution, tenant_id_of
from otel_genai_cost.tenancy.binding import (
    TENANT_KEY,
    Captured,
    demand_tokens,
    is_protected,
    labels_in,
    vouched_entries,
)
from otel_genai_cost.tenancy.refusals import Refused
from otel_genai_cost.tenancy.tokens import NO_KEYS, Keys, RefusedToken, Signed, mint, verify
from otel_genai_cost.vocabulary import Absence, Initiator

__all__ = [
    "Arriving",
    "attribution_by",
    "configure",
    "fitting",
    "is_forwarding_limited",
    "is_on",
    "may_go",
    "read",
    "readable",
    "switch_on",
    "vouched_for",
    "written",
]

_TOKEN_KEY: Final = names.TENANT_TOKEN
_MINTING: Final = frozenset({"edge", "for_tenant", "baggage"})
"""Sources of bindings that were decided in this process; `baggage` is bound by an edge alone, whose gateway set it."""

_READ_MAX: Final = 65_536
_PAIR_MAX, _PAIRS_MAX, _HEADER_MAX = 4_096, 180, 8_192
"""Limits of W3C's baggage, in bytes and entries. What exceeds them others drop from the end, or as a whole."""

_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_SAFE: Final = "/:@|!$&'()*"
"""Of what a value may hold as it is, what tenant ids have and what is usual."""


class _Settings:
    is_on = False
    keys: Keys = NO_KEYS
    audience: str = ""
    expires_after_s: int = 0
    forwarded: frozenset[str] = frozenset()


def switch_on() -> None:
    """A propagator of ours is in use: from now on nothing reserved is believed without a token."""
    _Settings.is_on = True
    demand_tokens()


def is_on() -> bool:
    """Whether tokens decide what is believed."""
    return _Settings.is_on


def configure(
    keys: Keys = NO_KEYS,
    audience: str = "",
    expires_after_s: int = 0,
    forwarded: Iterable[str] = (),
) -> None:
    """Set up tokens for this process; called once, at activation.

    Args:
        keys: Those that are believed; the first that can sign mints.
        audience: Whom tokens are minted for, and have to be for.
        expires_after_s: How long after its minting a token holds, in seconds; 0 for always.
        forwarded: Entries of other people's that go on to other services; `*` for all. With none, none does by our
            propagator, and all do by W3C's.
    """
    _Settings.keys, _Settings.audience = keys, audience
    _Settings.expires_after_s, _Settings.forwarded = expires_after_s, frozenset(forwarded)


class Arriving(NamedTuple):
    """A baggage header, read: what is nobody's word on tenants, and what a token vouches for, if one does."""

    others: Mapping[str, str]
    signed: Signed | None


def read(headers: Iterable[str], vouched: str | None, refused: Refused) -> Arriving:
    """Read baggage as it came.

    Args:
        headers: The values of the header; together they are one. Some getters give one as text.
        vouched: An entry that is believed as it is, since the team's gateway sets it.
        refused: Called with the reason, if a tenant or label is not believed.
    """
    others: dict[str, str] = {}
    reserved: dict[str, str] = {}
    is_sound = True
    text = headers if isinstance(headers, str) else ",".join(headers)
    if len(text) > _READ_MAX:
        refused("baggage_too_long")
        return Arriving(others, None)
    for member in text.split(","):
        name, value = _pair(member)
        if name == vouched or not is_protected(name):
            _keep(others, name, value, member)
        else:
            is_sound = is_sound and _is_single(member, name, value, reserved)
            reserved[name] = value
    if not is_sound:
        refused("malformed_baggage")
    return Arriving(others, _signed(reserved, refused) if is_sound else None)


def readable(header: str, refused: Refused) -> str:
    """A baggage header as W3C's propagator has to get it to read what is ours: it takes the first 180 entries, and none
    at all of more than 8,192 bytes. What names a tenant or label twice, and differently, names none.

    Args:
        header: The header of a message, which nobody's token vouches for.
        refused: Called with the reason, if a tenant or label is left out.
    """
    if len(header) > _READ_MAX:
        refused("baggage_too_long")
        return ""
    members = header.split(",")
    ours: dict[str, str] = {}
    values: dict[str, str] = {}
    is_sound = True
    for member in members:
        name, value = _pair(member)
        if is_protected(name):
            is_sound = is_sound and values.setdefault(name, value) == value
            ours[member] = name
    if not is_sound:
        refused("malformed_baggage")
    elif len(members) <= _PAIRS_MAX and len(header) <= _HEADER_MAX:
        return header
    others = (member for member in members if member not in ours)
    return _fitting((*ours, *others) if is_sound else others, lambda: None)


def fitting(entries: Mapping[str, object], dropped: Callable[[], object]) -> list[str]:
    """The names of baggage that W3C's propagator reads where it arrives, in their order. That of older versions of
    OpenTelemetry's API sends more, and of a header that is too long reads nothing.

    Args:
        entries: Baggage, the most important first.
        dropped: Called for each entry for which there is no room.
    """
    if len(entries) <= _PAIRS_MAX and _longest(entries) <= _HEADER_MAX:
        return [*entries]
    sized = ((name, len(f"{name}={quote_plus(str(value))}")) for name, value in entries.items())
    return _first(sized, dropped)


def _longest(entries: Mapping[str, object]) -> int:
    """No header of these is longer: a character is four bytes at most, and each takes three when it is quoted."""
    return sum(len(name) + 2 + 12 * len(str(value)) for name, value in entries.items())


def _pair(member: str) -> tuple[str, str]:
    name, _, value = member.partition("=")
    return unquote_plus(name).strip(), unquote_plus(value).strip()


def _keep(others: dict[str, str], name: str, value: str, member: str) -> None:
    """Of other people's entries as many as W3C's propagator would take."""
    bare = member.partition("=")[0].strip(" \t")
    is_valid = "=" in member and _NAME.fullmatch(bare) is not None and len(member) <= _PAIR_MAX
    if is_valid and (len(others) < _PAIRS_MAX or name in others):
        others[name] = value


def _is_single(member: str, name: str, value: str, known: Mapping[str, str]) -> bool:
    """Whether an entry is written as we write it: its name in plain letters, without properties, and once. What is
    there twice was appended by somebody."""
    bare = member.partition("=")[0].strip(" \t")
    return bare == name and ";" not in member and known.get(name, value) == value


def _signed(reserved: dict[str, str], refused: Refused) -> Signed | None:
    token = reserved.pop(_TOKEN_KEY, None)
    if not reserved and token is None:
        return None
    try:
        if token is None:
            raise RefusedToken("unsigned_tenant")
        signed = verify(
            token,
            reserved,
            _Settings.keys,
            tenant_key=TENANT_KEY,
            audience=_Settings.audience,
            now_s=time.time(),
        )
    except RefusedToken as refusal:
        refused(refusal.fault)
        return None
    for _ in reserved.keys() - signed.entries.keys():
        refused("unsigned_label")
    return signed


def attribution_by(signed: Signed) -> Attribution:
    """Whom a token speaks for. Work that the platform does for itself names no tenant, and stays the platform's."""
    tenant = tenant_id_of(signed.entries.get(TENANT_KEY))
    initiator: Initiator = "system" if signed.entries.get(names.INITIATOR) == "system" else "user"
    nobody: Absence = "missing" if initiator == "user" else "system"
    absent = None if tenant else "invalid" if TENANT_KEY in signed.entries else nobody
    return Attribution(tenant, "token", absent, initiator, labels_in(signed.entries))


def vouched_for(captured: Captured) -> Signed | None:
    """What may leave with a token: as it came, if it came with one; else signed here, once a binding, if it was bound
    in this process and there is a key to sign with."""
    binding = captured.binding
    if binding is None or captured.is_stale:
        return None
    found = binding.attribution
    if captured.entries.get(TENANT_KEY) != found.tenant:
        return None
    if found.source == "token":
        return binding.scope.signed
    key = _Settings.keys.minting
    if key is None or found.source not in _MINTING or not (found.tenant or _is_system(captured)):
        return None
    wanted = vouched_entries(captured)
    kept, now_s = binding.scope.signed, int(time.time())
    if kept is None or kept.entries != wanted or _is_old(kept, now_s):
        expires_s = now_s + _Settings.expires_after_s if _Settings.expires_after_s else 0
        kept = mint(
            key,
            wanted,
            tenant_key=TENANT_KEY,
            audience=_Settings.audience,
            expires_s=expires_s,
        )
        binding.scope.signed = kept
    return kept


def _is_system(captured: Captured) -> bool:
    return captured.entries.get(names.INITIATOR) == "system"


def _is_old(signed: Signed, now_s: int) -> bool:
    """Whether less than half of its time is left."""
    return 0 < signed.expires_s < now_s + _Settings.expires_after_s // 2


def is_forwarding_limited() -> bool:
    """Whether it was said which entries of other people's go on to other services."""
    return bool(_Settings.forwarded)


def may_go(name: str) -> bool:
    """Whether other people's entry goes on to other services."""
    return "*" in _Settings.forwarded or name in _Settings.forwarded


def written(entries: Mapping[str, object], dropped: Callable[[], object]) -> str:
    """Entries as a header: the first ones, as far as there is room.

    Args:
        entries: By name, the most important first.
        dropped: Called for each for which there is none.
    """
    pairs = entries.items()
    members = (f"{quote(name, safe='')}={quote(str(value), safe=_SAFE)}" for name, value in pairs)
    return _fitting(members, dropped)


def _fitting(members: Iterable[str], dropped: Callable[[], object]) -> str:
    """Members as a header: the first ones, as far as there is room."""
    return ",".join(_first(((member, len(member)) for member in members), dropped))


def _first(sized: Iterable[tuple[str, int]], dropped: Callable[[], object]) -> list[str]:
    """The first of some members of a header, each with its length, as far as there is room."""
    found: list[str] = []
    length = 0
    for member, size in sized:
        more = size + bool(found)
        if size > _PAIR_MAX or len(found) >= _PAIRS_MAX or length + more > _HEADER_MAX:
            dropped()
            continue
        found.append(member)
        length += more
    return found
