"""The volumes of one pod: folders below the node's state that its containers mount."""

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.node import syscalls
from sandbox.node.atomic_writer import VolumeFile, write_atomically
from sandbox.node.environment import expand
from sandbox.node.errors import VolumeError
from sandbox.node.payloads import Payloads
from sandbox.node.quantity import parse_quantity
from sandbox.node.rootfs import Mount

_FROM_API = ("configMap", "secret", "projected", "downwardAPI")


@dataclass
class PodVolumes:
    """Prepared before the first container starts, refreshed while the pod runs, removed after its end."""

    folder: Path
    payloads: Payloads
    _sources: dict[str, Path] = field(default_factory=dict)
    _read_only: set[str] = field(default_factory=set)
    _written: dict[str, dict[str, VolumeFile]] = field(default_factory=dict)
    _memory: list[Path] = field(default_factory=list)

    async def prepare(self, pod: dict[str, Any]) -> None:
        """Make all volumes; raises VolumeError or ConfigError, and may be called again then."""
        for volume in pod["spec"].get("volumes", ()):
            if volume["name"] not in self._sources:
                self._sources[volume["name"]] = await self._make(pod, volume)

    async def refresh(self, pod: dict[str, Any]) -> None:
        """Write what has changed in ConfigMaps, Secrets, labels or tokens; raises VolumeError or ConfigError."""
        for volume in pod["spec"].get("volumes", ()):
            files = await self.payloads.build(pod, volume)
            if files is not None:
                self._write(volume["name"], files)

    @property
    def is_changeable(self) -> bool:
        """Whether there is a volume to refresh."""
        return bool(self._written)

    def mounts_of(self, container: dict[str, Any], variables: dict[str, str]) -> list[Mount]:
        """Return the container's mounts; subPathExpr may use `variables`. Raises VolumeError."""
        return [self._mount(wanted, variables) for wanted in container.get("volumeMounts", ())]

    def remove(self) -> None:
        for path in self._memory:
            syscalls.unmount(str(path))
        shutil.rmtree(self.folder, ignore_errors=True)

    async def _make(self, pod: dict[str, Any], volume: dict[str, Any]) -> Path:
        name: str = volume["name"]
        files = await self.payloads.build(pod, volume)
        if files is not None:
            self._write(name, files)
            self._read_only.add(name)
            return self.folder / name
        match volume:
            case {"emptyDir": source}:
                return self._make_empty(name, source)
            case {"hostPath": source}:
                return _open_host_path(source)
            case _:
                kinds = ", ".join(key for key in volume if key != "name")
                allowed = ", ".join((*_FROM_API, "emptyDir", "hostPath"))
                raise VolumeError(f"volume {name}: {kinds} is not supported by this node; allowed: {allowed}")

    def _make_empty(self, name: str, source: dict[str, Any]) -> Path:
        path = self.folder / name
        path.mkdir(parents=True, exist_ok=True)
        if source.get("medium") == "Memory":
            size = f"size={int(parse_quantity(source['sizeLimit']))}," if "sizeLimit" in source else ""
            syscalls.mount("tmpfs", str(path), "tmpfs", 0, f"{size}mode=777")
            self._memory.append(path)
        path.chmod(0o777)
        return path

    def _write(self, name: str, files: dict[str, VolumeFile]) -> None:
        if self._written.get(name) != files:
            path = self.folder / name
            path.mkdir(parents=True, exist_ok=True)
            write_atomically(path, files)
            self._written[name] = files

    def _mount(self, wanted: dict[str, Any], variables: dict[str, str]) -> Mount:
        name = wanted["name"]
        source = self._sources[name]
        below = wanted.get("subPath") or expand(wanted.get("subPathExpr", ""), variables)
        if below:
            source = source / below
            if not source.exists() and name not in self._read_only:
                source.mkdir(parents=True)
        if not source.exists():
            raise VolumeError(f"volume {name} has no {below!r} (subPath of the mount at {wanted['mountPath']})")
        is_read_only = wanted.get("readOnly", False) or name in self._read_only
        return Mount(os.path.realpath(source), wanted["mountPath"], is_read_only)


def _open_host_path(source: dict[str, Any]) -> Path:
    path, kind = Path(source["path"]), source.get("type", "")
    if kind == "DirectoryOrCreate":
        path.mkdir(parents=True, exist_ok=True)
    if kind == "FileOrCreate":
        path.touch()
    if not path.exists():
        raise VolumeError(f"hostPath {path} does not exist")
    return path


def unmount_leftovers(state: Path) -> None:
    """Unmount what a killed node has left mounted below `state`."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        target = line.split()[4]
        if target.startswith(f"{state}/"):
            syscalls.unmount(target)
