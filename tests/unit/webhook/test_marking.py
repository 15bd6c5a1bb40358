"""The mark on a canary's target: right after every kind of apply, the same at every repetition."""

from copy import deepcopy
from typing import Any

import pytest

from canary.run.mark import Mark
from canary.run.revision import revision_of
from canary.run.wire import CHANGED_ANNOTATION, CHANGED_BY_ANNOTATION, REVISION_ANNOTATION
from tests.support.reviews import Object, canary_object, context_of, request, stored
from webhook.context import AGENT
from webhook.marking import mark_workload
from webhook.review import ALLOWED, WARNING_CHARS, fit_warnings

CONTEXT = context_of([canary_object()])


def deployment(tag: str = "6.0.0", *, mark: Mark | None = None, others: dict[str, str] | None = None) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "namespace": "test",
            "name": "podinfo",
            "annotations": (others or {}) | (mark.annotations() if mark else {}),
        },
        "spec": {
            "replicas": 2,
            "template": {"spec": {"containers": [{"name": "podinfod", "image": f"podinfo:{tag}"}]}},
        },
    }


def revision(obj: Object) -> str:
    return revision_of(obj["spec"]["template"])


def mark_of(obj: Object) -> Mark | None:
    return Mark.read(obj["metadata"].get("annotations"))


def marked(obj: Object, old: Object | None = None, *, user: str = "alice", **more: Any) -> Object:
    return stored(obj, mark_workload(request(obj, old, user=user, **more), CONTEXT))


MARKED = deployment(mark=Mark(revision(deployment()), "podinfod image 5 -> 6.0.0", "alice"))


def test_a_new_workload_is_marked_with_who_made_it() -> None:
    assert mark_of(marked(deployment())) == Mark(revision(deployment()), "", "alice")


def test_a_new_template_is_marked_with_what_changed_and_by_whom() -> None:
    new = marked(deployment("6.0.1", mark=mark_of(MARKED)), MARKED, user="bob")
    assert mark_of(new) == Mark(revision(new), "podinfod image 6.0.0 -> 6.0.1", "bob")


def test_annotations_of_others_stay() -> None:
    new = marked(deployment("6.0.1", others={"a/b~c": "d"}), MARKED)
    assert new["metadata"]["annotations"]["a/b~c"] == "d"


@pytest.mark.parametrize("annotations", [{}, None])
def test_an_object_without_annotations_gets_them(annotations: Object | None) -> None:
    obj = deployment("6.0.1")
    obj["metadata"]["annotations"] = annotations
    assert mark_of(marked(obj, MARKED)) == Mark(revision(obj), "podinfod image 6.0.0 -> 6.0.1", "alice")
    del obj["metadata"]["annotations"]
    assert mark_of(marked(obj, MARKED)) == Mark(revision(obj), "podinfod image 6.0.0 -> 6.0.1", "alice")


def test_who_edits_a_label_does_not_take_the_mark_over() -> None:
    new = deepcopy(MARKED)
    new["metadata"]["labels"] = {"team": "b"}
    new["spec"]["replicas"] = 5
    assert mark_workload(request(new, MARKED, user="bob"), CONTEXT) == ALLOWED


def test_a_replace_that_wipes_the_mark_gets_it_back() -> None:
    assert mark_of(marked(deployment(), MARKED, user="bob")) == mark_of(MARKED)


@pytest.mark.parametrize("key", [REVISION_ANNOTATION, CHANGED_ANNOTATION, CHANGED_BY_ANNOTATION])
def test_a_forged_mark_is_corrected(key: str) -> None:
    forged = deepcopy(MARKED)
    forged["metadata"]["annotations"][key] = "forged"
    assert mark_of(marked(forged, MARKED, user="mallory")) == mark_of(MARKED)


def test_a_forged_mark_where_nobody_knows_better_is_emptied() -> None:
    forged = deployment(mark=Mark(revision(deployment()), "nothing bad", "the boss"))
    assert mark_of(marked(forged, deployment(), user="mallory")) == Mark(revision(deployment()))


def test_a_template_that_was_there_before_the_canary_is_nobodys() -> None:
    assert mark_workload(request(deployment(others={"note": "x"}), deployment(), user="bob"), CONTEXT) == ALLOWED


def test_a_mark_that_the_webhook_missed_to_renew_is_left_for_the_agent_to_see_through() -> None:
    stale = deployment("6.0.1", mark=mark_of(MARKED))
    assert mark_workload(request(stale | {"status": {}}, stale, user="bob"), CONTEXT) == ALLOWED


def test_an_undo_that_brings_back_an_old_mark_is_marked_anew() -> None:
    """`kubectl rollout undo` restores the annotations of the old ReplicaSet with its template."""
    now = deployment("6.0.1", mark=Mark(revision(deployment("6.0.1")), "podinfod image 6.0.0 -> 6.0.1", "bob"))
    undone = marked(MARKED, now, user="carol")
    assert mark_of(undone) == Mark(revision(MARKED), "podinfod image 6.0.1 -> 6.0.0", "carol")


def test_a_second_pass_marks_the_object_as_it_is_then() -> None:
    first = marked(deployment("6.0.1", mark=mark_of(MARKED)), MARKED, user="bob")
    rewritten = deepcopy(first)
    rewritten["spec"]["template"]["spec"]["containers"][0]["image"] = "mirror/podinfo:6.0.1"
    second = marked(rewritten, MARKED, user="bob")
    assert mark_of(second) == Mark(revision(rewritten), "podinfod image podinfo:6.0.0 -> mirror/podinfo:6.0.1", "bob")


@pytest.mark.parametrize("old", [None, MARKED])
def test_a_second_pass_over_an_unchanged_object_patches_nothing(old: Object | None) -> None:
    obj = marked(deployment("6.0.1"), old)
    assert mark_workload(request(obj, old), CONTEXT).patch == ()


def test_the_mark_is_what_the_agent_computes() -> None:
    new = marked(deployment("6.0.1"), MARKED)
    mark = mark_of(new)
    assert mark is not None
    assert mark.revision == revision(new)


@pytest.mark.parametrize(
    ("canary", "what"),
    [
        (canary_object("other"), "another target"),
        (canary_object(provider="istio"), "another provider"),
        (canary_object(targetRef={"kind": "DaemonSet", "name": "podinfo"}), "another kind"),
        (canary_object() | {"metadata": {"namespace": "elsewhere", "name": "podinfo"}}, "another namespace"),
    ],
)
def test_what_no_canary_of_ours_watches_over_is_let_pass(canary: Object, what: str) -> None:
    assert mark_workload(request(deployment("6.0.1"), MARKED), context_of([canary])) == ALLOWED, what


def test_the_agents_own_writes_are_let_pass() -> None:
    assert mark_workload(request(deployment("6.0.1"), MARKED, user=AGENT), CONTEXT) == ALLOWED


def test_scale_and_deletion_are_let_pass() -> None:
    assert mark_workload(request(deployment("6.0.1"), MARKED, subresource="scale"), CONTEXT) == ALLOWED
    assert mark_workload(request(None, MARKED), CONTEXT) == ALLOWED


def test_a_daemon_set_is_marked_too() -> None:
    context = context_of([canary_object(targetRef={"kind": "DaemonSet", "name": "podinfo"})])
    old = MARKED | {"kind": "DaemonSet"}
    new = deployment("6.0.1") | {"kind": "DaemonSet"}
    assert mark_of(stored(new, mark_workload(request(new, old), context))) == Mark(
        revision(new), "podinfod image 6.0.0 -> 6.0.1", "alice"
    )


def warnings(phase: str, new: Object, old: Object | None = MARKED, **spec: Any) -> tuple[str, ...]:
    return mark_workload(request(new, old), context_of([canary_object(phase=phase, **spec)])).warnings


NEW = deployment("6.0.1")
WHAT = f"revision {revision(NEW)} (podinfod image 6.0.0 -> 6.0.1)"
FOLLOW = "Follow it: kubectl -n test get canary podinfo -w"


@pytest.mark.parametrize(
    ("phase", "warning"),
    [
        ("Initialized", f"Canary test/podinfo starts a run: {WHAT}. {FOLLOW}"),
        ("Succeeded", f"Canary test/podinfo starts a run: {WHAT}. {FOLLOW}"),
        ("Failed", f"Canary test/podinfo starts a run: {WHAT}. {FOLLOW}"),
        ("Progressing", f"Canary test/podinfo starts its analysis again: {WHAT}. {FOLLOW}"),
        ("Promoting", f"Canary test/podinfo starts a run once its present run has ended: {WHAT}. {FOLLOW}"),
    ],
)
def test_a_change_is_answered_with_what_the_canary_will_do(phase: str, warning: str) -> None:
    assert warnings(phase, NEW) == (warning,)


def with_revisions(phase: str, promoted: str, analysed: str) -> Object:
    canary = canary_object(phase=phase)
    canary["status"] |= {"lastPromotedSpec": promoted, "lastAppliedSpec": analysed}
    return canary


@pytest.mark.parametrize("configs", ["", "-0a1b2c3d"])
@pytest.mark.parametrize("phase", ["Progressing", "Waiting", "WaitingPromotion"])
def test_an_undo_in_mid_run_is_answered_with_the_end_of_the_run(phase: str, configs: str) -> None:
    canary = with_revisions(phase, promoted=f"{revision(NEW)}{configs}", analysed=revision(MARKED))
    [warning] = mark_workload(request(NEW, MARKED), context_of([canary])).warnings
    assert warning == f"Canary test/podinfo ends its run, back at the promoted revision: {WHAT}. {FOLLOW}"


@pytest.mark.parametrize("phase", ["Succeeded", "Failed", "Initialized"])
def test_what_was_promoted_or_analysed_already_is_not_taken_over(phase: str) -> None:
    for promoted, analysed in ((revision(NEW), "other"), ("other", f"{revision(NEW)}-0a1b2c3d")):
        canary = with_revisions(phase, promoted, analysed)
        assert mark_workload(request(NEW, MARKED), context_of([canary])).warnings == ()


def test_an_undo_under_a_promotion_is_a_run_of_its_own() -> None:
    canary = with_revisions("Promoting", promoted=revision(NEW), analysed=revision(MARKED))
    [warning] = mark_workload(request(NEW, MARKED), context_of([canary])).warnings
    assert warning.startswith("Canary test/podinfo starts a run once its present run has ended")


def with_env(tag: str, *values: str) -> Object:
    obj = deployment(tag)
    names = ("UI_COLOR", "LOG_LEVEL", "DATABASE_POOL", "CACHE")
    env = [{"name": name, "value": value} for name, value in zip(names, values, strict=True)]
    obj["spec"]["template"]["spec"]["containers"][0]["env"] = env
    return obj


def test_how_to_follow_is_told_however_much_changed() -> None:
    new, old = with_env("6.0.1", *"abcd"), with_env("6.0.0", *"efgh")
    [warning] = fit_warnings(warnings("Progressing", new, old))
    assert warning.startswith(
        f"Canary test/podinfo starts its analysis again: revision {revision(new)} (podinfod image 6.0.0 -> 6.0.1, "
    )
    assert warning.endswith(f"...). {FOLLOW}")
    assert len(warning) == WARNING_CHARS


def test_where_names_are_long_only_the_revision_and_how_to_follow_are_told() -> None:
    name = "-".join(["a-name-of-as-many-letters-as-there-may-be"] * 2)
    canary = canary_object(name, targetRef={"kind": "Deployment", "name": "podinfo"})
    new = with_env("6.0.1", *"abcd")
    [warning] = mark_workload(request(new, MARKED), context_of([canary])).warnings
    follow = f"Follow it: kubectl -n test get canary {name} -w"
    assert warning == f"Canary test/{name} starts a run: revision {revision(new)}. {follow}"


@pytest.mark.parametrize("phase", ["", "Initializing", "Terminating", "SomethingNew"])
def test_a_canary_that_runs_nothing_promises_nothing(phase: str) -> None:
    assert warnings(phase, NEW) == ()


def test_nothing_is_said_without_a_change() -> None:
    assert warnings("Initialized", NEW, suspend=True) == ()
    assert warnings("Initialized", NEW, None) == ()
    assert warnings("Initialized", deployment()) == ()
