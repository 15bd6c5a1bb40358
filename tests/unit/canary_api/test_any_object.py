"""Whatever stands in an object, it parses or is refused with problems; nothing else ever comes out."""

import builtins
import types
import typing
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from canary.api.alert_provider import AlertProvider
from canary.api.canary import Canary
from canary.api.metric_template import MetricTemplate
from canary.api.problems import InvalidObject
from canary.rules.canary import check_canary
from canary.rules.shape import parse_alert_provider, parse_canary, parse_metric_template

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-5, 70_000)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["", "10s", "0s", "5x", "http://a/", "rollout", "request-duration", "(", "Deployment", "gloo"])
)
KEYS = st.text(max_size=8) | st.sampled_from(["a.io/b", "x-user", "[key]"])
KINDS: dict[Any, st.SearchStrategy[Any]] = {bool: st.booleans(), int: st.integers(-1, 120), float: st.floats(-1, 101)}
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3))

PLACES = (
    "provider",
    "suspend",
    "progressDeadlineSeconds",
    "autoscalerRef/apiVersion",
    "autoscalerRef/primaryScalerReplicas",
    "service/name",
    "service/port",
    "service/targetPort",
    "service/corsPolicy",
    "analysis/interval",
    "analysis/threshold",
    "analysis/stepWeight",
    "analysis/stepWeights",
    "analysis/iterations",
    "analysis/match",
    "analysis/metrics/0/thresholdRange/min",
    "analysis/metrics/0/query",
    "analysis/metrics/1/interval",
    "analysis/metrics/2",
    "analysis/webhooks/0/url",
    "analysis/webhooks/1/timeout",
    "analysis/alerts",
    "analysis/futureField",
)


def _refusal(parse: Callable[[dict[str, Any]], object], obj: dict[str, Any]) -> InvalidObject | None:
    try:
        parse(obj)
    except InvalidObject as refusal:
        return refusal
    return None


def _values(annotation: Any) -> st.SearchStrategy[Any]:
    """Mostly values of the annotated kind, and now and then anything at all."""
    arguments = typing.get_args(annotation)
    match typing.get_origin(annotation):
        case typing.Annotated:
            values = _values(arguments[0])
        case typing.Literal:
            values = st.sampled_from(arguments)
        case typing.Union | types.UnionType:
            values = st.one_of([_values(argument) for argument in arguments if argument is not type(None)])
        case builtins.tuple:
            values = st.lists(_values(arguments[0]), max_size=3)
        case builtins.dict:
            values = st.dictionaries(KEYS, _values(arguments[1]), max_size=2)
        case _ if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            values = _objects(annotation)
        case _:
            values = KINDS.get(annotation, SCALARS)
    return values


def _objects(model: type[BaseModel]) -> st.SearchStrategy[dict[str, Any]]:
    fields = {str(field.alias): _values(field.annotation) | JSON for field in model.model_fields.values()}
    required = {str(field.alias) for field in model.model_fields.values() if field.is_required()}
    return st.fixed_dictionaries(
        {alias: fields[alias] for alias in fields if alias in required},
        optional={alias: fields[alias] for alias in fields if alias not in required} | {"futureField": JSON},
    )


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(_objects(Canary))
@example({})
@example({"metadata": None, "spec": []})
@example({"metadata": {"name": "a\ud800"}, "spec": {"targetRef": {"name": "\ud800"}}})
@example({"metadata": {"name": "a", 5: 6}, "spec": {7: 8, "targetRef": {"name": "a"}}})
@example({"metadata": {"name": "a"}, "spec": {"targetRef": {"name": "a"}, "service": {"apex": {"labels": {5: "x"}}}}})
def test_any_canary_parses_or_is_refused(obj: dict[str, Any]) -> None:
    refusal = _refusal(parse_canary, obj)
    if refusal is not None:
        assert refusal.problems
        assert all(problem.stops_runs for problem in refusal.problems)
        assert all(problem.path and problem.allowed for problem in refusal.problems)
        assert "pydantic" not in str(refusal)
        assert "a value of another kind" not in str(refusal)
        return
    canary = parse_canary(obj)
    assert not any(problem.stops_runs for problem in check_canary(canary))
    assert canary.interval_s >= 1
    assert 0 < canary.max_weight <= canary.total_weight or canary.provider != "gloo"


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(st.sampled_from(PLACES), st.integers(0, 110) | SCALARS | JSON, max_size=2))
def test_a_good_canary_with_anything_in_it_parses_or_is_refused(
    canary_with: Callable[[dict[str, Any]], dict[str, Any]], changes: dict[str, Any]
) -> None:
    refusal = _refusal(parse_canary, canary_with(changes))
    event("refused" if refusal else "parsed")
    assert refusal is None or refusal.problems


@settings(max_examples=100, deadline=None)
@given(_objects(MetricTemplate), _objects(AlertProvider))
def test_any_template_and_alert_provider_parses_or_is_refused(template: dict[str, Any], alert: dict[str, Any]) -> None:
    for parse, obj in ((parse_metric_template, template), (parse_alert_provider, alert)):
        refusal = _refusal(parse, obj)
        assert refusal is None or refusal.problems


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(["metadata", "spec", "kind"]), JSON))
def test_any_json_parses_or_is_refused(obj: dict[str, Any]) -> None:
    refusal = _refusal(parse_canary, obj)
    assert refusal is None or refusal.problems
