"""The MetricTemplates of a canary's checks: each version is read and checked once, not with each tick or check."""

from functools import partial

from agent.caches import Caches
from canary.api.canary import Canary
from canary.api.metric_template import MetricTemplate
from canary.rules.shape import parse_metric_template
from kube.resource import Object


def known_template(canary: Canary, found: Object, caches: Caches) -> MetricTemplate:
    """Read a MetricTemplate as it is cached, for a canary that refers to it.

    Raises:
        canary.api.problems.InvalidObject: it has faults.
    """
    metadata = found["metadata"]
    what = ("template", metadata.get("namespace"), metadata["name"])
    return caches.memo(canary).of(what, (found,), partial(parse_metric_template, found))
