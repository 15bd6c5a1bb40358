"""Rules for the alerts of an analysis."""

from collections.abc import Iterator

from canary.api.canary import Canary
from canary.api.problems import Problem


def alert_is_sent_once(canary: Canary) -> Iterator[Problem]:
    """Warn of two alerts to one provider: what is severe enough for both is sent there twice."""
    seen: set[tuple[str, str]] = set()
    for index, alert in enumerate(canary.analysis.alerts if canary.analysis is not None else ()):
        provider = alert.provider_ref.namespace or canary.namespace, alert.provider_ref.name
        if provider in seen:
            allowed = "a provider that no other alert of this analysis has; each message is sent there twice"
            path = f"{canary.analysis_path}.alerts[{index}].providerRef.name"
            yield Problem(path, alert.provider_ref.name, allowed, is_warning=True)
        seen.add(provider)


ALERT_RULES = (alert_is_sent_once,)
