"""The protocol's messages: requests in, answers and progress out; msgspec checks requests."""

from __future__ import annotations

import os
from typing import Annotated, Any, Literal

import msgspec

from ..errors import FitDiffError

PROTOCOL = 1

Id = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)] | Annotated[str, msgspec.Meta(max_length=64)]

# JSON-RPC requires a number for each error; programs match on the code's name.
_NUMBERS = {
    "message-broken": -32700,
    "message-invalid": -32600,
    "method-unknown": -32601,
    "params-invalid": -32602,
    "internal": -32603,
    "not-initialized": -32002,
    "cancelled": -32800,
}
_OTHER = -32000


class Request(msgspec.Struct, frozen=True):
    jsonrpc: Literal["2.0"]
    id: Id
    method: str
    params: msgspec.Raw = msgspec.Raw(b"{}")


class Client(msgspec.Struct, frozen=True):
    name: Annotated[str, msgspec.Meta(max_length=200)]
    version: Annotated[str, msgspec.Meta(max_length=200)]


class Initialize(msgspec.Struct, frozen=True, rename="camel"):
    protocol_version: int
    client: Client


class Cancel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: Id


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class _OnlyId(msgspec.Struct, frozen=True):
    id: Id | None = None


def request(body: bytes) -> Request:
    """Raises FitDiffError message-broken or message-invalid."""
    try:
        return msgspec.json.decode(body, type=Request)
    except msgspec.ValidationError as error:
        sentence = f"This is not a JSON-RPC 2.0 request ({error}); every request needs an id and a method."
        raise FitDiffError("message-invalid", sentence) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FitDiffError("message-broken", f"A message is not JSON ({error}).") from error


def id_in(body: bytes) -> int | str | None:
    """The id of a request, even an invalid one, so that it can be answered."""
    try:
        return msgspec.json.decode(body, type=_OnlyId).id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def params(method: str, raw: msgspec.Raw, kind: Any) -> Any:
    """The request's params as `kind`. Raises FitDiffError params-invalid."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        sentence = f"The params of {method} are invalid: {error}."
        raise FitDiffError("params-invalid", sentence, details=bytes(raw)[:500].decode(errors="replace")) from error


def absolute(name: str, path: str) -> None:
    """Require an absolute path, since the service's folder is not the client's. Raises FitDiffError path-not-absolute."""
    if not os.path.isabs(path) or "\0" in path:
        raise FitDiffError("path-not-absolute", f"The path in {name!r} is not absolute: give it from the disk's root.")


def result(id: int | str, value: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "result": value}


def error(id: int | str | None, failure: FitDiffError) -> dict[str, Any]:
    about = {"code": failure.code, "details": failure.details, "data": failure.data}
    number = _NUMBERS.get(failure.code, _OTHER)
    return {"jsonrpc": "2.0", "id": id, "error": {"code": number, "message": failure.sentence, "data": about}}


def notification(method: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": params}


def dump(message: dict[str, Any]) -> bytes:
    return msgspec.json.encode(message)
