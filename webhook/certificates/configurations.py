"""The two webhook configurations, and the patches by which their clients learn whom to trust."""

from typing import Any, Final

from kube.resource import Object

# cert-manager's annotations `inject-ca-from` and `inject-ca-from-secret`.
_INJECTED: Final = "cert-manager.io/inject-"


def bundle_patch(configuration: Object, ca_bundle: str) -> list[dict[str, Any]]:
    """Return the JSON patch that puts `ca_bundle` into every entry; empty when it is there.

    Each entry is tested for its name and for what it held, so that nobody else's write is run over. Where cert-manager
    is asked to put its own, it is empty too: else both would go on undoing each other's work.
    """
    if any(key.startswith(_INJECTED) for key in configuration["metadata"].get("annotations") or {}):
        return []
    operations: list[dict[str, Any]] = []
    for index, entry in enumerate(configuration.get("webhooks") or []):
        found = entry["clientConfig"].get("caBundle")
        if found == ca_bundle:
            continue
        path = f"/webhooks/{index}/clientConfig/caBundle"
        operations += [
            {"op": "test", "path": f"/webhooks/{index}/name", "value": entry["name"]},
            # A path that is not there passes a test for null.
            {"op": "test", "path": path, "value": found},
            {"op": "add", "path": path, "value": ca_bundle},
        ]
    return operations
