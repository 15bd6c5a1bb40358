"""Gloo: its CRDs, version, pods, and the settings that decide what it takes from Serin."""

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any, Final

from canary.api.image import parse_image
from cli.doctor.checks.kubernetes import CRDS
from cli.doctor.finding import Finding, Unread, fault, first_of, ok, warning
from cli.doctor.installation import Installation, image_of, ready_pods
from kube.resource import DEPLOYMENTS, VALIDATING_WEBHOOKS, Object, Objects, Resource

_PAGE: Final = "docs/how-to/gloo.md"
_CRDS: Final = ("routetables.gateway.solo.io", "virtualservices.gateway.solo.io", "upstreams.gloo.solo.io")
_SETTINGS: Final = Resource("gloo.solo.io", "v1", "settings", "Settings")
_OLDEST: Final = (1, 6)
"""Of the guide."""

_CONTROL_PLANE: Final = "gloo"
_PROXY: Final = "gateway-proxy"


async def check_gloo(serin: Installation) -> list[Finding]:
    """Check what is installed in the namespaces of the gateway."""
    reader = serin.reader
    crds, settings, webhooks, deployments = await asyncio.gather(
        asyncio.gather(*(reader.get(CRDS, name) for name in _CRDS)),
        reader.list(_SETTINGS),
        reader.list(VALIDATING_WEBHOOKS),
        asyncio.gather(*(reader.list(DEPLOYMENTS, namespace) for namespace in serin.gateways)),
    )
    return [
        *_crds(serin, crds),
        *_deployments(serin, deployments),
        *_settings(serin, settings),
        *_webhook(serin, webhooks),
    ]


def _crds(serin: Installation, found: list[Object | Unread | None]) -> Iterator[Finding]:
    unread = [one for one in found if isinstance(one, Unread)]
    missing = [name for name, crd in zip(_CRDS, found, strict=True) if crd is None]
    if missing:
        repository = "helm repo add gloo https://storage.googleapis.com/solo-public-helm"
        install = f"helm upgrade -i gloo gloo/gloo --namespace {serin.gateways[0]} --create-namespace"
        yield fault(f"CRDs not there: {', '.join(missing)}", repository, install)
    elif unread:
        yield unread[0].of("Gloo's CRDs")
    else:
        yield ok(f"CRDs {', '.join(_CRDS)}")


def _deployments(serin: Installation, listed: list[Objects | Unread]) -> Iterator[Finding]:
    unread = [one for one in listed if isinstance(one, Unread)]
    if unread:
        yield unread[0].of("Gloo's version and pods")
        return
    where = ", ".join(serin.gateways)
    found = [obj for objects in listed if not isinstance(objects, Unread) for obj in objects]
    control = [one for one in found if one["metadata"]["name"] == _CONTROL_PLANE]
    proxies = [one for one in found if (one["metadata"].get("labels") or {}).get("gloo") == _PROXY]
    proxies = proxies or [one for one in found if one["metadata"]["name"].startswith(_PROXY)]
    if not control:
        command = f"{serin.kubectl} get deployments -A -l gloo=gloo"
        yield warning(f"found no Deployment {_CONTROL_PLANE} in {where}: is its control plane elsewhere?", command)
    for one in control:
        yield _version(one)
    for one in (*control, *proxies):
        ready, wanted = ready_pods(one)
        name, namespace = one["metadata"]["name"], one["metadata"]["namespace"]
        if ready == 0:
            restart = f"{serin.kubectl} -n {namespace} rollout restart deployment/{name}"
            yield fault(f"{namespace}/{name}: 0 of {wanted} pods ready", restart, page=_PAGE)
        else:
            yield ok(f"{namespace}/{name}: {ready}/{wanted} ready")
    if not proxies:
        yield warning(f"found no Deployment {_PROXY} in {where}: --gateway-namespaces names where the proxies run")


def _version(deployment: Object) -> Finding:
    tag = parse_image(image_of(deployment)).tag
    numbers = re.match(r"v?(\d+)\.(\d+)", tag)
    if numbers is None:
        return warning(f"its version is not known: found the image {image_of(deployment)}")
    if (int(numbers[1]), int(numbers[2])) < _OLDEST:
        upgrade = f"helm upgrade gloo gloo/gloo --namespace {deployment['metadata']['namespace']} --reuse-values"
        return fault(f"found version {tag}; allowed: {_OLDEST[0]}.{_OLDEST[1]} or newer", upgrade)
    return ok(f"version {tag}")


def _settings(serin: Installation, found: Objects | Unread) -> Iterator[Finding]:
    if isinstance(found, Unread):
        if found.is_served:
            yield found.of("Gloo's Settings")
        return
    for one in found:
        if one["metadata"]["namespace"] in serin.gateways or len(found) == 1:
            yield from _of_settings(serin, one)


def _of_settings(serin: Installation, settings: Object) -> Iterator[Finding]:
    spec, metadata = settings.get("spec") or {}, settings["metadata"]
    what = f"Settings {metadata['namespace']}/{metadata['name']}"
    patch = (
        f"{serin.kubectl} -n {metadata['namespace']} patch settings.gloo.solo.io {metadata['name']} --type=merge -p "
    )
    watched = [str(one) for one in spec.get("watchNamespaces") or ()]
    hidden = (
        sorted({str(obj["metadata"]["namespace"]) for obj in serin.known_canaries} - set(watched)) if watched else []
    )
    if hidden:
        wanted = json.dumps({"spec": {"watchNamespaces": [*watched, *hidden]}})
        yield fault(
            f"{what} watchNamespaces leaves out {first_of(hidden)}: their routes are not served", f"{patch}'{wanted}'"
        )
    validation: dict[str, Any] = (spec.get("gateway") or {}).get("validation") or {}
    is_strict = validation.get("alwaysAccept") is False and validation.get("allowWarnings") is False
    if is_strict:
        lax = json.dumps({"spec": {"gateway": {"validation": {"allowWarnings": True}}}})
        yield warning(
            f"{what} allowWarnings is false: while anybody's route has a warning, weights are refused, rollbacks too",
            f"{patch}'{lax}'",
        )
    if not hidden and not is_strict:
        # With either, as Serin routes to Upstreams of its own.
        kube = "off" if (spec.get("gloo") or {}).get("disableKubernetesDestinations") else "on"
        functions = (spec.get("discovery") or {}).get("fdsMode") or "WHITELIST"
        yield ok(f"{what}: warnings accepted; Kubernetes destinations {kube}, function discovery {functions}: both do")


def _webhook(serin: Installation, found: Objects | Unread) -> Iterator[Finding]:
    """Tell of a webhook of Gloo's that must answer: without it no weight can be written, not even a rollback's."""
    if isinstance(found, Unread):
        yield found.of("Gloo's validation webhook")
        return
    for one in found:
        for place, entry in enumerate(one.get("webhooks") or ()):
            service = (entry.get("clientConfig") or {}).get("service") or {}
            if service.get("name") != _CONTROL_PLANE or not _is_of_routes(entry):
                continue
            name = one["metadata"]["name"]
            if entry.get("failurePolicy") != "Fail":
                yield ok(f"validation webhook {name}: failurePolicy Ignore")
                continue
            patch = f'[{{"op": "replace", "path": "/webhooks/{place}/failurePolicy", "value": "Ignore"}}]'
            yield warning(
                f"validation webhook {name} has failurePolicy Fail: while Gloo is away a rollback can't be written",
                f"{serin.kubectl} patch validatingwebhookconfiguration {name} --type=json -p '{patch}'",
                page=_PAGE,
            )


def _is_of_routes(entry: dict[str, Any]) -> bool:
    groups = {group for rule in entry.get("rules") or () for group in rule.get("apiGroups") or ()}
    return bool(groups & {"gateway.solo.io", "*"})
