"""What changed, in words: short, complete, and without a value that may be a secret."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.run.changes import LONGEST, describe_changes
from canary.run.revision import plain_template

Object = dict[str, Any]

TEMPLATE: Object = {
    "metadata": {"labels": {"app": "podinfo"}, "annotations": {"prometheus.io/port": "9797"}},
    "spec": {
        "containers": [
            {
                "name": "podinfod",
                "image": "stefanprodan/podinfo:6.0.0",
                "command": ["./podinfo", "--level=info"],
                "env": [
                    {"name": "LOG_LEVEL", "value": "info"},
                    {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "podinfo", "key": "token"}}},
                ],
                "resources": {"limits": {"cpu": "500m"}, "requests": {"cpu": "100m"}},
                "readinessProbe": {"httpGet": {"path": "/readyz"}},
            },
            {"name": "sidecar", "image": "envoy@sha256:" + "a" * 64},
        ],
        "volumes": [{"name": "data", "emptyDir": {}}],
        "securityContext": {"runAsUser": 1},
    },
}

MAIN, SIDECAR = 0, 1


def after(change: Any) -> str:
    new = deepcopy(TEMPLATE)
    change(new["spec"]["containers"], new["spec"], new["metadata"])
    return describe_changes(plain_template(TEMPLATE), plain_template(new))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c, _s, _m: c[MAIN].update(image="stefanprodan/podinfo:6.0.1"), "podinfod image 6.0.0 -> 6.0.1"),
        (
            lambda c, _s, _m: c[MAIN].update(image="ghcr.io/stefanprodan/podinfo:6.0.0"),
            "podinfod image stefanprodan/podinfo:6.0.0 -> ghcr.io/stefanprodan/podinfo:6.0.0",
        ),
        (lambda c, _s, _m: c[MAIN].update(image="stefanprodan/podinfo"), "podinfod image 6.0.0 -> latest"),
        (
            lambda c, _s, _m: c[MAIN].update(image="stefanprodan/podinfo:6.0.0@sha256:" + "b" * 64),
            "podinfod image stefanprodan/podinfo:6.0.0 -> stefanprodan/podinfo:6.0.0@sha256:bbbbbbbbbbbb",
        ),
        (
            lambda c, _s, _m: c[SIDECAR].update(image="envoy@sha256:" + "b" * 64),
            "sidecar image sha256:aaaaaaaaaaaa -> sha256:bbbbbbbbbbbb",
        ),
        (lambda c, _s, _m: c[MAIN]["env"][0].update(value="debug"), "podinfod env LOG_LEVEL changed"),
        (lambda c, _s, _m: c[MAIN]["env"].append({"name": "NEW", "value": "x"}), "podinfod env NEW added"),
        (lambda c, _s, _m: c[MAIN]["env"].pop(0), "podinfod env LOG_LEVEL removed"),
        (
            lambda c, _s, _m: c[MAIN]["env"][1]["valueFrom"]["secretKeyRef"].update(name="other"),
            "podinfod env TOKEN Secret podinfo/token -> Secret other/token",
        ),
        (
            lambda c, _s, _m: c[MAIN]["env"].__setitem__(1, {"name": "TOKEN", "value": "s3cr3t"}),
            "podinfod env TOKEN Secret podinfo/token -> a value",
        ),
        (lambda c, _s, _m: c[MAIN]["env"].reverse(), "podinfod env changed"),
        (
            lambda c, _s, _m: c[MAIN]["resources"].update(limits={"cpu": "1", "memory": "1Gi"}),
            "podinfod limits.cpu 500m -> 1, podinfod limits.memory none -> 1Gi",
        ),
        (lambda c, _s, _m: c[MAIN]["resources"].update(claims=[1]), "podinfod resources changed"),
        (lambda c, _s, _m: c[MAIN].update(command=["./podinfo", "--token=x"]), "podinfod command changed"),
        (lambda c, _s, _m: c[MAIN].update(readinessProbe=None), "podinfod readinessProbe changed"),
        (lambda c, _s, _m: c.pop(SIDECAR), "container sidecar removed"),
        (lambda c, _s, _m: c.append({"name": "extra", "image": "x:1"}), "container extra added"),
        (lambda c, _s, _m: c.reverse(), "spec.template.spec.containers changed"),
        (lambda _c, s, _m: s.update(initContainers=[{"name": "setup"}]), "init container setup added"),
        (lambda _c, s, _m: s["volumes"].append({"name": "tmp"}), "volume tmp added"),
        (lambda _c, s, _m: s["volumes"][0].update(emptyDir={"medium": "Memory"}), "volume data changed"),
        (
            lambda _c, s, _m: s["securityContext"].update(runAsUser=2),
            "spec.template.spec.securityContext.runAsUser changed",
        ),
        (lambda _c, s, _m: s.update(serviceAccountName="x"), "spec.template.spec.serviceAccountName changed"),
        (lambda _c, _s, m: m["labels"].update(version="2"), "label version added"),
        (lambda _c, _s, m: m["annotations"].clear(), "annotation prometheus.io/port removed"),
        (lambda _c, _s, m: m["annotations"].update({"kubectl.kubernetes.io/restartedAt": "now"}), "restarted"),
        (lambda _c, _s, m: m["labels"].update({"pod-template-hash": "x"}), ""),
        (lambda _c, s, _m: s.update(nodeSelector={"flagger.app/scale-to-zero": "true"}), ""),
        (lambda _c, _s, m: m.update(creationTimestamp=None), ""),
    ],
)  # fmt: skip
def test_each_change_has_its_words(change: Any, words: str) -> None:
    assert after(change) == words


def test_an_image_comes_before_all_else() -> None:
    def change(containers: list[Object], spec: Object, metadata: Object) -> None:
        metadata["labels"]["version"] = "2"
        containers[MAIN]["env"][0]["value"] = "debug"
        containers[SIDECAR]["image"] = "envoy:1"

    assert after(change) == (
        "sidecar image sha256:aaaaaaaaaaaa -> 1, podinfod env LOG_LEVEL changed, label version added"
    )


def test_no_value_of_a_variable_is_shown() -> None:
    def change(containers: list[Object], spec: Object, metadata: Object) -> None:
        containers[MAIN]["env"] = [{"name": "PASSWORD", "value": "hunter2"}, {"name": "LOG_LEVEL", "value": "hunter2"}]
        containers[MAIN]["args"] = ["--password=hunter2"]
        metadata["annotations"]["token"] = metadata["labels"]["token"] = "hunter2"

    assert "hunter2" not in after(change)


def test_what_does_not_fit_is_counted() -> None:
    new = deepcopy(TEMPLATE)
    new["spec"]["containers"] += [{"name": f"container-number-{number:03}"} for number in range(100)]
    words = describe_changes(TEMPLATE, new)
    told = words.count("container container-number-")
    assert len(words) <= LONGEST
    assert words.endswith(f", and {100 - told} more changes")


names = st.sampled_from(
    ["name", "image", "env", "containers", "resources", "limits", "valueFrom", "secretKeyRef", "labels", "x"]
) | st.text(max_size=300)
json_values = st.recursive(
    st.none() | st.booleans() | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=15,
)
templates = st.dictionaries(st.sampled_from(["metadata", "spec"]), st.dictionaries(names, json_values, max_size=5))


@given(templates, templates)
def test_any_two_templates_give_one_short_line(old: Object, new: Object) -> None:
    words = describe_changes(old, new)
    assert len(words) <= LONGEST
    assert words == "" or words.isprintable()
    assert words == describe_changes(deepcopy(old), deepcopy(new))


@given(templates)
def test_a_template_does_not_differ_from_itself(template: Object) -> None:
    assert describe_changes(template, deepcopy(template)) == ""


@given(templates, st.dictionaries(st.sampled_from(["containers", "volumes", "initContainers", "x"]), json_values))
def test_a_difference_is_never_passed_over_in_silence(old: Object, more: Object) -> None:
    new = {**old, "spec": {**old.get("spec", {}), **more}}
    assert bool(describe_changes(old, new)) == (old.get("spec", {}) != new["spec"])
