"""Nothing that admission lets through makes Envoy refuse its configuration, with which everybody's routes would stand
still: specs drawn at random, rendered by us, translated as Gloo does, and read by the shipped Envoy."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from canary.api.canary import Canary
from canary.rules.header_variables import PLAIN_VARIABLES, find_fault
from canary.rules.shape import canary_problems, parse_canary
from canary.run.traffic import ALL_TO_PRIMARY, Traffic
from render.route_table import route_patch, route_table
from sandbox.gloo.translate import translate
from tests.support import gloo_cases
from tests.support.envoy_validation import refusal, refusal_of_route
from tests.support.gateway_specs import analyses, main_matchers, services
from tests.support.header_values import header_values
from tests.support.json_patch import apply_patch
from tests.support.podinfo import canary_object, stored

Json = dict[str, Any]

# Nothing is shrunk, which would take minutes: the specs that Envoy refuses are told apart by asking for each.
SLOW = settings(deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))


def object_of(service: Json, analysis: Json) -> Json:
    obj = canary_object(
        targetRef={"apiVersion": "apps/v1", "kind": "Deployment", "name": "app"},
        service=service,
        analysis={"interval": "10s", "threshold": 5} | analysis,
    )
    return obj | {"metadata": obj["metadata"] | {"name": "app", "namespace": "conf"}}


def virtual_host(canary: Canary, matchers: list[Json]) -> Json:
    """Return what Envoy gets of a canary in mid-run whose main route users have narrowed; all of it is Accepted."""
    affinity = canary.analysis.session_affinity if canary.analysis is not None else None
    traffic = Traffic(50, cookie=f"{affinity.cookie_name}=abcdefghij" if affinity is not None else "")
    table = stored(route_table(canary, ALL_TO_PRIMARY))
    if matchers:
        table["spec"]["routes"][-1] |= {"inheritablePathMatchers": False, "matchers": matchers}
    table = apply_patch(table, route_patch(canary, table, traffic, 1))
    virtual_service = gloo_cases.objects("weight-100-0")[0]
    virtual_service["spec"]["virtualHost"]["routes"][0]["matchers"] = [{"prefix": "/"}]
    translation = translate(gloo_cases.snapshot([virtual_service, table, *gloo_cases.surroundings()]))
    (host,) = translation.route_config["virtual_hosts"] or [{"routes": []}]
    return dict(host)


def validated(hosts: list[Json]) -> str:
    numbered = [host | {"name": str(number), "domains": [f"{number}.example.com"]} for number, host in enumerate(hosts)]
    with tempfile.TemporaryDirectory() as folder:
        return refusal(numbered, Path(folder))


def test_envoy_takes_every_route_of_a_spec_that_is_accepted() -> None:
    hosts: list[Json] = []

    @settings(SLOW, max_examples=400)
    @given(services(), analyses(), main_matchers())
    def draw(service: Json, analysis: Json, matchers: list[Json]) -> None:
        obj = object_of(service, analysis)
        if all(problem.is_warning for problem in canary_problems(obj)):
            hosts.append(virtual_host(parse_canary(obj), matchers))

    draw()
    assert len(hosts) > 100
    if said := validated(hosts):
        refused = [(host, said) for host in hosts if (said := validated([host]))]
        raise AssertionError(f"{refused[:3] or said}")


@settings(SLOW, max_examples=5)
@given(st.lists(header_values(), min_size=50, max_size=200))
def test_envoy_reads_every_header_value_that_is_accepted(values: list[str]) -> None:
    added = [{"header": {"key": "x", "value": value}} for value in values]
    route = {"match": {"prefix": "/"}, "route": {"cluster": "c"}, "request_headers_to_add": added}
    with tempfile.TemporaryDirectory() as folder:
        assert refusal_of_route(route, Path(folder)) == ""


def test_envoy_knows_every_variable_of_the_list(tmp_path: Path) -> None:
    added = [{"header": {"key": "x", "value": f"%{name}%"}} for name in PLAIN_VARIABLES]
    route = {"match": {"prefix": "/"}, "route": {"cluster": "c"}, "response_headers_to_add": added}
    assert refusal_of_route(route, tmp_path) == ""


@pytest.mark.parametrize(
    "value",
    [
        *("%FOO%", "%REQ%", "%REQ()%", "%PROTOCOL(x)%", "%REQ(a?b?c)%", "%RESPONSE_CODE:0%", "%DYNAMIC_METADATA%"),
        *("%ENVIRONMENT%", "%CEL(1+)%", "%100%", "%TRAILER%", "%REQ(x y)%", "%START_TIME(%n)%", "%GRPC_STATUS(X)%"),
        *("%", "100%", "%%%", "%REQ(a)", "a" * 16_385, "é" * 8_193, "a\nb", "\0"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_a_header_value_that_envoy_refuses_is_refused_at_admission(value: str, tmp_path: Path) -> None:
    route = {
        "match": {"prefix": "/"},
        "route": {"cluster": "c"},
        "request_headers_to_add": [{"header": {"key": "x", "value": value}}],
    }
    assert refusal_of_route(route, tmp_path)
    errors_at(
        object_of({"headers": {"request": {"set": {"x": value}}}}, {"stepWeight": 5}),
        "spec.service.headers.request.set.x",
    )


@pytest.mark.parametrize("value", ["%ENVIRONMENT(PATH)%", "%CEL(request.path)%", "%QUERY_PARAM(a)%"])
def test_what_this_envoy_would_read_and_nobody_is_to_use_is_refused(value: str, tmp_path: Path) -> None:
    """The first shows what is the gateway's own; older versions of Envoy refuse the last."""
    added = [{"header": {"key": "x", "value": value}}]
    route = {"match": {"prefix": "/"}, "route": {"cluster": "c"}, "response_headers_to_add": added}
    assert refusal_of_route(route, tmp_path) == ""
    assert find_fault(value) == 0


MATCH = {"prefix": "/"}
ACTION = {"cluster": "c"}


@pytest.mark.parametrize(
    ("route", "service", "analysis", "path"),
    [
        (
            {"match": MATCH, "route": ACTION | {"timeout": "9223372036s"}},
            {"timeout": "2562047h47m16s"},
            {},
            "spec.service.timeout",
        ),
        (
            {"match": MATCH, "route": ACTION | {"retry_policy": {"num_retries": 2**32}}},
            {"retries": {"attempts": 2**32}},
            {},
            "spec.service.retries.attempts",
        ),
        (
            {"match": MATCH, "route": ACTION | {"prefix_rewrite": "/a\nb"}},
            {"rewrite": {"uri": "/a\nb"}},
            {},
            "spec.service.rewrite.uri",
        ),
        (
            {"match": MATCH, "route": ACTION | {"host_rewrite_literal": "a\0"}},
            {"rewrite": {"authority": "a\0"}},
            {},
            "spec.service.rewrite.authority",
        ),
        (
            {"match": MATCH, "route": ACTION, "request_headers_to_remove": ["host"]},
            {"headers": {"request": {"remove": ["host"]}}},
            {},
            "spec.service.headers.request.remove[0]",
        ),
        (
            {"match": MATCH, "route": ACTION, "request_headers_to_remove": [""]},
            {"headers": {"request": {"remove": [""]}}},
            {},
            "spec.service.headers.request.remove[0]",
        ),
        (
            {
                "match": MATCH,
                "route": ACTION,
                "request_headers_to_add": [{"header": {"key": f"x{n}", "value": "a"}} for n in range(1_001)],
            },
            {"headers": {"request": {"set": {f"x{n}": "a" for n in range(1_001)}}}},
            {},
            "spec.service.headers.request.set",
        ),
        (
            {"match": {"safe_regex": {"google_re2": {}, "regex": "/" + "a" * 1_100}}, "route": ACTION},
            {},
            {"match": [{"uri": {"regex": "/" + "a" * 1_100}}]},
            "spec.analysis.match[0].uri.regex",
        ),
        (
            {"match": MATCH | {"query_parameters": [{"name": "q" * 1_025, "present_match": True}]}, "route": ACTION},
            {},
            {"match": [{"queryParams": {"q" * 1_025: {"present": True}}}]},
            "spec.analysis.match[0].queryParams",
        ),
        (
            {"match": MATCH | {"headers": [{"name": "a", "safe_regex_match": {"regex": "["}}]}, "route": ACTION},
            {},
            {"match": [{"headers": {"a": {"regex": "["}}}]},
            "spec.analysis.match[0].headers.a.regex",
        ),
        (
            {
                "match": MATCH,
                "route": ACTION,
                "typed_per_filter_config": {
                    "envoy.filters.http.cors": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy",
                        "allow_origin_string_match": [{"safe_regex": {"regex": ""}}],
                    }
                },
            },
            {"corsPolicy": {"allowOrigins": [{"regex": ""}]}},
            {},
            "spec.service.corsPolicy.allowOrigins[0].regex",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_envoy_refuses_is_refused_at_admission(
    route: Json, service: Json, analysis: Json, path: str, tmp_path: Path
) -> None:
    assert refusal_of_route(route, tmp_path)
    errors_at(object_of(service, {"stepWeight": 5} | analysis), path)


def errors_at(obj: Json, path: str) -> None:
    """Assert that admission refuses the object for what stands there."""
    assert path in {problem.path for problem in canary_problems(obj) if not problem.is_warning}
