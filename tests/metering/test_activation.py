"""Switching on: beside anything, at any time, and never at the application's cost. Each in a process of its own."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.metering.conftest import CALL_COST
from tests.metering.programs import run

_QUIET = {"OTEL_GENAI_COST_QUIET": "true"}
_PROVIDER = "trace.set_tracer_provider(TracerProvider(sampler=ALWAYS_OFF))\n"
_LATE = "trace.set_tracer_provider(TracerProvider(sampler=ALWAYS_OFF)); call()\n"
_PROXY = """
class Proxy:
    def __init__(self, inner):
        self.{name} = inner
    def get_tracer(self, *args, **kwargs):
        return self.{name}.get_tracer(*args, **kwargs)
    {more}
trace.set_tracer_provider(Proxy(Proxy(TracerProvider(sampler=ALWAYS_OFF))))
"""


@pytest.mark.parametrize(
    "program",
    [
        _PROVIDER + "pre_instrument(); call()",
        _PROVIDER + "install(); call()",
        _PROVIDER + "pre_instrument(); pre_instrument(); install(); call()",
        "pre_instrument()\n" + _LATE,
        "install(); install(); pre_instrument()\n" + _LATE,
        "from opentelemetry.trace import set_tracer_provider\npre_instrument()\n"
        "set_tracer_provider(TracerProvider(sampler=ALWAYS_OFF)); call()",
        "tracer = trace.get_tracer('early'); pre_instrument()\n"
        "trace.set_tracer_provider(TracerProvider(sampler=ALWAYS_OFF))\n"
        "tracer.start_span('chat', attributes=CALL).end()",
        "provider = TracerProvider(sampler=ALWAYS_OFF); early = provider.get_tracer('early')\n"
        "trace.set_tracer_provider(provider); pre_instrument()\n"
        "early.start_span('chat', attributes=CALL).end()",
        "pre_instrument()\n" + _LATE.replace("; call()", "") + _LATE,
        "p = TracerProvider(sampler=ALWAYS_OFF); attach(p); attach(p); call(p)",
        _PROVIDER + "pre_instrument(); attach(trace.get_tracer_provider()); call()",
    ],
    ids=[
        "provider first",
        "install",
        "many times",
        "provider later",
        "install, provider later",
        "imported before",
        "tracer before all",
        "tracer before us",
        "second provider is refused",
        "a provider of one's own",
        "attached as well",
    ],
)
def test_a_call_is_metered_exactly_once(program: str, tmp_path: Path) -> None:
    ran = run(program, tmp_path, _QUIET)
    assert (ran.code, ran.costs) == (0, [CALL_COST])
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("name", ["provider", "_provider", "_tracer_provider", "_delegate"])
@pytest.mark.parametrize(
    "more", ["", "def add_span_processor(self, p): self.{name}.add_span_processor(p)"]
)
def test_a_provider_inside_a_vendors_proxy_is_found(tmp_path: Path, name: str, more: str) -> None:
    program = _PROXY.format(name=name, more=more.format(name=name))
    assert run(program + "pre_instrument(); call()", tmp_path, _QUIET).costs == [CALL_COST]


@pytest.mark.parametrize(
    "provider",
    [
        "trace.NoOpTracerProvider()",
        "type('Vendor', (trace.NoOpTracerProvider,), {})()",
        "type('Endless', (trace.NoOpTracerProvider,), {'provider': property(lambda s: s)})()",
        "type('Two', (trace.NoOpTracerProvider,), {'provider': property(lambda s: type(s)())})()",
        "type('Hostile', (trace.NoOpTracerProvider,), {'sampler': property(lambda s: 1 / 0)})()",
    ],
)
def test_a_provider_that_is_not_the_sdks_is_left_alone(tmp_path: Path, provider: str) -> None:
    program = f"trace.set_tracer_provider({provider}); pre_instrument(); call(); say('fine')"
    ran = run(program, tmp_path, _QUIET)
    assert (ran.code, ran.said, ran.journalled) == (0, ["fine"], [])


def test_code_that_attaches_to_no_provider_of_the_sdk_is_told(tmp_path: Path) -> None:
    program = """
try:
    attach(trace.NoOpTracerProvider())
except ValueError as error:
    say(str(error))
"""
    ran = run(program, tmp_path)
    assert "NoOpTracerProvider" in ran.said[0] and "pass an opentelemetry" in ran.said[0]
    assert ran.stderr == "" and not (tmp_path / "journal").exists()


def test_what_is_switched_off_does_nothing_at_all(tmp_path: Path) -> None:
    program = """
provider = TracerProvider(sampler=ALWAYS_OFF)
trace.set_tracer_provider(provider)
pre_instrument(); install()
say([attach(provider), provider.sampler is ALWAYS_OFF])
call()
"""
    ran = run(program, tmp_path, {"OTEL_GENAI_COST_ENABLED": "false"})
    assert (ran.code, ran.said, ran.stderr) == (0, [[None, True]], "")
    assert not (tmp_path / "journal").exists()


def test_code_can_switch_off_and_on(tmp_path: Path) -> None:
    program = _PROVIDER + "install(enabled=False); call(); install(); call()"
    assert run(program, tmp_path, _QUIET).costs == [CALL_COST]


def test_the_start_up_line_says_what_is_there(tmp_path: Path) -> None:
    ran = run(_PROVIDER + "pre_instrument()", tmp_path, {"OTEL_GENAI_COST_TENANT": "header:X-Org"})
    [line] = ran.stderr.splitlines()
    assert re.fullmatch(
        r"genai-cost: metering every LLM call, sampled or not; spans to no exporter; "
        r"clients none, spans of others only; tenant from header:x-org; "
        rf"prices [0-9a-f]{{12}}, \d+ days old; journal {re.escape(str(tmp_path / 'journal'))}; "
        r"durability process",
        line,
    )


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"OTEL_GENAI_COST_RECORD_UNSAMPLED": "false"}, "metering sampled LLM calls only;"),
        ({}, "tenant from messages and code;"),
        ({"OTEL_PROPAGATORS": "tracecontext,genai_cost"}, "tenant from tokens and code;"),
        ({"OTEL_GENAI_COST_BOOK": "missing.toml"}, "prices NONE, calls stay unpriced;"),
        (
            dict.fromkeys(("OTEL_GENAI_COST_JOURNAL", "HOME", "TMPDIR"), "/dev/null"),
            "journal NOT WRITABLE, kept in memory",
        ),
    ],
)
def test_the_start_up_line_warns(tmp_path: Path, environment: dict[str, str], said: str) -> None:
    ran = run(_PROVIDER + "pre_instrument()", tmp_path, environment)
    [line] = [line for line in ran.stderr.splitlines() if line.startswith("genai-cost: ")]
    assert said in line


def test_the_start_up_line_names_exporters_clients_and_edges(tmp_path: Path) -> None:
    program = """
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
from otel_genai_cost import in_place
in_place.note("client", "openai", "waiting"); in_place.note("edge", "asgi", "failed")
provider = TracerProvider(); provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter()))
trace.set_tracer_provider(provider); pre_instrument()
"""
    [line] = run(program, tmp_path).stderr.splitlines()
    assert "; spans to ConsoleSpanExporter; clients openai; " in line
    assert "; tenant from messages and code at asgi (FAILED); " in line


def test_without_a_provider_the_line_says_that_nothing_is_metered_until_there_is_one(
    tmp_path: Path,
) -> None:
    ran = run("pre_instrument(); install()\n" + _LATE + _LATE, tmp_path)
    lines = [line for line in ran.stderr.splitlines() if line.startswith("genai-cost: ")]
    assert [line.split(";")[0] for line in lines] == [
        "genai-cost: NOT METERING: no tracer provider of the OpenTelemetry SDK",
        "genai-cost: metering every LLM call, sampled or not",
    ]


def test_under_the_launcher_the_line_comes_after_the_instrumentors(tmp_path: Path) -> None:
    program = """
from otel_genai_cost import entry, in_place
trace.set_tracer_provider(TracerProvider())
entry.pre_instrument(); say(None); in_place.note("client", "openai", "waiting")
entry.post_instrument(); entry.post_instrument()
"""
    [line] = run(program, tmp_path).stderr.splitlines()
    assert "; clients openai; " in line


@pytest.mark.parametrize("disabled", [True, False])
def test_a_disabled_sdk_is_said_to_be_metered_by_nobody(tmp_path: Path, disabled: bool) -> None:
    program = _PROVIDER + "pre_instrument(); install(); say(attach(TracerProvider()) is None)"
    ran = run(program, tmp_path, {"OTEL_SDK_DISABLED": str(disabled)})
    assert ran.said == [disabled] and ("metering" in ran.stderr) is not disabled


def test_the_start_up_line_goes_where_the_application_logs(tmp_path: Path) -> None:
    program = "logging.basicConfig(level='INFO', stream=sys.stderr, format='LOG %(message)s')\n"
    ran = run(program + _PROVIDER + "pre_instrument()", tmp_path)
    assert [line[:12] for line in ran.stderr.splitlines()] == ["LOG metering"]


@pytest.mark.parametrize(
    "closed", ["sys.stderr = None", "sys.stderr.close()", "os.close(2)"], ids=str
)
def test_a_closed_stderr_stops_nothing(tmp_path: Path, closed: str) -> None:
    for switch_on in ("pre_instrument()", "install()"):
        folder = tmp_path / switch_on[:3]
        folder.mkdir()
        ran = run(f"{closed}\n{_PROVIDER}{switch_on}; call()", folder)
        assert ran.costs == [CALL_COST]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("missing.toml", None),
        ("garbage.toml", b"\x00\xff = ["),
        ("empty.json", b""),
        ("deep.json", b'{"a":' * 100_000),
        ("deep.toml", b"a = " + b"[" * 100_000),
        ("number.json", b'{"schema": ' + b"9" * 100_000 + b"}"),
        ("surrogate.json", b'"\\ud800"'),
        ("new.json", b'{"schema": "otel-genai-cost/9"}'),
        ("long.json", b'{"schema": "' + b"x" * 2_000_000 + b'"}'),
        ("several.toml", b"".join(b"[[thing%d]]\n" % n for n in range(1_000))),
        ("device.toml", "/dev/zero"),
        ("loop.toml", "loop.toml"),
        ("folder.json", "."),
    ],
)
def test_a_broken_book_in_the_environment_is_one_line_and_unpriced_calls(
    tmp_path: Path, name: str, content: bytes | str | None
) -> None:
    """`content` is the file's, or where a symbolic link of that name leads."""
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    elif content is not None:
        (tmp_path / name).symlink_to(content)
    _says_that_it_is_broken(tmp_path, tmp_path / name, "pre_instrument()")


@pytest.mark.parametrize("switch_on", ["install()", "attach(trace.get_tracer_provider())"])
def test_a_book_in_the_environment_is_no_error_of_the_code_that_switches_on(
    tmp_path: Path, switch_on: str
) -> None:
    _says_that_it_is_broken(tmp_path, tmp_path / "missing.toml", switch_on)


def _says_that_it_is_broken(folder: Path, book: Path, switch_on: str) -> None:
    environment = {**_QUIET, "OTEL_GENAI_COST_BOOK": str(book)}
    ran = run(f"{_PROVIDER}{switch_on}; call()", folder, environment)
    assert [each.cost.reason for each in ran.journalled] == ["no_price_book"], ran.stderr
    [line] = ran.stderr.splitlines()
    assert book.name in line and "OTEL_GENAI_COST_BOOK" in line and len(line) < 1_000


def test_a_broken_book_in_code_raises(tmp_path: Path) -> None:
    program = """
for switch_on in (install, lambda **given: attach(TracerProvider(), **given)):
    try:
        switch_on(book="missing.toml")
    except ValueError as error:
        say(str(error))
"""
    ran = run(program, tmp_path, _QUIET)
    assert len(ran.said) == 2 and all("missing.toml" in text for text in ran.said)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("tenant", "headr:x"), ("stale_after_s", "-5"), ("enabled", "perhaps"), ("fsync", "x")],
)
def test_a_bad_value_in_the_environment_is_one_line_however_often_we_are_switched_on(
    tmp_path: Path, setting: str, value: str
) -> None:
    variable = f"OTEL_GENAI_COST_{setting.upper()}"
    program = _PROVIDER + "pre_instrument(); install(); install(); call()"
    ran = run(program, tmp_path, {**_QUIET, variable: value})
    assert ran.costs == [CALL_COST]
    [line] = ran.error_lines
    assert variable in line and value in line and "until then the default holds" in line
    program = _PROVIDER + "install(); call()"
    (tmp_path / "code").mkdir()
    assert len(run(program, tmp_path / "code", {**_QUIET, variable: value}).error_lines) == 1


@pytest.mark.parametrize(
    "given", ["tenant='headr:x'", "stale_after_s=-5", "enabled='perhaps'", "tennant='header:x'"]
)
def test_a_bad_value_in_code_raises_and_changes_nothing(tmp_path: Path, given: str) -> None:
    program = f"""
provider = TracerProvider()
for switch_on in (install, lambda **given: attach(provider, **given)):
    try:
        switch_on({given})
    except ValueError as error:
        say(str(error))
trace.set_tracer_provider(provider); call()
"""
    ran = run(program, tmp_path)
    assert len(ran.said) == 2 and ran.stderr == ""
    assert not (tmp_path / "journal").exists()


def test_a_second_provider_keeps_the_edge_that_the_first_was_given(tmp_path: Path) -> None:
    program = """
from otel_genai_cost.tenancy import edge, egress
first, second = TracerProvider(), TracerProvider()
attach(first, tenant="header:x-org", egress_hosts="gw.example.com", quiet=True)
install(tenant="header:x-org", egress_hosts="gw.example.com", quiet=True)
attach(second, journal=os.environ["TMPDIR"] + "/other")
say([edge.source(), egress.may_know("gw.example.com")])
"""
    ran = run(program, tmp_path)
    assert ran.said == [[["header", "x-org"], True]]


def test_an_unwritable_journal_falls_back_in_order(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    blocked, state, temporary = (tmp_path / name for name in ("file", "state", "t"))
    environment = {**_QUIET, "OTEL_GENAI_COST_JOURNAL": str(blocked / "j")}
    program = _PROVIDER + "pre_instrument(); call()\n"
    program += "from otel_genai_cost.metering import activation\n"
    program += "say(str(activation._shared['runtime'].journal.folder))"
    first = run(program, tmp_path, {**environment, "XDG_STATE_HOME": str(state)})
    assert first.said == [str(state / "otel-genai-cost" / "journal")]
    places = {"XDG_STATE_HOME": str(blocked), "TMPDIR": str(temporary)}
    second = run(program, tmp_path, {**environment, **places})
    assert second.said == [str(temporary / f"otel-genai-cost-{os.geteuid()}")]


def test_the_book_is_kept_beside_the_journal(tmp_path: Path) -> None:
    ran = run(_PROVIDER + "pre_instrument(); call()", tmp_path, _QUIET)
    [observation] = ran.journalled
    assert (tmp_path / "journal" / "books" / f"{observation.cost.book}.json").is_file()


def test_forked_children_are_metered_into_journals_of_their_own(tmp_path: Path) -> None:
    program = (
        _PROVIDER
        + """
pre_instrument(); call()
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        call(); os._exit(0)
    os.waitpid(pid, 0)
call()
"""
    )
    ran = run(program, tmp_path, _QUIET)
    assert ran.costs == [CALL_COST] * 4
    assert len({each.id for each in ran.journalled}) == 4
    assert len(list((tmp_path / "journal").glob("*.jsonl"))) == 3


def test_calls_after_the_journal_was_closed_at_exit_are_kept(tmp_path: Path) -> None:
    program = "import atexit\natexit.register(lambda: call())\n" + _PROVIDER
    ran = run(program + "pre_instrument(); call()", tmp_path, _QUIET)
    assert ran.costs == [CALL_COST] * 2


def test_a_provider_that_shuts_down_does_not_end_metering_for_another(tmp_path: Path) -> None:
    program = """
first, second = TracerProvider(), TracerProvider()
attach(first); attach(second)
call(first); first.shutdown(); call(second)
"""
    assert run(program, tmp_path, _QUIET).costs == [CALL_COST] * 2
