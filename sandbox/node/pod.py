"""One pod on this node: network, volumes, init containers, containers, and its orderly end."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sandbox.api import Api
from sandbox.node import network
from sandbox.node.clock import now_text
from sandbox.node.configuration import ClusterConfiguration, Tokens
from sandbox.node.container import Container, Surroundings
from sandbox.node.environment import Environment
from sandbox.node.errors import NodeError
from sandbox.node.etc_files import host_name, write_etc_files
from sandbox.node.events import EventRecorder
from sandbox.node.network import Addresses
from sandbox.node.payloads import Payloads
from sandbox.node.process import LauncherClient
from sandbox.node.rootfs import Mount
from sandbox.node.status import ContainerRecord, PodRecord
from sandbox.node.status_writer import StatusWriter, delete_pod
from sandbox.node.volumes import PodVolumes

_RETRY_S = 1.0


@dataclass(frozen=True)
class NodeContext:
    """What all pods of the node share."""

    api: Api
    launcher: LauncherClient
    configuration: ClusterConfiguration
    tokens: Tokens
    events: EventRecorder
    addresses: Addresses
    allocatable: dict[str, str]
    service_variables: Mapping[str, str]
    node_ip: str
    pods_folder: Path
    backoff_scale: float


@dataclass
class Pod:
    """Owned by the agent, which runs `run` as a task, and calls `update` with each newer object and `request_stop`."""

    pod: dict[str, Any]
    node: NodeContext
    containers: list[Container] = field(default_factory=list)
    _grace_s: float = 0.0
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        spec, status = self.pod["spec"], self.pod.get("status", {})
        before = {
            entry["name"]: entry
            for entry in (*status.get("containerStatuses", ()), *status.get("initContainerStatuses", ()))
        }
        self.folder = self.node.pods_folder / self.uid
        self.record = PodRecord(
            init_containers=[_new_record(entry, before) for entry in spec.get("initContainers", ())],
            containers=[_new_record(entry, before) for entry in spec["containers"]],
            start_time=status.get("startTime") or now_text(),
            host_ip=self.node.node_ip,
        )
        self.status_writer = StatusWriter(self.node.api, self.pod, self.record)
        self.volumes = PodVolumes(
            self.folder / "volumes", Payloads(self.node.configuration, self.node.tokens, self.node.allocatable)
        )

    @property
    def uid(self) -> str:
        return str(self.pod["metadata"]["uid"])

    def update(self, pod: dict[str, Any]) -> None:
        """Take a newer version of the object."""
        self.pod = pod
        self.status_writer.update(pod)

    def request_stop(self, grace_s: float) -> None:
        """Let `run` end; a second request may only shorten the first one's grace."""
        self._grace_s = min(grace_s, self._grace_s) if self._stopping.is_set() else grace_s
        self._stopping.set()

    async def run(self) -> None:
        """Live until stopped, then take the object out of the API. Raises LauncherGoneError."""
        async with self._helpers(), asyncio.TaskGroup() as tasks:
            tasks.create_task(self._live(), name=f"life of {self.uid}")
            await self._stopping.wait()
            await self._stop_containers()
        await self.status_writer.flush()
        await delete_pod(self.node.api, self.pod)

    @contextlib.asynccontextmanager
    async def _helpers(self) -> AsyncIterator[None]:
        """Write statuses and refresh volumes beside the pod, and free what it holds after it."""
        try:
            async with asyncio.TaskGroup() as tasks:
                helpers = [
                    tasks.create_task(self.status_writer.run(), name=f"status of {self.uid}"),
                    tasks.create_task(self._refresh_volumes(), name=f"volumes of {self.uid}"),
                    tasks.create_task(self._keep_deadline(), name=f"deadline of {self.uid}"),
                ]
                yield
                for helper in helpers:
                    helper.cancel()
        finally:
            self.volumes.remove()
            shutil.rmtree(self.folder, ignore_errors=True)
            self.node.tokens.forget(self.uid)
            self._release_network()

    async def _live(self) -> None:
        if self.pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            return
        around = await self._prepare()
        if around is None:
            return
        policy = self.pod["spec"].get("restartPolicy", "Always")
        async with asyncio.TaskGroup() as tasks:
            if not await self._run_init_containers(around, policy, tasks):
                return
            pairs = zip(self.pod["spec"]["containers"], self.record.containers, strict=True)
            containers = [Container(spec, record, policy, around) for spec, record in pairs]
            self._wait_for_start(containers)
            mains = [tasks.create_task(container.run(), name=container.record.name) for container in containers]
            await asyncio.wait(mains)
            await self._stop_sidecars()
        self.status_writer.mark_changed()

    async def _prepare(self) -> Surroundings | None:
        """Prepare network and volumes, until they are there; return None if the pod is stopped first."""
        for record in (*self.record.init_containers, *self.record.containers):
            first = not self.record.init_containers or record.is_sidecar
            record.state = {"waiting": {"reason": "ContainerCreating" if first else "PodInitializing"}}
        while not self._stopping.is_set():
            try:
                await self._connect()
                await self.volumes.prepare(self._own_object())
                return self._surroundings()
            except NodeError as error:
                self.status_writer.mark_changed()  # when all goes well, the first container's start is the first news
                self._tell("Warning", error.reason, str(error))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), _RETRY_S)
        return None

    async def _connect(self) -> None:
        if self.record.pod_ip:
            return
        namespace = await self.node.launcher.make_network(self.uid)
        address = self.node.addresses.take()
        try:
            await network.connect(namespace, address, self.node.node_ip)
        except NodeError:
            self.node.addresses.free(address)
            self.node.launcher.drop_network(self.uid)
            raise
        self.record.pod_ip = address

    def _release_network(self) -> None:
        if self.record.pod_ip:
            self.node.launcher.drop_network(self.uid)
            self.node.addresses.free(self.record.pod_ip)

    def _surroundings(self) -> Surroundings:
        pod, address = self._own_object(), self.record.pod_ip
        files = write_etc_files(self.folder / "etc", pod, address=address, dns_address=self.node.node_ip)
        return Surroundings(
            pod=pod,
            launcher=self.node.launcher,
            volumes=self.volumes,
            environment=Environment(pod, self.node.configuration, self.node.allocatable),
            etc_mounts=[Mount(str(source), target) for target, source in files.items()],
            base_variables=self.node.service_variables,
            hostname=host_name(pod),
            address=address,
            folder=self.folder,
            backoff_scale=self.node.backoff_scale,
            tell=self._tell,
            changed=self.status_writer.mark_changed,
        )

    def _own_object(self) -> dict[str, Any]:
        """Return the pod with the addresses that its status is going to have."""
        return self.pod | {"status": {"podIP": self.record.pod_ip, "hostIP": self.record.host_ip}}

    async def _run_init_containers(self, around: Surroundings, policy: str, tasks: asyncio.TaskGroup) -> bool:
        """Run them in order; return whether the containers may start. A sidecar goes on in `tasks`."""
        for spec, record in zip(self.pod["spec"].get("initContainers", ()), self.record.init_containers, strict=True):
            if record.is_sidecar:
                container = Container(spec, record, "Always", around)
                self._wait_for_start([container])
                tasks.create_task(container.run(), name=record.name)
                await container.started.wait()
            else:
                container = Container(spec, record, "Never" if policy == "Never" else "OnFailure", around)
                self._wait_for_start([container])
                await container.run()
            if self._stopping.is_set():
                return False
            if not record.is_done and not record.is_sidecar:
                await self._stop_sidecars()
                return False
        return True

    def _wait_for_start(self, containers: list[Container]) -> None:
        for container in containers:
            container.record.state = {"waiting": {"reason": "ContainerCreating"}}
        self.containers += containers

    async def _stop_containers(self) -> None:
        """Stop the containers at once, the sidecars after them, all within the grace."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + self._grace_s
        mains = [container for container in self.containers if not container.record.is_sidecar]
        await asyncio.gather(*(container.stop(self._grace_s) for container in mains))
        await self._stop_sidecars(end_s - loop.time())

    async def _stop_sidecars(self, grace_s: float | None = None) -> None:
        """Stop them in the reverse order of their start."""
        wanted_s = float(self.pod["spec"].get("terminationGracePeriodSeconds", 30)) if grace_s is None else grace_s
        for container in reversed(self.containers):
            if container.record.is_sidecar:
                await container.stop(max(wanted_s, 0.0))

    async def _refresh_volumes(self) -> None:
        while True:
            await self._wait_for_news()
            if not self.volumes.is_changeable:
                continue
            try:
                await self.volumes.refresh(self._own_object())
            except NodeError as error:
                self._tell("Warning", error.reason, str(error))

    async def _wait_for_news(self) -> None:
        """Wait until a ConfigMap or Secret has changed, this pod was edited or a token is due."""
        waits = [
            asyncio.ensure_future(self.node.configuration.wait_changed()),
            asyncio.ensure_future(self.status_writer.wait_edited()),
        ]
        try:
            await asyncio.wait(
                waits, timeout=self.node.tokens.renew_in_s(self.uid), return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for wait in waits:
                wait.cancel()

    async def _keep_deadline(self) -> None:
        deadline_s = self.pod["spec"].get("activeDeadlineSeconds")
        if deadline_s is None:
            return
        await asyncio.sleep(deadline_s)
        self.record.failure = "DeadlineExceeded", "Pod was active on the node longer than the specified deadline"
        self._grace_s = float(self.pod["spec"].get("terminationGracePeriodSeconds", 30))
        await self._stop_containers()
        self.status_writer.mark_changed()

    def _tell(self, kind: str, reason: str, message: str, container: str = "") -> None:
        field_path = f"spec.containers{{{container}}}" if container else ""
        self.node.events.record(self.pod, kind, reason, message, field_path=field_path)


def _new_record(spec: dict[str, Any], before: Mapping[str, dict[str, Any]]) -> ContainerRecord:
    """Return a fresh record; a container that ran under a node that was killed counts a restart."""
    record = ContainerRecord(spec["name"], spec["image"], is_sidecar=spec.get("restartPolicy") == "Always")
    known = before.get(spec["name"])
    if known is None:
        return record
    record = replace(record, restart_count=known["restartCount"], last_state=known.get("lastState", {}))
    running = known.get("state", {}).get("running")
    if running is not None:
        record.restart_count += 1
        record.last_state = {
            "terminated": {
                "exitCode": 255,
                "reason": "Unknown",
                "startedAt": running["startedAt"],
                "finishedAt": now_text(),
                "containerID": known.get("containerID", ""),
            }
        }
    return record
