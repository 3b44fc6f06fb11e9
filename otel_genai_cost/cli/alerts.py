"""`alerts`: by which channels notices go, what was said, and the process that delivers it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar
from urllib.parse import urlsplit

import typer

from otel_genai_cost.alerts.channel import Sent
from otel_genai_cost.alerts.deliver import send, sender_of
from otel_genai_cost.alerts.file import WrittenChannel, channel_events, channels_in
from otel_genai_cost.alerts.render import render
from otel_genai_cost.alerts.serving import serve
from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import JsonOption, note, print_json, print_listed
from otel_genai_cost.cli.plans.fair_use import upgrades_hourly
from otel_genai_cost.errors import ConfigurationError, LedgerLockedError
from otel_genai_cost.ledger.projections.channels import Channel
from otel_genai_cost.ledger.projections.notices import Letter, Notices, Queued
from otel_genai_cost.ledger.storage.decided import decide
from otel_genai_cost.limits.notice import Audience, Notice, notice_id
from otel_genai_cost.pricing.instants import rfc3339

__all__ = ["register"]

_T = TypeVar("_T")

_PLACE: Final = "alerts set"
_COLUMNS: Final = ("channel", "kind", "audience", "tenant", "where", "waiting", "dead", "state")
_NUMBERS: Final = frozenset({"waiting", "dead"})
_PROSE: Final = frozenset({"title", "error", "state"})
_ID_MIN: Final = 8

What = Literal["channels", "notices", "waiting", "dead"]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Of the channel.")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Who is informed of what, and how.", no_args_is_help=True)
    for name, command in (
        ("set", _set),
        ("remove", _remove),
        ("list", _list),
        ("show", _show),
        ("test", _test),
        ("acknowledge", _acknowledge),
        ("retry", _retry),
        ("serve", _serve),
    ):
        group.command(name=name)(command)
    app.add_typer(group, name="alerts")


def _set(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the channel.")] = "",
    kind: Annotated[str, typer.Option(help="webhook, apprise or alertmanager.")] = "webhook",
    url: Annotated[str, typer.Option(help="Where to.")] = "",
    secret: Annotated[
        list[str] | None,
        typer.Option(help="whsec_… or file:PATH; two while they are changed. Repeatable."),
    ] = None,
    audience: Annotated[str, typer.Option(help="team or tenant.")] = "team",
    tenant: Annotated[str | None, typer.Option(help="Notices about this tenant only.")] = None,
    on: Annotated[
        list[str] | None, typer.Option(help="A kind of notices; default: all. Repeatable.")
    ] = None,
    watchdog_s: Annotated[
        int | None, typer.Option(help="Say every so many seconds that all is well.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="Set the channels of this .toml file instead.")
    ] = None,
    ledger: HomeOption = None,
) -> None:
    """Set channels: all or, if one is broken, none. One that is disabled is enabled by that."""
    if file is not None and name:
        raise ConfigurationError("--file has the channels", remedy="leave NAME out")
    given: dict[str, Any] = {"name": name, "kind": kind, "url": url, "audience": audience}
    further = {"secrets": secret, "tenant": tenant, "kinds": on, "watchdog_s": watchdog_s}
    given |= {key: value for key, value in further.items() if value is not None}
    written = [WrittenChannel(given, _PLACE, 0)] if file is None else channels_in(file)
    home = Home.at(ledger)
    _decide(home, channel_events(written, _now_us()))
    note(f"{len(written)} channel{'' if len(written) == 1 else 's'} set in {home.folder}")


def _remove(name: NameArgument, ledger: HomeOption = None) -> None:
    """Take a channel away. What waits for it is not sent."""
    home = Home.to_read(ledger)
    _ask(home, lambda notices: _channel(notices, name))
    _decide(home, [{"type": "channel_removed", "name": name, "at_us": _now_us()}])
    note(f"{name} is removed")


def _list(
    what: Annotated[
        What, typer.Argument(help="channels, notices, or letters: waiting or dead.")
    ] = "channels",
    tenant: Annotated[str | None, typer.Option(help="Notices about this tenant only.")] = None,
    audience: Annotated[Audience, typer.Option(help="Whose notices.")] = "team",
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """The channels; or the notices there were, letters that wait and letters that were given up."""
    home = Home.to_read(ledger)
    if what == "channels":
        _print(_ask(home, _channel_records), _COLUMNS, as_json)
    elif what == "notices":
        found = _ask(home, lambda notices: notices.since(0, audience, tenant, -1))
        columns = ("id", "at", "kind", "tenant", "title", "acknowledged_by")
        _print([_notice_record(one) for one in found], columns, as_json)
    else:
        letters = _ask(home, lambda notices: notices.letters(what))
        columns = ("id", "channel", "at", "title", "tries", "error")
        _print([_letter_record(one) for one in letters], columns, as_json)


def _show(name: NameArgument, ledger: HomeOption = None) -> None:
    """What was decided of a channel over time, in JSON. Secrets are not shown."""
    home = Home.to_read(ledger)
    events = _ask(home, lambda notices: notices.channels.history(name))
    if not events:
        raise _unknown(name)
    print_json(
        {
            **{key: value for key, value in event.items() if key not in ("seq", "at_us")},
            "at": rfc3339(event["at_us"]),
            "settings": _without_secrets(event.get("settings") or {}),
        }
        for event in events
    )


def _test(name: NameArgument, ledger: HomeOption = None) -> None:
    """Send a test by a channel now, and say what came of it; exit code 1 if it was not taken."""
    home = Home.to_read(ledger)
    channel = _ask(home, lambda notices: _channel(notices, name))
    now_us = _now_us()
    notice = Notice("test", f"test|{now_us}", channel.tenant, channel.audience, now_us, {})
    sent = asyncio.run(_try(channel, notice))
    if sent.outcome != "delivered":
        note(f"{name}: not taken: {sent.error}")
        raise typer.Exit(1)
    note(f"{name}: delivered")


async def _try(channel: Channel, notice: Notice) -> Sent:
    sender = sender_of(channel)
    try:
        return await send(sender, notice_id(notice.key, channel.name), notice)
    finally:
        await sender.close()


def _acknowledge(
    notice: Annotated[str, typer.Argument(help="Its id, or 8 digits of it or more.")],
    by: Annotated[str, typer.Option(help="Who did.")] = "",
    ledger: HomeOption = None,
) -> None:
    """Note that somebody has seen to a notice."""
    home = Home.to_read(ledger)
    found = _ask(home, lambda notices: notices.find(notice)) if len(notice) >= _ID_MIN else []
    if len(found) != 1:
        what = "no such notice" if not found else f"{len(found)} notices have this id"
        raise ConfigurationError(what, value=notice, remedy="see genai-cost alerts list notices")
    event = {"type": "notice_acknowledged", "id": found[0].id, "by": by, "at_us": _now_us()}
    _decide(home, [event])
    note(f"{found[0].id} is acknowledged")


def _retry(
    letter: Annotated[
        list[str] | None, typer.Argument(help="Ids of letters, or 8 digits of them or more.")
    ] = None,
    channel: Annotated[str, typer.Option(help="All that this channel gave up.")] = "",
    ledger: HomeOption = None,
) -> None:
    """Send again what was given up."""
    home = Home.to_read(ledger)
    dead = _ask(home, lambda notices: notices.letters("dead"))
    wanted = tuple(letter or ())
    if bool(wanted) == bool(channel) or any(len(one) < _ID_MIN for one in wanted):
        raise ConfigurationError(
            "which letters is not said", remedy="give ids of 8 digits or more, or --channel NAME"
        )
    again = [one for one in dead if one.channel == channel or one.id.startswith(wanted or ("-",))]
    if not again:
        raise ConfigurationError(
            "no such dead letter",
            value=channel or " ".join(wanted),
            remedy="see genai-cost alerts list dead",
        )
    # after it was given up, by whatever clock that was
    at_us = max(_now_us(), *(one.state_us + 1 for one in again))
    ids = [one.id for one in again]
    _decide(home, [{"type": "notices_retried", "ids": ids, "at_us": at_us}])
    note(f"{len(ids)} letter{'' if len(ids) == 1 else 's'} will be sent again")


def _serve(
    once: Annotated[bool, typer.Option(help="End when nothing is due any more.")] = False,
    ledger: HomeOption = None,
) -> None:
    """Deliver notices until SIGTERM or Ctrl-C: one process for a ledger, beside `genai-cost ship --follow`. With
    --once, exit code 1 if something was not taken."""
    logging.basicConfig(format="%(levelname)s %(message)s")
    home = Home.at(ledger)
    home.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    done = serve(home.folder, once=once, hourly=upgrades_hourly(home))
    note(f"{done.delivered} delivered, {done.failed} attempts failed")
    if once and done.failed:
        raise typer.Exit(1)


def _decide(home: Home, events: Iterable[Mapping[str, Any]]) -> None:
    """Events first; then they take effect, unless another process ships, which reads them within a second."""
    for event in events:
        decide(home.folder, event)
    try:
        home.ship()
    except LedgerLockedError:
        note("it takes effect when the process that ships reads it, within a second")


def _ask(home: Home, question: Callable[[Notices], _T]) -> _T:
    """What the ledger knows of notices, brought up to date.

    Raises:
        ConfigurationError: if there is no ledger.
    """
    if not home.fresh():
        raise ConfigurationError(
            "no ledger", value=str(home.folder), remedy="set a channel: genai-cost alerts set"
        )
    with closing(home.ledger()) as opened:
        return question(opened.notices)


def _channel(notices: Notices, name: str) -> Channel:
    found = notices.channels.get(name)
    if found is None:
        raise _unknown(name)
    return found


def _unknown(name: str) -> ConfigurationError:
    return ConfigurationError("no such channel", value=name, remedy="see genai-cost alerts list")


def _channel_records(notices: Notices) -> list[dict[str, Any]]:
    counts = notices.counts()
    return [
        {
            "channel": one.name,
            "kind": one.kind,
            "audience": one.audience,
            "tenant": one.tenant,
            "kinds": list(one.kinds),
            "where": _without_secrets(one.settings).get("url"),
            "waiting": counts.get(one.name, {}).get("waiting", 0),
            "delivered": counts.get(one.name, {}).get("delivered", 0),
            "dead": counts.get(one.name, {}).get("dead", 0),
            "state": f"disabled: {one.disabled}" if one.disabled else "enabled",
        }
        for one in notices.channels.all()
    ]


def _without_secrets(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Where to, without what only sender and receiver know: secrets, and of a URL all that follows the host, since for
    many receivers that is the secret."""
    shown = {key: value for key, value in settings.items() if key != "secrets"}
    if isinstance(url := shown.get("url"), str) and not url.startswith("file:"):
        parts = urlsplit(url)
        host = (
            parts.netloc.rpartition("@")[2] if parts.scheme.startswith(("http", "mailto")) else ""
        )
        shown["url"] = f"{parts.scheme}://{host or '…'}"
    return shown


def _notice_record(one: Queued) -> dict[str, Any]:
    message = render(one.notice, one.id)
    return {
        "id": one.id,
        "at": rfc3339(one.notice.at_us),
        "kind": one.notice.kind,
        "tenant": one.notice.tenant,
        "title": message.title,
        "text": message.text,
        "facts": message.facts,
        "acknowledged": None if one.acknowledged_us is None else rfc3339(one.acknowledged_us),
        "acknowledged_by": one.acknowledged_by,
    }


def _letter_record(one: Letter) -> dict[str, Any]:
    return {
        "id": one.id,
        "channel": one.channel,
        "at": rfc3339(one.notice.at_us),
        "kind": one.notice.kind,
        "tenant": one.notice.tenant,
        "title": render(one.notice, one.id).title,
        "tries": one.tries,
        "due": rfc3339(one.due_us) if one.due_us else None,
        "error": one.error,
    }


def _print(records: Sequence[Mapping[str, Any]], columns: Sequence[str], as_json: bool) -> None:
    print_listed(records, columns, as_json=as_json, right=_NUMBERS, prose=_PROSE)


def _now_us() -> int:
    return time.time_ns() // 1000
