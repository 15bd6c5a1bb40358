"""What is stored in objects: a status in the middle of a run, conditions with their reasons, annotations and labels."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

from canary.run.mark import Mark
from canary.run.phase import Phase, promoted_condition
from tests.support.canaries import canary
from tests.support.cluster import REPOSITORY
from tests.support.reference.page import block, code, page, section, sentence, table
from tests.support.reference.source import constants, first_paragraph, ready_reasons
from tests.support.simulated_cluster import SimulatedCluster

ENTRIES: Final = tuple(REPOSITORY / "docs" / "how-to" / name for name in ("ready-blocked.md", "ready-troubled.md"))
"""What to do about each reason of `Ready`, written by hand: what blocks a canary, and what is wrong as it goes on."""

_ENTRY: Final = re.compile(r"^## ([A-Z]\w+)\n\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_BEFORE: Final = "9c41d7e0aa52f613"
_REVISION: Final = "3f2a9c0d11e4b7a6"
_NOW_S: Final = 1_796_050_800.0
_NAMED_IN: Final = ("canary/run/wire.py", "render/upstreams.py", "agent/providers/credentials.py")
_REMOVAL: Final = "serin.dev/deletion"


def status_page() -> str:
    """Return the page of `.status`."""
    crd = yaml.safe_load((REPOSITORY / "manifests" / "crds" / "canaries.yaml").read_text())
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
    return page(
        "The status of a Canary",
        "Flagger's fields have Flagger's names and meaning; what it has no field for is in `status.serin`, whose "
        "fields [what is stored](../concepts/status.md) explains one by one. The agent writes all of it, and "
        "carries out what it finds there: don't edit it.",
        section("Fields", table(("field", "type", "meaning"), _fields(schema, "status"))),
        section("In the middle of a run", block("json", json.dumps(_status_of_a_run(), indent=2))),
    )


def _fields(schema: dict[str, Any], path: str) -> Iterator[tuple[str, str, str]]:
    for name, inner in schema.get("properties", {}).items():
        yield code(f"{path}.{name}"), inner["type"], sentence(inner["description"])
        yield from _fields(inner.get("items", inner), f"{path}.{name}[]" if "items" in inner else f"{path}.{name}")


def _status_of_a_run() -> dict[str, Any]:
    cluster = SimulatedCluster(canary(), now_s=_NOW_S)
    cluster.run(30)
    cluster.mark = Mark(_REVISION, "podinfod image 3.1.0 -> 3.1.1", "alice")
    cluster.set_image(_REVISION)
    cluster.run(35)
    status: dict[str, Any] = json.loads(json.dumps(cluster.status).replace("rev-1", _BEFORE))
    return status


def conditions_page() -> str:
    """Return the page of the conditions."""
    return page(
        "Conditions and reasons",
        "`kubectl -n test wait canary/podinfo --for=condition=promoted` waits for the end of a run, as with "
        "Flagger; `kubectl get canaries -A -o wide` shows `Ready` with its reason.",
        section(
            "Promoted",
            "How the last run went. Flagger's.",
            table(("reason", "status", "message"), _promoted()),
        ),
        section(
            "Ready",
            "Whether traffic is served as meant, and the next change could be rolled out. The message names the "
            "object, the path of the field, what was found and what is allowed.",
            table(("reason", "what it means, and what to do"), _reasons()),
        ),
    )


def _promoted() -> Iterator[tuple[str, str, str]]:
    for phase in Phase:
        status, message = promoted_condition(phase, "Deployment")
        yield code(phase.value), status, message


def entries() -> Iterator[tuple[str, str, str]]:
    """Find the entries of the reasons: the page that each is on, the reason, and the text."""
    for path in ENTRIES:
        for reason, text in _ENTRY.findall(path.read_text()):
            yield path.name, reason, text


def _reasons() -> Iterator[tuple[str, str]]:
    told = {reason: (name, text.split("\n\n")[0]) for name, reason, text in entries()}
    for reason in sorted(ready_reasons()):
        name, meaning = told.get(reason, ("", "no entry yet"))
        yield f"[{code(reason)}](../how-to/{name}#{reason.lower()})", meaning


def annotations_page() -> str:
    """Return the page of all annotations, labels and finalizers of ours."""
    found = {constant.value: constant.doc for path in _NAMED_IN for constant in constants(path) if constant.doc}
    names = {name: doc for name, doc in found.items() if not name.endswith("/") and re.search(r"[./-]", name)}
    names[_REMOVAL] = (
        "On one of Serin's CRDs, with the value `allowed`: it may be deleted, and with it all objects of its kind."
    )
    return page(
        "Annotations, labels and finalizers",
        "All that Serin reads or writes in the metadata of objects. What begins with `serin.dev/` is ours, and "
        "is never copied from your objects to generated ones; the others are Flagger's names with Flagger's "
        "meaning.",
        table(("name", "meaning"), ((code(name), _plain(doc)) for name, doc in names.items())),
        "Service and primary get the labels of your objects ([pods and names](../concepts/names.md)); what other "
        "controllers write on generated Services stays if `spec.service.unmanagedMetadata` names it.",
    )


def _plain(doc: str) -> str:
    text = first_paragraph(doc)
    return sentence(
        re.sub(r": `canary\.run\.request`|, as `render\.owned_fields` writes them|StatusKey\.SEQUENCE", _in_words, text)
    )


def _in_words(found: re.Match[str]) -> str:
    words = {
        ": `canary.run.request`": " ([requests](../concepts/requests.md))",
        "StatusKey.SEQUENCE": "`status.serin.sequence`",
    }
    return words.get(found[0], "")
