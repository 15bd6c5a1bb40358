"""Upstreams and their endpoints: what the recordings don't show."""

from typing import Any

import pytest

from sandbox.gloo.clusters import Clusters
from sandbox.gloo.endpoints import addresses
from sandbox.gloo.ignored import ignored_fields
from sandbox.gloo.snapshot import Snapshot

Json = dict[str, Any]


def upstream(**spec: Any) -> Json:
    return {"metadata": {"name": "u", "namespace": "conf"}, "spec": spec}


def service(*ports: Json) -> Json:
    return {"metadata": {"name": "s", "namespace": "conf"}, "spec": {"ports": list(ports)}}


def endpoint_slice(port_name: str, port: int, *endpoints: Json) -> Json:
    return {"metadata": {}, "ports": [{"name": port_name, "port": port}], "endpoints": list(endpoints)}


def endpoint(address: str, *, ready: bool | None = True) -> Json:
    return {"addresses": [address], "conditions": {} if ready is None else {"ready": ready}}


def test_only_ready_endpoints_and_an_unknown_readiness_counts_as_ready() -> None:
    found = endpoint_slice("http", 8080, endpoint("10.0.0.3"), endpoint("10.0.0.1", ready=None))
    gone = endpoint_slice("http", 8080, endpoint("10.0.0.2", ready=False))
    one_port = service({"name": "http", "port": 80})
    assert addresses(one_port, 80, [found, gone]) == [("10.0.0.1", 8080), ("10.0.0.3", 8080)]


def test_of_several_ports_the_one_with_the_services_name() -> None:
    slices = [endpoint_slice("http", 8080, endpoint("10.0.0.1")), endpoint_slice("grpc", 9090, endpoint("10.0.0.1"))]
    two_ports = service({"name": "http", "port": 80}, {"name": "grpc", "port": 90})
    assert addresses(two_ports, 90, slices) == [("10.0.0.1", 9090)]
    assert addresses(two_ports, 91, slices) == []


def test_a_service_without_endpoints_has_an_empty_assignment() -> None:
    kube = {"serviceName": "s", "serviceNamespace": "conf", "servicePort": 80}
    snapshot = Snapshot(services={("conf", "s"): service({"port": 80})})
    cluster, errors = Clusters(snapshot).of_upstream(upstream(kube=kube))
    assert errors == []
    assert cluster is not None
    assert cluster.assignment is not None
    assert cluster.assignment["endpoints"] == []


def test_the_name_of_the_endpoints_changes_with_the_spec() -> None:
    kube = {"serviceName": "s", "serviceNamespace": "conf", "servicePort": 80}
    build = Clusters(Snapshot(services={("conf", "s"): service({"port": 80})}))
    names = set()
    for spec in ({"kube": kube}, {"kube": kube, "useHttp2": True}, {"kube": kube}):
        cluster, _ = build.of_upstream(upstream(**spec))
        assert cluster is not None
        names.add(cluster.config["eds_cluster_config"]["service_name"])
    assert len(names) == 2


def test_static_hosts_by_name_are_resolved_by_envoy() -> None:
    cluster, _ = Clusters(Snapshot()).of_upstream(upstream(static={"hosts": [{"addr": "example.com", "port": 443}]}))
    assert cluster is not None
    assert cluster.config["type"] == "STRICT_DNS"
    assert cluster.config["transport_socket"]["name"] == "envoy.transport_sockets.tls"


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ({"static": {"hosts": []}}, "LoadAssignment was empty"),
        ({"static": {"hosts": [{"addr": "10.0.0.1"}]}}, "port cannot be empty for host"),
        ({"static": {"hosts": [{"addr": "a", "port": 1}]}, "outlierDetection": {}}, "Interval cannot be nil"),
        ({"static": {}, "healthChecks": [{"unhealthyThreshold": 1}]}, "HealthCheck[0].HealthyThreshold cannot be nil"),
        ({"static": {}, "connectionConfig": {"connectTimeout": "5"}}, "'5' is not a duration"),
        ({"aws": {}}, "kind kube and static only"),
    ],
)
def test_an_upstream_in_error_has_no_cluster(spec: Json, error: str) -> None:
    cluster, errors = Clusters(Snapshot()).of_upstream(upstream(**spec))
    assert cluster is None
    assert error in errors[0]


def test_the_tuning_that_flaggers_own_test_uses() -> None:
    slow_start = {"slowStartConfig": {"slowStartWindow": "2m", "minWeightPercent": 5}}
    spec = {
        "static": {"hosts": [{"addr": "10.0.0.1", "port": 80}]},
        "connectionConfig": {"connectTimeout": "2s", "maxRequestsPerConnection": 51},
        "loadBalancerConfig": {"roundRobin": slow_start},
    }
    cluster, errors = Clusters(Snapshot()).of_upstream(upstream(**spec))
    assert errors == []
    assert cluster is not None
    assert cluster.config["round_robin_lb_config"] == {
        "slow_start_config": {"slow_start_window": "120s", "min_weight_percent": {"value": 5}}
    }
    assert cluster.config["connect_timeout"] == "2s"


def test_what_is_not_translated_is_named() -> None:
    snapshot = Snapshot(upstreams={("conf", "u"): upstream(static={}, sslConfig={})})
    assert ignored_fields(snapshot) == {"Upstream conf.u: spec.sslConfig is not translated by the sandbox"}
