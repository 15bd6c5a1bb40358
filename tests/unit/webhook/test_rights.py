"""A request takes the right to its verb, where that is configured; where nobody says who may, nobody may."""

import asyncio
from typing import Any

import pytest
import yaml

from kube.errors import KubeError
from kube.resource import Object, Resource
from tests.support.cluster import REPOSITORY
from tests.support.reviews import request
from tests.support.rule_cases import good_canary_with
from webhook.review import ALLOWED, Answer, Request
from webhook.rights import ENTRY, RequestRights

ASKED = "serin.dev/request"
COMPONENT = REPOSITORY / "manifests" / "webhook-request-rights"
VERBS = ["promote", "abort", "pause", "resume", "retry", "skip"]


class Reviewer:
    """An API server that gives `answer` to each review, and keeps what it was asked."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[Object] = []

    async def create(self, resource: Resource, body: Object, namespace: str | None = None) -> Object:
        assert (resource.path(), namespace) == ("/apis/authorization.k8s.io/v1/subjectaccessreviews", None)
        self.asked.append(body)
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is None:
            await asyncio.Event().wait()
        assert isinstance(self.answer, dict)
        return body | self.answer


ALLOWED_REVIEW = {"status": {"allowed": True}}
DENIED_REVIEW = {"status": {"allowed": False, "reason": "no RBAC policy matched"}}


def canary(text: str | None) -> Object:
    obj = good_canary_with({})
    return obj | {"metadata": obj["metadata"] | ({} if text is None else {"annotations": {ASKED: text}})}


def asks(new: str | None, old: str | None = None, *, is_update: bool = True) -> Request:
    return request(canary(new), canary(old) if is_update else None)


async def judged(asked: Request, answer: Any) -> tuple[Answer, list[Object]]:
    reviewer = Reviewer(answer)
    return await RequestRights(reviewer).judge(asked), reviewer.asked


@pytest.mark.parametrize("is_update", [True, False])
@pytest.mark.parametrize("verb", VERBS)
async def test_the_right_to_the_verb_of_the_request_is_asked_for(verb: str, *, is_update: bool) -> None:
    asked = asks(f"{verb}@3f2a9c", is_update=is_update)._replace(extra={"scopes": ["a"]})
    answer, reviews = await judged(asked, ALLOWED_REVIEW)
    assert answer == ALLOWED
    assert [review["spec"] for review in reviews] == [
        {
            "user": "alice",
            "groups": ["system:authenticated"],
            "extra": {"scopes": ["a"]},
            "resourceAttributes": {
                "namespace": "test",
                "verb": verb,
                "group": "flagger.app",
                "version": "v1beta1",
                "resource": "canaries",
                "name": "podinfo",
            },
        }
    ]


async def test_who_has_not_the_verb_is_refused() -> None:
    answer, _ = await judged(asks("promote@3f2a9c"), DENIED_REVIEW)
    assert answer.refusal is not None
    assert (answer.refusal.code, answer.refusal.reason) == (403, "Forbidden")
    assert answer.refusal.message == (
        "Canary test/podinfo metadata.annotations[serin.dev/request]: found 'promote@3f2a9c'; allowed: users with the "
        "verb promote on canaries.flagger.app; alice has it not"
    )


@pytest.mark.parametrize(
    "answer",
    [KubeError("down"), ValueError("odd"), {}, {"status": {}}, {"status": {"allowed": "yes"}}, {"status": 5}],
    ids=str,
)
async def test_without_an_answer_nobody_may(answer: Any) -> None:
    refused, _ = await judged(asks("abort@3f2a9c"), answer)
    assert refused.refusal is not None
    assert refused.refusal.code in {403, 503}


async def test_an_answer_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhook.rights._WITHIN_S", 0.01)
    refused, _ = await judged(asks("abort@3f2a9c"), None)
    assert refused.refusal is not None
    assert (refused.refusal.code, refused.refusal.reason) == (503, "ServiceUnavailable")


@pytest.mark.parametrize(
    "asked",
    [
        asks(None),
        asks(None, "promote@3f2a9c"),
        asks("promote@3f2a9c", "promote@3f2a9c"),
        asks("promote@3f2a9c#1a2b", "promote@3f2a9c"),
        asks("promot@3f2a9c"),
        request(None, canary("promote@3f2a9c")),
        asks("promote@3f2a9c")._replace(subresource="status"),
    ],
    ids=["none", "removed", "as before", "claimed", "malformed", "deleted", "status"],
)
async def test_what_brings_no_request_is_not_asked_about(asked: Request) -> None:
    answer, reviews = await judged(asked, DENIED_REVIEW)
    assert answer == ALLOWED
    assert reviews == []


async def test_a_claim_that_is_taken_off_is_a_request_again() -> None:
    _, reviews = await judged(asks("promote@3f2a9c", "promote@3f2a9c#1a2b"), ALLOWED_REVIEW)
    assert len(reviews) == 1


def test_the_component_asks_for_this_entry_alone_and_gives_the_one_right_it_takes() -> None:
    [patch] = yaml.safe_load((COMPONENT / "configuration.yaml").read_text())
    entry = patch["value"]
    assert entry["clientConfig"]["service"]["path"] == ENTRY
    assert (entry["failurePolicy"], entry["sideEffects"], entry["timeoutSeconds"]) == ("Fail", "None", 2)
    assert f"?annotations[?'{ASKED}'].orValue('') != ''" in entry["matchConditions"][1]["expression"]
    roles = {
        document["metadata"]["name"]: document["rules"]
        for document in yaml.safe_load_all((COMPONENT / "rbac.yaml").read_text())
        if document["kind"] == "ClusterRole"
    }
    assert roles["serin-webhook-request-rights"] == [
        {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]}
    ]
    assert roles["serin-requests"] == [{"apiGroups": ["flagger.app"], "resources": ["canaries"], "verbs": VERBS}]
    kustomization = (COMPONENT / "kustomization.yaml").read_text()
    assert "value: --check-request-rights}" in kustomization
