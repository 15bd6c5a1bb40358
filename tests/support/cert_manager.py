"""A small stand-in for cert-manager: what its controllers do for the webhook, done when a test says so.

As the real ones do: the Secret of a Certificate gets `tls.crt`, `tls.key` and its issuer's `ca.crt`; and each entry of
a webhook configuration with the annotation `cert-manager.io/inject-ca-from` gets the `ca.crt` of that Certificate's
Secret. Issuers are of two kinds: `selfSigned`, and `ca` with the Secret of a Certificate.
"""

import base64
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from certs.authority import Authority, new_authority, service_names
from tests.support.applying import Kubectl
from tests.support.cluster import Cluster

Object = dict[str, Any]

NAMESPACE = "gloo-system"
_HOUR_S = 3600.0
_INJECT_FROM = "cert-manager.io/inject-ca-from"
_NAMES = service_names("serin-webhook", "gloo-system")
_CONFIGURATIONS = ("mutatingwebhookconfiguration", "validatingwebhookconfiguration")


@dataclass
class CertManager:
    """Remembers the authorities that it has made, by the names of their Secrets."""

    cluster: Cluster
    _authorities: dict[str, Authority] = field(default_factory=dict)

    def issue(self, *, age_s: float = 0.0, lifetime_s: float = 24 * _HOUR_S) -> None:
        """Make the Secret of each Certificate that is no authority anew; it begins `age_s` ago."""
        issuers = {issuer["metadata"]["name"]: issuer["spec"] for issuer in self._all("issuers")}
        for name, spec in self._leaves():
            authority = self._authority(issuers[spec["issuerRef"]["name"]]["ca"]["secretName"])
            leaf = authority.sign_leaf(spec["dnsNames"], now_s=time.time() - age_s, lifetime_s=lifetime_s)
            ca_pem = authority.certificate.public_bytes(Encoding.PEM)
            values = {"tls.crt": leaf.chain_pem, "tls.key": leaf.key_pem, "ca.crt": ca_pem}
            self._store(spec["secretName"], name, values)

    def forget_authorities(self) -> None:
        """From now on issue with new ones."""
        self._authorities.clear()

    def inject(self) -> None:
        """Do the cainjector's part."""
        secrets = {f"{NAMESPACE}/{name}": spec["secretName"] for name, spec in self._leaves()}
        for kind in _CONFIGURATIONS:
            configuration = self._kubectl.get(kind, "serin-webhook")
            secret = self._kubectl.get("secret", secrets[configuration["metadata"]["annotations"][_INJECT_FROM]])
            patch = [
                {"op": "add", "path": f"/webhooks/{index}/clientConfig/caBundle", "value": secret["data"]["ca.crt"]}
                for index in range(len(configuration["webhooks"]))
            ]
            self._kubectl("patch", kind, "serin-webhook", "--type=json", "-p", json.dumps(patch))

    def is_injected(self) -> bool:
        """Whether every entry has what `inject` gave it."""
        secrets = {self._kubectl.get("secret", spec["secretName"])["data"]["ca.crt"] for _, spec in self._leaves()}
        entries = [entry for kind in _CONFIGURATIONS for entry in self._kubectl.get(kind, "serin-webhook")["webhooks"]]
        return {entry["clientConfig"].get("caBundle") for entry in entries} == secrets

    def _authority(self, secret_name: str) -> Authority:
        """The authority that an issuer takes from a Secret, which a Certificate must have asked for."""
        [spec] = [one["spec"] for one in self._all("certificates") if one["spec"]["secretName"] == secret_name]
        assert spec["isCA"]
        if secret_name not in self._authorities:
            made = new_authority(spec["commonName"], _NAMES, now_s=time.time(), lifetime_s=365 * 24 * _HOUR_S)
            self._authorities[secret_name] = made
        return self._authorities[secret_name]

    def _leaves(self) -> Iterator[tuple[str, Object]]:
        for certificate in self._all("certificates"):
            if not certificate["spec"].get("isCA"):
                yield certificate["metadata"]["name"], certificate["spec"]

    def _store(self, name: str, certificate: str, values: dict[str, bytes]) -> None:
        annotations = {"cert-manager.io/certificate-name": certificate}
        labels = {"controller.cert-manager.io/fao": "true"}
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "labels": labels, "annotations": annotations},
            "type": "kubernetes.io/tls",
            "data": {key: base64.b64encode(value).decode() for key, value in values.items()},
        }
        flags = ("--server-side", "--force-conflicts", "--field-manager=cert-manager-certificates-issuing")
        self._kubectl.apply(secret, flags=flags)

    def _all(self, plural: str) -> list[Object]:
        found: Object = json.loads(self._kubectl("get", f"{plural}.cert-manager.io", "-o", "json").output)
        items: list[Object] = found["items"]
        return items

    @property
    def _kubectl(self) -> Kubectl:
        return Kubectl(self.cluster, NAMESPACE)


def crds() -> list[Object]:
    """The two kinds that the manifests use, with schemas that take anything."""
    return [_crd("certificates", "Certificate"), _crd("issuers", "Issuer")]


def _crd(plural: str, kind: str) -> Object:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.cert-manager.io"},
        "spec": {
            "group": "cert-manager.io",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "scope": "Namespaced",
            "versions": [version],
        },
    }
