"""Checks a Canary, a MetricTemplate or an AlertProvider as it is applied, and reports all problems at once.

An error refuses, unless the stored object had it before; a warning never does.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from canary.api.canary import GLOO, Canary
from canary.api.metric_template import MetricTemplate
from canary.api.names import Identity
from canary.api.problems import Problem
from canary.rules.canary import OTHER_PROVIDERS, check_canary
from canary.rules.identity import target_is_kept
from canary.rules.metric_template import check_metric_template
from canary.rules.queries import check_queries, check_template_query
from canary.rules.references import Claim, Stage, check_references
from canary.rules.shape import alert_provider_problems, canary_problems, metric_template_problems
from canary.run.phase import Phase
from canary.run.status import read_identity
from webhook.context import AdmissionContext
from webhook.requesters import request_problems
from webhook.review import ALLOWED, Answer, Cause, Object, Refusal, Request

Problems = tuple[Problem, ...]

_INDEX: Final = re.compile(r"\[\d+\]")
_MOST_SHOWN: Final = 50
"""Problems in a refusal. Nobody corrects more at once, and a faulty list could have many thousands."""


def validate_canary(request: Request, context: AdmissionContext) -> Answer:
    """Return what is wrong with a Canary; nothing for one of another provider, which is left untouched."""
    made = _identity_of(request.old_object) if request.operation == "UPDATE" else None

    def check(canary: Canary) -> Problems:
        if canary.provider != GLOO:
            return ()
        references = check_references(canary, context, Stage.ADMISSION)
        identity = () if made is None else target_is_kept(made, Identity.of(canary))
        return (*check_canary(canary), *check_queries(canary), *identity, *references)

    def find(obj: Object) -> Problems:
        if is_of_another_provider(obj):
            return ()
        if (provider := _provider(obj)) in {"", GLOO}:
            return canary_problems(obj, check)
        unknown = Problem("spec.provider", provider, f"{GLOO}, or for others {', '.join(OTHER_PROVIDERS)}")
        return (unknown, *canary_problems(obj | {"spec": obj["spec"] | {"provider": GLOO}}, check))

    return _answer(request, find, request_problems(request))


def validate_metric_template(request: Request, _: AdmissionContext) -> Answer:
    """Return what is wrong with a MetricTemplate."""

    def check(template: MetricTemplate) -> Problems:
        return (*check_metric_template(template), *check_template_query(template))

    return _answer(request, lambda obj: metric_template_problems(obj, check))


def validate_alert_provider(request: Request, _: AdmissionContext) -> Answer:
    """Return what is wrong with an AlertProvider."""
    return _answer(request, alert_provider_problems)


def is_looked_at(request: Request) -> bool:
    """Return whether a request writes what a user wants: no subresource, and no object that is on its way out."""
    metadata = request.object.get("metadata")
    is_going = isinstance(metadata, Mapping) and metadata.get("deletionTimestamp") is not None
    return request.operation in {"CREATE", "UPDATE"} and not request.subresource and not is_going


def is_of_another_provider(obj: Object) -> bool:
    """Return whether a Canary is left untouched."""
    return _provider(obj) in OTHER_PROVIDERS


def _provider(obj: Object) -> str:
    """Return the provider's name, empty where there is none, or none that is a text."""
    spec = obj.get("spec")
    provider = spec.get("provider") if isinstance(spec, Mapping) else None
    return provider if isinstance(provider, str) else ""


def _identity_of(stored: Object) -> Identity | None:
    """Return what a stored canary's objects are named after; None before users are led to any of them."""
    status, claim = stored.get("status"), Claim.read(stored)
    phase = status.get("phase") if isinstance(status, Mapping) else None
    if not isinstance(status, Mapping) or phase in {None, "", Phase.INITIALIZING} or is_of_another_provider(stored):
        return None
    return read_identity(status) or (None if claim is None else Identity(claim.target, claim.kind, claim.apex))


def _answer(request: Request, find: Callable[[Object], Problems], beside: Problems = ()) -> Answer:
    """Judge the spec where it is written, and answer with `beside`, errors that are no matter of the spec, in front."""
    if not is_looked_at(request):
        return ALLOWED
    problems = () if is_spec_unchanged(request) else find(_with_its_names(request))
    refused = frozenset(place for place, problem in enumerate(problems) if not problem.is_warning)
    if refused and request.operation == "UPDATE":
        refused = _introduced(problems, find(request.old_object))
    warnings = tuple(str(problem) for place, problem in enumerate(problems) if place not in refused)
    errors = (*beside, *(problems[place] for place in sorted(refused)))
    return Answer(warnings=warnings, refusal=_refusal(request, errors) if errors else None)


def _with_its_names(request: Request) -> Object:
    """Return the object with its namespace, and with a name where the API server has yet to generate one."""
    metadata = request.object.get("metadata")
    if not isinstance(metadata, Mapping):
        return request.object
    generated = {"name": f"{metadata['generateName']}x"} if metadata.get("generateName") else {}
    return request.object | {"metadata": {"namespace": request.namespace or None, **generated, **metadata}}


def is_spec_unchanged(request: Request) -> bool:
    """Return whether an update leaves the spec as it is."""
    return request.operation == "UPDATE" and request.object.get("spec") == request.old_object.get("spec")


def _introduced(problems: Problems, old: Problems) -> frozenset[int]:
    """Return the places of the errors that the stored object does not have, so that it stays editable.

    A list's entries may have moved, so positions don't count; nor does the value found, where none is the same: another
    bad value in a bad place is no new problem.
    """
    had = Counter(_what(problem) for problem in old if not problem.is_warning)
    same_values = Counter((_what(problem), str(problem.found)) for problem in old if not problem.is_warning)
    rest: list[int] = []
    for place, problem in enumerate(problems):
        if problem.is_warning:
            continue
        key = (_what(problem), str(problem.found))
        if same_values[key]:
            same_values[key] -= 1
            had[_what(problem)] -= 1
        else:
            rest.append(place)
    introduced: list[int] = []
    for place in rest:
        what = _what(problems[place])
        if had[what] > 0:
            had[what] -= 1
        else:
            introduced.append(place)
    return frozenset(introduced)


def _what(problem: Problem) -> tuple[str, str]:
    return _INDEX.sub("[]", problem.path), problem.allowed


def _refusal(request: Request, errors: Problems) -> Refusal:
    count = "1 problem" if len(errors) == 1 else f"{len(errors)} problems"
    name = "/".join(filter(None, [request.namespace, _name(request)]))
    shown, more = errors[:_MOST_SHOWN], len(errors) - _MOST_SHOWN
    lines = [f"{request.kind.kind} {name} is refused: {count}", *(f"- {problem}" for problem in shown)]
    causes = [Cause(problem.path, _without_path(problem), _reason(problem)) for problem in shown]
    if more > 0:
        lines.append(f"- and {more} more")
        causes.append(Cause("spec", f"and {more} more"))
    return Refusal("\n".join(lines), tuple(causes), request.kind.kind, _name(request))


def _name(request: Request) -> str:
    metadata = request.object.get("metadata")
    written: Mapping[str, Any] = metadata if isinstance(metadata, Mapping) else {}
    return request.name or str(written.get("name") or written.get("generateName") or "(without a name)")


def _without_path(problem: Problem) -> str:
    return str(problem).removeprefix(f"{problem.path}: ")


def _reason(problem: Problem) -> str:
    return "FieldValueRequired" if problem.found is None else "FieldValueInvalid"
