"""Unsent alerts in the status: written, read again, and left out where somebody wrote something else."""

from typing import Any

import pytest

from canary.run.mark import Mark
from canary.run.messages import Alert
from canary.run.unsent import Unsent, read_unsent, write_unsent

FULL = Unsent(
    Alert(
        "error",
        "Reasons",
        "because",
        has_settings=True,
        change=Mark("rev-2", "podinfod image 1 -> 2", "alice"),
        revision="rev-2",
        id="12.2",
        at_s=1_700_000_000.0,
    ),
    "test/on-call",
    "agent-1_ab12",
)
STORED: dict[str, Any] = {
    "id": "12.2",
    "at": "2023-11-14T22:13:20Z",
    "severity": "error",
    "text": "Reasons",
    "to": "test/on-call",
    "begunBy": "agent-1_ab12",
    "reason": "because",
    "revision": "rev-2",
    "change": "podinfod image 1 -> 2",
    "by": "alice",
    "hasSettings": True,
}


def test_what_is_written_is_read_again() -> None:
    assert write_unsent([FULL]) == [STORED]
    assert read_unsent([STORED]) == (FULL,)


@pytest.mark.parametrize(
    "found",
    [None, "x", {}, [1], [STORED | {"text": ""}], [STORED | {"severity": "loud"}], [STORED | {"at": "soon"}]],
)
def test_what_somebody_else_wrote_is_left_out(found: object) -> None:
    assert read_unsent(found) == ()


def test_a_status_stays_small() -> None:
    [written] = write_unsent([Unsent(Alert("error", "x" * 5_000, "y" * 5_000, change=Mark("r", "z" * 5_000, "a")))])
    assert [len(written[key].encode()) for key in ("text", "reason", "change")] == [512, 512, 512]
    assert len(read_unsent([STORED] * 20)) == 8
