"""Changes of Deployments that no canary names, as many as ten thousand a minute: nothing of them is kept."""

import gc
from pathlib import Path

from agent.caches import Caches
from agent.series.agent_metrics import AgentMetrics
from kube.client import WatchEvent
from kube.resource import DEPLOYMENTS
from tests.support.podinfo import podinfo_deployment
from tests.unit.agent.test_supervisor import at_work, dying

OTHERS = 50


def storm(caches: Caches, count: int, version: int) -> int:
    """Let so many changes come in; return how many objects Python has by then."""
    for number in range(version, version + count):
        obj = podinfo_deployment()
        obj["metadata"] |= {"name": f"other-{number % OTHERS}", "resourceVersion": str(number)}
        obj["metadata"]["annotations"] = {"changed": str(number)}
        obj["spec"]["template"]["metadata"]["labels"] = {"app": f"other-{number % OTHERS}"}
        obj["spec"]["template"]["metadata"]["annotations"] = {"changed": str(number)}
        caches.of(DEPLOYMENTS)._handle_event(WatchEvent("MODIFIED", obj))
    gc.collect()
    return len(gc.get_objects())


async def test_ten_thousand_changes_of_unrelated_deployments_leave_nothing_behind(tmp_path: Path) -> None:
    async with at_work(tmp_path, AgentMetrics("1.2.3"), dying(1)) as (_, caches):
        after_first = storm(caches, 1_000, version=10)
        after_all = storm(caches, 10_000, version=2_000)
        kept = caches.of(DEPLOYMENTS)
        assert (len(kept.outlines("test")), len(kept.items())) == (OTHERS, 0), "no more than their outlines"
    assert after_all - after_first < OTHERS, "one object kept for each change would be ten thousand"
