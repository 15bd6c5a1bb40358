"""What failed is not tried again before its time, and holds nothing else up."""

import pytest

from agent.cooldowns import ActionCooldowns
from agent.revision_templates import TemplateLost
from canary.run.action import ApplyObject, DropRequest, Promote, ReleaseObject, ScaleTarget, SetTraffic
from canary.run.managed import ManagedObject
from canary.run.traffic import Traffic
from kube.errors import AlreadyExists, KubeError, Rejected, Unavailable

REFUSED, UNANSWERED = Rejected("Gloo says no"), Unavailable("no answer")
STILL_GOING = AlreadyExists("object is being deleted")


class Clock:
    """Monotonic seconds."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cooldowns(clock: Clock) -> ActionCooldowns:
    return ActionCooldowns(clock)


def test_a_refused_object_is_tried_again_after_half_a_minute(cooldowns: ActionCooldowns, clock: Clock) -> None:
    assert cooldowns.add(ApplyObject(ManagedObject.PRIMARY_SCALER), REFUSED)
    assert cooldowns.objects == {ManagedObject.PRIMARY_SCALER}
    assert list(cooldowns.waits_s()) == [30]
    clock.now_s += 30
    assert cooldowns.objects == frozenset()
    assert list(cooldowns.waits_s()) == []


@pytest.mark.parametrize(("error", "again_s"), [(REFUSED, 30), (UNANSWERED, 1)])
def test_a_route_cools_down_with_its_weights(
    cooldowns: ActionCooldowns, clock: Clock, error: Rejected | Unavailable, again_s: float
) -> None:
    assert cooldowns.add(SetTraffic(Traffic(20, 0, "user=a"), 7), error)
    assert cooldowns.traffic == Traffic(20, 0, "user=a")
    assert list(cooldowns.waits_s()) == [again_s]
    clock.now_s += again_s
    assert cooldowns.traffic is None


@pytest.mark.parametrize(
    ("error", "again_s"), [(REFUSED, 30), (UNANSWERED, 1), (STILL_GOING, 1), (TemplateLost("gone"), 30)]
)
def test_other_actions_cool_down_each_for_itself(
    cooldowns: ActionCooldowns, clock: Clock, error: KubeError | TemplateLost, again_s: float
) -> None:
    assert cooldowns.add(Promote("rev-2"), error)
    assert cooldowns.add(DropRequest("abort"), error)
    assert cooldowns.actions == {Promote("rev-2"), DropRequest("abort")}
    clock.now_s += again_s
    assert cooldowns.actions == frozenset()


def test_nothing_goes_on_without_the_rest(cooldowns: ActionCooldowns) -> None:
    assert not cooldowns.add(ScaleTarget(0), REFUSED)
    assert not cooldowns.add(ApplyObject(ManagedObject.ROUTE), UNANSWERED), (
        "an object that got no answer is asked for again at once"
    )


def test_what_somebody_else_changes_in_turns_with_us_is_set_less_and_less_often(
    cooldowns: ActionCooldowns, clock: Clock
) -> None:
    apply, done_at_s = ApplyObject(ManagedObject.APEX_SERVICE), []
    while clock.now_s < 1000:
        if ManagedObject.APEX_SERVICE not in cooldowns.objects:
            cooldowns.note_done(apply)
            done_at_s.append(clock.now_s - 100)
        clock.now_s += 1
    assert done_at_s[:9] == [0, 1, 2, 3, 4, 5, 7, 11, 19]
    assert done_at_s[-1] - done_at_s[-2] == 60


@pytest.mark.parametrize("action", [ScaleTarget(0), ReleaseObject(ManagedObject.APEX_SERVICE)])
def test_what_nothing_goes_on_without_makes_the_tick_pause_and_is_told(
    cooldowns: ActionCooldowns, clock: Clock, action: ScaleTarget | ReleaseObject
) -> None:
    pauses = []
    for _ in range(10):
        is_kept = cooldowns.note_done(action)
        pauses.append((is_kept, cooldowns.take_pause_s()))
        clock.now_s += 0.05
    assert pauses == [*[(True, 0.0)] * 4, *[(False, 1.0)] * 6]
    assert cooldowns.take_pause_s() == 0.0
    assert all("is changed back by somebody else each time" in text for text in cooldowns.errors)
    assert len(cooldowns.errors) == 1


def test_what_is_set_now_and_then_is_not_held_back(cooldowns: ActionCooldowns, clock: Clock) -> None:
    for _ in range(50):
        assert cooldowns.note_done(ApplyObject(ManagedObject.APEX_SERVICE))
        assert cooldowns.note_done(SetTraffic(Traffic(int(clock.now_s) % 100), 7))
        clock.now_s += 16


def test_a_split_that_somebody_changes_back_is_set_again_within_five_seconds(
    cooldowns: ActionCooldowns, clock: Clock
) -> None:
    for _ in range(100):
        cooldowns.note_done(SetTraffic(Traffic(), 7))
        clock.now_s += 5
        assert cooldowns.traffic is None
