"""What a hook posts: Flagger's payload `{name, namespace, phase, checksum, metadata}`, read into a command to run."""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

_TRUE_WORDS = frozenset({"1", "t", "T", "true", "TRUE", "True"})  # those of Go's strconv.ParseBool, which Flagger uses
_FOUND_SHOWN = 200  # characters of a bad value in a message


class PayloadError(Exception):
    """The request's body is no hook that can run; asking again with the same body can't help."""

    def __init__(self, path: str, found: object, allowed: str) -> None:
        shown = found if isinstance(found, bytes) else json.dumps(found)
        super().__init__(f"{path}: found {shown[:_FOUND_SHOWN]!s}, allowed is {allowed}")


class HookType(StrEnum):
    """How a command is run, the hook's `metadata.type`."""

    CMD = "cmd"  # in the background: the answer is that it was accepted
    BASH = "bash"  # waited for: the answer is how it ended

    @property
    def shell(self) -> str:
        """The shell that runs the command with `-c`, the same that Flagger takes."""
        return "sh" if self is HookType.CMD else "bash"


@dataclass(frozen=True, slots=True)
class Hook:
    """One request of a canary to run a command."""

    name: str
    namespace: str
    type: HookType
    command: str
    is_output_logged: bool
    is_output_returned: bool

    @property
    def canary(self) -> str:
        """The canary as logs and events name it: `name.namespace`."""
        return f"{self.name}.{self.namespace}"


def parse_hook(body: bytes) -> Hook:
    """Reads the JSON body of a hook's request.

    As with Flagger, `name` and `namespace` may be missing (a hook tried by hand), `metadata.type` is `cmd` unless
    said otherwise, the switches `logCmdOutput` and `returnCmdOutput` are off unless they say true, and unknown keys
    are ignored.

    Raises:
        PayloadError: it is not JSON, or a key has a value that can't be used.
    """
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise PayloadError("body", body, f"a hook's payload, a JSON object ({error})") from error
    if not isinstance(payload, dict):
        raise PayloadError("body", payload, "a hook's payload, a JSON object")
    metadata = payload.get("metadata")
    if not isinstance(metadata, dict) or not metadata:
        raise PayloadError("metadata", metadata, 'an object of strings, as in {"type": "cmd", "cmd": "hey …"}')
    return Hook(
        name=_read_string(payload, "name", default=""),
        namespace=_read_string(payload, "namespace", default=""),
        type=_read_type(metadata),
        command=_read_command(metadata),
        is_output_logged=_read_string(metadata, "logCmdOutput", "metadata.", default="") in _TRUE_WORDS,
        is_output_returned=_read_string(metadata, "returnCmdOutput", "metadata.", default="") in _TRUE_WORDS,
    )


def _read_string(values: dict[str, Any], key: str, prefix: str = "", *, default: str) -> str:
    value = values.get(key)
    if value is None:
        return default
    if not isinstance(value, str):
        raise PayloadError(prefix + key, value, "a string")
    return value


def _read_type(metadata: dict[str, Any]) -> HookType:
    found = _read_string(metadata, "type", "metadata.", default=HookType.CMD)
    try:
        return HookType(found)
    except ValueError as error:
        raise PayloadError("metadata.type", found, "cmd or bash") from error


def _read_command(metadata: dict[str, Any]) -> str:
    found = _read_string(metadata, "cmd", "metadata.", default="")
    # A lone surrogate (JSON's \ud800) has no bytes and a NUL ends an argument: neither can be passed to a shell.
    is_passable = "\0" not in found and not any("\ud800" <= character <= "\udfff" for character in found)
    if not found.strip() or not is_passable:
        raise PayloadError("metadata.cmd", found, "a shell command, not empty and without NUL characters")
    return found
