"""What is kept of each canary's weight and messages: bounded, and only what the watch showed."""

from typing import Any

import pytest

from agent.page.recent import MOST_MESSAGES, MOST_POINTS, Recent, Said
from kube.store import Change, Key
from tests.support.page import stored

KEY = Key("test", "podinfo")


def at(second: int, weight: int, *, sequence: int = 1, texts: tuple[str, ...] = (), uid: str = "u") -> dict[str, Any]:
    news = [{"type": "Warning" if text.startswith("Halt") else "Normal", "text": text} for text in texts]
    moment = f"2026-11-30T15:{second // 60:02}:{second % 60:02}Z"
    obj = stored(weight=weight, ours={"storedAt": moment, "sequence": sequence, "news": news})
    obj["metadata"]["uid"] = uid
    return obj


def seen(*objs: dict[str, Any]) -> Recent:
    recent, old = Recent(), None
    for obj in objs:
        recent.note(Change(KEY, old, obj))
        old = obj
    return recent


FIRST = 1796050800  # 2026-11-30T15:00:00Z


def test_each_change_of_the_weight_is_a_point() -> None:
    recent = seen(at(0, 0), at(10, 5), at(20, 5), at(30, 10))
    assert recent.weights(KEY) == [(FIRST, 0), (FIRST + 10, 5), (FIRST + 30, 10)]


def test_the_newest_points_are_kept() -> None:
    recent = seen(*(at(second, second % 100) for second in range(1000)))
    points = recent.weights(KEY)
    assert 150 <= len(points) <= MOST_POINTS == 200
    assert points[-1] == (FIRST + 999, 99)


def test_messages_are_those_of_transitions_each_once_and_newest_first() -> None:
    recent = seen(
        at(0, 5, sequence=1, texts=("Advance podinfo.test canary weight 5",)),
        at(1, 5, sequence=1, texts=("Advance podinfo.test canary weight 5",)),
        at(9, 5, sequence=2, texts=("Halt podinfo.test advancement",)),
    )
    assert list(recent.messages(KEY)) == [
        Said(FIRST + 9, warning=True, text="Halt podinfo.test advancement"),
        Said(FIRST, warning=False, text="Advance podinfo.test canary weight 5"),
    ]


def test_the_newest_messages_are_kept() -> None:
    recent = seen(*(at(number, 5, sequence=number, texts=(f"message {number}",)) for number in range(100)))
    texts = [said.text for said in recent.messages(KEY)]
    assert len(texts) == MOST_MESSAGES == 20
    assert texts[0] == "message 99"


def test_a_canary_that_is_gone_or_another_one_leaves_nothing() -> None:
    recent = seen(at(0, 50), at(10, 5, uid="another"))
    assert recent.weights(KEY) == [(FIRST + 10, 5)]
    recent.note(Change(KEY, at(10, 5), None))
    assert recent.weights(KEY) == []
    assert list(recent.messages(KEY)) == []


@pytest.mark.parametrize("moment", ["", "yesterday", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", 7, None])
def test_a_moment_that_nobody_can_read_adds_nothing(moment: Any) -> None:
    obj = stored(ours={"storedAt": moment}, lastTransitionTime=moment)
    assert seen(obj).weights(KEY) == []


def test_a_weight_of_somebodys_hand_is_kept_within_a_byte() -> None:
    assert [weight for _, weight in seen(at(0, 5000), at(1, -3)).weights(KEY)] == [255, 0]
