"""hosts and resolv.conf of pods."""

from typing import Any

from sandbox.node.etc_files import host_name, render_hosts, render_resolv_conf


def pod(name: str = "web-1", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "test"}, "spec": spec}


def test_hosts_has_the_pod_and_its_aliases() -> None:
    text = render_hosts(pod(hostAliases=[{"ip": "1.2.3.4", "hostnames": ["db", "db.example"]}]), "10.244.1.1")
    assert text.splitlines()[-2:] == ["10.244.1.1\tweb-1", "1.2.3.4\tdb\tdb.example"]


def test_cluster_first_searches_the_pod_s_namespace_first() -> None:
    assert render_resolv_conf(pod(), "10.244.0.1").splitlines() == [
        "nameserver 10.244.0.1",
        "search test.svc.cluster.local svc.cluster.local cluster.local",
        "options ndots:5",
    ]


def test_dns_config_adds_and_overrides() -> None:
    config = {"nameservers": ["9.9.9.9"], "options": [{"name": "ndots", "value": "1"}, {"name": "edns0"}]}
    lines = render_resolv_conf(pod(dnsConfig=config), "10.244.0.1").splitlines()
    assert lines[:2] == ["nameserver 10.244.0.1", "nameserver 9.9.9.9"]
    assert lines[-1] == "options ndots:1 edns0"


def test_dns_policy_none_leaves_dns_config_alone() -> None:
    lines = render_resolv_conf(pod(dnsPolicy="None", dnsConfig={"nameservers": ["9.9.9.9"]}), "10.244.0.1").splitlines()
    assert lines == ["nameserver 9.9.9.9"]


def test_a_host_name_is_cut_where_linux_would_refuse_it() -> None:
    assert host_name(pod(name="a" * 62 + "-" + "b" * 20)) == "a" * 62
    assert host_name(pod(hostname="given")) == "given"
