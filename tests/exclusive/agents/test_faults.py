"""One run under load, and one fault after the other: what needs two processes, a real API server and Envoy.

Each fault by itself is in tests/unit/agent/test_faults.py, and for its full time in tests/exclusive/faults/.
"""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster import Cluster
from tests.support.faults.scene import AGENTS, scene
from tests.support.mortal_agent import without_installed_agent

# Of an agent's Lease here; users' lasts longer.
LEASE_S = 3.0


@pytest.fixture
def no_other_agent(cluster: Cluster) -> Iterator[None]:
    with without_installed_agent(cluster):
        yield


@pytest.mark.usefixtures("no_other_agent")
def test_one_fault_after_the_other_costs_a_run_time_and_users_nothing(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    with scene(cluster, namespace, tmp_path, lease_s=LEASE_S) as at:
        at.begin({"stepWeight": 2})
        with at.loaded():
            at.run()
            # A leader that stands still for longer than its Lease lasts; then both are alive.
            first, second = at.holder(), at.standby()
            at.agents[first].signal(signal.SIGSTOP)
            at.rollouts.wait_for("the standby leads", lambda: at.holder() == second)
            at.moves_on("under the second agent")
            written = at.proxies.written(first)
            at.agents[first].signal(signal.SIGCONT)
            at.moves_on("both are alive")
            assert at.proxies.written(first) == written, "the deposed one wrote"
            # A leader that dies.
            at.agents[second].kill()
            at.rollouts.wait_for("the first leads again", lambda: at.holder() == first)
            at.moves_on("under the first agent again")
            # An API server in trouble.
            at.proxies.switch(first, is_down=True)
            time.sleep(LEASE_S + 1)
            at.proxies.switch(first, is_down=False, retry_after_s=1.0, is_silent=True)
            time.sleep(2)
            at.proxies.switch(first, retry_after_s=None, is_silent=False, nth_write=5, is_after=True, write_code=500)
            at.moves_on("every fifth write is answered 500")
            # A Prometheus in trouble.
            at.proxies.switch("metrics", value="NaN")
            time.sleep(2)
            at.proxies.switch("metrics", value="", is_down=True)
            time.sleep(2)
            at.proxies.switch("metrics", is_down=False)
            at.moves_on("after all of that")
            at.request("promote")
            at.promoted(90)
        made = {name: at.proxies.switch(name)["made"] for name in (*AGENTS, "metrics")}
        assert made[first].keys() >= {"429", "write 500 after"}
        assert at.agents[first].is_alive()
    at.check_users()
