"""Every strategy from `kubectl set image` to its end, run by the agent: who of the users gets which side, and when."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support.cluster import Cluster
from tests.support.exposure import exposed_percent
from tests.support.gates import Gates
from tests.support.history import History, watching
from tests.support.load import initialize
from tests.support.mortal_agent import watching_weights
from tests.support.own_metric import OWN_METRIC, own_metric
from tests.support.rollout import Rollouts
from tests.support.users import AFTER, BEFORE, CANARY, User, asking

WITHOUT_WEIGHTS: dict[str, Any] = {"stepWeight": None, "maxWeight": None}
MATCH = [{"headers": {"x-canary": {"exact": "insider"}}}, {"uri": {"prefix": "/api/"}}]
AB_TEST = WITHOUT_WEIGHTS | {"match": MATCH, "iterations": 3}
BLUE_GREEN = WITHOUT_WEIGHTS | {"iterations": 2, "interval": "2s"}
AFFINITY = {"stepWeight": 20, "sessionAffinity": {"cookieName": "app-cookie", "maxAge": 60}}


@pytest.fixture
def rollouts(cluster: Cluster, namespace: str) -> Rollouts:
    return Rollouts(cluster, namespace)


@pytest.fixture
def users(rollouts: Rollouts) -> Iterator["Users"]:
    with ExitStack() as stack:
        yield Users(rollouts, stack)


class Users:
    """Starts users, who ask until the test is over."""

    def __init__(self, rollouts: Rollouts, stack: ExitStack) -> None:
        self._rollouts = rollouts
        self._stack = stack

    def ask(self, path: str = "/", *, keeps_cookies: bool = False, **headers: str) -> User:
        return self._stack.enter_context(asking(self._rollouts, path, keeps_cookies=keeps_cookies, **headers))

    def wait_for(self, served: object, *users: User) -> None:
        self._rollouts.wait_for(f"all get {served}", lambda: all(user.last() == served for user in users))


def failing(rollouts: Rollouts) -> dict[str, Any]:
    """Return an analysis' fields with a check that fails once `own_metric(is_passing=False)` is applied."""
    rollouts.apply(own_metric())
    return {"metrics": [OWN_METRIC], "threshold": 2}


def canary_weights(rollouts: Rollouts) -> list[int]:
    """The canary side's weight on each route of the table."""
    routes = rollouts.get("routetable", "app")["spec"]["routes"]
    return [route["routeAction"]["multi"]["destinations"][1].get("weight", 0) for route in routes]


def copies(rollouts: Rollouts) -> int:
    """How many requests for / the canary's pods got; no probe asks for that."""
    kubectl, namespace = rollouts.cluster.kubectl, rollouts.namespace
    names = kubectl("-n", namespace, "get", "pods", "-l", "app=app", "-o", "jsonpath={.items[*].metadata.name}")
    count = 0
    for name in names.split():
        page = rollouts.cluster.try_kubectl(
            "get", "--raw", f"/api/v1/namespaces/{namespace}/pods/{name}:9898/proxy/metrics"
        )
        lines = [line for line in page.stdout.splitlines() if line.startswith("http_request_duration_seconds_count")]
        count += sum(int(line.rpartition(" ")[2]) for line in lines if 'path="root"' in line)
    return count


def asked_and_copied(rollouts: Rollouts, least: int) -> tuple[int, int]:
    """Ask at least so often, with nobody else asking; gives how often, and how many copies the canary's pods got."""
    before = copies(rollouts)
    with asking(rollouts) as user:
        rollouts.wait_for("it has asked", lambda: len(user.answers()) >= least)
    assert set(user.answers()) == {BEFORE}
    seen = [-1]

    def are_all_in() -> bool:
        seen.append(copies(rollouts))
        return seen[-1] == seen[-2]

    rollouts.wait_for("the last copies are counted", are_all_in)
    return len(user.answers()), seen[-1] - before


def iterations_before_traffic(history: History) -> int:
    """Return how many iterations were over when the canary side was to get its first weight; the route follows that."""
    shift = next(version for version, shown in history.exposures() if exposed_percent(shown) > 0)
    before = [version.obj["status"] for version in history.versions("canary", "app") if version.order < shift.order]
    return max(int(status["iterations"]) for status in before if status["canaryWeight"] == 0)


def test_an_ab_test_gives_the_canary_to_those_who_match_until_it_is_promoted(rollouts: Rollouts, users: Users) -> None:
    initialize(rollouts, AB_TEST)
    others, insider, caller = users.ask(), users.ask(x_canary="insider"), users.ask("/api/info")
    users.wait_for(BEFORE, others, insider, caller)
    rollouts.set_image("app", "3.1.1")
    rollouts.wait_for_phase("app", "Succeeded", deadline_s=90)
    users.wait_for(AFTER, others, insider, caller)
    assert insider.sequence() == [BEFORE, CANARY, AFTER], "away from the canary in mid-run, or 404"
    assert caller.sequence() == [BEFORE, CANARY, AFTER], "away from the canary in mid-run, or 404"
    assert set(others.answers()) == {BEFORE, AFTER}
    assert set(canary_weights(rollouts)) == {0}


@pytest.mark.long
def test_an_ab_test_that_fails_gives_everyone_back_to_the_primary(rollouts: Rollouts, users: Users) -> None:
    initialize(rollouts, AB_TEST | {"iterations": 50} | failing(rollouts))
    others, insider, caller = users.ask(), users.ask(x_canary="insider"), users.ask("/api/info")
    rollouts.set_image("app", "3.1.1")
    users.wait_for(CANARY, insider, caller)
    rollouts.apply(own_metric(is_passing=False))
    rollouts.wait_for_phase("app", "Failed")
    users.wait_for(BEFORE, insider, caller)
    rollouts.wait_for("scaled down", lambda: rollouts.get("deployment", "app")["spec"]["replicas"] == 0)
    assert insider.sequence() == [BEFORE, CANARY, BEFORE]
    assert caller.sequence() == [BEFORE, CANARY, BEFORE]
    assert others.sequence() == [BEFORE]
    assert rollouts.status("app")["failedChecks"] == 2


def test_blue_green_shows_the_canary_to_nobody_before_its_iterations_are_over(rollouts: Rollouts, users: Users) -> None:
    initialize(rollouts, BLUE_GREEN)
    user = users.ask()
    with watching(rollouts.cluster, rollouts.namespace) as history:
        rollouts.set_image("app", "3.1.1")
        rollouts.wait_for_phase("app", "Succeeded", deadline_s=90)
        users.wait_for(AFTER, user)
        history.wait_for("the route is back", lambda: history.routed() == ["0", "100", "0"])
    assert iterations_before_traffic(history) == 2
    assert user.sequence() == [BEFORE, CANARY, AFTER]


def test_blue_green_with_a_mirror_copies_requests_whose_answers_nobody_sees(rollouts: Rollouts, users: Users) -> None:
    gates = Gates(rollouts)
    mirrored = {"mirror": True, "mirrorWeight": 30, "webhooks": [gates.hook("confirm-promotion")]}
    initialize(rollouts, BLUE_GREEN | mirrored)
    with watching(rollouts.cluster, rollouts.namespace) as history:
        rollouts.set_image("app", "3.1.1")
        # The gate is asked before everybody's step, so that there is time to count.
        rollouts.wait_for_phase("app", "WaitingPromotion")
        asked, copied = asked_and_copied(rollouts, 200)
        assert 0.15 < copied / asked < 0.45, "thirty of a hundred are to be copied"
        user = users.ask()
        users.wait_for(BEFORE, user)
        gates.post("gate/open")
        rollouts.wait_for_phase("app", "Succeeded", deadline_s=90)
        users.wait_for(AFTER, user)
        history.wait_for("the route is back", lambda: history.routed() == ["0", "0 mirrored 30", "100", "0"])
    assert iterations_before_traffic(history) == 2
    assert user.sequence() == [BEFORE, CANARY, AFTER]
    assert "shadowing" not in str(rollouts.get("routetable", "app")["spec"])


@pytest.mark.long
def test_weights_with_a_mirror_copy_first_and_shift_then(rollouts: Rollouts, users: Users) -> None:
    # Nobody can be asked how it goes, so that the run stays at its copies until they have been counted.
    rollouts.apply(own_metric(is_askable=False))
    initialize(rollouts, {"mirror": True, "metrics": [OWN_METRIC]})
    user = users.ask()
    with watching_weights(rollouts.cluster, rollouts.namespace, "app") as weights:
        rollouts.set_image("app", "3.1.1")
        rollouts.wait_for("the canary gets copies", lambda: copies(rollouts) > 10)
        assert (rollouts.status("app")["canaryWeight"], user.sequence()) == (0, [BEFORE])
        rollouts.apply(own_metric())
        rollouts.wait_for_phase("app", "Succeeded", deadline_s=90)
    assert weights == [0, 25, 50, 0]
    users.wait_for(AFTER, user)
    assert set(user.answers()) == {BEFORE, CANARY, AFTER}
    assert "shadowing" not in str(rollouts.get("routetable", "app")["spec"])


def test_a_client_with_the_cookie_stays_on_the_canary_until_it_is_promoted(rollouts: Rollouts, users: Users) -> None:
    initialize(rollouts, AFFINITY)
    loyal, others = users.ask(keeps_cookies=True), users.ask()
    rollouts.set_image("app", "3.1.1")
    rollouts.wait_for_phase("app", "Succeeded", deadline_s=90)
    users.wait_for(AFTER, loyal, others)
    rollouts.wait_for("the cookie is deleted", lambda: len(loyal.cookies) > 1)
    assert loyal.sequence() == [BEFORE, CANARY, AFTER], "away from the canary in mid-run"
    assert set(others.answers()) == {BEFORE, CANARY, AFTER}
    status = rollouts.status("app")
    cookie = status["previousSessionAffinityCookie"]
    assert loyal.cookies == [f"{cookie}; Max-Age=60", f"{cookie}; Max-Age=-1"]
    assert status.get("sessionAffinityCookie", "") == ""


@pytest.mark.long
def test_a_client_with_the_cookie_goes_back_with_everyone_when_the_run_fails(rollouts: Rollouts, users: Users) -> None:
    initialize(rollouts, AFFINITY | {"stepWeight": 2} | failing(rollouts))
    loyal, others = users.ask(keeps_cookies=True), users.ask()
    rollouts.set_image("app", "3.1.1")
    users.wait_for(CANARY, loyal)
    rollouts.apply(own_metric(is_passing=False))
    rollouts.wait_for_phase("app", "Failed")
    rollouts.wait_for("the cookie is deleted", lambda: len(loyal.cookies) > 1)
    rollouts.wait_for("scaled down", lambda: rollouts.get("deployment", "app")["spec"]["replicas"] == 0)
    assert loyal.sequence() == [BEFORE, CANARY, BEFORE]
    assert loyal.cookies[1].endswith("; Max-Age=-1")
    assert others.last() == BEFORE
    assert set(others.answers()) <= {BEFORE, CANARY}


@pytest.mark.long
def test_listed_weights_are_taken_as_listed_and_given_back_in_steps(rollouts: Rollouts, users: Users) -> None:
    steps = {"stepWeights": [5, 30, 80], "stepWeightPromotion": 40}
    initialize(rollouts, WITHOUT_WEIGHTS | steps)
    user = users.ask()
    with watching_weights(rollouts.cluster, rollouts.namespace, "app") as weights:
        rollouts.set_image("app", "3.1.1")
        rollouts.wait_for_phase("app", "Succeeded", deadline_s=90)
    assert weights == [0, 5, 30, 80, 40, 0]
    users.wait_for(AFTER, user)
    assert set(user.answers()) == {BEFORE, CANARY, AFTER}
    texts = [text for _, text in rollouts.events("app")]
    assert f"Advance app.{rollouts.namespace} primary weight 60" in texts
