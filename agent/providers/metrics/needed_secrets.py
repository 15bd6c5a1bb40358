"""The Secrets that the checks of one canary need: what is wrong with them keeps its next run from beginning."""

from collections.abc import Iterator

from agent.caches import Caches
from agent.providers.metrics.known_templates import known_template
from agent.providers.metrics.template_secrets import READ_AGAIN_S
from agent.resources import METRIC_TEMPLATES
from canary.api.canary import Canary
from canary.api.metric_template import MetricTemplate
from canary.api.problems import InvalidObject
from canary.rules.references import Reason, ReferenceProblem, is_refused_across


async def look_at_secrets(canary: Canary, caches: Caches) -> None:
    """Look at the Secrets of a canary's checks, unless somebody did within the last half minute."""
    await caches.template_secrets.refresh(template for _, template in _templates(canary, caches))


def secret_problems(canary: Canary, caches: Caches) -> Iterator[ReferenceProblem]:
    """Return what is wrong with the Secrets of a canary's checks, as far as they were looked at.

    Of another namespace's no more is told than that a check of it can't be asked.
    """
    for path, template in _templates(canary, caches) if caches.template_secrets.has_faults else ():
        fault = caches.template_secrets.fault(template)
        if not fault:
            continue
        if template.namespace != canary.namespace:
            name = f"MetricTemplate {template.namespace}/{template.name}"
            fault = f"{name} spec.provider: found one that can't be asked, or no Secret for it"
        allowed = f"a template whose credentials can be read; {fault}"
        yield ReferenceProblem(path, template.name, allowed, is_warning=True, reason=Reason.TEMPLATE_SECRET_UNUSABLE)


def look_again_after_s(canary: Canary, caches: Caches) -> float | None:
    """Return when the Secrets are to be looked at again though nothing else happens: soon, while one is at fault."""
    return READ_AGAIN_S if any(True for _ in secret_problems(canary, caches)) else None


def _templates(canary: Canary, caches: Caches) -> Iterator[tuple[str, MetricTemplate]]:
    """Return the templates of the checks that decide, with the path that names each; faulty ones are told elsewhere."""
    if canary.is_analysis_skipped or canary.analysis is None:
        return
    for index, metric in enumerate(canary.analysis.metrics):
        reference = metric.template_ref
        if reference is None or metric.dry_run or is_refused_across(canary, reference, caches):
            continue
        found = caches.find(METRIC_TEMPLATES, reference.namespace or canary.namespace, reference.name)
        if found is None:
            continue
        try:
            yield f"{canary.analysis_path}.metrics[{index}].templateRef.name", known_template(canary, found, caches)
        except InvalidObject:
            continue
