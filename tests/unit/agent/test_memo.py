"""What is kept of computations, and when it is made anew."""

from typing import Any

import pytest

from agent.memo import Memo


def counting(results: list[int]) -> Any:
    """Return what pops one result after the other: a computation that would notice that it is asked again."""
    return lambda: results.pop(0)


def test_the_same_objects_are_looked_at_once() -> None:
    memo, obj, results = Memo(), {"a": 1}, [1, 2]
    assert [memo.of("what", (obj,), counting(results)) for _ in range(3)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("before", "after", "is_same"),
    [
        ({"a": 1}, {"a": 1}, False),  # an equal object may be changed by whoever made it
        ("podinfo-primary", "-".join(("podinfo", "primary")), True),
        (70_000, int("70000"), True),
        (None, None, True),
        (None, 0, False),
        (8080, None, False),
    ],
)
def test_objects_count_by_identity_and_numbers_and_texts_by_value(before: Any, after: Any, *, is_same: bool) -> None:
    memo, results = Memo(), [1, 2]
    assert memo.of("what", (before,), counting(results)) == 1
    assert memo.of("what", (after,), counting(results)) == (1 if is_same else 2)


def test_another_number_of_inputs_is_another_computation() -> None:
    memo, obj, results = Memo(), {"a": 1}, [1, 2]
    assert memo.of("what", (obj,), counting(results)) == 1
    assert memo.of("what", (obj, obj), counting(results)) == 2


def test_what_is_raised_is_raised_again_by_the_computation_itself() -> None:
    memo, obj, results = Memo(), {"a": 1}, [1]
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            memo.of("what", (obj,), lambda: 1 // 0)
    assert memo.of("what", (obj,), counting(results)) == 1


def version(number: int, **parts: Any) -> Any:
    metadata = {"name": "a", "resourceVersion": str(number), "generation": number, "serin.dev/statusWrittenAt": number}
    return {"kind": "RouteTable", "metadata": metadata | parts.pop("metadata", {}), **parts}


def test_what_is_written_of_an_object_is_the_same_one_until_anything_else_than_its_status_is() -> None:
    memo, labels = Memo(), {"a": "b"}
    spec: dict[str, Any] = {"routes": []}
    first = memo.written(version(1, spec=spec, metadata={"labels": labels}))
    assert first == {"kind": "RouteTable", "metadata": {"name": "a", "labels": labels}, "spec": spec}
    assert memo.written(version(2, spec=spec, status={"state": 1}, metadata={"labels": labels})) is first
    for number, edited in enumerate(
        (
            version(3, spec={"routes": []}, metadata={"labels": labels}),
            version(4, spec=spec, metadata={"labels": {"a": "c"}}),
            version(5, spec=spec, metadata={"labels": labels, "deletionTimestamp": "2026"}),
            version(6, spec=spec, metadata={"labels": labels, "ownerReferences": []}),
            version(7, spec=spec),
        )
    ):
        before = memo.written(version(2, spec=spec, metadata={"labels": labels}))
        assert memo.written(edited) is not before, number
    assert memo.written(None) is None
