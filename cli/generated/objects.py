"""All objects that a canary generates, rendered from it and from the objects beside it."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from canary.api.canary import Canary
from canary.api.names import Names, Side
from canary.api.references import AUTOSCALING_V2
from canary.rules.gloo import UPSTREAM_KIND
from canary.run.revision import revision_of, with_configs
from cli.input.errors import BadInput
from cli.lint.input_cluster import InputCluster
from render.config_refs import ConfigRef, trackable_refs
from render.configs import Fingerprints, is_tracking_disabled, summary
from render.copies import config_copy, copy_names
from render.labels import FLAGGERS_LABELS, LabelSettings
from render.objects import Object, UnusableObjectError
from render.route_table import route_table
from render.scaled_object import SCALED_OBJECT, primary_scaled_object
from render.scaler import primary_scaler
from render.services import apex_service, side_service
from render.upstreams import upstream
from render.workload import bootstrap_replicas, primary_workload

# Those whose spec has the shape of v2; the API server converts the others, and there is none here.
_AUTOSCALINGS: Final = (AUTOSCALING_V2, "autoscaling/v2beta2")

# The key of the cluster's own fingerprints is not here.
_PLAIN: Final = Fingerprints()


@dataclass
class Generated:
    """The objects in the order in which the agent makes them, and what they could not be made of."""

    objects: list[Object] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def generate(canary: Canary, cluster: InputCluster, labels: LabelSettings = FLAGGERS_LABELS) -> Generated:
    """Render everything, as it is when the canary is initialized: all traffic goes to the primary.

    Raises:
        BadInput: the target is not in the input, or nothing can be rendered from it.
    """
    target = _target(canary, cluster)
    try:
        return _generate(canary, target, cluster, labels)
    except UnusableObjectError as error:
        raise BadInput(str(error)) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # Of another shape than the API has it: what that is, its own schema would tell.
        kind, metadata = target["kind"], target["metadata"]
        what = f"{type(error).__name__} {error}"
        raise BadInput(
            f"{kind} {metadata['namespace']}/{metadata['name']}, or what it refers to, is none that the API server "
            f"would take: {what}"
        ) from error


def _generate(canary: Canary, target: Object, cluster: InputCluster, labels: LabelSettings) -> Generated:
    found = Generated()
    template = target["spec"]["template"]
    configs = dict(_configs(canary, target, cluster, found.notes))
    copies = {ref: copy_names(canary.name, ref)[0] for ref in configs}
    hashes = {str(ref): summary(config, _PLAIN)["content"] for ref, config in configs.items()}
    primary = primary_workload(
        canary,
        target,
        template,
        revision=with_configs(revision_of(template), hashes),
        replicas=bootstrap_replicas(target),
        config_copies=copies,
        settings=labels,
    )

    def existing(kind: str, name: str) -> Object | None:
        there = cluster.get(kind, canary.namespace, name)
        return None if there is None else dict(there)

    def service(side: Side) -> Object:
        standing = existing("Service", Names.of(canary).service(side))
        return side_service(canary, target, side, standing, primary=primary, settings=labels)

    settings = _upstream_settings(canary, cluster, found.notes)
    found.objects += [config_copy(canary, config, copies[ref], labels) for ref, config in configs.items()]
    found.objects += [service(Side.PRIMARY), service(Side.CANARY), primary]
    found.objects += _scaler(canary, cluster, found.notes)
    found.objects += [upstream(canary, target, side, settings, primary=primary, settings=labels) for side in Side]
    standing = existing("Service", canary.apex_name)
    apex = apex_service(canary, target, standing, primary=primary, settings=labels)
    found.objects += [apex, route_table(canary)]
    return found


def _target(canary: Canary, cluster: InputCluster) -> Object:
    kind, name = canary.target_kind, canary.spec.target_ref.name
    found = cluster.get(kind, canary.namespace, name)
    if found is None:
        raise BadInput(
            f"Canary {canary.namespace}/{canary.name} spec.targetRef.name: found {name!r}; allowed: the name of a "
            f"{kind} in the input with namespace {canary.namespace}, or -n {canary.namespace} for one without"
        )
    return _named(found, canary.namespace)


def _named(obj: Mapping[str, Any], namespace: str) -> Object:
    return {**obj, "metadata": {**obj["metadata"], "namespace": namespace}}


def _configs(
    canary: Canary, target: Object, cluster: InputCluster, notes: list[str]
) -> Iterator[tuple[ConfigRef, Object]]:
    """Return the tracked ConfigMaps and Secrets that the target's pods refer to, those that are in the input."""
    if is_tracking_disabled(target):
        return
    for ref in trackable_refs(target["spec"]["template"]["spec"]):
        there = cluster.get(ref.kind, canary.namespace, ref.name)
        if there is None:
            notes.append(f"{ref.kind} {ref.name} is not in the input: the primary's copy of it is left out")
            continue
        config = _with_data(_named(there, canary.namespace))
        if summary(config, _PLAIN)["content"]:
            yield ref, config


def _with_data(config: Object) -> Object:
    """Return a Secret with its stringData where the API server puts it: into data."""
    texts = config.get("stringData") or {}
    encoded = {name: base64.b64encode(text.encode()).decode() for name, text in texts.items()}
    rest = {name: value for name, value in config.items() if name != "stringData"}
    return rest | ({"data": {**(config.get("data") or {}), **encoded}} if encoded else {})


def _upstream_settings(canary: Canary, cluster: InputCluster, notes: list[str]) -> Object | None:
    reference = canary.spec.upstream_ref
    if reference is None:
        return None
    namespace = reference.namespace or canary.namespace
    found = cluster.get(UPSTREAM_KIND, namespace, reference.name)
    if found is None:
        notes.append(f"Upstream {namespace}/{reference.name} is not in the input: its settings are left out")
        return None
    return _named(found, namespace)


def _scaler(canary: Canary, cluster: InputCluster, notes: list[str]) -> list[Object]:
    reference = canary.spec.autoscaler_ref
    if reference is None:
        return []
    found = cluster.get(reference.kind, canary.namespace, reference.name)
    if found is None:
        notes.append(f"{reference.kind} {reference.name} is not in the input: the primary's copy of it is left out")
        return []
    if reference.kind == SCALED_OBJECT:
        return [primary_scaled_object(canary, _named(found, canary.namespace))]
    version = found.get("apiVersion")
    if version not in _AUTOSCALINGS:
        allowed = " or ".join(_AUTOSCALINGS)
        notes.append(
            f"{reference.kind} {reference.name} apiVersion: found {version!r}; allowed: {allowed}, for only the API "
            "server converts others; the primary's copy of it is left out"
        )
        return []
    return [primary_scaler(canary, _named(found, canary.namespace))]
