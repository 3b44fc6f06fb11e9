"""What the gates of Stainless's clients have in common: how their status error is made, and where a request's body is.

`_make_status_error` is theirs, and the same in all of them: it knows which error a status is. Without it a block is a
`BlockedCallError`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from copy import copy
from typing import Any

from otel_genai_instrumentors.gated_method import Place, Refused
from otel_genai_instrumentors.stainless import client_of

__all__ = ["SENT", "status_error"]

_BODY, _OPTIONS, _JSON = "body", "options", "json_data"


def status_error(instance: Any, _: Mapping[str, Any], refused: Refused) -> BaseException:
    """The client's own status error.

    Args:
        instance: the client, or a resource of it.
        _: what its method is called with.
        refused: what it is about.
    """
    client = instance if hasattr(instance, "base_url") else client_of(instance)
    http = sys.modules[type(client.base_url).__module__.partition(".")[0]]
    response = refused.response(http)
    message = f"Error code: {response.status_code} - {refused.block.message}"
    error: BaseException = client._make_status_error(message, body=refused.body, response=response)
    return error


def _read(kwargs: Mapping[str, Any]) -> Any:
    if _BODY in kwargs:
        return kwargs[_BODY]
    options = kwargs.get(_OPTIONS)
    return getattr(options, _JSON) if hasattr(options, _JSON) else kwargs


def _put(kwargs: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    if _BODY in kwargs:
        return {**kwargs, _BODY: body}
    if not hasattr(kwargs.get(_OPTIONS), _JSON):
        return body
    options = copy(kwargs[_OPTIONS])
    setattr(options, _JSON, body)
    return {**kwargs, _OPTIONS: options}


SENT = Place(_read, _put)
"""What `post` is given as a body and `request` in its options; a method of a resource is called with it."""
