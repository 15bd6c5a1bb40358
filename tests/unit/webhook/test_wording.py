"""What an answer says: where the fault is, and what to write instead; nothing that follows from the first problem."""

from collections.abc import Mapping

import pytest

from tests.support.admission_faults import NOWHERE, answers
from tests.support.reviews import request
from tests.support.rule_cases import good_canary_with
from webhook.validating import validate_canary

NO_WEIGHTS: dict[str, object] = {"analysis/stepWeight": ..., "analysis/maxWeight": ...}
NO_END = "one of stepWeight, stepWeights, steps and iterations, for without them the analysis has no end"
UNKNOWN = "found a field that is not known and not read; allowed: known fields; did you mean"


def own_metric(**fields: object) -> Mapping[str, object]:
    return {"analysis/metrics/0": {"name": "own", "threshold": 1, **fields}}


ANSWERS: list[tuple[Mapping[str, object], list[str]]] = [
    (
        {"analysis/interval": 5},
        ["error: spec.analysis.interval: found 5; allowed: a duration such as 30s or 1m30s, at least 1s"],
    ),
    (
        {"analysis/webhooks/0/timeout": 5.5},
        ["error: spec.analysis.webhooks[0].timeout: found 5.5; allowed: a duration such as 30s or 1m30s"],
    ),
    (
        {"service/corsPolicy": {"allowOrigin": ["*"], "maxAge": 86400}},
        ["error: spec.service.corsPolicy.maxAge: found 86400; allowed: a duration such as 30s or 1m30s"],
    ),
    (
        {"analysis/webhooks/0/metadata": {"a": 1}},
        ['error: spec.analysis.webhooks[0].metadata.a: found 1; allowed: a text, in quotes: "1"'],
    ),
    (
        {"analysis/webhooks/0/metadata": {"a": True}},
        ['error: spec.analysis.webhooks[0].metadata.a: found true; allowed: a text, in quotes: "true"'],
    ),
    (
        {"analysis/webhooks/0/metadata": {"a": []}},
        ["error: spec.analysis.webhooks[0].metadata.a: found []; allowed: a text"],
    ),
    (
        {"targetRef": ...},
        [
            (
                "error: spec.targetRef: found nothing; allowed: the workload to release: its apiVersion, kind "
                "(Deployment or "
                "DaemonSet) and name"
            )
        ],
    ),
    (
        {"targetRef/name": ...},
        ["error: spec.targetRef.name: found nothing; allowed: the name of the workload to release"],
    ),
    (
        NO_WEIGHTS | {"analysis/stepweight": 5},
        [
            f"error: spec.analysis: found stepweight; allowed: stepWeight; or else {NO_END}",
            f"warning: spec.analysis.stepweight: {UNKNOWN} spec.analysis.stepWeight?",
        ],
    ),
    (
        NO_WEIGHTS | {"analysis/iteration": 5},
        [
            f"error: spec.analysis: found iteration; allowed: iterations; or else {NO_END}",
            f"warning: spec.analysis.iteration: {UNKNOWN} spec.analysis.iterations?",
        ],
    ),
    (NO_WEIGHTS, [f"error: spec.analysis: found nothing; allowed: {NO_END}"]),
    (
        NO_WEIGHTS | {"analysis/stepWeights": [0]},
        [
            f'error: spec.analysis: found {{"stepWeights": [0]}}; allowed: {NO_END}',
            (
                "warning: spec.analysis.stepWeights[0]: found 0; allowed: a weight from 1 to 100; with 0 nobody is "
                "routed to "
                "the canary, and it is left out"
            ),
        ],
    ),
    (
        own_metric(templateRef={"namespace": "test"}),
        ["error: spec.analysis.metrics[0].templateRef.name: found nothing; allowed: a value, for it is required"],
    ),
    (
        own_metric(templateRef={"namespace": "test"}, interval="soon"),
        [
            "error: spec.analysis.metrics[0].interval: found 'soon'; allowed: a duration such as 30s or 1m30s",
            "error: spec.analysis.metrics[0].templateRef.name: found nothing; allowed: a value, for it is required",
        ],
    ),
    (
        {"analysis/sessionAffinity": {"cookieName": ""}},
        [
            (
                "error: spec.analysis.sessionAffinity.cookieName: found ''; allowed: a name of letters, digits and "
                "!#$%&'*+-.^_`|~ (a token of RFC 9110)"
            )
        ],
    ),
    (
        {"service/headers": {"request": {"set": {":path": "/x"}}}},
        [
            (
                "error: spec.service.headers.request.set[:path]: found ':path'; allowed: no pseudo-header; see "
                "rewrite for "
                "another path or host"
            )
        ],
    ),
    (
        {"service/targetPort": "9898"},
        [
            (
                "error: spec.service.targetPort: found '9898'; allowed: 9898 without quotes: with them it is the "
                "name of a "
                "container's port"
            )
        ],
    ),
    (
        {"service/targetPort": "99999999"},
        [
            (
                "error: spec.service.targetPort: found '99999999'; allowed: a port from 1 to 65535, or the name of a "
                "container's port (a-z, 0-9 and '-', at most 15)"
            )
        ],
    ),
    (
        {"analysis/stepWeight": 101},
        ["warning: spec.analysis.stepWeight: found 101; allowed: a percentage from 0 to 100; read as 100"],
    ),
]


@pytest.mark.parametrize(
    ("changes", "told"), ANSWERS, ids=lambda value: "".join(value)[:80] if isinstance(value, list) else ""
)
def test_an_answer_says_what_to_write(changes: Mapping[str, object], told: list[str]) -> None:
    assert answers(changes) == told


@pytest.mark.parametrize("spec", [{}, {"spec": None}], ids=["absent", "null"])
def test_a_canary_without_a_spec_is_told_what_belongs_there(spec: dict[str, object]) -> None:
    obj = {key: value for key, value in good_canary_with({}).items() if key != "spec"} | spec
    answer = validate_canary(request(obj), NOWHERE)
    assert answer.refusal is not None
    assert [(cause.field, cause.message) for cause in answer.refusal.causes] == [
        ("spec", "found nothing; allowed: an object with targetRef, service and analysis")
    ]


@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        (NO_WEIGHTS | {"analysis/stepWeights": [0, 10]}, ["spec.analysis.stepWeights[0]"]),
        ({"analysis/match": [{"headers": {"x": {"exact": "y"}}}]}, ["spec.analysis.iterations"]),
    ],
)
def test_what_flagger_accepts_is_accepted_with_a_warning(changes: Mapping[str, object], paths: list[str]) -> None:
    assert [text.partition(": found")[0] for text in answers(changes)] == [f"warning: {path}" for path in paths]
