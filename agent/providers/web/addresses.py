"""Which addresses the agent asks for a user: not those that only something inside of its machine or cloud may ask.

Who writes a Canary names the addresses of metrics servers, hooks and chats, and the agent asks from where it runs: past
firewalls, beside the cloud's metadata service, on the API server's own network. What is refused is looked at when a
socket is made for it, so a name that resolves to something else by then changes nothing.
"""

import ipaddress
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import urlsplit

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Endpoint = tuple[Address, int]
"""An address and a port."""

AddrInfo = tuple[Any, Any, int, str, tuple[Any, ...]]
"""As of `socket.getaddrinfo`: family, type, protocol, canonical name, socket address."""

# Addresses that clouds serve their instances' credentials at, and that are not link-local.
_METADATA: Final = (
    "fd00:ec2::254/128",  # AWS
    "fd20:ce::254/128",  # Google Cloud
    "168.63.129.16/32",  # Azure
    "100.100.100.200/32",  # Alibaba Cloud
    "192.0.0.192/32",  # Oracle Cloud
)
_REFUSED: Final[Mapping[str, tuple[Network, ...]]] = {
    kind: tuple(map(ipaddress.ip_network, networks))
    for kind, networks in {
        "a loopback address": ("127.0.0.0/8", "::1/128", "0.0.0.0/8", "::/128"),
        "a link-local address": ("169.254.0.0/16", "fe80::/10"),
        "the address of a cloud's metadata": _METADATA,
        "a multicast or broadcast address": ("224.0.0.0/4", "255.255.255.255/32", "ff00::/8"),
    }.items()
}
_API_SERVER: Final = "the API server's address"
_UNREADABLE: Final = "what is no IP address"

# Their last 32 bits are an IPv4 address that the packets go to.
_NAT64: Final = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))

ALLOWED: Final = "an address that is none of loopback, link-local, a cloud's metadata, multicast or the API server"


class AddressRefused(PermissionError):  # noqa: N818  reads as what happened
    """A user's address leads to where the agent does not ask for users. The text does not tell where that is."""


@dataclass(frozen=True, slots=True)
class AddressRules:
    """Which addresses are asked. `allowed`: networks that are, whatever they are.

    `proxies` and `api_servers` are addresses with ports: those of the operator's proxies are asked wherever they are.
    """

    allowed: tuple[Network, ...] = ()
    proxies: frozenset[Endpoint] = field(default_factory=frozenset)
    api_servers: frozenset[Endpoint] = field(default_factory=frozenset)

    @classmethod
    def read(cls, ranges: Iterable[str], *, api_server: str, proxies: Iterable[str]) -> Self:
        """Read networks such as `127.0.0.0/8`, and the URLs of the API server and of the environment's proxies.

        Raises:
            ValueError: one of the ranges is none.
        """
        return cls(tuple(map(parse_range, ranges)), frozenset(_endpoints(proxies)), frozenset(_endpoints([api_server])))

    def why_refused(self, host: str, port: int) -> str:
        """Return what keeps an IP address from being asked; empty for one that may be, and for a host name."""
        address = _literal(host)
        if address is None or (address, port) in self.proxies:
            return ""
        if any(address in network for network in self.allowed):
            return ""
        for kind, networks in _REFUSED.items():
            if any(address in network for network in networks):
                return kind
        return _API_SERVER if (address, port) in self.api_servers else ""

    def check_url(self, url: str) -> None:
        """Refuse the URL of an address that is not asked; a host name is looked at when it is resolved.

        Raises:
            AddressRefused: so it is.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            return  # nobody can ask it, and whoever tries says so
        self._check(host, port)

    def make_socket(self, info: AddrInfo) -> socket.socket:
        """Make a socket for a resolved address: aiohttp's `socket_factory`.

        Raises:
            AddressRefused: it is not asked.
        """
        family, kind, protocol, _, address = info
        if _literal(str(address[0])) is None:  # the kernel's way to it would be nobody's rule
            raise AddressRefused(f"it leads to {_UNREADABLE}; allowed: {ALLOWED}")
        self._check(str(address[0]), int(address[1]))
        return socket.socket(family=family, type=kind, proto=protocol)

    def _check(self, host: str, port: int) -> None:
        why = self.why_refused(host, port)
        if why:
            raise AddressRefused(f"it leads to {why}; allowed: {ALLOWED}")


def parse_range(text: str) -> Network:
    """Read a range of addresses.

    Raises:
        ValueError: it is none.
    """
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError as error:
        raise ValueError(f"found {text!r}; allowed: a range of addresses such as 10.1.0.0/16") from error


def _endpoints(urls: Iterable[str]) -> Iterator[Endpoint]:
    """Find the addresses and ports of URLs; a host name other than that of the machine itself has none here.

    Nor has what is no URL: whoever asks it gets the error.
    """
    for url in urls:
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            continue
        hosts = ("127.0.0.1", "::1") if parts.hostname == "localhost" else (parts.hostname or "",)
        for host in hosts:
            if (address := _literal(host)) is not None:
                yield address, port


def _literal(host: str) -> Address | None:
    """Return the address that packets go to; None for a name. An IPv6 address may have an IPv4 one in it."""
    try:
        address: Address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return _old_ipv4(host)
    if isinstance(address, ipaddress.IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is not None:
        return inner
    if any(address in network for network in _NAT64):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _old_ipv4(host: str) -> ipaddress.IPv4Address | None:
    """Read what the C library takes for an IPv4 address, too: 127.1, 2130706433, 0x7f.1, 0177.0.0.1; None for a name.

    Resolvers and proxies go there without asking any name server. The last dot is that of a name's root.
    """
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host.removesuffix(".")))
    except (OSError, ValueError):
        return None
