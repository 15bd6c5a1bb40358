"""From the primary's pod template back to the target's: the same one, by its hash, or none."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.run.revision import plain_template, revision_of
from render.analysed_template import analysed_template
from render.config_refs import ConfigRef, config_refs
from render.copies import copy_names
from render.pod_template import primary_template
from render.selectors import SelectorLabel

LABEL = SelectorLabel("app", "podinfo")
LONG = "a" * 250
Template = dict[str, Any]


def there_and_back(template: Template, copies: dict[ConfigRef, str], label: SelectorLabel = LABEL) -> Template | None:
    """Render the primary's template as a promotion does, and let its ReplicaSet have it."""
    rendered = primary_template(template, label.key, label.value, copies, "1b2c3d4e" if copies else "")
    rendered["metadata"]["labels"]["pod-template-hash"] = "5d4f8"
    return analysed_template(rendered, label, "podinfo", f"{revision_of(template)}-1b2c3d4e")


def template_of(spec: Template, **metadata: Any) -> Template:
    return {"metadata": {"labels": {"app": "podinfo"}, **metadata}, "spec": spec}


def volume(ref: ConfigRef) -> Template:
    return {"configMap": {"name": ref.name}} if ref.kind == "ConfigMap" else {"secret": {"secretName": ref.name}}


def variable(ref: ConfigRef) -> Template:
    key = "configMapKeyRef" if ref.kind == "ConfigMap" else "secretKeyRef"
    return {"name": "A", "valueFrom": {key: {"name": ref.name, "key": "a"}}}


def term(value: str) -> Template:
    matching = {
        "matchLabels": {"app": value},
        "matchExpressions": [{"key": "app", "operator": "In", "values": [value]}],
    }
    return {"labelSelector": matching, "topologyKey": "kubernetes.io/hostname"}


names = st.sampled_from(["conf", "keys", "conf-podinfo", "a" * 220, "conf.d"])
refs = st.builds(ConfigRef, st.sampled_from(["ConfigMap", "Secret"]), names)
values = st.sampled_from(["podinfo", "other", "podinfo-canary"])
texts = st.text(st.characters(codec="utf-8"), max_size=4)
specs = st.fixed_dictionaries(
    {"containers": st.lists(st.fixed_dictionaries({"name": texts, "env": st.lists(refs.map(variable), max_size=2)}))},
    optional={
        "volumes": st.lists(refs.map(volume), max_size=3),
        "nodeSelector": st.dictionaries(texts, texts, max_size=1),
        "topologySpreadConstraints": st.lists(values.map(term), max_size=2),
        "affinity": st.fixed_dictionaries(
            {
                "podAntiAffinity": st.fixed_dictionaries(
                    {"requiredDuringSchedulingIgnoredDuringExecution": st.lists(values.map(term), max_size=2)}
                )
            }
        ),
    },
)
templates = st.builds(
    lambda spec, labels, annotations: {
        "metadata": {"labels": labels | {"app": "podinfo"}, "annotations": annotations},
        "spec": spec,
    },
    specs,
    st.dictionaries(texts, texts, max_size=2),
    st.dictionaries(texts, texts, max_size=2),
)


@settings(max_examples=200, deadline=None)
@given(templates, st.integers(0, 3), st.booleans())
def test_every_template_comes_back_as_it_was(template: Template, number: int, is_tracked: bool) -> None:  # noqa: FBT001  hypothesis gives it
    """Whichever of its names each copy has, and whether anything is copied at all."""
    copies = {ref: (copy_names("podinfo", ref) * 4)[number] for ref in config_refs(template["spec"])}
    assert there_and_back(template, copies if is_tracked else {}) == plain_template(template)


def test_a_label_that_was_cut_comes_back_whole() -> None:
    label = SelectorLabel("app", "a" * 63)
    template = {"metadata": {"labels": {"app": label.value}}, "spec": {"containers": []}}
    assert there_and_back(template, {}, label) == plain_template(template)


@pytest.mark.parametrize("name", ["podinfo-primary", "conf-primary"])
def test_what_is_not_copied_may_have_a_name_of_a_copy(name: str) -> None:
    template = template_of({"volumes": [volume(ConfigRef("Secret", name))], "topologySpreadConstraints": [term(name)]})
    assert there_and_back(template, {}) == plain_template(template)


@pytest.mark.parametrize(
    "template",
    [
        pytest.param(template_of({}, annotations={"kustomize.toolkit.fluxcd.io/checksum": "1"}), id="flux"),
        pytest.param(
            template_of({"volumes": [volume(ConfigRef("Secret", "a-primary")), volume(ConfigRef("Secret", "b"))]}),
            id="a copy beside what only looks like one",
        ),
        pytest.param(template_of({"volumes": [volume(ConfigRef("Secret", LONG))]}), id="a copy whose name was cut"),
    ],
)
def test_what_can_not_be_told_is_not_guessed(template: Template) -> None:
    copies = {
        ConfigRef("Secret", "b"): "b-primary",
        ConfigRef("Secret", LONG): copy_names("podinfo", ConfigRef("Secret", LONG))[0],
    }
    assert there_and_back(template, copies) is None


def test_of_flaggers_primary_the_likeliest_template_is_returned() -> None:
    flaggers: Template = {
        "metadata": {"labels": {"app": "podinfo-primary"}, "annotations": {"flagger-id": "5d1c"}},
        "spec": {"volumes": [volume(ConfigRef("Secret", "keys-primary"))]},
    }
    expected = {"metadata": {"labels": {"app": "podinfo"}}, "spec": {"volumes": [volume(ConfigRef("Secret", "keys"))]}}
    assert analysed_template(flaggers, LABEL, "podinfo", "") == expected
    assert flaggers["metadata"]["labels"] == {"app": "podinfo-primary"}, "what was read stays as it was"
