"""Which tests stay together in one process of pytest-xdist."""

import pytest

from tests.support.schedule import group_of


@pytest.mark.parametrize(
    ("nodeid", "group"),
    [
        ("tests/cluster/test_gates.py::test_a[x/y::z]", "tests/cluster/test_gates.py::test_a[x/y::z]"),
        ("tests/cluster/test_scalers.py::test_a", "tests/cluster/test_scalers.py"),
        ("tests/exclusive/agents/test_crashes.py::test_a[1]", "exclusive/agents"),
        ("tests/exclusive/webhook/test_webhook_marks.py::test_a", "exclusive/webhook"),
        ("tests/exclusive/test_sandbox_lifecycle.py::test_a", "exclusive/test_sandbox_lifecycle.py"),
        ("tests/unit/canary/test_run.py::test_a", "tests/unit/canary/test_run.py"),
        ("test_a.py::test_a", "test_a.py"),
    ],
)
def test_what_shares_a_fixture_or_a_cluster_of_its_own_is_one_group(nodeid: str, group: str) -> None:
    assert group_of(nodeid) == group
