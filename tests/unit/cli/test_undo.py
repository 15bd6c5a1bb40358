"""`serin undo`: which release is put back, what is told before, and what is asked of the agent."""

import io
import os
import signal
import sys
from typing import Any

import pytest

from canary.run.revision import revision_of
from tests.unit.cli.cluster_api import ClusterApi, Object
from tests.unit.cli.cluster_objects import NEW, NEW_IMAGE, OLD, OLD_IMAGE, canary, deployment, template
from tests.unit.cli.conftest import Ran, Serin

OLDEST_IMAGE = "ghcr.io/stefanprodan/podinfo:5.0.0"
OLDEST = revision_of(template(OLDEST_IMAGE))
PROMOTED: Object = {"phase": "Succeeded", "canaryWeight": 0, "lastPromotedSpec": NEW}
TIMES = {"startedAt": "2026-11-30T13:00:00Z", "endedAt": "2026-11-30T13:10:00Z"}
RUNS: list[Object] = [
    {**TIMES, "revision": NEW, "outcome": "promoted", "change": "podinfod image 6.0.0 -> 6.0.1", "by": "alice"},
    {**TIMES, "revision": "0123456789abcdef", "outcome": "rolledBack"},
    {**TIMES, "revision": OLD, "outcome": "promoted", "change": "podinfod image 5.0.0 -> 6.0.0", "by": "carol"},
    {**TIMES, "revision": OLDEST, "outcome": "promoted", "reason": "bootstrap"},
]


def replicaset(name: str, owner: str, image: str, order: int, noted: str = "", uid: str = "") -> Object:
    made = template(image, owner)
    made["metadata"]["labels"]["pod-template-hash"] = "x"
    annotations = {"deployment.kubernetes.io/revision": str(order)} | ({"serin.dev/revision": noted} if noted else {})
    owners = [{"uid": uid or f"uid-{owner}", "controller": True}]
    metadata = {"name": name, "labels": {"app": owner}, "annotations": annotations, "ownerReferences": owners}
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata, "spec": {"template": made}}


def stored(api: ClusterApi, *, image: str = NEW_IMAGE, runs: list[Object] | None = None, **status: Any) -> None:
    """A canary whose target keeps all its templates, also one of another owner with the same labels."""
    ours = {"history": RUNS if runs is None else runs, **status.pop("serin", {})}
    api.put("canaries", canary(**{**PROMOTED, **status, "serin": ours}))
    for name, its_image in (("podinfo", image), ("podinfo-primary", NEW_IMAGE)):
        obj = deployment(name, its_image, revision=NEW if name != "podinfo" else "")
        obj["metadata"]["uid"] = f"uid-{name}"
        api.put("deployments", obj)
    for order, its_image in enumerate((OLDEST_IMAGE, OLD_IMAGE, NEW_IMAGE), start=1):
        api.put("replicasets", replicaset(f"a{order}", "podinfo", its_image, order))
    api.put("replicasets", replicaset("other", "podinfo", "other:1", 9, uid="another"))


def agent(api: ClusterApi) -> list[str]:
    """Begin a run when the target changes, and carry requests out."""
    asked: list[str] = []

    def see(obj: Object) -> None:
        if obj["kind"] == "Deployment":
            api.update("canaries", "podinfo", phase="Progressing", lastAppliedSpec=revision_of(obj["spec"]["template"]))
            return
        text = obj["metadata"].get("annotations", {}).pop("serin.dev/request", "")
        if text:
            asked.append(text)
            verb, _, revision = text.partition("@")
            answer = {"verb": verb, "revision": revision, "at": "2026-11-30T14:05:00Z", "claim": f"c{len(asked)}"}
            obj["status"]["serin"]["request"] = answer
            obj["status"]["phase"] = "Progressing"
            api.put("canaries", obj)

    api.on_patch = see
    return asked


def image_of(api: ClusterApi) -> str:
    return str(api.get("deployments", "podinfo")["spec"]["template"]["spec"]["containers"][0]["image"])


def test_the_release_before_the_promoted_one_is_put_back_by_a_run(api: ClusterApi, serin: Serin) -> None:
    stored(api)
    asked = agent(api)
    ran = serin("undo", "podinfo", "-y")
    assert ran.stdout.splitlines() == [
        f"Canary test/podinfo: {NEW} -> {OLD}",
        "Changes  podinfod image 6.0.1 -> 6.0.0",
        "It was   podinfod image 5.0.0 -> 6.0.0, applied by carol",
        f"put {OLD} back: its run begins; follow it: serin status podinfo --wait",
    ]
    assert api.get("deployments", "podinfo")["spec"]["template"] == template(OLD_IMAGE)
    assert asked == []


FAILED_IMAGE = "ghcr.io/stefanprodan/podinfo:6.0.2"
FAILED = revision_of(template(FAILED_IMAGE))


@pytest.mark.parametrize(
    ("phase", "comes"),
    [
        ("Failed", "so there is no run"),
        ("Progressing", f"so the run of {FAILED} ends, and all traffic goes there"),
    ],
)
def test_what_was_never_promoted_goes_before_the_promoted_one_does(
    api: ClusterApi, serin: Serin, phase: str, comes: str
) -> None:
    stored(api, image=FAILED_IMAGE, phase=phase, lastAppliedSpec=FAILED, serin={"seen": {"revision": FAILED}})
    ran = serin("undo", "podinfo", "-y")
    assert ran.stdout.splitlines() == [
        f"Canary test/podinfo: {FAILED} -> {NEW}",
        "Changes  podinfod image 6.0.2 -> 6.0.1",
        "It was   podinfod image 6.0.0 -> 6.0.1, applied by alice",
        f"put {NEW} back: the primary has it already, {comes}",
    ]
    assert image_of(api) == NEW_IMAGE
    api.update("canaries", "podinfo", phase="Failed", serin={"seen": {"revision": NEW}})
    assert f"put {OLD} back: its run begins" in serin("undo", "podinfo", "-y").stdout
    assert image_of(api) == OLD_IMAGE


def test_newer_configuration_gets_a_run_though_the_template_is_promoted(api: ClusterApi, serin: Serin) -> None:
    seen = {"revision": f"{FAILED}-22222222"}
    stored(api, image=FAILED_IMAGE, phase="Failed", lastPromotedSpec=f"{NEW}-11111111", serin={"seen": seen})
    assert (
        serin("undo", "podinfo", "-y").stdout.splitlines()[-1].endswith("older ConfigMaps or Secrets: they get a run")
    )


@pytest.mark.parametrize("options", [(), ("--to-revision", OLD)])
def test_a_second_undo_says_that_the_run_of_the_first_is_under_way(
    api: ClusterApi, serin: Serin, options: tuple[str, ...]
) -> None:
    stored(api)
    serin("undo", "podinfo", "-y", *options)
    said = f"nothing to do: Deployment podinfo has {OLD} already, and its run"
    follow = "follow it: serin status podinfo --wait\n"
    assert serin("undo", "podinfo", "-y", *options).stdout == f"{said} begins; {follow}"
    api.update("canaries", "podinfo", phase="Progressing", lastAppliedSpec=OLD)
    assert serin("undo", "podinfo", "-y", *options).stdout == f"{said} is under way; {follow}"
    assert image_of(api) == OLD_IMAGE


def test_what_changes_is_told_against_the_target(api: ClusterApi, serin: Serin) -> None:
    stored(api, image=OLDEST_IMAGE, phase="Failed", lastAppliedSpec=OLDEST)
    assert serin("undo", "podinfo", "-y", "--to-revision", NEW).stdout.splitlines()[:2] == [
        f"Canary test/podinfo: {OLDEST} -> {NEW}",
        "Changes  podinfod image 5.0.0 -> 6.0.1",
    ]


def test_now_is_without_its_analysis(api: ClusterApi, serin: Serin) -> None:
    stored(api)
    asked = agent(api)
    ran = serin("undo", "podinfo", "-y", "--now")
    assert ran.code == 0
    assert ran.stdout.endswith(
        f"put {OLD} back: it is promoted without an analysis; follow it: serin status podinfo --wait\n"
    )
    assert asked == [f"promote@{OLD}"]
    assert image_of(api) == OLD_IMAGE


def test_any_kept_revision_can_be_named(api: ClusterApi, serin: Serin) -> None:
    stored(api)
    assert serin("undo", "podinfo", "-y", "--to-revision", OLDEST[:7]).code == 0
    assert image_of(api) == OLDEST_IMAGE


def test_without_a_history_the_primarys_templates_say_which_it_was(api: ClusterApi, serin: Serin) -> None:
    stored(api, runs=[])
    for order, (image, revision) in enumerate(((OLDEST_IMAGE, OLDEST), (OLD_IMAGE, OLD), (NEW_IMAGE, NEW)), start=1):
        api.put("replicasets", replicaset(f"p{order}", "podinfo-primary", image, order, revision))
    assert serin("undo", "podinfo", "-y").code == 0
    assert image_of(api) == OLD_IMAGE


def test_what_the_target_keeps_no_more_is_turned_back_from_the_primarys(api: ClusterApi, serin: Serin) -> None:
    stored(api)
    for order in (1, 2):
        api.delete("replicasets", f"a{order}")
    api.put("replicasets", replicaset("p1", "podinfo-primary", OLD_IMAGE, 1, OLD))
    assert serin("undo", "podinfo", "-y").code == 0
    assert api.get("deployments", "podinfo")["spec"]["template"] == template(OLD_IMAGE)


def test_a_revision_that_was_rolled_back_last_is_retried(api: ClusterApi, serin: Serin) -> None:
    stored(api, image=OLDEST_IMAGE, phase="Failed", lastAppliedSpec=OLD)
    asked = agent(api)
    api.on_patch, see = lambda obj: see(obj) if obj["kind"] == "Canary" else None, api.on_patch
    assert serin("undo", "podinfo", "-y", "--to-revision", OLD).code == 0
    assert (image_of(api), asked) == (OLD_IMAGE, [f"retry@{OLD}"])


def test_what_is_not_undone_and_who_may_undo_it_is_told(api: ClusterApi, serin: Serin) -> None:
    runs = [{**TIMES, "revision": f"{OLD}-11111111", "outcome": "promoted"}]
    stored(api, runs=runs, lastPromotedSpec=f"{NEW}-22222222")
    obj = api.get("deployments", "podinfo")
    obj["metadata"]["annotations"] = {"argocd.argoproj.io/tracking-id": "x"}
    api.put("deployments", obj)
    notes = [line for line in serin("undo", "podinfo", "-y").stdout.splitlines() if line.startswith("Note")]
    assert notes == [
        "Note     the contents of ConfigMaps and Secrets are not put back: they stay as they are now",
        "Note     Argo CD applies Deployment podinfo, and may put its own back: undo it in Git, too",
    ]


def test_without_a_terminal_it_must_be_said_that_it_is_meant(api: ClusterApi, serin: Serin) -> None:
    stored(api)
    ran = serin("undo", "podinfo")
    assert (ran.code, ran.stderr) == (2, "serin: nobody can be asked here; allowed: -y, where it is meant\n")
    assert image_of(api) == NEW_IMAGE


@pytest.mark.parametrize(("typed", "image"), [("y\n", OLD_IMAGE), ("\n", NEW_IMAGE), ("no\n", NEW_IMAGE)])
def test_in_a_terminal_it_is_asked_for(
    api: ClusterApi, serin: Serin, monkeypatch: pytest.MonkeyPatch, typed: str, image: str
) -> None:
    stored(api)
    monkeypatch.setattr("cli.undo.command.is_interactive", lambda: True)
    ran = serin("undo", "podinfo", stdin=typed)
    assert "Put it back by an ordinary run? [y/N] " in ran.stdout
    assert image_of(api) == image
    assert ran.code == (0 if image == OLD_IMAGE else 1)


@pytest.mark.parametrize(
    ("runs", "options", "status", "line"),
    [
        ([], (), {}, "found no release before the present one: nothing else was promoted that is still known"),
        (
            None,
            ("--to-revision", "fedcba9"),
            {},
            "found no revision fedcba9: no run of it is known, and nobody keeps its",
        ),
        (None, ("--to-revision", "012345"), {}, "nobody keeps the template of revision 0123456789abcdef any more"),
        (
            None,
            (),
            {"phase": "Progressing", "lastPromotedSpec": f"{NEW}-11111111", "lastAppliedSpec": f"{NEW}-22222222"},
            f"a run of {NEW}-22222222 is under way, and the release before it is {NEW}-11111111: `serin abort",
        ),
    ],
)
def test_where_nothing_can_be_put_back_it_is_told(
    api: ClusterApi,
    serin: Serin,
    runs: list[Object] | None,
    options: tuple[str, ...],
    status: dict[str, Any],
    line: str,
) -> None:
    stored(api, runs=runs, **status)
    ran = serin("undo", "podinfo", "-y", *options)
    assert (ran.code, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"serin: {line}")
    assert image_of(api) == NEW_IMAGE


@pytest.mark.parametrize("options", [(), ("--to-revision", OLD)])
@pytest.mark.parametrize(
    ("phase", "line"),
    [
        (
            "Promoting",
            (
                "0123456789abcdef is in phase Promoting, and the primary is getting it: `serin abort podinfo` rolls it "
                "back; or wait for its end: serin status podinfo --wait"
            ),
        ),
        ("Finalising", "0123456789abcdef is in phase Finalising: wait for its end: serin status podinfo --wait"),
    ],
)
def test_during_a_promotion_the_release_before_is_not_known_yet(
    api: ClusterApi, serin: Serin, phase: str, line: str, options: tuple[str, ...]
) -> None:
    stored(api, image="podinfo:7.0.0", phase=phase, lastAppliedSpec="0123456789abcdef")
    assert serin("undo", "podinfo", "-y", *options) == Ran(1, "", f"serin: {line}\n")
    assert image_of(api) == "podinfo:7.0.0"


def test_a_revision_that_somebody_noted_moves_no_cursor(api: ClusterApi, serin: Serin) -> None:
    stored(api, runs=[])
    api.put("replicasets", replicaset("p1", "podinfo-primary", OLD_IMAGE, 1, "evil\x1b[2J"))
    ran = serin("undo", "podinfo", "-y")
    assert ran.stderr.startswith("serin: found no revision evil�[2J: no run of it is known")


def test_a_beginning_that_several_revisions_have_is_not_enough(api: ClusterApi, serin: Serin) -> None:
    other = f"{OLD[:8]}00000000"
    stored(api, runs=[RUNS[0], {**TIMES, "revision": other, "outcome": "rolledBack"}, *RUNS[1:]])
    hint = "`serin history podinfo` shows the last runs"
    line = f"revision {OLD[:7]} may be {OLD} or {other}; give more of its characters; {hint}"
    assert serin("undo", "podinfo", "-y", "--to-revision", OLD[:7]) == Ran(1, "", f"serin: {line}\n")
    line = f"--to-revision: found {OLD[:5]!r}; allowed: a revision, or at least its first 6 characters; {hint}"
    assert serin("undo", "podinfo", "-y", "--to-revision", OLD[:5]) == Ran(1, "", f"serin: {line}\n")
    assert image_of(api) == NEW_IMAGE
    assert serin("undo", "podinfo", "-y", "--to-revision", OLD[:9]).code == 0
    assert image_of(api) == OLD_IMAGE


def test_what_was_before_an_unknown_release_is_not_guessed(api: ClusterApi, serin: Serin) -> None:
    stored(api, lastPromotedSpec="unknown")
    ran = serin("undo", "podinfo", "-y")
    assert (ran.code, ran.stdout) == (1, "")
    assert ran.stderr.startswith(
        "serin: nobody knows which release the primary has, as after a takeover; name one: --to-revision; "
    )
    assert image_of(api) == NEW_IMAGE


class Interrupted(io.BytesIO):
    """A terminal at which somebody presses Ctrl-C."""

    went_on = False

    def read1(self, _: int | None = -1) -> bytes:
        os.kill(os.getpid(), signal.SIGINT)
        self.went_on = True  # a real one would still wait for a line
        return b"\n"


def test_ctrl_c_at_the_question_ends_the_command(
    api: ClusterApi, serin: Serin, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(api)

    terminal = Interrupted()

    def is_interactive() -> bool:
        sys.stdin = io.TextIOWrapper(terminal)  # in place of the runner's, which puts back what was there
        return True

    monkeypatch.setattr("cli.undo.command.is_interactive", is_interactive)
    assert serin("undo", "podinfo").code == 130
    assert not terminal.went_on
    assert image_of(api) == NEW_IMAGE


def test_what_is_there_already_is_not_put_back(api: ClusterApi, serin: Serin) -> None:
    stored(api)
    line = f"nothing to do: the primary and Deployment podinfo have {NEW} already\n"
    assert serin("undo", "podinfo", "-y", "--to-revision", NEW) == Ran(0, line, "")


def test_back_to_what_the_primary_has_needs_no_run(api: ClusterApi, serin: Serin) -> None:
    stored(api, image=OLDEST_IMAGE, phase="Failed", lastAppliedSpec=OLDEST)
    ran = serin("undo", "podinfo", "-y", "--now", "--to-revision", NEW)
    assert ran.stdout.splitlines()[-1] == f"put {NEW} back: the primary has it already, so there is no run"
    assert image_of(api) == NEW_IMAGE


def test_a_change_by_somebody_else_meanwhile_is_not_overwritten(
    api: ClusterApi, serin: Serin, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(api)
    patch = api._json_patch

    def overtaken(key: tuple[str, str, str], operations: list[Object]) -> Any:
        obj = deployment("podinfo", "podinfo:7.0.0")
        obj["metadata"]["uid"] = "uid-podinfo"
        api.put("deployments", obj)
        return patch(key, operations)

    monkeypatch.setattr(api, "_json_patch", overtaken)
    ran = serin("undo", "podinfo", "-y")
    assert (ran.code, ran.stderr) == (1, "serin: somebody changed Deployment podinfo meanwhile; look again\n")
    assert image_of(api) == "podinfo:7.0.0"


def test_what_scales_a_daemonset_to_zero_stays(api: ClusterApi, serin: Serin) -> None:
    obj = canary(**{**PROMOTED, "serin": {"history": RUNS}})
    obj["spec"]["targetRef"]["kind"] = "DaemonSet"
    api.put("canaries", obj)
    target = deployment("podinfo", NEW_IMAGE)
    target["kind"], target["metadata"]["uid"] = "DaemonSet", "uid-podinfo"
    target["spec"]["template"]["spec"]["nodeSelector"] = {"flagger.app/scale-to-zero": "true"}
    api.put("daemonsets", target)
    kept = replicaset("r1", "podinfo", OLD_IMAGE, 1)
    made = {"$patch": "replace", **kept.pop("spec")["template"]}
    revision = {**kept, "kind": "ControllerRevision", "revision": 1, "data": {"spec": {"template": made}}}
    api.put("controllerrevisions", revision)
    assert serin("undo", "podinfo", "-y").code == 0
    put = api.get("daemonsets", "podinfo")["spec"]["template"]
    assert put["spec"]["nodeSelector"] == {"flagger.app/scale-to-zero": "true"}
    assert put["spec"]["containers"][0]["image"] == OLD_IMAGE
    assert "$patch" not in put
