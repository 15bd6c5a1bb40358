"""Containers without a cluster: the launcher, a container's root and its end, inside namespaces made for the test.

The scenes below run in those namespaces (this file is their program too) and print JSON; the tests look at that.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from sandbox.node.errors import StartError
from sandbox.node.process import CommandLine, Exit, LauncherClient, Process, running_launcher
from sandbox.node.rootfs import Mount
from tests.support.eventually import eventually

_REPOSITORY = Path(__file__).parents[2]
_UNSHARE = [
    "unshare",
    "--user",
    "--map-root-user",
    "--net",
    "--mount",
    "--pid",
    "--fork",
    "--mount-proc",
    "--kill-child",
]
_ENV = {"PATH": os.environ["PATH"]}
_MOST_DEATHS = 2000
_REFUSED = "the container is not running"
_SHELL_AND_CHILDREN = "sleep 1000 & sleep 1000 & wait"


def play(scene: str, folder: Path) -> Any:
    """Run a scene in namespaces of its own and return what it found."""
    command = [*_UNSHARE, sys.executable, __file__, scene, str(folder)]
    done = subprocess.run(
        command, env=_ENV | {"PYTHONPATH": str(_REPOSITORY)}, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_container_has_its_own_etc_tmp_and_volumes_and_can_not_write_to_the_host(tmp_path: Path) -> None:
    seen = play("root", tmp_path)
    assert seen["hosts"] == "the pod's hosts"
    assert seen["volume at a path that the host lacks"] == "volume"
    assert seen["same below /etc"] == "volume"
    assert seen["same below /var/run"] == "volume"
    assert seen["tmp"] == ""
    assert seen["repository"] == "pyproject.toml"
    assert "Read-only file system" in seen["write to /usr"]
    assert "Read-only file system" in seen["write to a read-only volume"]
    assert (tmp_path / "volume" / "written").exists()
    assert seen["pid"] == "1"
    assert seen["hostname"] == "pod-1"
    assert not Path("/no-such-folder-on-the-host").exists()


def test_ends_are_told_with_code_and_signal(tmp_path: Path) -> None:
    assert play("ends", tmp_path) == {
        "exit 3": [3, 0],
        "killed": [137, 9],
        "terminated": [7, 0],
        "not found": 'exec: "no-such-command": executable file not found in $PATH',
    }


def test_a_command_in_a_container_that_is_dying_is_refused_as_in_one_that_is_dead(tmp_path: Path) -> None:
    answers = set(play("dying", tmp_path))
    assert _REFUSED in answers, "no command met a container that was just dying"
    assert answers <= {_REFUSED, "0", "137"}, "a command ends well, is killed with its container, or is refused"


def test_nothing_outlives_a_killed_node(tmp_path: Path) -> None:
    assert play("kill", tmp_path) == {"before": 3, "after": 0}


async def _start(launcher: LauncherClient, argv: list[str], mounts: list[Mount], output: int) -> Process:
    command = CommandLine(argv, _ENV, "/")
    return await launcher.start(command, pod_uid="p", hostname="pod-1", mounts=mounts, output=output)


async def _read(launcher: LauncherClient, script: str, mounts: list[Mount]) -> str:
    read_end, write_end = os.pipe()
    process = await _start(launcher, ["sh", "-c", script], mounts, write_end)
    os.close(write_end)
    await process.wait()
    with os.fdopen(read_end) as output:
        return output.read().strip()


async def root(launcher: LauncherClient, folder: Path) -> Any:
    volume = folder / "volume"
    volume.mkdir()
    (volume / "f").write_text("volume")
    (folder / "hosts").write_text("the pod's hosts")
    targets = ("/no-such-folder-on-the-host/deep", "/etc/podinfo/config", "/var/run/secrets/x")
    mounts = [Mount(str(volume), target, is_read_only=target.startswith("/etc")) for target in targets]
    mounts.append(Mount(str(folder / "hosts"), "/etc/hosts"))
    scripts = {
        "hosts": "cat /etc/hosts",
        "volume at a path that the host lacks": f"cat {targets[0]}/f; touch {targets[0]}/written",
        "same below /etc": "cat /etc/podinfo/config/f",
        "same below /var/run": "cat /var/run/secrets/x/f",
        # Only this checkout may show there, when it lies below /tmp itself.
        "tmp": f"find /tmp -path '{_REPOSITORY}' -prune -o -type f -print",
        "repository": f"ls {_REPOSITORY} | grep pyproject",
        "write to /usr": "touch /usr/x 2>&1",
        "write to a read-only volume": "touch /etc/podinfo/config/x 2>&1",
        "pid": "echo $$",
        "hostname": "hostname",
    }
    return {name: await _read(launcher, script, mounts) for name, script in scripts.items()}


async def ends(launcher: LauncherClient, folder: Path) -> Any:
    with (folder / "log").open("wb") as log:
        output = log.fileno()
        exited = await (await _start(launcher, ["sh", "-c", "exit 3"], [], output)).wait()
        sleeping = await _start(launcher, ["sleep", "1000"], [], output)
        trapping = await _start(
            launcher, ["sh", "-c", "trap 'exit 7' TERM; echo up; while :; do sleep 0.02; done"], [], output
        )
        await eventually((folder / "log").read_text, bool)
        trapping.send_signal(signal.SIGTERM)
        try:
            await _start(launcher, ["no-such-command"], [], output)
            message = ""
        except StartError as error:
            message = str(error)
        found: dict[str, Exit] = {
            "exit 3": exited,
            "killed": await sleeping.kill(),
            "terminated": await trapping.wait(),
        }
    return {name: [end.code, end.signal] for name, end in found.items()} | {"not found": message}


async def dying(launcher: LauncherClient, folder: Path) -> Any:
    """Kill containers, and before anybody has taken note of their end run a command in each."""
    answers: list[str] = []
    with (folder / "log").open("wb") as log:
        while len(answers) < _MOST_DEATHS and _REFUSED not in answers:
            container = await _start(launcher, ["sleep", "1000"], [], log.fileno())
            container.send_signal(signal.SIGKILL)
            try:
                command = await launcher.execute(
                    CommandLine(["true"], _ENV, "/"), inside=container, output=log.fileno()
                )
                answers.append(str((await command.wait()).code))
            except StartError as error:
                answers.append(str(error))
            await container.wait()
    return answers


async def kill(_: LauncherClient, folder: Path) -> Any:
    """Kill a node (another process of this file) while its container runs."""
    node = await asyncio.create_subprocess_exec(sys.executable, __file__, "node", str(folder), stdout=sys.stderr)
    before = await eventually(_sleepers, lambda found: found == 3)
    node.kill()
    await node.wait()
    return {"before": before, "after": await eventually(_sleepers, lambda found: not found)}


async def node(launcher: LauncherClient, _: Path) -> Any:
    await (await _start(launcher, ["sh", "-c", _SHELL_AND_CHILDREN], [], 2)).wait()


def _sleepers() -> int:
    """How many of the container's three processes there are, zombies not counted."""
    found = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_text()
        except OSError:
            continue
        found += "sleep\x001000" in command or _SHELL_AND_CHILDREN in command
    return found


async def main() -> None:
    scene, folder = sys.argv[1], Path(sys.argv[2])
    async with running_launcher(folder / "state", keep=[str(_REPOSITORY), sys.base_prefix]) as launcher:
        await launcher.make_network("p")
        print(json.dumps(await {f.__name__: f for f in (root, ends, dying, kill, node)}[scene](launcher, folder)))


if __name__ == "__main__":
    asyncio.run(main())
