"""The admission webhook: pods, certificates, and whether the API server hears it."""

import asyncio
import base64
import binascii
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from cryptography import x509

from cli.cluster.resources import CANARIES
from cli.doctor.finding import Finding, Unread, Verdict, fault, ok, unknown, warning
from cli.doctor.installation import Installation, flags_of, labelled, ready_pods
from kube.errors import AlreadyExists, Forbidden, KubeError, Rejected
from kube.resource import DEPLOYMENTS, MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS, Object, Resource

NAME: Final = "serin-webhook"
_AUTHORITY: Final = "serin-webhook-authority"
_PAGE: Final = "docs/how-to/programs.md#the-webhook-is-down"
_SLICES: Final = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
_SOON_DAYS: Final = 14
_INJECTED: Final = "cert-manager.io/inject-ca-from"
_PROBE: Final = "serin-doctor"


async def check_webhook(serin: Installation) -> list[Finding]:
    """Check all of it; an installation without a webhook works, and is told."""
    reader = serin.reader
    deployments, *configurations = await asyncio.gather(
        labelled(reader, DEPLOYMENTS, NAME), reader.get(MUTATING_WEBHOOKS, NAME), reader.get(VALIDATING_WEBHOOKS, NAME)
    )
    if isinstance(deployments, Unread):
        return [deployments.of("the webhook's Deployment")]
    if not deployments and not any(configurations):
        install = f"{serin.kubectl} apply -k manifests/webhook"
        return [
            warning("not installed: faulty Canaries are stored, and no revision has a note who applied it", install)
        ]
    if not deployments:
        command = f"{serin.kubectl} apply -k manifests/webhook"
        return [fault("its configurations are there, and no Deployment", command, page=_PAGE)]
    namespace = str(deployments[0]["metadata"]["namespace"])
    behind = await _endpoints(serin, deployments[0], namespace)
    answer = [] if behind.verdict is Verdict.FAULT else [await _answers(serin, deployments[0], namespace)]
    return [behind, *_configurations(serin, configurations, namespace), *answer]


async def _endpoints(serin: Installation, deployment: Object, namespace: str) -> Finding:
    slices = await serin.reader.list(_SLICES, namespace, labels=f"kubernetes.io/service-name={NAME}")
    ready, wanted = ready_pods(deployment)
    if isinstance(slices, Unread):
        return slices.of(f"the endpoints of Service {namespace}/{NAME}")
    ends = [one for item in slices for one in item.get("endpoints") or ()]
    behind = sum((one.get("conditions") or {}).get("ready") is not False for one in ends)
    found = f"Service {namespace}/{NAME}: {behind} of {wanted} pods behind it"
    kubectl = f"{serin.kubectl} -n {namespace}"
    if wanted == 0:
        return fault(
            f"{namespace}/{NAME} is scaled to 0", f"{kubectl} scale deployment/{NAME} --replicas=2", page=_PAGE
        )
    if behind == 0:
        describe = f"{kubectl} describe pods -l app.kubernetes.io/name={NAME}"
        return fault(found, describe, f"{kubectl} rollout restart deployment/{NAME}", page=_PAGE)
    return (ok if ready >= wanted else warning)(found)


def _configurations(
    serin: Installation, configurations: list[Object | Unread | None], namespace: str
) -> Iterator[Finding]:
    kinds = (MUTATING_WEBHOOKS.kind, VALIDATING_WEBHOOKS.kind)
    bundles: set[str] = set()
    policies: set[str] = set()
    renew = f"{serin.kubectl} -n {namespace} rollout restart deployment/{_AUTHORITY}"
    for kind, found in zip(kinds, configurations, strict=True):
        if isinstance(found, Unread):
            yield found.of(f"{kind} {NAME}")
            continue
        if found is None:
            yield fault(f"{kind} {NAME} is not there", f"{serin.kubectl} apply -k manifests/webhook", page=_PAGE)
            continue
        entries = found.get("webhooks") or []
        if _INJECTED in (found["metadata"].get("annotations") or {}):
            renew = f"{serin.kubectl} -n cert-manager rollout restart deployment/cert-manager-cainjector"
        bundles |= {str((entry.get("clientConfig") or {}).get("caBundle") or "") for entry in entries}
        policies |= {str(entry.get("failurePolicy")) for entry in entries}
    if not policies:
        return
    yield from _bundles(bundles, renew)
    if "Fail" in policies:
        yield warning("failurePolicy Fail: what it is asked about can't be applied while it is away")
    else:
        yield ok("failurePolicy Ignore: without it applies go on")


def _bundles(bundles: set[str], renew: str) -> Iterator[Finding]:
    if "" in bundles:
        yield fault("an entry of its configurations has no caBundle: the API server can't ask it", renew, page=_PAGE)
        return
    if len(bundles) > 1:
        yield fault("its configurations have different caBundles", renew, page=_PAGE)
        return
    try:
        certificates = x509.load_pem_x509_certificates(base64.b64decode(bundles.pop(), validate=True))
    except (ValueError, binascii.Error):
        yield fault("the caBundle of its configurations is no certificate", renew, page=_PAGE)
        return
    last = max(one.not_valid_after_utc for one in certificates)
    left_days = (last - datetime.now(UTC)).days
    if left_days < 0:
        yield fault(f"the authority's certificate ended {last:%Y-%m-%d}", renew, page=_PAGE)
    elif left_days < _SOON_DAYS:
        yield warning(f"the authority's certificate ends {last:%Y-%m-%d}, in {left_days} days", renew, page=_PAGE)
    else:
        yield ok(f"caBundle in all entries, its certificate ends {last:%Y-%m-%d}")


async def _answers(serin: Installation, deployment: Object, namespace: str) -> Finding:
    """Apply a faulty Canary, as a dry run: only the webhook knows that it is faulty.

    Nothing else tells that the API server reaches the webhook and trusts the certificate that it serves.
    """
    where = flags_of(deployment).get("namespace") or namespace
    try:
        await serin.reader.client.create(CANARIES, faulty_canary(), where, is_dry_run=True)
    except Rejected:
        return ok("it refuses a faulty Canary (a dry run), so the API server trusts its certificate")
    except Forbidden:
        return unknown(f"whether it answers: you may not create canaries in namespace {where}, not even as a dry run")
    except AlreadyExists:
        return unknown(f"whether it answers: there is a Canary {where}/{_PROBE}")
    except KubeError as error:
        return unknown(f"whether it answers: {error.message}")
    return fault(
        "a faulty Canary (a dry run) was not refused: the API server can't reach it, or does not trust its certificate",
        f"{serin.kubectl} -n {namespace} rollout restart deployment/{_AUTHORITY} deployment/{NAME}",
        page=_PAGE,
    )


def faulty_canary() -> Object:
    """Return a Canary that the CRD takes and admission refuses."""
    return {
        "metadata": {"name": _PROBE},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": _PROBE},
            "service": {"port": 80},
            "analysis": {
                "interval": "1m",
                "threshold": 1,
                "stepWeight": 10,
                "metrics": [{"name": _PROBE, "query": "sum(", "thresholdRange": {"min": 1}}],
            },
        },
    }
