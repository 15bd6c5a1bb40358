"""`serin status`: a run in detail, its exit codes, and waiting for its end."""

import asyncio
import json
import time
from typing import Any

import pytest

from cli.cluster.access import open_access
from cli.cluster.options import ClusterOptions
from cli.outputs import ValueOutput
from cli.rollout.canary import CanaryView, Check
from cli.status.command import Follower, Question, status
from tests.support.eventually import eventually
from tests.support.patience import PATIENCE_S
from tests.unit.cli.cluster_api import ClusterApi, Object
from tests.unit.cli.cluster_objects import NEW, NEW_IMAGE, OLD, OLD_IMAGE, canary, deployment, pod
from tests.unit.cli.conftest import Ran, Serin

CHECKS = [
    {
        "name": "request-success-rate",
        "min": 99,
        "unit": "%",
        "samples": [
            {"at": "2026-11-30T14:00:00Z", "value": 100, "verdict": "pass"},
            {"at": "2026-11-30T14:01:00Z", "value": 97.25, "verdict": "fail"},
        ],
        "reason": "Halt podinfo.test advancement request-success-rate 97.25% < 99%",
    },
    {
        "name": "request-duration",
        "max": 500,
        "unit": "ms",
        "samples": [{"at": "2026-11-30T14:01:00Z", "value": None, "verdict": "noData"}],
    },
]


NOW_S = 1_780_000_000.0


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW_S)


def moment(after_s: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW_S + after_s))


def run_of(api: ClusterApi, image: str = NEW_IMAGE, **status: Any) -> None:
    api.put("canaries", canary(**{"lastTransitionTime": moment(-600), **status}))
    api.put("deployments", deployment("podinfo", image))


def test_a_run_is_told_with_its_checks_and_what_to_type_next(api: ClusterApi, serin: Serin) -> None:
    run_of(api, serin={"checks": CHECKS, "notBefore": moment(7000)})
    ran = serin("status", "podinfo", "-n", "test")
    assert ran.code == 4
    assert ran.stdout.splitlines() == [
        "Canary test/podinfo: Progressing, for 10m",
        "[████████░░░░░░░░░░░░····················]  20% canary, 80% primary, up to 50%",
        f"Revision   {NEW} is under way",
        "Change     podinfod image 6.0.0 -> 6.0.1, applied by alice",
        f"Primary    {OLD}",
        "Checks     1 failed, rolls back at 5, every 1m",
        "  request-success-rate  97.25 %  min 99   FAIL     ✓✗",
        "    Halt podinfo.test advancement request-success-rate 97.25% < 99%",
        "  request-duration            -  max 500  no data  ·",
        "Waits for  the next check in 1h56m",
        "Next       serin promote podinfo -n test  ends the analysis now",
        "           serin abort podinfo -n test    rolls back now",
    ]


def test_a_failed_run_says_so_and_how_to_run_it_again(api: ClusterApi, serin: Serin) -> None:
    runs = [{**TIMES, "revision": NEW, "outcome": "rolledBack", "reason": "abort by bob"}]
    run_of(api, phase="Failed", canaryWeight=0, failedChecks=5, serin={"history": runs})
    ran = serin("status", "podinfo")
    assert ran.code == 1
    set_image = "kubectl -n test set image deployment/podinfo CONTAINER=IMAGE"
    assert ran.stdout.splitlines()[2:] == [
        f"Revision   {NEW} rolled back",
        "Reason     abort by bob",
        "Change     podinfod image 6.0.0 -> 6.0.1, applied by alice",
        f"Primary    {OLD}",
        "Checks     5 failed, rolls back at 5, every 1m",
        f"Next       {'serin retry podinfo':<{len(set_image)}}  runs the same revision again",
        f"           {set_image}  rolls another one out",
        f"           {'serin undo podinfo':<{len(set_image)}}  gives Deployment podinfo what the primary serves",
    ]
    assert json.loads(serin("status", "podinfo", "-o", "json").stdout)["endReason"] == "abort by bob"


def test_pods_that_do_not_come_up_are_told_with_their_reason_and_the_deadline(api: ClusterApi, serin: Serin) -> None:
    run_of(api, canaryWeight=0, serin={"unreadySince": moment(-60)})
    api.put("pods", pod("podinfo-x", "podinfo", waiting="ImagePullBackOff"))
    seen = serin("status", "podinfo").stdout
    assert "Waits for  pods of podinfo: ImagePullBackOff (rolled back in 9m)\n" in seen
    api.put("pods", pod("podinfo-y", "podinfo", waiting="ContainerCreating"))
    api.put("pods", pod("podinfo-z", "podinfo", waiting="ContainerCreating"))
    seen = serin("status", "podinfo").stdout
    assert "Waits for  pods of podinfo: 2 ContainerCreating, 1 ImagePullBackOff (rolled back in 9m)\n" in seen
    api.refused.add("pods")
    assert "Waits for  pods of podinfo: not ready yet (rolled back in 9m)\n" in serin("status", "podinfo").stdout
    api.update("canaries", "podinfo", serin={"unreadySince": None})
    assert "pods of" not in serin("status", "podinfo").stdout


def test_the_halt_of_a_check_that_passes_again_is_told_under_wide_alone(api: ClusterApi, serin: Serin) -> None:
    samples = [(-60, 97.25, "fail"), (-30, 99.98765, "pass")]
    kept = [{"at": moment(after), "value": value, "verdict": verdict} for after, value, verdict in samples]
    run_of(api, serin={"checks": [{**CHECKS[0], "samples": kept}]})
    passing = "  request-success-rate  99.99 %  min 99  pass     ✗✓"
    halt = f"    last halt, 1m ago: {CHECKS[0]['reason']}"
    lines = serin("status", "podinfo").stdout.splitlines()
    assert passing in lines
    assert halt not in lines
    wide = serin("status", "podinfo", "-o", "wide").stdout.splitlines()
    assert wide[wide.index(passing) + 1] == halt


def test_what_a_check_takes_to_count_stands_beside_its_bounds(api: ClusterApi, serin: Serin) -> None:
    dry = CHECKS[0] | {"name": "tried", "dryRun": True, "reason": "tried 97.25 < 99"}
    run_of(api, serin={"checks": [CHECKS[0] | {"consecutiveFailures": 2}, dry]})
    lines = serin("status", "podinfo").stdout.splitlines()
    assert "  request-success-rate  97.25 %  min 99, 2 in a row  FAIL     ✓✗" in lines
    assert "  tried                 97.25 %  min 99, dry run     FAIL     ✓✗" in lines


@pytest.mark.parametrize(
    ("value", "told"), [(0.984211, "0.9842"), (12345.6, "12346"), (98.9996, "98.9996"), (99.0004, "99"), (212, "212")]
)
def test_a_value_is_as_long_as_it_takes_to_tell_it_from_its_bound(value: float, told: str) -> None:
    assert Check("c", 99.0, None, "", (), "").short(value) == told


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


def test_steps_a_pause_and_a_bake_are_told(api: ClusterApi, serin: Serin) -> None:
    steps = [{"weight": 5}, {"weight": 20, "duration": "4h"}, {"weight": 20, "pause": {}}]
    obj = canary(serin={"step": 2, "stepServedAt": moment(-3600)})
    obj["spec"]["analysis"] = {"steps": steps, "bake": "2h", "threshold": 5}
    api.put("canaries", obj)
    api.put("deployments", deployment("podinfo", NEW_IMAGE))
    seen = serin("status", "podinfo").stdout
    assert "20% canary, 80% primary, step 2 of 3\n" in seen
    assert "Waits for  the end of step 2 in 3h\n" in seen
    api.update("canaries", "podinfo", serin={"step": 3, "waitingFor": ["pause/3"]})
    ran = serin("status", "podinfo")
    assert ran.code == 5
    assert "Waits for  somebody to resume it: step 3 of 3 pauses it\n" in ran.stdout
    assert "Next       serin resume podinfo   goes on\n" in ran.stdout
    api.update("canaries", "podinfo", serin={"waitingFor": None, "bakeStartedAt": moment(-3600)})
    seen = serin("status", "podinfo").stdout
    assert "Waits for  the end of its bake in 1h\n" in seen
    api.update("canaries", "podinfo", canaryWeight=0, serin={"step": None, "bakeStartedAt": None})
    assert "0% canary, 100% primary, before step 1 of 3\n" in serin("status", "podinfo").stdout
    api.update("canaries", "podinfo", phase="Failed")
    assert "0% canary, 100% primary\n" in serin("status", "podinfo").stdout


def test_a_request_that_is_answered_is_not_waited_for(api: ClusterApi, serin: Serin) -> None:
    answer = {"verb": "pause", "revision": NEW, "at": moment(-1), "claim": "c1", "result": "accepted"}
    obj = canary(serin={"paused": True, "request": answer})
    obj["metadata"]["annotations"] = {"serin.dev/request": f"pause@{NEW}#c1"}
    api.put("canaries", obj)
    seen = serin("status", "podinfo").stdout
    assert f"Request    pause@{NEW}, 1s ago: carried out\n" in seen
    assert "the agent to answer" not in seen
    obj["metadata"]["annotations"] = {"serin.dev/request": f"pause@{NEW}#c2"}
    api.put("canaries", obj)
    assert f"the agent to answer pause@{NEW}\n" in serin("status", "podinfo").stdout


PROMOTED: Object = {"phase": "Succeeded", "canaryWeight": 0, "lastPromotedSpec": NEW}
FAILED: Object = {"phase": "Failed", "canaryWeight": 0}
OLDER = "0123456789abcdef"
TIMES = {"startedAt": "2026-11-30T13:00:00Z", "endedAt": "2026-11-30T13:10:00Z"}
HISTORY = [{**TIMES, "revision": OLDER, "outcome": word} for word in ("superseded", "promoted")]


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


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--wait", "--timeout", "soon"), "--timeout: found 'soon'; allowed: a duration such as 30s or 1h30m"),
        (("--timeout", "5x"), "--timeout: found '5x'; allowed: a duration such as 30s or 1h30m"),
        (
            ("--revision", "zzz"),
            "--revision: found 'zzz'; allowed: a revision such as 3f2a9c0d11e4b7a6, or its first characters",
        ),
        (("--revision", "a", "--image", "b"), "--revision with --image; allowed: one of them"),
    ],
)
def test_what_was_typed_wrongly_is_told(api: ClusterApi, serin: Serin, options: tuple[str, ...], line: str) -> None:
    assert serin("status", "podinfo", *options) == Ran(2, "", f"serin: {line}\n")


def test_a_status_that_somebody_wrote_by_hand_is_shown_as_far_as_it_goes(api: ClusterApi, serin: Serin) -> None:
    obj = canary()
    obj["status"] = {
        "phase": "Progressing\x1b[31m",
        "canaryWeight": "many",
        "conditions": "none",
        "serin": {
            "checks": [{"name": 1, "samples": {}}, 2],
            "history": {},
            "request": {"verb": "\x1b]0;pwned\x07", "revision": "", "claim": "c", "at": moment(0), "why": "\x1b[2J"},
            "change": [],
        },
    }
    api.put("canaries", obj)
    ran = serin("status", "podinfo")
    assert ran.stderr == ""
    assert "\x1b" not in ran.stdout
    assert "Request    �]0;pwned�, 0s ago: refused; allowed: �[2J\n" in ran.stdout
    assert ran.stdout.startswith("Canary test/podinfo: Progressing")


@pytest.mark.parametrize("weight", [float("inf"), float("nan")])
def test_a_weight_that_is_no_finite_number_counts_as_none(weight: float) -> None:
    assert CanaryView.read(canary() | {"status": {"canaryWeight": weight}}).weight == 0


@pytest.mark.parametrize(
    ("answer", "bar", "shown"),
    [
        ("harm", 1.0, "    well ────────────────────● harm  canary fails 2.1 % of 940 requests"),
        ("undecided", 0.1, "    well ───────────●───────── harm  canary fails 2.1 % of 940 requests"),
        ("well", -1.0, "    well ●──────────────────── harm  canary fails 2.1 % of 940 requests"),
    ],
)
def test_evidence_is_a_bar_between_well_and_harm(
    api: ClusterApi, serin: Serin, answer: str, bar: float, shown: str
) -> None:
    checks = [{"name": "request-success-rate", "samples": [{"at": moment(-5), "value": 98, "verdict": "undecided"}]}]
    text = "canary fails 2.1 % of 940 requests"
    evidence = [{"name": "request-success-rate", "answer": answer, "bar": bar, "text": text}]
    run_of(api, serin={"checks": checks, "evidence": evidence})
    ran = serin("status", "podinfo", "-n", "test")
    assert shown in ran.stdout.splitlines()
    assert "waits    ?" in ran.stdout


def test_a_new_revision_that_waits_for_its_turn_is_told_with_its_place_and_the_way_past_it(
    api: ClusterApi, serin: Serin
) -> None:
    queue = {"position": 3, "of": 12, "since": moment(-300)}
    ready = {"type": "Ready", "status": "True", "reason": "Queued", "message": "A new revision waits for a turn."}
    idle: Object = {
        "phase": "Succeeded",
        "canaryWeight": 0,
        "failedChecks": 0,
        "lastAppliedSpec": OLD,
        "conditions": [ready],
    }
    run_of(api, **idle, serin={"queue": queue, "change": {}})
    ran = serin("status", "podinfo", "-n", "test")
    assert ran.code == 4
    assert ran.stdout.splitlines() == [
        "Canary test/podinfo: Succeeded (3 of 12 in the queue), for 10m",
        "[········································]  0% canary, 100% primary",
        f"Revision   {NEW} has not begun",
        f"Primary    {OLD}",
        "Waits for  its turn: 3 of 12 in the queue, for 5m",
        "Next       serin retry podinfo -n test  begins its run now, before its turn",
    ]
    told = json.loads(serin("status", "podinfo", "-n", "test", "-o", "json").stdout)["queue"]
    assert (told["position"], told["of"]) == (3, 12)
    follower = Follower(Question(), clock=iter((0.0, 600.0)).__next__)
    obj, target = api.objects["canaries", "test", "podinfo"], api.objects["deployments", "test", "podinfo"]
    assert [follower.look(obj, target).hint for _ in range(2)] == ["", ""]
