"""What hooks and people post: Flagger's payload `{name, namespace, phase, checksum, metadata}`, read with care."""

import json
from dataclasses import dataclass
from typing import Any

_FOUND_SHOWN = 200  # characters of a bad value in a message


class PayloadError(Exception):
    """The request's body can't be used; asking again with the same body can't help."""

    def __init__(self, path: str, found: object, allowed: str) -> None:
        shown = found if isinstance(found, bytes) else json.dumps(found)
        super().__init__(f"{path}: found {shown[:_FOUND_SHOWN]!s}, allowed is {allowed}")


@dataclass(frozen=True, slots=True)
class Canary:
    """The canary that a payload is about."""

    name: str
    namespace: str

    def __str__(self) -> str:
        """Return the canary as logs and events name it."""
        return f"{self.name}.{self.namespace}"


def parse_payload(body: bytes) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        PayloadError: it is none.
    """
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise PayloadError("body", body, f"a hook's payload, a JSON object ({error})") from error
    if not isinstance(payload, dict):
        raise PayloadError("body", payload, "a hook's payload, a JSON object")
    return payload


def read_canary(payload: dict[str, Any]) -> Canary:
    """Read which canary a payload is about; as with Flagger, both names may be missing (a hook tried by hand).

    Raises:
        PayloadError: one of them is not a string.
    """
    return Canary(read_string(payload, "name"), read_string(payload, "namespace"))


def read_string(values: dict[str, Any], key: str, prefix: str = "", *, default: str = "") -> str:
    """Read a string; return `default` where there is none.

    Raises:
        PayloadError: it is something else.
    """
    value = values.get(key)
    if value is None:
        return default
    if not isinstance(value, str):
        raise PayloadError(prefix + key, value, "a string")
    return value
