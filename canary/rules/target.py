"""Rules for what is released: the target, the names derived from it, and its autoscaler."""

import re
from collections.abc import Iterator
from functools import partial

from canary.api.canary import Canary
from canary.api.names import LABEL_MAX_CHARS, OBJECT_NAME_MAX_CHARS, primary_name
from canary.api.problems import Problem
from canary.api.references import AUTOSCALING_READ_AS_V2, AUTOSCALING_V2
from canary.api.schema import as_written
from canary.rules.object_names import is_object_name

TARGET_KINDS = ("Deployment", "DaemonSet")
TARGET_API_VERSION = "apps/v1"
AUTOSCALER_KINDS = ("HorizontalPodAutoscaler", "ScaledObject")
APEX_MAX_CHARS = LABEL_MAX_CHARS - len(
    primary_name("")
)  # a service's name is a DNS label, and the apex gets this suffix

COPIED_MAX_CHARS = OBJECT_NAME_MAX_CHARS - len(primary_name(""))

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")

_AUTOSCALER_GROUPS = {"HorizontalPodAutoscaler": "autoscaling", "ScaledObject": "keda.sh"}
_AUTOSCALER_VERSIONS = {"HorizontalPodAutoscaler": AUTOSCALING_V2, "ScaledObject": "keda.sh/v1alpha1"}

_refused = partial(Problem, spares_stored=True)


def target_kind_is_known(canary: Canary) -> Iterator[Problem]:
    kind = canary.spec.target_ref.kind
    if kind not in TARGET_KINDS:
        yield Problem("spec.targetRef.kind", kind or None, " or ".join(TARGET_KINDS))


def target_is_not_a_primary(canary: Canary) -> Iterator[Problem]:
    """Warn of a name that mostly is a generated workload's; a target may have such a name of its own, and runs."""
    name = canary.spec.target_ref.name
    if name in {primary_name(canary.name), primary_name(canary.spec.service.name)}:
        allowed = f"the workload that you change, not a primary; the primary of this one is {primary_name(name)}"
        yield Problem("spec.targetRef.name", name, allowed, is_warning=True)


def apex_can_name_services(canary: Canary) -> Iterator[Problem]:
    apex, named = canary.apex_name, canary.spec.service.name
    if not named and apex and len(apex) <= COPIED_MAX_CHARS and not is_object_name(apex):
        return  # no target has such a name, to begin with
    if not _DNS_LABEL.fullmatch(apex) or len(apex) > APEX_MAX_CHARS:
        path = "spec.service.name" if named else "spec.targetRef.name"
        allowed = f"lower-case letters, digits and '-', at most {APEX_MAX_CHARS}, for services are named after it"
        yield Problem(path, apex, allowed)


def copies_can_be_named(canary: Canary) -> Iterator[Problem]:
    """Refuse what its primary's copy can't be named after."""
    references = (("targetRef", canary.spec.target_ref), ("autoscalerRef", canary.spec.autoscaler_ref))
    for field, reference in references:
        if reference is not None and len(reference.name) > COPIED_MAX_CHARS:
            allowed = f"at most {COPIED_MAX_CHARS} characters, for its primary is named {primary_name('{name}')}"
            yield Problem(f"spec.{field}.name", reference.name, allowed)


def autoscaler_kind_is_known(canary: Canary) -> Iterator[Problem]:
    reference = canary.spec.autoscaler_ref
    if reference is not None and reference.kind not in AUTOSCALER_KINDS:
        yield Problem("spec.autoscalerRef.kind", reference.kind or None, " or ".join(AUTOSCALER_KINDS))


def autoscaler_version_is_its_kinds(canary: Canary) -> Iterator[Problem]:
    """Refuse the API of one kind of autoscaler beside the other kind: which of them is meant nobody can tell."""
    reference = canary.spec.autoscaler_ref
    if reference is None or not reference.api_version or reference.kind not in AUTOSCALER_KINDS:
        return
    if reference.api_version.partition("/")[0] != _AUTOSCALER_GROUPS[reference.kind]:
        allowed = f"{_AUTOSCALER_VERSIONS[reference.kind]}, that of a {reference.kind}"
        yield _refused("spec.autoscalerRef.apiVersion", reference.api_version, allowed)


def autoscaler_has_something_to_scale(canary: Canary) -> Iterator[Problem]:
    reference = canary.spec.autoscaler_ref
    if reference is not None and canary.target_kind == "DaemonSet":
        allowed = "nothing beside a DaemonSet, which has a pod on each node and no number of replicas"
        yield _refused("spec.autoscalerRef", as_written(reference), allowed)


def autoscaler_bounds_are_ordered(canary: Canary) -> Iterator[Problem]:
    reference = canary.spec.autoscaler_ref
    bounds = reference.primary_scaler_replicas if reference is not None else None
    if bounds is None or bounds.min_replicas is None or bounds.max_replicas is None:
        return
    if bounds.min_replicas > bounds.max_replicas:
        allowed = "minReplicas that is not above maxReplicas"
        yield Problem("spec.autoscalerRef.primaryScalerReplicas", as_written(bounds), allowed)


def autoscaler_version_is_served(canary: Canary) -> Iterator[Problem]:
    reference = canary.spec.autoscaler_ref
    if reference is not None and reference.api_version in AUTOSCALING_READ_AS_V2:
        allowed = f"{AUTOSCALING_V2}, which it is read as"
        yield Problem("spec.autoscalerRef.apiVersion", reference.api_version, allowed, is_warning=True)


def autoscaler_is_not_the_primarys(canary: Canary) -> Iterator[Problem]:
    reference = canary.spec.autoscaler_ref
    if reference is not None and reference.name == primary_name(canary.spec.target_ref.name):
        allowed = "the target's autoscaler; the primary's is made from it"
        yield Problem("spec.autoscalerRef.name", reference.name, allowed, is_warning=True)


def target_version_is_served(canary: Canary) -> Iterator[Problem]:
    written = canary.spec.target_ref.api_version
    if written and written != TARGET_API_VERSION:
        allowed = f"{TARGET_API_VERSION}, which it is read as"
        yield Problem("spec.targetRef.apiVersion", written, allowed, is_warning=True)


def references_have_names(canary: Canary) -> Iterator[Problem]:
    spec = canary.spec
    if not spec.target_ref.name and spec.service.name:
        yield Problem("spec.targetRef.name", "", f"the name of a {' or '.join(TARGET_KINDS)}")
    for field, reference in (("autoscalerRef", spec.autoscaler_ref), ("upstreamRef", spec.upstream_ref)):
        if reference is not None and not reference.name:
            yield Problem(f"spec.{field}.name", "", "the name of an object, or no reference at all")


def scaler_queries_are_for_keda(canary: Canary) -> Iterator[Problem]:
    reference = canary.spec.autoscaler_ref
    if reference is not None and reference.primary_scaler_queries and reference.kind == AUTOSCALER_KINDS[0]:
        allowed = f"nothing beside {AUTOSCALER_KINDS[0]}; the queries are those of a {AUTOSCALER_KINDS[1]}"
        path = "spec.autoscalerRef.primaryScalerQueries"
        yield Problem(path, reference.primary_scaler_queries, allowed, is_warning=True)


TARGET_RULES = (
    target_kind_is_known,
    target_is_not_a_primary,
    apex_can_name_services,
    copies_can_be_named,
    autoscaler_kind_is_known,
    autoscaler_version_is_its_kinds,
    autoscaler_has_something_to_scale,
    autoscaler_bounds_are_ordered,
    autoscaler_version_is_served,
    autoscaler_is_not_the_primarys,
    target_version_is_served,
    references_have_names,
    scaler_queries_are_for_keda,
)
