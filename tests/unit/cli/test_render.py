"""`serin render`: all generated objects, from the packages that the agent renders them with."""

import json
from typing import Any

import pytest
import yaml

from cli.generated.manifest import as_yaml
from cli.input.values import Values, compose
from tests.unit.cli.conftest import Ran, Serin
from tests.unit.cli.test_lint import CANARY, DEPLOYMENT

HPA = """\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: web
  namespace: shop
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: web
  minReplicas: 2
  maxReplicas: 5
"""

SCALED = CANARY.replace(
    "  service:\n", "  autoscalerRef:\n    kind: HorizontalPodAutoscaler\n    name: web\n  service:\n"
)
SCALED = SCALED.replace("    kind: Horiz", "    apiVersion: autoscaling/v2\n    kind: Horiz")


def rendered(serin: Serin, *texts: str, notes: str = "") -> list[dict[str, Any]]:
    code, stdout, stderr = serin("render", "-", stdin="---\n".join(texts))
    assert (code, stderr) == (0, notes)
    return list(yaml.safe_load_all(stdout))


def named(objects: list[dict[str, Any]]) -> list[str]:
    return [f"{obj['kind']} {obj['metadata']['namespace']}/{obj['metadata']['name']}" for obj in objects]


def test_all_objects_in_the_order_in_which_they_are_made(serin: Serin) -> None:
    objects = rendered(serin, SCALED, DEPLOYMENT, HPA)
    assert named(objects) == [
        "Service shop/web-primary",
        "Service shop/web-canary",
        "Deployment shop/web-primary",
        "HorizontalPodAutoscaler shop/web-primary",
        "Upstream shop/shop-web-primaryupstream-80",
        "Upstream shop/shop-web-canaryupstream-80",
        "Service shop/web",
        "RouteTable shop/web",
    ]
    assert objects[3]["spec"] == {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web-primary"},
        "minReplicas": 2,
        "maxReplicas": 5,
    }
    assert objects[2]["spec"]["template"] == {
        "metadata": {"labels": {"app": "web-primary"}},
        "spec": {
            "containers": [{"name": "web", "image": "web:1", "ports": [{"name": "http", "containerPort": 8080}]}],
        },
    }
    (route,) = objects[-1]["spec"]["routes"]
    assert route["routeAction"]["multi"]["destinations"] == [
        {
            "destination": {"upstream": {"name": "shop-web-primaryupstream-80", "namespace": "shop"}},
            "weight": 100,
        },
        {"destination": {"upstream": {"name": "shop-web-canaryupstream-80", "namespace": "shop"}}, "weight": 0},
    ]


def test_labels_are_those_of_the_agents_settings(serin: Serin) -> None:
    labelled = yaml.safe_load(DEPLOYMENT)
    labelled["metadata"]["labels"] = {"team": "a", "tier": "web"}
    labels = {"app": "web", "track": "fast"}
    labelled["spec"]["selector"]["matchLabels"] = labelled["spec"]["template"]["metadata"]["labels"] = labels
    flags = ("--selector-labels=track", "--include-label-prefix=team")
    ran = serin("render", "-", *flags, stdin="---\n".join((CANARY, yaml.safe_dump(labelled))))
    objects = {obj["kind"] + "/" + obj["metadata"]["name"]: obj for obj in yaml.safe_load_all(ran.stdout)}
    of_primary = {"app": "web", "track": "fast-primary"}
    assert objects["Deployment/web-primary"]["metadata"]["labels"] == {"team": "a", "track": "fast-primary"}
    for service in ("web", "web-primary"):
        assert objects[f"Service/{service}"]["spec"]["selector"] == of_primary
    upstreams = [obj for name, obj in objects.items() if name.startswith("Upstream/") and "primary" in name]
    assert [one["spec"]["kube"]["selector"] for one in upstreams] == [of_primary]
    assert serin("render", "-", "--selector-labels=-", stdin=CANARY) == Ran(
        2,
        "",
        "serin: --selector-labels: found '-'; allowed: keys of labels with commas between, as in "
        "app,name,app.kubernetes.io/name\n",
    )


def test_json_is_a_list_of_the_same_objects(serin: Serin) -> None:
    text = f"{CANARY}---\n{DEPLOYMENT}"
    found = json.loads(serin("render", "-o", "json", "-", stdin=text).stdout)
    assert (found["apiVersion"], found["kind"]) == ("v1", "List")
    assert found["items"] == rendered(serin, text)


def test_tracked_configuration_is_copied_as_far_as_the_input_has_it(serin: Serin) -> None:
    deployment = DEPLOYMENT + (
        "        envFrom:\n        - configMapRef:\n            name: conf\n"
        "        - secretRef:\n            name: key\n"
        "        - configMapRef:\n            name: elsewhere\n        - configMapRef:\n            name: loose\n"
    )
    conf = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: conf, namespace: shop}\ndata: {a: '1'}\n"
    key = "apiVersion: v1\nkind: Secret\nmetadata: {name: key, namespace: shop}\nstringData: {b: hi}\n"
    loose = conf.replace("name: conf,", "name: loose, annotations: {flagger.app/config-tracking: disabled},")
    told = "note: ConfigMap elsewhere is not in the input: the primary's copy of it is left out\n"
    objects = rendered(serin, CANARY, deployment, conf, key, loose, notes=told)
    assert named(objects)[:2] == ["ConfigMap shop/conf-primary", "Secret shop/key-primary"]
    assert (objects[0]["data"], objects[1]["data"]) == ({"a": "1"}, {"b": "aGk="})
    (container,) = objects[4]["spec"]["template"]["spec"]["containers"]
    assert container["envFrom"] == [
        {"configMapRef": {"name": "conf-primary"}},
        {"secretRef": {"name": "key-primary"}},
        {"configMapRef": {"name": "elsewhere"}},
        {"configMapRef": {"name": "loose"}},
    ]


def test_what_is_missing_is_told_and_left_out(serin: Serin) -> None:
    canary = SCALED.replace(
        "  service:\n",
        "  upstreamRef:\n    apiVersion: gloo.solo.io/v1\n    kind: Upstream\n    name: settings\n  service:\n",
    )
    told = (
        "note: Upstream shop/settings is not in the input: its settings are left out\n"
        "note: HorizontalPodAutoscaler web is not in the input: the primary's copy of it is left out\n"
    )
    assert "HorizontalPodAutoscaler shop/web-primary" not in named(rendered(serin, canary, DEPLOYMENT, notes=told))
    old = (
        "note: HorizontalPodAutoscaler web apiVersion: found 'autoscaling/v1'; allowed: autoscaling/v2 or "
        "autoscaling/v2beta2, for only the API server converts others; the primary's copy of it is left out\n"
    )
    rendered(serin, SCALED, DEPLOYMENT, HPA.replace("/v2", "/v1"), notes=old)


def test_a_service_of_the_users_own_stays_theirs(serin: Serin) -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {ports: [{port: 80}]}\n"
    apex = rendered(serin, CANARY, DEPLOYMENT, service)[-2]
    assert "ownerReferences" not in apex["metadata"]


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (
            [CANARY],
            (
                "serin: Canary shop/web spec.targetRef.name: found 'web'; allowed: the name of a Deployment in the "
                "input "
                "with namespace shop, or -n shop for one without\n"
            ),
        ),
        (
            [CANARY, DEPLOYMENT.replace("app: web", "tier: web")],
            (
                "serin: Deployment shop/web spec.selector.matchLabels: found {'tier': 'web'}; allowed: at least one "
                "of the "
                "labels app, name, app.kubernetes.io/name\n"
            ),
        ),
        (
            [CANARY, "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec: {}\n"],
            (
                "serin: Deployment shop/web, or what it refers to, is none that the API server would take: KeyError "
                "'template'\n"
            ),
        ),
    ],
    ids=["no target", "no label", "no workload"],
)
def test_what_can_not_be_rendered_is_told_in_a_line(serin: Serin, texts: list[str], told: str) -> None:
    assert serin("render", "-", stdin="---\n".join(texts)) == (2, "", told)


def test_yaml_is_read_again_as_what_it_was() -> None:
    texts = ["1e3", "1:30", "yes", "0o14", "2026-11-30", "~", "<<", "", "a\nb\n", "  x", "- y", "ä", ".5", "null", "y"]
    obj = {"texts": texts, "numbers": [1, 1.5, True, None], "shared": [texts, texts]}
    (node,) = compose(as_yaml([obj]), "f.yaml")
    assert Values("f.yaml").read(node) == obj
    assert yaml.safe_load(as_yaml([obj])) == obj
