"""What failed is not tried again before its time, and holds nothing else up."""

import pytest

from agent.cooldowns import ActionCooldowns
from agent.templates import TemplateLost
from canary.run.action import ApplyObject, DropRequest, Promote, ScaleTarget, SetWeights
from canary.run.observation import ManagedObject
from kube.errors import Rejected, Unavailable

REFUSED, UNANSWERED = Rejected("Gloo says no"), Unavailable("no answer")


class Clock:
    """Monotonic seconds."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def aside(clock: Clock) -> ActionCooldowns:
    return ActionCooldowns(clock)


def test_a_refused_part_is_tried_again_after_half_a_minute(aside: ActionCooldowns, clock: Clock) -> None:
    assert aside.add(ApplyObject(ManagedObject.PRIMARY_SCALER), REFUSED)
    assert aside.parts == {ManagedObject.PRIMARY_SCALER}
    assert list(aside.waits_s()) == [30]
    clock.now_s += 30
    assert aside.parts == frozenset()
    assert list(aside.waits_s()) == []


@pytest.mark.parametrize(("error", "again_s"), [(REFUSED, 30), (UNANSWERED, 1)])
def test_a_route_is_set_aside_with_its_weights(
    aside: ActionCooldowns, clock: Clock, error: Rejected | Unavailable, again_s: float
) -> None:
    assert aside.add(SetWeights(80, 20, 7, 0, "user=a"), error)
    assert aside.route == (80, 20, 0, "user=a", False)
    assert list(aside.waits_s()) == [again_s]
    clock.now_s += again_s
    assert aside.route is None


@pytest.mark.parametrize(("error", "again_s"), [(REFUSED, 30), (UNANSWERED, 1), (TemplateLost("gone"), 30)])
def test_other_actions_are_set_aside_each_for_itself(
    aside: ActionCooldowns, clock: Clock, error: Rejected | Unavailable | TemplateLost, again_s: float
) -> None:
    assert aside.add(Promote("rev-2"), error)
    assert aside.add(DropRequest("abort"), error)
    assert aside.actions == {Promote("rev-2"), DropRequest("abort")}
    clock.now_s += again_s
    assert aside.actions == frozenset()


def test_nothing_goes_on_without_the_rest(aside: ActionCooldowns) -> None:
    assert not aside.add(ScaleTarget(0), REFUSED)
    assert not aside.add(ApplyObject(ManagedObject.ROUTE), UNANSWERED), (
        "a part that got no answer is asked for again at once"
    )
