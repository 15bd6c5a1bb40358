"""When the webhook is ready: its certificate is one that clients take, and every list is in."""

from dataclasses import dataclass
from typing import cast

from kube.client import Client
from webhook.caches import Caches
from webhook.certificates.port import ServingCertificate
from webhook.main import unready

KINDS = {
    *("canaries", "metrictemplates", "alertproviders", "deployments", "daemonsets", "horizontalpodautoscalers"),
    *("scaledobjects", "upstreams"),
}


@dataclass
class Certificate:
    trouble: str = ""

    def problem(self) -> str:
        return self.trouble


def missing(caches: Caches) -> set[str]:
    begin, _, names = caches.cold().partition(": ")
    assert begin in {"no list yet of", ""}
    return set(names.split(", ")) - {""}


def test_it_is_cold_until_every_list_is_in() -> None:
    caches = Caches(cast("Client", None), "")
    waiting = set(KINDS)
    for cache in caches.all():
        assert missing(caches) == waiting
        cache._synced.set()
        waiting.remove(cache.resource.plural)
    assert caches.cold() == ""


def test_it_is_ready_with_a_good_certificate_and_warm_caches_only() -> None:
    caches, certificate = Caches(cast("Client", None), ""), Certificate()
    serving = cast("ServingCertificate", certificate)
    assert unready(serving, caches).startswith("no list yet of: canaries, ")
    for cache in caches.all():
        cache._synced.set()
    assert unready(serving, caches) == ""
    certificate.trouble = "the certificate expired"
    assert unready(serving, caches) == "the certificate expired"
