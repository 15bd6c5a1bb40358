"""The three Services, and Services that users made."""

from typing import Any

import pytest

from canary.api.names import Side
from render.difference import is_as_rendered
from render.services import address_problem, apex_service, side_service
from tests.support.podinfo import podinfo_canary, podinfo_deployment, stored

FLUX = {"kustomize.toolkit.fluxcd.io/reconcile": "disabled", "helm.toolkit.fluxcd.io/driftDetection": "disabled"}


def apex(service: dict[str, Any] | None = None, existing: dict[str, Any] | None = None) -> dict[str, Any]:
    return apex_service(podinfo_canary(service=service), podinfo_deployment(), existing)


def test_apex_and_primary_select_the_primarys_pods_and_canary_the_targets() -> None:
    canary, target = podinfo_canary(), podinfo_deployment()
    services = [apex_service(canary, target), *(side_service(canary, target, side) for side in Side)]
    assert {service["metadata"]["name"]: service["spec"]["selector"] for service in services} == {
        "podinfo": {"app": "podinfo-primary"},
        "podinfo-primary": {"app": "podinfo-primary"},
        "podinfo-canary": {"app": "podinfo"},
    }
    for service in services:
        assert service["metadata"]["labels"] == {"app": service["metadata"]["name"]}
        assert service["metadata"]["annotations"] == FLUX
        assert service["metadata"]["ownerReferences"][0]["uid"] == "canary-uid"
        assert service["spec"]["ports"] == [{"name": "http", "protocol": "TCP", "port": 9898, "targetPort": 9898}]


def test_port_settings_of_the_spec_are_carried_over() -> None:
    service = {"port": 80, "portName": "grpc", "targetPort": "http", "appProtocol": "kubernetes.io/h2c"}
    assert apex(service)["spec"]["ports"] == [
        {"name": "grpc", "protocol": "TCP", "port": 80, "targetPort": "http", "appProtocol": "kubernetes.io/h2c"}
    ]


@pytest.mark.parametrize("target_port", [{}, {"targetPort": 0}, {"targetPort": None}])
def test_target_port_is_the_port_when_none_is_given(target_port: dict[str, Any]) -> None:
    service = podinfo_canary(service={"port": 9797, "targetPort": None} | target_port)
    assert apex_service(service, podinfo_deployment())["spec"]["ports"][0]["targetPort"] == 9797


def _discovered(service: dict[str, Any], target: dict[str, Any] | None = None) -> list[tuple[str, int]]:
    canary = podinfo_canary(service={"portDiscovery": True} | service)
    ports = apex_service(canary, target or podinfo_deployment())["spec"]["ports"]
    return [(port["name"], port["port"]) for port in ports]


def test_port_discovery_adds_the_other_container_ports() -> None:
    expected = [("http", 9898), ("http-metrics", 9797), ("tcp-podinfod-2", 9999)]
    assert _discovered({}) == expected
    assert _discovered({"targetPort": "http"}) == expected


def test_port_discovery_passes_over_mesh_sidecars() -> None:
    target = podinfo_deployment()
    sidecar = {"name": "istio-proxy", "ports": [{"containerPort": 15090}]}
    target["spec"]["template"]["spec"]["containers"].append(sidecar)
    assert 15090 not in [number for _, number in _discovered({}, target)]


def test_discovered_ports_never_clash_with_others() -> None:
    target = podinfo_deployment()
    target["spec"]["template"]["spec"]["containers"][0]["ports"] = [
        {"name": "http", "containerPort": 8080},
        {"name": "admin", "containerPort": 80},
        {"name": "public", "containerPort": 9898},
        {"name": "dns", "containerPort": 53, "protocol": "UDP"},
        {"name": "dns-tcp", "containerPort": 53, "protocol": "TCP"},
    ]
    ports = _discovered({"port": 80, "targetPort": 9898}, target)
    assert ports == [("http", 80), ("tcp-podinfod-0", 8080), ("dns", 53), ("dns-tcp", 53)]


def test_a_discovered_port_keeps_its_protocol_also_beside_the_specs_own() -> None:
    target = podinfo_deployment()
    target["spec"]["template"]["spec"]["containers"][0]["ports"] = [
        {"name": "https", "containerPort": 9898},
        {"name": "quic", "containerPort": 9898, "protocol": "UDP"},
        {"containerPort": 53, "protocol": "UDP"},
    ]
    ports = side_service(podinfo_canary(service={"portDiscovery": True}), target, Side.CANARY)["spec"]["ports"]
    assert [(port["name"], port["protocol"], port["port"]) for port in ports] == [
        ("http", "TCP", 9898),
        ("quic", "UDP", 9898),
        ("udp-podinfod-2", "UDP", 53),
    ]


def test_the_name_of_an_unnamed_port_fits_however_long_the_containers_is() -> None:
    target = podinfo_deployment()
    target["spec"]["template"]["spec"]["containers"] = [
        {"name": f"{'c' * 61}{last}", "ports": [{"containerPort": number}]} for last, number in (("a", 1), ("b", 2))
    ]
    names = [name for name, _ in _discovered({}, target)]
    assert [len(name) for name in names] == [4, 63, 63]
    assert len(set(names)) == 3
    assert names == [name for name, _ in _discovered({}, target)]


def test_custom_metadata_and_distribution_are_carried_over() -> None:
    service = {
        "apex": {"labels": {"team": "a"}, "annotations": {"note": "apex"}},
        "canary": {"annotations": {"note": "canary"}},
        "trafficDistribution": "PreferClose",
        "headless": True,
    }
    canary, target = podinfo_canary(service=service), podinfo_deployment()
    rendered = apex_service(canary, target)
    assert rendered["metadata"]["labels"] == {"team": "a", "app": "podinfo"}
    assert rendered["metadata"]["annotations"] == {"note": "apex"} | FLUX
    assert rendered["spec"]["trafficDistribution"] == "PreferClose"
    assert rendered["spec"]["clusterIP"] == "None"
    assert side_service(canary, target, Side.CANARY)["metadata"]["annotations"] == {"note": "canary"} | FLUX
    assert side_service(canary, target, Side.PRIMARY)["metadata"]["annotations"] == FLUX


@pytest.mark.parametrize(("is_headless", "address"), [(True, "None"), (False, None)])
def test_all_three_services_are_headless_or_none_is(*, is_headless: bool, address: str | None) -> None:
    canary, target = podinfo_canary(service={"headless": is_headless}), podinfo_deployment()
    services = [apex_service(canary, target), *(side_service(canary, target, side) for side in Side)]
    assert [service["spec"].get("clusterIP") for service in services] == [address] * 3


def test_a_users_metadata_under_our_keys_is_left_out() -> None:
    ours = {"serin.dev/owned": "x", "flagger.app/any": "x"}
    metadata = {"labels": {"team": "a"} | ours, "annotations": {"note": "x"} | ours}
    made = podinfo_canary(service={"apex": metadata, "canary": metadata})
    target = podinfo_deployment()
    for service in (apex_service(made, target), side_service(made, target, Side.CANARY)):
        assert service["metadata"]["annotations"] == {"note": "x"} | FLUX
        assert set(service["metadata"]["labels"]) == {"team", "app"}


def test_unmanaged_metadata_is_not_ours_to_set() -> None:
    service = {
        "apex": {"labels": {"team": "a", "zone": "b"}, "annotations": {"note": "x"}},
        "unmanagedMetadata": {"labels": ["team"], "annotations": ["note"]},
    }
    metadata = apex(service)["metadata"]
    assert metadata["labels"] == {"zone": "b", "app": "podinfo"}
    assert metadata["annotations"] == FLUX


def test_service_of_a_user_gets_ports_and_selector_but_no_owner() -> None:
    service = {"headless": True, "apex": {"labels": {"team": "a"}}, "trafficDistribution": "PreferClose"}
    users: dict[str, Any] = {"metadata": {"name": "podinfo", "namespace": "test"}, "spec": {"clusterIP": "10.0.0.7"}}
    assert apex(service, existing=users) == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "podinfo", "namespace": "test", "annotations": FLUX},
        "spec": {
            "selector": {"app": "podinfo-primary"},
            "ports": [{"name": "http", "protocol": "TCP", "port": 9898, "targetPort": 9898}],
        },
    }


def test_name_that_a_port_of_others_has_is_not_used_twice() -> None:
    others = [
        {"name": "http", "port": 80, "protocol": "TCP"},
        {"name": "http-metrics", "port": 9797, "protocol": "UDP"},
    ]
    canary = podinfo_canary(service={"portDiscovery": True})
    rendered = apex_service(canary, podinfo_deployment(), {"metadata": {}, "spec": {"ports": others}})
    names = {port["port"]: port["name"] for port in rendered["spec"]["ports"]}
    assert names == {9898: "tcp-9898", 9797: "tcp-9797", 9999: "tcp-podinfod-2"}


USERS_PORTS = [
    {"name": "http", "protocol": "TCP", "port": 9003, "targetPort": 9797},
    {"name": "mcp-server", "protocol": "TCP", "port": 8081, "targetPort": 8081},
    {"name": "http-ui", "protocol": "TCP", "port": 9090, "targetPort": 9898},
]


def _merged(service: dict[str, Any], *container_ports: dict[str, Any]) -> list[dict[str, Any]]:
    """The ports of a user's own Service, once they are applied over what stands there, by name."""
    target = podinfo_deployment()
    target["spec"]["template"]["spec"]["containers"][0]["ports"] = list(container_ports)
    users = {"metadata": {"name": "podinfo"}, "spec": {"ports": USERS_PORTS}}
    ours = apex_service(podinfo_canary(service=service), target, users)["spec"]["ports"]
    again = {"metadata": {"name": "podinfo"}, "spec": {"ports": [*ours, *(p for p in USERS_PORTS if p not in ours)]}}
    assert apex_service(podinfo_canary(service=service), target, again)["spec"]["ports"] == ours
    numbers = {(port["port"], port["protocol"]) for port in ours}
    merged = [*ours, *(port for port in USERS_PORTS if (port["port"], port["protocol"]) not in numbers)]
    assert len({port["name"] for port in merged}) == len(merged)
    return sorted(merged, key=lambda port: port["name"])


DISCOVERING = {"port": 9090, "targetPort": 9898, "portDiscovery": True}
PORTS = ({"containerPort": 9898}, {"containerPort": 9003}, {"name": "mcp", "containerPort": 8081})


def test_the_ports_of_a_users_service_keep_their_names_and_targets() -> None:
    """Among them a port whose number is that of another container port, and one whose target nobody else leads to."""
    metrics = {"name": "metrics", "containerPort": 9797}
    assert _merged(DISCOVERING, *PORTS, metrics) == USERS_PORTS[:1] + USERS_PORTS[2:] + USERS_PORTS[1:2]


def test_a_users_service_gets_what_it_lacks_under_names_that_are_free() -> None:
    ports = ({"name": "http-ui", "containerPort": 7070}, {"name": "own", "containerPort": 7071})
    added = [port for port in _merged(DISCOVERING, *PORTS, *ports) if port not in USERS_PORTS]
    assert added == [
        {"name": "own", "protocol": "TCP", "port": 7071, "targetPort": 7071},
        {"name": "tcp-7070", "protocol": "TCP", "port": 7070, "targetPort": 7070},
    ]
    new_main = _merged({"port": 80, "targetPort": 9898}, *PORTS)
    assert {"name": "tcp-80", "protocol": "TCP", "port": 80, "targetPort": 9898} in new_main


def test_a_users_service_gets_no_port_of_another_protocol_and_keeps_its_own() -> None:
    dns = {"name": "dns", "containerPort": 53, "protocol": "UDP"}
    assert 53 not in {port["port"] for port in _merged(DISCOVERING, *PORTS, dns)}
    assert ("dns", "UDP", 53) in [
        (port["name"], port["protocol"], port["port"])
        for port in apex_service(
            podinfo_canary(service=DISCOVERING), _with_ports(dns), {"metadata": {}, "spec": {"ports": [_USERS_DNS]}}
        )["spec"]["ports"]
    ]


_USERS_DNS = {"name": "dns", "protocol": "UDP", "port": 53, "targetPort": 53}


def _with_ports(*ports: dict[str, Any]) -> dict[str, Any]:
    target = podinfo_deployment()
    target["spec"]["template"]["spec"]["containers"][0]["ports"] = list(ports)
    return target


def test_the_specs_target_and_name_go_before_those_of_a_users_service() -> None:
    ports = _merged(DISCOVERING | {"portName": "web", "targetPort": 9999}, *PORTS)
    assert {"name": "web", "protocol": "TCP", "port": 9090, "targetPort": 9999} in ports


def test_own_service_keeps_the_address_that_it_was_created_with() -> None:
    headless = apex({"headless": True})
    assert apex({"headless": True}, existing=headless) == headless
    with_address = stored(apex())
    with_address["spec"]["clusterIP"] = "10.0.0.7"
    assert "clusterIP" not in apex({"headless": True}, existing=with_address)["spec"]


def test_defaults_and_other_peoples_fields_are_no_difference() -> None:
    rendered = apex()
    live = stored(rendered)
    live["metadata"]["labels"]["theirs"] = "x"
    live["spec"] |= {"clusterIP": "10.0.0.7", "type": "NodePort"}
    live["spec"]["ports"][0]["nodePort"] = 30000
    live["spec"]["ports"].insert(0, {"name": "theirs", "port": 1, "protocol": "TCP", "targetPort": 1})
    assert is_as_rendered(live, rendered)


@pytest.mark.parametrize(
    "spec",
    [
        {"selector": {"app": "podinfo"}},
        {"selector": {}},
        {"ports": []},
        {"ports": None},
        {"ports": [{"name": "http", "protocol": "TCP", "port": 9898, "targetPort": 1}]},
    ],
)
def test_a_field_of_ours_that_was_changed_is_a_difference(spec: dict[str, Any]) -> None:
    rendered = apex()
    assert not is_as_rendered(rendered | {"spec": rendered["spec"] | spec}, rendered)


def with_old_port(name: str = "http") -> dict[str, Any]:
    """The apex Service of port 9898, as stored."""
    service = stored(apex({"portName": name, "appProtocol": "http"}))
    service["spec"]["ports"][0]["nodePort"] = 30000
    return service


def ports_of(service: dict[str, Any]) -> list[tuple[str, int, int]]:
    return [(port["name"], port["port"], port["targetPort"]) for port in service["spec"]["ports"]]


def test_a_port_that_the_route_still_sends_to_stays_as_it_is() -> None:
    edited = podinfo_canary(service={"port": 8080})
    service = apex_service(edited, podinfo_deployment(), with_old_port(), kept_port=9898)
    assert ports_of(service) == [("tcp-8080", 8080, 9898), ("http", 9898, 9898)]
    assert service["spec"]["ports"][1] == {
        "name": "http",
        "protocol": "TCP",
        "port": 9898,
        "targetPort": 9898,
        "appProtocol": "http",
    }
    assert ports_of(apex_service(edited, podinfo_deployment(), with_old_port("old"), kept_port=9898)) == [
        ("http", 8080, 9898),
        ("old", 9898, 9898),
    ]


def test_a_port_keeps_the_name_that_it_got_because_another_had_its_own() -> None:
    """A new name would cut it off for as long as the endpoints are not known by it."""
    edited = podinfo_canary(service={"port": 8080})
    both = stored(apex_service(edited, podinfo_deployment(), with_old_port(), kept_port=9898))
    assert ports_of(apex_service(edited, podinfo_deployment(), both)) == [("tcp-8080", 8080, 9898)]
    alone = stored(apex_service(edited, podinfo_deployment(), both))
    assert ports_of(apex_service(edited, podinfo_deployment(), alone)) == [("tcp-8080", 8080, 9898)]


def test_a_port_that_the_spec_has_again_or_that_nobody_has_is_not_kept() -> None:
    assert ports_of(apex_service(podinfo_canary(), podinfo_deployment(), with_old_port(), kept_port=9898)) == [
        ("http", 9898, 9898)
    ]
    assert ports_of(apex_service(podinfo_canary(), podinfo_deployment(), None, kept_port=1)) == [("http", 9898, 9898)]


def test_metadata_that_we_set_before_it_was_unmanaged_keeps_its_value() -> None:
    service = {
        "apex": {"labels": {"team": "a", "gone": "x"}, "annotations": {"note": "a"}},
        "unmanagedMetadata": {"labels": ["team", "gone", "other"], "annotations": ["note"]},
    }
    existing = stored(apex())
    existing["metadata"]["labels"] |= {"team": "b", "other": "c"}
    existing["metadata"]["annotations"] |= {"note": "b"}
    metadata = apex(service, existing)["metadata"]
    assert metadata["labels"] == {"team": "b", "app": "podinfo"}
    assert metadata["annotations"] == {"note": "b"} | FLUX


@pytest.mark.parametrize(
    ("is_headless", "address", "told"),
    [
        (
            True,
            "10.0.0.7",
            "found true; allowed: false as long as Service podinfo exists, for its clusterIP (10.0.0.7)",
        ),
        (False, "None", "found false; allowed: true as long as Service podinfo exists, for its clusterIP (None)"),
        (True, "None", None),
        (False, "10.0.0.7", None),
    ],
)
def test_an_address_that_cannot_be_changed_is_told(*, is_headless: bool, address: str, told: str | None) -> None:
    canary, existing = podinfo_canary(service={"headless": is_headless}), stored(apex())
    existing["spec"]["clusterIP"] = address
    problem = address_problem(canary, existing)
    assert problem == "" if told is None else f"Canary test/podinfo spec.service.headless: {told}" in problem


def test_the_address_of_a_service_of_a_user_is_theirs() -> None:
    existing = {"metadata": {"name": "podinfo", "namespace": "test"}, "spec": {"clusterIP": "10.0.0.7"}}
    assert address_problem(podinfo_canary(service={"headless": True}), existing) == ""
    assert address_problem(podinfo_canary(service={"headless": True}), None) == ""


def test_each_service_has_labels_and_annotations_of_its_own() -> None:
    own = {kind: {"labels": {"side": kind}, "annotations": {"note": kind}} for kind in ("apex", "primary", "canary")}
    canary, target = podinfo_canary(service=own), podinfo_deployment()
    rendered = {
        "apex": apex_service(canary, target),
        "primary": side_service(canary, target, Side.PRIMARY),
        "canary": side_service(canary, target, Side.CANARY),
    }
    for kind, service in rendered.items():
        assert service["metadata"]["labels"] == {"side": kind, "app": service["metadata"]["name"]}
        assert service["metadata"]["annotations"] == {"note": kind} | FLUX
