"""A folder of JSON lines, for a pipeline of one's own: a file each request, there whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar

from otel_genai_cost.billing.usage_event import UsageEvent, event_json
from otel_genai_cost.billing.vendor import Asked, Came, Rules, by_day
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.pricing.money import parse_money
from otel_genai_cost.whole_files import bring_to_disk, replace_file

__all__ = ["Folder"]


class Folder:
    """Writes files `<day>-<digest>.jsonl`: the same events make the same file, under the same name.

    Settings: `path`, the folder.

    Args:
        settings: of the destination.
        key: not needed.
    """

    rules: ClassVar[Rules] = Rules(
        title="Folder",
        library="",
        batch=1_000,
        past_us=None,
        future_us=0,
        remembers_us=None,
        lowering="written",
        verify="the files, each id once",
        notes="whoever reads the files counts each `id` once",
    )

    def __init__(self, settings: Mapping[str, Any], key: str) -> None:
        self._path = Path(settings["path"])

    @staticmethod
    def problems(settings: Mapping[str, Any]) -> list[str]:
        """What is wrong with the settings of a destination, each with what to write instead."""
        found = [
            f"{name} is no setting of a folder; known: path" for name in settings if name != "path"
        ]
        path = settings.get("path")
        return (
            found if isinstance(path, str) and path else [*found, "no path; write path = '/folder'"]
        )

    def send(self, events: Sequence[UsageEvent]) -> Sequence[Came]:
        """Write events."""
        content = "".join(
            f"{json.dumps(event_json(one), sort_keys=True)}\n" for one in events
        ).encode()
        digest = blake2b(content, digest_size=16).hexdigest()
        day = event_json(events[0])["from"][:10]
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self._path / f"{day}-{digest}.jsonl"
            replace_file(path, content)
            bring_to_disk(path)
            bring_to_disk(self._path)
        except OSError as error:
            return [Came("unsure", f"cannot be written: {error}")] * len(events)
        return [Came("accepted")] * len(events)

    def rejected_later(self, ids: Collection[str]) -> Mapping[str, str]:
        """None."""
        return {}

    def quantities(self, asked: Asked) -> Mapping[int, int]:
        """What the files say."""
        found = {
            one["id"]: (microseconds(one["from"]), parse_money(one["quantity"]))
            for one in self._events()
            if (one["customer"], one["meter"]) == asked[:2]
            and asked.from_us <= microseconds(one["from"]) < asked.to_us
        }
        return by_day(found.values())

    def _events(self) -> Iterator[dict[str, Any]]:
        for path in sorted(self._path.glob("*.jsonl")):
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    yield json.loads(line)
                except ValueError:
                    raise ConfigurationError(
                        "a file of usage is damaged", value=str(path), remedy="put it back"
                    ) from None

    def close(self) -> None:
        """Nothing is open."""
