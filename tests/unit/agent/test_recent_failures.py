"""What failed lately is known until it works again, or until long after."""

from agent.recent_failures import RecentFailures


def test_a_failure_is_new_once_until_it_works_again() -> None:
    failing = RecentFailures(3600.0, lambda: 0.0)
    assert [failing.note("a"), failing.note("a"), failing.note("b")] == [True, False, True]
    failing.forget("a")
    assert ("a" in failing, "b" in failing) == (False, True)
    assert failing.note("a")
    failing.forget("never noted")


def test_failures_are_not_remembered_for_ever() -> None:
    now_s = 0.0
    failing = RecentFailures(3600.0, lambda: now_s)
    for number in range(3):
        failing.note(f"test/deleted-{number}")
    now_s = 1800.0
    failing.note("test/on-call")
    now_s = 3600.0
    assert failing.note("test/deleted-0")
    assert [f"test/deleted-{number}" in failing for number in range(3)] == [True, False, False]
    assert not failing.note("test/on-call")
