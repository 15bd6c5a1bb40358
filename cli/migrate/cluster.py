"""What a cluster has of Flagger: its Deployments and flags, how they were installed, and who owns the CRDs."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from cli.cluster.access import Access
from cli.cluster.resources import ALERT_PROVIDERS, CANARIES, METRIC_TEMPLATES
from cli.doctor.checks.flagger import find_flaggers
from cli.doctor.checks.kubernetes import CRDS
from cli.doctor.finding import Unread
from cli.doctor.installation import flags_of
from cli.doctor.reader import Reader
from cli.migrate.change import Change, Weight
from kube.resource import DEPLOYMENTS, Object, Objects
from render.labels import SELECTOR_LABELS, LabelSettings
from service.installation import DEFAULT_NAMESPACE, FLAGGERS_NAMESPACE

_RELEASE: Final = "meta.helm.sh/release-name"
_POLICY: Final = "helm.sh/resource-policy"
_SUFFIX: Final = "-prometheus"
_CRD: Final = "canaries.flagger.app"

_OTHER_CLUSTER: Final = "kubeconfig-service-mesh"
_LABEL_FLAGS: Final = ("selector-labels", "include-label-prefix")
"""Flagger's settings of labels, which Serin has too."""


@dataclass(frozen=True, slots=True)
class Flagger:
    """One of Flagger's Deployments; `release` is its Helm release, empty where Helm did not make it."""

    namespace: str
    name: str
    release: str
    mesh_provider: str
    flags: Mapping[str, str]

    @property
    def label_flags(self) -> tuple[str, ...]:
        """Return its settings of labels as arguments, those that Serin can take."""
        found = [(flag, self.flags.get(flag, "")) for flag in _LABEL_FLAGS]
        return tuple(f"--{flag}={value}" for flag, value in found if value and not _fault(flag, value))

    @property
    def is_trusted(self) -> bool:
        """Return whether Serin stands still for it without being told where it is."""
        return self.namespace in {FLAGGERS_NAMESPACE, DEFAULT_NAMESPACE}


@dataclass(frozen=True, slots=True)
class Found:
    """What was read; `notes` say what could not be. `prometheus` is the address of that of Flagger's release.

    `crd_release` is the release that has the CRD, `keeps_crd` whether an upgrade that has it no more leaves it there.
    """

    canaries: Objects
    others: Objects
    flaggers: tuple[Flagger, ...]
    crd_release: str
    keeps_crd: bool
    prometheus: str
    notes: tuple[str, ...]


async def read(access: Access) -> Found:
    """Read the canaries that are meant, and what of Flagger is there. Raise a KubeError without canaries to read."""
    reader = Reader(access.client)
    canaries, templates, providers, (deployments, unread), crd, prometheus = await asyncio.gather(
        access.client.list(CANARIES, access.namespace),
        reader.list(METRIC_TEMPLATES),
        reader.list(ALERT_PROVIDERS),
        find_flaggers(reader, {FLAGGERS_NAMESPACE, DEFAULT_NAMESPACE}),
        reader.get(CRDS, _CRD),
        reader.list(DEPLOYMENTS, labels="app.kubernetes.io/name=flagger"),
    )
    flaggers = tuple(map(_flagger, deployments))
    notes = list(dict.fromkeys(one.why for one in (templates, providers, crd, *unread) if isinstance(one, Unread)))
    listed = [one for one in (templates, providers) if not isinstance(one, Unread)]
    releases = {one.release for one in flaggers} - {""}
    servers = [] if isinstance(prometheus, Unread) else [one for one in prometheus if _is_server(one, releases)]
    known_crd = crd if isinstance(crd, dict) else {"metadata": {}}
    return Found(
        canaries=canaries,
        others=[obj for objects in listed for obj in objects],
        flaggers=flaggers,
        crd_release=_release(known_crd),
        keeps_crd=(known_crd["metadata"].get("annotations") or {}).get(_POLICY) == "keep",
        prometheus=_address(servers[0]) if servers else "",
        notes=tuple(notes),
    )


def changes_of_installation(found: Found) -> Iterator[Change]:
    """Return what is different for all canaries, by Flagger's own flags and release."""
    if found.crd_release and not found.keeps_crd and found.flaggers:
        where = found.flaggers[0].namespace
        text = f"it is in the release {found.crd_release}, which would delete it, and with it every canary and primary"
        newer = f"helm -n {where} upgrade {found.crd_release} flagger/flagger --reuse-values"
        yield Change(Weight.FIRST, f"CustomResourceDefinition {_CRD}", text, newer)
    for one in found.flaggers:
        for flag, value in one.flags.items():
            if fault := _fault(flag, value):
                yield Change(Weight.FIRST, f"{one.namespace}/{one.name} -{flag}", fault)


def _flagger(deployment: Object) -> Flagger:
    metadata, flags = deployment["metadata"], flags_of(deployment)
    return Flagger(
        metadata["namespace"],
        metadata["name"],
        _release(deployment),
        flags.get("mesh-provider", ""),
        flags,
    )


def _fault(flag: str, value: str) -> str:
    """Return why Serin can't do as Flagger does by a flag, empty where it can."""
    if not value:
        return ""
    if flag == _OTHER_CLUSTER:
        return f"found {value!r}; Serin writes routes into the cluster that canaries are read from, and nowhere else"
    if flag not in _LABEL_FLAGS:
        return ""
    settings = {"selector-labels": ",".join(SELECTOR_LABELS), "include-label-prefix": ""} | {flag: value}
    try:
        LabelSettings.read(settings["selector-labels"], settings["include-label-prefix"])
    except ValueError as error:
        return str(error).removeprefix(f"--{flag}: ")
    return ""


def _is_server(deployment: Object, releases: set[str]) -> bool:
    return deployment["metadata"]["name"].endswith(_SUFFIX) and _release(deployment) in releases


def _address(deployment: Object) -> str:
    """Return the address of the Service of that name. Source: Flagger 1.44, the chart's prometheus.yaml."""
    return f"http://{deployment['metadata']['name']}.{deployment['metadata']['namespace']}:9090"


def _release(obj: Object) -> str:
    return str((obj["metadata"].get("annotations") or {}).get(_RELEASE) or "")
