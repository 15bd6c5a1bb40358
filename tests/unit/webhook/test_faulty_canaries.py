"""Faults of runs, targets and services that were once admitted without a word: each input has exactly this answer.

The base is a good Canary; `...` removes a field. `error` and `applied` refuse; what was stored with the latter runs on.
"""

from collections.abc import Mapping

import pytest

from canary.rules.shape import parse_canary
from render.route_options import route_options
from tests.support.admission_faults import OBJECT_NAME, Fault, answers, check_stored, fault, hook, validate
from tests.support.rule_cases import good_canary_with

UNKNOWN = "found a field that is not known and not read; allowed: known fields; did you mean"
HPA = '{"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "name": "podinfo"}'
UNANALYSED = (
    "warning: spec.analysis: found nothing; allowed: an analysis; without one every revision is promoted unanalysed "
    "(skipAnalysis: true says that it is meant)"
)
UNCHECKED = (
    "warning: spec.analysis.metrics: found {}; allowed: metrics, or a webhook of type rollout; with neither nothing is "
    "checked, and every revision whose pods get ready is promoted"
)
NO_POD = "1 to 100 percent of the pods; at 0 a side counts as ready without a single one"
ONCE = "each header once, in one of set, add and remove; Envoy removes first, then sets and adds"
RESERVED = "for its key: none that begins with serin.dev/ or flagger.app/; it is left out"


def request_headers(**operations: object) -> Mapping[str, object]:
    return {"service/headers": {"request": operations}}


def credentials_for(**origin: object) -> Mapping[str, object]:
    return {"service/corsPolicy": {"allowOrigins": [origin], "allowCredentials": True}}


RUN: list[Fault] = [
    fault({"analysis": None}, UNANALYSED),
    fault({"analysis": ...}, UNANALYSED),
    fault({"analysis/treshold": 3}, f"warning: spec.analysis.treshold: {UNKNOWN} spec.analysis.threshold?"),
    fault({"service/targetport": 80}, f"warning: spec.service.targetport: {UNKNOWN} spec.service.targetPort?"),
    fault(
        hook(timout="1s"), f"warning: spec.analysis.webhooks[0].timout: {UNKNOWN} spec.analysis.webhooks[0].timeout?"
    ),
    fault(
        {"analysis/metrics/0/thresholdrange": {}},
        f"warning: spec.analysis.metrics[0].thresholdrange: {UNKNOWN} spec.analysis.metrics[0].thresholdRange?",
    ),
    fault({"analysis/metrics": ..., "analysis/webhooks": ...}, UNCHECKED.format("nothing")),
    fault({"analysis/metrics": [], "analysis/webhooks/1": ...}, UNCHECKED.format("[]")),
    fault(
        {"analysis/threshold": -1},
        "applied: spec.analysis.threshold: found -1; allowed: 1 or more failed checks (0 is read as 1)",
    ),
    fault(
        {"analysis/threshold": 10**12},
        "applied: spec.analysis.threshold: found 1000000000000; allowed: at most 10000 failed checks",
    ),
    fault(
        {"analysis/interval": "8760h"},
        "applied: spec.analysis.interval: found '8760h'; allowed: at most 24h",
    ),
    fault(
        {"progressDeadlineSeconds": 1e20},
        "applied: spec.progressDeadlineSeconds: found 100000000000000000000; allowed: at most 604800 (7 days)",
    ),
    fault(
        {"analysis/unobservedDeadlineSeconds": 9 * 10**18},
        "applied: spec.analysis.unobservedDeadlineSeconds: found 9000000000000000000; allowed: at most 604800 (7 days)",
    ),
    fault(
        {"analysis/drainSeconds": 10**9},
        "applied: spec.analysis.drainSeconds: found 1000000000; allowed: at most 86400 (24 hours)",
    ),
    fault(
        {"analysis/metrics/0/interval": "8785h"},
        "applied: spec.analysis.metrics[0].interval: found '8785h'; allowed: at most 8784h",
    ),
    fault(
        {"analysis/metrics/0/minRequests": 10**10},
        "applied: spec.analysis.metrics[0].minRequests: found 10000000000; allowed: at most 1000000000",
    ),
    fault(
        {"analysis/metrics/0/consecutiveFailures": 101},
        "applied: spec.analysis.metrics[0].consecutiveFailures: found 101; allowed: at most 100; dryRun "
        "is for a check that decides nothing",
    ),
    fault(
        {"analysis/metrics/0/consecutiveFailures": 0},
        "applied: spec.analysis.metrics[0].consecutiveFailures: found 0; allowed: 1 or more",
    ),
    fault(
        {"analysis/metrics": [{"name": "request-success-rate", "thresholdRange": {"min": 99}, "dryRun": True}]}
        | {"analysis/webhooks": []},
        "warning: spec.analysis.metrics[0].dryRun: found true; allowed: at least one metric without it, or a webhook "
        "of type rollout; dry runs decide nothing, and every revision whose pods get ready is promoted",
    ),
    fault(
        {"analysis/metrics/0/dryrun": True},
        "warning: spec.analysis.metrics[0].dryrun: found a field that is not known and not read; allowed: known "
        "fields; did you mean spec.analysis.metrics[0].dryRun?",
    ),
    fault(
        {"analysis/unobservedDeadlineSeconds": 0},
        "warning: spec.analysis.unobservedDeadlineSeconds: found 0; allowed: 1 or more; at 0 the first check without "
        "an answer rolls back",
    ),
    fault(
        {"analysis/primaryReadyThreshold": 0},
        f"warning: spec.analysis.primaryReadyThreshold: found 0; allowed: {NO_POD}",
    ),
    fault(
        {"analysis/canaryReadyThreshold": 0}, f"warning: spec.analysis.canaryReadyThreshold: found 0; allowed: {NO_POD}"
    ),
    fault(
        {"analysis/stepWeight": ..., "analysis/maxWeight": ..., "analysis/iterations": 10**18, "analysis/mirror": True},
        "applied: spec.analysis.iterations: found 1000000000000000000; allowed: at most 100000",
    ),
]

TARGET: list[Fault] = [
    fault({"targetRef/name": "Pod_Info!"}, f"applied: spec.targetRef.name: found 'Pod_Info!'; allowed: {OBJECT_NAME}"),
    fault(
        {"targetRef/name": "Pod_Info!", "service/name": "podinfo"},
        f"applied: spec.targetRef.name: found 'Pod_Info!'; allowed: {OBJECT_NAME}",
    ),
    fault(
        {"targetRef/name": "pod\ninfo", "service/name": "podinfo"},
        f"applied: spec.targetRef.name: found 'pod\\ninfo'; allowed: {OBJECT_NAME}",
    ),
    fault(
        {"targetRef/name": "a" * 250, "service/name": "podinfo"},
        f"error: spec.targetRef.name: found '{'a' * 118}…; allowed: at most 245 characters, for its primary is named "
        "{name}-primary",
    ),
    fault(
        {"autoscalerRef/name": "Podinfo"}, f"applied: spec.autoscalerRef.name: found 'Podinfo'; allowed: {OBJECT_NAME}"
    ),
    fault(
        {"autoscalerRef/apiVersion": "keda.sh/v1alpha1"},
        "applied: spec.autoscalerRef.apiVersion: found 'keda.sh/v1alpha1'; allowed: autoscaling/v2, that of a "
        "HorizontalPodAutoscaler",
    ),
    fault(
        {"autoscalerRef/kind": "ScaledObject"},
        "applied: spec.autoscalerRef.apiVersion: found 'autoscaling/v2'; allowed: keda.sh/v1alpha1, that of a "
        "ScaledObject",
    ),
    fault(
        {"targetRef/kind": "DaemonSet"},
        f"applied: spec.autoscalerRef: found {HPA}; allowed: nothing beside a DaemonSet, which has a pod on each node "
        "and no number of replicas",
    ),
]

SERVICE: list[Fault] = [
    fault(
        {"service/name": "1podinfo"},
        "warning: spec.service.name: found '1podinfo'; allowed: a letter first (RFC 1035), for services are named "
        "after "
        "it, and Kubernetes before 1.36 refuses them",
    ),
    fault(
        {"service/name": "podinfo-primary"},
        "warning: spec.service.name: found 'podinfo-primary'; allowed: the name that clients call, such as podinfo; "
        "podinfo-primary is what its primary is named, and with this the primary's Service is podinfo-primary-primary",
    ),
    fault(
        {"service/name": "kubernetes"},
        "warning: spec.service.name: found 'kubernetes'; allowed: another name; new pods of this namespace take this "
        "Service for the API server (KUBERNETES_SERVICE_HOST)",
    ),
    fault(
        request_headers(set={"X-A": "1"}, add={"x-a": "2"}, remove=["X-a"]),
        f"warning: spec.service.headers.request: found X-A 3 times; allowed: {ONCE}",
    ),
    fault(
        {"service/headers": {"response": {"set": {"a": "1", "A": "2"}}}},
        f"warning: spec.service.headers.response: found a 2 times; allowed: {ONCE}",
    ),
    fault(
        {"service/timeout": "0s"},
        "warning: spec.service.timeout: found '0s'; allowed: a duration such as 15s; with 0s a request may take for "
        "ever",
    ),
    fault(
        {"service/retries": {"attempts": 2, "perTryTimeout": "0s"}},
        "warning: spec.service.retries.perTryTimeout: found '0s'; allowed: a duration such as 5s; with 0s only "
        "timeout, "
        "if there is one, ends a try",
    ),
    fault(
        {"service/retries": {"attempts": 1_000_000}},
        "applied: spec.service.retries.attempts: found 1000000; allowed: at most 100 tries",
    ),
    fault({"service/timeout": "2562047h"}, "applied: spec.service.timeout: found '2562047h'; allowed: at most 8784h"),
    fault(
        credentials_for(regex=".*"),
        'warning: spec.service.corsPolicy.allowOrigins[0]: found {"regex": ".*"}; allowed: the origins that are meant, '
        "beside allowCredentials; this is every site, with the user's cookies",
    ),
    fault(
        credentials_for(regex="https?://.+"),
        'warning: spec.service.corsPolicy.allowOrigins[0]: found {"regex": "https?://.+"}; allowed: the origins that '
        "are meant, beside allowCredentials; this is every site, with the user's cookies",
    ),
    fault(
        credentials_for(prefix="http"),
        'warning: spec.service.corsPolicy.allowOrigins[0]: found {"prefix": "http"}; allowed: the origins that are '
        "meant, beside allowCredentials; this is every site, with the user's cookies",
    ),
    *(
        fault(
            {f"service/{side}": {kind: {key: "x"}}},
            f"applied: spec.service.{side}.{kind}[{key}]: found 'x'; allowed: {RESERVED}",
        )
        for side, kind, key in (
            ("apex", "annotations", "serin.dev/owned"),
            ("apex", "annotations", "serin.dev/move"),
            ("primary", "labels", "serin.dev/any"),
            ("canary", "annotations", "flagger.app/config-tracking"),
        )
    ),
]

FAULTS = [*RUN, *TARGET, *SERVICE]

NO_FAULTS: list[Mapping[str, object]] = [
    {"analysis": ..., "skipAnalysis": True},
    {"analysis/threshold": 0},
    {"analysis/threshold": 10_000},
    {"analysis/interval": "24h"},
    {"progressDeadlineSeconds": 604_800},
    {"analysis/unobservedDeadlineSeconds": 604_800, "analysis/drainSeconds": 86_400},
    {"analysis/unobservedDeadlineSeconds": 1, "analysis/drainSeconds": 0},
    {"analysis/primaryReadyThreshold": 1, "analysis/canaryReadyThreshold": 1},
    {"analysis/metrics": []},
    {"analysis/metrics": ..., "analysis/webhooks": [{"name": "g", "type": "confirm-promotion", "url": "http://g/"}]},
    {"targetRef/name": "pod.info", "service/name": "podinfo"},
    {"targetRef/kind": "DaemonSet", "autoscalerRef": ...},
    {"autoscalerRef": {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "podinfo"}},
    {"service/name": "web-primary"},
    request_headers(set={"a": "1"}, add={"b": "2"}, remove=["c"]),
    {"service/timeout": "8784h", "service/retries": {"attempts": 100, "perTryTimeout": "1ms"}},
    credentials_for(regex=r"https://[a-z]+\.example\.com"),
    credentials_for(prefix="https://shop."),
    credentials_for(suffix=".example.com"),
    {"service/corsPolicy": {"allowOrigins": [{"regex": ".*"}]}},
    {"service/apex": {"annotations": {"notserin.dev/owned": "x", "serin.dev.example.com/a": "y"}}},
]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_each_fault_has_its_answer(fault: Fault) -> None:
    assert answers(fault.changes) == [fault.told]


@pytest.mark.parametrize("changes", NO_FAULTS, ids=str)
def test_its_neighbours_are_admitted_without_a_word(changes: Mapping[str, object]) -> None:
    assert answers(changes) == []


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_what_was_stored_with_a_new_fault_runs_on_and_stays_editable(fault: Fault) -> None:
    check_stored(fault)


def test_a_stored_number_beyond_its_bound_is_read_as_the_bound() -> None:
    huge: dict[str, object] = {
        "progressDeadlineSeconds": 1e20,
        "analysis/interval": "8760h",
        "analysis/threshold": 10**12,
        "analysis/unobservedDeadlineSeconds": 9 * 10**18,
        "analysis/drainSeconds": 10**9,
        "service/retries": {"attempts": 1_000_000, "perTryTimeout": "2562047h"},
        "service/timeout": "2562047h",
    }
    canary = parse_canary(good_canary_with(huge))
    assert canary.analysis is not None
    assert (canary.interval_s, canary.threshold, canary.progress_deadline_s) == (86_400, 10_000, 604_800)
    assert (canary.analysis.unobserved_deadline_s, canary.analysis.drain_s) == (604_800, 86_400)
    options = route_options(canary.spec.service)
    assert options["timeout"] == options["retries"]["perTryTimeout"] == "31622400s"
    assert options["retries"]["numRetries"] == 100


@pytest.mark.parametrize("changes", [{"service/name": "kubernetes"}, {"targetRef/name": "kubernetes"}], ids=str)
def test_the_service_of_the_api_server_is_refused_by_its_name(changes: Mapping[str, object]) -> None:
    obj = good_canary_with(changes)
    obj["metadata"]["namespace"] = "default"
    answer = validate(obj)
    assert answer.refusal is not None
    [path] = changes
    assert [(cause.field, cause.message) for cause in answer.refusal.causes] == [
        (
            f"spec.{path.replace('/', '.')}",
            (
                "found 'kubernetes'; allowed: another name; in namespace default this Service is the API server's own, "
                "which every pod calls"
            ),
        )
    ]
