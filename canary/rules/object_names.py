"""Rules for the names of other objects: each can be one, has room for what is made of it, and is nobody else's."""

import re
from collections.abc import Iterator
from functools import partial
from typing import Final

from canary.api.canary import Canary
from canary.api.names import OBJECT_NAME_MAX_CHARS, primary_name, primary_of
from canary.api.problems import Problem, around
from canary.api.references import SecretReference

OBJECT_NAME: Final = (
    "an object's name: lower-case letters, digits, '-' and '.', with a letter or digit at both ends (RFC 1123)"
)

_DNS_LABEL: Final = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_DNS_NAME: Final = re.compile(rf"{_DNS_LABEL}(?:\.{_DNS_LABEL})*")

_refused = partial(Problem, spares_stored=True)


def is_object_name(text: str) -> bool:
    """Return whether an object can have this name (Kubernetes' IsDNS1123Subdomain)."""
    return len(text) <= OBJECT_NAME_MAX_CHARS and _DNS_NAME.fullmatch(text) is not None


def referenced_names_can_be_names(canary: Canary) -> Iterator[Problem]:
    """Refuse the name of an object that no object can have; how long it may be is not looked at here."""
    for path, name in (*_own_names(canary), *_names_of_the_analysis(canary)):
        if name and not _DNS_NAME.fullmatch(name):
            yield _refused(path, around(name, _first_wrong(name)), OBJECT_NAME)


def references_of_the_analysis_have_names(canary: Canary) -> Iterator[Problem]:
    for path, name in _names_of_the_analysis(canary):
        if not name:
            yield _refused(path, "", "the name of an object, or no reference at all")


def service_name_is_nobody_elses(canary: Canary) -> Iterator[Problem]:
    """Refuse the API server's own Service, and warn of its name elsewhere; warn of a primary's name."""
    name, path = canary.spec.service.name, "spec.service.name"
    if canary.apex_name == "kubernetes":
        is_the_api_servers = canary.namespace == "default"
        allowed = (
            "another name; in namespace default this Service is the API server's own, which every pod calls"
            if is_the_api_servers
            else "another name; new pods of this namespace take this Service for the API server "
            "(KUBERNETES_SERVICE_HOST)"
        )
        named_at = path if name else "spec.targetRef.name"
        is_warning = not is_the_api_servers
        yield Problem(named_at, "kubernetes", allowed, is_warning=is_warning, spares_stored=is_the_api_servers)
    target = primary_of(name)
    if target is not None and target in {canary.spec.target_ref.name, canary.name}:
        allowed = (
            f"the name that clients call, such as {target}; {name} is what its primary is named, and with this the "
            f"primary's Service is {primary_name(name)}"
        )
        yield Problem(path, name, allowed, is_warning=True)


def service_name_begins_with_a_letter(canary: Canary) -> Iterator[Problem]:
    """Warn of a digit: it is one of RFC 1123, but Services had to keep to RFC 1035 before Kubernetes 1.36."""
    apex = canary.apex_name
    if apex[:1].isdigit():
        path = "spec.service.name" if canary.spec.service.name else "spec.targetRef.name"
        allowed = "a letter first (RFC 1035), for services are named after it, and Kubernetes before 1.36 refuses them"
        yield Problem(path, apex, allowed, is_warning=True)


def check_secret_reference(path: str, reference: SecretReference | None) -> Iterator[Problem]:
    """Refuse a secret that can't be named so."""
    if reference is not None and not is_object_name(reference.name):
        allowed = OBJECT_NAME if reference.name else "the name of a Secret, or no reference at all"
        yield _refused(f"{path}.name", around(reference.name, _first_wrong(reference.name)), allowed)


def _own_names(canary: Canary) -> Iterator[tuple[str, str]]:
    spec = canary.spec
    references = (("targetRef", spec.target_ref), ("autoscalerRef", spec.autoscaler_ref))
    for field, reference in (*references, ("upstreamRef", spec.upstream_ref)):
        if reference is not None:
            yield f"spec.{field}.name", reference.name


def _names_of_the_analysis(canary: Canary) -> Iterator[tuple[str, str]]:
    analysis = canary.analysis
    for index, metric in enumerate(analysis.metrics if analysis is not None else ()):
        if metric.template_ref is not None:
            yield f"{canary.analysis_path}.metrics[{index}].templateRef.name", metric.template_ref.name
    for index, alert in enumerate(analysis.alerts if analysis is not None else ()):
        yield f"{canary.analysis_path}.alerts[{index}].providerRef.name", alert.provider_ref.name


def _first_wrong(name: str) -> int:
    found = re.search(r"[^-a-z0-9.]", name)
    return found.start() if found is not None else 0


OBJECT_NAME_RULES = (
    referenced_names_can_be_names,
    references_of_the_analysis_have_names,
    service_name_is_nobody_elses,
    service_name_begins_with_a_letter,
)
