"""What the texts of single settings mean."""

from __future__ import annotations

import re

from otel_genai_cost.metering.profiles import decorator
from otel_genai_cost.settings import words
from otel_genai_cost.tenancy.edge import TenantSource, parse_tenant_source

__all__ = ["parse_audience", "parse_hosts", "parse_profiles", "parse_tenant", "parse_token"]


def parse_tenant(text: str) -> TenantSource | None:
    """A tenant source; None for nothing."""
    return parse_tenant_source(text) if text else None


def parse_profiles(text: str) -> tuple[str, ...]:
    """Profiles of cost attributes, between commas."""
    found = words(text)
    decorator(found)
    return found


def parse_hosts(text: str) -> tuple[str, ...]:
    """`HOST=PROVIDER`, between commas."""
    found = words(text)
    if not all(re.fullmatch(r"[^=\s/:]+=[^=\s]+", each) for each in found):
        raise ValueError("use HOST=PROVIDER, such as gw.example.com=openai")
    return found


def parse_audience(text: str) -> str:
    """Whom tokens are for, as a token can carry it."""
    if not re.fullmatch(r"[A-Za-z0-9_.-]{0,64}", text):
        raise ValueError("use at most 64 of A-Za-z0-9_.-")
    return text


def parse_token(text: str) -> str:
    """A bearer token, as a header can carry it; a file's line may end."""
    if not re.fullmatch(r"[!-~]{0,4096}", text.strip()):
        raise ValueError("use a token of up to 4,096 printable characters without spaces")
    return text.strip()
