"""What is written to demo.json, and the exit code."""

import json

from sandbox.demo.acts import ACTS
from sandbox.demo.moments import PhaseSeen, RequestFailed
from sandbox.demo.pace import Pace
from sandbox.demo.performance import Programme
from sandbox.demo.verdict import ActResult, Expected, Seen, differences

PACE = Pace(2.0, (10, 20), threshold=5)
GOOD_FIGURES: dict[str, list[float]] = {
    "ready_s": [20.0],
    "detect_s": [0.3, 0.2],
    "first_weight_s": [0.5],
    "rollback_shift_s": [0.1, 0.2],
    "requests": [20_000],
    "failed_requests": [0],
    "steps_twice": [0, 0],
}


def _as_expected(expected: Expected) -> Seen:
    return Seen(
        events=tuple(line.text for line in expected.events),
        weights=tuple(int(line.text) for line in expected.weights),
        end=expected.end,
        objects=expected.objects,
    )


def _played(*seen: Seen, figures: dict[str, list[float]] = GOOD_FIGURES) -> Programme:
    programme = Programme(ACTS, PACE, measured=dict(figures))
    for act, what in zip(ACTS, seen, strict=False):
        expected = act.expected(PACE)
        programme.results.append(ActResult(act.name, 1.234, expected, what, tuple(differences(expected, what))))
    return programme


def _all_as_expected() -> list[Seen]:
    return [_as_expected(act.expected(PACE)) for act in ACTS]


def test_a_demo_as_in_the_guide_exits_with_0() -> None:
    assert _played(*_all_as_expected()).exit_code == 0


def test_a_wrong_order_of_events_makes_the_demo_fail() -> None:
    first, second, *rest = _all_as_expected()
    swapped = Seen(events=second.events[::-1], weights=second.weights, end=second.end)
    programme = _played(first, swapped, *rest)
    assert programme.exit_code == 1
    assert [act["name"] for act in programme.as_json()["acts"] if not act["ok"]] == ["promotion"]


def test_a_weight_that_is_left_out_makes_the_demo_fail() -> None:
    first, second, *rest = _all_as_expected()
    jumped = Seen(events=second.events, weights=second.weights[1:], end=second.end)
    assert _played(first, jumped, *rest).exit_code == 1


def test_another_end_makes_the_demo_fail() -> None:
    first, second, *rest = _all_as_expected()
    ended = Seen(events=second.events, weights=second.weights, end={**second.end, "STATUS": "Failed"})
    assert _played(first, ended, *rest).exit_code == 1


def test_an_act_that_was_not_played_makes_the_demo_fail() -> None:
    programme = _played(_all_as_expected()[0])
    assert programme.exit_code == 1
    written = programme.as_json()["acts"]
    assert [act["name"] for act in written] == [act.name for act in ACTS]
    assert [act["name"] for act in written if act["ok"]] == ["bootstrap"]


def test_a_figure_over_its_limit_or_missing_makes_the_demo_fail() -> None:
    assert _played(*_all_as_expected(), figures=GOOD_FIGURES | {"detect_s": [0.1, 1.2]}).exit_code == 1
    assert _played(*_all_as_expected(), figures={"ready_s": [20.0]}).exit_code == 1


def test_a_lost_request_is_told_with_its_act_and_moment_and_an_injected_one_is_not() -> None:
    programme = _played(*_all_as_expected(), figures=GOOD_FIGURES | {"failed_requests": [1]})
    first, lost = PhaseSeen(10.0, "Progressing"), RequestFailed(12.5, "service", "503", took_s=0.1)
    programme.note_act(ACTS[1], [first, lost, RequestFailed(13.0, "/delay/2", "503", took_s=0.1)])
    assert programme.lost == [{"act": "promotion", "to": "service", "why": "503", "at_s": 2.5}]
    assert programme.exit_code == 1


def test_the_json_has_acts_and_figures() -> None:
    written = json.loads(json.dumps(_played(*_all_as_expected()).as_json()))
    assert written["figures"] == {name: max(values) for name, values in GOOD_FIGURES.items()}
    assert written["lost"] == []
    assert [act["name"] for act in written["acts"]] == [
        "bootstrap",
        "promotion",
        "restart",
        "rollback-500",
        "rollback-latency",
        "rollback-404",
        "agent-killed",
        "refused",
        "grafana",
    ]
    promotion = written["acts"][1]
    assert promotion["ok"] is True
    assert promotion["seconds"] == 1.23
    assert promotion["seen"]["weights"] == [10, 20, 0]
    assert promotion["expected"]["weights"] == ["10", "20", "0"]
    assert promotion["seen"]["end"]["STATUS"] == "Succeeded"
    assert promotion["seen"]["events"][0].startswith("New revision detected! Scaling up podinfo.test")
