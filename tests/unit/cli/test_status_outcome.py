"""`serin status`: what became of a change by its exit code, and waiting for that."""

import asyncio
import json
from typing import Any

import pytest

from cli.cluster.access import open_access
from cli.cluster.selection import ClusterOptions
from cli.outputs import ValueOutput
from cli.status.command import Follower, Question, status
from tests.support.eventually import eventually
from tests.support.patience import PATIENCE_S
from tests.unit.cli.cluster_api import ClusterApi, Object
from tests.unit.cli.cluster_objects import NEW, NEW_IMAGE, OLD, OLD_IMAGE, canary, deployment, pod
from tests.unit.cli.conftest import Ran, Serin
from tests.unit.cli.status_runs import TIMES, moment, run_of, stop_clock

PROMOTED: Object = {"phase": "Succeeded", "canaryWeight": 0, "lastPromotedSpec": NEW}
FAILED: Object = {"phase": "Failed", "canaryWeight": 0}
OLDER = "0123456789abcdef"
HISTORY = [{**TIMES, "revision": OLDER, "outcome": word} for word in ("superseded", "promoted")]


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


@pytest.mark.parametrize(
    ("asked", "status", "code", "outcome"),
    [
        ((), PROMOTED, 0, "promoted"),
        ((), FAILED, 1, "rolled_back"),
        ((), {}, 4, "running"),
        ((), {"phase": "Promoting"}, 4, "running"),
        ((), {"phase": "Waiting", "serin": {"waitingFor": ["confirm-rollout/gate"]}}, 5, "waits"),
        ((), {"serin": {"paused": True}}, 5, "waits"),
        # The target has what the agent has not noticed yet: the status is that of the run before.
        ((), {**PROMOTED, "lastAppliedSpec": OLD, "lastPromotedSpec": OLD}, 4, "not_begun"),
        ((), {**FAILED, "lastAppliedSpec": OLDER, "lastPromotedSpec": OLD}, 4, "not_begun"),
        # `skip` between runs: analysed and neither promoted nor rolled back.
        ((), {"phase": "Succeeded"}, 1, "skipped"),
        (("--revision", NEW[:6]), PROMOTED, 0, "promoted"),
        (("--revision", OLD), {}, 0, "promoted"),
        (("--revision", OLDER), {"serin": {"history": HISTORY}}, 3, "superseded"),
        (("--revision", "fedcba"), PROMOTED, 4, "not_begun"),
        (("--image", NEW_IMAGE), PROMOTED, 0, "promoted"),
        (("--image", "podinfo:6.0.1"), PROMOTED, 0, "promoted"),
        (("--image", "podinfo:6.0.2"), PROMOTED, 4, "not_begun"),
    ],
)
def test_the_exit_code_says_what_became_of_the_run(
    api: ClusterApi, serin: Serin, asked: tuple[str, ...], status: dict[str, Any], code: int, outcome: str
) -> None:
    run_of(api, **status)
    ran = serin("status", "podinfo", *asked, "-o", "json")
    assert (ran.code, json.loads(ran.stdout)["outcome"]) == (code, outcome)


async def waiting(api: ClusterApi, question: Question) -> "asyncio.Task[int]":
    """Start to wait, and go on once it watches."""

    async def wait() -> int:
        async with open_access(ClusterOptions()) as access:
            return int(await status(access, "podinfo", question, ValueOutput.TEXT))

    task = asyncio.create_task(wait())
    await eventually(lambda: sum("watch=true" in one for one in api.requests), lambda count: count >= 3)
    return task


async def test_the_log_of_a_wait_names_pods_that_are_not_up_and_why_the_run_ended(
    api: ClusterApi, capsys: pytest.CaptureFixture[str]
) -> None:
    api.put("pods", pod("podinfo-x", "podinfo", waiting="ImagePullBackOff"))
    run_of(api, canaryWeight=0, serin={"unreadySince": moment(-60)})
    task = await waiting(api, Question(timeout_s=PATIENCE_S))
    runs = [{**TIMES, "revision": NEW, "outcome": "rolledBack", "reason": "progress deadline exceeded"}]
    api.update("canaries", "podinfo", phase="Failed", serin={"history": runs, "unreadySince": None})
    assert await task == 1
    seen = capsys.readouterr().out.splitlines()
    assert seen[0] == "Progressing  weight 0  failed 1  waits for pods of podinfo: ImagePullBackOff"
    assert seen[1] == "Failed  weight 0  failed 1: progress deadline exceeded"


async def test_the_change_just_applied_is_waited_for_from_before_its_run_begins(
    api: ClusterApi, capsys: pytest.CaptureFixture[str]
) -> None:
    run_of(api, **{**PROMOTED, "lastAppliedSpec": OLD, "lastPromotedSpec": OLD})
    api.drops = 2  # connections that break off
    task = await waiting(api, Question(timeout_s=PATIENCE_S))
    api.update("canaries", "podinfo", phase="Progressing", lastAppliedSpec=NEW, canaryWeight=10)
    await eventually(lambda: api.drops, lambda drops: drops == 1)
    api.update("canaries", "podinfo", phase="Promoting", canaryWeight=50)
    api.update("canaries", "podinfo", **PROMOTED)
    assert await task == 0
    seen = capsys.readouterr().out.splitlines()
    assert seen[0] == f"Succeeded  waiting for the run of {NEW} to begin"
    assert f"Revision   {NEW} promoted" in seen


async def test_who_is_overtaken_is_told(api: ClusterApi) -> None:
    run_of(api)
    task = await waiting(api, Question(timeout_s=PATIENCE_S))
    api.put("deployments", deployment("podinfo", "podinfo:6.0.2"))
    api.update("canaries", "podinfo", lastAppliedSpec=OLDER)
    assert await task == 3


async def test_an_image_that_is_still_to_be_applied_is_waited_for(api: ClusterApi) -> None:
    run_of(api, image=OLD_IMAGE, **{**PROMOTED, "lastAppliedSpec": OLD, "lastPromotedSpec": OLD})
    task = await waiting(api, Question(image=NEW_IMAGE, timeout_s=PATIENCE_S))
    api.put("deployments", deployment("podinfo", NEW_IMAGE))
    api.update("canaries", "podinfo", phase="Failed", lastAppliedSpec=NEW)
    assert await task == 1


async def test_a_gate_ends_the_wait_unless_it_is_waited_through(api: ClusterApi) -> None:
    run_of(api)
    task = await waiting(api, Question(timeout_s=PATIENCE_S))
    api.update("canaries", "podinfo", serin={"waitingFor": ["confirm-promotion/gate"]})
    assert await task == 5
    api.requests.clear()
    task = await waiting(api, Question(timeout_s=PATIENCE_S, waits_through_gates=True))
    api.update("canaries", "podinfo", **PROMOTED, serin={"waitingFor": None})
    assert await task == 0


ENDED_BOTH = [{**TIMES, "revision": NEW, "outcome": "promoted"}, {**TIMES, "revision": OLD, "outcome": "promoted"}]


def test_an_older_run_of_the_revision_is_not_taken_for_the_one_that_was_overtaken() -> None:
    follower = Follower(Question(timeout_s=1.0))
    before = canary(**PROMOTED, serin={"history": ENDED_BOTH})
    assert follower.look(before, deployment("podinfo", OLD_IMAGE)).outcome.name == "NOT_BEGUN"
    assert follower.look(before, deployment("podinfo", "podinfo:6.0.2")).outcome.name == "SUPERSEDED"


def test_a_run_that_ended_while_it_was_waited_for_counts() -> None:
    follower = Follower(Question(timeout_s=1.0))
    target = deployment("podinfo", OLD_IMAGE)
    assert follower.look(canary(**PROMOTED, serin={"history": ENDED_BOTH}), target).outcome.name == "NOT_BEGUN"
    ended = {**TIMES, "startedAt": "2026-11-30T13:20:00Z", "revision": OLD, "outcome": "rolledBack"}
    overtaken = canary(lastAppliedSpec=OLDER, lastPromotedSpec=NEW, serin={"history": [ended, *ENDED_BOTH]})
    assert follower.look(overtaken, deployment("podinfo", "podinfo:6.0.2")).outcome.name == "ROLLED_BACK"


def test_a_revision_that_git_is_to_apply_again_is_waited_for(api: ClusterApi, serin: Serin) -> None:
    run_of(api, **PROMOTED, serin={"history": ENDED_BOTH})
    assert serin("status", "podinfo", "--revision", OLD).code == 0
    ran = serin("status", "podinfo", "--revision", OLD, "--wait", "--timeout", "300ms")
    assert ran.code == 4
    assert "Hint       a run of it was promoted before; another one is waited for\n" in ran.stdout


def test_without_the_right_to_read_the_target_no_run_is_taken_for_that_of_the_change(
    api: ClusterApi, serin: Serin
) -> None:
    run_of(api, image="podinfo:6.0.2", **PROMOTED)
    api.refused = {"deployments"}
    right = (
        'serin: no right: deployments is forbidden: User "bob" cannot get resource "deployments" in API group "" in '
    )
    right += 'the namespace "test"; `kubectl auth can-i --list` shows those you have; '
    for asked in ("", " --image podinfo:6.0.2"):
        ran = serin(*f"status podinfo --wait{asked}".split())
        assert ran == Ran(6, "", f"{right}or say which run is meant: --revision\n")
    for asked in ("", f" --wait --revision {NEW}"):
        ran = serin(*f"status podinfo{asked}".split())
        assert (ran.code, ran.stderr) == (0, f"{right}without it only what the agent has noticed is told\n")


def test_a_gate_that_is_waited_through_may_outlast_the_time(api: ClusterApi, serin: Serin) -> None:
    run_of(api, serin={"waitingFor": ["confirm-promotion/gate"]})
    ran = serin("status", "podinfo", "--wait", "--through-gates", "--timeout", "300ms", "-o", "json")
    assert (ran.code, ran.stderr) == (4, "serin: not ended within 300ms\n")
    found = json.loads(ran.stdout)
    assert (found["outcome"], found["exitCode"]) == ("waits", 4)


def test_an_agent_that_notices_nothing_is_told_of() -> None:
    now_s = [0.0]
    before = canary(**{**PROMOTED, "lastAppliedSpec": OLD, "lastPromotedSpec": OLD})
    target = deployment("podinfo", NEW_IMAGE)
    follower = Follower(Question(), clock=lambda: now_s[0])
    assert follower.look(before, target).hint == ""
    now_s[0] = 31.0
    hint = "the agent has not noticed it. Does it run? `kubectl -n gloo-system logs deployment/serin-agent`"
    assert follower.look(before, target).hint == hint
    assert follower.look(canary(), target).hint == ""


def test_what_has_not_ended_in_time_is_told(api: ClusterApi, serin: Serin) -> None:
    run_of(api)
    ran = serin("status", "podinfo", "--wait", "--timeout", "300ms")
    assert (ran.code, ran.stderr) == (4, "serin: not ended within 300ms\n")
