"""Gloo's statuses, as recorded, and whom they are about."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from render.gloo_status import (
    GlooState,
    GlooStatus,
    OurObjects,
    ProxyEntry,
    gravest,
    own_verdict,
    proxy_verdict,
    read_proxies,
    service_verdict,
)
from tests.support import gloo_cases

PROXY = "*v1.Proxy.gateway-proxy_gloo-system"
PRIMARY, CANARY = ("conf", "conf-app-primaryupstream-9898"), ("conf", "conf-app-canaryupstream-9898")
OURS = OurObjects(
    ("conf", "app"),
    frozenset({PRIMARY, CANARY}),
    parents=frozenset({("infra", "front")}),
    services=frozenset({("infra", "web")}),
)


def recorded(case: str, obj: str) -> dict[str, Any]:
    """An object with the status that was recorded for it."""
    status = gloo_cases.recording(case)["statuses"][obj]
    entry = {"reportedBy": "gloo", "state": status["state"], "subresourceStatuses": status["proxy"]}
    if status["reason"] is not None:
        entry["reason"] = status["reason"]
    return {"status": {"statuses": {"gloo-system": entry}}}


def verdict_on(case: str, ours: OurObjects = OURS) -> GlooStatus:
    """Judge the recorded table and VirtualService `app`."""
    table = recorded(case, "routetables/app")
    service = recorded(case, "virtualservices/app")
    return gravest([own_verdict(table), proxy_verdict(read_proxies(table) or (), ours), service_verdict(service, ours)])


@pytest.mark.parametrize("case", ["weight-95-5", "neighbour-broken", "neighbour-table-missing"])
def test_what_gloo_says_of_a_neighbour_is_nothing_about_us(case: str) -> None:
    assert verdict_on(case) == GlooStatus(GlooState.ACCEPTED)


def test_the_same_warning_is_ours_where_it_names_an_upstream_of_ours() -> None:
    ours = OurObjects(("conf", "app"), frozenset({PRIMARY, ("conf", "no-such-upstream")}))
    found = verdict_on("missing-canary-upstream", ours)
    assert found.state is GlooState.WARNING
    assert found.reason == (
        "Route Warning: InvalidDestinationWarning. Reason: invalid destination in weighted destination list: "
        "*v1.Upstream { conf.no-such-upstream } not found"
    )


def test_a_proxy_that_is_rejected_counts_whoever_is_at_fault() -> None:
    found = verdict_on("zero-total-weight", OurObjects(("other", "table")))
    assert found.state is GlooState.REJECTED
    assert "require a total weight" in found.reason
    assert "\n" not in found.reason


def test_a_service_that_does_not_find_our_table_warns_us() -> None:
    service = recorded("route-table-missing", "virtualservices/app")
    assert service_verdict(service, OURS) == GlooStatus(GlooState.WARNING, "route table conf.app missing")
    assert service_verdict(service, OurObjects(("conf", "ap"))).state is GlooState.ACCEPTED


@pytest.mark.parametrize(
    ("line", "is_ours"),
    [
        ("*v1.Upstream { conf.conf-app-canaryupstream-9898 } not found", True),
        ("*v1.Upstream { conf.conf-app-canaryupstream-989 } not found", False),
        ("*v1.Upstream { conf.conf-app-canaryupstream-9898.x } not found", False),
        ("*v1.Upstream { my-conf.conf-app-canaryupstream-9898 } not found", False),
        ('Upstream name:"conf-app-canaryupstream-9898" namespace:"conf" references the service \'x\'', True),
        ("on sub route table conf.app: invalid route: route must specify an action", True),
        ("on sub route table conf.app-2: invalid route: route must specify an action", False),
        ("on sub route table infra.front: invalid route: route table matchers must begin with the prefix", True),
        ("on sub route table infra.front: route table infra.theirs missing", False),
        ("on sub route table infra.front: route table conf.app missing", True),
        ("on sub route table infra.other: route table infra.theirs missing", False),
        ("Route Error: ProcessingError. Reason: x. Route Name: infra_web-route-1-matcher-0", True),
        ("Route Error: ProcessingError. Reason: x. Route Name: infra_webshop-route-1-matcher-0", False),
        ("Route Error: x. Route Name: infra_web-route-1-vs:p_p_infra_web_route:a_rt:conf_app_route:b-matcher-0", True),
        ("Route Error: x. Route Name: infra_web-route-1-vs:p_p_infra_web_route:a_rt:b_c_route:d-matcher-0", False),
        ("no route table matches the given selector", False),
        ("a word of a later Gloo about everything and nothing", False),
    ],
)
def test_the_objects_that_a_text_names_tell_whose_it_is(line: str, *, is_ours: bool) -> None:
    found = proxy_verdict([ProxyEntry(GlooState.WARNING, f"warning: \n  {line}")], OURS)
    assert found.state is (GlooState.WARNING if is_ours else GlooState.ACCEPTED)


def test_of_many_faults_only_ours_are_told() -> None:
    lines = [f"Route Warning: InvalidDestinationWarning. Reason: *v1.Upstream {{ a.b{n} }} not found" for n in range(9)]
    lines.insert(4, "Route Warning: X. Reason: *v1.Upstream { conf.conf-app-primaryupstream-9898 } not found")
    found = proxy_verdict([ProxyEntry(GlooState.WARNING, "warning: \n  " + "\n".join(lines))], OURS)
    assert found == GlooStatus(GlooState.WARNING, lines[4])


TEXTS = (
    "Route Warning: InvalidDestinationWarning. Reason: *v1.Upstream {{ {0}.{1} }} not found",
    'Upstream name:"{1}" namespace:"{0}" references the service \'x\'',
    "on sub route table {0}.{1}: invalid route: route must specify an action",
    "route table {0}.{1} missing",
)
beside = st.text("a-9", max_size=2)
neighbours = (
    st.tuples(beside, st.sampled_from([OURS.table, PRIMARY, CANARY]), beside, beside, beside)
    .map(lambda one: (f"{one[0]}{one[1][0]}{one[2]}", f"{one[3]}{one[1][1]}{one[4]}"))
    .filter(lambda name: name not in {OURS.table, PRIMARY, CANARY})
)


@given(st.lists(st.tuples(st.sampled_from(TEXTS), neighbours), min_size=1, max_size=4), st.sampled_from(TEXTS))
def test_no_name_that_is_like_ours_holds_us_and_none_hides_ours(
    theirs: list[tuple[str, tuple[str, str]]], text: str
) -> None:
    lines = [line.format(*name) for line, name in theirs]
    assert proxy_verdict([ProxyEntry(GlooState.WARNING, "\n".join(lines))], OURS) == GlooStatus(GlooState.ACCEPTED)
    ours = text.format(*CANARY)
    found = proxy_verdict([ProxyEntry(GlooState.WARNING, "\n".join([*lines, ours]))], OURS)
    assert found == GlooStatus(GlooState.WARNING, ours)


@pytest.mark.parametrize("proxies", [{PROXY: {}}, {}, {PROXY: {}, "*v1.Proxy.other": {"state": "Rejected"}}])
def test_emptied_entry_is_being_processed(proxies: dict[str, Any]) -> None:
    entry = {"state": "Accepted", "reportedBy": "gloo", "subresourceStatuses": proxies}
    assert read_proxies({"status": {"statuses": {"gloo-system": entry}}}) is None


@pytest.mark.parametrize("obj", [{}, {"status": None}, {"status": {}}, {"status": {"statuses": {}}}])
def test_object_that_gloo_has_not_looked_at_is_pending(obj: dict[str, Any]) -> None:
    assert own_verdict(obj) == GlooStatus(GlooState.PENDING)
    assert read_proxies(obj) == ()


def test_worst_of_several_proxies_counts() -> None:
    proxies = {
        "*v1.Proxy.one": {"state": "Accepted"},
        "*v1.Proxy.two": {"state": "Warning", "reason": "route table conf.app missing"},
        "*v1.Proxy.three": {"state": "Rejected", "reason": "no"},
    }
    status = {"statuses": {"gloo-system": {"state": "Accepted", "subresourceStatuses": proxies}}}
    entries = read_proxies({"status": status})
    assert entries is not None
    assert proxy_verdict(entries, OURS) == GlooStatus(GlooState.REJECTED, "no")
    assert proxy_verdict(entries[:2], OURS).state is GlooState.WARNING


@pytest.mark.parametrize(
    ("number", "state"),
    [(0, GlooState.PENDING), (1, GlooState.ACCEPTED), (2, GlooState.REJECTED), (3, GlooState.WARNING), (9, "Pending")],
)
def test_states_of_older_gloo_are_numbers(number: int, state: GlooState) -> None:
    assert own_verdict({"status": {"state": number, "reportedBy": "gateway"}}).state == state
    assert own_verdict({"status": {"statuses": {"gloo-system": {"state": number}}}}).state == state


def test_table_that_no_proxy_serves_shows_none() -> None:
    assert read_proxies({"status": {"statuses": {"gloo-system": {"state": "Accepted"}}}}) == ()


def test_the_gravest_judgement_counts() -> None:
    accepted, warned, rejected = (GlooStatus(GlooState(word), word) for word in ("Accepted", "Warning", "Rejected"))
    assert gravest([accepted, warned]) == warned
    assert gravest([warned, rejected, GlooStatus(GlooState.PENDING)]) == rejected
    assert gravest([accepted]).state is GlooState.ACCEPTED
