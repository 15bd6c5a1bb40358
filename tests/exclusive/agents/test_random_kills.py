"""Agents are killed at random moments of runs of every strategy, under load: the same run, the same end, nothing lost.

`make long` plays all cases, a few side by side. That agents die around each single effect is in test_crashes.py.
SERIN_KILLS_SEED gives the lives of another play again, as far as a cluster does the same twice.
"""

import json
import os
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait

import pytest

from tests.support.cluster import REPOSITORY, Cluster
from tests.support.exposure import exposed_percent, is_harmless, mirrored_percent
from tests.support.kills.cases import CASES, Case, Path
from tests.support.kills.play import Outcome, play
from tests.support.kills.scene import NEW, OLD, THRESHOLD, Scene
from tests.support.kills.users import Visit
from tests.support.mortal_agent import without_installed_agent

Outcomes = Mapping[str, "Future[Outcome]"]

LEAST_KILLS = 60
AT_ONCE = int(os.environ.get("SERIN_KILLS_AT_ONCE", "3"))
SEED = os.environ.get("SERIN_KILLS_SEED") or secrets.token_hex(4)


# The gateway follows its route within half a second; a busy machine takes longer.
FOLLOWED_WITHIN_S = 3.0

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def outcomes(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Outcomes]:
    """Play all cases that are selected, the first ones first; the tests wait for theirs."""
    selected = {item.name for item in request.session.items}
    chosen = [case for case in CASES if any(f"[{case.name}]" in name for name in selected)]
    played = sorted(chosen, key=lambda case: case.is_alone)
    logs = REPOSITORY / "build" / "kills"
    logs.mkdir(parents=True, exist_ok=True)
    with without_installed_agent(cluster), ThreadPoolExecutor(AT_ONCE, thread_name_prefix="case") as pool:
        futures: dict[str, Future[Outcome]] = {}

        def begin(number: int, case: Case) -> Outcome:
            if case.is_alone:
                # The pool takes them last, one after the other: whoever is before one of them is under way, or over.
                wait([futures[before.name] for before in played[:number]])
            return play(cluster, case, f"{SEED}/{case.name}", logs / f"{number:02}.log")

        for number, case in enumerate(played):
            futures[case.name] = pool.submit(begin, number, case)
        yield futures
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_run_is_the_same_however_often_its_agents_die(case: Case, outcomes: Outcomes) -> None:
    outcome = outcomes[case.name].result()
    assert len(outcome.kills) >= 3
    assert_the_same_end(outcome)
    assert_the_same_run(outcome)
    assert_traffic_follows_the_intent(outcome)
    assert_each_move_is_told_once(outcome)
    assert_no_answered_hook_is_called_again(outcome)
    assert_users_saw_no_fault(outcome)


def test_enough_agents_died(outcomes: Outcomes, capsys: pytest.CaptureFixture[str]) -> None:
    ended = [future.result() for future in outcomes.values() if future.exception() is None]
    kills = [kill for outcome in ended for kill in outcome.kills]
    report = {
        "seed": SEED,
        "kills": len(kills),
        "kills_by_phase": Counter(kill.phase for kill in kills),
        "kills_before_any_write": sum(not kill.writes for kill in kills),
        "lives_with_another_clock": sum(kill.skew_s != 0 for kill in kills),
        "requests": sum(outcome.requests for outcome in ended),
        "lost": sum(len(outcome.lost) for outcome in ended),
        "cases": {outcome.case.name: figures(outcome) for outcome in ended},
    }
    text = json.dumps(report, indent=2)
    (REPOSITORY / "build" / "kills.json").write_text(text)
    with capsys.disabled():
        print(f"\n{text}")
    assert len(ended) == len(outcomes)
    assert len(kills) >= LEAST_KILLS


def figures(outcome: Outcome) -> dict[str, float]:
    lost, boot_s, took_s = len(outcome.lost), round(outcome.boot_s, 1), round(outcome.took_s, 1)
    return {"kills": len(outcome.kills), "requests": outcome.requests, "lost": lost, "boot_s": boot_s, "took_s": took_s}


def assert_the_same_end(outcome: Outcome) -> None:
    case, status = outcome.case, outcome.history.status
    is_promoted, is_image = case.ends == "Succeeded", case.change is Scene.change_image
    assert status["phase"] == case.ends
    assert (status["lastPromotedSpec"] == status["lastAppliedSpec"]) is is_promoted
    assert status["failedChecks"] == (THRESHOLD if "checks fail" in case.name else 0)
    assert (status["canaryWeight"], status["iterations"]) == (0, 0)
    assert outcome.history.latest("deployment", "app")["spec"]["replicas"] == 0
    (container,) = outcome.history.latest("deployment", "app-primary")["spec"]["template"]["spec"]["containers"]
    assert container["image"].rpartition(":")[2] == (NEW if is_promoted and is_image else OLD)
    assert outcome.said["message"] == (NEW if is_promoted and not is_image else OLD)


def assert_the_same_run(outcome: Outcome) -> None:
    """The moves are those of a run without a kill, in their order, and so is what they made of the route."""
    assert [shown for _, shown in outcome.history.exposures()][-len(outcome.case.shows) :] == list(outcome.case.shows)
    names = {"name": f"app.{outcome.namespace}", "primary": f"app-primary.{outcome.namespace}"}
    assert [unmarked(text) for text in outcome.moves] == [text.format(**names) for text in outcome.case.told]


def unmarked(text: str) -> str:
    """Leave out what the change was: on a busy machine the webhook may not have had the time to mark it."""
    return text.partition(": ")[0] if text.startswith("New revision detected!") else text


def assert_traffic_follows_the_intent(outcome: Outcome) -> None:
    """The intent comes first, then the route; what was pulled stays away; no side goes while it has traffic."""
    history = outcome.history
    statuses = [version for version in history.versions("canary", "app") if version.obj.get("status")]
    exposures = history.exposures()
    pulled = next(v.order for v in statuses if v.obj["status"].get("phase") in {"Failed", "Finalising"})
    for version, shown in exposures:
        stored = [status.obj["status"] for status in statuses if status.order < version.order]
        intent = stored[-1] if stored else {}
        assert exposed_percent(shown) == intent.get("canaryWeight", 0), shown
        assert mirrored_percent(shown) == intent.get("serin", {}).get("mirrorPercent", 0), shown
        assert version.order < pulled or is_harmless(shown), shown
    for before, after in outcome.history.pairs("deployment", "app"):
        if before.obj["spec"]["replicas"] and not after.obj["spec"]["replicas"]:
            then = [shown for version, shown in exposures if version.order < after.order]
            assert is_harmless(then[-1]), "a side was scaled away under its users"


def assert_each_move_is_told_once(outcome: Outcome) -> None:
    said = Counter(text for _, news in outcome.history.moves() for text in news)
    events: Counter[str] = Counter()
    for event in outcome.events:
        events[event["message"]] += event["count"]
    assert {text: events[text] for text in said} == dict(said)
    heard = Counter(call.message for call in outcome.calls if call.kind == "event")
    assert {text: count for text, count in heard.items() if text in said and count > said[text]} == {}


def assert_no_answered_hook_is_called_again(outcome: Outcome) -> None:
    """Once a yes is stored, no agent asks for it again; before that, the next one must."""
    statuses = [version for version in outcome.history.versions("canary", "app") if version.obj.get("status")]
    called = {call.kind for call in outcome.calls}
    assert called == {hook.kind for hook in outcome.case.hooks}
    for call in outcome.calls:
        status = [version.obj["status"] for version in statuses if version.seen_at_s < call.at_s][-1]
        step = f"@{status['canaryWeight']}" if call.kind == "confirm-traffic-increase" else ""
        assert f"{call.kind}/{call.kind}{step}" not in (status.get("serin") or {}).get("answeredHooks", ())
    ours = [(version.order, version.obj["status"].get("serin") or {}) for version in statuses]
    untold = [order for order, one in ours if one.get("endUntold")]
    told_s = next((version.seen_at_s for version in statuses if untold and version.order > untold[-1]), 0.0)
    assert all(call.at_s <= told_s for call in outcome.calls if call.kind == "post-rollout")


def assert_users_saw_no_fault(outcome: Outcome) -> None:
    assert outcome.lost == []
    case = outcome.case
    paths = {user.name: path for user, path in case.users}
    end_s = outcome.history.exposures()[-1][0].seen_at_s + FOLLOWED_WITHIN_S
    for name, visit in outcome.visits.items():
        assert_went(visit, paths.get(name, case.everybody))
        assert all(stay.last_s <= end_s for stay in visit.stays if stay.side == "canary"), "traffic came back"


def assert_went(visit: Visit, path: Path) -> None:
    if path == "mixed":
        assert set(visit.sides) == {"primary", "canary"}
        assert visit.sides[-1] == "primary"
    else:
        assert visit.sides == (["primary"] if path == "primary" else ["primary", "canary", "primary"])
