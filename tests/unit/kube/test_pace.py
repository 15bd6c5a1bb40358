"""How much is sent at once follows from how fast the API server answers: by a clock that only the test moves."""

from dataclasses import dataclass, field

import pytest

from kube.pace import Pace


@dataclass
class Answers:
    """An API server's answers, one after the other, each `seconds` after the one before."""

    now_s: float = 100.0
    pace: Pace = field(init=False)

    def __post_init__(self) -> None:
        self.pace = Pace(clock=lambda: self.now_s)

    def come(self, count: int, seconds: float, *, namespaces: tuple[str, ...] = ("shop",)) -> None:
        for number in range(count):
            self.now_s += seconds
            self.pace.note_answer(namespaces[number % len(namespaces)], seconds)


def test_fast_answers_let_one_more_in_each_quarter_of_a_second_up_to_sixteen() -> None:
    answers = Answers()
    assert answers.pace.at_once == 8
    answers.come(16, 0.01)
    assert answers.pace.at_once == 8, "0.16 s are not a quarter of a second"
    answers.come(16, 0.01)
    assert answers.pace.at_once == 9
    answers.come(1_600, 0.01)
    assert answers.pace.at_once == 16


def test_answers_that_take_much_longer_than_usual_take_away_a_quarter_each_time_down_to_two() -> None:
    answers = Answers()
    answers.come(16, 0.01)
    found = []
    for _ in range(6):
        answers.come(16, 0.2)
        found.append(answers.pace.at_once)
    assert found == [6, 4, 3, 2, 2, 2]
    answers.come(64, 0.02)
    assert answers.pace.at_once == 6, "it is fast again: one more each time, for they are 0.32 s apart"


def test_who_had_nothing_to_ask_for_five_seconds_begins_again_with_eight() -> None:
    answers = Answers()
    answers.come(16, 0.01)
    answers.come(48, 0.2)
    assert answers.pace.at_once == 3
    answers.now_s += 4.9
    assert answers.pace.at_once == 3
    answers.now_s += 0.2
    assert answers.pace.at_once == 8
    answers.come(16, 0.01)
    assert answers.pace.at_once == 9


def test_a_slow_moment_takes_away_a_quarter_once_however_many_were_under_way_in_it() -> None:
    answers = Answers()
    answers.come(16, 0.01)
    found = []
    for _ in range(8):
        answers.now_s += 0.125
        for _ in range(16):
            answers.pace.note_answer("shop", 0.5)
        found.append(answers.pace.at_once)
    assert found == [6, 6, 6, 6, 4, 4, 4, 4]


def test_ten_writes_of_others_within_a_second_are_given_way_to_until_they_are_fewer() -> None:
    answers = Answers()
    for _ in range(9):
        answers.now_s += 0.1
        answers.pace.note_others_write()
    assert (answers.pace.gives_way_s, answers.pace.patience_s) == (0.0, 1.0)
    answers.now_s += 0.05
    answers.pace.note_others_write()
    assert answers.pace.gives_way_s == pytest.approx(0.15), "the first of the ten is 0.85 s ago"
    assert answers.pace.patience_s == 3.0
    answers.now_s += 0.2
    assert (answers.pace.gives_way_s, answers.pace.patience_s) == (0.0, 1.0)


def test_a_server_that_always_takes_its_time_is_not_slow() -> None:
    answers = Answers()
    answers.come(160, 0.3)
    assert answers.pace.at_once == 16
    assert answers.pace.hangs_after_s == 2.4


def test_who_is_slow_itself_goes_back_to_eight_and_takes_nobody_for_hanging_whose_answer_lies_there() -> None:
    answers = Answers()
    answers.come(1_600, 0.01)
    assert answers.pace.at_once == 16
    found = []
    for _ in range(5):
        answers.now_s += 0.6
        for _ in range(16):
            answers.pace.note_answer("shop", 0.5, 0.45)
        found.append(answers.pace.at_once)
    assert found == [12, 9, 8, 8, 8]
    assert answers.pace.hangs_after_s == 4.0


def test_one_namespace_s_slow_webhook_slows_down_nobody_else() -> None:
    answers = Answers()
    answers.come(16, 0.01)
    for _ in range(40):
        for _ in range(15):
            answers.pace.note_answer("slow", 5.0)
        answers.now_s += 5.0
        answers.pace.note_answer("shop", 0.01)
    assert answers.pace.at_once == 16
    assert answers.pace.hangs_after_s == 0.15


def test_a_refusal_halves_it_once_for_all_of_the_same_moment() -> None:
    answers = Answers()
    for _ in range(8):
        answers.pace.note_refusal(0.0)
    assert answers.pace.at_once == 4
    answers.now_s += 1.0
    answers.pace.note_refusal(0.0)
    answers.now_s += 1.0
    answers.pace.note_refusal(0.0)
    assert answers.pace.at_once == 2


def test_it_is_left_alone_for_as_long_as_it_asked_for_and_a_minute_at_most() -> None:
    answers = Answers()
    answers.pace.note_refusal(30.0)
    answers.pace.note_refusal(1.0)
    answers.now_s += 29.0
    assert (answers.pace.alone_s, answers.pace.at_once) == (1.0, 2)
    answers.now_s += 1.0
    assert (answers.pace.alone_s, answers.pace.at_once) == (0.0, 4)
    answers.pace.note_refusal(86_400.0)
    assert answers.pace.alone_s == 60.0


def test_a_moment_in_which_this_process_was_busy_says_nothing_of_what_is_usual() -> None:
    answers = Answers()
    for _ in range(16):
        answers.pace.note_answer("shop", 0.15, own_s=0.15)
    answers.come(320, 0.15)
    assert answers.pace.at_once == 16, "a server that always takes 150 ms is not slow"


def test_a_server_that_takes_seconds_for_each_answer_gets_no_more_though_they_come_late() -> None:
    answers = Answers()
    answers.come(16, 0.01)
    answers.come(64, 2.0)
    assert answers.pace.at_once == 2
    answers.come(15, 2.0)
    assert answers.pace.at_once == 2
