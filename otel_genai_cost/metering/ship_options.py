"""The application's settings of where its journal goes, and how durable a call is to be."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal, TypedDict, get_args

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.forwarding.destination import Address, Durability, parse_address
from otel_genai_cost.metering.parsers import parse_token
from otel_genai_cost.settings import Setting, of_file, one_of, optional_path, whole_number

__all__ = ["Flush", "ShipOptions", "level_problem"]

Flush = Literal["off", "response"]
"""When what is pending is sent before anything goes on."""

_LEVELS: Final = get_args(Durability)


class ShipOptions(TypedDict, total=False):
    """A part of `metering.config.Options`."""

    durability: Annotated[
        Durability | None,
        Setting(
            "process",
            one_of(_LEVELS),
            "what an acknowledged call survives: the end of its `process` (it is in the journal), of its `pod` "
            "(`genai-cost agent` has it on a disk), or of its `node` (`genai-cost ledger serve` has it)",
        ),
    ]
    ship_to: Annotated[
        str | Address | None,
        Setting(
            "",
            parse_address,
            "the agent or ledger that the journal is sent to, from a thread: `http://HOST:PORT`, `https://HOST` or "
            "`unix:///PATH`",
        ),
    ]
    ship_token: Annotated[
        str | None,
        Setting(
            "",
            of_file(parse_token),
            "the token that it knows this application by, or `file:PATH`",
            is_secret=True,
        ),
    ]
    ship_token_file: Annotated[
        str | Path | None,
        Setting(
            "",
            optional_path,
            "a file that has the token instead, read again for each request: tokens that are replaced while we run",
        ),
    ]
    ship_ca: Annotated[
        str | Path | None,
        Setting(
            "", optional_path, "certificates in PEM that vouch for it, instead of the system's"
        ),
    ]
    ship_cert: Annotated[
        str | Path | None,
        Setting("", optional_path, "this application's own certificate in PEM, for mutual TLS"),
    ]
    ship_key: Annotated[
        str | Path | None,
        Setting("", optional_path, "the certificate's key, if that is in another file"),
    ]
    flush: Annotated[
        Flush | None,
        Setting(
            "off",
            one_of(get_args(Flush)),
            "`response`: the middlewares hold the end of a response until its calls are durable at the declared level, "
            "for functions that freeze once they have answered",
        ),
    ]
    flush_timeout_ms: Annotated[
        int | None,
        Setting("2000", whole_number, "milliseconds for which a response is held at most"),
    ]


def level_problem(durability: Durability, ship_to: Address | None) -> ConfigurationError | None:
    """What is wrong with a level, where it promises what nothing keeps; None if nothing is.

    Args:
        durability: as it is declared.
        ship_to: where the journal goes.
    """
    if durability == "process" or ship_to is not None:
        return None
    return ConfigurationError(
        "OTEL_GENAI_COST_DURABILITY is ignored: the journal is sent nowhere",
        value=durability,
        remedy="name an agent or a ledger in OTEL_GENAI_COST_SHIP_TO; until then calls are durable as `process` is",
    )
