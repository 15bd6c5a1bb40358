"""`serin replay`: the last run's looks judged again, by literal statuses and by runs that were played."""

import copy
import json

import pytest

from canary.api.names import Side
from canary.run.phase import Phase
from tests.support.canaries import canary_object
from tests.support.counted_cluster import Counted, under_way
from tests.unit.cli.cluster_api import ClusterApi, Object
from tests.unit.cli.conftest import Serin
from tests.unit.cli.kept_runs import (
    BAD,
    BY_EVIDENCE,
    IN_BURSTS,
    PROMOTED,
    RATE,
    ROLLED_BACK,
    STARTED,
    VALUES,
    WELL,
    canary_with,
    clock,
    ended,
    evidence,
    first_line,
    kept_test,
    spec_with,
    values,
)


def test_by_its_own_spec_it_goes_as_it_went(api: ClusterApi, serin: Serin) -> None:
    api.put("canaries", PROMOTED)
    assert serin("replay", "podinfo").stdout.splitlines() == [
        "well at every step; promoted as it was, at 15:00:45",
        "",
        "Canary test/podinfo  revision 3f2a9c  2026-11-30 15:00:00 to 15:00:45 UTC, judged again by its own spec",
        "",
        "request-success-rate  limit 1 %, unacceptable 2 %, against limit, alpha 0.01, beta 0.05",
        "  TIME      NEXT       CANARY             PRIMARY              HARM          WELL          ANSWER",
        "  15:00:10  50 %       0 of 100           1 of 400 (0.25 %)    0.13 of 100   11 of 20      undecided",
        "  15:00:20  50 %       0 of 200           2 of 800 (0.25 %)    0.076 of 100  167 of 20     well",
        "  15:00:30  promotion  1 of 450 (0.22 %)  2 of 1,050 (0.19 %)  0.039 of 100  144 of 20     well",
        "  15:00:40  promotion  1 of 700 (0.14 %)  3 of 1,300 (0.23 %)  0.017 of 100  11,938 of 20  well",
    ]


def test_from_where_it_would_have_been_held_looks_are_marked(api: ClusterApi, serin: Serin) -> None:
    api.put("canaries", PROMOTED)
    ran = serin("replay", "podinfo", "--spec", "-", stdin=spec_with(evidence(beta=0.0001)))
    assert ran.stdout.splitlines() == [
        (
            "well, but later (request-success-rate: undecided: held at 20 % from 15:00:20 until 15:00:40), at 50 % "
            "when the looks end; it was promoted at 15:00:45"
        ),
        "",
        "Canary test/podinfo  revision 3f2a9c  2026-11-30 15:00:00 to 15:00:45 UTC, judged again by <stdin>",
        "",
        "request-success-rate  limit 1 %, unacceptable 2 %, against limit, alpha 0.01, beta 0.0001 (was 0.05)",
        "  TIME      NEXT  CANARY             PRIMARY              HARM          WELL                      ANSWER",
        "  15:00:10  50 %  0 of 100           1 of 400 (0.25 %)    0.13 of 100   11 of 10,000              undecided",
        "  15:00:20  50 %  0 of 200           2 of 800 (0.25 %)    0.076 of 100  167 of 10,000             undecided",
        "* 15:00:30  50 %  1 of 450 (0.22 %)  2 of 1,050 (0.19 %)  0.039 of 100  8,040 of 10,000           undecided",
        "* 15:00:40  50 %  1 of 700 (0.14 %)  3 of 1,300 (0.23 %)  0.018 of 100  over 1,000,000 of 10,000  well",
        "",
        "* by then the traffic would have had another split: less on the canary than it had",
    ]


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"beta": 1e-9}, f"{RATE}: undecided: held at 20 % from 15:00:20 on; it was promoted at 15:00:45"),
        (
            {"beta": 1e-9, "deadline": "20s", "undecided": "rollback"},
            (
                f"{RATE}: undecided: held at 20 % from 15:00:20 on, then no evidence by its deadline of 20s at "
                "15:00:30, rolled back there; it was promoted at 15:00:45"
            ),
        ),
        (
            {"beta": 1e-9, "deadline": "10s", "undecided": "promote"},
            "well at every step; promoted as it was, at 15:00:45",
        ),
        (
            {"beta": 0.2},
            (
                "well at every step, and sooner: on from 20 % at 15:00:10, and not at 15:00:20; it was promoted at "
                "15:00:45"
            ),
        ),
        (  # of the first 20 s nothing counts
            {"warmUp": "20s"},
            (
                f"well at every step, but later ({RATE}: undecided: held at 20 % from 15:00:20 until 15:00:30); "
                "it was promoted at 15:00:45"
            ),
        ),
    ],
)
def test_the_line_that_matters_comes_first(api: ClusterApi, serin: Serin, fields: Object, line: str) -> None:
    api.put("canaries", PROMOTED)
    assert first_line(serin("replay", "podinfo", "--spec", "-", stdin=spec_with(evidence(**fields)))) == line


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"alpha": 0.3}, f"{RATE}: harm at 15:00:30, rolled back there; it was rolled back at 15:01:20"),
        (
            {"alpha": 1e-9},
            (
                f"{RATE}: undecided at 20 % until it was rolled back at 15:01:20; nothing is known of what would have "
                "followed"
            ),
        ),
        (
            {"acceptable": 8},
            (
                "well: on from 20 % at 15:00:10; it was rolled back at 15:01:20, and nothing is known of what would "
                "have followed"
            ),
        ),
        ({"alpha": 0.0003}, f"{RATE}: harm at 15:01:20, rolled back as it was"),
    ],
)
def test_a_rollback_is_told_beside_the_one_that_was(api: ClusterApi, serin: Serin, fields: Object, line: str) -> None:
    api.put("canaries", ROLLED_BACK)
    ran = serin("replay", "podinfo", "--spec", "-", stdin=spec_with(evidence(**fields)))
    assert first_line(ran) == line
    assert "  it ended by: request-success-rate: canary fails 3 %" in ran.stdout.splitlines()


def test_harm_ends_the_replay_though_the_run_went_on(api: ClusterApi, serin: Serin) -> None:
    looks = [[10, 50, 100, 400, 2, 2, 0, 0], [20, 100, 250, 250, 20, 20, 0, 0], [30, 100, 250, 250, 0, 0, 0, 0]]
    stored = {**BY_EVIDENCE, "thresholdRange": {"min": 90}}
    api.put("canaries", canary_with([stored], evidence=[kept_test(looks)], **ended()))
    ran = serin("replay", "podinfo", "--spec", "-", stdin=spec_with(evidence()))
    assert first_line(ran) == (
        f"{RATE}: undecided: held at 20 % from 15:00:10 on, then harm at 15:00:20, rolled back there; "
        "it was promoted at 15:00:45"
    )
    assert "15:00:30" not in ran.stdout


def test_with_the_bursts_that_were_known_in_the_end(api: ClusterApi, serin: Serin) -> None:
    api.put(
        "canaries", canary_with([BY_EVIDENCE], evidence=[kept_test(BAD, bursts=IN_BURSTS)], **ended("rolledBack", 80))
    )
    ran = serin("replay", "podinfo")
    assert first_line(ran).startswith(f"{RATE}: undecided at 20 % until it was rolled back")
    note = f"{RATE}: 11 failures count as one from the first look on, as was known of its bursts when the run ended"
    assert f"  note: {note}" in ran.stdout.splitlines()
    pinned = serin("replay", "podinfo", "--spec", "-", stdin=spec_with(evidence(burst=1)))
    assert first_line(pinned) == f"{RATE}: harm at 15:01:00, rolled back there; it was rolled back at 15:01:20"
    assert "beta 0.05, burst 1 (was 11)" in pinned.stdout


def test_looks_that_are_kept_as_one_are_told(api: ClusterApi, serin: Serin) -> None:
    looks = [[300, 50, 3000, 12000, 0, 0, 20, 20], [310, 50, 100, 400, 90, 90, 1, 1]]
    api.put("canaries", canary_with([BY_EVIDENCE], evidence=[kept_test(looks)], **ended("rolledBack", 320)))
    ran = serin("replay", "podinfo")
    note = "older looks are kept as one (4m50s up to 15:05:00): what they show may have been so at any time in it"
    assert f"  note: {note}" in ran.stdout.splitlines()
    edited = spec_with([{**BY_EVIDENCE, "evidence": {"acceptable": 0.05}}])
    api.put(
        "canaries",
        canary_with([BY_EVIDENCE], evidence=[kept_test([[300, 50, 3000, 0, 9, 9, 0, 0]])], **ended("promoted", 320)),
    )
    assert first_line(serin("replay", "podinfo", "--spec", "-", stdin=edited)) == (
        f"{RATE}: harm at 15:05:00 or before, rolled back there; it was promoted at 15:05:20"
    )


def test_a_run_under_way_is_judged_so_far(api: ClusterApi, serin: Serin) -> None:
    api.put("canaries", canary_with([BY_EVIDENCE], evidence=[kept_test(WELL[:1])], run={"startedAt": clock(0)}))
    assert first_line(serin("replay", "podinfo")) == f"{RATE}: undecided at 20 % so far; the run is under way"


def test_what_the_agent_judges_by_evidence_of_itself_is_judged_so_again(api: ClusterApi, serin: Serin) -> None:
    plain = {"name": RATE, "thresholdRange": {"min": 99}}
    api.put("canaries", canary_with([plain], evidence=[kept_test(WELL)], **ended()))
    edited = spec_with([{**plain, "thresholdRange": {"min": 99.99}}])
    assert first_line(serin("replay", "podinfo", "--spec", "-", stdin=edited)).startswith(
        f"{RATE}: undecided: held at 20 % from 15:00:20 on"
    )


def test_programs_get_all_of_it(api: ClusterApi, serin: Serin) -> None:
    api.put("canaries", canary_with([BY_EVIDENCE], evidence=[kept_test(WELL)], checks=[VALUES], **ended()))
    edited = spec_with([{**BY_EVIDENCE, "evidence": {"acceptable": 1, "beta": 0.0001}}])
    value = json.loads(serin("replay", "podinfo", "--spec", "-", "-o", "json", stdin=edited).stdout)
    assert value["was"] == {"outcome": "promoted", "endedAt": "2026-11-30T15:00:45Z", "reason": ""}
    assert value["rollback"] is None
    assert value["isWellAtEveryStep"] is False
    held = {"at": "2026-11-30T15:00:20Z", "until": None, "weight": 20, "checks": [RATE], "why": "failed"}
    assert value["held"] == [held]
    looks, again = value["checks"]
    assert looks["looks"][3] | {"harm": 0.018, "well": 1.0} == {
        "at": "2026-11-30T15:00:40Z",
        "nextWeight": 50.0,
        "canary": {"failures": 1.0, "requests": 700.0},
        "primary": {"failures": 3.0, "requests": 1300.0},
        "harm": 0.018,
        "harmAt": 100.0,
        "well": 1.0,
        "wellAt": 1e4,
        "answer": "well",
        "verdict": "pass",
        "hasOtherSplit": True,
    }
    assert again["values"][1] == {
        "at": "2026-11-30T15:00:20Z",
        "value": 98.0,
        "was": "fail",
        "verdict": "fail",
        "isFailedCheck": True,
        "hasOtherSplit": False,
    }


def test_a_step_that_was_caught_up_with_waits_for_a_look_of_its_own(api: ClusterApi, serin: Serin) -> None:
    looks = [*WELL[:2], [30, 80, *WELL[2][2:]], *([at, 100, *WELL[3][2:]] for at in (40, 50))]
    stored = canary_with([BY_EVIDENCE], evidence=[kept_test(looks)], **ended(after_s=55))
    stored["spec"]["analysis"]["stepWeights"] = [20, 50, 80]
    api.put("canaries", stored)
    edited = spec_with(evidence(beta=0.0003), stepWeights=[20, 50, 80])
    ran = serin("replay", "podinfo", "--spec", "-", stdin=edited)
    assert first_line(ran) == (
        f"well at every step, but later ({RATE}: undecided: held at 20 % from 15:00:20 until 15:00:30); "
        "it was promoted at 15:00:55"
    )
    marked = [line.split()[1:3] for line in ran.stdout.splitlines() if line.startswith("* 1")]
    assert marked == [["15:00:30", "50"], ["15:00:40", "80"], ["15:00:50", "promotion"]]


def test_a_step_that_was_taken_sooner_is_not_held_later(api: ClusterApi, serin: Serin) -> None:
    kept = values(RATE, (10, 99.5, "pass"), (20, 98.0, "fail"), (30, 99.5, "pass"), (40, 99.5, "pass"))
    api.put("canaries", canary_with([BY_EVIDENCE], evidence=[kept_test(WELL)], checks=[kept], **ended()))
    ran = serin("replay", "podinfo", "--spec", "-", stdin=spec_with(evidence(acceptable=1, beta=0.2)))
    assert first_line(ran).startswith("well at every step, and sooner: on from 20 % at 15:00:10, and not at 15:00:20")


@pytest.mark.parametrize(
    ("on_no_data", "line"),
    [
        ("pass", "well at every step; promoted as it was, at 15:00:45"),
        ("hold", f"{RATE}: no data: held at 20 % from 15:00:20 on; it was promoted at 15:00:45"),
    ],
)
def test_a_look_without_a_request_is_what_the_spec_says(
    api: ClusterApi, serin: Serin, on_no_data: str, line: str
) -> None:
    looks = [WELL[0], [20, 50, 0, 400, 0, 0, 1, 1], [30, 100, 0, 400, 0, 0, 1, 1]]
    metric = {**BY_EVIDENCE, "onNoData": on_no_data}
    api.put("canaries", canary_with([metric], evidence=[kept_test(looks)], **ended()))
    assert first_line(serin("replay", "podinfo")) == line


def test_a_common_cause_ends_at_the_deadline(api: ClusterApi, serin: Serin) -> None:
    both = [[10 * number, 50, 1000, 4000, 50, 50, 200, 200] for number in range(1, 5)]
    metrics = evidence(against="both", deadline="20s")
    api.put("canaries", canary_with(metrics, evidence=[kept_test(both)], **ended("rolledBack", 50)))
    assert first_line(serin("replay", "podinfo")) == (
        f"{RATE}: still a common cause by its deadline of 20s at 15:00:30, rolled back there; "
        "it was rolled back at 15:00:50"
    )


def test_a_dry_run_is_shown_and_decides_nothing(api: ClusterApi, serin: Serin) -> None:
    api.put("canaries", ROLLED_BACK)
    ran = serin("replay", "podinfo", "--spec", "-", stdin=spec_with([{**BY_EVIDENCE, "dryRun": True}]))
    assert ran.stdout.startswith("well: on from 20 % at 15:00:10; it was rolled back at 15:01:20")
    assert [line for line in ran.stdout.splitlines() if line.startswith("* 15:01:20") and "harm" in line]


def test_what_is_kept_of_a_run_that_nobody_noted_is_no_ended_runs(api: ClusterApi, serin: Serin) -> None:
    before = ended("rolledBack", 5)
    api.put("canaries", canary_with([BY_EVIDENCE], evidence=[kept_test(WELL)], **before))
    assert first_line(serin("replay", "podinfo")) == "well so far; the run is under way"


# Runs that were played: by its own spec a run goes as it went.


def played(cluster: Counted, fields: Object, analysis: Object) -> Object:
    metric = {**BY_EVIDENCE, "evidence": fields}
    obj = canary_object({"webhooks": [], "metrics": [metric], **analysis})
    return obj | {"status": json.loads(json.dumps(cluster.status))}


@pytest.mark.parametrize(
    ("canary_fails", "fields", "analysis", "line"),
    [
        (0.004, {}, {"stepWeight": 20, "maxWeight": 60}, "well at every step; promoted as it was, at "),
        (
            0.004,
            {"against": "both"},
            {"stepWeight": 20, "maxWeight": 60},
            "well at every step; promoted as it was, at ",
        ),
        (0.03, {}, {"stepWeight": 20, "maxWeight": 60}, f"{RATE}: harm at 15:02:41, rolled back as it was"),
        (
            0.012,
            {"deadline": "1m", "undecided": "rollback"},
            {"stepWeight": 50},
            f"{RATE}: no evidence by its deadline of 1m0s at 15:01:41, rolled back as it was",
        ),
    ],
)
def test_a_run_that_was_played_goes_as_it_went(
    api: ClusterApi, serin: Serin, canary_fails: float, fields: Object, analysis: Object, line: str
) -> None:
    cluster = under_way(fields, analysis, failing={Side.CANARY: canary_fails, Side.PRIMARY: 0.003}, per_second=20)
    cluster.run(3600)
    assert cluster.state.phase in {Phase.SUCCEEDED, Phase.FAILED}
    api.put("canaries", played(cluster, fields, analysis))
    assert first_line(serin("replay", "podinfo")).startswith(line)


def test_each_time_that_it_would_have_been_held_is_told(api: ClusterApi, serin: Serin) -> None:
    analysis = {"stepWeight": 20, "maxWeight": 60}
    cluster = under_way({}, analysis, failing={Side.CANARY: 0.004, Side.PRIMARY: 0.003}, per_second=20)
    cluster.run(600)
    obj = played(cluster, {}, analysis)
    api.put("canaries", obj)
    obj["spec"]["analysis"]["metrics"][0]["evidence"] = {"beta": 0.005}
    assert first_line(serin("replay", "podinfo", "--spec", "-", stdin=json.dumps(obj))) == (
        f"well, but later ({RATE}: undecided: held at 20 % from 15:01:21 until 15:01:31, at 40 % from 15:01:41 "
        "until 15:01:51), at 60 % when the looks end; it was promoted at 15:01:52"
    )


def test_each_iteration_of_an_ab_test_waits_for_its_own_deadline(api: ClusterApi, serin: Serin) -> None:
    looks = [[10 * number, 100, 200, 0, 0, 0, 0, 0] for number in range(1, 6)]
    metrics = evidence(deadline="30s", undecided="rollback")
    obj = canary_with(metrics, evidence=[kept_test([*looks, [60, 100, 200, 0, 20, 20, 0, 0]])], run=STARTED)
    obj["spec"]["analysis"] |= {"match": [{"headers": {"x": {"exact": "y"}}}], "iterations": 10}
    del obj["spec"]["analysis"]["stepWeights"]
    api.put("canaries", obj)
    assert first_line(serin("replay", "podinfo")) == f"{RATE}: undecided so far; the run is under way"


def test_an_ab_test_that_was_played_is_held_where_its_first_iteration_was_over(api: ClusterApi, serin: Serin) -> None:
    analysis = {"match": [{"headers": {"x": {"exact": "y"}}}], "iterations": 3, "stepWeight": None, "maxWeight": None}
    cluster = under_way({}, analysis, failing={Side.CANARY: 0.003}, per_second=5)
    cluster.run(600)
    obj = played(cluster, {}, analysis)
    api.put("canaries", obj)
    assert first_line(serin("replay", "podinfo")) == "well at every step; promoted as it was, at 15:02:02"
    edited = copy.deepcopy(obj)
    edited["spec"]["analysis"]["metrics"][0]["evidence"] = {"beta": 0.01}
    ran = serin("replay", "podinfo", "--spec", "-", stdin=json.dumps(edited))
    assert first_line(ran) == f"{RATE}: undecided: held from 15:01:41 on; it was promoted at 15:02:02"
    edited["spec"]["analysis"]["metrics"][0]["evidence"] = {"beta": 0.0154}
    ran = serin("replay", "podinfo", "--spec", "-", stdin=json.dumps(edited))
    held = f"{RATE}: undecided: held from 15:01:41 until 15:02:01"
    assert first_line(ran) == f"well, but later ({held}); it was promoted at 15:02:02"
