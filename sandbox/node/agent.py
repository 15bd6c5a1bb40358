"""The node's main loop: each pod bound to it gets a task, which lives until the pod's object is gone."""

import asyncio
import logging
import shutil
from dataclasses import dataclass, field
from typing import Any

from sandbox.api import Mirror
from sandbox.node.hollow import HollowPods, is_hollow
from sandbox.node.pod import NodeContext, Pod

_log = logging.getLogger(__name__)

_VANISHED_GRACE_S = 2.0  # for a pod deleted by force: its object is gone, its processes have to go too


@dataclass
class NodeAgent:
    """Runs the pods of `mirror`, which holds those bound to this node."""

    node: NodeContext
    mirror: Mirror
    hollow: HollowPods
    pods: dict[str, Pod] = field(default_factory=dict)  # by uid
    _seen: dict[str, dict[str, Any]] = field(default_factory=dict)  # by uid, the object last looked at
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def run(self) -> None:
        """Follow the mirror for ever; raises LauncherGoneError in an ExceptionGroup."""
        await self.mirror.wait_synced()
        self._remove_leftovers()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.hollow.run(), name="hollow pods")
            while True:
                self.mirror.changed.clear()
                self._follow(tasks)
                await self.mirror.changed.wait()

    def _remove_leftovers(self) -> None:
        """Remove the pods' folders of an earlier node, whose processes died with it."""
        shutil.rmtree(self.node.pods_folder, ignore_errors=True)

    def _follow(self, tasks: asyncio.TaskGroup) -> None:
        present: dict[str, dict[str, Any]] = {}
        for pod in self.mirror.objects.values():
            uid = pod["metadata"]["uid"]
            present[uid] = pod
            if self._seen.get(uid) is not pod:
                self._take(pod, tasks)
        for uid in self._seen.keys() - present.keys():
            self.hollow.forget(uid)
            if uid in self.pods:
                self.pods[uid].request_stop(_VANISHED_GRACE_S)
        self._seen = present

    def _take(self, pod: dict[str, Any], tasks: asyncio.TaskGroup) -> None:
        uid = pod["metadata"]["uid"]
        if is_hollow(pod):
            self.hollow.update(pod)
            return
        if uid not in self.pods:
            self.pods[uid] = Pod(pod, self.node)
            task = tasks.create_task(self._run_pod(self.pods[uid]), name=f"pod {pod['metadata']['name']}")
            self._tasks[uid] = task
        running = self.pods[uid]
        running.update(pod)
        if "deletionTimestamp" in pod["metadata"]:
            running.request_stop(float(pod["metadata"].get("deletionGracePeriodSeconds", 30)))

    async def _run_pod(self, pod: Pod) -> None:
        try:
            await pod.run()
        finally:
            del self.pods[pod.uid], self._tasks[pod.uid]
        _log.info("pod %s has ended", pod.pod["metadata"]["name"])
