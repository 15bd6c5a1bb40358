"""All that is wrong with an object as it is applied: what admission answers, and what is told of files beforehand."""

from collections.abc import Mapping
from typing import Any, Final

from canary.api.canary import GLOO, Canary
from canary.api.metric_template import MetricTemplate
from canary.api.names import Identity
from canary.api.problems import Problem
from canary.rules.canary import OTHER_PROVIDERS, check_canary
from canary.rules.cluster import Cluster
from canary.rules.identity import target_is_kept
from canary.rules.metric_template import check_metric_template
from canary.rules.queries import check_queries, check_template_counts, check_template_query
from canary.rules.references import Stage, check_references
from canary.rules.shape import alert_provider_problems, canary_problems, metric_template_problems

Problems = tuple[Problem, ...]

_GENERATED: Final = "x"


def applied_canary_problems(obj: Mapping[str, Any], cluster: Cluster, made: Identity | None = None) -> Problems:
    """Return what is wrong with a Canary; nothing for one of another provider, which is left untouched.

    `made` is what the objects of a stored canary are named after, None before there are any.
    """

    def check(canary: Canary) -> Problems:
        if canary.provider != GLOO:
            return ()
        references = check_references(canary, cluster, Stage.ADMISSION)
        identity = () if made is None else target_is_kept(made, Identity.of(canary))
        return (*check_canary(canary), *check_queries(canary), *identity, *references)

    if is_of_another_provider(obj):
        return ()
    if (provider := _provider(obj)) in {"", GLOO}:
        return canary_problems(obj, check)
    unknown = Problem("spec.provider", provider, f"{GLOO}, or for others {', '.join(OTHER_PROVIDERS)}")
    return (unknown, *canary_problems({**obj, "spec": {**obj["spec"], "provider": GLOO}}, check))


def applied_metric_template_problems(obj: Mapping[str, Any]) -> Problems:
    """Return what is wrong with a MetricTemplate."""

    def check(template: MetricTemplate) -> Problems:
        return (
            *check_metric_template(template),
            *check_template_query(template),
            *check_template_counts(template),
        )

    return metric_template_problems(obj, check)


def applied_alert_provider_problems(obj: Mapping[str, Any]) -> Problems:
    """Return what is wrong with an AlertProvider."""
    return alert_provider_problems(obj)


def is_of_another_provider(obj: Mapping[str, Any]) -> bool:
    """Return whether a Canary is left untouched."""
    return _provider(obj) in OTHER_PROVIDERS


def with_its_names(obj: Mapping[str, Any], namespace: str) -> Mapping[str, Any]:
    """Return the object with its namespace ("": of none), and with a name where the API server is to generate one."""
    metadata = obj.get("metadata")
    if not isinstance(metadata, Mapping):
        return obj
    generated = {"name": f"{metadata['generateName']}{_GENERATED}"} if metadata.get("generateName") else {}
    return {**obj, "metadata": {"namespace": namespace or None, **generated, **metadata}}


def _provider(obj: Mapping[str, Any]) -> str:
    """Return the provider's name, empty where there is none, or none that is a text."""
    spec = obj.get("spec")
    provider = spec.get("provider") if isinstance(spec, Mapping) else None
    return provider if isinstance(provider, str) else ""
