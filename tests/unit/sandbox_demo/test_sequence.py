"""Expected sequences, with lines that may be left out or come again."""

from sandbox.demo.sequence import Line, Times, first_difference

ONE, TWO = Line("one"), Line("two")
SOME = Line("some …", times=Times.ANY)


def test_a_sequence_as_expected_has_no_difference() -> None:
    assert first_difference([ONE, SOME, TWO], ["one", "some a", "some b", "two"]) is None


def test_lines_that_may_come_any_number_of_times_may_be_missing() -> None:
    assert first_difference([SOME, ONE, SOME, TWO, SOME], ["one", "two"]) is None


def test_the_same_optional_line_may_stand_in_several_places() -> None:
    assert first_difference([ONE, SOME, SOME, TWO, SOME], ["one", "some a", "two", "some b"]) is None


def test_a_wrong_order_is_told_with_what_was_expected_there() -> None:
    assert first_difference([ONE, SOME, TWO], ["two", "one"]) == "line 1 is 'two'; expected there: 'one'"


def test_a_line_that_was_not_declared_is_told() -> None:
    told = first_difference([ONE, SOME, TWO], ["one", "some a", "surprise", "two"])
    assert told == "line 3 is 'surprise'; expected there: 'some …' or 'two'"


def test_a_line_that_may_come_once_may_not_come_twice() -> None:
    assert first_difference([ONE, TWO], ["one", "one"]) == "line 2 is 'one'; expected there: 'two'"


def test_a_line_that_may_come_comes_once_at_the_most_and_in_its_place() -> None:
    expected = [ONE, Line("perhaps", times=Times.MAYBE), TWO]
    assert first_difference(expected, ["one", "two"]) is None
    assert first_difference(expected, ["one", "perhaps", "two"]) is None
    told = first_difference(expected, ["one", "perhaps", "perhaps", "two"])
    assert told == "line 3 is 'perhaps'; expected there: 'two'"


def test_nothing_may_follow_the_last_line() -> None:
    assert first_difference([ONE], ["one", "two"]) == "line 2 is 'two'; expected there: nothing more"


def test_an_early_end_tells_what_was_expected_next() -> None:
    assert first_difference([ONE, SOME, TWO], ["one"]) == "the lines end after 1; expected next: 'some …' or 'two'"


def test_an_ellipsis_stands_for_anything_and_the_rest_is_taken_literally() -> None:
    line = Line("a.b … (c)")
    assert line.fits("a.b 1 of 2 (c)")
    assert not line.fits("axb 1 of 2 (c)")
    assert not line.fits("a.b 1 of 2 (c) and more")
