"""The two Upstreams."""

from canary.api.names import Side
from render.upstreams import upstream
from tests.support.podinfo import podinfo_canary, podinfo_deployment


def test_each_side_has_an_upstream_on_its_service() -> None:
    canary, target = podinfo_canary(), podinfo_deployment()
    primary, canary_side = (upstream(canary, target, side) for side in Side)
    assert primary["apiVersion"] == "gloo.solo.io/v1"
    assert primary["metadata"]["name"] == "test-podinfo-primaryupstream-9898"
    assert primary["metadata"]["ownerReferences"][0]["uid"] == "canary-uid"
    assert primary["spec"] == {
        "kube": {
            "serviceName": "podinfo-primary",
            "serviceNamespace": "test",
            "servicePort": 9898,
            "selector": {"app": "podinfo-primary"},
        }
    }
    assert canary_side["metadata"]["name"] == "test-podinfo-canaryupstream-9898"
    assert canary_side["spec"]["kube"]["serviceName"] == "podinfo-canary"
    assert canary_side["spec"]["kube"]["selector"] == {"app": "podinfo"}


def test_settings_of_the_referenced_upstream_are_copied_but_not_what_it_points_to() -> None:
    config = {
        "spec": {
            "kube": {"serviceName": "another"},
            "static": {"hosts": []},
            "circuitBreakers": {"maxConnections": 5},
            "loadBalancerConfig": {"roundRobin": {}},
            "httpProxyHostname": "proxy:443",
            "useHttp2": True,
            "healthChecks": [{"tcpHealthCheck": {}}],
            "outlierDetection": {"interval": "5s"},
            "discoveryMetadata": {"labels": {}},
            "failover": {"prioritizedLocalities": []},
        }
    }
    spec = upstream(podinfo_canary(), podinfo_deployment(), Side.CANARY, config)["spec"]
    assert spec.pop("kube")["serviceName"] == "podinfo-canary"
    assert spec == {
        "circuitBreakers": {"maxConnections": 5},
        "loadBalancerConfig": {"roundRobin": {}},
        "httpProxyHostname": "proxy:443",
        "useHttp2": True,
        "healthChecks": [{"tcpHealthCheck": {}}],
        "outlierDetection": {"interval": "5s"},
    }
