"""What goes to Envoy next, and in which order."""

import pytest

from sandbox.gloo.subscriptions import ASSIGNMENTS, CLUSTERS, ROUTES, Subscriptions, Versions


def versions(clusters: dict[str, str], assignments: dict[str, str], routes: str = "1") -> Versions:
    return {CLUSTERS: clusters, ASSIGNMENTS: assignments, ROUTES: {"routes": routes}}


def ask(subscriptions: Subscriptions, type_url: str, *names: str, is_refusal: bool = False) -> None:
    subscriptions.note_request(type_url, frozenset(names), is_refusal=is_refusal)


@pytest.fixture
def served() -> Subscriptions:
    """An Envoy that has cluster a with its endpoints, and routes."""
    subscriptions = Subscriptions()
    have = versions({"a": "1"}, {"a-1": "1"})
    ask(subscriptions, CLUSTERS)
    assert subscriptions.next_response(have) == (CLUSTERS, ["a"])
    ask(subscriptions, ASSIGNMENTS, "a-1")
    assert subscriptions.next_response(have) == (ASSIGNMENTS, ["a-1"])
    ask(subscriptions, ROUTES, "routes")
    assert subscriptions.next_response(have) == (ROUTES, ["routes"])
    assert subscriptions.next_response(have) is None
    return subscriptions


def test_an_empty_set_of_clusters_is_answered_once() -> None:
    subscriptions = Subscriptions()
    ask(subscriptions, CLUSTERS)
    assert subscriptions.next_response(versions({}, {})) == (CLUSTERS, [])
    assert subscriptions.next_response(versions({}, {})) is None


def test_routes_wait_for_the_endpoints_of_new_clusters(served: Subscriptions) -> None:
    have = versions({"a": "1", "b": "1"}, {"a-1": "1", "b-1": "1"}, routes="2")
    assert served.next_response(have) == (CLUSTERS, ["a", "b"])
    assert served.next_response(have) is None
    ask(served, ASSIGNMENTS, "a-1", "b-1")
    assert served.next_response(have) == (ASSIGNMENTS, ["b-1"])
    assert served.next_response(have) == (ROUTES, ["routes"])


def test_a_refused_cluster_does_not_hold_up_the_routes(served: Subscriptions) -> None:
    have = versions({"a": "1", "bad": "1"}, {"a-1": "1", "bad-1": "1"}, routes="2")
    assert served.next_response(have) == (CLUSTERS, ["a", "bad"])
    ask(served, CLUSTERS, is_refusal=True)
    assert served.next_response(have) == (ROUTES, ["routes"])


def test_refused_routes_are_not_sent_again_until_they_change(served: Subscriptions) -> None:
    bad = versions({"a": "1"}, {"a-1": "1"}, routes="bad")
    assert served.next_response(bad) == (ROUTES, ["routes"])
    ask(served, ROUTES, "routes", is_refusal=True)
    assert served.next_response(bad) is None
    assert served.next_response(versions({"a": "1"}, {"a-1": "1"}, routes="1")) == (ROUTES, ["routes"])


def test_only_changed_endpoints_are_sent_and_a_removed_cluster_sends_all_clusters(served: Subscriptions) -> None:
    assert served.next_response(versions({"a": "1"}, {"a-1": "2"})) == (ASSIGNMENTS, ["a-1"])
    assert served.next_response(versions({}, {})) == (CLUSTERS, [])


def test_a_name_asked_for_again_is_sent_again(served: Subscriptions) -> None:
    have = versions({"a": "1"}, {"a-1": "1"})
    ask(served, ASSIGNMENTS)
    ask(served, ASSIGNMENTS, "a-1")
    assert served.next_response(have) == (ASSIGNMENTS, ["a-1"])


def test_routes_wait_for_the_endpoints_of_a_cluster_that_comes_back_at_once(served: Subscriptions) -> None:
    assert served.next_response(versions({}, {})) == (CLUSTERS, [])
    again = versions({"a": "1"}, {"a-1": "1"}, routes="2")
    assert served.next_response(again) == (CLUSTERS, ["a"])
    assert served.next_response(again) == (ASSIGNMENTS, ["a-1"])
    assert served.next_response(again) == (ROUTES, ["routes"])


def test_an_envoy_has_the_routes_when_it_was_sent_the_newest(served: Subscriptions) -> None:
    newest = versions({"a": "1"}, {"a-1": "1"}, routes="2")
    assert served.has_routes(versions({"a": "1"}, {"a-1": "1"}))
    assert not served.has_routes(newest)
    assert served.next_response(newest) == (ROUTES, ["routes"])
    assert served.has_routes(newest)


def test_an_envoy_that_asks_for_no_routes_is_not_waited_for() -> None:
    assert Subscriptions().has_routes(versions({}, {}))
