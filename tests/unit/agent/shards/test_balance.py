"""Which namespace is in which shard, and which agent hands one back."""

from collections import Counter

import pytest

from agent.shards.assignment import shard_of
from agent.shards.balance import patience_s, to_hand_back


def test_a_namespace_is_in_the_same_shard_for_ever() -> None:
    names = ("default", "shop", "payments", "search", "team-a", "team-b", "gloo-system")
    assert [shard_of(name, 1) for name in names] == [0, 0, 0, 0, 0, 0, 0]
    assert [shard_of(name, 2) for name in names] == [1, 0, 0, 1, 0, 0, 1]
    assert [shard_of(name, 3) for name in names] == [2, 2, 0, 1, 0, 0, 1]
    assert [shard_of(name, 16) for name in names] == [9, 8, 4, 14, 0, 6, 8]


def test_another_shard_takes_its_part_from_all_and_moves_nothing_else() -> None:
    names = [f"team-{number}" for number in range(3000)]
    moved = [shard_of(name, 4) for name in names if shard_of(name, 4) != shard_of(name, 3)]
    assert set(moved) == {3}
    assert all(700 < count < 800 for count in Counter(shard_of(name, 4) for name in names).values())


@pytest.mark.parametrize(
    ("holders", "waits", "handed_back"),
    [
        (["me", "me", "me"], False, None),  # nobody else is there
        (["me", "me", "me"], True, 2),
        (["me", "other"], True, None),  # one each, and one ready to take over
        (["me", "me", "other"], False, None),  # as even as it can be
        (["me", "other", "me", "me"], False, 3),
        (["me", "me", "other", "other", ""], True, None),  # the free one is taken first
        (["me", "me", "other", None], True, None),  # nobody knows whether it is free
        (["me", "me", "you", "you"], True, None),  # of two with most it is the same one in the eyes of both
        (["me", "me", "a", "a"], True, 1),
        (["me", "other", "other", "other"], False, None),
    ],
)
def test_who_has_two_more_than_another_hands_one_back(
    holders: list[str | None], handed_back: int | None, *, waits: bool
) -> None:
    assert to_hand_back(holders, "me", is_somebody_waiting=waits) == handed_back


def test_who_leads_less_is_faster_and_nobody_takes_longer_than_a_second() -> None:
    assert [patience_s(led) for led in range(4)] == [0.0, 0.5, 1.0, 1.0]
