"""`serin status`: a run in detail."""

import json

import pytest

from cli.rollout.canary import CanaryView, Check
from cli.status.command import Follower, Question
from tests.unit.cli.cluster_api import ClusterApi, Object
from tests.unit.cli.cluster_objects import NEW, NEW_IMAGE, OLD, canary, deployment, pod
from tests.unit.cli.conftest import Ran, Serin
from tests.unit.cli.status_runs import TIMES, moment, run_of, stop_clock

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


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)


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
