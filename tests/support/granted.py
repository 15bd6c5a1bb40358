"""The rights that our programs have, held against what the API server's audit log says that they used.

The log has no bodies: see sandbox/audit-policy.yaml. A write that a test made in the name of a program does not count.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import yaml

Json = dict[str, Any]


class Right(NamedTuple):
    """A verb on a resource (`canaries/status` for a subresource); `name` is of the only object, empty for all."""

    user: str
    verb: str
    group: str
    resource: str
    name: str = ""

    def __str__(self) -> str:
        """Return it as `kubectl auth can-i` takes it."""
        resource = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.user}: {self.verb} {resource} {self.name}".rstrip()


def granted(documents: Iterable[Json]) -> set[Right]:
    """Return what rendered manifests grant to service accounts."""
    known = list(documents)
    rules = {
        (document["kind"], document["metadata"]["name"]): document["rules"]
        for document in known
        if document["kind"] in {"Role", "ClusterRole"}
    }
    return {
        right
        for document in known
        if document["kind"] in {"RoleBinding", "ClusterRoleBinding"}
        for subject in document["subjects"]
        for rule in rules[document["roleRef"]["kind"], document["roleRef"]["name"]]
        for right in _rights(subject["name"], rule)
    }


def _rights(user: str, rule: Json) -> Iterator[Right]:
    for group in rule["apiGroups"]:
        for resource in rule["resources"]:
            for verb in rule["verbs"]:
                for name in rule.get("resourceNames") or [""]:
                    yield Right(user, verb, group, resource, name)


def manifests(*folders: Path) -> Iterator[Json]:
    """Return the documents of folders of manifests as they are written, without kustomize."""
    for folder in folders:
        for path in sorted(folder.rglob("*.yaml")):
            documents = yaml.load_all(path.read_text(), Loader=yaml.CSafeLoader)
            yield from (document for document in documents if isinstance(document, dict) and "$patch" not in document)


def events(log: Path) -> Iterator[Json]:
    """Return the events of an audit log; a last line that was cut off is none."""
    with log.open("rb") as lines:
        for line in lines:
            try:
                event: Json = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            yield event


def used(events: Iterable[Json]) -> set[Right]:
    """Return what was asked for: a server-side apply that made an object took `create` as well."""
    found: set[Right] = set()
    for event in events:
        reference = event.get("objectRef")
        if "impersonatedUser" in event or reference is None or "resource" not in reference:
            continue
        status, verb = (event.get("responseStatus") or {}).get("code"), event["verb"]
        resource = "/".join(part for part in (reference["resource"], reference.get("subresource")) if part)
        user = event["user"]["username"].rpartition(":")[2]
        verbs = {verb, "create"} if verb == "patch" and status == 201 else {verb}
        found |= {Right(user, one, reference.get("apiGroup", ""), resource, reference.get("name", "")) for one in verbs}
    return found


def covers(right: Right, use: Right) -> bool:
    """Return whether a right allows what was used."""
    return right[:4] == use[:4] and right.name in {"", use.name}


def unused(rights: Iterable[Right], uses: Iterable[Right]) -> set[Right]:
    """Return the rights that nothing used."""
    known = set(uses)
    return {right for right in rights if not any(covers(right, use) for use in known)}


def not_granted(rights: Iterable[Right], uses: Iterable[Right]) -> set[Right]:
    """Return what was asked for without a right to it."""
    known = set(rights)
    return {use for use in uses if not any(covers(right, use) for right in known)}
