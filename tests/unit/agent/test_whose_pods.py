"""Whatever the labels of a namespace: a canary that nothing blocks leads the users of each side to its pods alone."""

from copy import deepcopy
from typing import Any, cast

from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.blockers import find_blockers
from agent.caches import Caches
from canary.api.names import Side
from kube.resource import DEPLOYMENTS
from render.labels import FLAGGERS_LABELS, LabelSettings
from render.services import apex_service, side_service
from render.upstreams import upstream
from render.workload import primary_workload
from tests.support.podinfo import podinfo_canary, podinfo_deployment

Labels = dict[str, str]

CANARY = podinfo_canary(autoscalerRef=None)

keys = st.sampled_from(["app", "name", "app.kubernetes.io/name", "tier"])
values = st.sampled_from(["podinfo", "podinfo-primary", "shop", "shop-primary"])
labels = st.dictionaries(keys, values, min_size=1, max_size=4)
BY_TIER = LabelSettings(("tier", "app"))
settings_of_labels = st.sampled_from([FLAGGERS_LABELS, BY_TIER, LabelSettings(("tier",))])
owners = st.sampled_from(["podinfo", "shop", ""])


@st.composite
def workloads(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """Return a Deployment whose selector is a part of its pods' labels, as the API server demands."""
    of_pods = draw(labels)
    kept = draw(st.lists(st.sampled_from(sorted(of_pods)), min_size=1, unique=True))
    return workload(name, of_pods, {key: of_pods[key] for key in kept}, draw(owners))


def workload(name: str, of_pods: Labels, selector: Labels, owner: str = "") -> dict[str, Any]:
    made = podinfo_deployment()
    made["metadata"] |= {"name": name, "resourceVersion": "1", "uid": name, "ownerReferences": []}
    if owner:
        uid = "canary-uid" if owner == "podinfo" else f"of-{owner}"
        made["metadata"]["ownerReferences"] = [{"kind": "Canary", "name": owner, "uid": uid, "controller": True}]
    made["spec"]["selector"]["matchLabels"] = selector
    made["spec"]["template"]["metadata"]["labels"] = of_pods
    return made


def selected(selector: Labels, namespace: list[dict[str, Any]]) -> list[str]:
    """Return the workloads of whose pods a Service with this selector sends requests to any."""
    return sorted(
        one["metadata"]["name"]
        for one in namespace
        if all(one["spec"]["template"]["metadata"]["labels"].get(key) == value for key, value in selector.items())
    )


def rendered(target: dict[str, Any], primary: dict[str, Any] | None, by: LabelSettings) -> dict[str, list[Labels]]:
    """Return the selectors of all that leads to either side, by the workload that is to be behind it."""
    sides = {Side.PRIMARY: "podinfo-primary", Side.CANARY: "podinfo"}
    found = {
        name: [
            side_service(CANARY, target, side, primary=primary, settings=by)["spec"]["selector"],
            upstream(CANARY, target, side, primary=primary, settings=by)["spec"]["kube"]["selector"],
        ]
        for side, name in sides.items()
    }
    found["podinfo-primary"].append(apex_service(CANARY, target, primary=primary, settings=by)["spec"]["selector"])
    return found


APP = {"app": "podinfo"}
OLD = {"app": "podinfo-primary"}
OLD_PRIMARY = workload("podinfo-primary", OLD | {"tier": "shop"}, OLD, "podinfo")


@st.composite
def made_primaries(draw: st.DrawFn) -> dict[str, Any]:
    """Return a primary as Serin or Flagger made it of an earlier target."""
    of_pods = draw(labels.filter(lambda found: not {"app", "name", "app.kubernetes.io/name"}.isdisjoint(found)))
    made = primary_of(workload("podinfo", of_pods, of_pods))
    if draw(st.booleans()):  # Flagger selects by the one label that it renames
        (key, value), *_ = (one for one in made["spec"]["selector"]["matchLabels"].items() if one[1] != of_pods[one[0]])
        made["spec"]["selector"]["matchLabels"] = {key: value}
    made["metadata"] |= {"resourceVersion": "1", "uid": "podinfo-primary"}
    return made


def primary_of(
    target: dict[str, Any], primary: dict[str, Any] | None = None, by: LabelSettings = FLAGGERS_LABELS
) -> dict[str, Any]:
    """Return what a bootstrap makes of a target, or a promotion."""
    template = target["spec"]["template"]
    return primary_workload(CANARY, target, template, revision="1", replicas=2, primary=primary, settings=by)


@st.composite
def namespaces(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any] | None, list[dict[str, Any]]]:
    """Return a target, the primary that is there, and workloads of others, all alike enough to collide."""
    primary = draw(st.none() | made_primaries() | workloads("podinfo-primary"))
    target = draw(workloads("podinfo"))
    if draw(st.booleans()):  # one that is told apart by more than it needs
        target["spec"]["template"]["metadata"]["labels"] |= {"app": "podinfo", "unit": "podinfo"}
        target["spec"]["selector"]["matchLabels"] |= {"app": "podinfo"}
    return target, primary, [draw(workloads(f"x{number}")) for number in range(draw(st.integers(0, 2)))]


def check_sides(
    target: dict[str, Any], primary: dict[str, Any] | None, there: list[dict[str, Any]], by: LabelSettings
) -> None:
    for name, selectors in rendered(target, primary, by).items():
        for selector in selectors:
            assert selector, "a Service without a selector leads nowhere"
            assert selected(selector, there) == [name], selector


@settings(max_examples=150, deadline=None)
@given(namespaces(), settings_of_labels)
@example(
    (workload("podinfo", APP, APP), None, [workload("x", APP | {"tier": "shop"}, {"tier": "shop"})]), FLAGGERS_LABELS
)
@example((workload("podinfo", APP | {"tier": "shop"}, APP | {"tier": "shop"}), OLD_PRIMARY, []), BY_TIER)
@example((workload("podinfo", APP | {"tier": "shop"}, APP | {"tier": "shop"}), OLD_PRIMARY, []), FLAGGERS_LABELS)
@example((workload("podinfo", {"app": "shop"}, {"app": "shop"}), OLD_PRIMARY, []), FLAGGERS_LABELS)
def test_each_side_leads_to_its_own_pods_or_something_is_in_the_way(
    found: tuple[dict[str, Any], dict[str, Any] | None, list[dict[str, Any]]], by: LabelSettings
) -> None:
    target, primary, others = found
    caches = Caches(cast("Any", None), "", labels=by)
    for one in (target, *others, *([] if primary is None else [primary])):
        caches.of(DEPLOYMENTS).remember(deepcopy(one))
    if find_blockers(CANARY, caches):
        return
    promoted = primary_of(target, primary, by)
    if primary is not None:
        check_sides(target, primary, [target, *others, primary], by)
        promoted["spec"]["selector"] = primary["spec"]["selector"]  # it is immutable
    check_sides(target, primary, [target, *others, promoted], by)
