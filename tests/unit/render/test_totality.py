"""Whatever parse_canary accepts can be rendered, into JSON, and rendering it twice gives the same."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from canary.api.names import Side
from canary.api.problems import InvalidObject
from canary.rules.shape import parse_canary
from canary.run.traffic import Traffic
from render.route_table import read_traffic, route_table
from render.scaler import primary_scaler
from render.services import apex_service, side_service
from render.upstreams import upstream
from render.workload import primary_workload
from tests.support.podinfo import canary_object, podinfo_daemonset, podinfo_deployment, podinfo_hpa

WORDS = st.text("abc-/.", max_size=6)
MAPS = st.dictionaries(WORDS, WORDS, max_size=2)
LISTS = st.lists(WORDS, max_size=2)
DURATIONS = st.sampled_from(["", "0s", "15s", "1m30s", "250ms", "1h"])
OPERATIONS = st.fixed_dictionaries({}, optional={"set": MAPS, "add": MAPS, "remove": LISTS})
METADATA = st.fixed_dictionaries({}, optional={"labels": MAPS, "annotations": MAPS})
ORIGINS = st.lists(
    st.dictionaries(st.sampled_from(["exact", "prefix", "suffix", "regex"]), WORDS, min_size=1), max_size=2
)
SERVICES = st.fixed_dictionaries(
    {"port": st.integers(1, 65535)},
    optional={
        "name": st.sampled_from(["", "web"]),
        "portName": st.sampled_from(["", "http", "grpc"]),
        "targetPort": st.one_of(st.none(), st.integers(0, 65535), st.sampled_from(["http", "grpc"])),
        "portDiscovery": st.booleans(),
        "appProtocol": st.sampled_from(["", "http"]),
        "headless": st.booleans(),
        "apex": METADATA,
        "primary": METADATA,
        "unmanagedMetadata": st.fixed_dictionaries({}, optional={"labels": LISTS, "annotations": LISTS}),
        "timeout": DURATIONS,
        "retries": st.fixed_dictionaries({"attempts": st.integers(0, 3)}, optional={"perTryTimeout": DURATIONS}),
        "rewrite": st.fixed_dictionaries({}, optional={"uri": WORDS, "authority": WORDS, "type": WORDS}),
        "headers": st.fixed_dictionaries({}, optional={"request": OPERATIONS, "response": OPERATIONS}),
        "corsPolicy": st.fixed_dictionaries(
            {},
            optional={
                "allowOrigin": LISTS,
                "allowOrigins": ORIGINS,
                "maxAge": DURATIONS,
                "allowCredentials": st.booleans(),
            },
        ),
    },
)


@settings(deadline=None)
@given(SERVICES, st.sampled_from([podinfo_deployment(), podinfo_daemonset()]), st.integers(0, 100))
def test_every_accepted_canary_can_be_rendered(service: dict[str, Any], target: dict[str, Any], weight: int) -> None:
    try:
        canary = parse_canary(canary_object(service=service))
    except InvalidObject:
        return

    def render() -> list[dict[str, Any]]:
        return [
            apex_service(canary, target),
            *(side_service(canary, target, side) for side in Side),
            *(upstream(canary, target, side) for side in Side),
            primary_workload(canary, target, target["spec"]["template"], revision="r1", replicas=1),
            primary_scaler(canary, podinfo_hpa()),
            route_table(canary, Traffic(weight)),
        ]

    rendered = render()
    assert json.loads(json.dumps(rendered)) == render()
    assert read_traffic(canary, rendered[-1]) == Traffic(weight)
    ports = rendered[0]["spec"]["ports"]
    assert len({port["name"] for port in ports}) == len({port["port"] for port in ports}) == len(ports)
