"""Restart delays."""

from sandbox.node.backoff import Backoff


def test_the_first_restart_is_at_once_and_then_the_delay_doubles_to_five_minutes() -> None:
    backoff = Backoff()
    assert [backoff.after_failure(1.0) for _ in range(8)] == [0, 10, 20, 40, 80, 160, 300, 300]


def test_ten_good_minutes_are_a_new_start() -> None:
    backoff = Backoff()
    for _ in range(4):
        backoff.after_failure(1.0)
    assert [backoff.after_failure(600.0), backoff.after_failure(1.0)] == [0, 10]


def test_scale_shortens_all_times() -> None:
    backoff = Backoff(scale=0.1)
    assert [backoff.after_failure(1.0) for _ in range(7)] == [0, 1, 2, 4, 8, 16, 30]
    assert backoff.after_failure(60.0) == 0
