"""Gloo's statuses, as recorded."""

from typing import Any

import pytest

from render.gloo_status import GlooState, GlooStatus, delegates, gloo_verdict, gravest
from tests.support import gloo_cases

PROXY = "*v1.Proxy.gateway-proxy_gloo-system"


def recorded(case: str, obj: str) -> dict[str, Any]:
    """An object with the status that was recorded for it."""
    status = gloo_cases.recording(case)["statuses"][obj]
    entry = {"reportedBy": "gloo", "state": status["state"], "subresourceStatuses": status["proxy"]}
    if status["reason"] is not None:
        entry["reason"] = status["reason"]
    return {"status": {"statuses": {"gloo-system": entry}}}


@pytest.mark.parametrize(
    ("case", "obj", "state", "reason"),
    [
        ("weight-95-5", "routetables/app", GlooState.ACCEPTED, ""),
        ("zero-total-weight", "routetables/app", GlooState.REJECTED, "require a total weight"),
        ("zero-total-weight", "virtualservices/app", GlooState.REJECTED, "require a total weight"),
        ("missing-canary-upstream", "routetables/app", GlooState.WARNING, "conf.no-such-upstream } not found"),
        ("missing-canary-upstream", "virtualservices/app", GlooState.WARNING, "conf.no-such-upstream } not found"),
        ("route-table-missing", "virtualservices/app", GlooState.WARNING, "route table conf.app missing"),
    ],
)
def test_recorded_status_is_read_with_its_proxies(case: str, obj: str, state: GlooState, reason: str) -> None:
    verdict = gloo_verdict(recorded(case, obj))
    assert verdict.state is state
    assert verdict.proxies == 1
    assert reason in verdict.reason
    assert bool(verdict.reason) == bool(reason)


def test_reason_that_proxy_and_object_share_is_said_once_in_one_line() -> None:
    reason = gloo_verdict(recorded("missing-canary-upstream", "virtualservices/app")).reason
    assert reason.count("InvalidDestinationWarning") == 1
    assert "\n" not in reason


@pytest.mark.parametrize("proxies", [{PROXY: {}}, {}, {PROXY: {}, "*v1.Proxy.other": {"state": "Rejected"}}])
def test_emptied_entry_is_being_processed(proxies: dict[str, Any]) -> None:
    entry = {"state": "Accepted", "reportedBy": "gloo", "subresourceStatuses": proxies}
    verdict = gloo_verdict({"status": {"statuses": {"gloo-system": entry}}})
    assert verdict.state is GlooState.PENDING


@pytest.mark.parametrize("obj", [{}, {"status": None}, {"status": {}}, {"status": {"statuses": {}}}])
def test_object_that_gloo_has_not_looked_at_is_pending(obj: dict[str, Any]) -> None:
    assert gloo_verdict(obj) == GlooStatus(GlooState.PENDING)


def test_worst_of_several_proxies_counts() -> None:
    proxies = {
        "*v1.Proxy.one": {"state": "Accepted"},
        "*v1.Proxy.two": {"state": "Warning", "reason": "so so"},
        "*v1.Proxy.three": {"state": "Rejected", "reason": "no"},
    }
    status = {"statuses": {"gloo-system": {"state": "Accepted", "subresourceStatuses": proxies}}}
    assert gloo_verdict({"status": status}) == GlooStatus(GlooState.REJECTED, "no", 3)


@pytest.mark.parametrize(
    ("number", "state"),
    [(0, GlooState.PENDING), (1, GlooState.ACCEPTED), (2, GlooState.REJECTED), (3, GlooState.WARNING), (9, "Pending")],
)
def test_states_of_older_gloo_are_numbers(number: int, state: GlooState) -> None:
    assert gloo_verdict({"status": {"state": number, "reportedBy": "gateway"}}).state == state
    assert gloo_verdict({"status": {"statuses": {"gloo-system": {"state": number}}}}).state == state


def test_table_that_no_proxy_serves_shows_none() -> None:
    assert gloo_verdict({"status": {"statuses": {"gloo-system": {"state": "Accepted"}}}}).proxies == 0


def test_delegates_are_read_in_both_forms() -> None:
    routes = [
        {"delegateAction": {"ref": {"name": "a", "namespace": "one"}}},
        {"delegateAction": {"name": "b", "namespace": "two"}},
        {"delegateAction": {"ref": {"name": "c"}}},
        {"delegateAction": {"selector": {"labels": {"team": "a"}}}},
        {"routeAction": {}},
    ]
    service = {"metadata": {"name": "vs", "namespace": "home"}, "spec": {"virtualHost": {"routes": routes}}}
    assert delegates(service) == {("one", "a"), ("two", "b"), ("home", "c")}


def test_the_gravest_judgement_counts() -> None:
    accepted, warned, rejected = (GlooStatus(GlooState(word)) for word in ("Accepted", "Warning", "Rejected"))
    assert gravest([accepted, warned]) is warned
    assert gravest([warned, rejected]) is rejected
    assert gravest([accepted]) is accepted
