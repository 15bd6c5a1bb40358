"""The primary workload: the target's twin that carries the users' traffic.

Source of the shape: Flagger 1.44, `createPrimaryDeployment`, `createPrimaryDaemonSet` and `Promote`.
"""

from collections.abc import Mapping
from typing import Any, Final

from canary.api.canary import Canary
from canary.api.names import Names, Side
from canary.run.revision import config_part
from canary.run.wire import REVISION_ANNOTATION
from render.config_refs import NO_COPIES, ConfigRef
from render.json_patch import Operation, put, put_entries, remove, same_spec
from render.labels import FLAGGERS_LABELS, LabelSettings, removed_labels
from render.objects import Object, UnusableObjectError
from render.ownership import owned_metadata, without_appliers
from render.pod_template import is_same_template, primary_template
from render.selectors import side_selectors, sides_label

# Rendered fields of the spec beside selector, replicas and template.
_COPIED_FIELDS: Final = {
    "Deployment": ("progressDeadlineSeconds", "minReadySeconds", "revisionHistoryLimit", "strategy"),
    "DaemonSet": ("minReadySeconds", "revisionHistoryLimit", "updateStrategy"),
}


def primary_workload(
    canary: Canary,
    target: Object,
    template: Object,
    *,
    revision: str,
    replicas: int | None,
    config_copies: Mapping[ConfigRef, str] = NO_COPIES,
    primary: Object | None = None,
    settings: LabelSettings = FLAGGERS_LABELS,
) -> Object:
    """Render the primary of a Deployment or DaemonSet, with the pod template of an analysed revision.

    `template` may come from the target or from its ReplicaSet. `replicas` None leaves the number to whoever set it (a
    DaemonSet has none anyway). `config_copies` gives the names of the ConfigMap and Secret copies that the primary
    uses; their content is in the revision, so another one makes the pods roll. `primary` is the one that exists, None
    before there is one.

    Raises:
        UnusableObjectError: the target's selector has no label to tell the sides apart by, its kind is neither of the
            two, or it is a DaemonSet that is not updated by rolling.
    """
    label = sides_label(target, primary, settings)
    spec: dict[str, Any] = {
        "selector": {"matchLabels": side_selectors(target, primary, settings).of(Side.PRIMARY)},
        "template": primary_template(template, label.key, label.value, config_copies, config_part(revision)),
    }
    for name in _copied_fields(target):
        if name in target["spec"]:
            spec[name] = target["spec"][name]
    if replicas is not None and target["kind"] == "Deployment":
        spec["replicas"] = replicas
    metadata = owned_metadata(
        canary,
        Names.of(canary).primary_workload,
        labels=settings.included(target) | {label.key: label.primary_value},
        annotations=without_appliers(target["metadata"].get("annotations")) | {REVISION_ANNOTATION: revision},
    )
    return {"apiVersion": "apps/v1", "kind": target["kind"], "metadata": metadata, "spec": spec}


def bootstrap_replicas(target: Object) -> int:
    """Return how many replicas a new primary gets: the target's, but one when that is scaled to zero."""
    return int(target["spec"].get("replicas", 1)) or 1


def promoted_replicas(canary: Canary, target: Object, *, is_scaled_by_others: bool = False) -> int | None:
    """Return a promoted primary's replicas: the target's, as Flagger does; None if a scaler or others decide."""
    if canary.spec.autoscaler_ref is not None or is_scaled_by_others:
        return None
    return int(target["spec"].get("replicas", 1)) or None


def promotion_patch(primary: Object, rendered: Object, settings: LabelSettings = FLAGGERS_LABELS) -> list[Operation]:
    """Return the patch that gives an existing primary the rendered template, exactly, and its strategy.

    A patch and no server-side apply, because apply merges: what another manager (Flagger, before a takeover) once put
    into the template would stay in it, and a template with two env entries of one name can't be applied at all. The
    selector is immutable, and replicas that are not rendered are left to who scales it. Labels that the target has no
    more go, as in Flagger, of those that are carried over. `primary` must be as read.
    """
    spec = rendered["spec"]
    operations = same_spec(primary)
    for name in _copied_fields(rendered):
        if name in spec:
            operations.append(put(f"/spec/{name}", spec[name]))
        elif name in primary["spec"]:
            operations.append(remove(f"/spec/{name}"))
    if "replicas" in spec:
        operations.append(put("/spec/replicas", spec["replicas"]))
    operations.append(put("/spec/template", spec["template"]))
    for field in ("annotations", "labels"):
        operations += put_entries(primary, ("metadata", field), rendered["metadata"][field])
    return [*operations, *removed_labels(primary, rendered, settings)]


def is_primary_template(primary: Object, rendered: Object) -> bool:
    """Return whether the primary has the rendered template; `flagger-id` and our CONFIG_ANNOTATION don't count."""
    return is_same_template(primary["spec"]["template"], rendered["spec"]["template"])


def _copied_fields(workload: Object) -> tuple[str, ...]:
    kind = workload.get("kind")
    if kind not in _COPIED_FIELDS:
        raise UnusableObjectError(workload, "kind", found=kind, allowed=" or ".join(_COPIED_FIELDS))
    update = workload["spec"].get("updateStrategy", {}).get("type", "RollingUpdate")
    if update != "RollingUpdate":
        raise UnusableObjectError(workload, "spec.updateStrategy.type", found=update, allowed="RollingUpdate")
    return _COPIED_FIELDS[kind]
