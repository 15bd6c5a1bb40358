"""CPU and memory of a sandbox's processes, by /proc: they are all descendants of the namespaces' holder."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import proc
from sandbox.paths import State

AGENT: Final = "agent"

# `python -m MODULE` by module; other programs by their file's name.
_MODULES: Final = {
    "agent": AGENT,
    "webhook": "webhook",
    "webhook.authority": "webhook's authority",
    "sandbox.node": "node",
    "sandbox.gloo": "gloo",
    "sandbox.dns": "dns",
    "sandbox.init": "init",
}


@dataclass(frozen=True)
class Process:
    """One process at one moment; `cpu_s` is what it has used in its life."""

    process_id: int
    part: str
    cpu_s: float


def processes(state: Path) -> list[Process]:
    """Return the processes of the sandbox in a state directory."""
    holder = int(State(state.absolute()).lock.read_text())
    children: dict[int, list[int]] = defaultdict(list)
    found: dict[int, float] = {}
    for process_id, fields in _stats():
        children[proc.parent(fields)].append(process_id)
        found[process_id] = proc.cpu_s(fields)
    inside, left = [], [holder]
    while left:
        process_id = left.pop()
        inside.append(process_id)
        left += children[process_id]
    return [Process(one, part, found[one]) for one in inside if one in found and (part := _part(one))]


def cpu_s(state: Path) -> dict[str, float]:
    """Return the CPU seconds of each part of the cluster since it began."""
    spent: dict[str, float] = defaultdict(float)
    for process in processes(state):
        spent[process.part] += process.cpu_s
    return dict(spent)


def memory_mib(state: Path, part: str) -> dict[str, float]:
    """Return `VmRSS` and `VmHWM`, the most it has been, of the largest process of a part."""
    sizes = [proc.memory_mib(process.process_id) for process in processes(state) if process.part == part]
    return max(sizes, key=lambda size: size["VmRSS"])


def _stats() -> Iterator[tuple[int, list[str]]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                fields = proc.stat(int(folder.name))
            except OSError:  # it has ended
                continue
            yield int(folder.name), fields


def _part(process_id: int) -> str:
    """Return what a process is called here; empty when it has ended, or is none of a cluster's."""
    try:
        words = Path(f"/proc/{process_id}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return ""
    if "-m" in words[:-1]:
        module = words[words.index("-m") + 1]
        return _MODULES.get(module, module)
    return Path(words[0]).name
