"""The two Upstreams."""

from typing import Any

import pytest

from canary.api.names import Side
from render.objects import UnusableObjectError
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


SECRET = {"secretRef": {"name": "client-cert", "namespace": "infra"}}
TOLD = "Canary test/podinfo spec.upstreamRef: found 'infra/tuned with {}'; allowed: an Upstream of namespace test"


@pytest.mark.parametrize(
    ("field", "settings"),
    [
        ("sslConfig", SECRET),
        ("sslConfig", {"sds": {"targetUri": "x"}}),
        ("httpConnectSslConfig", {"parameters": [SECRET]}),
        ("httpConnectHeaders", [{"key": "Proxy-Authorization", "value": "Basic c3ZjOmh1bnRlcjI="}]),
        ("healthChecks", [{"httpHealthCheck": {"requestHeadersToAdd": [{"header": {"key": "a", "value": "b"}}]}}]),
    ],
)
@pytest.mark.parametrize(
    ("annotations", "namespace", "is_copied"),
    [
        ({}, "infra", False),
        ({"serin.dev/shared-with": "shop, web"}, "infra", False),
        ({"serin.dev/shared-with": "shop, test"}, "infra", True),
        ({"serin.dev/shared-with": "*"}, "infra", True),
        ({}, "test", True),
    ],
)
def test_another_namespaces_credentials_are_copied_only_where_it_shares_them(
    field: str, settings: Any, annotations: dict[str, str], namespace: str, *, is_copied: bool
) -> None:
    metadata = {"name": "tuned", "namespace": namespace, "annotations": annotations}
    config = {"metadata": metadata, "spec": {field: settings}}

    def render() -> Any:
        return upstream(podinfo_canary(), podinfo_deployment(), Side.CANARY, config)["spec"]

    if is_copied:
        assert render()[field] == settings
        return
    with pytest.raises(UnusableObjectError) as refused:
        render()
    assert str(refused.value).startswith(TOLD.format(field))
    assert "hunter2" not in str(refused.value)
    assert refused.value.reason == "UpstreamNotShared"


def test_settings_without_credentials_are_copied_from_anywhere() -> None:
    settings = {"sslConfig": {"oneWayTls": True, "sni": "a.test"}, "healthChecks": [{"tcpHealthCheck": {}}]}
    config = {"metadata": {"name": "tuned", "namespace": "infra"}, "spec": settings}
    spec = upstream(podinfo_canary(), podinfo_deployment(), Side.CANARY, config)["spec"]
    assert {field: spec[field] for field in settings} == settings
