"""The revision is a hash of content, and of nothing else."""

import random
from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from canary.run.revision import plain_template, revision_of
from canary.run.wire import CONFIG_ANNOTATION, SCALE_TO_ZERO_LABEL

TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"app": "podinfo"}, "annotations": {"prometheus.io/scrape": "true"}},
    "spec": {"containers": [{"name": "podinfod", "image": "stefanprodan/podinfo:3.1.0", "env": [{"name": "A"}]}]},
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


def shuffled(value: Any, order: random.Random) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        order.shuffle(keys)
        return {key: shuffled(value[key], order) for key in keys}
    return [shuffled(item, order) for item in value] if isinstance(value, list) else value


@given(st.dictionaries(st.text(max_size=5), json_values), st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_count(spec: dict[str, Any], order: random.Random) -> None:
    template = {"metadata": {"labels": {"a": "1", "b": "2"}}, "spec": spec}
    assert revision_of(template) == revision_of(shuffled(template, order))


def test_a_replica_sets_copy_of_the_template_has_the_same_revision() -> None:
    labels = {"app": "podinfo", "pod-template-hash": "5d8c7f"}
    copy = TEMPLATE | {"metadata": TEMPLATE["metadata"] | {"labels": labels, "creationTimestamp": None}}
    assert revision_of(copy) == revision_of(TEMPLATE)
    assert plain_template(copy) == plain_template(TEMPLATE)


def test_a_template_is_left_as_it_was() -> None:
    metadata = {"labels": {"pod-template-hash": "x"}, "annotations": {CONFIG_ANNOTATION: "y", "a": "b"}}
    template = {"metadata": metadata, "spec": {"nodeSelector": {SCALE_TO_ZERO_LABEL: "true"}, "containers": []}}
    before = deepcopy(template)
    assert plain_template(template) == {"metadata": {"annotations": {"a": "b"}}, "spec": {"containers": []}}
    assert template == before


def test_image_env_and_annotations_count() -> None:
    def changed(**container: Any) -> dict[str, Any]:
        return TEMPLATE | {"spec": {"containers": [TEMPLATE["spec"]["containers"][0] | container]}}

    restarted = TEMPLATE | {"metadata": {"labels": {"app": "podinfo"}, "annotations": {"restartedAt": "now"}}}
    revisions = {
        revision_of(template)
        for template in (TEMPLATE, changed(image="stefanprodan/podinfo:3.1.1"), changed(env=[]), restarted)
    }
    assert len(revisions) == 4
