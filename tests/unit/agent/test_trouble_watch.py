"""How long something has been wrong is counted for each reason; what was stored is not forgotten before all is well."""

from agent.trouble_watch import TroubleWatch
from canary.run.state import Blocker
from canary.run.trouble import Trouble

ROUTE, PODS = Blocker("RouteNotServed", "refused"), Blocker("PrimaryNotReady", "1 of 3")


class Clock:
    """Monotonic seconds."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_nothing_lasts_before_its_time_and_another_sentence_is_no_other_trouble() -> None:
    clock = Clock()
    watch = TroubleWatch(clock)
    watch.note((Trouble(ROUTE),))
    assert (watch.lasting(None), list(watch.waits_s())) == (None, [60.0])
    clock.now_s += 40
    watch.note((Trouble(Blocker("RouteNotServed", "refused again")),))
    clock.now_s += 20
    assert watch.lasting(None) == Blocker("RouteNotServed", "refused again")
    assert list(watch.waits_s()) == []


def test_each_trouble_has_its_own_time_and_the_gravest_is_told() -> None:
    clock = Clock()
    watch = TroubleWatch(clock)
    watch.note((Trouble(PODS, 600.0), Trouble(ROUTE)))
    clock.now_s += 60
    assert watch.lasting(None) == ROUTE
    clock.now_s += 540
    assert watch.lasting(None) == PODS


def test_what_was_stored_stays_until_all_is_well() -> None:
    clock = Clock()
    watch = TroubleWatch(clock)
    assert watch.lasting(ROUTE) == ROUTE, "nothing is known yet"
    watch.note((Trouble(PODS),))
    assert watch.lasting(ROUTE) == ROUTE, "nothing is well yet"
    watch.note(())
    assert watch.lasting(ROUTE) is None
