"""What the cluster's DNS answers."""

from typing import Any

import pytest
from dnslib import QTYPE, RCODE, DNSRecord

from sandbox.dns import answer

SERVICES: dict[tuple[str, str], dict[str, Any]] = {
    ("test", "podinfo"): {"spec": {"clusterIP": "10.96.3.4"}},
    ("test", "quiet"): {"spec": {"clusterIP": "None"}},
    ("test", "outside"): {"spec": {"type": "ExternalName", "externalName": "example.com"}},
}


def endpoint_slice(service: str, *endpoints: dict[str, Any], namespace: str = "test") -> dict[str, Any]:
    metadata = {"namespace": namespace, "labels": {"kubernetes.io/service-name": service}}
    return {"metadata": metadata, "endpoints": list(endpoints)}


SLICES = {
    ("test", "quiet-1"): endpoint_slice(
        "quiet",
        {"addresses": ["10.244.1.1"], "conditions": {"ready": True}},
        {"addresses": ["10.244.1.2"], "conditions": {"ready": False}},
    ),
    ("test", "quiet-2"): endpoint_slice("quiet", {"addresses": ["10.244.1.3"]}),
    ("test", "podinfo-1"): endpoint_slice("podinfo", {"addresses": ["10.244.1.4"]}),
    ("other", "quiet-1"): endpoint_slice("quiet", {"addresses": ["10.244.1.5"]}, namespace="other"),
    ("test", "empty"): {"metadata": {"namespace": "test"}, "endpoints": None},
}


def ask(name: str, kind: str = "A") -> DNSRecord:
    reply = answer(DNSRecord.question(name, kind), SERVICES, SLICES)
    return DNSRecord.parse(reply.pack())


def told(reply: DNSRecord) -> list[str]:
    return sorted(str(record.rdata) for record in reply.rr)


@pytest.mark.parametrize("name", ["podinfo.test.svc.cluster.local", "PodInfo.test.svc.cluster.local."])
def test_a_service_is_its_cluster_ip(name: str) -> None:
    reply = ask(name)
    assert told(reply) == ["10.96.3.4"]
    assert reply.header.rcode == RCODE.NOERROR
    assert reply.rr[0].rtype == QTYPE.A


def test_a_headless_service_is_its_ready_endpoints() -> None:
    assert told(ask("quiet.test.svc.cluster.local")) == ["10.244.1.1", "10.244.1.3"]


def test_a_known_name_of_another_type_is_empty_and_no_error() -> None:
    reply = ask("podinfo.test.svc.cluster.local", "AAAA")
    assert told(reply) == []
    assert reply.header.rcode == RCODE.NOERROR


@pytest.mark.parametrize(
    "name",
    [
        "missing.test.svc.cluster.local",
        "podinfo.other.svc.cluster.local",
        "podinfo.test",
        "podinfo.test.svc.cluster.local.test.svc.cluster.local",
        "svc.cluster.local",
        "example.com",
    ],
)
def test_any_other_name_does_not_exist(name: str) -> None:
    assert ask(name).header.rcode == RCODE.NXDOMAIN
