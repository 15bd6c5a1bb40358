"""Rules for the hooks of an analysis."""

from collections.abc import Iterator
from functools import partial

from canary.api.canary import Canary
from canary.api.duration import parse_duration_s
from canary.api.hooks import DEFAULT_HOOK_TIMEOUT, HOOK_TYPES, CanaryWebhook
from canary.api.problems import Problem
from canary.rules.urls import CLEAN_URL, HTTP_URL, is_clean_http_url, is_http_url, shown_address

CONFIRM_TRAFFIC_INCREASE = "confirm-traffic-increase"
_KEPT_TYPES = ("confirm-rollout", "pre-rollout", CONFIRM_TRAFFIC_INCREASE, "confirm-promotion")
_COMMANDS = ("bash", "cmd")
"""The types of the load tester's own that run `metadata.cmd`."""

_refused = partial(Problem, spares_stored=True)

_ALERTING_TYPES = ("confirm-rollout", CONFIRM_TRAFFIC_INCREASE, "confirm-promotion")


def hook_type_is_known(canary: Canary) -> Iterator[Problem]:
    for path, hook in _hooks(canary):
        if hook.type_effective not in HOOK_TYPES:
            yield Problem(f"{path}.type", hook.type, f"one of {', '.join(HOOK_TYPES)}")


def hook_url_can_be_called(canary: Canary) -> Iterator[Problem]:
    for path, hook in _hooks(canary):
        if not is_http_url(hook.url):
            yield Problem(f"{path}.url", shown_address(hook.url), HTTP_URL)
        elif not is_clean_http_url(hook.url):
            yield _refused(f"{path}.url", shown_address(hook.url), CLEAN_URL)


def hook_runs_a_command(canary: Canary) -> Iterator[Problem]:
    """Warn of metadata for the load tester that lacks the command."""
    for path, hook in _hooks(canary):
        if hook.metadata.get("type") in _COMMANDS and "cmd" not in hook.metadata:
            allowed = f"the command, where metadata.type is {hook.metadata['type']}: the load tester runs no other key"
            yield Problem(f"{path}.metadata.cmd", None, allowed, is_warning=True)


def hook_timeout_has_an_end(canary: Canary) -> Iterator[Problem]:
    """Warn of 0s, for which Flagger waits without an end."""
    for path, hook in _hooks(canary):
        if hook.timeout and parse_duration_s(hook.timeout) == 0:
            allowed = f"a duration such as 5s or 1m, more than 0s; read as {DEFAULT_HOOK_TIMEOUT}"
            yield Problem(f"{path}.timeout", hook.timeout, allowed, is_warning=True)


def hook_names_differ(canary: Canary) -> Iterator[Problem]:
    """Refuse equal names of gates, whose answers are kept by type and name; warn of those of other hooks."""
    types_by_name: dict[str, set[str]] = {}
    for path, hook in _hooks(canary):
        types = types_by_name.setdefault(hook.name, set())
        if types:
            is_distinct = hook.type_effective not in types or hook.type_effective not in _KEPT_TYPES
            allowed = "a name that no other webhook of this analysis has"
            if not is_distinct:
                allowed += f"; a yes of one {hook.type_effective} hook would count for all of this name"
            yield Problem(f"{path}.name", hook.name, allowed, is_warning=is_distinct)
        types.add(hook.type_effective)


def hook_has_a_name(canary: Canary) -> Iterator[Problem]:
    for path, hook in _hooks(canary):
        if not hook.name.strip():
            allowed = "a name, for events, alerts and the answers that are kept go by it"
            yield Problem(f"{path}.name", hook.name, allowed, is_warning=True)


def hook_without_tls_disables_none(canary: Canary) -> Iterator[Problem]:
    for path, hook in _hooks(canary):
        if hook.disable_tls and hook.url.startswith("http://"):
            allowed = "nothing; a URL with http:// has no TLS to be disabled"
            yield Problem(f"{path}.disableTLS", hook.disable_tls, allowed, is_warning=True)


def hook_is_asked(canary: Canary) -> Iterator[Problem]:
    if canary.grows_by_weight:
        return
    for path, hook in _hooks(canary):
        if hook.type_effective == CONFIRM_TRAFFIC_INCREASE:
            allowed = (
                "another type beside iterations: only a weight that grows in steps is asked for, so nobody asks this"
            )
            yield Problem(f"{path}.type", hook.type, allowed, is_warning=True)


def hook_mutes_an_alert(canary: Canary) -> Iterator[Problem]:
    for path, hook in _hooks(canary):
        if hook.mute_alert and hook.type_effective not in _ALERTING_TYPES:
            allowed = f"nothing but on {', '.join(_ALERTING_TYPES)}; no other type of hook alerts by itself"
            yield Problem(f"{path}.muteAlert", hook.mute_alert, allowed, is_warning=True)


def _hooks(canary: Canary) -> Iterator[tuple[str, CanaryWebhook]]:
    for index, hook in enumerate(canary.analysis.webhooks if canary.analysis is not None else ()):
        yield f"{canary.analysis_path}.webhooks[{index}]", hook


WEBHOOK_RULES = (
    hook_type_is_known,
    hook_url_can_be_called,
    hook_runs_a_command,
    hook_timeout_has_an_end,
    hook_names_differ,
    hook_has_a_name,
    hook_without_tls_disables_none,
    hook_is_asked,
    hook_mutes_an_alert,
)
