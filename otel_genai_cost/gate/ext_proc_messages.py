"""The messages of Envoy's external processing service (`envoy.service.ext_proc.v3`), as far as they are used.

They stand in a pool of their own: another library of the process may have all of Envoy's in the usual one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

__all__ = [
    "PROCESS",
    "Headers",
    "answer_of",
    "body_answer",
    "headers_answer",
    "headers_in",
    "immediate",
    "kind_of",
    "passed_trailers",
    "request_of",
]

PROCESS: Final = "/envoy.service.ext_proc.v3.ExternalProcessor/Process"

Headers = Mapping[str, str]

_MESSAGES: Final = {
    "HeaderValue": "key=1:string value=2:string raw_value=3:bytes",
    "HeaderMap": "headers=1:*HeaderValue",
    "HeaderValueOption": "header=1:HeaderValue append_action=3:int32",
    "HeaderMutation": "set_headers=1:*HeaderValueOption remove_headers=2:*string",
    "StreamedBodyResponse": "body=1:bytes end_of_stream=2:bool",
    "BodyMutation": "body=1:bytes streamed_response=3:StreamedBodyResponse",
    "CommonResponse": "header_mutation=2:HeaderMutation body_mutation=3:BodyMutation",
    "HeadersResponse": "response=1:CommonResponse",
    "BodyResponse": "response=1:CommonResponse",
    "TrailersResponse": "header_mutation=1:HeaderMutation",
    "HttpStatus": "code=1:int32",
    "ImmediateResponse": "status=1:HttpStatus headers=2:HeaderMutation body=3:bytes details=5:string",
    "HttpHeaders": "headers=1:HeaderMap end_of_stream=3:bool",
    "HttpBody": "body=1:bytes end_of_stream=2:bool",
    "HttpTrailers": "trailers=1:HeaderMap",
    "ProcessingRequest": "request_headers=2:HttpHeaders response_headers=3:HttpHeaders request_body=4:HttpBody "
    "response_body=5:HttpBody request_trailers=6:HttpTrailers response_trailers=7:HttpTrailers",
    "ProcessingResponse": "request_headers=1:HeadersResponse response_headers=2:HeadersResponse "
    "request_body=3:BodyResponse response_body=4:BodyResponse request_trailers=5:TrailersResponse "
    "response_trailers=6:TrailersResponse immediate_response=7:ImmediateResponse",
}
"""Message -> its fields with their numbers and types; `*` marks a list. An enumeration is on the wire what an int32 is,
and of a `oneof` whoever writes one field sets no other."""

_OVERWRITE: Final = 2
"""HeaderAppendAction OVERWRITE_IF_EXISTS_OR_ADD."""

_KINDS: Final = (
    "request_headers",
    "request_body",
    "request_trailers",
    "response_headers",
    "response_body",
    "response_trailers",
)
_PACKAGE: Final = "genai_cost.ext_proc"

_pb: Final[Any] = descriptor_pb2
_pools: Final[Any] = descriptor_pool
_factory: Final[Any] = message_factory


def _field(said: str) -> Any:
    name, _, rest = said.partition("=")
    number, _, kind = rest.partition(":")
    is_list, kind = kind.startswith("*"), kind.removeprefix("*")
    proto = _pb.FieldDescriptorProto
    field = proto(name=name, number=int(number))
    field.label = proto.LABEL_REPEATED if is_list else proto.LABEL_OPTIONAL
    if kind in _MESSAGES:
        field.type, field.type_name = proto.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
    else:
        field.type = proto.Type.Value(f"TYPE_{kind.upper()}")
    return field


def _classes() -> dict[str, Any]:
    pool = _pools.DescriptorPool()
    file = _pb.FileDescriptorProto(
        name="genai_cost_ext_proc.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        file.message_type.add(name=name).field.extend(map(_field, fields.split()))
    pool.Add(file)
    return {
        name: _factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in _MESSAGES
    }


_CLASSES: Final = _classes()


def request_of(message: bytes) -> Any:
    """What Envoy sent.

    Args:
        message: a ProcessingRequest.

    Raises:
        google.protobuf.message.DecodeError: if it is none.
    """
    return _CLASSES["ProcessingRequest"].FromString(message)


def kind_of(request: Any) -> str:
    """What a ProcessingRequest is about, such as `request_body`; empty for what is not known."""
    for kind in _KINDS:
        if request.HasField(kind):
            return kind
    return ""


def headers_in(headers: Any) -> dict[str, str]:
    """Headers by their name in lower case; values of a name that comes again are joined, as HTTP has it."""
    found: dict[str, str] = {}
    for each in headers.headers.headers:
        name = each.key.lower()
        value = each.raw_value.decode("utf-8", "replace") or each.value
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _mutation(headers: Headers, without: Iterable[str] = ()) -> dict[str, Any]:
    options = [
        {"header": {"key": name, "raw_value": value.encode()}, "append_action": _OVERWRITE}
        for name, value in headers.items()
    ]
    return {"set_headers": options, "remove_headers": list(without)}


def headers_answer(kind: str, headers: Headers, without: Iterable[str] = ()) -> Any:
    """Let headers pass.

    Args:
        kind: `request_headers` or `response_headers`.
        headers: are set.
        without: are taken off.
    """
    return answer_of(kind, {"response": {"header_mutation": _mutation(headers, without)}})


def body_answer(kind: str, body: bytes, *, is_end: bool) -> Any:
    """Send a part of a body on, in full duplex.

    Args:
        kind: `request_body` or `response_body`.
        body: the part.
        is_end: whether it is the last.
    """
    streamed = {"body": body, "end_of_stream": is_end}
    return answer_of(kind, {"response": {"body_mutation": {"streamed_response": streamed}}})


def passed_trailers(kind: str) -> Any:
    """Let trailers pass as they are."""
    return answer_of(kind, {})


def immediate(status: int, headers: Headers, body: bytes) -> Any:
    """Answer the caller, and nobody else.

    Args:
        status: of HTTP.
        headers: of the answer.
        body: of the answer.
    """
    said = {"status": {"code": status}, "headers": _mutation(headers), "body": body}
    return answer_of("immediate_response", {**said, "details": "genai_cost"})


def answer_of(kind: str, fields: Mapping[str, Any]) -> Any:
    """A ProcessingResponse.

    Args:
        kind: the field that is set.
        fields: what it holds.
    """
    return _CLASSES["ProcessingResponse"](**{kind: fields})
