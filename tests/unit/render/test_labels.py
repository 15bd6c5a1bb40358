"""Flagger's two settings of labels, and what they make of the primary and its copies."""

from typing import Any

import pytest

from canary.api.names import Side
from render.copies import config_copy, copy_patch
from render.labels import FLAGGERS_LABELS, LabelSettings
from render.selectors import check_same_labels, is_selected, side_selectors, sides_label
from render.services import apex_service
from render.workload import is_primary_template, primary_workload, promotion_patch
from tests.support.json_patch import apply_patch
from tests.support.podinfo import podinfo_canary, podinfo_deployment, stored

CANARY = podinfo_canary()
BY_TRACK = LabelSettings(("track",))
ALL = LabelSettings(included_prefixes=("*",))
OF_TEAM = LabelSettings(included_prefixes=("team", "app.kubernetes.io/"))

LABELS = {
    "team": "a",
    "teams.example.com/owner": "b",
    "app.kubernetes.io/part-of": "shop",
    "tier": "web",
    "kustomize.toolkit.fluxcd.io/name": "apps",
    "serin.dev/anything": "ours",
}


def target(selector: dict[str, str], **labels: str) -> dict[str, Any]:
    """Return the target, selected by these labels; it has the others itself."""
    made = podinfo_deployment()
    made["metadata"]["labels"] = labels
    made["spec"]["selector"]["matchLabels"] = selector
    made["spec"]["template"]["metadata"]["labels"] = selector | {"version": "3"}
    return made


def primary_of(made: dict[str, Any], settings: LabelSettings, primary: dict[str, Any] | None = None) -> dict[str, Any]:
    template = made["spec"]["template"]
    return primary_workload(CANARY, made, template, revision="r1", replicas=2, primary=primary, settings=settings)


def promoted(primary: dict[str, Any], made: dict[str, Any], settings: LabelSettings) -> dict[str, Any]:
    """Return an existing primary after a promotion of the target."""
    return apply_patch(primary, promotion_patch(primary, primary_of(made, settings, primary), settings))


def test_the_settings_are_read_as_they_are_written_for_flagger() -> None:
    assert LabelSettings.read("app,name,app.kubernetes.io/name", "") == FLAGGERS_LABELS
    assert LabelSettings.read(" app , track,app", "team,, *") == LabelSettings(("app", "track"), ("team", "*"))


@pytest.mark.parametrize("text", ["", ",", "app,-x", "a b", "a=b", "a/b/c"])
def test_keys_that_no_label_can_have_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="--selector-labels: found ") as caught:
        LabelSettings.read(text, "")
    assert str(caught.value) == (
        f"--selector-labels: found {text!r}; allowed: keys of labels with commas between, as in "
        "app,name,app.kubernetes.io/name"
    )


@pytest.mark.parametrize("text", ["team*", "**", "-a", "a b", "team,a=b"])
def test_prefixes_that_no_label_can_have_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="--include-label-prefix: found ") as caught:
        LabelSettings.read("app", text)
    assert str(caught.value) == (
        f"--include-label-prefix: found {text!r}; allowed: what keys of labels begin with, with commas between, as in "
        "team,app.kubernetes.io/; or * for all labels"
    )


def test_the_first_of_the_settings_labels_tells_a_new_primary_apart() -> None:
    made = target({"app": "podinfo", "track": "web"})
    primary = primary_of(made, BY_TRACK)
    assert primary["metadata"]["labels"] == {"track": "web-primary"}
    assert primary["spec"]["selector"] == {"matchLabels": {"app": "podinfo", "track": "web-primary"}}
    assert primary["spec"]["template"]["metadata"]["labels"] == {
        "app": "podinfo",
        "track": "web-primary",
        "version": "3",
    }
    assert side_selectors(made, None, BY_TRACK).of(Side.PRIMARY) == {"app": "podinfo", "track": "web-primary"}
    assert apex_service(CANARY, made, primary=primary, settings=BY_TRACK)["metadata"]["labels"]["track"] == "podinfo"


@pytest.mark.parametrize(
    ("of_target", "of_primary", "key"),
    [
        pytest.param({"app": "podinfo", "track": "web"}, {"app": "podinfo-primary", "track": "web"}, "app", id="ours"),
        pytest.param({"app": "podinfo", "track": "web"}, {"app": "podinfo-primary"}, "app", id="Flagger's"),
        pytest.param({"app": "podinfo"}, {"app": "podinfo-primary"}, "app", id="a target without the new label"),
        pytest.param({"k8s-app": "web", "track": "web"}, {"k8s-app": "web-primary"}, "k8s-app", id="a label of nobody"),
    ],
)
def test_another_setting_takes_nothing_away_from_a_primary_that_exists(
    of_target: dict[str, str], of_primary: dict[str, str], key: str
) -> None:
    made = target(of_target)
    primary = stored(primary_of(target({"app": "podinfo"}), FLAGGERS_LABELS))
    primary["spec"]["selector"]["matchLabels"] = of_primary
    primary["spec"]["template"]["metadata"]["labels"] = of_target | of_primary | {"version": "2"}
    check_same_labels(made, primary, BY_TRACK)
    assert sides_label(made, primary, BY_TRACK) == (key, of_target[key])
    assert side_selectors(made, primary, BY_TRACK).of(Side.PRIMARY) == of_primary
    after = promoted(primary, made, BY_TRACK)
    assert after["spec"]["selector"] == {"matchLabels": of_primary}
    assert is_selected(of_primary, after["spec"]["template"]["metadata"]["labels"])
    assert not is_selected(of_target, after["spec"]["template"]["metadata"]["labels"])
    assert after["spec"]["template"]["metadata"]["labels"]["version"] == "3"
    assert is_primary_template(after, primary_of(made, BY_TRACK, after))
    service = apex_service(CANARY, made, primary=after, settings=BY_TRACK)
    assert service["spec"]["selector"] == of_primary
    assert service["metadata"]["labels"] == {key: "podinfo"}


@pytest.mark.parametrize(
    ("settings", "carried"),
    [
        (FLAGGERS_LABELS, {}),
        (LabelSettings(included_prefixes=("tier",)), {"tier": "web"}),
        (OF_TEAM, {"team": "a", "teams.example.com/owner": "b", "app.kubernetes.io/part-of": "shop"}),
        (
            ALL,
            {"team": "a", "teams.example.com/owner": "b", "app.kubernetes.io/part-of": "shop", "tier": "web"},
        ),
    ],
)
def test_labels_that_begin_so_are_carried_over_to_the_primary(settings: LabelSettings, carried: dict[str, str]) -> None:
    """Never Flux's, by which it would take the copy for its own, nor the value that tells the sides apart."""
    primary = primary_of(target({"app": "podinfo"}, app="podinfo", **LABELS), settings)
    assert primary["metadata"]["labels"] == carried | {"app": "podinfo-primary"}
    assert primary["spec"]["selector"] == {"matchLabels": {"app": "podinfo-primary"}}


def test_a_promotion_brings_labels_up_to_date_and_leaves_those_of_others() -> None:
    primary = stored(primary_of(target({"app": "podinfo"}, team="a", tier="web"), FLAGGERS_LABELS))
    after = promoted(primary, target({"app": "podinfo"}, team="a", teams="x", tier="web"), OF_TEAM)
    assert after["metadata"]["labels"] == {"app": "podinfo-primary", "team": "a", "teams": "x"}
    after["metadata"]["labels"]["cost-center"] = "7"
    after = promoted(after, target({"app": "podinfo"}, team="b", tier="web"), OF_TEAM)
    assert after["metadata"]["labels"] == {"app": "podinfo-primary", "team": "b", "cost-center": "7"}


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_copies_of_what_configures_it_get_such_labels_too(kind: str) -> None:
    config = {"kind": kind, "metadata": {"name": "conf", "namespace": "test", "labels": LABELS}, "data": {"a": "1"}}
    assert "labels" not in config_copy(CANARY, config, "conf-primary")["metadata"]
    copy = config_copy(CANARY, config, "conf-primary", OF_TEAM)
    assert copy["metadata"]["labels"] == {
        "team": "a",
        "teams.example.com/owner": "b",
        "app.kubernetes.io/part-of": "shop",
    }
    existing = stored(copy)
    existing["metadata"]["labels"]["cost-center"] = "7"
    config["metadata"] = {"name": "conf", "namespace": "test", "labels": {"team": "b"}}
    rendered = config_copy(CANARY, config, "conf-primary", OF_TEAM)
    after = apply_patch(existing, copy_patch(CANARY, existing, rendered, OF_TEAM))
    assert after["metadata"]["labels"] == {"team": "b", "cost-center": "7"}
