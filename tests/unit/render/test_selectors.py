"""What selects the pods of each side."""

from typing import Any

import pytest

from canary.api.names import Side
from canary.rules.http_syntax import is_label_value
from render.objects import UnusableObjectError
from render.release import released_apex
from render.selectors import check_same_labels, is_selected, side_selectors, sides_label
from render.services import apex_service, side_service
from render.upstreams import upstream
from tests.support.json_patch import apply_patch
from tests.support.podinfo import podinfo_canary, podinfo_deployment, stored

CANARY = podinfo_canary()


def workload(**labels: str) -> dict[str, Any]:
    """Return the target with these labels in its selector, and one more on its pods."""
    target = podinfo_deployment()
    target["spec"]["selector"]["matchLabels"] = labels
    target["spec"]["template"]["metadata"]["labels"] = labels | {"version": "3"}
    return target


def primary_of_flagger(**labels: str) -> dict[str, Any]:
    """Return a primary that is selected by one label, though its pods have all."""
    primary = workload(**labels)
    primary["metadata"]["name"] = "podinfo-primary"
    primary["spec"]["selector"]["matchLabels"] = {"app": labels["app"]}
    return primary


@pytest.mark.parametrize("key", ["app", "name", "app.kubernetes.io/name"])
def test_any_of_flaggers_labels_may_tell_the_sides_apart_and_the_others_stay(key: str) -> None:
    target = workload(**{"tier": "web", key: "front"})
    assert sides_label(target) == (key, "front")
    selectors = side_selectors(target, None)
    assert selectors.of(Side.PRIMARY) == {"tier": "web", key: "front-primary"}
    assert selectors.of(Side.CANARY) == {"tier": "web", key: "front"}


@pytest.mark.parametrize("length", [55, 56, 60, 63])
def test_a_label_that_leaves_no_room_for_the_ending_is_shortened_and_stays_one_of_its_own(length: int) -> None:
    """Kubernetes takes 63 characters."""
    long, other = "a" * (length - 1) + "b", "a" * (length - 1) + "c"
    values = [side_selectors(workload(app=value), None).of(Side.PRIMARY)["app"] for value in (long, other)]
    assert all(len(value) <= 63 and is_label_value(value) and value.endswith("-primary") for value in values)
    assert values[0] != values[1]
    assert (values[0] == f"{long}-primary") == (length == 55)


def test_a_target_without_such_a_label_is_named_with_what_was_found_and_what_is_allowed() -> None:
    with pytest.raises(UnusableObjectError) as caught:
        side_selectors(workload(tier="web"), None)
    assert str(caught.value) == (
        "Deployment test/podinfo spec.selector.matchLabels: found {'tier': 'web'}; "
        "allowed: at least one of the labels app, name, app.kubernetes.io/name"
    )


@pytest.mark.parametrize("target_label", ["podinfo", "podinfo-v2"])
def test_an_existing_primary_is_selected_by_its_own_labels_whatever_the_target_says(target_label: str) -> None:
    target, primary = workload(app=target_label, tier="web"), primary_of_flagger(app="podinfo-primary", tier="web")
    apex = apex_service(CANARY, target, primary=primary)
    service = side_service(CANARY, target, Side.PRIMARY, primary=primary)
    behind = upstream(CANARY, target, Side.PRIMARY, primary=primary)
    assert apex["spec"]["selector"] == service["spec"]["selector"] == {"app": "podinfo-primary"}
    assert behind["spec"]["kube"]["selector"] == {"app": "podinfo-primary"}
    canary_side = upstream(CANARY, target, Side.CANARY, primary=primary)
    assert canary_side["spec"]["kube"]["selector"] == {"app": target_label, "tier": "web"}


def test_a_target_made_again_with_other_labels_is_none_of_this_primarys() -> None:
    primary = primary_of_flagger(app="podinfo-primary", tier="web")
    check_same_labels(workload(app="podinfo", tier="web"), primary)
    check_same_labels(workload(app="podinfo"), primary)
    with pytest.raises(UnusableObjectError) as caught:
        check_same_labels(workload(app="podinfo-v2", tier="web"), primary)
    assert caught.value.reason == "TargetUnusable"
    assert str(caught.value) == (
        "Deployment test/podinfo spec.selector.matchLabels: found {'app': 'podinfo-v2', 'tier': 'web'}; allowed: "
        "labels that match {'app': 'podinfo-primary'} once app is renamed to 'podinfo-v2-primary', for that is the "
        "selector of Deployment test/podinfo-primary, whose pods serve the users and whose selector can't be changed"
    )


def test_a_released_apex_service_selects_the_targets_pods_alone() -> None:
    primary = primary_of_flagger(app="podinfo-primary")
    before = stored(apex_service(CANARY, workload(name="shop", tier="web"), primary=primary))
    before["spec"]["selector"]["team"] = "a"
    operations = released_apex(before, CANARY, workload(name="shop", tier="web"), primary=primary)
    assert apply_patch(before, operations)["spec"]["selector"] == {"name": "shop", "tier": "web", "team": "a"}


def test_an_empty_selector_selects_nothing() -> None:
    assert not is_selected({}, {"app": "podinfo"})
    assert is_selected({"app": "podinfo"}, {"app": "podinfo", "tier": "web"})
    assert not is_selected({"app": "podinfo", "tier": "web"}, {"app": "podinfo"})
