"""What is written of the Canary itself: its request annotation and its finalizer, and nothing else."""

from typing import Any

import pytest

from agent.canary_patch import canary_patch, has_finalizer, lost_of_patch
from canary.run.action import ClaimRequest, DropRequest, SetFinalizer
from canary.run.request import split_claim
from canary.run.wire import FINALIZER, REQUEST_ANNOTATION
from tests.support.canaries import canary_object
from tests.support.json_patch import PatchRefused, apply_patch


def stored(**metadata: Any) -> dict[str, Any]:
    obj = canary_object()
    obj["metadata"] |= {"resourceVersion": "7"} | metadata
    return obj


ASKED = stored(annotations={REQUEST_ANNOTATION: "pause@abcdef", "other": "kept"})


def test_a_claim_adds_a_token_that_was_never_there() -> None:
    claims = [apply_patch(ASKED, canary_patch(ASKED, ClaimRequest("pause@abcdef"))) for _ in range(2)]
    values = [obj["metadata"]["annotations"][REQUEST_ANNOTATION] for obj in claims]
    assert [split_claim(value)[0] for value in values] == ["pause@abcdef"] * 2
    assert values[0] != values[1]


def test_a_dropped_request_leaves_the_other_annotations() -> None:
    marked = stored(annotations=ASKED["metadata"]["annotations"] | {"serin.dev/requested-by": "pause@abcdef by alice"})
    for obj in (ASKED, marked):
        dropped = apply_patch(obj, canary_patch(obj, DropRequest("pause@abcdef")))
        assert dropped["metadata"]["annotations"] == {"other": "kept"}


@pytest.mark.parametrize("action", [ClaimRequest("pause@abcdef"), DropRequest("pause@abcdef")])
def test_a_request_that_was_written_anew_is_left_alone(action: ClaimRequest | DropRequest) -> None:
    with pytest.raises(PatchRefused):
        apply_patch(stored(annotations={REQUEST_ANNOTATION: "abort@abcdef"}), canary_patch(ASKED, action))


@pytest.mark.parametrize("others", [[], ["other/finalizer"]])
def test_the_finalizer_comes_and_goes_beside_those_of_others(others: list[str]) -> None:
    bare = stored(**({"finalizers": others} if others else {}))
    kept = apply_patch(bare, canary_patch(bare, SetFinalizer(is_set=True)))
    assert has_finalizer(kept)
    assert kept["metadata"]["finalizers"] == [*others, "finalizer.flagger.app"]
    assert canary_patch(kept, SetFinalizer(is_set=True)) == []
    let_go = apply_patch(kept, canary_patch(kept, SetFinalizer(is_set=False)))
    assert let_go["metadata"]["finalizers"] == others
    with pytest.raises(PatchRefused):
        apply_patch(stored(resourceVersion="8"), canary_patch(bare, SetFinalizer(is_set=True)))


PATH = f"metadata.annotations[{REQUEST_ANNOTATION}]"


@pytest.mark.parametrize(
    ("action", "answer", "lost"),
    [
        (ClaimRequest("pause@abcdef"), ASKED, PATH),
        (ClaimRequest("pause@abcdef"), stored(), PATH),
        (ClaimRequest("pause@abcdef"), stored(annotations={REQUEST_ANNOTATION: "pause@abcdef claimed-by 1"}), ""),
        (DropRequest("pause@abcdef"), ASKED, PATH),
        (DropRequest("pause@abcdef"), stored(), ""),
        (SetFinalizer(is_set=True), stored(), "metadata.finalizers[finalizer.flagger.app]"),
        (SetFinalizer(is_set=True), stored(finalizers=[FINALIZER]), ""),
        (SetFinalizer(is_set=False), stored(finalizers=[FINALIZER]), "metadata.finalizers[finalizer.flagger.app]"),
    ],
)
def test_what_the_answer_does_not_have_of_a_patch_is_named(
    action: ClaimRequest | DropRequest | SetFinalizer, answer: dict[str, Any], lost: str
) -> None:
    assert lost_of_patch(answer, action) == lost
