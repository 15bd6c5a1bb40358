"""A container's root: the host's file system read-only, with a private /etc, /tmp, /run and the pod's volumes on it.

There are no images. Overlayfs would be the obvious tool, yet not every kernel lets a user namespace mount one, so the
root is a small tmpfs with bind mounts of the host's folders. Where a volume wants a path that the host does not have,
the nearest existing folder is replaced by a mirror: a folder of the tmpfs whose entries lead to the host's.
"""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.node import syscalls

_HOST = "/.host"  # the whole old root, after pivot_root
_MIRRORS = "/.mirrors"
_PRIVATE = {"tmp": 0o1777, "run": 0o755, "root": 0o700}
_APART = {*_PRIVATE, "etc", "proc", "lost+found"}


@dataclass(frozen=True)
class Mount:
    """`source` (a host folder or file, free of symbolic links) appears at `target` in the container."""

    source: str
    target: str
    is_read_only: bool = False


@dataclass
class Root:
    """The root under construction; runs in the container's first process, in a mount namespace of its own."""

    stage: str  # an existing empty folder of the host, to mount the tmpfs on
    _mirrors: int = 0
    _volumes: list[str] = field(default_factory=list)
    _device: int = 0

    def enter(self, mounts: list[Mount], *, keep: list[str]) -> None:
        """Build the root and make it the process's own. `keep` are host folders needed even below /tmp or /root.

        Raises OSError.
        """
        syscalls.mount("none", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
        syscalls.mount("tmpfs", self.stage, "tmpfs", 0, "mode=755")
        Path(self.stage + _HOST).mkdir()
        syscalls.pivot_root(self.stage, self.stage + _HOST)
        os.chdir("/")
        self._device = Path("/").stat().st_dev
        Path(_MIRRORS).mkdir()
        self._populate()
        for mount in sorted(mounts, key=lambda mount: mount.target.count("/")):
            self._attach(mount)
            self._volumes.append(os.path.realpath(mount.target))
        # Last, because a volume may hide them as well: an emptyDir on /tmp, say, when this checkout is below /tmp.
        for folder in keep:
            if not Path(folder).exists():
                self._attach(Mount(folder, folder, is_read_only=True))
        syscalls.make_read_only(_HOST)

    def _populate(self) -> None:
        for name, mode in _PRIVATE.items():
            Path("/", name).mkdir()
            Path("/", name).chmod(mode)
        Path("/proc").mkdir()
        syscalls.mount("proc", "/proc", "proc")
        self._copy_entries(_HOST, "/", without=_APART)
        Path("/etc").mkdir()
        self._copy_entries(f"{_HOST}/etc", "/etc", without={"hosts", "hostname", "resolv.conf"})
        if Path("/dev/shm").is_dir():
            syscalls.mount("tmpfs", "/dev/shm", "tmpfs", 0, "mode=1777")

    def _copy_entries(self, source: str, target: str, *, without: set[str]) -> None:
        """Let each entry of the host's folder `source` appear in our folder `target`."""
        with os.scandir(source) as entries:
            for entry in entries:
                if entry.name in without:
                    continue
                copy = os.path.join(target, entry.name)  # noqa: PTH118  a Path for each of 200 entries takes a millisecond
                if entry.is_symlink():
                    os.symlink(os.readlink(entry.path), copy)  # noqa: PTH115, PTH211  as above
                elif entry.is_dir():
                    os.mkdir(copy)  # noqa: PTH102  as above
                    syscalls.bind(entry.path, copy)
                    syscalls.make_read_only(copy)
                else:
                    os.symlink(entry.path, copy)  # noqa: PTH211  as above

    def _attach(self, mount: Mount) -> None:
        source = _HOST + mount.source
        is_folder = stat.S_ISDIR(Path(source).stat().st_mode)
        target = self._make_target(mount.target, is_folder=is_folder)
        syscalls.bind(source, target)
        if mount.is_read_only:
            syscalls.make_read_only(target)

    def _make_target(self, target: str, *, is_folder: bool) -> str:
        """Return the real path of `target`, made where it does not exist."""
        here = "/"
        parts = [part for part in target.split("/") if part]
        for number, part in enumerate(parts, 1):
            following = os.path.realpath(f"{here}/{part}")
            if not Path(following).exists():
                self._make_writable(here)
                if is_folder or number < len(parts):
                    Path(following).mkdir(parents=True)
                else:
                    Path(following).touch()
            here = following
        return here

    def _make_writable(self, folder: str) -> None:
        """Put a mirror over `folder` if it is the host's; those of the tmpfs and of volumes can be written to."""
        if Path(folder).stat().st_dev == self._device or self._is_in_volume(folder):
            return
        mirror = f"{_MIRRORS}/{self._mirrors}"
        self._mirrors += 1
        Path(mirror).mkdir()
        syscalls.bind(mirror, folder)
        self._copy_entries(_HOST + folder, folder, without=set())

    def _is_in_volume(self, folder: str) -> bool:
        return any(folder == volume or folder.startswith(volume + "/") for volume in self._volumes)
