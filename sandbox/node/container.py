"""One container of a pod from its first start to its last end: hooks, probes, restarts with back-off, graceful stop."""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.images import Image, resolve
from sandbox.node.backoff import Backoff
from sandbox.node.clock import now_text
from sandbox.node.environment import Environment, expand
from sandbox.node.errors import NodeError, StartError
from sandbox.node.logs import LogWriter
from sandbox.node.prober import Prober
from sandbox.node.probes import ProbeTarget
from sandbox.node.process import CommandLine, Exit, LauncherClient, Process
from sandbox.node.rootfs import Mount
from sandbox.node.status import ContainerRecord
from sandbox.node.volumes import PodVolumes

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_RETRY_S = 1.0
_NOT_STARTED = 128
_HOOK_LIMIT_S = 300.0  # a postStart hook has no limit of its own
_OUTPUT_BYTES = 10 * 1024


@dataclass(frozen=True)
class Surroundings:
    """What the containers of one pod share. `tell(kind, reason, message, container)` records an event."""

    pod: dict[str, Any]
    launcher: LauncherClient
    volumes: PodVolumes
    environment: Environment
    etc_mounts: list[Mount]
    base_variables: Mapping[str, str]
    hostname: str
    address: str
    folder: Path
    backoff_scale: float
    tell: Callable[[str, str, str, str], None]
    changed: Callable[[], None]


@dataclass
class Container:
    """Runs `spec` until its restart policy (`Always`, `OnFailure` or `Never`) or `stop` ends it.

    `started` is set when it has started, startup probe included, or when it never will.
    """

    spec: dict[str, Any]
    record: ContainerRecord
    restart_policy: str
    around: Surroundings
    started: asyncio.Event = field(default_factory=asyncio.Event)
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _process: Process | None = None
    _variables: dict[str, str] = field(default_factory=dict)

    async def run(self) -> None:
        backoff = Backoff(self.around.backoff_scale)
        loop = asyncio.get_running_loop()
        try:
            while not self._stopping.is_set():
                async with self._starting:
                    process = await self._start()
                begin_s = loop.time()
                if process is not None:
                    self._finish(await self._supervise(process))
                if self._stopping.is_set() or not self._is_restarted():
                    return
                await self._back_off(backoff.after_failure(loop.time() - begin_s))
        finally:
            self.started.set()

    async def stop(self, grace_s: float) -> None:
        """Stop for good: preStop hook, SIGTERM, and SIGKILL when `grace_s` has passed; returns when it is dead."""
        self._stopping.set()
        async with self._starting:  # a start that is under way gives a process to end
            pass
        if self._process is not None:
            self._tell("Normal", "Killing", f"Stopping container {self.spec['name']}")
            await self._end(self._process, grace_s)

    async def execute(self, argv: list[str]) -> tuple[int, str]:
        """Run a command in the running container; return its exit code and output. Raises StartError."""
        if self._process is None:
            raise StartError("the container is not running")
        command = CommandLine(argv, self._variables, self._working_directory())
        read_end, write_end = os.pipe()
        with os.fdopen(read_end, "rb") as output:
            os.set_blocking(read_end, False)
            try:
                process = await self.around.launcher.execute(command, inside=self._process, output=write_end)
            finally:
                os.close(write_end)
            try:
                ended = await process.wait()
            except asyncio.CancelledError:
                process.send_signal(signal.SIGKILL)
                raise
            text = output.read(_OUTPUT_BYTES) or b""
        return ended.code, text.decode(errors="replace").strip()

    async def _start(self) -> Process | None:
        """Start the process, trying again while something is missing; None when stopped or when exec failed."""
        while not self._stopping.is_set():
            try:
                return await self._launch()
            except StartError as error:
                self._tell("Warning", "Failed", f"Error: {error}")
                self._finish(Exit(_NOT_STARTED), reason=error.reason, message=str(error))
                return None
            except NodeError as error:
                self._wait_for(error.reason, str(error))
                self._tell("Warning", "Failed", f"Error: {error}")
                await self._sleep(_RETRY_S)
        return None

    async def _launch(self) -> Process | None:
        name = self.spec["name"]
        image = resolve(self.spec["image"])
        if image is None:
            await self._fail_to_pull()
            return None
        self._tell("Normal", "Pulled", f'Container image "{self.spec["image"]}" already present on machine')
        command = await self._build_command(image)
        mounts = [*self.around.etc_mounts, *self.around.volumes.mounts_of(self.spec, self._variables)]
        log = LogWriter(self.log_path(self.record.restart_count))
        try:
            process = await self.around.launcher.start(
                command, pod_uid=self.around.pod["metadata"]["uid"], hostname=self.around.hostname, mounts=mounts,
                output=log.output,
            )  # fmt: skip
        finally:
            log.close_output()
        self._process = process
        self._tell("Normal", "Created", f"Container created: {name}")
        self._tell("Normal", "Started", f"Started container {name}")
        self.record.container_id = f"sandbox://{self.around.pod['metadata']['uid']}/{name}/{self.record.restart_count}"
        self.record.state = {"running": {"startedAt": now_text()}}
        self.record.is_started = "startupProbe" not in self.spec and not self._has_hook("postStart")
        self.record.is_ready = self.record.is_started and "readinessProbe" not in self.spec
        self._announce()
        return process

    async def _build_command(self, image: Image) -> CommandLine:
        path = ":".join([*map(str, image.path), _SYSTEM_PATH])
        base = {"PATH": path, "HOME": "/root", "HOSTNAME": self.around.hostname} | dict(image.env)
        self._variables = await self.around.environment.build(self.spec, base | dict(self.around.base_variables))
        command = self.spec.get("command") or list(image.command)
        argv = [expand(word, self._variables) for word in (*command, *self.spec.get("args", ()))]
        if not argv:
            raise StartError("no command specified")
        return CommandLine(argv, self._variables, self._working_directory())

    async def _supervise(self, process: Process) -> Exit:
        """Run hook and probes beside the process until it ends."""
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._watch(process), name=f"probes of {self.spec['name']}")
            ended = await process.wait()
            watching.cancel()
        self._process = None
        return ended

    async def _watch(self, process: Process) -> None:
        if self._has_hook("postStart"):
            await self._call_post_start(process)
        if "startupProbe" in self.spec:
            await self._prober("startup", process).run(is_eager=True, until_success=True)
        self.record.is_started = True
        self.record.is_ready = "readinessProbe" not in self.spec
        self._announce()
        async with asyncio.TaskGroup() as tasks:
            if "readinessProbe" in self.spec:
                tasks.create_task(self._prober("readiness", process).run(is_eager=True), name="readiness probe")
            if "livenessProbe" in self.spec:
                tasks.create_task(self._prober("liveness", process).run(), name="liveness probe")

    def _prober(self, kind: str, process: Process) -> Prober:
        probe = self.spec[f"{kind}Probe"]

        async def on_result(is_good: bool) -> None:  # noqa: FBT001  called by the prober with its only result
            if kind == "readiness":
                if self.record.is_ready != is_good:
                    self.record.is_ready = is_good
                    self._announce()
            elif not is_good and not self._stopping.is_set():
                message = f"Container {self.spec['name']} failed {kind} probe, will be restarted"
                self._tell("Normal", "Killing", message)
                grace_s = probe.get("terminationGracePeriodSeconds", self._default_grace_s())
                await self._end(process, grace_s)

        def on_failure(message: str) -> None:
            if not self._stopping.is_set():
                self._tell("Warning", "Unhealthy", f"{kind.capitalize()} probe failed: {message}")

        return Prober(probe, self._target().check, on_result, on_failure)

    async def _call_post_start(self, process: Process) -> None:
        outcome = await self._target().check(self.spec["lifecycle"]["postStart"], _HOOK_LIMIT_S)
        if not outcome.is_good:
            self._tell("Warning", "FailedPostStartHook", f"PostStartHook failed: {outcome.message}")
            await self._end(process, self._default_grace_s())

    async def _end(self, process: Process, grace_s: float) -> None:
        """Run the preStop hook and send SIGTERM within `grace_s`, then SIGKILL."""
        try:
            async with asyncio.timeout(grace_s):
                if self._has_hook("preStop"):
                    outcome = await self._target().check(self.spec["lifecycle"]["preStop"], grace_s)
                    if not outcome.is_good:
                        self._tell("Warning", "FailedPreStopHook", f"PreStopHook failed: {outcome.message}")
                process.send_signal(self._stop_signal())
                await process.wait()
        except TimeoutError:
            await process.kill()

    def _finish(self, ended: Exit, *, reason: str = "", message: str = "") -> None:
        state = {
            "exitCode": ended.code,
            "reason": reason or ("Completed" if ended.code == 0 else "Error"),
            "startedAt": self.record.state.get("running", {}).get("startedAt", now_text()),
            "finishedAt": now_text(),
            "containerID": self.record.container_id,
        }
        if ended.signal:
            state["signal"] = ended.signal
        if message:
            state["message"] = message
        self.record.state = {"terminated": state}
        self.record.is_ready = self.record.is_started = False
        self._announce()

    def _is_restarted(self) -> bool:
        return self.restart_policy == "Always" or (self.restart_policy == "OnFailure" and self.record.exit_code != 0)

    async def _back_off(self, delay_s: float) -> None:
        self.record.last_state = self.record.state
        if delay_s:
            metadata = self.around.pod["metadata"]
            where = f"{self.spec['name']} pod={metadata['name']}_{metadata['namespace']}({metadata['uid']})"
            self._tell("Warning", "BackOff", f"Back-off restarting failed container {where}")
            message = f"back-off {delay_s:g}s restarting failed container={where}"
            self.record.state = {"waiting": {"reason": "CrashLoopBackOff", "message": message}}
            self._announce()
            await self._sleep(delay_s)
        self.record.restart_count += 1

    async def _fail_to_pull(self) -> None:
        image = self.spec["image"]
        problem = f'failed to pull image "{image}": this node has no local command for it (see sandbox/images.py)'
        self._wait_for("ErrImagePull", problem)
        self._tell("Warning", "Failed", f"Failed to pull image: {problem}")
        await self._sleep(_RETRY_S)
        self._wait_for("ImagePullBackOff", f'Back-off pulling image "{image}": ErrImagePull: {problem}')
        self._tell("Normal", "BackOff", f'Back-off pulling image "{image}"')
        await self._stopping.wait()

    def log_path(self, number: int) -> Path:
        """Return the log of the `number`th run, counted by restarts."""
        return self.around.folder / self.record.name / f"{number}.log"

    def _target(self) -> ProbeTarget:
        ports = {port["name"]: port["containerPort"] for port in self.spec.get("ports", ()) if "name" in port}
        return ProbeTarget(self.around.address, ports, self.execute)

    def _working_directory(self) -> str:
        image = resolve(self.spec["image"])
        return str(self.spec.get("workingDir") or (image.cwd if image else "/"))

    def _has_hook(self, name: str) -> bool:
        return name in self.spec.get("lifecycle", {})

    def _stop_signal(self) -> int:
        return int(signal.Signals[self.spec.get("lifecycle", {}).get("stopSignal", "SIGTERM")])

    def _default_grace_s(self) -> float:
        return float(self.around.pod["spec"].get("terminationGracePeriodSeconds", 30))

    def _wait_for(self, reason: str, message: str) -> None:
        self.record.state = {"waiting": {"reason": reason, "message": message}}
        self._announce()

    def _announce(self) -> None:
        if self.record.is_started or self.record.exit_code is not None:
            self.started.set()
        self.around.changed()

    def _tell(self, kind: str, reason: str, message: str) -> None:
        self.around.tell(kind, reason, message, self.spec["name"])

    async def _sleep(self, seconds: float) -> None:
        """Sleep, or return at once when the container is to stop."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return
