"""What values do: each one of Flagger's takes effect or is named afterwards, and each one of ours is described."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.charts import CHARTS, Json, by_key, helm, notes, pod_of, render

FLAGGERS = Path(__file__).parent / "flagger-values.yaml"

# All keys of values.yaml and of the templates of Flagger's charts 1.44.0, at the depth where values end. Sections whose
# keys are the user's own (resources, labels, ...) stand as one.
FLAGGER_1_44 = """
additionalVolumeMounts additionalVolumes affinity annotations clusterName configTracking.enabled
controlplane.kubeconfig.key controlplane.kubeconfig.secretName crd.create deploymentLabels env eventWebhook
fullnameOverride image.pullPolicy image.pullSecret image.repository image.tag includeLabelPrefix
ingressAnnotationsPrefix ingressClass kubeconfigBurst kubeconfigQPS leaderElection.enabled leaderElection.replicaCount
linkerdAuthPolicy.create linkerdAuthPolicy.namespace logLevel meshProvider metricsServer msteams.proxyUrl msteams.url
nameOverride namespace noCrossNamespaceRefs nodeSelector podAnnotations podDisruptionBudget.enabled
podDisruptionBudget.minAvailable podLabels podMonitor.additionalLabels podMonitor.enabled podMonitor.honorLabels
podMonitor.interval podMonitor.namespace podPriorityClassName prometheus.image prometheus.install prometheus.pullSecret
prometheus.retention prometheus.securityContext.context prometheus.securityContext.enabled rbac.create rbac.pspEnabled
resources securityContext.context securityContext.enabled selectorLabels serviceAccount.annotations
serviceAccount.create serviceAccount.name serviceMonitor.enabled serviceMonitor.honorLabels serviceMonitor.labels
serviceMonitor.namespace slack.channel slack.proxy slack.proxyUrl slack.url slack.user threadiness tolerations
"""
LOADTESTER_0_38 = """
affinity appmesh.backends appmesh.enabled backends cmd.namespaceRegexp cmd.timeout env fullnameOverride
image.pullPolicy image.pullSecret image.repository image.tag istio.enabled istio.host logLevel meshName nameOverride
nodeSelector podAnnotations podDisruptionBudget.enabled podDisruptionBudget.minAvailable podLabels
podPriorityClassName podSecurityContext.context podSecurityContext.enabled rbac.create rbac.rules rbac.scope
rbac.serviceAccountAnnotations replicaCount resources securityContext.context securityContext.enabled
serviceAccountName service.port service.type tolerations volumeMounts volumes
"""
# Of a section that means nothing: named by the key that switches it on.
NAMED_BY = {
    "controlplane.kubeconfig.key": "controlplane.kubeconfig.secretName",
    "linkerdAuthPolicy.namespace": "linkerdAuthPolicy.create",
    "appmesh.backends": "appmesh.enabled",
    "istio.host": "istio.enabled",
}


def leaves(values: Json, path: str = "") -> Iterator[str]:
    """Return the paths at which values end."""
    for key, value in values.items():
        here = f"{path}{key}"
        if isinstance(value, dict) and value and key not in {"resources", "labels"}:
            yield from leaves(value, f"{here}.")
        else:
            yield here


def schema_at(chart: str, path: str) -> Json | None:
    """Return what the schema says of a path, None for nothing."""
    found: Json | None = json.loads((CHARTS / chart / "values.schema.json").read_text())
    for part in path.split("."):
        found = (found or {}).get("properties", {}).get(part)
    return found


def values_of(chart: str) -> Json:
    found: Json = yaml.safe_load((CHARTS / chart / "values.yaml").read_text())
    return found


def ignored(chart: str) -> set[str]:
    text = (CHARTS / chart / "files" / "ignored.yaml").read_text()
    return {entry["key"] for entry in yaml.safe_load(text)}


@pytest.mark.parametrize("chart", ["serin", "loadtester"])
def test_every_value_is_in_the_schema_and_has_a_comment(chart: str) -> None:
    paths = list(leaves(values_of(chart)))
    assert len(paths) > 30
    assert [path for path in paths if schema_at(chart, path) is None] == []
    lines = (CHARTS / chart / "values.yaml").read_text().splitlines()
    bare = []
    for number, line in enumerate(lines):
        if not re.match(r" *[\w]+:", line) or "esources" in line or re.match(r" *(requests|limits|cpu|memory):", line):
            continue
        above = lines[number - 1].strip()
        # A section's first key, or one that reads by itself beside its section's comment.
        is_section = line.rstrip().endswith(":")
        is_plain = re.match(r" +enabled:|  *grafana_dashboard:", line)
        if not above.startswith("#") and not is_section and not is_plain:
            bare.append(line.strip())
    assert bare == []


@pytest.mark.parametrize(("chart", "keys"), [("serin", FLAGGER_1_44.split()), ("loadtester", LOADTESTER_0_38.split())])
def test_every_key_of_flaggers_chart_is_known(chart: str, keys: list[str]) -> None:
    ours = set(leaves(values_of(chart)))
    for key in keys:
        assert schema_at(chart, key) is not None, f"{key}: not in the schema"
        known = (
            key in ours or any(one.startswith(f"{key}.") for one in ours) or NAMED_BY.get(key, key) in ignored(chart)
        )
        assert known or key == "slack.proxy", f"{key}: neither a value nor named as one without meaning"


@pytest.mark.parametrize("chart", ["serin", "loadtester"])
def test_the_names_that_notes_know_are_those_of_the_values(chart: str) -> None:
    text = (CHARTS / chart / "templates" / "_helpers.tpl").read_text()
    known = re.search(r"\$known := list ([^}]*)\}\}", text)
    assert known
    assert set(re.findall(r'"(\w+)"', known[1])) == {"global", *values_of(chart)}


def test_bounds_of_runs_are_flags_and_none_is_none() -> None:
    def arguments(**limits: int) -> set[str]:
        [container] = pod_of(render("serin", values={"limits": limits}), "serin-agent")["containers"]
        return {argument for argument in container["args"] if "runs" in argument}

    assert arguments(runs=20, namespaceRuns=4) == {"--max-runs=20", "--max-namespace-runs=4"}
    assert arguments(runs=0) == set()


@pytest.fixture(scope="module")
def rendered() -> list[Json]:
    return render("serin", FLAGGERS)


def test_a_users_values_file_for_flagger_takes_effect(rendered: list[Json]) -> None:
    pod = pod_of(rendered, "serin-agent")
    [container] = pod["containers"]
    assert set(container["args"]) == {
        "--metrics-server=http://prometheus.monitoring:9090",
        "--log-level=debug",
        "--port=8080",
        "--namespace=shop",
        "--gateway-namespaces=gloo-system",
        "--no-cross-namespace-refs",
        "--config-tracking=off",
        "--selector-labels=app,track",
        "--include-label-prefix=*",
        "--cluster-name=berlin",
        "--slack-channel=deployments",
        "--slack-user=canary",
    }
    assert container["image"] == "serin:0.2.0"
    assert container["imagePullPolicy"] == "Always"
    assert container["resources"]["limits"] == {"memory": "1Gi", "cpu": "1000m"}
    assert container["securityContext"]["runAsUser"] == 20002
    assert container["volumeMounts"] == [{"name": "tmpfs", "mountPath": "/tmp"}]
    assert pod["volumes"] == [{"name": "tmpfs", "emptyDir": {}}]
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert pod["priorityClassName"] == "system-cluster-critical"
    assert pod["nodeSelector"] == {"kubernetes.io/os": "linux"}
    assert pod["tolerations"] == [{"key": "system", "operator": "Exists"}]
    [term] = pod["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert term["podAffinityTerm"]["labelSelector"]["matchLabels"] == {
        "app.kubernetes.io/name": "serin-agent",
        "app.kubernetes.io/instance": "serin",
    }


def test_what_is_secret_in_it_is_in_a_secret(rendered: list[Json]) -> None:
    secret = by_key(rendered)["Secret", "gloo-system", "serin-agent-addresses"]
    assert secret["stringData"] == {
        "SLACK_URL": "https://hooks.slack.com/services/T0/B0/XXXX",
        "SLACK_PROXY_URL": "http://proxy.example.com:3128",
        "MSTEAMS_URL": "https://outlook.office.com/webhook/YYYY",
        "EVENT_WEBHOOK_URL": "https://events.example.com/flagger",
    }
    env = {entry["name"]: entry for entry in pod_of(rendered, "serin-agent")["containers"][0]["env"]}
    for name in secret["stringData"]:
        assert env[name]["valueFrom"] == {"secretKeyRef": {"name": "serin-agent-addresses", "key": name}}
    assert env["SLACK_TOKEN"]["valueFrom"] == {"secretKeyRef": {"name": "slack", "key": "token"}}
    assert env["MSTEAMS_PROXY_URL"] == {"name": "MSTEAMS_PROXY_URL", "value": "http://proxy.example.com:3128"}
    assert env["POD_UID"]
    others = [one for one in rendered if one["kind"] != "Secret"]
    assert "hooks.slack.com" not in json.dumps(others)


def test_the_rest_of_it_takes_effect_too(rendered: list[Json]) -> None:
    found = by_key(rendered)
    deployment = found["Deployment", "gloo-system", "serin-agent"]
    assert deployment["spec"]["replicas"] == 3
    assert deployment["metadata"]["labels"]["tier"] == "control"
    template = deployment["spec"]["template"]["metadata"]
    assert template["labels"]["team"] == "platform"
    assert template["labels"]["app.kubernetes.io/name"] == "serin-agent"  # its selector's
    assert template["annotations"]["linkerd.io/inject"] == "disabled"
    assert found["PodDisruptionBudget", "gloo-system", "serin-agent"]["spec"]["minAvailable"] == "50%"
    account = found["ServiceAccount", "gloo-system", "serin-agent"]["metadata"]
    assert account["annotations"] == {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/flagger"}
    monitor = found["ServiceMonitor", "monitoring", "serin-agent"]
    assert monitor["metadata"]["labels"]["release"] == "kube-prometheus"
    assert monitor["spec"]["endpoints"][0]["honorLabels"] is True
    [lease] = [rule for rule in found["Role", "gloo-system", "serin-agent-lease"]["rules"] if "resourceNames" in rule]
    assert lease["resourceNames"] == ["serin-agent-shop"]
    assert "--namespace=shop" in pod_of(rendered, "serin-webhook")["containers"][0]["args"]
    assert not [key for key in found if key[2] == "flagger-prometheus"]


def test_what_means_nothing_in_it_is_named(rendered: list[Json]) -> None:
    told = notes("serin", FLAGGERS)
    named = set(re.findall(r"(?m)^  (\S+?):? (?:.*)$", told.partition("mean nothing here:\n")[2].partition("Next")[0]))
    assert named == ignored("serin") | {"leaderElection.enabled"}
    assert "image.repository: it is Flagger's image; Serin's is images.serin.repository" in told
    assert "helm test serin --namespace gloo-system" in told


def test_flaggers_own_values_say_nothing_of_the_unknown_and_the_add_on_has_its_own_prometheus() -> None:
    values = {"prometheus": {"install": True, "image": "docker.io/prom/prometheus:v2.41.0"}, "replica": 2}
    told = notes(values=values)
    assert "prometheus.image: found v2.41.0; the add-on needs 2.43 or newer" in told
    assert "replica: no value of this chart, nor of Flagger's" in told
    assert pod_of(render(values=values), "flagger-prometheus")["containers"][0]["image"] == "prom/prometheus:v3.12.0"
    newer = {"prometheus": {"install": True, "image": "registry:5000/prom/prometheus:v3.1.0"}}
    assert pod_of(render(values=newer), "flagger-prometheus")["containers"][0]["image"] == newer["prometheus"]["image"]


def test_without_anything_to_name_notes_name_nothing() -> None:
    assert "mean nothing" not in notes()
    assert "mean nothing" not in notes("loadtester")


DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("values", "image"),
    [
        ({"repository": "registry.example.com/serin", "tag": "0.9.0"}, "registry.example.com/serin:0.9.0"),
        ({"repository": "registry.example.com/serin", "digest": DIGEST}, f"registry.example.com/serin@{DIGEST}"),
    ],
)
def test_our_images_are_named_apart_from_flaggers(values: Json, image: str) -> None:
    objects = render(values={"images": {"serin": values}, "image": {"repository": "ghcr.io/fluxcd/flagger"}})
    pods = [one["spec"]["template"]["spec"] for one in objects if one["kind"] == "Deployment"]
    pods += [one["spec"] for one in objects if one["kind"] == "Pod"]
    assert {container["image"] for pod in pods for container in pod["containers"]} == {image}


def test_every_pod_is_scheduled_and_pulled_as_the_values_say() -> None:
    values = {
        "prometheus": {"install": True, "pullSecret": "second"},
        "imagePullSecrets": [{"name": "first"}],
        "nodeSelector": {"pool": "system"},
        "tolerations": [{"operator": "Exists"}],
        "podPriorityClassName": "high",
    }
    objects = render(values=values)
    pods = {one["metadata"]["name"]: one["spec"] for one in objects if one["kind"] == "Pod"}
    pods |= {name: pod_of(objects, name) for name in ("serin-agent", "serin-webhook", "serin-webhook-authority")}
    pods["flagger-prometheus"] = pod_of(objects, "flagger-prometheus")
    assert len(pods) == 5
    for name, pod in pods.items():
        assert pod["nodeSelector"] == {"pool": "system"}, name
        assert pod["tolerations"] == [{"operator": "Exists"}]
        assert pod["priorityClassName"] == "high"
        assert pod["imagePullSecrets"][0] == {"name": "first"}
    assert pods["flagger-prometheus"]["imagePullSecrets"] == [{"name": "first"}, {"name": "second"}]


def test_switches_take_their_objects_away() -> None:
    values = {
        **{key: {"enabled": False} for key in ("webhook", "networkPolicies", "guard")},
        **{key: {"create": False} for key in ("rbac", "crd", "serviceAccount")},
        "prometheus": {"install": True},
    }
    kinds = {one["kind"] for one in render(values=values)}
    assert kinds == {"Deployment", "Service", "ConfigMap", "Pod"}


def test_on_openshift_the_cluster_chooses_the_users_and_nothing_else_is_given_up() -> None:
    off = {"securityContext": {"enabled": False}}
    objects = render(values={**off, "prometheus": {"install": True, **off}})
    for name in ("serin-agent", "serin-webhook", "serin-webhook-authority", "flagger-prometheus"):
        pod = pod_of(objects, name)
        assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}, name
        assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True


def test_in_another_namespace_than_gloos_both_are_named() -> None:
    objects = render(namespace="serin", values={"prometheus": {"install": True}})
    agent = pod_of(objects, "serin-agent")["containers"][0]["args"]
    assert "--gateway-namespaces=gloo-system" in agent
    assert "--leader-election-namespace=serin" in agent
    assert "--metrics-server=http://flagger-prometheus.serin:9090" in agent
    for name in ("serin-webhook", "serin-webhook-authority"):
        assert "--service-namespace=serin" in pod_of(objects, name)["containers"][0]["args"]
    rest = [one for one in objects if one["kind"] not in {"CustomResourceDefinition", "ValidatingAdmissionPolicy"}]
    assert json.dumps(rest).count("gloo-system") == 1


def test_extras_of_the_webhook_and_the_agent_take_effect() -> None:
    spread = [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]
    env = [{"name": "A", "value": "1"}]
    more: Json = {"extraArgs": ["--log-level=debug"], "env": env, "topologySpreadConstraints": spread}
    objects = render(values={**more, "webhook": {**more, "replicas": 3, "podAnnotations": {"a": "b"}}})
    for name in ("serin-agent", "serin-webhook"):
        pod = pod_of(objects, name)
        assert pod["containers"][0]["args"][-1] == "--log-level=debug"
        assert pod["containers"][0]["env"][-1] == env[0]
        assert pod["topologySpreadConstraints"] == spread
    webhook = by_key(objects)["Deployment", "gloo-system", "serin-webhook"]
    assert webhook["spec"]["replicas"] == 3
    assert webhook["spec"]["template"]["metadata"]["annotations"]["a"] == "b"


def test_the_api_server_waits_for_the_webhook_as_long_as_is_said() -> None:
    def waits(values: Json) -> set[int]:
        kinds = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
        found = by_key(render(values=values))
        return {entry["timeoutSeconds"] for kind in kinds for entry in found[kind, "", "serin-webhook"]["webhooks"]}

    assert waits({}) == {2}
    assert waits({"webhook": {"timeoutSeconds": 15}}) == {15}


def test_a_values_file_for_flaggers_load_tester_takes_effect(tmp_path: Path) -> None:
    values = {
        "image": {"repository": "ghcr.io/fluxcd/flagger-loadtester", "tag": "0.38.0"},
        "logLevel": "panic",
        "replicaCount": 2,
        "cmd": {"timeout": "2h", "namespaceRegexp": "^team-"},
        "service": {"type": "NodePort", "port": 8080},
        "rbac": {"create": True, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
        "securityContext": {"enabled": True, "context": {"runAsUser": 100}},
        "volumes": [{"name": "more", "emptyDir": {}}],
        "istio": {"enabled": True, "host": "load.example.com"},
        "podDisruptionBudget": {"enabled": True},
    }
    objects = render("loadtester", release="flagger-loadtester", namespace="test", values=values)
    found = by_key(objects)
    pod = pod_of(objects, "flagger-loadtester")
    [container] = pod["containers"]
    assert container["image"] == "serin-loadtester:0.2.0"
    assert container["args"] == ["--port=8080", "--log-level=error", "--timeout=2h", "--namespace-regexp=^team-"]
    assert container["securityContext"]["runAsUser"] == 100
    assert [volume["name"] for volume in pod["volumes"]] == ["tmp", "more"]
    assert pod["serviceAccountName"] == "flagger-loadtester"
    assert pod["automountServiceAccountToken"] is True
    assert found["Role", "test", "flagger-loadtester"]["rules"] == values["rbac"]["rules"]  # type: ignore[index]
    assert found["Deployment", "test", "flagger-loadtester"]["spec"]["replicas"] == 1
    assert found["Service", "test", "flagger-loadtester"]["spec"]["ports"][0]["port"] == 8080
    told = notes("loadtester", values=values, namespace="test")
    assert set(re.findall(r"(?m)^  ([\w.]+):", told)) == {
        "image.repository",
        "image.tag",
        "istio.enabled",
        "replicaCount",
    }
    assert "http://flagger-loadtester.test:8080/" in told


@pytest.mark.parametrize(
    ("level", "meant"), [("warn", "warning"), ("fatal", "error"), ("panic", "error"), ("debug", "debug")]
)
@pytest.mark.parametrize("chart", ["serin", "loadtester"])
def test_every_level_of_flaggers_log_has_one_of_ours(chart: str, level: str, meant: str) -> None:
    pods = [
        one["spec"]["template"]["spec"]
        for one in render(chart, values={"logLevel": level})
        if one["kind"] == "Deployment"
    ]
    levels = [arg for pod in pods for arg in pod["containers"][0]["args"] if arg.startswith("--log-level")]
    assert levels == [f"--log-level={meant}"] * {"serin": 3, "loadtester": 1}[chart]


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("chart", ["serin", "loadtester"])
def test_both_helms_find_nothing_to_complain_of(chart: str, version: int) -> None:
    done = helm("lint", str(CHARTS / chart), "--strict", version=version)
    assert done.returncode == 0, done.stdout


def test_both_helms_render_the_same() -> None:
    values: dict[str, Any] = {"prometheus": {"install": True}, "meshProvider": "gloo"}
    assert by_key(render(values=values, version=3)) == by_key(render(values=values))


@pytest.mark.parametrize("chart", ["serin", "loadtester"])
def test_a_section_that_was_left_empty_is_as_if_it_were_not_there(chart: str) -> None:
    """Sections whose keys are all commented out are null, and null deletes a default."""
    sections = [key for key, value in values_of(chart).items() if isinstance(value, dict)]
    assert by_key(render(chart, values=dict.fromkeys(sections))) == by_key(render(chart))
    assert "mean nothing" not in notes(chart, values=dict.fromkeys(sections))
