"""The launcher: a small single-threaded process that forks containers, so that a start costs milliseconds.

It speaks JSON, one message a packet, on the socket that it inherits (`python -m sandbox.node.launcher FD`):

- `{"op": "network", "pod": uid}` makes a network namespace; answer `{"pod": uid, "descriptor": n}` (see /proc/PID/fd)
  or `{"pod": uid, "failed": text}`;
- `{"op": "drop", "pod": uid}` lets it go;
- `{"op": "start", "id": n, "pod": uid, …}` runs a container (see `Container`), output to the descriptor sent along;
- `{"op": "exec", "id": n, "inside": m, …}` runs a command in the running container m;
- `{"op": "kill", "id": n, "signal": s}`.

It tells `{"id": n, "pid": p}` or `{"id": n, "failed": text}`, and later `{"id": n, "exited": wait status}`. Every
container dies with the launcher and the launcher with its parent, so nothing outlives a killed node.
"""

import errno
import json
import os
import selectors
import signal
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.node import syscalls
from sandbox.node.rootfs import Mount, Root

LONGEST_MESSAGE_BYTES = 4 * 1024 * 1024
_NOT_STARTED = 128
_NOT_RUNNING = "the container is not running"


@dataclass
class Launcher:
    """Everything that runs, by the ids that the node gave it."""

    control: socket.socket
    networks: dict[str, int] = field(default_factory=dict)
    pids: dict[int, int] = field(default_factory=dict)  # id -> pid
    ids: dict[int, int] = field(default_factory=dict)  # pid -> id
    own_pid_namespace: int = -1
    own_network: int = -1

    def serve(self) -> None:
        """Run until the node closes its end."""
        self.own_pid_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY)
        self.own_network = os.open("/proc/self/ns/net", os.O_RDONLY)
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_write, False)
        os.set_blocking(wake_read, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        with selectors.DefaultSelector() as selector:
            selector.register(self.control, selectors.EVENT_READ)
            selector.register(wake_read, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self.control and not self._obey():
                        return
                    if key.fileobj == wake_read:
                        os.read(wake_read, 4096)
                self._reap()

    def _obey(self) -> bool:
        raw, descriptors, _, _ = socket.recv_fds(self.control, LONGEST_MESSAGE_BYTES, 1)
        if not raw:
            return False
        message = json.loads(raw)
        match message["op"]:
            case "network":
                self._tell({"pod": message["pod"]} | self._make_network(message["pod"]))
            case "drop":
                os.close(self.networks.pop(message["pod"]))
            case "kill":
                self._kill(message["id"], message["signal"])
            case _:
                self._launch(message, descriptors[0])
                os.close(descriptors[0])
        return True

    def _make_network(self, pod: str) -> dict[str, Any]:
        try:
            syscalls.unshare(syscalls.CLONE_NEWNET)
            self.networks[pod] = os.open("/proc/self/ns/net", os.O_RDONLY)
        except OSError as error:
            return {"failed": str(error)}
        finally:
            syscalls.setns(self.own_network, syscalls.CLONE_NEWNET)
        return {"descriptor": self.networks[pod]}

    def _kill(self, container: int, number: int) -> None:
        pid = self.pids.get(container)
        if pid is None:
            return
        # Not reaped yet, so the pid can't belong to another process. Only a kill is meant for the children as well.
        (os.killpg if number == signal.SIGKILL else os.kill)(pid, number)

    def _launch(self, message: dict[str, Any], output: int) -> None:
        try:
            child = self._prepare(message)
            pid = _fork(child, output)
        except OSError as error:
            # What the kernel answers to a fork into a pid namespace whose first process is dying.
            is_dying = message["op"] == "exec" and error.errno == errno.ENOMEM
            self._tell({"id": message["id"], "failed": _NOT_RUNNING if is_dying else str(error)})
            return
        finally:
            syscalls.setns(self.own_pid_namespace, syscalls.CLONE_NEWPID)
        if isinstance(pid, str):
            self._tell({"id": message["id"], "failed": pid})
            return
        self.pids[message["id"]] = pid
        self.ids[pid] = message["id"]
        self._tell({"id": message["id"], "pid": pid})

    def _prepare(self, message: dict[str, Any]) -> "Container | Command":
        """Choose the pid namespace of the next child and say what it does there."""
        argv, env, cwd = message["argv"], message["env"], message["cwd"]
        if message["op"] == "start":
            syscalls.unshare(syscalls.CLONE_NEWPID)
            mounts = [Mount(*entry) for entry in message["mounts"]]
            network, root = self.networks[message["pod"]], Root(message["stage"])
            return Container(argv, env, cwd, network, message["hostname"], root, mounts, message["keep"])
        pid = self.pids.get(message["inside"])
        if pid is None:
            raise ProcessLookupError(_NOT_RUNNING)
        namespace = _open_namespace(pid, "pid")
        try:
            syscalls.setns(namespace, syscalls.CLONE_NEWPID)
        finally:
            os.close(namespace)
        return Command(argv, env, cwd, pid)

    def _reap(self) -> None:
        while self.ids:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            container = self.ids.pop(pid)
            del self.pids[container]
            self._tell({"id": container, "exited": status})

    def _tell(self, message: dict[str, Any]) -> None:
        self.control.send(json.dumps(message).encode())


@dataclass
class Command:
    """A command to run in the namespaces of the process `inside`."""

    argv: list[str]
    env: dict[str, str]
    cwd: str
    inside: int

    def enter(self) -> None:
        for name, flag in (
            ("net", syscalls.CLONE_NEWNET),
            ("uts", syscalls.CLONE_NEWUTS),
            ("ipc", syscalls.CLONE_NEWIPC),
            ("mnt", syscalls.CLONE_NEWNS),  # the last: /proc is another's afterwards
        ):
            syscalls.setns(_open_namespace(self.inside, name), flag)


@dataclass
class Container:
    """A container's first process: pid 1 of its own pid namespace, in its pod's network."""

    argv: list[str]
    env: dict[str, str]
    cwd: str
    network: int
    hostname: str
    root: Root
    mounts: list[Mount]
    keep: list[str]

    def enter(self) -> None:
        syscalls.setns(self.network, syscalls.CLONE_NEWNET)
        syscalls.unshare(syscalls.CLONE_NEWNS | syscalls.CLONE_NEWUTS | syscalls.CLONE_NEWIPC)
        socket.sethostname(self.hostname)
        self.root.enter(self.mounts, keep=self.keep)


def _open_namespace(pid: int, name: str) -> int:
    try:
        return os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY)
    except FileNotFoundError as error:  # that of a zombie
        raise ProcessLookupError(_NOT_RUNNING) from error


def _fork(child: Container | Command, output: int) -> int | str:
    """Fork and execute; return the pid, or the text of what went wrong before the command ran."""
    error_read, error_write = os.pipe()
    with os.fdopen(error_read, "rb") as pipe:
        try:
            pid = os.fork()
            if pid == 0:
                _become(child, output, error_write)
        finally:
            os.close(error_write)
        failure = pipe.read()  # ends when exec closes the other end
    if failure:
        os.waitpid(pid, 0)
        return failure.decode()
    return pid


def _become(child: Container | Command, output: int, error_write: int) -> None:
    try:
        syscalls.die_with_parent(signal.SIGKILL)
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        child.enter()
        Path(child.cwd).mkdir(parents=True, exist_ok=True)
        os.chdir(child.cwd)
        _execute(child.argv, child.env)
    except BaseException as error:  # noqa: BLE001  whatever it is, the forked child must tell it and end here
        os.write(error_write, str(error).encode())
    os._exit(_NOT_STARTED)


def _execute(argv: list[str], env: dict[str, str]) -> None:
    try:
        os.execvpe(argv[0], argv, env)  # noqa: S606  running the pod's command is the whole purpose
    except FileNotFoundError as error:
        where = "no such file or directory" if "/" in argv[0] else "executable file not found in $PATH"
        raise FileNotFoundError(f'exec: "{argv[0]}": {where}') from error
    except OSError as error:
        raise OSError(f'exec: "{argv[0]}": {(error.strerror or str(error)).lower()}') from error


def main() -> None:
    """Serve on the inherited socket; ends with the parent."""
    syscalls.die_with_parent(signal.SIGKILL)
    for number in (signal.SIGINT, signal.SIGTERM):  # a Ctrl-C reaches the whole terminal; the node stops us in order
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as control:
        Launcher(control).serve()


if __name__ == "__main__":
    main()
