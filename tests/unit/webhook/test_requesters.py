"""Who asks is written beside the request, can't be forged, and a request that is none is refused at once."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.run.request import read_requester
from tests.support.admission_faults import NOWHERE
from tests.support.reviews import request, stored
from tests.support.rule_cases import good_canary_with
from webhook.context import AGENT
from webhook.mutating import mutate_canary
from webhook.review import ALLOWED
from webhook.validating import validate_canary

Object = dict[str, Any]

ASKED, BY = "serin.dev/request", "serin.dev/requested-by"
PROMOTE = "promote@3f2a9c0d11e4b7a6"


def asked(text: str, by: str | None = None) -> Object:
    return annotated({ASKED: text} | ({} if by is None else {BY: by}))


def annotated(annotations: dict[str, str]) -> Object:
    obj = good_canary_with({})
    return obj | {"metadata": obj["metadata"] | {"annotations": annotations}}


def written(new: Object, old: Object | None, user: str = "alice") -> dict[str, str]:
    """Return the annotations as they are stored after admission."""
    answer = mutate_canary(request(new, old, user=user), NOWHERE)
    annotations: dict[str, str] = stored(new, answer)["metadata"].get("annotations", {})
    return annotations


OLD = [None, annotated({}), good_canary_with({}), asked("pause@3f2a9c", "pause@3f2a9c by bob")]


@pytest.mark.parametrize("old", OLD)
@pytest.mark.parametrize("forged", [None, f"{PROMOTE} by bob", ""])
def test_who_writes_a_request_stands_beside_it_whatever_else_is_written(old: Object | None, forged: str | None) -> None:
    assert written(asked(PROMOTE, forged), old) == {ASKED: PROMOTE, BY: f"{PROMOTE} by alice"}


@pytest.mark.parametrize("forged", [None, f"{PROMOTE} by mallory", f"{PROMOTE} by alice"])
def test_who_leaves_a_request_as_it_is_changes_nothing_of_who_asked(forged: str | None) -> None:
    old = asked(PROMOTE, f"{PROMOTE} by alice")
    assert written(asked(PROMOTE, forged), old, user="mallory") == {ASKED: PROMOTE, BY: f"{PROMOTE} by alice"}
    unmarked = asked(PROMOTE)  # as it was written while the webhook was away
    assert written(asked(PROMOTE, forged), unmarked, user="mallory") == {ASKED: PROMOTE}


def test_a_mark_without_a_request_goes() -> None:
    assert written(annotated({BY: f"{PROMOTE} by bob", "a": "b"}), annotated({})) == {"a": "b"}
    assert written(annotated({}), asked(PROMOTE, f"{PROMOTE} by alice")) == {}


def test_the_agents_own_writes_are_left_alone() -> None:
    old = asked(PROMOTE, f"{PROMOTE} by alice")
    claimed = asked(f"{PROMOTE}#1a2b", f"{PROMOTE} by alice")
    assert written(claimed, old, user=AGENT) == claimed["metadata"]["annotations"]


def test_the_claim_of_an_agent_of_one_namespace_is_no_new_request() -> None:
    """The webhook does not know its name, and is asked about its writes."""
    agent = "system:serviceaccount:shop:serin-agent"
    old, claimed = asked(PROMOTE, f"{PROMOTE} by alice"), asked(f"{PROMOTE}#1a2b", f"{PROMOTE} by alice")
    assert written(claimed, old, user=agent) == claimed["metadata"]["annotations"]
    assert validate_canary(request(claimed, old, user=agent), NOWHERE) == ALLOWED
    assert written(annotated({}), claimed, user=agent) == {}


def test_a_second_pass_of_admission_changes_nothing() -> None:
    new, old = asked(PROMOTE), annotated({})
    once = stored(new, mutate_canary(request(new, old), NOWHERE))
    assert mutate_canary(request(once, old), NOWHERE) == ALLOWED


@given(st.text(max_size=400), st.text(max_size=60))
def test_any_name_is_read_as_one_line_of_bounded_length_and_only_for_its_request(name: str, text: str) -> None:
    mark = written(asked(PROMOTE), annotated({}), user=name)[BY]
    by = read_requester(PROMOTE, mark)
    assert by.isprintable()
    assert len(by) <= 128
    assert read_requester(f"{PROMOTE}#token", mark) == by
    if text != PROMOTE:
        assert read_requester(text, mark) == "" or mark.startswith(f"{text.partition('#')[0]} by ")


VERBS = "promote|abort|pause|resume|retry|skip"
ALLOWED_TEXT = f"<{VERBS}>@<revision>, with a revision or at least its first 6 characters"
CLAIMED = "a request without #, by which the agent marks what it has taken up"


@pytest.mark.parametrize("is_update", [True, False])
@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("promot@abc", ALLOWED_TEXT),
        ("promot@3f2a9c0d", ALLOWED_TEXT),
        ("promote@abc", ALLOWED_TEXT),
        ("promote", ALLOWED_TEXT),
        ("Promote@3f2a9c0d", ALLOWED_TEXT),
        (f"{PROMOTE}#1a2b", CLAIMED),
    ],
)
def test_a_request_that_is_none_is_refused_as_it_is_written(text: str, allowed: str, *, is_update: bool) -> None:
    answer = validate_canary(request(asked(text), annotated({}) if is_update else None), NOWHERE)
    assert answer.refusal is not None
    assert [(cause.field, cause.message) for cause in answer.refusal.causes] == [
        ("metadata.annotations[serin.dev/request]", f"found {text!r}; allowed: {allowed}")
    ]


@pytest.mark.parametrize("verb", VERBS.split("|"))
def test_a_request_is_admitted(verb: str) -> None:
    assert validate_canary(request(asked(f"{verb}@3f2a9c"), annotated({})), NOWHERE) == ALLOWED


def test_a_bad_request_of_before_refuses_no_other_edit() -> None:
    old = asked("promot@abc")
    new = deepcopy(old)
    new["spec"]["suspend"] = True
    assert validate_canary(request(new, old), NOWHERE) == ALLOWED


def test_a_bad_request_is_told_beside_the_faults_of_the_spec() -> None:
    new = asked("promot@abc")
    new["spec"]["service"]["port"] = 0
    answer = validate_canary(request(new, annotated({})), NOWHERE)
    assert answer.refusal is not None
    assert [cause.field for cause in answer.refusal.causes] == [
        "metadata.annotations[serin.dev/request]",
        "spec.service.port",
    ]
