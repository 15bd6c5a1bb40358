"""The files of /etc that a pod gets from its node: hosts, hostname and resolv.conf."""

from pathlib import Path
from typing import Any

_CLUSTER_DOMAIN = "cluster.local"


def render_hosts(pod: dict[str, Any], address: str) -> str:
    """Return the pod's own name and its hostAliases, in a kubelet's form."""
    lines = [
        "# Kubernetes-managed hosts file.",
        "127.0.0.1\tlocalhost",
        "::1\tlocalhost ip6-localhost ip6-loopback",
        f"{address}\t{host_name(pod)}",
    ]
    aliases = pod["spec"].get("hostAliases", ())
    lines += ["\t".join([alias["ip"], *alias.get("hostnames", ())]) for alias in aliases]
    return "\n".join(lines) + "\n"


def render_resolv_conf(pod: dict[str, Any], dns_address: str) -> str:
    """Return resolv.conf: the cluster's DNS, or by dnsPolicy the host's file (Default) or dnsConfig alone (None)."""
    policy = pod["spec"].get("dnsPolicy", "ClusterFirst")
    if policy == "Default":
        return Path("/etc/resolv.conf").read_text(encoding="utf-8")
    wanted = pod["spec"].get("dnsConfig", {})
    servers, searches, options = [], [], {}
    if policy != "None":
        servers = [dns_address]
        searches = [f"{pod['metadata']['namespace']}.svc.{_CLUSTER_DOMAIN}", f"svc.{_CLUSTER_DOMAIN}", _CLUSTER_DOMAIN]
        options = {"ndots": "5"}
    servers += wanted.get("nameservers", ())
    searches += wanted.get("searches", ())
    options |= {option["name"]: option.get("value", "") for option in wanted.get("options", ())}
    lines = [f"nameserver {server}" for server in servers]
    if searches:
        lines.append(f"search {' '.join(searches)}")
    if options:
        rendered = (f"{name}:{value}" if value else name for name, value in options.items())
        lines.append(f"options {' '.join(rendered)}")
    return "\n".join(lines) + "\n"


def host_name(pod: dict[str, Any]) -> str:
    """Return the pod's host name, which a Linux host name's limit cuts at 63 characters."""
    return str(pod["spec"].get("hostname") or pod["metadata"]["name"])[:63].rstrip("-.")


def write_etc_files(folder: Path, pod: dict[str, Any], *, address: str, dns_address: str) -> dict[str, Path]:
    """Write the three files into `folder` and return them by their path in the container."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "hosts": render_hosts(pod, address),
        "hostname": host_name(pod) + "\n",
        "resolv.conf": render_resolv_conf(pod, dns_address),
    }
    for name, text in contents.items():
        (folder / name).write_text(text)
    return {f"/etc/{name}": folder / name for name in contents}
