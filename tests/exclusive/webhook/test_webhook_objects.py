"""Canaries, MetricTemplates and AlertProviders on a real API server: what is refused, warned about, made visible."""

import json
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
import yaml

from tests.support.cluster import REPOSITORY, Cluster
from tests.support.rollout import canary
from tests.support.webhook_patience import wait_until_steady

pytestmark = [pytest.mark.usefixtures("patient_webhook")]

CRDS = REPOSITORY / "manifests" / "crds"
EXAMPLES = REPOSITORY / "tests" / "unit" / "canary_api" / "examples"
CEL_RULES = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/x-kubernetes-validations"

Object = dict[str, Any]


class Answer(NamedTuple):
    """What kubectl said."""

    is_done: bool
    stdout: str
    stderr: str

    @property
    def warnings(self) -> list[str]:
        lines = self.stderr.splitlines()
        return [line.removeprefix("Warning: ") for line in lines if line.startswith("Warning: ")]


class Kubectl:
    """kubectl in one namespace, for commands that may be refused."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self.namespace = namespace

    def run(self, *arguments: str, stdin: str | None = None) -> Answer:
        done = self._cluster.try_kubectl("-n", self.namespace, *arguments, stdin=stdin)
        return Answer(done.returncode == 0, done.stdout, done.stderr)

    def apply(self, *objects: Object, options: Sequence[str] = ()) -> Answer:
        stdin = "\n---\n".join(map(json.dumps, objects))
        return self.run("apply", *options, "-f", "-", stdin=stdin)

    def patch(self, kind: str, name: str, patch: Object) -> Answer:
        return self.run("patch", kind, name, "--type=merge", "-p", json.dumps(patch))

    def spec(self, kind: str, name: str) -> Object:
        found: Object = json.loads(self.run("get", kind, name, "-o", "json").stdout)["spec"]
        return found


@pytest.fixture
def kubectl(cluster: Cluster, namespace: str) -> Kubectl:
    return Kubectl(cluster, namespace)


@pytest.fixture
def without_webhook(cluster: Cluster) -> Iterator[None]:
    """The webhook scaled to nothing; back and ready afterwards."""
    replicas = cluster.kubectl("-n", "gloo-system", "get", "deploy/serin-webhook", "-o", "jsonpath={.spec.replicas}")
    cluster.kubectl("-n", "gloo-system", "scale", "deploy/serin-webhook", "--replicas=0")
    cluster.kubectl("-n", "gloo-system", "wait", "--for=delete", "pod", "-l", "app.kubernetes.io/name=serin-webhook")
    try:
        yield
    finally:
        cluster.kubectl("-n", "gloo-system", "scale", "deploy/serin-webhook", f"--replicas={replicas}")
        cluster.kubectl("-n", "gloo-system", "rollout", "status", "deploy/serin-webhook", "--timeout=60s")
        _wait_until_asked(cluster)


@contextmanager
def crd_without_rules(cluster: Cluster) -> Iterator[None]:
    """The CRD of canaries as before it had rules, for objects that were stored then."""
    patch = json.dumps([{"op": "remove", "path": CEL_RULES}])
    cluster.kubectl("patch", "crd", "canaries.flagger.app", "--type=json", "-p", patch)
    try:
        yield
    finally:
        cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRDS / "canaries.yaml"))
        time.sleep(2)


def _wait_until_asked(cluster: Cluster) -> None:
    """Wait until the API server reaches the webhook again: its endpoints follow readiness with a delay."""
    bad = canary("probe", {"interval": "soon", "webhooks": [{"name": "a", "url": "nowhere"}]})
    for _ in range(100):
        done = cluster.try_kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(bad))
        if "webhooks[0].url" in done.stderr:
            return
        time.sleep(0.2)
    raise AssertionError("the webhook is not asked")


def template(query: str, *, name: str = "errors", **spec: Any) -> Object:
    provider = {"type": "prometheus", "address": "http://flagger-prometheus.gloo-system:9090"}
    return {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "MetricTemplate",
        "metadata": {"name": name},
        "spec": {"provider": provider, "query": query} | spec,
    }


def alert_provider(**spec: Any) -> Object:
    return {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "AlertProvider",
        "metadata": {"name": "chat"},
        "spec": {"type": "slack"} | spec,
    }


def test_all_faults_of_a_canary_are_told_at_once_each_with_its_path(kubectl: Kubectl) -> None:
    metrics = [
        {"name": "request-success-rate", "thresholdRange": {"min": 100, "max": 1}},
        {"name": "own"},
        {"name": "query", "threshold": 1, "query": "sum(rate(x"},
    ]
    faults = {"interval": "soon", "metrics": metrics, "webhooks": [{"name": "a", "url": "nowhere"}]}
    answer = kubectl.apply(canary("app", faults))
    assert not answer.is_done
    for problem in (
        "spec.analysis.interval: found 'soon'; allowed: a duration such as 30s or 1m30s, at least 1s",
        'spec.analysis.metrics[0].thresholdRange: found {"min": 100, "max": 1}; allowed: min that is not above max',
        "spec.analysis.metrics[1].name: found 'own'; allowed: request-success-rate or request-duration",
        "spec.analysis.metrics[2].query: found 'sum(rate(x' (line 1, column 9, at '(')",
        "spec.analysis.webhooks[0].url: found 'nowhere'; allowed: a URL that starts with http:// or https://",
    ):
        assert problem in answer.stderr
    assert not kubectl.run("get", "canary", "app").is_done


def test_what_runs_oddly_is_printed_as_a_warning_and_defaults_are_visible(kubectl: Kubectl) -> None:
    reference = {"apiVersion": "autoscaling/v2beta2", "kind": "HorizontalPodAutoscaler", "name": "app"}
    analysis = {"stepWeight": 60, "interval": None, "threshold": None, "thresholdd": 5}
    gates = [{"name": "gate", "type": "confirm-promotion", "url": "http://gate.test/"}]
    obj = canary("app", analysis, autoscalerRef=reference, webhooks=gates)
    answer = kubectl.apply(obj, options=["--validate=strict"])
    assert answer.is_done
    unknown = "found a field that is not known and not read; allowed: known fields"
    here = f"in namespace {kubectl.namespace}; there is none of this name yet"
    assert answer.warnings == [
        "spec.autoscalerRef.apiVersion: found 'autoscaling/v2beta2'; allowed: autoscaling/v2, which it is read as",
        "spec.analysis.stepWeight: found 60; allowed: at most maxWeight 50; the first step goes over it",
        f"spec.webhooks: {unknown}; did you mean spec.analysis.webhooks?",
        f"spec.analysis.thresholdd: {unknown}; did you mean spec.analysis.threshold?",
        f"spec.targetRef.name: found 'app'; allowed: an existing Deployment {here}",
        f"spec.autoscalerRef.name: found 'app'; allowed: an existing HorizontalPodAutoscaler {here}",
    ]
    spec = kubectl.spec("canary", "app")
    assert (spec["provider"], spec["analysis"]["interval"], spec["analysis"]["threshold"]) == ("gloo", "60s", 1)
    port = obj["spec"]["service"]["port"]
    assert spec["service"] == obj["spec"]["service"] | {"name": "app", "portName": "http", "targetPort": port}
    assert spec["autoscalerRef"] == reference
    assert "unchanged" in kubectl.apply(obj).stdout
    assert kubectl.run("diff", "-f", "-", stdin=json.dumps(obj)).is_done


@pytest.mark.parametrize("options", [(), ("--server-side",)], ids=["apply", "server-side"])
def test_the_target_port_follows_the_port_unless_the_manifest_has_it(
    kubectl: Kubectl, options: tuple[str, ...]
) -> None:
    def target_ports(port: int) -> dict[str, int]:
        absent, written = {"port": port}, {"port": port, "targetPort": 80}
        applied = kubectl.apply(canary("absent", service=absent), canary("written", service=written), options=options)
        assert applied.is_done, applied.stderr
        canaries = json.loads(kubectl.run("get", "canaries", "-o", "json").stdout)["items"]
        return {item["metadata"]["name"]: item["spec"]["service"]["targetPort"] for item in canaries}

    assert target_ports(80) == {"absent": 80, "written": 80}
    assert target_ports(8080) == {"absent": 8080, "written": 80}


def test_a_second_canary_for_a_target_is_refused_until_the_first_is_gone(kubectl: Kubectl) -> None:
    first, second = canary("app"), canary("again")
    second["spec"]["targetRef"]["name"] = "app"
    assert kubectl.apply(first).is_done
    wait_until_steady("it is refused", lambda: not is_allowed(kubectl, second))
    refused = kubectl.apply(second)
    assert not refused.is_done
    assert (
        "spec.targetRef.name: found 'app'; allowed: a workload that no other canary has; Canary app has"
        in refused.stderr
    )
    assert kubectl.run("delete", "canary", "app").is_done
    wait_until_steady("it is allowed", lambda: is_allowed(kubectl, second))
    assert kubectl.apply(second).is_done


def is_allowed(kubectl: Kubectl, obj: Object) -> bool:
    return kubectl.apply(obj, options=["--dry-run=server"]).is_done


def test_templates_and_alert_providers_are_checked(kubectl: Kubectl) -> None:
    good = template('sum(rate(x{ns="{{ namespace }}"}[{{ interval }}]))')
    assert kubectl.apply(good, alert_provider(address="https://chat.example.com/hook")).is_done
    bad = [template("sum(rate(x"), template("x{{ pod }}"), alert_provider(address="chat")]
    answer = kubectl.apply(*bad)
    assert answer.stdout == ""
    for problem in (
        "spec.query: found 'sum(rate(x' (line 1, column 9, at '('); allowed: PromQL (unclosed left parenthesis)",
        "spec.query: found '{{ pod }}' (line 1, column 2); allowed: between the braces, name, namespace",
        "spec.address: found 'chat'; allowed: a URL that starts with http://",
    ):
        assert problem in answer.stderr
    metric = {"name": "own", "threshold": 1, "templateRef": {"name": "errors"}, "interval": "soon"}
    assert "a duration such as 30s" in kubectl.apply(canary("app", {"metrics": [metric]})).stderr


WORST: list[tuple[str, str, Object]] = [
    ("Canary", "spec.analysis", canary("b", {"stepWeight": None, "maxWeight": None})),
    ("Canary", "spec.analysis.stepWeights", canary("c", {"stepWeight": None, "stepWeights": [5, -1]})),
    ("Canary", "spec.analysis.stepWeights", canary("d", {"stepWeight": None, "stepWeights": [-20, 20]})),
    ("Canary", "spec.analysis.stepWeight", canary("f", {"stepWeight": -1})),
    ("Canary", "spec.analysis.maxWeight", canary("g", {"maxWeight": 101})),
    ("Canary", "spec.analysis.interval", canary("h", {"interval": "soon"})),
    (
        "Canary",
        "spec.analysis.metrics",
        canary("j", {"metrics": [{"name": "a", "thresholdRange": {"min": 2, "max": 1}}]}),
    ),
    ("Canary", "spec.service.port", canary("k", service={"port": 70_000})),
    ("MetricTemplate", "spec.query", template("", name="m")),
    ("MetricTemplate", "spec.provider.address", template("up", name="n", provider={"type": "prometheus"})),
    ("AlertProvider", "spec.address", alert_provider()),
]


@pytest.mark.usefixtures("without_webhook")
def test_the_crds_refuse_the_worst_while_the_webhook_is_away(kubectl: Kubectl) -> None:
    refused = kubectl.apply(*(obj for _, _, obj in WORST))
    for kind, field, obj in WORST:
        name = obj["metadata"]["name"]
        assert re.search(
            rf'{kind}.flagger.app "{name}" is invalid: {field}: Invalid value: .*allowed: ', refused.stderr
        ), name
    assert refused.stdout == ""
    elsewhere = canary("other", {"stepWeight": -1}, provider="istio")
    by_precedence = [canary("both", {"iterations": 5}), canary("some", {"match": [{"headers": {"x": {"exact": "y"}}}]})]
    skipped = canary("skipped", {"stepWeight": None, "maxWeight": None}, skipAnalysis=True)
    allowed = kubectl.apply(elsewhere, skipped, *by_precedence, *_examples())
    assert allowed.is_done, allowed.stderr


def test_every_example_is_allowed(kubectl: Kubectl) -> None:
    answer = kubectl.apply(*_examples(), options=["--dry-run=server"])
    assert answer.is_done, answer.stderr


def test_an_object_that_was_stored_with_faults_stays_editable(cluster: Cluster, kubectl: Kubectl) -> None:
    faults = {"iterations": 5, "interval": "soon", "metrics": [{"name": "a", "thresholdRange": {"min": 2, "max": 1}}]}
    _store_unchecked(cluster, kubectl, canary("app", faults))
    edited = kubectl.patch("canary", "app", {"spec": {"analysis": {"threshold": 9}}})
    assert edited.is_done, edited.stderr
    told = [warning.split(":")[0] for warning in edited.warnings]
    for path in ("spec.analysis.interval", "spec.analysis.stepWeight", "spec.analysis.metrics[0].thresholdRange"):
        assert path in told
    worse = kubectl.patch("canary", "app", {"spec": {"analysis": {"webhooks": [{"name": "a", "url": "nowhere"}]}}})
    assert not worse.is_done
    assert "spec.analysis.webhooks[0].url" in worse.stderr
    assert "Invalid value" not in worse.stderr  # nothing but what is new stands in the way
    assert kubectl.run("label", "canary", "app", "team=a").warnings == []
    assert kubectl.run("delete", "canary", "app", "--timeout=30s").is_done


def _store_unchecked(cluster: Cluster, kubectl: Kubectl, obj: Object) -> None:
    """Store an object as an older version of the CRD, without a webhook, let it be stored."""
    configurations = ("mutatingwebhookconfiguration", "validatingwebhookconfiguration")
    saved = [cluster.kubectl("get", kind, "serin-webhook", "-o", "yaml") for kind in configurations]
    with crd_without_rules(cluster):
        for kind in configurations:
            cluster.kubectl("delete", kind, "serin-webhook")
        try:
            # Every part of the API server has to follow: the CRD's change, and that there is no webhook.
            wait_until_steady("it is let in", lambda: is_allowed(kubectl, obj))
            assert kubectl.apply(obj).is_done
        finally:
            for text in saved:
                cluster.kubectl("create", "-f", "-", stdin=_as_new(text))
    _wait_until_asked(cluster)


def _as_new(text: str) -> str:
    obj: Object = yaml.safe_load(text)
    for field in ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"):
        obj["metadata"].pop(field, None)
    return json.dumps(obj)


def _examples() -> list[Object]:
    """The example objects, without their namespaces."""
    objects: list[Object] = [yaml.safe_load(path.read_text()) for path in sorted(EXAMPLES.glob("*.yaml"))]
    return [obj | {"metadata": {"name": obj["metadata"]["name"]}} for obj in objects]
