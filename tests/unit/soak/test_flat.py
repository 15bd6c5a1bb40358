"""The rule by which a soak says that nothing grows."""

import pytest

from tests.soak.flat import growth


def test_what_rises_at_first_and_then_goes_up_and_down_is_flat() -> None:
    seen = [60, 80, 95, 99, *[100, 104, 100, 97] * 4]
    assert growth(seen).is_flat(few=3)


def test_what_grows_all_the_time_is_not() -> None:
    seen = [100 + 1.5 * look for look in range(40)]
    assert (growth(seen).second, growth(seen).last) == (121.75, 151.75)
    assert not growth(seen).is_flat(few=3)


def test_a_few_more_of_a_few_are_flat_and_many_more_are_not() -> None:
    assert growth([10] * 20 + [14] * 20).is_flat(few=8)
    assert not growth([10] * 20 + [40] * 20).is_flat(few=8)


def test_too_few_looks_say_nothing() -> None:
    with pytest.raises(ValueError, match="found 7 looks; allowed: 8 or more"):
        growth([1.0] * 7)
