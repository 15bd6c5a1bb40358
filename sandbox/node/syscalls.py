"""The Linux calls for namespaces and mounts that Python 3.11 does not offer; each raises OSError."""

import ctypes
import os
import struct

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MNT_DETACH = 0x2

_PR_SET_PDEATHSIG = 1
_MOUNT_SETATTR = 442  # the same number on every architecture
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_MOUNT_ATTR_RDONLY = 0x1

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Move the calling process to new namespaces; CLONE_NEWPID takes effect for its next child."""
    _check(_libc.unshare(flags), "unshare")


def setns(descriptor: int, flags: int) -> None:
    """Enter the namespace that `descriptor` refers to (a file of /proc/PID/ns)."""
    _check(_libc.setns(descriptor, flags), "setns")


def mount(source: str, target: str, kind: str, flags: int = 0, data: str = "") -> None:
    _check(_libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode()), target)


def bind(source: str, target: str) -> None:
    """Mount `source` and what is mounted below it at `target`; a user namespace allows no shallow bind."""
    mount(source, target, "", MS_BIND | MS_REC)


def unmount(target: str) -> None:
    """Detach at once, even when busy."""
    _check(_libc.umount2(target.encode(), MNT_DETACH), target)


def make_read_only(target: str) -> None:
    """Make the mount at `target`, and all below it, read-only (Linux >= 5.12)."""
    attributes = struct.pack("=QQQQ", _MOUNT_ATTR_RDONLY, 0, 0, 0)
    code = _libc.syscall(
        _MOUNT_SETATTR, _AT_FDCWD, target.encode(), _AT_RECURSIVE, attributes, ctypes.c_size_t(len(attributes))
    )
    _check(code, target)


def pivot_root(new_root: str, put_old: str) -> None:
    _check(_libc.pivot_root(new_root.encode(), put_old.encode()), new_root)


def die_with_parent(signal_number: int) -> None:
    """Get `signal_number` when the parent ends, however it ends."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "prctl")


def _check(code: int, subject: str) -> None:
    if code == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), subject)
