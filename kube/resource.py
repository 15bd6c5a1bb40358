"""What the API server serves, by name: a Resource says under which path its objects are found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from kube.errors import Invalid

Object: TypeAlias = dict[str, Any]
Objects: TypeAlias = list[Object]


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object, as one API version serves it. `group` is "" for the core group."""

    group: str
    version: str
    plural: str
    kind: str
    is_namespaced: bool = True

    @property
    def api_version(self) -> str:
        """Return the `apiVersion` of its objects: `apps/v1`, or `v1` in the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """Return the URL path of one object, of a namespace's objects (no name), or of all (no namespace either).

        Names come from users' objects. Raise Invalid for a name that would lead to another path, and for an object
        without its namespace: the API server would answer 404, or answer about another object.
        """
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        if self.is_namespaced and namespace is not None:
            root += f"/namespaces/{self._segment('namespace', namespace)}"
        elif self.is_namespaced and name is not None:
            raise Invalid(f"found no namespace for {self.kind} {name!r}: it is namespaced", resource=self, name=name)
        path = f"{root}/{self.plural}"
        if name is not None:
            path += f"/{self._segment('name', name)}"
        return f"{path}/{subresource}" if subresource else path

    def _segment(self, field: str, value: str) -> str:
        if value in {"", ".", ".."} or not value.isascii() or not value.isprintable() or set(value) & set("/%?# "):
            raise Invalid(f"metadata.{field} is {value!r}: not a name that an object can have", resource=self)
        return value


DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
REPLICASETS = Resource("apps", "v1", "replicasets", "ReplicaSet")
DAEMONSETS = Resource("apps", "v1", "daemonsets", "DaemonSet")
CONTROLLER_REVISIONS = Resource("apps", "v1", "controllerrevisions", "ControllerRevision")
PODS = Resource("", "v1", "pods", "Pod")
SERVICES = Resource("", "v1", "services", "Service")
CONFIGMAPS = Resource("", "v1", "configmaps", "ConfigMap")
SECRETS = Resource("", "v1", "secrets", "Secret")
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", is_namespaced=False)
EVENTS = Resource("", "v1", "events", "Event")
HPAS = Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
SUBJECT_ACCESS_REVIEWS = Resource(
    "authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", is_namespaced=False
)
MUTATING_WEBHOOKS = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "mutatingwebhookconfigurations",
    "MutatingWebhookConfiguration",
    is_namespaced=False,
)
VALIDATING_WEBHOOKS = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    is_namespaced=False,
)
