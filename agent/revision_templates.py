"""Where the template of an analysed revision is kept: by the workload's own controller.

The target may have moved on since the analysis; its ReplicaSets or ControllerRevisions still hold what was analysed.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from canary.run.revision import plain_template, revision_of, template_part
from kube.client import Client
from kube.resource import CONTROLLER_REVISIONS, REPLICASETS, Object


class TemplateLost(Exception):  # noqa: N818  reads as what happened
    """No copy of an analysed template is left (`revisionHistoryLimit` too low, or somebody deleted it)."""


async def read_template(client: Client, target: Object, revision: str) -> dict[str, Any]:
    """Find the pod template of this revision: in the target itself, or in what its controller keeps.

    Raises:
        TemplateLost: it is nowhere.
        kube.errors.KubeError: the API server could not be asked.
    """
    template: dict[str, Any] = target["spec"]["template"]
    wanted = template_part(revision)
    if revision_of(template) == wanted:
        return plain_template(template)
    for kept in await kept_templates(client, target):
        if revision_of(kept) == wanted:
            return plain_template(kept)
    metadata = target["metadata"]
    raise TemplateLost(
        f"{target['kind']} {metadata['namespace']}/{metadata['name']}: found no copy of revision {revision}; "
        f"allowed: spec.revisionHistoryLimit of at least 1, so that an analysed template can be promoted"
    )


async def kept_templates(client: Client, target: Object) -> Iterable[dict[str, Any]]:
    """Return the pod templates of a workload's revisions, as its controller keeps them.

    Raises:
        kube.errors.KubeError: the API server could not be asked.
    """
    resource = CONTROLLER_REVISIONS if target["kind"] == "DaemonSet" else REPLICASETS
    labels = target["spec"]["selector"].get("matchLabels") or {}
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    kept = await client.list(resource, target["metadata"]["namespace"], label_selector=selector)
    return _templates(kept, target["metadata"]["uid"])


def _templates(kept: list[Object], owner_uid: str) -> Iterator[dict[str, Any]]:
    for item in kept:
        owners = item["metadata"].get("ownerReferences") or []
        if not any(owner.get("uid") == owner_uid for owner in owners):
            continue
        spec = item["data"]["spec"] if "data" in item else item["spec"]
        yield {key: value for key, value in spec["template"].items() if key != "$patch"}
