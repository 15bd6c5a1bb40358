"""What the status keeps of evidence: the same test after a crash, and nothing that is not ours."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.judgement.counts import Deltas, Failures, Tally
from canary.judgement.observe import observe
from canary.judgement.plan import Bound, Plan
from canary.judgement.scrapes import Memory, SeenProcess
from canary.judgement.stored import read_evidence, read_memory, write_evidence, write_memory

PLAN = Plan(
    counted="over 100, 500",
    bounds=(
        Bound(limit=0.01, unacceptable=0.02, failing="is over 100 ms in"),
        Bound(limit=0.01, unacceptable=0.02, failing="is over 500 ms in"),
    ),
)
COUNTS = st.integers(0, 10**9)


@given(st.lists(st.tuples(COUNTS, COUNTS, COUNTS, COUNTS), min_size=1, max_size=12))
def test_a_state_that_was_stored_goes_on_as_it_was(ticks: list[tuple[int, int, int, int]]) -> None:
    kept, stored = None, None
    for at_s, (one, two, three, four) in enumerate(ticks):
        canary = Tally(max(one, two), (Failures(one, two), Failures(0, one)))
        deltas = Deltas(canary, Tally(four, (Failures(three, three), Failures(three, three))))
        kept, found = observe(PLAN, kept, deltas, 50, at_s)
        stored, found_again = observe(PLAN, stored, deltas, 50, at_s)
        stored = read_evidence(json.loads(json.dumps(write_evidence(stored))))
        assert (stored, found_again) == (kept, found)


def test_the_keys() -> None:
    state, _ = observe(PLAN, None, Deltas(Tally(10, (Failures(1, 2), Failures(0, 0)))), 50, 1_000.5)
    written = write_evidence(state)
    assert {key: written[key] for key in ("counted", "ratio", "beganAt", "requests")} == {
        "counted": "over 100, 500",
        "ratio": 2.0,
        "beganAt": 1_000.5,
        "requests": [10, 0],
    }
    assert list(written["bounds"][0]) == [
        "failures",
        "alone",
        "worse",
        "notWorse",
        "bursts",
        "aside",
        "step",
        "stepWorse",
    ]
    assert written["bounds"][0]["failures"] == [1, 2, 0, 0]
    assert [len(written["bounds"][0][key]) for key in ("worse", "notWorse", "bursts")] == [12, 10, 2]


GOOD = write_evidence(observe(PLAN, None, Deltas(), 50, 1)[0])
BOUND = GOOD["bounds"][0]


@pytest.mark.parametrize(
    "found",
    [
        None,
        [],
        "x",
        {},
        GOOD | {"requests": [1]},
        GOOD | {"requests": [1, -1]},
        GOOD | {"requests": [1, float("nan")]},
        GOOD | {"requests": "12"},
        GOOD | {"ratio": None},
        GOOD | {"beganAt": float("inf")},
        GOOD | {"bounds": 7},
        GOOD | {"bounds": [BOUND | {"worse": [0]}]},
        GOOD | {"bounds": [BOUND | {"alone": [1, 2, 3]}]},
        GOOD | {"bounds": [BOUND | {"notWorse": [1e300] * 10}]},
        GOOD | {"bounds": [BOUND | {"bursts": []}]},
        GOOD | {"bounds": [BOUND | {"bursts": [[0] * 9] * 2}]},
    ],
)
def test_what_is_not_ours_begins_anew(found: object) -> None:
    assert read_evidence(found) is None


def test_memory_is_kept_as_it_is() -> None:
    memory = Memory("5xx", {"0a1b2c3d": SeenProcess(1_000.125, {"00ff00ff": (10.0, 1.0, 1.0)})})
    written = {"counted": "5xx", "processes": {"0a1b2c3d": [1_000.125, {"00ff00ff": [10.0, 1.0, 1.0]}]}}
    assert write_memory(memory) == written
    assert read_memory(json.loads(json.dumps(written))) == memory
    many = written | {"processes": {str(number): [1.0, {}] for number in range(65)}}
    torn = [None, {}, {"counted": "5xx", "processes": [1]}, {"counted": "5xx", "processes": {"a": [1]}}, many]
    assert [read_memory(found) for found in torn] == [Memory()] * 5
    assert read_memory(written | {"processes": {"a": [-1, {}]}}) == Memory()
