"""What is refused and what is warned about, of Canary, MetricTemplate and AlertProvider."""

import time
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from canary.rules.urls import HTTP_URL
from tests.support.canaries import canary_object
from tests.support.reviews import request
from webhook.canary_index import CanaryIndex
from webhook.context import AdmissionContext
from webhook.review import ALLOWED, Answer
from webhook.validating import validate_alert_provider, validate_canary, validate_metric_template

Object = dict[str, Any]

NOWHERE = AdmissionContext(CanaryIndex())

BAD_ANALYSIS: Object = {"stepWeights": [-1, 10], "maxWeight": None, "stepWeight": None, "interval": "soon"}
REFUSED = """\
Canary test/podinfo is refused: 3 problems
- spec.analysis.interval: found 'soon'; allowed: a duration such as 30s or 1m30s, at least 1s
- spec.analysis.stepWeights[0]: found -1; allowed: a weight from 1 to 100
- spec.analysis.metrics[1].thresholdRange: found {"min": 5, "max": 1}; allowed: min that is not above max"""


def bad_canary() -> Object:
    obj = canary_object(BAD_ANALYSIS)
    obj["spec"]["analysis"]["metrics"] = deepcopy(obj["spec"]["analysis"]["metrics"])
    obj["spec"]["analysis"]["metrics"][1]["thresholdRange"] = {"min": 5, "max": 1}
    return obj


def validate(obj: Object | None, old: Object | None = None, **more: Any) -> Answer:
    return validate_canary(request(obj, old, **more), NOWHERE)


def template(query: str = "sum(up)", **spec: Any) -> Object:
    provider = {"type": "prometheus", "address": "http://prometheus:9090"}
    return _object("MetricTemplate", {"provider": provider, "query": query} | spec)


def alert_provider(**spec: Any) -> Object:
    return _object("AlertProvider", {"type": "slack", "address": "https://chat.example.com/x"} | spec)


def _object(kind: str, spec: Object) -> Object:
    metadata = {"name": "latency", "namespace": "test"}
    return {"apiVersion": "flagger.app/v1beta1", "kind": kind, "metadata": metadata, "spec": spec}


def test_a_good_canary_is_allowed_without_a_word() -> None:
    obj = canary_object()
    assert validate(obj) == ALLOWED
    assert validate(obj, canary_object(analysis={"threshold": 9})) == ALLOWED


def test_all_problems_are_told_at_once_with_their_causes() -> None:
    answer = validate(bad_canary())
    assert answer.refusal is not None
    assert answer.refusal.message == REFUSED
    assert [(cause.field, cause.reason) for cause in answer.refusal.causes] == [
        ("spec.analysis.interval", "FieldValueInvalid"),
        ("spec.analysis.stepWeights[0]", "FieldValueInvalid"),
        ("spec.analysis.metrics[1].thresholdRange", "FieldValueInvalid"),
    ]
    assert answer.refusal.causes[1].message == "found -1; allowed: a weight from 1 to 100"


def test_of_very_many_problems_the_first_are_told_at_once_and_the_rest_counted() -> None:
    obj = canary_object({"stepWeights": [-1] * 1_000, "stepWeight": None, "maxWeight": None})
    started_s = time.process_time()
    answer = validate(obj)
    assert time.process_time() - started_s < 1
    assert answer.refusal is not None
    lines = answer.refusal.message.splitlines()
    assert lines[0] == "Canary test/podinfo is refused: 1000 problems"
    assert lines[50:] == [
        "- spec.analysis.stepWeights[49]: found -1; allowed: a weight from 1 to 100",
        "- and 950 more",
    ]
    assert [cause.field for cause in answer.refusal.causes[49:]] == ["spec.analysis.stepWeights[49]", "spec"]
    assert answer.refusal.causes[50].message == "and 950 more"
    still = validate(obj | {"spec": obj["spec"] | {"suspend": True}}, obj)
    assert still.is_allowed
    assert len([warning for warning in still.warnings if "stepWeights" in warning]) == 1_000 + 999


def test_what_runs_oddly_is_a_warning() -> None:
    obj = canary_object(
        {"stepWeight": 60},
        autoscalerRef={"apiVersion": "autoscaling/v2beta2", "kind": "HorizontalPodAutoscaler", "name": "podinfo"},
    )
    answer = validate(obj)
    assert answer.is_allowed
    assert answer.warnings == (
        "spec.autoscalerRef.apiVersion: found 'autoscaling/v2beta2'; allowed: autoscaling/v2, which it is read as",
        "spec.analysis.stepWeight: found 60; allowed: at most maxWeight 50; the first step goes over it",
    )


def test_warnings_come_with_a_refusal_too() -> None:
    answer = validate(canary_object({"stepWeight": 60, "threshold": "five"}))
    assert answer.refusal is not None
    assert [warning.split(":")[0] for warning in answer.warnings] == ["spec.analysis.stepWeight"]


def test_an_object_with_faults_of_old_stays_editable() -> None:
    old, new = bad_canary(), bad_canary()
    new["spec"]["analysis"]["threshold"] = 9
    answer = validate(new, old)
    assert answer.is_allowed
    assert [warning.split(":")[0] for warning in answer.warnings] == [
        "spec.analysis.interval",
        "spec.analysis.stepWeights[0]",
        "spec.analysis.metrics[1].thresholdRange",
    ]


def test_only_what_an_update_introduces_is_refused() -> None:
    old, new = bad_canary(), bad_canary()
    new["spec"]["analysis"]["metrics"].insert(0, {"name": "own"})
    new["spec"]["analysis"]["interval"] = "later"
    answer = validate(new, old)
    assert answer.refusal is not None
    assert [cause.field for cause in answer.refusal.causes] == ["spec.analysis.metrics[0].name"]
    assert "spec.analysis.metrics[2].thresholdRange" in [warning.split(":")[0] for warning in answer.warnings]


def test_one_more_fault_of_a_kind_is_introduced_though_its_brother_is_old() -> None:
    def with_ranges(*ranges: Object) -> Object:
        metrics = [{"name": f"m{n}", "templateRef": {"name": "t"}, "thresholdRange": r} for n, r in enumerate(ranges)]
        return canary_object({"metrics": metrics})

    answer = validate(with_ranges({"min": 3, "max": 2}, {"min": 2, "max": 1}), with_ranges({"min": 2, "max": 1}))
    assert answer.refusal is not None
    assert [cause.field for cause in answer.refusal.causes] == ["spec.analysis.metrics[0].thresholdRange"]


def test_an_update_that_leaves_the_spec_alone_is_not_looked_at() -> None:
    new = bad_canary()
    new["metadata"] |= {"labels": {"a": "b"}, "finalizers": []}
    assert validate(new, bad_canary()) == ALLOWED


@pytest.mark.parametrize(
    ("obj", "old", "more"),
    [
        (
            bad_canary() | {"metadata": {"name": "podinfo", "deletionTimestamp": "2026-01-01T00:00:00Z"}},
            canary_object(),
            {},
        ),
        (None, bad_canary(), {}),
        (bad_canary(), canary_object(), {"subresource": "status"}),
        (canary_object(BAD_ANALYSIS, provider="istio"), None, {}),
        (canary_object(BAD_ANALYSIS, provider="istio"), canary_object(), {}),
    ],
    ids=["on its way out", "deleted", "status", "another provider's", "given to another provider"],
)
def test_what_is_none_of_our_business_is_allowed(obj: Object | None, old: Object | None, more: Object) -> None:
    assert validate(obj, old, **more) == ALLOWED


def test_a_provider_that_nobody_knows_is_told_among_all_other_problems() -> None:
    answer = validate(canary_object(BAD_ANALYSIS, provider="glooo"))
    assert answer.refusal is not None
    assert [cause.field for cause in answer.refusal.causes] == [
        "spec.provider",
        "spec.analysis.interval",
        "spec.analysis.stepWeights[0]",
    ]
    assert "found 'glooo'; allowed: gloo, or for others apisix, appmesh" in answer.refusal.message


def test_a_canary_that_comes_from_another_provider_is_checked_whole() -> None:
    assert validate(bad_canary(), canary_object(BAD_ANALYSIS, provider="istio")).refusal is not None


@pytest.mark.parametrize(
    ("obj", "problem"),
    [
        (
            template("sum(up"),
            "spec.query: found 'sum(up' (line 1, column 4, at '('); allowed: PromQL (unclosed left parenthesis)",
        ),
        (template("  "), "spec.query: found '  '; allowed: a query in the language of the provider"),
        (
            template(provider={"type": "prometheus"}),
            f"spec.provider.address: found nothing; allowed: {HTTP_URL}",
        ),
    ],
)
def test_a_bad_metric_template_is_refused(obj: Object, problem: str) -> None:
    answer = validate_metric_template(request(obj), NOWHERE)
    assert answer.refusal is not None
    assert answer.refusal.message == f"MetricTemplate test/latency is refused: 1 problem\n- {problem}"


def test_unknown_types_are_refused_with_the_known_ones() -> None:
    metric = validate_metric_template(request(template(provider={"type": "abacus"})), NOWHERE)
    alert = validate_alert_provider(request(alert_provider(type="pigeon")), NOWHERE)
    for answer in (metric, alert):
        assert answer.refusal is not None
    assert metric.refusal is not None
    assert alert.refusal is not None
    assert "found 'abacus'; allowed: one of 'prometheus', 'influxdb'" in metric.refusal.message
    assert "found 'pigeon'; allowed: one of 'slack', 'msteams'" in alert.refusal.message


@pytest.mark.parametrize("address", ["chat.example.com", "ftp://chat", ""])
def test_a_bad_alert_address_is_refused(address: str) -> None:
    answer = validate_alert_provider(request(alert_provider(address=address)), NOWHERE)
    assert answer.refusal is not None
    assert [cause.field for cause in answer.refusal.causes] == ["spec.address"]


@pytest.mark.parametrize(
    "spec",
    [
        {"address": "hooks.slack.com/services/T0/SECRET"},
        {"address": "https://hooks.slack.com/services/T0/SECRET", "secretRef": {"name": "x"}},
        {"proxy": "user:SECRET@proxy"},
    ],
)
def test_the_secret_part_of_an_address_is_not_shown(spec: Object) -> None:
    answer = validate_alert_provider(request(alert_provider(**spec)), NOWHERE)
    shown = answer.refusal.message if answer.refusal is not None else " ".join(answer.warnings)
    assert "/…" in shown or "…@proxy" in shown
    assert "SECRET" not in shown


def test_good_templates_and_alert_providers_are_allowed() -> None:
    assert validate_metric_template(request(template()), NOWHERE) == ALLOWED
    assert validate_alert_provider(request(alert_provider()), NOWHERE) == ALLOWED


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
)
PATHS = ["targetRef", "service", "service/headers", "analysis", "analysis/metrics", "analysis/match", "upstreamRef"]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(PATHS), JSON, min_size=1), st.booleans())
def test_anything_in_any_field_gets_an_answer(changes: Object, is_update: bool) -> None:  # noqa: FBT001  hypothesis calls
    obj = canary_object()
    for path, value in changes.items():
        holder, _, field = f"/{path}".rpartition("/")
        part = obj["spec"].get(holder.strip("/"), obj["spec"]) if holder else obj["spec"]
        if isinstance(part, dict):
            part[field] = value
    answer = validate(obj, canary_object() if is_update else None)
    assert answer.is_allowed or (answer.refusal is not None and answer.refusal.causes)
    assert validate(obj, deepcopy(obj)).is_allowed


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(["metadata", "spec", "kind"]), JSON))
def test_any_object_gets_an_answer(obj: Object) -> None:
    asked = request(canary_object())._replace(object=obj)
    for handler in (validate_canary, validate_metric_template, validate_alert_provider):
        answer = handler(asked, NOWHERE)
        assert answer.is_allowed or (answer.refusal is not None and answer.refusal.causes)


def made(phase: str = "Succeeded", names: Any = None, **spec: Any) -> Object:
    serin = {} if names is None else {"serin": {"names": names}}
    return canary_object(**spec) | {"status": {"phase": phase, **serin}}


OTHER = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "other"}
NAMES = {"target": "podinfo", "kind": "Deployment", "service": "podinfo"}


@pytest.mark.parametrize("names", [None, NAMES, [], {"target": 1}])
def test_another_target_behind_the_same_services_is_refused(names: Any) -> None:
    shop = {"name": "podinfo", "port": 9898}
    answer = validate(made(targetRef=OTHER, service=shop), made(names=names))
    assert answer.refusal is not None
    assert answer.refusal.message == (
        "Canary test/podinfo is refused: 1 problem\n"
        "- spec.targetRef.name: found 'Deployment other'; allowed: Deployment podinfo as long as the Services are "
        "named podinfo, for they lead the users to podinfo-primary; to release other, change spec.service.name as "
        "well, or apply a Canary of its own with another spec.service.name, and lead the VirtualService to the "
        "RouteTable of that name"
    )


@pytest.mark.parametrize(
    ("new", "old"),
    [
        (made(targetRef=OTHER), made(names=NAMES)),
        (made(service={"name": "shop", "port": 9898}), made(names=NAMES)),
        (made(targetRef=OTHER, service={"name": "podinfo", "port": 9898}), made("Initializing", NAMES)),
        (made(targetRef=OTHER, service={"name": "podinfo", "port": 9898}), canary_object()),
    ],
    ids=["all names are others", "another service", "nobody is led there yet", "nothing is made yet"],
)
def test_names_that_can_be_followed_are_allowed(new: Object, old: Object) -> None:
    assert validate(new, old).is_allowed


def test_what_was_applied_while_the_webhook_was_away_can_be_edited_and_put_back() -> None:
    shop = {"name": "podinfo", "port": 9898}
    stored = made(targetRef=OTHER, service=shop, names=NAMES)
    assert validate(made(targetRef=OTHER, service=shop, progressDeadlineSeconds=5), stored).is_allowed
    assert validate(made(service=shop), stored).is_allowed
