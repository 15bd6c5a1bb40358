"""From a VirtualService over its RouteTables to routes: what the recordings don't show."""

from typing import Any

from sandbox.gloo.snapshot import Snapshot, key_of
from sandbox.gloo.translate import Translation, translate

Json = dict[str, Any]


def virtual_service(*routes: Json, name: str = "app", domain: str = "app.example.com") -> Json:
    host = {"domains": [domain], "routes": list(routes)}
    return {"metadata": {"name": name, "namespace": "conf"}, "spec": {"virtualHost": host}}


def route_table(name: str, *routes: Json, labels: dict[str, str] | None = None, weight: int | None = None) -> Json:
    spec: Json = {"routes": list(routes)} | ({} if weight is None else {"weight": weight})
    return {"metadata": {"name": name, "namespace": "conf", "labels": labels or {}}, "spec": spec}


def delegate(prefix: str, name: str, **fields: Any) -> Json:
    return {
        "matchers": [{"prefix": prefix}],
        "delegateAction": {"ref": {"name": name, "namespace": "conf"}},
    } | fields


def answer(status: int, *matchers: Json, **fields: Any) -> Json:
    return {"matchers": list(matchers), "directResponseAction": {"status": status}} | fields


def translated(*items: Json, before: Translation | None = None) -> Translation:
    def of_kind(field: str) -> dict[tuple[str, str], Json]:
        return {key_of(item): item for item in items if field in item["spec"]}

    return translate(Snapshot(virtual_services=of_kind("virtualHost"), route_tables=of_kind("routes")), before)


def paths(translation: Translation) -> list[tuple[str, int]]:
    """(path, status of the direct response) of each route of the only virtual host."""
    (host,) = translation.route_config["virtual_hosts"]
    return [
        (route["match"].get("prefix") or route["match"].get("path"), route["direct_response"]["status"])
        for route in host["routes"]
    ]


def status(translation: Translation, plural: str, name: str) -> Json:
    return translation.statuses[plural, ("conf", name)]


def test_route_tables_delegate_further_and_options_of_the_nearest_win() -> None:
    outer = delegate("/a", "outer", options={"headerManipulation": {"requestHeadersToRemove": ["x-outer"]}})
    inner = delegate("/a/b", "inner", options={"headerManipulation": {"requestHeadersToRemove": ["x-inner"]}})
    leaf = answer(200, {"exact": "/a/b/c"})
    translation = translated(virtual_service(outer), route_table("outer", inner), route_table("inner", leaf))
    assert paths(translation) == [("/a/b/c", 200)]
    (host,) = translation.route_config["virtual_hosts"]
    assert host["routes"][0]["request_headers_to_remove"] == ["x-inner"]


def test_a_route_outside_its_parents_prefix_is_left_out_with_a_warning_on_both() -> None:
    table = route_table("api", answer(200, {"prefix": "/api/v1"}), answer(404, {"prefix": "/else"}))
    translation = translated(virtual_service(delegate("/api", "api")), table)
    assert paths(translation) == [("/api/v1", 200)]
    warning = "required prefix: /api, prefix: /else: invalid route: route table matchers must begin with the prefix"
    assert warning in status(translation, "routetables", "api")["reason"]
    own = status(translation, "virtualservices", "app")
    assert own["state"] == "Warning"
    assert f"on sub route table conf.api: {warning}" in own["reason"]


def test_a_circle_of_route_tables_is_rejected_and_the_old_virtual_host_stays() -> None:
    good = translated(virtual_service(delegate("/", "a")), route_table("a", answer(200, {"prefix": "/"})))
    circle = [
        virtual_service(delegate("/", "a")),
        route_table("a", delegate("/", "b")),
        route_table("b", delegate("/", "a")),
    ]
    translation = translated(*circle, before=good)
    assert paths(translation) == [("/", 200)]
    assert status(translation, "virtualservices", "app")["state"] == "Rejected"
    circle_text = "delegation cycle detected: [conf.a] -> [conf.b] -> [conf.a]"
    assert circle_text in status(translation, "routetables", "a")["reason"]
    assert translated(*circle).route_config["virtual_hosts"] == []


def test_tables_of_one_weight_are_sorted_by_path_and_lower_weights_come_first() -> None:
    selector = {"matchers": [{"prefix": "/"}], "delegateAction": {"selector": {"labels": {"team": "a"}}}}
    labels = {"team": "a"}
    translation = translated(
        virtual_service(selector),
        route_table("wide", answer(201, {"prefix": "/"}), labels=labels),
        route_table("deep", answer(202, {"prefix": "/foo/bar"}), labels=labels),
        route_table("mid", answer(203, {"prefix": "/foo"}), answer(204, {"exact": "/foo"}), labels=labels),
        route_table("first", answer(205, {"prefix": "/z"}), labels=labels, weight=-1),
        route_table("other", answer(206, {"prefix": "/o"}), labels={"team": "b"}),
    )
    assert paths(translation) == [("/z", 205), ("/foo", 204), ("/foo/bar", 202), ("/foo", 203), ("/", 201)]


def test_selector_by_expressions() -> None:
    expressions = [{"key": "team", "operator": "In", "values": ["a", "b"]}, {"key": "beta", "operator": "DoesNotExist"}]
    selector = {"delegateAction": {"selector": {"expressions": expressions, "namespaces": ["*"]}}}
    translation = translated(
        virtual_service(selector),
        route_table("a", answer(201, {"prefix": "/a"}), labels={"team": "a"}),
        route_table("b", answer(202, {"prefix": "/b"}), labels={"team": "b", "beta": "1"}),
        route_table("c", answer(203, {"prefix": "/c"}), labels={"team": "c"}),
    )
    assert paths(translation) == [("/a", 201)]


def test_a_selector_without_a_match_is_a_warning() -> None:
    translation = translated(virtual_service({"delegateAction": {"selector": {"labels": {"team": "a"}}}}))
    reason = status(translation, "virtualservices", "app")["reason"]
    assert reason == "warning: \n  no route table matches the given selector"


def test_inheritable_matchers_hand_down_headers_and_methods() -> None:
    route = {
        "matchers": [{"prefix": "/", "headers": [{"name": "x-a", "value": "1"}], "methods": ["GET"]}],
        "inheritableMatchers": True,
        "delegateAction": {"ref": {"name": "t", "namespace": "conf"}},
    }
    translation = translated(
        virtual_service(route), route_table("t", answer(200, {"prefix": "/x", "headers": [{"name": "x-b"}]}))
    )
    (host,) = translation.route_config["virtual_hosts"]
    assert [header["name"] for header in host["routes"][0]["match"]["headers"]] == ["x-a", "x-b", ":method"]


def test_two_virtual_services_with_one_domain_reject_each_other() -> None:
    translation = translated(
        virtual_service(answer(200), name="one"),
        virtual_service(answer(200), name="two"),
        virtual_service(answer(200), name="three", domain="other.example.com"),
    )
    assert [host["name"] for host in translation.route_config["virtual_hosts"]] == ["conf_three"]
    assert "[app.example.com] domain is present" in status(translation, "virtualservices", "one")["reason"]
    assert status(translation, "virtualservices", "three")["state"] == "Accepted"


def test_a_route_without_action_rejects_its_virtual_service() -> None:
    translation = translated(virtual_service({"matchers": [{"prefix": "/"}]}))
    assert "invalid route: route must specify an action" in status(translation, "virtualservices", "app")["reason"]


def test_an_invalid_path_regex_is_gloos_own_error() -> None:
    translation = translated(virtual_service(answer(200, {"regex": "/(unclosed"})))
    reason = status(translation, "virtualservices", "app")["reason"]
    assert "virtual service [conf.app] has a regex matcher with invalid regex" in reason
    assert translation.route_config["virtual_hosts"] == []


def test_a_malformed_object_harms_only_itself() -> None:
    broken = virtual_service(name="broken", domain="broken.example.com")
    broken["spec"]["virtualHost"]["routes"] = [{"matchers": [{"prefix": "/", "headers": [{"value": "no name"}]}]}]
    broken["spec"]["virtualHost"]["routes"][0]["directResponseAction"] = {"status": 200}
    translation = translated(broken, virtual_service(answer(200, {"prefix": "/"})))
    assert paths(translation) == [("/", 200)]
    assert "malformed spec: KeyError: 'name'" in status(translation, "virtualservices", "broken")["reason"]


def test_a_virtual_service_in_error_warns_nobody_else() -> None:
    missing = {"matchers": [{"prefix": "/a"}], "routeAction": {"single": {"upstream": {"name": "x", "namespace": "y"}}}}
    neighbour = virtual_service(missing, name="neighbour", domain="neighbour.example.com")
    ours = virtual_service(answer(200))
    (proxy,) = status(translated(neighbour, ours), "virtualservices", "app")["subresourceStatuses"].values()
    assert proxy["state"] == "Warning"
    neighbour["spec"]["virtualHost"]["routes"].append({"matchers": [{"prefix": "/b"}]})  # no action
    (proxy,) = status(translated(neighbour, ours), "virtualservices", "app")["subresourceStatuses"].values()
    assert proxy == {"state": "Accepted"}
