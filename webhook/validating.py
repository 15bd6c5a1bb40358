"""Checks a Canary, a MetricTemplate or an AlertProvider as it is applied, and reports all problems at once.

An error refuses, unless the stored object had it before; a warning never does.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from canary.api.names import Identity
from canary.api.problems import Problem
from canary.rules.admission import (
    applied_alert_provider_problems,
    applied_canary_problems,
    applied_metric_template_problems,
    is_of_another_provider,
    with_its_names,
)
from canary.rules.cluster import Claim
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
    return _answer(request, lambda obj: applied_canary_problems(obj, context, made), request_problems(request))


def validate_metric_template(request: Request, _: AdmissionContext) -> Answer:
    """Return what is wrong with a MetricTemplate."""
    return _answer(request, applied_metric_template_problems)


def validate_alert_provider(request: Request, _: AdmissionContext) -> Answer:
    """Return what is wrong with an AlertProvider."""
    return _answer(request, applied_alert_provider_problems)


def is_looked_at(request: Request) -> bool:
    """Return whether a request writes what a user wants: no subresource, and no object that is on its way out."""
    metadata = request.object.get("metadata")
    is_going = isinstance(metadata, Mapping) and metadata.get("deletionTimestamp") is not None
    return request.operation in {"CREATE", "UPDATE"} and not request.subresource and not is_going


def _identity_of(stored: Object) -> Identity | None:
    """Return what a stored canary's objects are named after; None before users are led to any of them."""
    status, claim = stored.get("status"), Claim.read(stored)
    phase = status.get("phase") if isinstance(status, Mapping) else None
    if not isinstance(status, Mapping) or phase in {None, "", Phase.INITIALIZING} or is_of_another_provider(stored):
        return None
    return read_identity(status) or (None if claim is None else Identity(claim.target, claim.kind, claim.apex))


def _answer(request: Request, find: Callable[[Mapping[str, Any]], Problems], beside: Problems = ()) -> Answer:
    """Judge the spec where it is written, and answer with `beside`, errors that are no matter of the spec, in front."""
    if not is_looked_at(request):
        return ALLOWED
    problems = () if is_spec_unchanged(request) else find(with_its_names(request.object, request.namespace))
    refused = frozenset(place for place, problem in enumerate(problems) if not problem.is_warning)
    if refused and request.operation == "UPDATE":
        refused = _introduced(problems, find(request.old_object))
    warnings = tuple(str(problem) for place, problem in enumerate(problems) if place not in refused)
    errors = (*beside, *(problems[place] for place in sorted(refused)))
    return Answer(warnings=warnings, refusal=_refusal(request, errors) if errors else None)


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
