"""Who owns a generated object, and which metadata is carried over to it."""

from collections.abc import Mapping
from typing import Any, Final

from canary.api.canary import Canary
from canary.api.names import RESERVED_PREFIXES
from canary.api.service import CustomMetadata
from canary.run.wire import OUR_PREFIX
from render.objects import Object

CANARY_API_VERSION: Final = "flagger.app/v1beta1"
CANARY_KIND: Final = "Canary"

FLUX_MARKER: Final = "toolkit.fluxcd.io"

FLUX_LEAVES_IT: Final = {
    "kustomize.toolkit.fluxcd.io/reconcile": "disabled",
    "helm.toolkit.fluxcd.io/driftDetection": "disabled",
}
"""Keeps Flux from reverting what a canary changes on Services and RouteTables. Source: Flagger 1.44."""

_APPLIERS_ANNOTATIONS: Final = (
    "kubectl.kubernetes.io/last-applied-configuration",
    "deployment.kubernetes.io/revision",
    "deprecated.daemonset.template.generation",
)
_APPLIERS_PREFIXES: Final = (OUR_PREFIX, "argocd.argoproj.io/", "meta.helm.sh/")


def owner_reference(canary: Canary) -> dict[str, Any]:
    """Return the reference that makes the Canary the controller of an object, which then goes when the Canary goes."""
    return {
        "apiVersion": CANARY_API_VERSION,
        "kind": CANARY_KIND,
        "name": canary.name,
        "uid": canary.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def owned_metadata(
    canary: Canary,
    name: str,
    *,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the metadata of a generated object in the canary's namespace; empty maps are left out."""
    metadata: dict[str, Any] = {"name": name, "namespace": canary.namespace}
    if labels:
        metadata["labels"] = dict(labels)
    if annotations:
        metadata["annotations"] = dict(annotations)
    metadata["ownerReferences"] = [owner_reference(canary)]
    return metadata


def users_metadata(custom: CustomMetadata) -> CustomMetadata:
    """Return a user's labels and annotations for a generated object, without keys that are ours.

    What we write under such a key would be changed back to what the user wrote, and then again, without an end.
    """
    labels, annotations = (
        {key: value for key, value in entries.items() if not key.startswith(RESERVED_PREFIXES)}
        for entries in (custom.labels, custom.annotations)
    )
    return CustomMetadata(labels=labels, annotations=annotations)


def is_owned_by(obj: Object, canary: Canary) -> bool:
    """Return whether the canary is this object's controller.

    The name counts, as with Flagger, not the uid: a canary that was deleted with its objects orphaned and then created
    again finds them as its own.
    """
    references = obj.get("metadata", {}).get("ownerReferences") or []
    return any(
        reference.get("controller") and reference.get("kind") == CANARY_KIND and reference.get("name") == canary.name
        for reference in references
    )


def without_flux(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """Copy labels or annotations without Flux's own: on a copy they would make Flux take it for an object of its."""
    return {key: value for key, value in (metadata or {}).items() if FLUX_MARKER not in key}


def without_appliers(annotations: Mapping[str, str] | None) -> dict[str, str]:
    """Copy annotations without those that tell who applied an object and how often.

    Said of the copy they would be lies that tools act upon.
    """
    return {
        key: value
        for key, value in without_flux(annotations).items()
        if key not in _APPLIERS_ANNOTATIONS and not key.startswith(_APPLIERS_PREFIXES)
    }
