"""What counts as another act than the guide's."""

from sandbox.demo.guide_lines import made
from sandbox.demo.sequence import Line, Times
from sandbox.demo.verdict import Expected, Seen, differences

EXPECTED = Expected(
    events=(Line("one"), Line("two")), weights=made(10, 20, 0), end={"STATUS": "Succeeded"}, objects=("service/a",)
)
SEEN = Seen(
    events=("one", "two"), weights=(10, 20, 0), end={"STATUS": "Succeeded", "AGE": "1s"}, objects=("service/a",)
)


def test_an_act_as_expected_has_no_differences() -> None:
    assert differences(EXPECTED, SEEN) == []


def test_everything_that_differs_is_told_at_once() -> None:
    seen = Seen(events=("two", "one"), weights=(10, 0), end={"STATUS": "Failed"}, objects=("service/b",))
    assert differences(EXPECTED, seen) == [
        "events: line 1 is 'two'; expected there: 'one'",
        "canary weights: 10 → 0; expected: 10 → 20 → 0",
        "STATUS: 'Failed'; expected: 'Succeeded'",
        "objects that do not exist: service/a",
    ]


def test_an_act_of_which_nothing_was_seen_differs_in_everything() -> None:
    assert len(differences(EXPECTED, Seen())) == 4


def test_a_weight_that_may_come_may_be_missing_but_comes_in_its_place() -> None:
    expected = Expected(events=(), weights=(*made(10), *made(20, times=Times.MAYBE), *made(0)), end={})
    assert differences(expected, Seen(weights=(10, 0))) == []
    assert differences(expected, Seen(weights=(10, 20, 0))) == []
    told = "canary weights: 20 → 10 → 0; expected: 10 → 20 (at most once) → 0"
    assert differences(expected, Seen(weights=(20, 10, 0))) == [told]
