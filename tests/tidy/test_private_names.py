"""Names that their owners do not promise: each stands in the one file that is made for it, and nowhere else.

An import ban and a type checker cannot see them, because what they are asked of is `Any`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("otel_genai_cost", "instrumentors", "exporters")

ADAPTERS: Final = {
    "otel_genai_cost/otel_api.py": "the API of OpenTelemetry",
    "otel_genai_cost/metering/sdk_span.py": "the SDK of OpenTelemetry",
    "otel_genai_cost/metering/providers.py": "where vendors' proxies keep a tracer provider",
    "exporters/otel_genai_exporters/otlp/clients.py": "the OTLP exporters of OpenTelemetry",
    "exporters/otel_genai_exporters/otlp/records.py": "the log records of the SDK",
    "exporters/otel_genai_exporters/lakehouse/bounded_catalog.py": "the REST catalog of pyiceberg",
    "instrumentors/otel_genai_instrumentors/stainless.py": "clients that Stainless generates",
    "instrumentors/otel_genai_instrumentors/stainless_gates.py": "how such a client makes its errors",
    "instrumentors/otel_genai_instrumentors/google_internals.py": "the transport of `google-genai`",
    "instrumentors/otel_genai_instrumentors/openai_realtime.py": "the openai client's websockets",
    "instrumentors/otel_genai_instrumentors/fern.py": "clients that Fern generates",
    "instrumentors/otel_genai_instrumentors/clients/anthropic.py": "anthropic's helpers for streams",
    "instrumentors/otel_genai_instrumentors/clients/ollama.py": "the client of Ollama",
    "instrumentors/otel_genai_instrumentors/google_live.py": "the sessions of `google-genai`",
    "instrumentors/otel_genai_instrumentors/boto.py": "botocore and aiobotocore",
    "instrumentors/otel_genai_instrumentors/boto3sqs.py": "upstream's instrumentation of SQS",
    "instrumentors/otel_genai_instrumentors/confluent_types.py": "confluent-kafka",
    "instrumentors/otel_genai_instrumentors/queues/multiprocessing.py": "how a process begins",
    "instrumentors/otel_genai_instrumentors/queues/futures.py": "where futures are defined",
    "instrumentors/otel_genai_instrumentors/edges/aiohttp.py": "the aiohttp server",
    "instrumentors/otel_genai_instrumentors/edges/uvicorn_end.py": "how uvicorn ends",
}
"""Who may know private names, and whose."""

QUEUES: Final = "instrumentors/otel_genai_instrumentors/queues/"
"""Each file in there is the adapter of its library, which no other file is about."""

_PUBLIC: Final = frozenset({"_replace", "_make", "_fields", "_asdict", "_field_defaults", "_exit"})
"""Of a named tuple, which begin with an underscore to keep clear of its fields; and `os._exit`."""

_OWN: Final = frozenset({"self", "cls", "mcs"})
_LOOK_UPS: Final = frozenset({"getattr", "setattr", "hasattr", "delattr", "Patch"})
_PRIVATE: Final = re.compile(r"(?:[A-Za-z]\w*\.)*_(?!_|genai_cost)\w+")
"""A name or dotted place, the last of which is private and no mark of ours."""


def _members(tree: ast.Module) -> set[str]:
    """The names that the module's own classes give their objects."""
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    found: set[str] = set()
    for node in (inner for each in classes for inner in ast.walk(each)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _of_self(node):
            found.add(node.attr)
    for statement in (inner for each in classes for inner in each.body):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            found.add(statement.target.id)
    return found


def _private_attributes(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """`x._name`, where x is neither the object itself nor of a class of this module, which defines the name."""
    own = _members(tree)
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    for node in attributes:
        if _is_private(node.attr) and node.attr not in own and not _of_self(node):
            yield node.lineno, node.attr


def _of_self(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id in _OWN


def _private_texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Private names in texts: those that `getattr` and its like are given, and places to patch."""
    own = _members(tree)
    for node in _looked_up(tree):
        for text in ast.walk(node):
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                last = text.value.rsplit(".", 1)[-1]
                if _PRIVATE.fullmatch(text.value) and last not in own:
                    yield text.lineno, text.value


def _looked_up(tree: ast.Module) -> Iterator[ast.AST]:
    """Where names stand that are looked up: in the calls themselves, or in the module's constants that they go by. Of a
    text that is put together, only whole places count."""
    variables: set[str] = set()
    for argument in _arguments(tree):
        if isinstance(argument, ast.JoinedStr):
            yield from (part for part in argument.values if "." in ast.unparse(part))
        else:
            yield argument
            variables.update(_names(argument))
    for node in ast.walk(tree):
        if isinstance(node, (ast.comprehension, ast.For)) and variables & _names(node.target):
            variables |= _names(node.iter)
    for statement in tree.body:
        if isinstance(statement, ast.AnnAssign) and variables & _names(statement.target):
            yield statement


def _arguments(tree: ast.Module) -> Iterator[ast.expr]:
    """What `getattr` and its like are given."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield from node.args[:2] if node.func.id in _LOOK_UPS else ()


def _names(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def _private_imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """`from x import _name`, and modules of others whose name is private."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            names = [alias.name for alias in node.names]
            if module != "__future__":
                yield from ((node.lineno, name) for name in names if _is_private(name))
                yield from ((node.lineno, part) for part in module.split(".") if _is_private(part))
        elif isinstance(node, ast.Import):
            parts = [part for alias in node.names for part in alias.name.split(".")]
            yield from ((node.lineno, part) for part in parts if _is_private(part))


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in _PUBLIC


def _private_names(path: Path) -> Iterator[tuple[int, str]]:
    tree = ast.parse(path.read_text("utf-8"))
    yield from _private_attributes(tree)
    yield from _private_texts(tree)
    yield from _private_imports(tree)


def _files() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def test_private_names_of_others_stand_in_one_file_each() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in _files()
        if str(path.relative_to(ROOT)) not in ADAPTERS
        and not str(path.relative_to(ROOT)).startswith(QUEUES)
        for line, name in _private_names(path)
    ]
    assert found == [], "move it to the adapter of its library, or ask its owner for what is public"


def test_adapters_know_private_names() -> None:
    """A file that knows none any more needs no leave."""
    assert [name for name in ADAPTERS if not list(_private_names(ROOT / name))] == []


def test_what_is_looked_for_is_found() -> None:
    source = """
from opentelemetry.sdk._logs import LoggerProvider
from threading import _active
span._attributes
getattr(span, "_dict", None)
Patch("a.b", "Handler._handle")
class Own:
    def __init__(self): self._mine = 1
    def same(self, other): return other._mine == self._mine
setattr(span, "_genai_cost_note", 1)
row._replace(a=1)
"""
    tree = ast.parse(source)
    found = [*_private_attributes(tree), *_private_texts(tree), *_private_imports(tree)]
    assert sorted(name for _, name in found) == [
        "Handler._handle",
        "_active",
        "_attributes",
        "_dict",
        "_logs",
    ]
