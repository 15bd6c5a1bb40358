"""The translator alone, held to what a real Gloo made of the same objects."""

import pytest

from sandbox.gloo.translate import translate
from tests.support import gloo_cases
from tests.support.gloo_cases import Json


@pytest.mark.parametrize("case", [case for case in gloo_cases.CASES if gloo_cases.is_served(case)])
def test_routes_equal_the_recorded_ones(case: str) -> None:
    translation = translate(gloo_cases.snapshot(gloo_cases.objects(case) + gloo_cases.surroundings()))
    recorded = gloo_cases.recording(case)["envoy_virtual_hosts"]
    assert gloo_cases.recorded_form(translation.route_config["virtual_hosts"]) == recorded


@pytest.mark.parametrize("case", gloo_cases.CASES)
def test_statuses_equal_the_recorded_ones(case: str) -> None:
    translation = translate(gloo_cases.snapshot(gloo_cases.objects(case) + gloo_cases.surroundings()))
    statuses = {
        f"{plural}/{name}": gloo_cases.recorded_status(status)
        for (plural, (_, name)), status in translation.statuses.items()
        if plural != "upstreams"
    }
    assert statuses == gloo_cases.recording(case)["statuses"]


@pytest.mark.parametrize("case", gloo_cases.UPSTREAM_CASES)
def test_upstream_becomes_the_recorded_cluster_endpoints_and_status(case: str) -> None:
    translation = translate(gloo_cases.snapshot([gloo_cases.upstream(case), *gloo_cases.surroundings()]))
    recorded = gloo_cases.upstream_recording(case)
    cluster = translation.clusters.get("u_conf")
    config = None if cluster is None else cluster.config
    assert gloo_cases.without_hash(config) == gloo_cases.without_hash(recorded["envoy_cluster"])
    if cluster is not None:
        assignment = cluster.assignment or cluster.config["load_assignment"]
        assert _addresses(assignment) == recorded["endpoints"]
    status = translation.statuses["upstreams", ("conf", "u")]
    assert {"statuses": {"gloo-system": status}} == recorded["status"]


def _addresses(assignment: Json) -> list[str]:
    sockets = [
        endpoint["endpoint"]["address"]["socket_address"]
        for locality in assignment["endpoints"]
        for endpoint in locality["lb_endpoints"]
    ]
    return [f"{socket['address']}:{socket['port_value']}" for socket in sockets]
