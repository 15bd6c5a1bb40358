"""Hooks that run a command: from a payload with `metadata` to what is to be run."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from loadtester.payload import Canary, PayloadError, parse_payload, read_canary, read_string

_TRUE_WORDS = frozenset({"1", "t", "T", "true", "TRUE", "True"})  # those of Go's strconv.ParseBool, which Flagger uses
_METADATA = "metadata."


class HookType(StrEnum):
    """How a command is run, the hook's `metadata.type`."""

    CMD = "cmd"  # in the background: the answer is that it was accepted
    BASH = "bash"  # waited for: the answer is how it ended
    HELM = "helm"  # waited for, as those below
    HELMV3 = "helmv3"
    KUBECTL = "kubectl"


@dataclass(frozen=True, slots=True)
class Hook:
    """One request of a canary to run a command."""

    canary: Canary
    type: HookType
    command: str
    is_output_logged: bool
    is_output_returned: bool

    @property
    def argv(self) -> tuple[str, ...]:
        """Return what is run, the same as Flagger does: a shell, or a program with the words of the command.

        Those words are no shell's: nothing in them is quoted or expanded.
        """
        match self.type:
            case HookType.CMD:
                return ("sh", "-c", self.command)
            case HookType.BASH:
                return ("bash", "-c", self.command)
            case HookType.HELM | HookType.HELMV3:
                return ("helm", *self.command.split())
            case HookType.KUBECTL:
                return ("kubectl", *self.command.split())


def parse_hook(body: bytes) -> Hook:
    """Read the JSON body of a hook's request.

    As with Flagger, `metadata.type` is `cmd` unless said otherwise, the switches `logCmdOutput` and `returnCmdOutput`
    are off unless they say true, and unknown keys are ignored.

    Raises:
        PayloadError: it is not JSON, or a key has a value that can't be used.
    """
    payload = parse_payload(body)
    metadata = payload.get("metadata")
    if not isinstance(metadata, dict) or not metadata:
        raise PayloadError("metadata", metadata, 'an object of strings, as in {"type": "cmd", "cmd": "hey …"}')
    return Hook(
        canary=read_canary(payload),
        type=_read_type(metadata),
        command=_read_command(metadata),
        is_output_logged=read_string(metadata, "logCmdOutput", _METADATA) in _TRUE_WORDS,
        is_output_returned=read_string(metadata, "returnCmdOutput", _METADATA) in _TRUE_WORDS,
    )


def _read_type(metadata: dict[str, Any]) -> HookType:
    found = read_string(metadata, "type", _METADATA, default=HookType.CMD)
    try:
        return HookType(found)
    except ValueError as error:
        raise PayloadError("metadata.type", found, " or ".join(HookType)) from error


def _read_command(metadata: dict[str, Any]) -> str:
    found = read_string(metadata, "cmd", _METADATA)
    # A lone surrogate (JSON's \ud800) has no bytes and a NUL ends an argument: neither can be passed to a shell.
    is_passable = "\0" not in found and not any("\ud800" <= character <= "\udfff" for character in found)
    if not found.strip() or not is_passable:
        raise PayloadError("metadata.cmd", found, "a shell command, not empty and without NUL characters")
    return found
