"""The steps from Flagger to Serin, in their order, and those back: docs/migrating/from-flagger.md, for this cluster."""

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cli.migrate.cluster import Flagger, Found
from service.installation import AGENT, DEFAULT_NAMESPACE

_VALUES: Final = "flagger-values.yaml"
_CHART: Final = f"helm upgrade -i serin charts/serin --namespace {DEFAULT_NAMESPACE}"


@dataclass(frozen=True, slots=True)
class Step:
    """What to do, and what to type."""

    title: str
    commands: tuple[str, ...]


def steps_to_serin(found: Found, *, has_changes: bool, has_runs: bool, again: str) -> Iterator[Step]:
    """Return the steps; `again` is the command that shows whether something is in the way still."""
    if has_changes:
        yield Step("Change what is marked `change first`, and look again", (again,))
    if has_runs:
        yield Step("Wait for the runs under way, or accept that they are rolled back", ("kubectl get canaries -A -w",))
    release = next((one for one in found.flaggers if one.release), None)
    if release is not None and found.crd_release and found.keeps_crd:
        upgrade = f"helm -n {release.namespace} upgrade {release.release} flagger/flagger --reuse-values"
        keep = f"{upgrade} --set crd.create=false"
        yield Step("Take the CRDs out of Flagger's release, or it puts its own back", (keep,))
    stop = Step("Stop Flagger: traffic stays as it is", tuple(map(_stopped, found.flaggers)))
    # Serin stands still for a Flagger where it looks for one; for any other, one of the two must not run.
    is_first = any(not one.is_trusted for one in found.flaggers)
    if found.flaggers and is_first:
        yield stop
    yield _install(found, release)
    if found.flaggers and not is_first:
        yield stop
    taken = "kubectl get events -A --field-selector involvedObject.kind=Canary | grep 'Taken over'"
    yield Step("See that all is well, and every canary taken over", ("serin doctor -A --wait", taken))
    yield Step("Release something small, and see it promoted", ("serin status NAME --wait",))
    yield from _removal(found)


def steps_back(found: Found) -> Iterator[Step]:
    """Return the way back, open until Flagger is removed."""
    spare = """kubectl -n NAMESPACE patch canary NAME --type=merge -p '{"spec": {"skipAnalysis": true}}'"""
    yield Step("Stop Serin", (f"kubectl -n {DEFAULT_NAMESPACE} scale deployment/{AGENT} --replicas=0",))
    yield Step("Flagger begins a run of every canary; to have it promoted at once, until it is Succeeded", (spare,))
    back = tuple(f"kubectl -n {one.namespace} scale deployment/{one.name} --replicas=1" for one in found.flaggers)
    yield Step("Start Flagger", back or (f"kubectl -n {DEFAULT_NAMESPACE} scale deployment/flagger --replicas=1",))


def _stopped(flagger: Flagger) -> str:
    return f"kubectl -n {flagger.namespace} scale deployment/{flagger.name} --replicas=0"


def _install(found: Found, release: Flagger | None) -> Step:
    if release is None:
        return Step("Install Serin", ("kubectl apply -k manifests/default", *_label_settings(found)))
    values = f"helm -n {release.namespace} get values {release.release} -o yaml > {_VALUES}"
    install = f"{_CHART} -f {_VALUES} --take-ownership --set crd.adopt=true"
    if found.prometheus:
        install += f" --set prometheus.install=false --set metricsServer={found.prometheus}"
    return Step("Install Serin with the values of Flagger's release", (values, install))


def _label_settings(found: Found) -> Iterator[str]:
    """Return what gives Serin's agent the settings of labels that Flagger was started with; a chart's values do that.

    Until then no primary is in danger: one that exists is known by its own selector.
    """
    flags = dict.fromkeys(flag for one in found.flaggers for flag in one.label_flags)
    if flags:
        added = [{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": flag} for flag in flags]
        patch = shlex.quote(json.dumps(added))
        yield f"kubectl -n {DEFAULT_NAMESPACE} patch deployment {AGENT} --type=json -p {patch}"


def _removal(found: Found) -> Iterator[Step]:
    for one in found.flaggers:
        remove = f"kubectl -n {one.namespace} delete deployment {one.name}"
        if one.release:
            remove = f"helm -n {one.namespace} uninstall {one.release}"
        yield Step("Remove Flagger, and never its CRDs", (remove, "kubectl get crds | grep flagger.app"))
    if found.prometheus:
        own = f"{_CHART} --reuse-values --set prometheus.install=true --set metricsServer="
        yield Step("Its Prometheus went with its release: bring Serin's", (own,))
