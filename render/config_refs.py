"""ConfigMaps and Secrets that a pod spec refers to, and the primary's references to its own copies of them.

Source of the places: Flagger 1.44, `ConfigTracker.GetTargetConfigs`.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

from canary.api.bounds import MOST_CONFIG_REFS
from render.objects import Object

ConfigKind = Literal["ConfigMap", "Secret"]


class ConfigRef(NamedTuple):
    """A ConfigMap or Secret in the canary's namespace."""

    kind: ConfigKind
    name: str

    def __str__(self) -> str:
        """Return the spelling of Flagger's `status.trackedConfigs`: `configmap/conf`."""
        return f"{self.kind.lower()}/{self.name}"


NO_COPIES: Final[Mapping[ConfigRef, str]] = MappingProxyType({})


def config_refs(pod_spec: Object) -> dict[ConfigRef, bool]:
    """Find every ConfigMap and Secret that a pod spec refers to; True where a pod can't start without it."""
    found: dict[ConfigRef, bool] = {}
    for ref, holder, _ in _references(pod_spec):
        if ref.name:
            found[ref] = found.get(ref, False) or not holder.get("optional")
    return found


def has_too_many_refs(pod_spec: Object) -> bool:
    """Return whether a pod spec refers to so many that nothing of it is tracked."""
    found: set[ConfigRef] = set()
    for ref, _, _ in _references(pod_spec):
        if ref.name:
            found.add(ref)
        if len(found) > MOST_CONFIG_REFS:
            return True
    return False


def trackable_refs(pod_spec: Object) -> dict[ConfigRef, bool]:
    """Return the same as `config_refs`; nothing where that is too much to be tracked."""
    return {} if has_too_many_refs(pod_spec) else config_refs(pod_spec)


def point_to_copies(pod_spec: Object, copies: Mapping[ConfigRef, str]) -> None:
    """Rename, in place, each reference that has a copy; one without (tracking is disabled) stays."""
    for ref, holder, key in _references(pod_spec):
        if ref in copies:
            holder[key] = copies[ref]


def _references(pod_spec: Object) -> Iterator[tuple[ConfigRef, dict[str, Any], str]]:
    """Return each reference with the dict and the key that its name stands at."""
    for volume in pod_spec.get("volumes") or ():
        if volume.get("configMap"):
            yield _at("ConfigMap", volume["configMap"], "name")
        if volume.get("secret"):
            yield _at("Secret", volume["secret"], "secretName")
        for source in (volume.get("projected") or {}).get("sources") or ():
            yield from _named(source, "configMap", "secret")
    for container in (*(pod_spec.get("containers") or ()), *(pod_spec.get("initContainers") or ())):
        for variable in container.get("env") or ():
            yield from _named(variable.get("valueFrom") or {}, "configMapKeyRef", "secretKeyRef")
        for source in container.get("envFrom") or ():
            yield from _named(source, "configMapRef", "secretRef")


def _named(source: Object, config_map: str, secret: str) -> Iterator[tuple[ConfigRef, dict[str, Any], str]]:
    if source.get(config_map):
        yield _at("ConfigMap", source[config_map], "name")
    if source.get(secret):
        yield _at("Secret", source[secret], "name")


def _at(kind: ConfigKind, holder: dict[str, Any], key: str) -> tuple[ConfigRef, dict[str, Any], str]:
    return ConfigRef(kind, holder.get(key, "")), holder, key
