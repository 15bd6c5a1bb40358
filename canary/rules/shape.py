"""Objects of users in, model out; an error has everything that is wrong with an object."""

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from typing import Any, TypeVar

from pydantic import ValidationError

from canary.api.alert_provider import AlertProvider
from canary.api.bounds import MOST_MISSHAPEN
from canary.api.canary import Canary
from canary.api.metric_template import MetricTemplate
from canary.api.problems import InvalidObject, Problem
from canary.api.schema import ApiObject
from canary.rules.alert_provider import check_alert_provider
from canary.rules.canary import check_canary
from canary.rules.metric_template import check_metric_template
from canary.rules.shape_errors import Location, fill, prune, read_problems
from canary.rules.sizes import readable, size_problems

T = TypeVar("T", bound=ApiObject)
Check = Callable[[T], Iterable[Problem]]


def parse_canary(obj: Mapping[str, Any]) -> Canary:
    """Read a Canary as it is stored.

    Raises:
        InvalidObject: with every error of its shape and of canary/rules that stops runs; warnings don't raise.
    """
    return _parse(Canary, obj, check_canary)


def parse_metric_template(obj: Mapping[str, Any]) -> MetricTemplate:
    """Read a MetricTemplate. Raises InvalidObject with every error."""
    return _parse(MetricTemplate, obj, check_metric_template)


def parse_alert_provider(obj: Mapping[str, Any]) -> AlertProvider:
    """Read an AlertProvider. Raises InvalidObject with every error."""
    return _parse(AlertProvider, obj, check_alert_provider)


def canary_problems(obj: Mapping[str, Any], check: Check[Canary] = check_canary) -> tuple[Problem, ...]:
    """Return every error and warning of a Canary; raises nothing. `check` is what is checked beyond its shape."""
    return _read(Canary, obj, check)[1]


def misshapen_paths(obj: Mapping[str, Any]) -> frozenset[str]:
    """Return where a Canary has values of wrong types, or lacks what is required."""
    try:
        Canary.model_validate({key: obj[key] for key in ("metadata", "spec") if key in obj})
    except ValidationError as error:
        return frozenset(problem.path for problem in read_problems(error))
    return frozenset()


def metric_template_problems(
    obj: Mapping[str, Any], check: Check[MetricTemplate] = check_metric_template
) -> tuple[Problem, ...]:
    """Return every error and warning of a MetricTemplate; raises nothing."""
    return _read(MetricTemplate, obj, check)[1]


def alert_provider_problems(
    obj: Mapping[str, Any], check: Check[AlertProvider] = check_alert_provider
) -> tuple[Problem, ...]:
    """Return every error and warning of an AlertProvider; raises nothing."""
    return _read(AlertProvider, obj, check)[1]


def _parse(model: type[T], obj: Mapping[str, Any], check: Check[T]) -> T:
    parsed, problems = _read(model, obj, check)
    errors = tuple(problem for problem in problems if problem.stops_runs)
    if errors or parsed is None:
        raise _invalid(model, obj, errors)
    return parsed


def _read(model: type[T], obj: Mapping[str, Any], check: Check[T]) -> tuple[T | None, tuple[Problem, ...]]:
    """Return the object, None where it is misshapen, and its problems."""
    wanted = readable(obj)
    if too_large := size_problems(wanted):
        return None, too_large
    try:
        parsed = model.model_validate(wanted)
    except ValidationError as error:
        return None, (*read_problems(error), *_problems_of_the_rest(model, wanted, error, check))
    return parsed, tuple(check(parsed))


def _problems_of_the_rest(
    model: type[T], obj: dict[str, Any], error: ValidationError, check: Check[T]
) -> tuple[Problem, ...]:
    """Check what is left of a misshapen object; the problems of misshapen parts are left out."""
    rest = deepcopy(obj)
    misshapen: list[str] = []
    filled: set[Location] = set()
    while True:
        misshapen += (problem.path for problem in read_problems(error))
        if len(misshapen) > MOST_MISSHAPEN:
            return ()
        found = error.errors(include_url=False)
        is_mended = [fill(rest, details, filled) or prune(rest, details) for details in found]
        if not any(is_mended):
            return ()
        try:
            parsed = model.model_validate(rest)
        except ValidationError as next_error:
            error = next_error
            continue
        return tuple(
            problem for problem in check(parsed) if not any(_is_related(problem.path, path) for path in misshapen)
        )


def _is_related(one: str, other: str) -> bool:
    shorter, longer = sorted((one, other), key=len)
    return longer == shorter or longer.startswith((f"{shorter}.", f"{shorter}["))


def _invalid(model: type[ApiObject], obj: Mapping[str, Any], problems: Iterable[Problem]) -> InvalidObject:
    metadata = obj.get("metadata")
    known = metadata if isinstance(metadata, dict) else {}
    return InvalidObject(
        kind=model.__name__,
        namespace=str(known.get("namespace") or "default"),
        name=str(known.get("name") or "(without a name)"),
        problems=problems,
    )
