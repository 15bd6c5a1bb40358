"""`serin promote`, `abort`, `pause`, `resume`, `retry`, `skip`: what is asked, and the agent's answer."""

from collections.abc import Callable
from typing import Any

import pytest

from cli.cluster.access import Access
from tests.unit.cli.cluster_api import ClusterApi, Object
from tests.unit.cli.cluster_objects import NEW, NEW_IMAGE, OLD, canary, deployment
from tests.unit.cli.conftest import Ran, Serin

FAILED: Object = {"phase": "Failed", "canaryWeight": 0}
FOLLOW = "follow it: serin status podinfo --wait"
SEE = "see what came of it: serin status podinfo"
GO_ON = "let it go on: serin resume podinfo"
PROMOTED: Object = {"phase": "Succeeded", "canaryWeight": 0, "lastPromotedSpec": NEW}


@pytest.fixture
def asked(api: ClusterApi) -> list[str]:
    """The requests that an agent carried out, as they were written."""
    return answering(api)


def answering(api: ClusterApi, why_refused: str = "") -> list[str]:
    """Answer each request as an agent does: its result is stored, then the annotation goes."""
    seen: list[str] = []

    def agent(obj: Object) -> None:
        text = obj["metadata"].get("annotations", {}).pop("serin.dev/request", "")
        if not text:
            return
        seen.append(text)
        verb, _, revision = text.partition("@")
        answer = {"verb": verb, "revision": revision, "at": "2026-11-30T14:05:00Z", "claim": f"c{len(seen)}"}
        answer |= {"result": "refused", "why": why_refused} if why_refused else {"result": "accepted", "by": "bob"}
        obj["status"]["serin"]["request"] = answer
        api.put("canaries", obj)

    api.on_patch = agent
    return seen


def stored(api: ClusterApi, image: str = NEW_IMAGE, **status: Any) -> None:
    api.put("canaries", canary(**status))
    api.put("deployments", deployment("podinfo", image))


@pytest.mark.parametrize(
    ("verb", "status", "line", "following"),
    [
        ("promote", {}, "promoting podinfo: its analysis is ended, and gates are skipped", FOLLOW),
        ("abort", {}, "rolling podinfo back to its primary", SEE),
        ("pause", {}, "paused podinfo: its weight stays, its checks go on and may roll it back", GO_ON),
        ("resume", {"serin": {"paused": True}}, "resumed podinfo", FOLLOW),
        ("resume", {"serin": {"waitingFor": ["pause/3"]}}, "resumed podinfo", FOLLOW),
        ("retry", FAILED, "running podinfo's revision again", FOLLOW),
        ("skip", {}, "skipped: this revision of podinfo is not rolled out", SEE),
    ],
)
def test_a_request_is_about_the_revision_that_is_shown_and_its_answer_is_printed(
    api: ClusterApi, asked: list[str], serin: Serin, verb: str, status: dict[str, Any], line: str, following: str
) -> None:
    stored(api, **status)
    ran = serin(verb, "podinfo")
    assert asked == [f"{verb}@{NEW}"]
    assert ran == Ran(0, f"{line} ({verb}@{NEW}, by bob)\n{following}\n", "")


@pytest.mark.parametrize(
    ("more", "first", "second"),
    [
        ({}, "ended the pause of podinfo by request; step 1 pauses it still, and takes another resume", GO_ON),
        ({"stepResumed": True}, "resumed podinfo", FOLLOW),
        ({"step": 2}, "resumed podinfo", FOLLOW),
    ],
)
def test_a_step_that_still_pauses_the_run_is_told(
    api: ClusterApi, asked: list[str], serin: Serin, more: dict[str, Any], first: str, second: str
) -> None:
    obj = canary(serin={"paused": True, "step": 1, **more})
    obj["spec"]["analysis"]["steps"] = [{"weight": 20, "pause": {}}, {"weight": 50}]
    api.put("canaries", obj)
    api.put("deployments", deployment("podinfo", NEW_IMAGE))
    ran = serin("resume", "podinfo")
    assert ran == Ran(0, f"{first} (resume@{NEW}, by bob)\n{second}\n", "")
    assert asked == [f"resume@{NEW}"]


def test_a_refusal_exits_with_1_and_says_what_is_allowed(api: ClusterApi, serin: Serin) -> None:
    stored(api)
    answering(api, why_refused="promote of another day")
    ran = serin("promote", "podinfo")
    assert ran == Ran(1, "", f"serin: promote@{NEW} was refused; allowed: promote of another day\n")


@pytest.mark.parametrize(
    ("verb", "status", "why"),
    [
        ("promote", PROMOTED, f"{NEW} is promoted already"),
        ("abort", FAILED, f"the run of {NEW} was rolled back already"),
        ("pause", {"serin": {"paused": True}}, f"the run of {NEW} is paused already"),
        ("resume", {}, f"the run of {NEW} is not paused"),
        ("retry", {}, f"the run of {NEW} is under way"),
    ],
)
def test_what_is_so_already_is_not_asked_for(
    api: ClusterApi, asked: list[str], serin: Serin, verb: str, status: dict[str, Any], why: str
) -> None:
    stored(api, **status)
    assert serin(verb, "podinfo") == Ran(0, f"nothing to do: {why}\n", "")
    assert asked == []


@pytest.mark.parametrize(
    ("verb", "status", "revision"),
    [
        # Between runs the agent may not have noticed what the target has now.
        ("skip", {**PROMOTED, "lastAppliedSpec": OLD, "lastPromotedSpec": OLD, "serin": {"seen": {}}}, NEW),
        # A promotion that hangs: the newer revision is meant by promote, the older one by abort.
        ("promote", {"phase": "Promoting", "lastAppliedSpec": OLD}, NEW),
        ("abort", {"phase": "Promoting", "lastAppliedSpec": OLD}, OLD),
    ],
)
def test_the_revision_is_the_one_that_the_verb_can_be_carried_out_for(
    api: ClusterApi, asked: list[str], serin: Serin, verb: str, status: dict[str, Any], revision: str
) -> None:
    stored(api, **status)
    assert serin(verb, "podinfo").code == 0
    assert asked == [f"{verb}@{revision}"]


def test_a_second_retry_is_another_text_than_the_first(api: ClusterApi, asked: list[str], serin: Serin) -> None:
    stored(api, **FAILED)
    for _ in range(3):
        assert serin("retry", "podinfo").code == 0
    assert asked == [f"retry@{NEW}", f"retry@{NEW[:-1]}", f"retry@{NEW}"]


def test_a_resume_of_the_next_pause_is_another_text(api: ClusterApi, asked: list[str], serin: Serin) -> None:
    stored(api, serin={"waitingFor": ["pause/1"]})
    for step in (1, 2):
        api.update("canaries", "podinfo", serin={"waitingFor": [f"pause/{step}"]})
        assert serin("resume", "podinfo").code == 0
    assert asked == [f"resume@{NEW}", f"resume@{NEW[:-1]}"]


def test_a_pause_that_somebody_else_resumed_does_not_end_the_next_one(
    api: ClusterApi, serin: Serin, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(api, serin={"waitingFor": ["pause/1"]})
    patch: Callable[..., Any] = api._patch

    def overtaken(key: tuple[str, str, str], body: Object) -> Any:
        api.update("canaries", "podinfo", serin={"waitingFor": ["pause/2"]})
        return patch(key, body)

    monkeypatch.setattr(api, "_patch", overtaken)
    line = "the run is held by pause/2 now, not by pause/1; look again"
    assert serin("resume", "podinfo") == Ran(1, "", f"serin: {line}\n")
    assert "annotations" not in api.get("canaries", "podinfo")["metadata"]


@pytest.mark.parametrize("verb", ["resume", "promote"])
def test_a_request_that_is_answered_already_is_not_taken_for_a_pending_one(
    api: ClusterApi, serin: Serin, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    request = {"verb": "resume", "revision": NEW, "at": "2026-11-30T14:05:00Z", "claim": "c0"}
    obj = canary(serin={"request": request, "waitingFor": ["pause/2"]})
    obj["metadata"]["annotations"] = {"serin.dev/request": f"resume@{NEW}#c0"}
    api.put("canaries", obj)
    api.put("deployments", deployment("podinfo", NEW_IMAGE))

    read, reads = Access.canary, []

    async def taken_away_after_the_second(access: Access, name: str) -> Object:
        found = await read(access, name)
        reads.append(name)
        if len(reads) == 2:
            del obj["metadata"]["annotations"]
            api.put("canaries", obj)
        return found

    asked = answering(api)
    monkeypatch.setattr(Access, "canary", taken_away_after_the_second)
    assert serin(verb, "podinfo").code == 0
    assert asked == [f"resume@{NEW[:-1]}" if verb == "resume" else f"promote@{NEW}"]


def test_a_request_need_not_be_waited_for(api: ClusterApi, serin: Serin) -> None:
    stored(api)
    assert serin("pause", "podinfo", "--no-wait", "--revision", NEW[:8]) == Ran(0, f"asked: pause@{NEW[:8]}\n", "")
    assert api.get("canaries", "podinfo")["metadata"]["annotations"] == {"serin.dev/request": f"pause@{NEW[:8]}"}


def test_an_agent_that_does_not_answer_is_told_with_what_shows_its_log(api: ClusterApi, serin: Serin) -> None:
    stored(api)
    ran = serin("abort", "podinfo", "--timeout", "300ms")
    assert ran.code == 4
    assert ran.stderr == (
        f"serin: the agent has not answered abort@{NEW} within 300ms. Does it run? "
        "`kubectl -n gloo-system logs deployment/serin-agent`; the request waits for it; to take it back: "
        "`kubectl -n test annotate canary podinfo serin.dev/request-`\n"
    )


def test_a_request_of_somebody_else_is_not_overwritten(api: ClusterApi, serin: Serin) -> None:
    stored(api)
    obj = api.get("canaries", "podinfo")
    obj["metadata"]["annotations"] = {"serin.dev/request": f"promote@{NEW}#claim"}
    api.put("canaries", obj)
    ran = serin("abort", "podinfo")
    assert ran.code == 1
    assert ran.stderr.startswith(f"serin: another request is not answered yet: promote@{NEW}; try again")
    assert api.get("canaries", "podinfo")["metadata"]["annotations"] == {"serin.dev/request": f"promote@{NEW}#claim"}


def test_a_request_that_is_none_is_answered_as_the_agent_keeps_it(api: ClusterApi, serin: Serin) -> None:
    stored(api)
    why = "promote@<revision>"

    def agent(obj: Object) -> None:
        del obj["metadata"]["annotations"]
        answer = {"verb": "promote", "revision": "a�[2J", "at": "2026-11-30T14:05:00Z", "claim": "c1"}
        obj["status"]["serin"]["request"] = {**answer, "result": "refused", "why": why}
        api.put("canaries", obj)

    api.on_patch = agent
    ran = serin("promote", "podinfo", "--revision", "a\x1b[2J")
    assert ran == Ran(1, "", "serin: promote@a�[2J was refused; allowed: promote@<revision>\n")


def test_a_status_that_is_written_meanwhile_only_makes_it_ask_again(
    api: ClusterApi, asked: list[str], serin: Serin, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(api)
    patch: Callable[..., Any] = api._patch
    left = [2]

    def conflicting(key: tuple[str, str, str], body: Object) -> Any:
        if left[0]:
            left[0] -= 1
            api.update("canaries", "podinfo", canaryWeight=30)
        return patch(key, body)

    monkeypatch.setattr(api, "_patch", conflicting)
    assert serin("abort", "podinfo").code == 0
    assert asked == [f"abort@{NEW}"]
    assert left == [0]
