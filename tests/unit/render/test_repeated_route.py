"""The same split in other numbers."""

import pytest

from canary.run.traffic import Traffic
from render.repeated_route import is_repeated, repeated_patch
from render.route_table import read_exposure, route_table
from tests.support.json_patch import apply_patch
from tests.support.podinfo import podinfo_canary, stored

CANARY = podinfo_canary()


@pytest.mark.parametrize("canary_percent", [0, 25, 100])
def test_a_split_is_written_in_ever_other_numbers_until_they_are_percents_again(canary_percent: int) -> None:
    table = stored(route_table(CANARY, Traffic(canary_percent)))
    seen = []
    for _ in range(9):
        table = apply_patch(table, repeated_patch(CANARY, table))
        exposure = read_exposure(CANARY, table)
        assert exposure is not None
        assert exposure.traffic.canary_percent == canary_percent
        assert exposure.is_exact is not is_repeated(CANARY, table)
        destinations = table["spec"]["routes"][-1]["routeAction"]["multi"]["destinations"]
        seen.append(tuple(destination["weight"] for destination in destinations))
    assert len(set(seen)) == 9
    assert seen[0] == (2 * (100 - canary_percent), 2 * canary_percent)
    assert seen[-1] == (100 - canary_percent, canary_percent)


def test_a_table_without_our_route_is_left_alone() -> None:
    table = {"metadata": {"name": "podinfo", "namespace": "test", "resourceVersion": "1"}, "spec": {"routes": []}}
    assert repeated_patch(CANARY, table) == []
    assert not is_repeated(CANARY, table)
