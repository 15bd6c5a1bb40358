"""Pod networks: an address of the cluster's range and a veth pair from the pod's namespace to the bridge."""

import asyncio
import ipaddress
import os
from dataclasses import dataclass, field

from sandbox.network import BRIDGE
from sandbox.node.errors import NetworkError

_FIRST = ipaddress.IPv4Address("10.244.1.1")  # 10.244.0.0/24 is for the node itself
_LAST = ipaddress.IPv4Address("10.244.255.254")
_PREFIX = "pod"  # names of the bridge's ends: pod + the address in hex


@dataclass
class Addresses:
    """Hands out pod addresses round and round, so that a freed one is not met again soon."""

    _used: set[ipaddress.IPv4Address] = field(default_factory=set)
    _next: ipaddress.IPv4Address = _FIRST

    def take(self) -> str:
        """Return a free address; raises NetworkError when all 65,000 are taken."""
        for _ in range(int(_LAST) - int(_FIRST) + 1):
            address = self._next
            self._next = address + 1 if address < _LAST else _FIRST
            if address not in self._used:
                self._used.add(address)
                return str(address)
        raise NetworkError(f"no address is left in {_FIRST}-{_LAST}")

    def free(self, address: str) -> None:
        self._used.discard(ipaddress.IPv4Address(address))


async def connect(namespace: str, address: str, gateway: str) -> None:
    """Wire the network namespace at path `namespace` to the bridge, with `address`; raises NetworkError.

    The hardware address follows from the IP address, so that a neighbour's cache stays right when it is used again.
    """
    number = int(ipaddress.IPv4Address(address))
    hardware = "0a:58:" + ":".join(f"{byte:02x}" for byte in number.to_bytes(4, "big"))
    outer = f"{_PREFIX}{number:x}"
    peer = f"name eth0 address {hardware} netns {namespace}"
    await _run(f"ip link add {outer} up master {BRIDGE} type veth peer {peer}".split())
    inside = [
        "link set lo up",
        f"address add {address}/16 dev eth0",
        "link set eth0 up",
        f"route add default via {gateway}",
    ]
    await _run(["nsenter", f"--net={namespace}", "ip", "-batch", "-"], "\n".join(inside))


async def remove_leftovers() -> None:
    """Delete the bridge ends of a node that was killed; the kernel takes its time with those of dead namespaces."""
    listing = await _run(["ip", "-oneline", "link", "show", "master", BRIDGE])
    names = [line.split(":")[1].split("@")[0].strip() for line in listing.splitlines()]
    batch = "".join(f"link delete {name}\n" for name in names if name.startswith(_PREFIX))
    if batch:
        await _run(["ip", "-force", "-batch", "-"], batch, is_failure_fatal=False)


async def _run(command: list[str], text: str = "", *, is_failure_fatal: bool = True) -> str:
    """Run `command` with `text` (short enough for a pipe to hold) as its input."""
    read_end, write_end = os.pipe()
    os.write(write_end, text.encode())
    os.close(write_end)
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=read_end, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
    finally:
        os.close(read_end)
    out, error = await process.communicate()
    if process.returncode and is_failure_fatal:
        raise NetworkError(f"{' '.join(command)}: {error.decode().strip()}")
    return out.decode()
