"""Flagger's command line read as ours: how Go spells flags, and what of it means nothing here.

Source: Flagger 1.44, `cmd/flagger/main.go`, and klog 2, whose flags it has too.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from agent.settings import ConfigTracking

FLAGGERS_FLAG: Final = "--flaggers-flag"
"""Ours, hidden: a flag that only Flagger has, with its value."""

# It knows on and off, ours three ways.
_TRACKING: Final = "--enable-config-tracking"
_LOG_LEVEL: Final = "--log-level"

# What Go's flags take for a truth value (strconv.ParseBool).
_YES: Final = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_NO: Final = frozenset({"0", "f", "F", "false", "FALSE", "False"})

_LEVELS: Final = {"warn": "warning", "fatal": "error", "panic": "error"}

_FROM_ENVIRONMENT: Final = {
    "--slack-url": "SLACK_URL",
    "--slack-token": "SLACK_TOKEN",
    "--slack-proxy-url": "SLACK_PROXY_URL",
    "--msteams-url": "MSTEAMS_URL",
    "--msteams-proxy-url": "MSTEAMS_PROXY_URL",
    "--event-webhook": "EVENT_WEBHOOK_URL",
}
"""Where the environment has a value it counts, whatever the flag says. Source: Flagger's `fromEnv`."""

_WATCHES: Final = "the agent reads from watches, and few canaries write at once"
_OWN_LOOPS: Final = "each canary has a loop of its own, which a watch wakes"
_GO_LOGGER: Final = "it is for a logger of Go; logs are lines of JSON with Flagger's keys"
_OTHER_PROVIDERS: Final = "it is for other providers than gloo"

_KLOG_SWITCHES: Final = (
    "add_dir_header",
    "alsologtostderr",
    "legacy_stderr_threshold_behavior",
    "logtostderr",
    "one_output",
    "skip_headers",
    "skip_log_headers",
)
_KLOG: Final = ("log_backtrace_at", "log_dir", "log_file", "log_file_max_size", "stderrthreshold", "v", "vmodule")
_SWITCHES: Final = frozenset({"zap-replace-globals", *_KLOG_SWITCHES})

MEANINGLESS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "control-loop-interval": _OWN_LOOPS,
        "threadiness": _OWN_LOOPS,
        "kubeconfig-qps": _WATCHES,
        "kubeconfig-burst": _WATCHES,
        "zap-encoding": _GO_LOGGER,
        "zap-replace-globals": _GO_LOGGER,
        "ingress-annotations-prefix": _OTHER_PROVIDERS,
        "ingress-class": _OTHER_PROVIDERS,
        "mesh-provider": "there is no other than gloo",
        **dict.fromkeys((*_KLOG_SWITCHES, *_KLOG), _GO_LOGGER),
    }
)
"""Flags that are taken and change nothing, and why."""

REFUSED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "master": "nothing: the address of the API server is in the file that --kubeconfig names",
        "kubeconfig-service-mesh": "nothing: routes are written into the cluster that canaries are read from",
    }
)
"""Flags that would change what happens, and what is allowed in their place."""

_FLAGGERS_OWN: Final = frozenset({*MEANINGLESS, *REFUSED})


def meaningless(given: Iterable[str]) -> Iterator[str]:
    """Say of each flag of Flagger's own, `name=value`, that it changes nothing, and why.

    Raises:
        ValueError: one that would have to change something: what was found, and what is allowed.
    """
    for one in given:
        name, _, value = one.partition("=")
        if name in REFUSED:
            if value:
                raise ValueError(f"-{name}: found {value!r}; allowed: {REFUSED[name]}")
            continue
        if name == "mesh-provider" and value.partition(":")[0] not in {"", "gloo"}:
            raise ValueError(f"-{name}: found {value!r}; allowed: gloo")
        yield f"-{one} changes nothing here: {MEANINGLESS[name]}"


def spelled_here(arguments: Iterable[str], environment: Mapping[str, str] = MappingProxyType({})) -> Iterator[str]:
    """Spell Flagger's arguments as ours.

    Go takes one dash for two, and a value behind a switch. What only Flagger has becomes FLAGGERS_FLAG.
    """
    waiting = deque(arguments)
    while waiting:
        argument = waiting.popleft()
        spelled = f"-{argument}" if re.match(r"-(v|[a-z][a-z_-]+)(=|$)", argument) else argument
        name, is_valued, value = spelled.partition("=")
        is_own = name.startswith("--") and name.removeprefix("--") in _FLAGGERS_OWN
        if not is_valued and waiting and _takes_value(name, is_own=is_own):
            is_valued, value = "=", waiting.popleft()
        if is_own:
            yield f"{FLAGGERS_FLAG}={name.removeprefix('--')}{is_valued}{value}"
        elif not environment.get(_FROM_ENVIRONMENT.get(name, "")):
            yield _our_flag(name, value) if is_valued else _our_switch(name)


def _takes_value(name: str, *, is_own: bool) -> bool:
    is_known = is_own or name in _FROM_ENVIRONMENT or name == _LOG_LEVEL
    return is_known and name.removeprefix("--") not in _SWITCHES


def _our_switch(name: str) -> str:
    return f"--config-tracking={ConfigTracking.REFERENCED}" if name == _TRACKING else name


def _our_flag(name: str, value: str) -> str:
    """Return a flag with its value; Go's switches may have one, ours may not."""
    is_switch = value in _YES | _NO
    match name:
        case "--enable-config-tracking":
            return f"--config-tracking={ConfigTracking.OFF if value in _NO else ConfigTracking.REFERENCED}"
        case "--enable-leader-election" if is_switch:
            return name if value in _YES else "--no-enable-leader-election"
        case "--no-cross-namespace-refs" if is_switch:
            return name if value in _YES else "--cross-namespace-refs"
        case "--version" if value in _YES:
            return name
        case "--log-level":
            return f"{name}={_LEVELS.get(value, value)}"
        case _:
            return f"{name}={value}"
