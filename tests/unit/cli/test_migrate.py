"""`serin migrate`: what changes for each canary when Serin takes Flagger's place, the steps, and the way back."""

import json
from typing import Any

import pytest
import yaml

from tests.unit.cli.cluster_api import ClusterApi, Object
from tests.unit.cli.conftest import Ran, Serin
from tests.unit.cli.flaggers_objects import flagger, flaggers
from tests.unit.cli.installed import GLOO

EDIT = "kubectl -n test edit canary podinfo"


def changes(serin: Serin, *objects: Object) -> list[tuple[str, str, str, str]]:
    """All changes of the canaries of a file: weight, path, text, command."""
    ran = serin("migrate", "-", "-o", "json", stdin=yaml.safe_dump_all(objects))
    said = json.loads(ran.stdout)
    assert ran.code == (1 if said["inTheWay"] else 0)
    found = [change for one in said["canaries"] for change in one["changes"]]
    return [(one["weight"], one["path"], one["text"], one["mend"]) for one in found]


def test_a_canary_is_taken_over_as_it_is(serin: Serin) -> None:
    ran = serin("migrate", "-", stdin=yaml.safe_dump(flaggers()))
    assert ran == Ran(0, "\n1 canary, 1 taken over as they are, 0 with a run under way, 0 to be changed first\n", "")


def test_an_input_without_a_canary_and_one_that_is_not_there_are_told(serin: Serin) -> None:
    assert serin("migrate", "-", stdin="{}") == Ran(0, "\nNothing to migrate: found no Canary\n", "")
    assert serin("migrate", "nowhere") == Ran(2, "", "serin: nowhere: there is no such file or folder\n")
    line = "a FILE with an option of a cluster; allowed: a FILE with -n, or no FILE"
    assert serin("migrate", "x.yaml", "-A") == Ran(2, "", f"serin: {line}\n")


def test_what_flagger_does_nothing_with_is_named_for_from_now_on_it_counts(serin: Serin) -> None:
    canary = flaggers(mirror=True, sessionAffinity={"cookieName": "c"})
    canary["spec"]["service"] |= {
        "timeout": "5s",
        "retries": {"attempts": 3},
        "rewrite": {"uri": "/v2"},
        "headers": {"request": {"set": {"x-a": "b"}}},
        "corsPolicy": {"allowMethods": ["GET"], "allowOrigins": [{"exact": "https://a.example"}]},
    }
    found = [one for one in changes(serin, canary) if one[2].startswith("Flagger does nothing with it on Gloo")]
    assert [path for _, path, *_ in found] == [
        "spec.service.timeout",
        "spec.service.retries",
        "spec.service.rewrite",
        "spec.service.headers",
        "spec.service.corsPolicy",
        "spec.analysis.mirror",
        "spec.analysis.sessionAffinity",
    ]
    assert found[0] == (
        "differs",
        "spec.service.timeout",
        "Flagger does nothing with it on Gloo; with Serin requests end after it",
        "",
    )


def test_conditions_are_read_in_another_way(serin: Serin) -> None:
    header = {"headers": {"x-canary": {"exact": "yes"}}}
    assert changes(serin, flaggers(iterations=5, stepWeight=0, maxWeight=0, match=[header])) == [
        ("differs", "spec.analysis.match", "who does not match goes to the primary; with Flagger they get 404", "")
    ]
    found = changes(serin, flaggers(iterations=5, stepWeight=0, maxWeight=0, match=[{}, header]))
    assert found[0] == (
        "change first",
        "spec.analysis.match[0]",
        "without a condition it is for everybody on Flagger, and for nobody here: leave it out, or say for whom",
        EDIT,
    )
    assert (
        "differs",
        "spec.analysis.match",
        "its entries are alternatives; Flagger makes one condition of all of them",
        "",
    ) in found
    found = changes(serin, flaggers(match=[{"headers": {"a": {"prefix": "b"}}}]))
    assert [text for _, path, text, _ in found if path.startswith("spec.analysis.match")] == [
        "Flagger asks for no more than `exact` and `regex` of headers; Serin asks for all that it says",
        "who does not match goes to the primary; with Flagger they get 404",
        "without iterations the weight grows among the requests that match",
    ]


def test_what_no_run_could_begin_with_has_to_be_changed_first(serin: Serin) -> None:
    metric = {"name": "errors", "templateRef": {"name": "errors"}, "thresholdRange": {"max": 1}}
    template = {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "MetricTemplate",
        "metadata": {"name": "errors", "namespace": "test"},
        "spec": {"provider": {"type": "prometheus"}, "query": "sum(up)"},
    }
    ((weight, path, text, mend),) = changes(serin, flaggers(metrics=[metric]), template)
    assert (weight, path, mend) == ("change first", "spec.analysis.metrics[0].templateRef.name", EDIT)
    assert "a template that can be asked; MetricTemplate test/errors: spec.provider.address: found nothing" in text


@pytest.mark.parametrize(
    ("provider", "query", "weight", "told"),
    [
        (
            {"type": "cloudwatch", "region": "eu-west-1"},
            "[]",
            "differs",
            (
                "MetricTemplate test/errors: without a secretRef Flagger asks with its own AWS identity; Serin's agent "
                "does for namespace test with --agent-identity-namespaces=test, by keys, IRSA or EKS Pod Identity, "
                "never by the node's role"
            ),
        ),
        (
            {"type": "stackdriver", "secretRef": {"name": "google"}},
            "fetch x",
            "differs",
            (
                "MetricTemplate test/errors: without serviceAccountKey in the Secret Flagger asks with its own Google "
                "service account; Serin's agent does for namespace test with --agent-identity-namespaces=test"
            ),
        ),
        ({"type": "cloudwatch", "region": "eu-west-1", "secretRef": {"name": "aws"}}, "[]", "", ""),
        (
            {"type": "keptn"},
            "keptnmetric/shop/errors",
            "change first",
            (
                "found 'errors'; allowed: a template that can be asked; MetricTemplate test/errors spec.query: the "
                "query asks for namespace 'shop'; allowed: test, the template's own"
            ),
        ),
    ],
)
def test_templates_that_flagger_asks_with_rights_that_they_lack_here_are_told(
    serin: Serin, provider: dict[str, Any], query: str, weight: str, told: str
) -> None:
    metric = {"name": "errors", "templateRef": {"name": "errors"}, "thresholdRange": {"max": 1}}
    template = {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "MetricTemplate",
        "metadata": {"name": "errors", "namespace": "test"},
        "spec": {"provider": provider, "query": query},
    }
    found = [(weight, text) for weight, _, text, _ in changes(serin, flaggers(metrics=[metric]), template)]
    assert found == ([(weight, told)] if told else [])


def test_a_field_that_admission_refuses_has_to_be_changed_first(serin: Serin) -> None:
    canary = flaggers(interval="soon")
    found = changes(serin, canary)
    assert found == [
        (
            "change first",
            "spec.analysis.interval",
            "found 'soon'; allowed: a duration such as 30s or 1m30s, at least 1s",
            EDIT,
        )
    ]


def test_hooks_and_pace_that_differ_are_named(serin: Serin) -> None:
    hooks = [
        {"name": "load", "type": "rollout", "url": "http://loadtester/", "metadata": {"type": "concord"}},
        {"name": "gate", "type": "confirm-rollout", "url": "http://loadtester/gate/check"},
    ]
    canary = flaggers(interval="5s", webhooks=hooks)
    canary["spec"]["skipAnalysis"] = True
    canary["spec"]["upstreamRef"] = {
        "apiVersion": "gloo.solo.io/v1",
        "kind": "Upstream",
        "name": "shared",
        "namespace": "infra",
    }
    found = changes(serin, canary)
    assert found[0] == (
        "change first",
        "spec.analysis.webhooks[0].metadata.type",
        "found 'concord', which Serin's load tester refuses: keep Flagger's, or write it as a bash command",
        EDIT,
    )
    assert [one for one in found if one[0] == "differs" and "." in one[1]][:3] == [
        ("differs", "spec.analysis.interval", "steps come each 5 s; Flagger reads less than 10 s as 10 s", ""),
        ("differs", "spec.analysis.webhooks[1].type", "it is called with skipAnalysis, too", ""),
        (
            "differs",
            "spec.upstreamRef.namespace",
            "if it names Secrets, it needs the annotation serin.dev/shared-with: test",
            "kubectl -n infra annotate upstreams.gloo.solo.io shared serin.dev/shared-with=test",
        ),
    ]


@pytest.mark.parametrize(
    ("provider", "flag", "text"),
    [
        ("istio", "gloo", "found 'istio': Serin leaves it alone. Keep a Flagger for it, limited to its namespace"),
        ("", "istio", "not written, and Flagger's -mesh-provider is 'istio'; Serin reads it as gloo: write what it is"),
        ("", "gloo", ""),
        ("gloo", "istio", ""),
    ],
)
def test_a_canary_that_is_not_gloos_is_not_serins(
    api: ClusterApi, serin: Serin, provider: str, flag: str, text: str
) -> None:
    api.put("canaries", flaggers(provider=provider))
    api.put("deployments", flagger(GLOO, f"-mesh-provider={flag}"))
    ran = serin("migrate", "-o", "json")
    changes = [change for one in json.loads(ran.stdout)["canaries"] for change in one["changes"]]
    assert [(one["path"], one["text"]) for one in changes] == ([("spec.provider", text)] if text else [])
    assert ran.code == (1 if text else 0)
