"""billing.toml: what people write, and every problem of it in one go."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_genai_cost.billing.file import destinations_in
from otel_genai_cost.errors import BillingError, ConfigurationError, FormatTooNewError
from otel_genai_cost.pricing.instants import microseconds

SCHEMA = 'schema = "otel-genai-cost-billing/1"\n'
METER = '[[meter]]\nname = "m"\ncounts = "price"\n'
DESTINATION = (
    '[[destination]]\nname = "d"\nvendor = "folder"\npath = "x"\nfrom = 2026-12-01T00:00:00Z\n'
)


def read(tmp_path: Path, text: str) -> list[str]:
    """The problems of a file, as they are said."""
    path = tmp_path / "billing.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(BillingError) as caught:
        destinations_in(path)
    return str(caught.value).replace(f"{path}:", "").split("\n")


def test_a_destination(tmp_path: Path) -> None:
    path = tmp_path / "billing.toml"
    more = 'window = "15m"\ncustomers = {acme = "cus_1"}\nkey = "env:KEY"\npast = "2h"\n'
    path.write_text(
        SCHEMA + METER + 'by = ["model"]\nonly = {feature = ["chat"]}\n' + DESTINATION + more
    )
    (one,) = destinations_in(path)
    assert (one.name, one.vendor, one.settings) == ("d", "folder", {"path": "x"})
    assert (one.from_us, one.window_us) == (microseconds("2026-12-01T00:00:00Z"), 900_000_000)
    assert (one.customers, one.names_tenants, one.key) == ({"acme": "cus_1"}, False, "env:KEY")
    assert (one.past_us, one.remembers_us) == (7_200_000_000, None)
    (meter,) = one.meters
    assert (meter.counts, meter.currency, meter.by) == ("price", "USD", ("model",))
    assert meter.only == {"feature": ("chat",)}


def test_every_problem_is_said_in_one_go_with_its_line(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        SCHEMA
        + '[[meter]]\nname = "m"\ncounts = "shoes"\nunit = "-1"\nby = ["size"]\n'
        + '[[meter]]\nname = "m"\ncounts = "calls"\ncurrency = "USD"\n'
        + '[[destination]]\nname = "a b"\nvendor = "nobody"\nfrom = 2026-12-01\nwindow = "7m"\nkey = "sk_live_1"\n'
        + '[[destination]]\nname = "d"\nvendor = "metronome"\nfrom = 2026-12-01T00:30:00Z\nmeters = ["n"]\n'
        + 'customers = {acme = 3}\ncustomer = "all"\nurl = "ftp://x"\nshoe = 1\n',
    )
    lines = [int(problem.partition(":")[0]) for problem in found]
    assert lines == sorted(lines)
    assert set(lines) == {2, 7, 11, 17}
    for part in (
        *("'shoes'", "'-1'", "'size'", "a second meter", "currency is 'USD'", "'a b'", "'nobody'"),
        *(
            "from is '2026-12-01'",
            "window divides no day",
            "key is no name",
            "beginning of a window",
        ),
        *(
            "meters has 'n'",
            "customers has 'acme' = '3'",
            "customer is 'all'",
            "url is none",
            "shoe is",
        ),
    ):
        assert sum(part in problem for problem in found) == 1, part
    assert "sk_live_1" not in "".join(found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "schema is None"),
        ('schema = "shoes"', "schema is 'shoes'"),
        (SCHEMA, "it has no meter"),
        (SCHEMA + METER, "it has no destination"),
        (SCHEMA + METER + DESTINATION + "[shoes]\n", "it has shoes"),
        (SCHEMA + "[[meter]\n", "not TOML"),
        (SCHEMA + METER.replace("[[meter]]", "[meter]") + DESTINATION, "it has no meter"),
        (SCHEMA + METER + DESTINATION + "[destination.customers]\nacme = ''\n", "customers has"),
        (SCHEMA + METER + DESTINATION.replace("folder", "stripe"), "takes whole numbers"),
        (SCHEMA + METER + DESTINATION.replace('path = "x"\n', ""), "no path"),
    ],
)
def test_what_is_no_file_of_destinations(tmp_path: Path, text: str, said: str) -> None:
    assert any(said in problem for problem in read(tmp_path, text))


def test_a_file_that_is_not_there_or_newer(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"docs/billing\.md"):
        destinations_in(tmp_path / "none.toml")
    path = tmp_path / "billing.toml"
    path.write_text('schema = "otel-genai-cost-billing/2"')
    with pytest.raises(FormatTooNewError):
        destinations_in(path)
