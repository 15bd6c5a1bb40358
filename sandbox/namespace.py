"""The namespaces that a cluster lives in, seen from the host: start them, enter them, end them.

`unshare` holds them and `sandbox.init` is the first process inside. Both hold the lock of the state directory, so the
kernel itself tells whether a cluster lives, whatever was killed.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from sandbox import forward, report
from sandbox.paths import REPOSITORY, State, search_path
from sandbox.preflight import NAMESPACES
from sandbox.report import Phase, Report

_STOP_S = 20.0
_KILL_S = 5.0
_LOOK_EVERY_S = 0.05


class NotRunningError(Exception):
    """There is no cluster in this state directory."""


def is_running(state: State) -> bool:
    """Return whether the processes of a cluster hold the lock."""
    try:
        with state.lock.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def is_alive(state: State) -> bool:
    """Return whether a process can be started inside, and nobody has begun to stop the cluster.

    For a moment after its first process was killed, a dying cluster still holds the lock.
    """
    try:
        entered = subprocess.run(
            enter(state, ["true"]), env=inside_environment(state), capture_output=True, check=False
        )
    except NotRunningError:
        return False
    found = report.read(state.status)
    return entered.returncode == 0 and found is not None and found.phase in (Phase.STARTING, Phase.READY)


def start_or_find(state: State, *, with_serin: bool, is_held: bool = False) -> bool:
    """Return once a cluster starts or lives here: whether this call started it. Waits for the end of one that ends."""
    deadline = time.monotonic() + _STOP_S + _KILL_S
    while not start(state, with_serin=with_serin, is_held=is_held):
        if is_alive(state):
            return False
        if time.monotonic() > deadline:
            raise TimeoutError(f"the cluster in {state.root} neither lives nor ends: see {state.log('init')}")
        time.sleep(_LOOK_EVERY_S)
    return True


def start(state: State, *, with_serin: bool, is_held: bool = False) -> bool:
    """Start the namespaces and return at once; return False when another cluster holds the lock.

    With `is_held` the cluster ends when nobody holds the state's lifeline any more.
    """
    state.root.mkdir(parents=True, exist_ok=True)
    with state.lock.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        lock.truncate(0)
        _clear(state)
        doors = forward.open_on_host()
        state.endpoints.write_text(json.dumps(forward.urls(doors), indent=2))
        command = [sys.executable, "-m", "sandbox.init", str(state.root)]
        command += [f"--door={name}={door.fileno()}" for name, door in doors.items()]
        command += ["--with-serin"] if with_serin else []
        command += ["--held"] if is_held else []
        with state.log("init").open("wb") as log:
            holder = subprocess.Popen(
                ["unshare", *NAMESPACES, *command],
                cwd=REPOSITORY,
                env=inside_environment(state),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[lock.fileno(), *(door.fileno() for door in doors.values())],
            )
        lock.write(str(holder.pid))
        for door in doors.values():
            door.close()
    return True


def stop(state: State) -> bool:
    """End the cluster in order, within 20 s, else at once; False when there is none."""
    if not is_running(state):
        return False
    signal_init = ["sh", "-c", "kill -TERM 1"]
    try:
        subprocess.run(enter(state, signal_init), env=inside_environment(state), capture_output=True, check=False)
    except NotRunningError:
        return True
    if not _wait_gone(state, _STOP_S):
        os.kill(_holder_pid(state), signal.SIGKILL)  # --kill-child: the first process dies with it, and so do all
        if not _wait_gone(state, _KILL_S):
            raise TimeoutError(f"the cluster in {state.root} does not end")
    return True


def enter(state: State, command: list[str]) -> list[str]:
    """Return the command that runs `command` inside, in the caller's working directory. Raises NotRunningError."""
    if not is_running(state):
        raise NotRunningError(f"no sandbox is up in {state.root}: `python -m sandbox up` starts one")
    holder = Path("/proc") / str(_holder_pid(state)) / "ns"
    return [
        "nsenter",
        "--preserve-credentials",
        *(f"--{kind}={holder / name}" for kind, name in (("user", "user"), ("net", "net"), ("mount", "mnt"))),
        f"--pid={holder / 'pid_for_children'}",
        "--",
        # nsenter stays outside as the command's parent and passes no signal on; when it is ended, the command ends.
        "setpriv",
        "--pdeathsig=TERM",
        "env",
        f"--chdir={Path.cwd()}",
        *command,
    ]


def inside_environment(state: State) -> dict[str, str]:
    """Return the caller's environment with our PATH and kubeconfig, without proxies: inside, none can be reached."""
    proxies = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
    kept = {name: value for name, value in os.environ.items() if name.lower() not in proxies}
    return kept | {
        "PATH": search_path(),
        "KUBECONFIG": str(state.inside_kubeconfig),
        "KUBECACHEDIR": str(state.run / "kubectl-cache"),
    }


def _clear(state: State) -> None:
    """Remove what the last cluster left; its logs go too, so that a log is always of the cluster that is meant."""
    for folder in (state.run, state.logs):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    Report().write(state.status)


def _holder_pid(state: State) -> int:
    """Return the pid of unshare; raises NotRunningError in the moment before it has started."""
    text = state.lock.read_text()
    if not text:
        raise NotRunningError(f"the sandbox in {state.root} is only about to start")
    return int(text)


def _wait_gone(state: State, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while is_running(state):
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_EVERY_S)
    return True
